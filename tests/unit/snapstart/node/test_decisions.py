"""What a node decides, without a node: next steps, statuses, turns, addresses, leftovers, environments."""

from __future__ import annotations

import base64
import ipaddress
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.system.fulldisk import full_disk
from reference.processes import ProcessIdentity
from reference.snapstart.kinds import LIVE_KEYS, MODE_VARIABLE, SNAPSHOT_KEY
from reference.snapstart.node import status
from reference.snapstart.node.addresses import Addresses, NoAddress, network
from reference.snapstart.node.builds import Build, State, build
from reference.snapstart.node.environment import Missing, Source, resolved, sources, text_of
from reference.snapstart.node.holdings import Leftovers, live
from reference.snapstart.node.ledger import BUILD, COLD, Entry, Ledger
from reference.snapstart.node.plan import Action, action
from reference.snapstart.node.pods import DEFAULT_PORT, PodRequest, Unsupported, grace_of, requested
from reference.snapstart.node.turns import Turns
from tests.unit.snapstart.node.fakecluster import merged

REQUEST = PodRequest("ns", "p", "u", COLD, "", 8080, "", None)
ENTRY = Entry(REQUEST, "127.0.0.2", "token")
STARTED = replace(ENTRY, way=COLD, process=ProcessIdentity(1, 2.0), started_at="2026-01-01T00:00:00Z")
NOW, LATER = "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"


def pod(
    phase: str = "", *, deleted: bool = False, annotations: Any = None, **container: Any
) -> dict[str, Any]:
    """A Pod of one container."""
    metadata: dict[str, Any] = {"namespace": "ns", "name": "p", "uid": "u", "annotations": annotations}
    if deleted:
        metadata["deletionTimestamp"] = NOW
    return {
        "metadata": metadata,
        "spec": {"nodeName": "n", "containers": [{"name": "main", "image": "i", **container}]},
        "status": {"phase": phase} if phase else {},
    }


@pytest.mark.parametrize(
    ("there", "entry", "runs", "step"),
    [
        (None, None, False, Action.REST),
        (None, STARTED, True, Action.RELEASE),
        (pod(), None, False, Action.ACCEPT),
        (pod("Pending"), None, False, Action.ACCEPT),
        (pod("Pending"), ENTRY, False, Action.START),
        (pod("Running"), STARTED, True, Action.OBSERVE),
        (pod("Running"), STARTED, False, Action.REPORT_END),
        (pod("Running"), None, False, Action.REPORT_LOSS),
        (pod("Running", deleted=True), STARTED, True, Action.FINISH),
        (pod(deleted=True), None, False, Action.FINISH),
        (pod("Failed", deleted=True), STARTED, True, Action.FINISH),
        (pod("Failed"), STARTED, True, Action.RELEASE),
        (pod("Succeeded"), None, False, Action.REST),
    ],
)
def test_the_next_step(there: Any, entry: Entry | None, runs: bool, step: Action) -> None:
    """Each state of Pod, record and process MUST have its one next step."""
    assert action(there, entry, runs=runs) is step


def test_what_a_pod_asks_for() -> None:
    """Mode, key, port and preload MUST be read of the Pod; a build never has a key."""
    env = [{"name": "SNAPSTART_PRELOAD", "value": "numpy,ssl"}]
    session = requested(pod(annotations={SNAPSHOT_KEY: "k"}, env=env, ports=[{"containerPort": 81}]))
    assert (session.mode, session.key, session.port, session.preload) == (COLD, "k", 81, "numpy,ssl")
    build_env = [{"name": MODE_VARIABLE, "value": "build"}]
    source = requested(pod(annotations={SNAPSHOT_KEY: "k"}, env=build_env))
    assert (source.mode, source.key, source.port, source.preload) == (BUILD, "", DEFAULT_PORT, None)


def test_what_no_node_can_run() -> None:
    """A Pod of several containers, or of an unknown mode, MUST be refused."""
    several = pod()
    several["spec"]["containers"].append({"name": "second"})
    with pytest.raises(Unsupported, match="2 containers"):
        requested(several)
    with pytest.raises(Unsupported, match="'warm', neither"):
        requested(pod(env=[{"name": MODE_VARIABLE, "value": "warm"}]))


def test_the_grace_of_a_pod() -> None:
    """The grace period MUST be the one of the deletion, also 0."""
    found = pod(deleted=True)
    assert grace_of(found) == 30
    found["metadata"]["deletionGracePeriodSeconds"] = 0
    assert grace_of(found) == 0


def test_a_status_that_was_written_is_not_written_again() -> None:
    """A status MUST be equal to itself, whatever others add, and keep the times of what did not change."""
    found = pod()
    first = status.running(found, STARTED, ready=True, host="127.0.0.1", now=NOW)
    assert not status.says(found, first)
    written = merged(found, {"status": first}, strategic=True)
    written["status"]["conditions"].insert(0, {"type": "Theirs", "status": "True"})
    again = status.running(written, STARTED, ready=True, host="127.0.0.1", now=LATER)
    assert again == first
    assert status.says(written, again)
    unready = status.running(written, STARTED, ready=False, host="127.0.0.1", now=LATER)
    assert not status.says(written, unready)
    times = {c["type"]: c["lastTransitionTime"] for c in unready["conditions"]}
    assert (times["Initialized"], times["Ready"]) == (NOW, LATER)


def test_a_condition_that_somebody_turned_is_turned_back() -> None:
    """A Ready that the cluster took away from a Pod MUST be written again."""
    said = status.running(pod(), STARTED, ready=True, host="h", now=NOW)
    found = merged(pod(), {"status": said}, strategic=True)
    unready = [{"type": "Ready", "status": "False", "lastTransitionTime": LATER}]
    turned = merged(found, {"status": {"conditions": unready}}, strategic=True)
    assert not status.says(turned, status.running(turned, STARTED, ready=True, host="h", now=LATER))


@pytest.mark.parametrize(
    ("code", "policy", "phase", "exit_code"),
    [
        (0, "Always", "Failed", 0),
        (0, "Never", "Succeeded", 0),
        (3, "Never", "Failed", 3),
        (-9, "Always", "Failed", 137),
        (None, "Never", "Failed", 255),
    ],
)
def test_how_a_pod_ended(code: int | None, policy: str, phase: str, exit_code: int) -> None:
    """Only a process that ended well, and was to end, MUST make its Pod Succeeded."""
    found = pod("Running")
    found["spec"]["restartPolicy"] = policy
    said = status.ended(found, "ProcessEnded", "it did", NOW, code)
    assert said["phase"] == phase
    assert said["containerStatuses"][0]["state"]["terminated"]["exitCode"] == exit_code


def test_turns_are_taken_in_order() -> None:
    """A turn MUST pass to whoever waited longest, once, and those that gave up are passed over."""
    called: list[str] = []
    turns = Turns(1, called.append)
    assert turns.take("a")
    assert turns.take("a")
    assert not turns.take("b")
    assert not turns.take("c")
    turns.leave("b")
    turns.leave("a")
    assert called == ["c"]
    assert not turns.take("d")
    assert turns.take("c")
    turns.leave("c")
    assert called == ["c", "d"]


def test_no_places_are_no_limit() -> None:
    """Without a number of places, everybody MUST have a turn."""
    turns = Turns(0, lambda who: None)
    assert all(turns.take(str(number)) for number in range(100))


@given(st.lists(st.integers(0, 20), max_size=60), st.integers(1, 4))
def test_turns_are_never_lost_nor_doubled(visitors: list[int], places: int) -> None:
    """Whoever comes and goes, at most `places` MUST hold a turn, and nobody waits while one is free."""
    called: list[str] = []
    turns = Turns(places, called.append)
    present: set[str] = set()
    for visitor in map(str, visitors):
        if visitor in present:
            present.discard(visitor)
            turns.leave(visitor)
        else:
            present.add(visitor)
            turns.take(visitor)
        assert len(turns) == min(places, len(present))
        assert all(who in present or who not in turns for who in map(str, range(21)))


def test_addresses_are_used_in_turn() -> None:
    """An address that was given back MUST be the last to be given again; the node's own never is."""
    addresses = Addresses(ipaddress.IPv4Network("127.9.9.0/29"), taken=["127.9.9.3"])
    assert addresses.own == "127.9.9.1"
    assert [addresses.take() for _ in range(2)] == ["127.9.9.2", "127.9.9.4"]
    addresses.give_back("127.9.9.2")
    assert [addresses.take() for _ in range(3)] == ["127.9.9.5", "127.9.9.6", "127.9.9.2"]
    with pytest.raises(NoAddress, match="all 5 addresses"):
        addresses.take()


@pytest.mark.parametrize("text", ["10.0.0.0/24", "127.0.0.0/30", "127.0.0.1/24"])
def test_only_networks_of_loopback_will_do(text: str) -> None:
    """What is no network of loopback addresses MUST be refused."""
    with pytest.raises(ValueError):
        network(text)


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Entries MUST be the same after a restart; what is no entry goes, with its files."""
    ledger = Ledger(tmp_path)
    ledger.put(ENTRY)
    ledger.put(STARTED)
    (tmp_path / "pods" / "half" / "workspace").mkdir(parents=True)
    (tmp_path / "pods" / "half" / "entry.tmp").write_text("{")
    assert Ledger(tmp_path).list() == [STARTED]
    assert [found.name for found in (tmp_path / "pods").iterdir()] == ["u"]
    ledger.remove("u")
    assert Ledger(tmp_path).list() == []
    assert list((tmp_path / "pods").iterdir()) == []


def test_an_entry_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    """On a full disk a new entry MUST NOT be there, not even in part, and a known one MUST stay as it was."""
    ledger = Ledger(tmp_path)
    with full_disk(psutil.Process()), pytest.raises(OSError):
        ledger.put(ENTRY)
    assert ledger.get("u") is None
    assert list((tmp_path / "pods").iterdir()) == []
    ledger.put(ENTRY)
    with full_disk(psutil.Process()), pytest.raises(OSError):
        ledger.put(STARTED)
    assert ledger.get("u") == ENTRY
    assert Ledger(tmp_path).list() == [ENTRY]


def test_the_last_words_are_the_end_of_the_log(tmp_path: Path) -> None:
    """Of a long log only the end MUST be told, and of none nothing."""
    ledger = Ledger(tmp_path)
    ledger.put(ENTRY)
    assert ledger.last_words("u") == ""
    ledger.log("u").write_text("x" * 5000 + "the end\n")
    assert ledger.last_words("u", 10) == "xxthe end"


def snapshot(*keys: str, **metadata: Any) -> dict[str, Any]:
    """A snapshot with live keys."""
    noted = {LIVE_KEYS: ",".join(keys)}
    return {"metadata": {"namespace": "ns", "name": "s", "uid": "1", "annotations": noted, **metadata}}


def test_what_a_snapshot_or_task_names_is_kept() -> None:
    """Live keys MUST count in their own namespace; those of a snapshot being deleted do not."""
    task = {"metadata": {"namespace": "ns", "name": "t", "uid": "2"}, "spec": {"snapshotKey": "c"}}
    gone = snapshot("d", deletionTimestamp=NOW)
    assert live([snapshot("a", "b"), gone, snapshot()], [task]) == {("ns", "a"), ("ns", "b"), ("ns", "c")}


def test_what_nothing_names_goes_after_a_while() -> None:
    """An artifact MUST go only after it was unwanted for the whole time, or at once with its snapshot."""
    a, b = ("ns", "a"), ("ns", "b")
    leftovers = Leftovers(kept_s=5)
    assert leftovers.among([a, b], {b}, 0) == []
    assert leftovers.among([a, b], {a, b}, 4) == []
    assert leftovers.among([a, b], {b}, 5) == []
    assert leftovers.among([a, b], {b}, 9.9) == []
    assert leftovers.among([a, b], {b}, 10) == [a]
    leftovers.snapshot_deleted(snapshot("b"))
    assert leftovers.among([b], set(), 11) == [b]
    # A key that came back is wanted again.
    leftovers.snapshot_deleted(snapshot("b"))
    assert leftovers.among([b], {b}, 12) == []


@pytest.mark.parametrize(
    ("pods", "entries", "state"),
    [
        ([], [], State.ABSENT),
        ([pod()], [], State.ABSENT),
        ([pod("Failed")], [], State.ENDED),
        ([pod("Failed"), pod()], [], State.ABSENT),
        ([pod()], [ENTRY], State.ABSENT),
        ([pod("Running")], [STARTED], State.SESSION),
        ([pod("Running")], [replace(STARTED, way=BUILD)], State.ENDED),
    ],
)
def test_how_far_a_build_is(pods: Any, entries: list[Entry], state: State) -> None:
    """A source MUST be a build that runs; process 1 with these ticks does not."""
    assert build(pods, entries, ()) == Build(state)


def test_a_build_is_ready_when_it_answers() -> None:
    """A build that runs MUST have answered before it is a source."""
    entry = replace(STARTED, way=BUILD, process=ProcessIdentity.of(os.getpid()))
    assert build([pod("Running")], [entry], ()) == Build(State.STARTING)
    assert build([pod("Running")], [entry], ("u",)) == Build(State.READY, entry)


def environment(container: dict[str, Any], data: Any = None, **options: Any) -> dict[str, str]:
    """The resolved environment of a Pod."""
    return resolved(pod(**container, **options), data or {}, "127.0.0.2", "127.0.0.1")


def test_variables_are_made_as_kubernetes_makes_them() -> None:
    """Values, fields and references MUST be resolved in order, with `$(NAME)` for those before."""
    config, secret = Source("ConfigMap", "c"), Source("Secret", "s")
    container = {
        "envFrom": [
            {"configMapRef": {"name": "c"}, "prefix": "C_"},
            {"secretRef": {"name": "absent", "optional": True}},
        ],
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "value": "$(A)$(C_k)$(UNKNOWN)$$(A)"},
            {"name": "UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
            {"name": "NOTE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['a/b']"}}},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "O", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "no", "optional": True}}},
            {"name": "EMPTY"},
        ],
    }
    held = text_of({"kind": "Secret", "data": {"k": base64.b64encode(b"hidden").decode()}})
    data = {config: {"k": "2"}, secret: held, Source("Secret", "absent"): None}
    assert sources(pod(**container)) == set(data)
    assert environment(container, data, annotations={"a/b": "n"}) == {
        "C_k": "2",
        "A": "1",
        "B": "12$(UNKNOWN)$(A)",
        "UID": "u",
        "IP": "127.0.0.2",
        "HOST": "127.0.0.1",
        "NOTE": "n",
        "S": "hidden",
        "EMPTY": "",
    }


@pytest.mark.parametrize(
    ("container", "error", "message"),
    [
        ({"envFrom": [{"configMapRef": {"name": "c"}}]}, Missing, "ConfigMap 'c' is not there"),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
            Missing,
            "Secret 's' has no key 'k'",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]},
            Unsupported,
            "field spec.x",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "x"}}}]},
            Unsupported,
            "resourceFieldRef",
        ),
    ],
)
def test_variables_that_cannot_be_made(container: dict[str, Any], error: Any, message: str) -> None:
    """What is missing MUST be told from what will never be there."""
    with pytest.raises(error, match=message.replace("'", ".")):
        environment(container)
