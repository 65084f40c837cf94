"""snapshotHash and snapshotKey as rules over all inputs (SS-I2, SS-I3, SS-I6, SS-K3)."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reference.snapstart import keys
from reference.snapstart.hashing import Hashing, normalized, stable_json

CLASS: Mapping[str, Any] = {
    "metadata": {"name": "fast"},
    "spec": {"providerName": "zygote.ref", "supportedSnapshotModes": ["Fork"]},
}
POD: Mapping[str, Any] = {
    "containers": [
        {
            "name": "main",
            "image": "python:3.11",
            "command": ["python", "-m", "runtime"],
            "args": ["--mode", "cold"],
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "b"}}},
            ],
            "envFrom": [{"configMapRef": {"name": "config"}}],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
            "securityContext": {"runAsUser": 1000},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }
    ],
    "runtimeClassName": "kuasar",
    "securityContext": {"fsGroup": 2000},
    "volumes": [
        {"name": "data", "persistentVolumeClaim": {"claimName": "claim"}},
        {"name": "etc", "configMap": {"name": "config"}},
    ],
    "nodeSelector": {"zone": "a"},
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)


def template(spec: Any = POD, uid: str = "t-1", **metadata: Any) -> dict[str, Any]:
    """A SandboxTemplate."""
    return {
        "metadata": {"name": "python", "namespace": "ns", "uid": uid, **metadata},
        "spec": {"podTemplate": {"spec": spec}},
    }


def hashed(spec: Any = POD, mode: str = "Fork", of_class: Any = CLASS, **metadata: Any) -> str:
    """The hash of a template with this Pod spec."""
    return Hashing().hash(mode, template(spec, **metadata), of_class)


def changed(path: str, value: Any) -> dict[str, Any]:
    """The Pod spec with another value at a path such as `containers.0.image`."""
    spec: Any = copy.deepcopy(dict(POD))
    *way, last = path.split(".")
    at = spec
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value
    return dict(spec)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("containers.0.image", "python:3.12"),
        ("containers.0.command", ["python"]),
        ("containers.0.args", ["--mode", "other"]),
        ("containers.0.env.0.value", "2"),
        ("containers.0.env.1.valueFrom.secretKeyRef.name", "another"),
        ("containers.0.envFrom.0.configMapRef.name", "another"),
        ("containers.0.resources.limits.cpu", "2"),
        ("containers.0.securityContext.runAsUser", 1001),
        ("containers.0.volumeMounts.0.mountPath", "/elsewhere"),
        ("runtimeClassName", "runc"),
        ("securityContext.fsGroup", 2001),
        ("volumes.0.persistentVolumeClaim.claimName", "another"),
        ("volumes.1.configMap.name", "another"),
        ("nodeSelector.zone", "b"),
        ("serviceAccountName", "robot"),
        ("hostNetwork", True),
    ],
)
def test_what_changes_the_hash(path: str, value: object) -> None:
    """SS-I2: every field of the Pod spec, also the name of what it refers to, MUST change the hash."""
    assert hashed(changed(path, value)) != hashed()


def test_identity_changes_the_hash() -> None:
    """SS-I6: another template UID, namespace, class or mode MUST change the hash."""
    other = {**CLASS, "metadata": {"name": "slow"}}
    provider = {**CLASS, "spec": {**CLASS["spec"], "providerName": "criu.ref"}}
    found = [
        hashed(),
        hashed(uid="t-2"),
        hashed(namespace="other"),
        hashed(name="other"),
        hashed(mode="Resume"),
        hashed(of_class=other),
        hashed(of_class=provider),
    ]
    assert len(set(found)) == len(found)


def test_what_does_not_change_the_hash() -> None:
    """SS-I3: the template's own metadata, and which nodes the class selects, MUST NOT change the hash."""
    selecting = {**CLASS, "spec": {**CLASS["spec"], "nodeSelector": {"a": "b"}}}
    metadata = {"labels": {"a": "b"}, "annotations": {"c": "d"}, "resourceVersion": "7", "generation": 3}
    assert hashed(**metadata) == hashed() == hashed(of_class=selecting)
    with_pod_metadata = template()
    with_pod_metadata["spec"]["podTemplate"]["metadata"] = {"labels": {"x": "y"}}
    assert Hashing().hash("Fork", with_pod_metadata, CLASS) == hashed()


def test_form() -> None:
    """A hash MUST read `sha256:` and 64 hexadecimal digits."""
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", hashed())


def shuffled(value: Any, data: st.DataObject) -> Any:
    """The same value with the keys of all maps in another order."""
    if isinstance(value, dict):
        keys_in_order = data.draw(st.permutations(list(value)))
        return {key: shuffled(value[key], data) for key in keys_in_order}
    if isinstance(value, list):
        return [shuffled(item, data) for item in value]
    return value


@given(JSON, st.data())
def test_order_of_maps(value: Any, data: st.DataObject) -> None:
    """SS-I6: the order of maps MUST NOT show, at any depth."""
    assert stable_json(shuffled(value, data)) == stable_json(value)


@given(JSON, JSON)
def test_different_values(one: Any, other: Any) -> None:
    """Values that differ MUST have different texts, as far as JSON tells them apart."""
    assume(repr(one) != repr(other))
    if _sorted(one) != _sorted(other):
        assert stable_json(one) != stable_json(other)


def _sorted(value: Any) -> str:
    """A value as a text in which the order of maps does not show and types do."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{_sorted(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_sorted(item) for item in value) + "]"
    return repr(value)


@given(st.lists(st.integers(), min_size=2, max_size=5), st.data())
def test_order_of_lists(items: list[int], data: st.DataObject) -> None:
    """SS-I6: the order of lists MUST show."""
    other = data.draw(st.permutations(items))
    assert (hashed({"list": items}) == hashed({"list": other})) == (items == other)


@given(JSON)
def test_null_is_absent(value: Any) -> None:
    """A key whose value is null MUST say the same as no key; nothing else is dropped."""
    assert normalized({"a": value, "b": None}) == ({} if value is None else {"a": normalized(value)})
    assert normalized(normalized(value)) == normalized(value)


# -- keys -----------------------------------------------------------------

NAMES = st.text(alphabet="abcxyz.-019", min_size=1, max_size=300)
NUMBERS = st.integers(0, 2**63 - 1)


@given(NAMES, NUMBERS, NUMBERS, st.uuids().map(str))
def test_form_of_keys(name: str, generation: int, sequence: int, uid: str) -> None:
    """SS-K3: whatever a snapshot is called, its key MUST be a label value, and keep what makes it unique."""
    key = keys.snapshot_key(name, "Fork", generation, sequence, uid, "0123abcd")

    assert len(key) <= 63
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", key)
    assert key.endswith("-0123abcd")


def test_recommended_form() -> None:
    """A key MUST begin as the contract recommends."""
    key = keys.snapshot_key("python-ready", "Fork", 12, 1, "uid", "0123abcd")
    assert key.startswith("python-ready-fork-g12-r1-")


@given(
    st.sampled_from(["a.b", "a-b", "A_B", "x" * 70, "x" * 80]),
    st.sampled_from(["a.b", "a-b", "A_B", "x" * 70, "x" * 80]),
    st.uuids().map(str),
    st.uuids().map(str),
)
def test_names_that_normalize_alike(one: str, other: str, uid: str, other_uid: str) -> None:
    """SS-K3: snapshots with another UID MUST have other keys even with the same nonce."""
    assume(uid != other_uid)
    found = keys.snapshot_key(one, "Fork", 1, 1, uid, "0")
    assert found != keys.snapshot_key(other, "Fork", 1, 1, other_uid, "0")


def test_nonces() -> None:
    """Two sets of one snapshot MUST have different keys even where nothing else tells them apart."""
    assert len({keys.new_nonce() for _ in range(100)}) == 100
