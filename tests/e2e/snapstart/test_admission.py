"""What the API refuses of snapshots and classes, and what is refused where it does not."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.kube.client import refusal
from fixtures.kube.kinds import SNAPSHOT, SNAPSHOT_CLASS

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

SOURCE = {"apiGroup": "extensions.agents.x-k8s.io", "kind": "SandboxTemplate", "name": "python"}
RIGHT = {"snapshotMode": "Fork", "snapshotClassName": "class", "sourceRef": SOURCE}
WRONG = {
    "no-mode": {key: value for key, value in RIGHT.items() if key != "snapshotMode"},
    "no-class": {key: value for key, value in RIGHT.items() if key != "snapshotClassName"},
    "no-source": {key: value for key, value in RIGHT.items() if key != "sourceRef"},
    "unknown-mode": {**RIGHT, "snapshotMode": "Copy"},
    "source-without-name": {**RIGHT, "sourceRef": {k: v for k, v in SOURCE.items() if k != "name"}},
}


@pytest.mark.parametrize("wrong", WRONG)
@conformance(id="SS-A1", profile="SNAPSTART", level="core", features=["SnapshotCRDs"], killers=["ss/M23"])
def test_incomplete_snapshots_are_refused(api, namespace, mutant, wrong):
    """A snapshot that lacks a required field, or has an unknown mode, MUST be refused with 422."""
    body = {"metadata": {"name": "wrong"}, "spec": WRONG[wrong]}

    refused = refusal(lambda: api.create(SNAPSHOT, body, namespace))

    assert refused is not None
    assert refused.status == 422
    assert api.find(SNAPSHOT, "wrong", namespace) is None


@conformance(id="SS-A4", profile="SNAPSTART", level="core", features=["SnapshotCRDs"], killers=["ss/M23"])
def test_classes_without_modes_are_refused(api, namespace, mutant):
    """A class without a mode MUST be refused with 422."""
    spec = {"providerName": "zygote.ref", "supportedSnapshotModes": []}
    try:
        refused = refusal(lambda: api.create(SNAPSHOT_CLASS, {"metadata": {"name": namespace}, "spec": spec}))
    finally:
        api.delete(SNAPSHOT_CLASS, namespace)

    assert refused is not None
    assert refused.status == 422


MISMATCHES = {
    "mode": ({"modes": ["Resume"]}, {}),
    "source": ({}, {"sourceRef": {"apiGroup": "agents.x-k8s.io", "kind": "Sandbox", "name": "python"}}),
}


@pytest.mark.parametrize("mismatch", MISMATCHES)
@conformance(id="SS-A3", profile="SNAPSTART", level="core", features=["SnapshotForkMode"], killers=["ss/M18"])
def test_a_mismatch_is_failed(start_snapstart, mismatch):
    """A mode that the class lacks, or a source of the wrong kind, MUST make the snapshot Failed."""
    of_class, of_snapshot = MISMATCHES[mismatch]
    snapstart = start_snapstart(nodes=1)
    snapstart.snapshot_class(**of_class)
    snapstart.template()

    state = snapstart.reaches(snapstart.snapshot(**of_snapshot), "Failed", "Ready")

    assert state.phase == "Failed"
    assert state.message


REFUSED = {
    "resume-with-fork-policy": {
        "snapshotMode": "Resume",
        "sourceRef": {"apiGroup": "agents.x-k8s.io", "kind": "Sandbox", "name": "python"},
        "forkPolicy": {"rebuildOnSourceChange": True},
    },
    "mode-of-no-class": {"snapshotClassName": "only-resume"},
    "source-of-wrong-kind": {
        "sourceRef": {"apiGroup": "agents.x-k8s.io", "kind": "Sandbox", "name": "python"}
    },
}


@pytest.mark.parametrize("wrong", REFUSED)
@conformance(
    id="SS-A2",
    profile="SNAPSTART",
    level="extended",
    features=["SnapshotAdmissionWebhook"],
    killers=["ss/M18"],
)
def test_the_webhook_refuses_what_can_never_be_built(snapstart_webhook, wrong):
    """Resume with a fork policy, a mode the class lacks and a source of the wrong kind MUST be refused."""
    snapstart_webhook.snapshot_class(modes=["Fork", "Resume"])
    only = snapstart_webhook.snapshot_class(f"{snapstart_webhook.namespace}-r", modes=["Resume"])
    spec = dict(REFUSED[wrong])
    if "snapshotClassName" in spec:
        spec["snapshotClassName"] = only

    refused = snapstart_webhook.refusal(**spec)

    assert 400 <= refused < 500
    assert snapstart_webhook.api.find(SNAPSHOT, "snap", snapstart_webhook.namespace) is None
    assert snapstart_webhook.snapshot("right").name == "right"
