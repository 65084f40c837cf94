"""The SandboxTemplate of a runtime object: made, kept and collected with it."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.journal import Ref
from fixtures.journal.predicates import Predicate
from fixtures.kube.kinds import CODE_INTERPRETER, TEMPLATE
from fixtures.kube.snapshot import Snapshot
from fixtures.system.snapstart.views import CODE_INTERPRETER_CONTROLLER, MANAGED_BY

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

FEATURES = ["RuntimeTemplateReconcile"]


@pytest.fixture
def interpreter(start_snapstart):
    """A deployment whose controller looks after CodeInterpreters, and one of these, alone."""
    found = start_snapstart(nodes=0, options={"controller": ["--code-interpreters"]})
    spec = {"podTemplate": {"spec": found.pod_spec()}}
    made = found.api.create(
        CODE_INTERPRETER, {"metadata": {"name": "runtime"}, "spec": spec}, found.namespace
    )
    return found, made


def template_of(snapstart):
    """What waits take for the template."""
    return Ref(TEMPLATE, "runtime", Snapshot)


@conformance(id="SS-A7", profile="SNAPSTART", level="extended", features=FEATURES, killers=["ss/M26"])
def test_a_runtime_object_has_a_template(interpreter):
    """A runtime object MUST have a template of its name, owned and labelled, without pool or snapshot."""
    snapstart, made = interpreter

    found = snapstart.wait.until(
        template_of(snapstart), Predicate("there", lambda s: True), limit="immediately"
    )

    assert found.labels[MANAGED_BY] == CODE_INTERPRETER_CONTROLLER
    assert [(o.kind, o.uid, o.controller) for o in found.owners] == [("CodeInterpreter", made.uid, True)]
    # The API server fills in what a SandboxTemplate leaves open.
    (container,), (wanted,) = (s.spec["podTemplate"]["spec"]["containers"] for s in (found, made))
    assert {name: container[name] for name in ("name", "image", "env")} == {
        name: wanted[name] for name in ("name", "image", "env")
    }


@conformance(id="SS-A8", profile="SNAPSTART", level="extended", features=FEATURES, killers=["ss/M27"])
def test_edits_of_a_template_are_reverted(interpreter):
    """A template of a runtime object MUST be reverted where it is edited, and go with the object."""
    snapstart, _ = interpreter
    found = snapstart.wait.until(
        template_of(snapstart), Predicate("there", lambda s: True), limit="immediately"
    )
    edit = [{"op": "replace", "path": "/spec/podTemplate/spec/containers/0/image", "value": "edited"}]
    snapstart.api.patch(
        TEMPLATE, "runtime", edit, snapstart.namespace, content_type="application/json-patch+json"
    )

    def reverted(journal):
        live = journal.history.named(TEMPLATE, "runtime")
        image = live.spec["podTemplate"]["spec"]["containers"][0]["image"]
        seen = [e for e in journal.history.of(TEMPLATE) if "edited" in str(e.object.raw)]
        return None if seen and image != "edited" else f"its image is {image}"

    snapstart.wait.all("the edit is reverted", reverted, limit="immediately")
    snapstart.api.delete(CODE_INTERPRETER, "runtime", snapstart.namespace)
    snapstart.wait.gone(Ref(TEMPLATE, "runtime", Snapshot, found.uid))
