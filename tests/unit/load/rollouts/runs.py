"""Measurements of rollouts as they could have been made: two changes, a request every 50 ms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fixtures.load.records import Noise
from fixtures.load.rollouts.records import (
    CallRecord,
    ChangeRecord,
    PassesRecord,
    RolloutRun,
    TemplateRecord,
    TurnRecord,
)

QUIET = Noise(steal=0.0, foreign=0.02, iowait=0.0, clock_jump_s=0.0, longest_pause_s=0.004)

#: Of each change: seconds from its beginning to Ready, first answer, and the end of the old template.
READY, FLIP, GONE = 0.25, 0.1, 0.9
#: When the changes are sent, and when the last request is due.
PATCHED, END = (1.0, 4.0), 6.0
PERIOD, ANSWER = 0.05, 0.04


def clean(changes: int = 2) -> RolloutRun:
    """A run in which everything went well."""
    patched = PATCHED[:changes]
    return RolloutRun(
        run_id="run-1",
        scenario="rollout-under-load",
        seed=7,
        rate=20.0,
        sessions=2,
        workers=3,
        requeue=0.3,
        restore=0.02,
        checkpoint=0.03,
        noise=QUIET,
        gap_s=0.0,
        sut={"name": "reference-rollout", "version": "v1_safe"},
        fingerprint={"cores": "2"},
        changes=tuple(
            ChangeRecord(number + 1, at, f"t-{number}", f"t-{number + 1}", 0)
            for number, at in enumerate(patched)
        ),
        turns=tuple(_turns(patched)),
        templates=tuple(_states(patched)),
        calls=tuple(_calls(patched)),
        passes=(PassesRecord(0, len(patched), 10.0, 0.2),),
    )


def _turns(patched: tuple[float, ...]) -> Iterator[TurnRecord]:
    for number in range(int(END / PERIOD)):
        due = number * PERIOD
        served = sum(due >= at + READY + FLIP - ANSWER / 2 for at in patched)
        yield TurnRecord(
            number=number,
            session=f"s-{number % 2}",
            t_intended=due,
            t_began=due + 0.001,
            t_first_byte=due + ANSWER / 2,
            t_ended=due + ANSWER,
            status=200,
            ok=True,
            error="",
            template=f"t-{served}",
            actor=f"asr-{served}-{number % 2}",
            boot_count=2,
        )


def _states(patched: tuple[float, ...]) -> Iterator[TemplateRecord]:
    yield TemplateRecord(-1.0, "t-0", "Ready", marked=False)
    for number, at in enumerate(patched):
        yield TemplateRecord(at + 0.02, f"t-{number + 1}", "", marked=False)
        yield TemplateRecord(at + READY, f"t-{number + 1}", "Ready", marked=False)
        yield TemplateRecord(at + READY + GONE - 0.1, f"t-{number}", "Ready", marked=True)
        yield TemplateRecord(at + READY + GONE, f"t-{number}", "gone", marked=False)


def _calls(patched: tuple[float, ...]) -> Iterator[CallRecord]:
    for at in patched:
        yield call("ResumeActor", "asr-x", at + 0.3, 0.03, in_server=0.025)
        yield call("SuspendActor", "asr-x", at + 0.5, 0.05, in_server=0.04)
        for number in range(4):
            yield call("ListActors", "", at + 0.4 + number / 10, 0.002, source="controller")


def call(
    method: str,
    actor: str,
    began: float,
    seconds: float,
    *,
    source: str = "gateway",
    code: str = "OK",
    text: str = "",
    in_server: float | None = None,
) -> CallRecord:
    """One call that took so many seconds."""
    return CallRecord(source, method, actor, began, began + seconds, code, text, in_server)


def with_failure(run: RolloutRun, number: int) -> RolloutRun:
    """The same with one request refused."""
    turns = list(run.turns)
    turns[number] = replace(turns[number], ok=False, status=503, error="no", template="", t_first_byte=None)
    return replace(run, turns=tuple(turns))


def among(*sizes: tuple[int, float]) -> RolloutRun:
    """A run with one change for each number of actors, among which a list takes so many seconds."""
    made = clean()
    changes, states, calls, passes = [], [], [], []
    for number, (actors, seconds) in enumerate(sizes):
        at = 10.0 * number
        changes.append(ChangeRecord(number + 1, at, f"t-{number}", f"t-{number + 1}", actors))
        states.append(TemplateRecord(at + 1, f"t-{number + 1}", "Ready", marked=False))
        states.append(TemplateRecord(at + 5, f"t-{number}", "gone", marked=False))
        calls += [call("ListActors", "", at + 2 + k, seconds, source="controller") for k in range(2)]
        passes.append(PassesRecord(actors, 1, 4.0, 4.0 * seconds))
    return replace(
        made,
        rate=0.0,
        turns=(),
        changes=tuple(changes),
        templates=tuple(states),
        calls=tuple(calls),
        passes=tuple(passes),
    )
