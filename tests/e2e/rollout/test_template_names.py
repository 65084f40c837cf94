"""Names of templates of agents with long names."""

from __future__ import annotations

import re

import pytest

from fixtures.conformance import conformance
from fixtures.journal.predicates import condition


@conformance(id="BG-C04", profile="ROLLOUT", level="core", killers=["bg/name-cut"])
@pytest.mark.parametrize("length", [1, 45, 46, 47, 63])
def test_template_name_fits_and_ends_with_the_whole_hash(rollout, length):
    """The name of a template MUST be a DNS label of at most 63 characters that ends with the whole hash."""
    # A cut at 46 leaves a hyphen at the end of this one, which must go.
    name = ("b" * 45 + "-" + "c" * 17)[:length].rstrip("-").ljust(length, "b")
    _, template = rollout.ready_agent(name)

    assert template.hash
    assert template.name.endswith(f"-{template.hash}")
    assert template.name == f"{name[:46].rstrip('-')}-{template.hash}"
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", template.name)


@conformance(id="BG-R13", profile="ROLLOUT", level="extended", killers=["bg/label-loop"])
def test_name_that_is_too_long_is_refused(rollout, wait):
    """An agent whose name is no label value MUST be told so, and MUST NOT make the controller loop."""
    agent = rollout.agent("a" * 64)

    refused = wait.until(agent, condition("Accepted", "False", "ReconcileFailed"), limit="template_applied")
    since = rollout.journal.position()
    wait.holds(agent, condition("Accepted", "False", "ReconcileFailed"), window="requeues")

    assert "63" in refused.condition("Accepted").message
    assert agent.templates() == []
    # It says it once, and writes nothing more.
    assert rollout.writes_of(agent, since) == 0
