"""What follows from what a generator reported and what was so."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fixtures.load import calibrating
from fixtures.load.calibration import Calibration, ShapeCalibration, assess
from fixtures.load.gates import Setting, evaluate
from fixtures.load.metrics import Measurements
from tests.unit.load.reports import ORIGIN, QUIET, assessed, load
from tests.unit.load.results import healthy

#: Late calls and stamps in ms as threads with the official client have them at 600 claims/s on two cores:
#: most in time, and P99 at 33 ms.
THREADS_SCHED_LAG = [0.3] * 75 + [2 + 1.3 * step for step in range(25)]
THREADS_WATCH_LAG = [0.5] * 70 + [2 + 1.1 * step for step in range(30)]


def test_what_a_prompt_generator_adds_is_told_and_allowed() -> None:
    """The error MUST be the sum of what was added on all ways: a late call, the way there, a late stamp."""
    found = assessed(*load([1.0] * 100))
    assert found.ok
    assert found.figures == {
        "sched_lag_p50_s": 0.001,
        "sched_lag_p99_s": 0.001,
        "watch_lag_p50_s": pytest.approx(0.0005),
        "watch_lag_p99_s": pytest.approx(0.0005),
        "reported_p50_s": 0.052,
        "reported_p99_s": 0.052,
        "true_p50_s": 0.05,
        "true_p99_s": 0.05,
        "error_p50_s": pytest.approx(0.002),
        "error_p99_s": pytest.approx(0.002),
        "server_lag_p99_s": 0.0,
        "cpu_per_claim_s": pytest.approx(0.0002),
    }


@pytest.mark.parametrize(
    ("sched", "watch", "server", "reasons"),
    [
        pytest.param([2.4], None, None, [], id="a call within 5 % of the true latency"),
        pytest.param([2.6], None, None, ["sched_lag is 2.6 ms, limit 2.5 ms"], id="a late call"),
        pytest.param([0.0], [1.9], None, [], id="a stamp in time"),
        pytest.param([0.0], [2.1], None, ["watch_lag is 2.1 ms, limit 2.0 ms"], id="a late stamp"),
        pytest.param([0.0], None, [5.1], ["busy, is 5.1 ms, limit 5.0 ms"], id="a late server"),
        pytest.param([0.0], [-0.1], None, ["reported 0.100 ms before it was written"], id="two clocks"),
    ],
)
def test_each_gate_breaks_alone(
    sched: list[float], watch: list[float] | None, server: list[float] | None, reasons: list[str]
) -> None:
    """What breaks a gate MUST be named with value and limit, and nothing else with it."""
    found = assessed(*load(sched * 20, watch and watch * 20, server and server * 20))
    assert len(found.reasons) == len(reasons)
    assert all(text in reason for text, reason in zip(reasons, found.reasons, strict=True))
    assert found.ok is not bool(reasons)


def test_a_burst_queues_and_only_the_run_can_say_whether_too_long() -> None:
    """Late calls and a late server of a burst MUST NOT count here; late stamps and clocks must."""
    late = load([30.0] * 20, server_lag_ms=[20.0] * 20)
    assert assess("burst(20)", None, late[0], ORIGIN, late[1]).ok
    stamped = load([0.0] * 20, [2.1] * 20)
    reasons = assess("burst(20)", None, stamped[0], ORIGIN, stamped[1]).reasons
    assert reasons == ("burst(20): P99 of watch_lag is 2.1 ms, limit 2.0 ms",)


def test_a_late_generator_does_not_widen_its_own_gate() -> None:
    """The limit for late calls MUST come from the true latency: the reported one is late itself."""
    found = assessed(*load([60.0] * 100))
    assert found.reasons == ("constant(100/s): P99 of sched_lag is 60.0 ms, limit 2.5 ms",)


def test_a_server_that_is_late_is_no_error_of_the_generator() -> None:
    """What the server did late MUST be in the truth, not in the error."""
    prompt = assessed(*load([1.0] * 50))
    late = assessed(*load([1.0] * 50, server_lag_ms=[4.0] * 50))
    assert late.figures["error_p99_s"] == pytest.approx(prompt.figures["error_p99_s"])
    assert late.figures["true_p50_s"] == 0.054


def test_the_lag_of_threads_at_600_a_second_is_invalid() -> None:
    """Known positive: lags of 30 ms and more at the 99th percentile MUST NOT be certified."""
    found = assessed(*load(THREADS_SCHED_LAG, THREADS_WATCH_LAG, rate=600), rate=600)
    assert [lag for r in found.reasons for lag in ("watch_lag", "sched_lag") if lag in r] == [
        "watch_lag",
        "sched_lag",
    ]
    assert Calibration((found,), 0.1, 0.001, QUIET).certified_rate is None


def test_claims_that_were_not_reported_are_missing() -> None:
    """A claim that is Ready MUST be reported, with a certain stamp, and each MUST reach the server."""
    reported, known = load([0.0] * 10)
    reported.claims[3].t_ready_ns = None
    reported.claims[4].flags.add("synthetic")
    known = replace(known, claims={k: v for k, v in known.claims.items() if k[1] != "claim-5"})
    found = assessed(reported, known)
    assert found.missing == 3
    assert found.reasons == (
        "constant(100/s): 3 claims never arrived, or were Ready and not reported so, limit 0",
    )


def test_a_claim_that_never_became_ready_is_not_missing() -> None:
    """What did not happen MUST NOT be expected to be reported."""
    reported, known = load([0.0] * 10)
    reported.claims[3].t_ready_ns = None
    known.claims["ns", "claim-3"].ready_ns = None
    assert assessed(reported, known).ok


def test_nothing_to_compare_is_no_figure() -> None:
    """Without a reported claim there MUST be no number at all, and the reason why."""
    reported, known = load([0.0] * 10)
    for record in reported.claims:
        record.t_ready_ns = None
    found = assessed(reported, known)
    assert (found.ok, found.figures) == (False, {})
    assert "10 of 10 claims were called and 0 reported Ready" in found.reasons[0]
    plain = Calibration((found,), 0.1, 0.001, QUIET).to_dict()
    assert (plain["ok"], plain["watch_lag_p99_s"], plain["self_test_p50_s"]) == (False, None, None)


def shape(rate: float | None, *, ok: bool = True) -> ShapeCalibration:
    reported, known = load([0.0 if ok else 9.0] * 20)
    return replace(assessed(reported, known), rate=rate)


@pytest.mark.parametrize(
    ("shapes", "certified"),
    [
        ([shape(10), shape(100), shape(300)], 300),
        ([shape(300), shape(10)], 300),
        ([shape(10), shape(100, ok=False), shape(300)], 10),
        ([shape(10, ok=False), shape(100)], None),
        ([shape(None)], None),
        ([shape(10), shape(None, ok=False)], 10),
    ],
)
def test_the_certified_rate_has_only_good_rates_below_it(
    shapes: list[ShapeCalibration], certified: float | None
) -> None:
    """One good round above a bad one MUST NOT certify anything; bursts have no rate."""
    assert Calibration(tuple(shapes), 0.1, 0.001, QUIET).certified_rate == certified


def test_a_calibration_is_plain_and_read_by_the_gates() -> None:
    """It MUST go into run.json as it is, and have what PERF-VAL-3 and PERF-VAL-4 read."""
    plain = Calibration((shape(10), shape(100)), 0.1, 0.001, QUIET).to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert drift_and_watch_lag(plain, plain) == {"PERF-VAL-3": True, "PERF-VAL-4": True}


def drift_and_watch_lag(now: dict[str, object], baseline: dict[str, object]) -> dict[str, bool]:
    """What the gates say of a healthy run with that calibration."""
    run = replace(healthy(), calibration=now)
    gates = evaluate(run, Measurements.of(run), Setting(baseline=baseline))
    # Of the two gates of PERF-VAL-3, the one about the calibration.
    return {g.id: g.ok for g in gates if g.id == "PERF-VAL-4" or "in calibration" in g.detail}


class Machine:
    """A clock that moves by the time that the computing takes on a machine of that speed."""

    def __init__(self, seconds: float) -> None:
        self._now, self._step = 0.0, seconds

    def __call__(self) -> float:
        self._now += self._step
        return self._now


def test_the_machine_of_the_baseline_does_not_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same machine MUST pass the drift gate, whatever its speed is."""
    monkeypatch.setattr(calibrating, "COMPUTING_STEPS", 1)
    figures = Calibration((shape(10),), calibrating.computing_s(Machine(0.1)), 0.001, QUIET).to_dict()
    baseline = Calibration((shape(10),), 0.1, 0.001, QUIET).to_dict()
    assert drift_and_watch_lag(figures, baseline)["PERF-VAL-4"]
