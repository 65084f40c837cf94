"""Whether an autoscaler may evict members."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, uses
from fixtures.system.agent_sandbox.views import SAFE_TO_EVICT


@conformance(
    id="AS-W14",
    profile="WARMPOOL",
    level="extended",
    needs=["sut-restart"],
    killers=["as/cfg-off", "as/eviction-flag"],
)
@pytest.mark.parametrize(
    ("in_template", "flag", "on_member"),
    [
        (None, None, "true"),
        ("false", None, "false"),
        pytest.param(None, "false", None, marks=uses("sut:exclusive")),
        pytest.param("false", "false", "false", marks=uses("sut:exclusive")),
    ],
    ids=["default", "template-false", "flag-false", "both"],
)
def test_members_are_safe_to_evict_unless_told_otherwise(
    request, make_template, make_pool, sandboxes, wait, in_template, flag, on_member
):
    """Members MUST be marked safe to evict, unless the template says otherwise or the operator forbids it."""
    if flag:
        request.getfixturevalue("controller").start(f"--enable-warm-pool-eviction={flag}")
    annotations = {SAFE_TO_EVICT: in_template} if in_template else {}
    pool = make_pool(
        replicas=1, template=make_template(podTemplate={"metadata": {"annotations": annotations}})
    )
    [member] = pool.members()

    assert member.pod_annotations.get(SAFE_TO_EVICT) == on_member
    assert wait.current(sandboxes.pod(member.name)).annotations.get(SAFE_TO_EVICT) == on_member
