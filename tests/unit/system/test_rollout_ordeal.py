"""An agent that goes through acts, on a scripted cluster: what disturbs it ends, what is wrong is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.limits import Limits
from fixtures.system.rollout.acts import (
    Ask,
    HangUp,
    Kill,
    LoseWorker,
    Outage,
    Pause,
    Say,
    Sequence,
    Stream,
    UseModel,
)
from fixtures.system.rollout.ordeal import LAST, Ordeal


class Played:
    """A rollout and its agent: notes what is asked of them, and answers with the last configuration."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.away: list[str] = []
        self.message = self.model_name = ""
        self.answers_with: str | None = None
        self.cannot_be_cleared = False
        self.namespace = "ns"
        self.wait = SimpleNamespace(limits=Limits(), until=lambda *_, **__: None)

    def begin_anew(self) -> None:
        self.seen.append("begin")

    def model(self, *, model: str) -> None:
        self.model_name = model

    def ready_agent(self, name: str, *, message: str) -> tuple[Played, None]:
        self.message = message
        return self, None

    def edit(self, message: str) -> None:
        self.message = message

    def start(self, session: str, stream_for: float = 0.0) -> Any:
        return SimpleNamespace(done=False, hang_up=lambda: self.seen.append(f"hang up {session}"))

    def answered(self, conversation: Any) -> None:
        self.seen.append("answered")

    def send(self, session: str) -> Any:
        said = self.message if self.answers_with is None else self.answers_with
        config = {"model": self.model_name}
        return SimpleNamespace(ok=True, template="t", instruction=said, config=config)

    def settles(self, agent: Any, *, limit: str, strays: bool) -> Any:
        return SimpleNamespace(name="t")

    @contextmanager
    def absence(self) -> Iterator[None]:
        self.seen.append("away")
        yield
        self.seen.append("back")

    def outage(self) -> str:
        return "fault"

    def lift(self, fault: str) -> None:
        self.seen.append("lifted")

    def knock_down(self, program: str, *, after: int) -> None:
        self.seen.append(f"killed {program} after {after}")
        self.away.append(program)

    def are_up(self) -> None:
        self.seen += [f"{self.away.pop()} is up" for _ in range(len(self.away))]

    def lose_worker_number(self, number: int) -> None:
        self.seen.append(f"lost {number}")

    def steps(self, number: int) -> str:
        return "nothing"

    def clear(self) -> None:
        if self.cannot_be_cleared:
            raise AssertionError("a finalizer stays")
        self.seen.append("clear")

    def nothing_is_left(self, kind: Any) -> None:
        """As it should be."""


@pytest.fixture
def played() -> Played:
    return Played()


def fine() -> None:
    """No invariant is broken."""


def broken() -> None:
    """One is."""
    raise AssertionError("I3: at 2.0 s")


def complaint(played: Played, *acts: Any, judge: Any = fine) -> tuple[str, Ordeal]:
    """What is complained of, and by whom."""
    rollout: Any = played
    ordeal = Ordeal(rollout, judge)
    sequence: Sequence = acts
    return ordeal.complain(sequence), ordeal


def test_an_agent_that_comes_through_is_no_complaint(played: Played) -> None:
    """What was done is counted, and all that disturbed has ended before the agent is judged."""
    acts = (
        Stream("s-1"),
        Ask("s-2"),
        Outage(True),
        Outage(True),
        UseModel("m-2"),
        Kill("controller", 2),
        LoseWorker(5),
        Pause(1),
    )
    found, ordeal = complaint(played, *acts)

    assert found == ""
    assert played.seen == [
        "begin",
        "away",
        "killed controller after 2",
        "away",
        "lost 5",
        "back",
        "lifted",
        "back",
        "controller is up",
        "hang up s-1",
        "answered",
        "clear",
    ]
    assert ordeal.done["Outage"] == 2


def test_an_outage_ends_once(played: Played) -> None:
    """ate-api that is up MUST NOT be lifted again."""
    complaint(played, Outage(False), Outage(True), Outage(False), Outage(False), HangUp())

    assert played.seen == ["begin", "away", "lifted", "back", "clear"]


def test_a_killed_program_is_awaited_when_no_outage_keeps_it_from_being_ready(played: Played) -> None:
    """A gateway is not ready while ate-api is down, which is no fault of it."""
    kill = Kill("gateway", 2)
    complaint(played, kill, Outage(True), kill, Pause(1))

    killed, up = "killed gateway after 2", "gateway is up"
    assert played.seen == ["begin", killed, up, "away", killed, "lifted", "back", up, "clear"]


def test_an_agent_whose_last_message_cannot_boot_is_given_another(played: Played) -> None:
    """What can never serve MUST NOT be waited for."""
    complaint(played, Say("four workload-boot=fail"))

    assert played.message == LAST


def test_what_is_wrong_is_told(played: Played) -> None:
    """A broken invariant MUST be the complaint, and the next agent get a fresh start."""
    found, ordeal = complaint(played, Pause(1), judge=broken)

    assert found == "I3: at 2.0 s"
    assert played.seen[-1] == "clear"
    assert ordeal.done["Pause"] == 1


def test_a_configuration_that_does_not_serve_is_told(played: Played) -> None:
    """The last configuration MUST serve in the end."""
    played.answers_with = "zero"
    played.wait.limits = Limits.parse(["rollout_converge=0.01"])
    found, _ = complaint(played, Say("one"))

    assert found == "('one', 'm-1') does not serve, but ('zero', 'm-1')"


def test_an_agent_that_cannot_be_deleted_ends_the_search(played: Played) -> None:
    """Where nothing can begin anew both troubles MUST be told."""
    played.cannot_be_cleared = True

    with pytest.raises(
        AssertionError, match=r"I3: at 2\.0 s; then it could not be deleted: a finalizer stays"
    ):
        complaint(played, judge=broken)
