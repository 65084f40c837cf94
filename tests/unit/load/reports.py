"""What a generator reports and what a server knows of the same load, made by rule."""

from __future__ import annotations

from collections.abc import Sequence

from fixtures.load.calibration import ShapeCalibration, assess
from fixtures.load.fakecontroller import ClaimTruth
from fixtures.load.fakeserver import Truth
from fixtures.load.records import ClaimRecord, Instrument, Noise, Repetition

MS = 1_000_000
#: Where the records count from, on the clock of the server.
ORIGIN = 7_000 * MS
#: From receipt to Ready.
READY_AFTER = 50 * MS
QUIET = Noise(0.0, 0.0, 0.0, 0.0, 0.0)


def repetition(claims: Sequence[ClaimRecord], cpu_s: float = 0.0) -> Repetition:
    """One repetition with these claims."""
    instrument = Instrument((), (), (), cpu_s, 0, 0, 0.0, 0)
    return Repetition(0, "", 0, True, 1.0, tuple(claims), (), instrument, QUIET)


def load(
    sched_lag_ms: Sequence[float],
    watch_lag_ms: Sequence[float] | None = None,
    server_lag_ms: Sequence[float] | None = None,
    rate: float = 100.0,
) -> tuple[Repetition, Truth]:
    """A load of as many claims as there are lags.

    Each claim is called late by its `sched_lag_ms`, received 0.5 ms later, written Ready late by its
    `server_lag_ms` (default: none) and stamped `watch_lag_ms` (default: 0.5 ms) after that.
    """
    n = len(sched_lag_ms)
    records, truths = [], []
    for idx, sched, watch, server in zip(
        range(n), sched_lag_ms, watch_lag_ms or [0.5] * n, server_lag_ms or [0.0] * n, strict=True
    ):
        intended = round(idx * 1000 * MS / rate)
        call = intended + round(sched * MS)
        received = call + MS // 2
        due = received + READY_AFTER
        ready = due + round(server * MS)
        record = ClaimRecord("ns", f"claim-{idx}", idx, intended, t_call_ns=call)
        record.t_ready_ns = ready + round(watch * MS)
        records.append(record)
        truths.append(ClaimTruth("ns", record.name, received + ORIGIN, due + ORIGIN, ready + ORIGIN))
    return repetition(records, cpu_s=n * 0.0002), truth(truths)


def truth(claims: Sequence[ClaimTruth]) -> Truth:
    """The truth of these claims."""
    lags = sorted(c.ready_ns - c.due_ns for c in claims if c.ready_ns is not None)
    return Truth({(c.namespace, c.name): c for c in claims}, tuple(lags), 0.1)


def assessed(reported: Repetition, known: Truth, rate: float = 100.0) -> ShapeCalibration:
    """The comparison of the two."""
    return assess(f"constant({rate:g}/s)", rate, reported, ORIGIN, known)
