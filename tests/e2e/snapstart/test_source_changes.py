"""A snapshot whose template changes: what counts as a change, and what becomes of the old key."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import Predicate
from fixtures.kube.kinds import CONFIG_MAP, SECRET, TEMPLATE
from fixtures.system.snapstart.making import PYTHON

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

FORK = ["SnapshotForkMode"]
IMAGE = {"image": "registry.example/runtime:2"}


@pytest.fixture
def one_node(start_snapstart):
    """A deployment with one node, which is enough where only keys matter."""
    found = start_snapstart(nodes=1)
    found.snapshot_class()
    return found


def rebuilt(snapstart, snapshot, key, since):
    """The key of the set that follows the one of `key`, once it is complete."""
    snapstart.comes_to(snapshot, not_ready(), since=since)
    snapstart.is_complete(snapshot)
    return snapstart.active_key(snapshot)


def not_ready():
    """The snapshot has stopped being Ready."""
    return Predicate("not Ready", lambda s: s.status.get("phase") not in ("Ready", None))


@conformance(id="SS-I1", profile="SNAPSTART", level="core", features=FORK, killers=["ss/M6"])
def test_a_changed_template_ends_the_old_key(one_node):
    """When the Pod spec changes the active set MUST be forgotten before anything is built; sessions MUST be
    cold meanwhile and have a new key afterwards.
    """
    one_node.template()
    snapshot = one_node.ready_snapshot()
    key = one_node.active_key(snapshot)
    hashes = {task.hash for task in one_node.all_tasks(snapshot)}
    since = one_node.journal.position()

    one_node.edit_template(container=IMAGE)
    one_node.comes_to(snapshot, not_ready(), since=since)
    meanwhile = one_node.session()
    one_node.is_complete(snapshot)
    afterwards = one_node.session()

    assert meanwhile.key != key, "a session got the old key after the phase had left Ready"
    new = one_node.active_key(snapshot)
    assert new != key
    one_node.is_restored(afterwards, new)
    assert {task.hash for task in one_node.all_tasks(snapshot)} > hashes
    one_node.tells(snapshot, "SandboxSnapshotRebuilding", since=since)


CHANGES = {
    "image": {"container": IMAGE},
    "command": {"container": {"command": ["other"]}},
    "args": {"container": {"args": ["--other"]}},
    "env": {"env": {"OTHER": "1"}},
    "resources": {"container": {"resources": {"requests": {"cpu": "11m"}}}},
    "security": {"securityContext": {"runAsUser": 1234}},
    "volumes": {"volumes": [{"name": "data", "emptyDir": {}}]},
    "config-map-name": {"volumes": [{"name": "data", "configMap": {"name": "other", "optional": True}}]},
}


@pytest.mark.parametrize("change", CHANGES)
@conformance(id="SS-I2", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/M46"])
def test_what_changes_the_hash(one_node, change):
    """Image, command, arguments, environment, resources, volumes, security context and the names of
    referenced objects MUST change the hash, and with it the key.
    """
    one_node.template()
    snapshot = one_node.ready_snapshot()
    key, since = one_node.active_key(snapshot), one_node.journal.position()

    one_node.edit_template(**CHANGES[change])

    assert rebuilt(one_node, snapshot, key, since) != key


@conformance(id="SS-I3", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/M13"])
def test_what_does_not_change_the_hash(one_node):
    """Data of ConfigMaps and Secrets, and metadata of the template, MUST NOT change key or start builds."""
    for kind, name in ((CONFIG_MAP, "config"), (SECRET, "secret")):
        one_node.api.create(kind, {"metadata": {"name": name}}, one_node.namespace)
    volumes = [
        {"name": "config", "configMap": {"name": "config"}},
        {"name": "secret", "secret": {"secretName": "secret"}},
    ]
    one_node.template(volumes=volumes)
    snapshot = one_node.ready_snapshot()
    key, known = one_node.active_key(snapshot), len(one_node.all_tasks(snapshot))

    one_node.api.patch(CONFIG_MAP, "config", {"data": {"a": "b"}}, one_node.namespace)
    one_node.api.patch(SECRET, "secret", {"stringData": {"a": "b"}}, one_node.namespace)
    metadata = {"labels": {"a": "b"}, "annotations": {"a": "b"}}
    one_node.api.patch(
        TEMPLATE,
        PYTHON,
        {"metadata": metadata, "spec": {"podTemplate": {"metadata": metadata}}},
        one_node.namespace,
    )
    one_node.wait.holds(snapshot, Predicate("Ready", lambda s: s.status.get("phase") == "Ready"))

    assert one_node.active_key(snapshot) == key
    assert len(one_node.all_tasks(snapshot)) == known


@conformance(id="SS-I6", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/M12"])
def test_the_order_of_lists_counts(one_node):
    """The order of a list MUST change the hash."""
    one_node.template(env={"A": "1", "B": "2"})
    snapshot = one_node.ready_snapshot()
    key, since = one_node.active_key(snapshot), one_node.journal.position()

    one_node.edit_template(env={"B": "2", "A": "1"})

    assert rebuilt(one_node, snapshot, key, since) != key


@conformance(id="SS-I6b", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/M48"])
def test_a_template_made_anew_is_another_source(one_node):
    """A template that is deleted and made again with an equal spec MUST have another hash."""
    one_node.template()
    snapshot = one_node.ready_snapshot()
    first = {task.hash for task in one_node.all_tasks(snapshot)}
    since = one_node.journal.position()

    one_node.api.delete(TEMPLATE, PYTHON, one_node.namespace)
    one_node.comes_to(snapshot, not_ready(), since=since)
    one_node.template()
    one_node.is_complete(snapshot)

    assert {task.hash for task in one_node.all_tasks(snapshot)} > first


@conformance(id="SS-A5", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/M24"])
def test_omitted_means_true(one_node):
    """`rebuildOnSourceChange: false` MUST be kept, and an omitted value MUST act as true."""
    one_node.template()
    explicit = one_node.snapshot("explicit", policy={"rebuildOnSourceChange": False})
    omitted = one_node.snapshot("omitted", policy={})

    for snapshot in (explicit, omitted):
        one_node.is_complete(snapshot)
    assert one_node.state(explicit).spec["forkPolicy"]["rebuildOnSourceChange"] is False
    since = one_node.journal.position()
    one_node.edit_template(container=IMAGE)

    one_node.comes_to(omitted, not_ready(), since=since)
    one_node.is_complete(omitted)
