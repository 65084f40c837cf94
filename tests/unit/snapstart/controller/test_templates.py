"""SandboxTemplates of CodeInterpreters (SS-A7, SS-A8)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube import AsyncClient

from reference.objects import is_controlled_by, labels_of, uid_of
from reference.snapstart.controller.mutants.acts import EditsKept, TemplateWithPool
from reference.snapstart.controller.templates import Templates, merge_patch
from reference.snapstart.kinds import MANAGED_BY, CodeInterpreter, SandboxTemplate
from tests.unit.fakeapi import NAMESPACE, Clock, FakeApi, Log, merged
from tests.unit.reference.test_informer import configuration

POD = {"containers": [{"name": "main", "image": "python"}]}


class World:
    """One CodeInterpreter, and what keeps its template."""

    def __init__(self, templates: type[Templates] = Templates) -> None:
        self.log = Log()
        self.api = FakeApi(Clock(), self.log)
        self._loop = asyncio.new_event_loop()
        # The informers are made and never run.
        client = AsyncClient(configuration("http://127.0.0.1:9"), trust_env=False)
        self.api.client = client  # type: ignore[attr-defined]
        self.templates = templates(self.api)  # type: ignore[arg-type]
        body = {"metadata": {"name": "ci"}, "spec": {"podTemplate": {"spec": POD}}}
        self.owner = self.run(self.api.create(CodeInterpreter, body))

    def run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    def reconcile(self) -> None:
        self.run(self.templates.reconcile((NAMESPACE, "ci")))

    @property
    def template(self) -> Any:
        return self.api.objects.get(("SandboxTemplate", "ci"))

    def close(self) -> None:
        self.run(self.templates._api.client.close())
        self._loop.close()


Make = Callable[..., World]


@pytest.fixture
def make() -> Any:
    """A world, with the rules for templates."""
    made: list[World] = []

    def making(templates: type[Templates] = Templates) -> World:
        made.append(World(templates))
        return made[-1]

    yield making
    for world in made:
        world.close()


def test_template_without_pool_or_snapshot(make: Make) -> None:
    """SS-A7: a CodeInterpreter alone MUST have a template of its name, owned and labelled."""
    world = make()
    world.reconcile()

    assert world.template["spec"]["podTemplate"]["spec"] == POD
    assert is_controlled_by(world.template, uid_of(world.owner))
    assert labels_of(world.template)[MANAGED_BY] == "code-interpreter-controller"


def test_collected_with_its_owner(make: Make) -> None:
    """SS-A8: the template MUST go with its CodeInterpreter."""
    world = make()
    world.reconcile()
    world.api.remove(CodeInterpreter, "ci")
    world.reconcile()
    assert world.template is None


@pytest.mark.parametrize(
    "edit",
    [
        {"spec": {"podTemplate": {"spec": {"containers": [{"name": "main", "image": "other"}]}}}},
        {"spec": {"podTemplate": {"spec": {"hostNetwork": True}}}},
        {"spec": {"podTemplate": {"metadata": {"labels": {"a": "b"}}}}},
        {"metadata": {"labels": {MANAGED_BY: None}}},
    ],
)
def test_manual_edits(make: Make, edit: dict[str, Any]) -> None:
    """SS-A8: edits of the Pod template or the label MUST be undone, also what they add."""
    world = make()
    world.reconcile()
    before = {"spec": world.template["spec"], "labels": labels_of(world.template)}
    world.api.edit(SandboxTemplate, "ci", edit)
    world.reconcile()

    assert {"spec": world.template["spec"], "labels": labels_of(world.template)} == before
    world.log.entries.clear()
    world.reconcile()
    assert world.log.entries == []


def test_changed_owner(make: Make) -> None:
    """A changed CodeInterpreter MUST change its template."""
    world = make()
    world.reconcile()
    world.api.edit(CodeInterpreter, "ci", {"spec": {"podTemplate": {"spec": {"hostNetwork": True}}}})
    world.reconcile()
    assert world.template["spec"]["podTemplate"]["spec"]["hostNetwork"] is True


def test_template_of_somebody_else(make: Make) -> None:
    """A template of the same name that somebody else made MUST be left alone."""
    world = make()
    body = {"metadata": {"name": "ci"}, "spec": {"podTemplate": {"spec": {}}}}
    world.run(world.api.create(SandboxTemplate, body))
    world.reconcile()
    assert world.template["spec"]["podTemplate"]["spec"] == {}


def test_mutants(make: Make) -> None:
    """template-with-pool and edits-kept MUST do what they say."""
    world = make(TemplateWithPool)
    world.reconcile()
    assert world.template is None
    world = make(EditsKept)
    world.reconcile()
    world.api.edit(SandboxTemplate, "ci", {"spec": {"podTemplate": {"spec": {"hostNetwork": True}}}})
    world.reconcile()
    assert world.template["spec"]["podTemplate"]["spec"]["hostNetwork"] is True


JSON = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=2), JSON), st.dictionaries(st.text(max_size=2), JSON))
def test_merge_patches(before: Any, after: Any) -> None:
    """A merge patch MUST make the one into the other."""
    if before == after:
        assert not isinstance(merge_patch(before, after), dict)
    else:
        assert merged(before, merge_patch(before, after)) == after
