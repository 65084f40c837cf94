"""Every Sandbox that a stretch of the journal shows, with the claims that had it."""

from __future__ import annotations

from typing import Any

from fixtures.journal.history import EntryType, History
from fixtures.kube.kinds import CLAIM, SANDBOX
from fixtures.load.population import population
from fixtures.load.records import SandboxRecord
from fixtures.system.agent_sandbox.views import VIEWS

SECOND = 1_000_000_000


def sandbox(name: str, version: int, claim: str = "", **status: Any) -> dict[str, Any]:
    """A state of a Sandbox; `claim` is the UID of the claim that owns it."""
    owner = {"kind": "SandboxClaim", "name": claim, "uid": claim, "controller": True}
    metadata = {
        "name": name,
        "uid": f"{name}-uid",
        "resourceVersion": str(version),
        "ownerReferences": [owner] if claim else [],
        "labels": {"agents.x-k8s.io/launch-type": "warm"} if claim else {},
    }
    return {"metadata": metadata, "status": status}


def claim(name: str, version: int, bound_to: str) -> dict[str, Any]:
    """A state of a claim whose UID is its name."""
    metadata = {"name": name, "uid": name, "resourceVersion": str(version)}
    return {"metadata": metadata, "status": {"sandbox": {"name": bound_to}}}


READY = {"conditions": [{"type": "Ready", "status": "True"}], "nodeName": "node-1"}


def test_a_sandbox_is_told_from_its_first_sight_to_its_end() -> None:
    """Instants MUST count from the origin, and each of them be that of the first state that shows it."""
    history = History(VIEWS)
    history.record(10.0, SANDBOX, EntryType.ADDED, sandbox("one", 1))
    history.record(10.5, SANDBOX, EntryType.MODIFIED, sandbox("one", 2, **READY))
    history.record(11.0, SANDBOX, EntryType.MODIFIED, sandbox("one", 3, "a", **READY))
    history.record(12.0, SANDBOX, EntryType.DELETED, sandbox("one", 4, "a", **READY))

    assert population(history, 9 * SECOND) == (
        SandboxRecord(
            name="one",
            uid="one-uid",
            node="node-1",
            launch_type="warm",
            claims=("a",),
            t_seen_ns=SECOND,
            t_ready_ns=SECOND * 3 // 2,
            t_deleted_ns=3 * SECOND,
        ),
    )


def test_every_claim_that_had_a_sandbox_is_told() -> None:
    """A claim that owns it and one that only names it in its status MUST both be there, in order."""
    history = History(VIEWS)
    history.record(1.0, SANDBOX, EntryType.ADDED, sandbox("one", 1, "a"))
    history.record(1.1, CLAIM, EntryType.ADDED, claim("b", 2, "one"))
    history.record(1.2, CLAIM, EntryType.ADDED, claim("a", 3, "one"))
    history.record(1.3, CLAIM, EntryType.ADDED, claim("c", 4, "another"))

    [found] = population(history, 0)
    assert found.claims == ("a", "b")


def test_what_a_list_found_has_no_first_sight() -> None:
    """A Sandbox that was there before its watch MUST NOT be said to have come when it was listed."""
    history = History(VIEWS)
    history.record_list(1.0, SANDBOX, [sandbox("old", 1)])
    history.record_gap(2.0, SANDBOX, "410")

    [found] = population(history, 0)
    assert (found.t_seen_ns, found.claims) == (None, ())
