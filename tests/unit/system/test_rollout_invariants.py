"""The safety invariants of rollouts: a clean stream breaks none, and each is broken by the stream made for
it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fixtures.errors import Undecided
from fixtures.journal.history import History
from fixtures.kube.kinds import ACTOR_TEMPLATE, SANDBOX_AGENT
from fixtures.system.rollout.events import CALL, TURN, Call, Event, events, note, step_of
from fixtures.system.rollout.invariants import Absence, Excused, surely_broken, violations
from fixtures.system.rollout.views import DESIRED_GENERATION, RETIRING, VIEWS


class Story:
    """Writes a history as the suite would have recorded it, one second between any two things."""

    def __init__(self) -> None:
        self.history = History(VIEWS)
        self.now = 100.0
        self._versions = itertools.count(1)
        self._numbers = itertools.count(1)

    def _watch(self, kind: Any, type_: Any, name: str, **fields: Any) -> None:
        self.now += 1
        metadata = {
            "name": name,
            "namespace": "ns",
            "uid": f"uid-{name}",
            "resourceVersion": str(next(self._versions)),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **fields.pop("metadata", {}),
        }
        self.history.record(self.now, kind, type_, {"kind": kind.name, "metadata": metadata, **fields})

    def agent(self, name: str = "a", type_: str = "ADDED", *, leaving: bool = False) -> Story:
        """A state of an agent."""
        more = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if leaving else {}
        self._watch(SANDBOX_AGENT, _type(type_), name, metadata=more)
        return self

    def template(
        self,
        name: str,
        place: int,
        phase: str = "Ready",
        type_: str = "MODIFIED",
        *,
        agent: str = "a",
        marked: bool = False,
        uid: str = "",
    ) -> Story:
        """A state of a template, or its end."""
        annotations = {DESIRED_GENERATION: str(place)} | ({RETIRING: "now"} if marked else {})
        owner = {"kind": "SandboxAgent", "name": agent, "uid": f"uid-{agent}", "controller": True}
        self._watch(
            ACTOR_TEMPLATE,
            _type(type_),
            name,
            metadata={
                "annotations": annotations,
                "ownerReferences": [owner],
                "uid": uid or f"uid-{name}",
            },
            status={"phase": phase, "goldenActorID": f"golden-{name}"},
        )
        return self

    def gone(self, name: str, place: int, **fields: Any) -> Story:
        """The deletion of a template."""
        return self.template(name, place, type_="DELETED", **fields)

    def call(
        self,
        method: str,
        actor: str,
        source: str = "gateway",
        code: str = "OK",
        template: str = "",
        **fields: Any,
    ) -> Story:
        """A call that began and ended."""
        self.now += 1
        begun = Call(next(self._numbers), source, method, actor, {"actor_template_name": template}, self.now)
        of = {"actor_template_namespace": "ns", "actor_template_name": template}
        reply = {"actor": {"actor_id": actor, "status": "STATUS_SUSPENDED", **of}} if template else {}
        self._call(begun)
        self.now += 1
        ended = {"ended": self.now, "code": code, "acted": code == "OK", "reply": reply} | fields
        self._call(Call(**{**vars(begun), **ended}))
        return self

    def _call(self, call: Call) -> None:
        detail = note(call.source, "call", f"Call/{call.number}", {"call": call})
        self.history.record_note(call.ended or call.began, CALL, str(call), detail)

    def turn(self, number: int, verb: str, actor: str = "asr-1", **detail: Any) -> Story:
        """The beginning, first byte or end of a turn."""
        self.now += 1
        after: Mapping[str, Any] = {
            "number": number,
            "agent": "a",
            "status": 200,
            "ok": verb == "end",
            "error": "",
            "may_fail": False,
            "actor": actor,
            "last_actor": actor,
        } | detail
        self.history.record_note(self.now, TURN, verb, note("user", f"turn.{verb}", f"Turn/{number}", after))
        return self

    def session(self, actor: str, template: str) -> Story:
        """A whole turn on a new actor of a template."""
        self.call("CreateActor", actor, template=template)
        self.call("ResumeActor", actor, template=template)
        number = next(self._numbers)
        self.turn(number, "begin", actor).turn(number, "first-byte", actor).turn(number, "end", actor)
        return self.call("SuspendActor", actor, template=template)

    def retired(self, name: str, place: int) -> Story:
        """The retirement of a template, step by step."""
        self.template(name, place, marked=True)
        self.call("DeleteActor", f"golden-{name}", "controller")
        self.call("GetActor", f"golden-{name}", "controller", "NOT_FOUND")
        return self.gone(name, place, marked=True)

    @property
    def events(self) -> list[Event]:
        """What the invariants read."""
        return events(self.history)

    def broken(self, excused: Excused | None = None) -> list[str]:
        """Ids of the invariants that are broken."""
        return [v.invariant for v in violations(self.events, excused)]


def _type(name: str) -> Any:
    from fixtures.journal.history import EntryType

    return EntryType(name)


def story() -> Story:
    """An agent with blue, which has served a session."""
    return Story().agent().template("blue", 1, "").template("blue", 1).session("asr-1", "blue")


def rollout() -> Story:
    """A whole rollout, from blue to green."""
    return (
        story()
        .template("green", 2, "")
        .template("green", 2)
        .session("asr-2", "green")
        .call("DeleteActor", "asr-1", "controller")
        .retired("blue", 1)
    )


def test_clean_rollout_breaks_nothing() -> None:
    """A rollout by the book MUST break no invariant."""
    assert rollout().broken() == []


def test_deletion_of_the_agent_breaks_nothing() -> None:
    """When the agent goes everything MAY go."""
    clean = story().agent(type_="MODIFIED", leaving=True)
    clean.call("DeleteActor", "golden-blue", "controller").agent(type_="DELETED").gone("blue", 1)

    assert clean.broken() == []


def test_nothing_breaks_nothing() -> None:
    """Without any event there MUST be no violation."""
    assert violations([]) == []


VIOLATING = {
    "I1-blue-gone": ("I1", lambda: story().template("green", 2, "").retired("blue", 1)),
    "I1-golden-gone": (
        "I1",
        lambda: story().call("DeleteActor", "golden-blue", "controller").template("blue", 2),
    ),
    "I2": ("I2", lambda: rollout().retired("green", 2)),
    "I3": (
        "I3",
        lambda: story().call("ResumeActor", "asr-1", template="blue").template("green", 2).retired("blue", 1),
    ),
    "I4": ("I4", lambda: story().template("green", 2).gone("blue", 1)),
    "I5": (
        "I5",
        lambda: (
            story()
            .turn(7, "begin")
            .turn(7, "first-byte")
            .call("SuspendActor", "asr-1", template="blue")
            .turn(7, "end")
        ),
    ),
    "I6-failed": ("I6", lambda: story().turn(7, "begin").turn(7, "end", ok=False, status=502, error="no")),
    "I6-moved": ("I6", lambda: story().turn(7, "first-byte").turn(7, "end", last_actor="asr-2")),
    "I7": (
        "I7",
        lambda: (
            story()
            .template("green", 2)
            .session("asr-2", "green")
            .call("CreateActor", "asr-3", template="blue")
        ),
    ),
    "I8": ("I8", lambda: story().call("DeleteActor", "asr-1", "controller")),
}


@pytest.mark.parametrize("name", sorted(VIOLATING))
def test_violation_is_seen(name: str) -> None:
    """Each invariant MUST be broken by a stream that breaks it."""
    invariant, tell = VIOLATING[name]

    assert invariant in tell().broken()


def test_excused_invariants_are_left_out() -> None:
    """What a test excuses MUST NOT be held against anybody."""
    failed = story().turn(7, "begin").turn(7, "end", ok=False, status=0, error="cut")
    lost = story().template("green", 2).gone("blue", 1)

    assert failed.broken() == ["I6"]
    assert failed.broken(Excused(failing_turns=True)) == []
    assert lost.broken(Excused(templates={"blue"})) == []


@pytest.mark.parametrize(
    ("away", "broken"),
    [((-3.0, None), []), ((0.5, 0.6), []), ((-2.0, -0.5), []), ((-3.0, -2.0), ["I6"]), ((1.5, 2.0), ["I6"])],
    ids=["all the time", "in its middle", "just before it", "long before it", "after it"],
)
def test_only_requests_that_were_under_way_are_excused(
    away: tuple[float, float | None], broken: list[str]
) -> None:
    """A request MAY fail while something that it needs is away, and only then."""
    failed = story().turn(7, "begin").turn(7, "end", ok=False, status=0, error="cut")
    begins = failed.now - 1
    absence = Absence(begins + away[0])
    if away[1] is not None:
        absence.end(begins + away[1])

    assert failed.broken(Excused(absences=[absence])) == broken


def test_steps_of_a_rollout_are_told_from_all_else() -> None:
    """States of agents and templates and the controller's calls MUST be steps; what users do MUST NOT be."""
    told = story().call("ListActors", "", "controller").turn(7, "begin").template("green", 2)

    assert [step for entry in told.history if (step := step_of(entry))] == [
        "SandboxAgent ADDED",
        "ActorTemplate ADDED",
        "ActorTemplate Ready",
        "ListActors begins",
        "ListActors OK",
        "ActorTemplate Ready",
    ]


@pytest.mark.parametrize("marked", [True, False])
def test_ready_only_after_the_mark_is_never_ready(marked: bool) -> None:
    """A template that becomes Ready on its way out MAY go; one that was Ready before MUST be outdone."""
    late = story().template("green", 2, "", marked=marked).template("green", 2, marked=marked)
    late.call("DeleteActor", "golden-green", "controller").gone("green", 2, marked=True)

    assert ("I2" in late.broken()) is not marked


def test_flip_back_is_no_step_backwards() -> None:
    """Turning back raises the old template in the order, so new actors of it break nothing."""
    back = story().template("green", 2).session("asr-2", "green").template("blue", 3)
    back.call("CreateActor", "asr-3", template="blue")

    assert back.broken() == []


def test_a_template_made_anew_under_its_name_is_another_one() -> None:
    """Actors of a template that is gone MUST NOT be held against those made before its successor serves."""
    served = story().session("asr-2", "blue").template("green", 2).gone("blue", 1)
    served.template("blue", 3, type_="ADDED", uid="uid-anew").call("CreateActor", "asr-3", template="green")
    assert "I7" not in served.broken()

    served.session("asr-4", "blue").call("CreateActor", "asr-5", template="green")
    assert "I7" in served.broken()


def test_states_are_put_in_the_order_of_the_api_server() -> None:
    """Objects of which the suite heard the other way round MUST be judged as they were stored."""
    heard = Story().agent().template("blue", 1)
    first, second = list(heard.history)
    turned = [
        type(first)(0, first.received, second.kind, second.type, second.object),
        type(first)(1, second.received, first.kind, first.type, first.object),
    ]

    assert [e.object for e in events(turned)] == ["SandboxAgent/a", "ActorTemplate/blue"]


def test_a_state_was_stored_before_all_that_was_stored_later() -> None:
    """A kind whose watch lags MUST be dated by what the suite heard earlier of a later state of another."""
    heard = Story().agent().template("blue", 1)
    agent, template = list(heard.history)
    late = [replace(template, seq=0), replace(agent, seq=1, received=template.received + 5)]

    assert [(e.object, e.at) for e in events(late)] == [
        ("SandboxAgent/a", template.received),
        ("ActorTemplate/blue", template.received),
    ]


@pytest.mark.parametrize(("after", "broken"), [(0.1, []), (0.9, []), (1.2, ["I7"])])
def test_who_had_chosen_before_a_flip_back_is_excused(after: float, broken: list[str]) -> None:
    """A request MAY create an actor of what it chose before blue was wanted again; a later one MUST NOT."""
    told = story().template("green", 2, "").template("green", 2).session("asr-2", "green")
    told.template("blue", 3)
    told.now += after - 1
    told.call("CreateActor", "asr-3", template="green")

    assert told.broken() == broken


def late_news(late: float) -> Story:
    """A golden goes; that green had become Ready, which is why, is heard so many seconds later."""
    told = story().template("green", 2, "").call("DeleteActor", "golden-blue", "controller")
    ended = told.now
    told.now = ended + 0.1 - 1
    told.template("blue", 1)
    told.now = ended + late - 1
    return told.template("green", 2)


@pytest.mark.parametrize(("late", "broken"), [(0.4, []), (0.6, ["I1", "I2"])])
def test_a_golden_goes_before_the_news_of_the_template_that_takes_over(
    late: float, broken: list[str]
) -> None:
    """What the suite hears within LAG after a golden's end MAY have been there before; later it MUST NOT."""
    assert sorted(late_news(late).broken()) == broken


def test_what_may_have_been_heard_too_late_is_not_decided() -> None:
    """What only the suite's lateness explains MUST be undecided, and what it does not explain broken."""
    told = late_news(0.6)

    assert [v.invariant for v in surely_broken(told.events, Excused(), 0.4)] == ["I2", "I1"]
    with pytest.raises(Undecided, match=r"late by up to 0\.9 s(?s:.)*I2: .*\nI1: "):
        surely_broken(told.events, Excused(), 0.9)
    told.turn(7, "begin").turn(7, "end", ok=False, error="cut")
    assert [v.invariant for v in surely_broken(told.events, Excused(), 0.9)] == ["I6"]
    assert surely_broken(rollout().events, Excused(), 0.9) == []


def test_a_golden_that_goes_last_of_all_is_missed() -> None:
    """That nothing is heard of templates afterwards MUST NOT hide that none is left that is whole."""
    assert "I1" in story().call("DeleteActor", "golden-blue", "controller").broken()
