"""Measurements of SnapStart as they could have been made: every figure of them is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fixtures.load.records import Noise
from fixtures.load.snapstart.records import (
    ArtifactRecord,
    BuildRecord,
    ChangeRecord,
    RoundRecord,
    SessionRecord,
    SnapstartRun,
)
from fixtures.load.snapstart.scenario import (
    ANY,
    CHANGE,
    COLD,
    DIRECT,
    FAILED,
    FALLBACK,
    FAN,
    OFF,
    PAIR,
    REBUILD,
    RESTORED,
    WAYS,
    WHOLE_MACHINE,
)

QUIET = Noise(steal=0.0, foreign=0.02, iowait=0.0, clock_jump_s=0.0, longest_pause_s=0.004)
MIB = 1024 * 1024

#: Seconds on the node, cold and restored, of each preload; and around it, which is the same for all.
LOCAL = {"bare": (0.08, 0.01), "numpy": (0.24, 0.012), "heavy": (1.6, 0.02)}
BEFORE, AFTER, RESPONSE, USER = 0.02, 0.015, 0.002, 0.003
PAIRS = 6


def session(
    number: int,
    at: float,
    *,
    part: str = PAIR,
    preload: str = "numpy",
    asked: str = COLD,
    local: float | None = None,
    key: str = "",
) -> SessionRecord:
    """A session that took so long on the node; a restored one is from the artifact of its preload and key."""
    restored = asked == RESTORED or bool(key)
    seconds = LOCAL[preload][restored] if local is None else local
    seen = at + BEFORE
    answered = seen + seconds
    key = key or (f"{preload}-1" if restored else "")
    pod = f"pod-{part}-{preload}-{asked}-{number}-{at:g}"
    return SessionRecord(
        part=part,
        round=number,
        preload=preload,
        asked=asked,
        t_asked=at,
        t_pod=at + BEFORE / 2,
        t_seen=seen,
        t_started=seen + 0.8 * seconds,
        t_accepted=seen + 0.9 * seconds,
        t_answered=answered,
        t_ready=answered + AFTER,
        t_response=answered + AFTER + RESPONSE,
        t_user=answered + AFTER + RESPONSE + USER,
        status=200,
        key=key,
        boot_id=f"boot-{key}" if restored else f"boot-{pod}",
        preload_ns=77 if restored else 200_000_000,
        instance_id=pod,
        pod_uid=pod,
        right=True,
    )


def round_of(number: int, at: float, part: str = PAIR) -> RoundRecord:
    """A round that counts."""
    return RoundRecord(part, number, True, at, at + 5, QUIET, pss=100 * MIB, uss=60 * MIB)


def artifact(preload: str, key: str) -> ArtifactRecord:
    """What sessions of a key are restored from."""
    return ArtifactRecord(preload, key, "node-0", f"boot-{key}", 77, 40 * MIB, 30 * MIB)


def run(sessions: list[SessionRecord], rounds: list[RoundRecord], scenario: str) -> SnapstartRun:
    """A run in which everything went well."""
    return SnapstartRun(
        run_id="run-1",
        scenario=scenario,
        seed=7,
        restore_limit=1.0,
        machine=WHOLE_MACHINE,
        gap_s=0.0,
        watched=True,
        sut={"name": "reference-snapstart", "version": "v0.2"},
        fingerprint={"cores": "2"},
        sessions=tuple(sessions),
        rounds=tuple(rounds),
        artifacts=tuple(artifact(preload, f"{preload}-1") for preload in LOCAL),
        builds=tuple(BuildRecord(preload, 0.0, 3.0) for preload in LOCAL),
    )


def pairs() -> SnapstartRun:
    """Six pairs of each preload."""
    sessions = [
        session(number, 10.0 * number + place, preload=preload, asked=way)
        for number in range(1, PAIRS + 1)
        for place, (preload, way) in enumerate((p, w) for p in LOCAL for w in WAYS)
    ]
    return run(sessions, [round_of(n, 10.0 * n) for n in range(1, PAIRS + 1)], "snapstart-pairs")


def fan_out() -> SnapstartRun:
    """One and ten sessions at one instant, cold ones one after the other."""
    return run(list(_fanned()), [round_of(n, 10.0 * n, FAN) for n in range(1, 5)], "snapstart-fan-out")


def _fanned() -> Iterator[SessionRecord]:
    number = 0
    for size in (1, 10):
        for way in WAYS:
            number += 1
            for place in range(size):
                local = LOCAL["numpy"][0] * (1 + place) if way == COLD else None
                # Of one instant, but for a name of their own.
                made = session(number, 10.0 * number, part=FAN, asked=way, local=local)
                pod = f"{made.pod_uid}-{place}"
                boot = made.boot_id if way == RESTORED else f"boot-{pod}"
                yield replace(made, pod_uid=pod, instance_id=pod, boot_id=boot)


def failed_restores(extra: float = 1.02) -> SnapstartRun:
    """Cold sessions, and those whose restore takes its limit of a second before they start cold."""
    sessions = []
    for number in range(1, PAIRS + 1):
        sessions.append(session(number, 10.0 * number, part=FAILED))
        late = session(
            number, 10.0 * number + 5, part=FAILED, asked=FALLBACK, local=LOCAL["numpy"][0] + extra
        )
        sessions.append(replace(late, key="numpy-1"))
    return run(
        sessions, [round_of(n, 10.0 * n, FAILED) for n in range(1, PAIRS + 1)], "snapstart-failed-restores"
    )


def switched_off(extra: float = 0.0) -> SnapstartRun:
    """Sessions without a snapshot that take so much longer than Sandboxes made past the front."""
    sessions = []
    for number in range(1, PAIRS + 1):
        base = LOCAL["numpy"][0]
        sessions.append(session(number, 10.0 * number, part=OFF, local=base + extra))
        sessions.append(session(number, 10.0 * number + 5, part=OFF, asked=DIRECT, local=base))
    return run(sessions, [round_of(n, 10.0 * n, OFF) for n in range(1, PAIRS + 1)], "snapstart-switched-off")


def rebuilds() -> SnapstartRun:
    """Three sessions restored from two keys, then a change, a cold session and one with a third key."""
    sessions = [
        session(1, at, part=REBUILD, asked=ANY, key=key)
        for at, key in ((10.0, "numpy-1"), (11.0, "numpy-2"), (12.0, "numpy-2"))
    ]
    sessions.append(session(2, 20.1, part=CHANGE, asked=ANY))
    sessions.append(session(2, 22.0, part=CHANGE, asked=ANY, key="numpy-3"))
    made = run(sessions, [round_of(1, 10.0, REBUILD), round_of(2, 20.0, CHANGE)], "snapstart-rebuilds")
    artifacts = tuple(artifact("numpy", f"numpy-{number}") for number in (1, 2, 3))
    return replace(
        made, artifacts=artifacts, changes=(ChangeRecord(20.0, ("numpy-1", "numpy-2")),), machine=("clock",)
    )


def changed(made: SnapstartRun, place: int, **fields: object) -> SnapstartRun:
    """The same with something else said of one session."""
    sessions = list(made.sessions)
    sessions[place] = replace(sessions[place], **fields)  # type: ignore[arg-type]
    return replace(made, sessions=tuple(sessions))
