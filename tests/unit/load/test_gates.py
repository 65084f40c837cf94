"""Each gate holds for a healthy run, and is breached by the trouble that it is there for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fixtures.load import gates
from fixtures.load.gates import NEEDED, Gate, Setting, evaluate, held
from fixtures.load.metrics import Measurements
from fixtures.load.records import Attempt, Barrier, ClaimRecord, Failure, Repetition, RunResult
from fixtures.load.verdict import State
from tests.unit.load import spoiled
from tests.unit.load.results import CALIBRATION, MILLISECOND, healthy, paired


def breached(run: RunResult, setting: Setting | None = None) -> list[Gate]:
    """The gates that do not hold."""
    return [gate for gate in evaluate(run, Measurements.of(run), setting) if not gate.ok]


def reasons(run: RunResult, setting: Setting | None = None) -> set[tuple[str, str]]:
    """State and reason of every breach."""
    return {(str(gate.state), gate.reason) for gate in breached(run, setting)}


def instrument(**changes: Any) -> Callable[[RunResult], RunResult]:
    """A run in which the generator said this of itself."""
    return lambda run: spoiled.each_counted(
        run, lambda repetition: replace(repetition, instrument=replace(repetition.instrument, **changes))
    )


def noise(**changes: Any) -> Callable[[RunResult], RunResult]:
    """A run with this noise in its last repetition only: the worst one counts."""

    def spoil(run: RunResult) -> RunResult:
        *others, last = run.repetitions
        return replace(run, repetitions=(*others, replace(last, noise=replace(last.noise, **changes))))

    return spoil


def barrier(**changes: Any) -> Callable[[RunResult], RunResult]:
    """A run in which a repetition began with this."""

    def spoil(repetition: Repetition) -> Repetition:
        assert repetition.barrier is not None
        return replace(repetition, barrier=replace(repetition.barrier, **changes))

    return lambda run: spoiled.each_counted(run, spoil)


def claim_seven(change: Callable[[ClaimRecord], None]) -> Callable[[RunResult], RunResult]:
    """A run in which this became of claim 7."""

    def only(claim: ClaimRecord) -> None:
        if claim.idx == 7:
            change(claim)

    return lambda run: spoiled.each_counted(run, lambda repetition: spoiled.with_claims(repetition, only))


def fail(class_: str, code: int = 0) -> Callable[[ClaimRecord], None]:
    """A claim that ended so before anything came of it."""

    def change(claim: ClaimRecord) -> None:
        claim.t_ready_ns = claim.t_bind_ns = None
        claim.sandbox = claim.sandbox_uid = claim.launch_type = ""
        claim.error = Failure(class_, code)
        claim.http_status = code or None

    return change


def not_called(claim: ClaimRecord) -> None:
    """The generator ended before its turn."""
    fail("")(claim)
    claim.t_call_ns = claim.error = None


def retried(claim: ClaimRecord) -> None:
    """The API server was busy at first."""
    claim.attempts = [Attempt(1, 429, 1.0), Attempt(2, 201)]


def slow_submission(run: RunResult) -> RunResult:
    """Each call is 0.1 s later than the last one was."""

    def drift(claim: ClaimRecord) -> None:
        claim.t_call_ns = claim.t_intended_ns + claim.idx * 100 * MILLISECOND

    return spoiled.each_counted(run, lambda repetition: spoiled.with_claims(repetition, drift))


def empty(run: RunResult) -> RunResult:
    """One of the repetitions has no claims."""
    *others, last = run.repetitions
    return replace(run, repetitions=(*others, replace(last, claims=())))


def uncounted(run: RunResult) -> RunResult:
    """Everything only warmed up."""
    return replace(run, repetitions=tuple(replace(r, counted=False) for r in run.repetitions))


LATE = (25 * MILLISECOND,) * 500


@pytest.mark.parametrize(
    "run",
    [healthy(), healthy(rate=0), healthy(claims=30), healthy(claims=30, pool_size=10), paired()],
    ids=["paced", "burst", "few", "more claims than members", "paired"],
)
def test_a_healthy_run_is_valid(run: RunResult) -> None:
    """A healthy run MUST NOT breach any gate, and every gate MUST have been evaluated."""
    assert breached(run) == []
    assert {gate.id for gate in evaluate(run, Measurements.of(run))} == set(NEEDED)


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (spoiled.late_calls, {("INVALID", "SCHED_LAG")}),
        (slow_submission, {("INVALID", "SCHED_LAG"), ("INVALID", "RATE")}),
        (instrument(loop_lag_ns=LATE), {("INVALID", "WATCH_LAG")}),
        (instrument(loop_lag_ns=()), {("INVALID", "WATCH_LAG")}),
        (spoiled.cold_disguised_as_warm, {("SLO_MISSED", "WARM")}),
        (spoiled.drop_one_claim, {("SLO_MISSED", "NOT_READY")}),
        (claim_seven(fail("http", 500)), {("SLO_MISSED", "NOT_READY")}),
        (claim_seven(fail("pod_start_error")), {("SLO_MISSED", "NOT_READY")}),
        (claim_seven(fail("http", 403)), {("INVALID", "LOADGEN")}),
        (claim_seven(fail("conn_reset")), {("INVALID", "LOADGEN")}),
        (claim_seven(not_called), {("INVALID", "LOADGEN")}),
        (claim_seven(fail("http", 409)), {("INVALID", "LEFTOVER")}),
        (claim_seven(fail("leftover", 409)), {("INVALID", "LEFTOVER")}),
        (claim_seven(retried), {("INVALID", "API_429")}),
        (lambda run: spoiled.flagged(run, 3, 4), {("INVALID", "WATCH_GAP")}),
        (lambda run: spoiled.flagged(run, 3, 4, flag="synthetic"), {("INVALID", "WATCH_GAP")}),
        (empty, {("INVALID", "EMPTY")}),
        (uncounted, {("INVALID", "EMPTY")}),
        (spoiled.shared_adopt, {("INCORRECT", "SHARED")}),
        (spoiled.double_adopt, {("INCORRECT", "SHARED")}),
        (noise(steal=0.04), {("INVALID", "NOISE(steal)")}),
        (noise(foreign=0.5), {("INVALID", "NOISE(foreign)")}),
        (noise(clock_jump_s=-1.0), {("INVALID", "NOISE(clock)")}),
        (noise(longest_pause_s=0.4), {("INVALID", "NOISE(pause)")}),
        (barrier(claims_left=1), {("INVALID", "POOL")}),
        (barrier(members_ready=99), {("INVALID", "POOL")}),
        (barrier(canary_seen=False), {("INVALID", "POOL")}),
        (lambda run: spoiled.each_counted(run, lambda r: replace(r, barrier=None)), {("INVALID", "POOL")}),
        (lambda run: replace(run, calibration={}), {("INVALID", "WATCH_LAG"), ("INVALID", "UNCERTIFIED")}),
        (
            lambda run: replace(run, calibration=CALIBRATION | {"watch_lag_p99_s": 0.003}),
            {("INVALID", "WATCH_LAG")},
        ),
    ],
)
def test_trouble_breaches_its_gate_and_no_other(
    trouble: Callable[[RunResult], RunResult], expected: set[tuple[str, str]]
) -> None:
    """Each trouble MUST be named by its own gate, and MUST NOT be blamed on anything else."""
    assert reasons(trouble(healthy())) == expected


def test_cold_without_a_barrier_is_not_the_controllers_fault() -> None:
    """PERF-VAL-5: a claim that started cold MUST be INVALID(POOL) where the pool was not seen full."""
    run = barrier(members_ready=99)(spoiled.cold_disguised_as_warm(healthy()))

    assert reasons(run) == {("INVALID", "POOL")}


def test_one_claim_of_a_hundred_may_be_flagged() -> None:
    """PERF-VAL-8: 1 % is allowed, the limit itself included."""
    assert breached(spoiled.flagged(healthy(), 3)) == []


def test_late_calls_are_measured_against_what_they_blur() -> None:
    """PERF-VAL-1: 5 % of a slow tail are allowed, but not on shared cores where the load is paced."""
    slow = healthy(median_s=0.5)
    elsewhere = replace(slow, fingerprint={**slow.fingerprint, "provider": "gke"})
    late = 8 * MILLISECOND

    assert breached(spoiled.late_calls(elsewhere, late)) == []
    assert reasons(spoiled.late_calls(slow, late)) == {("INVALID", "SCHED_LAG")}
    assert breached(spoiled.late_calls(healthy(median_s=0.5, rate=0), late)) == []


def test_few_samples_are_judged_by_the_worst() -> None:
    """PERF-MET-2: where there is no P99 the maximum MUST decide; one late call of 30 is too many."""
    run = healthy(claims=30, repetitions=1)
    run.counted[0].claims[4].t_call_ns = run.counted[0].claims[4].t_intended_ns + 20 * MILLISECOND

    assert reasons(run) == {("INVALID", "SCHED_LAG")}


def test_drift_from_the_machine_of_the_baseline() -> None:
    """PERF-VAL-4: the same work MUST take within 15 % of what it took; without a baseline none drifts."""
    assert breached(healthy(), Setting(baseline=CALIBRATION)) == []
    slower = CALIBRATION | {"cpu_loop_s": CALIBRATION["cpu_loop_s"] * 0.5}
    [gate] = breached(healthy(), Setting(baseline=slower))
    assert (gate.id, gate.reason, gate.value, gate.limit) == ("PERF-VAL-4", "DRIFT", 1.0, 0.15)
    assert reasons(healthy(), Setting(baseline={"another": 1.0})) == {("INVALID", "DRIFT")}


def test_a_rate_has_to_be_certified() -> None:
    """PERF-LG-14: faster than calibrated is INVALID; a burst has no rate, and its own lateness judges it."""
    slow = CALIBRATION | {"certified_rate": 9.0}

    [gate] = breached(replace(healthy(), calibration=slow))
    assert (gate.id, gate.reason, gate.value, gate.limit) == ("PERF-LG-14", "UNCERTIFIED", 10.0, 9.0)
    assert breached(replace(healthy(rate=0), calibration=slow)) == []
    assert breached(replace(healthy(), calibration=slow | {"certified_rate": 9.9})) == []


def test_a_generator_that_did_not_keep_up_in_calibration_is_not_believed() -> None:
    """PERF-LG-14: whatever broke a gate in calibration MUST make the run INVALID, in its words."""
    late = CALIBRATION | {"reasons": ["constant(50/s, 100): P99 of sched_lag is 9.0 ms, limit 2.5 ms"]}

    [gate] = breached(replace(healthy(), calibration=late))
    assert (gate.id, gate.reason, gate.value) == ("PERF-LG-14", "CALIBRATION", 1)
    assert gate.detail == "constant(50/s, 100): P99 of sched_lag is 9.0 ms, limit 2.5 ms"


def test_calibration_without_a_figure_is_no_drift() -> None:
    """PERF-VAL-4: a figure that could not be had is not compared; with none at all the machine is unknown."""
    unknown = dict.fromkeys(CALIBRATION, None) | {"watch_lag_p99_s": 0.001, "certified_rate": 600.0}
    run = replace(healthy(), calibration=unknown)

    assert reasons(run, Setting(baseline=CALIBRATION)) == {("INVALID", "DRIFT")}


def test_what_could_not_be_seen_is_said() -> None:
    """PERF-VAL-10: without a watch of Sandboxes half of the check is blind, and the gate MUST say so."""
    blind = spoiled.each_counted(healthy(warm_up=False), lambda repetition: replace(repetition, sandboxes=()))
    [gate] = [gate for gate in evaluate(blind, Measurements.of(blind)) if gate.id == "PERF-VAL-10"]

    assert gate.ok
    assert "could not be seen" in gate.detail


def test_a_scenario_about_flow_control_may_be_refused() -> None:
    """PERF-VAL-7: there 429 MUST be allowed."""
    assert breached(claim_seven(retried)(healthy()), Setting(limits_requests=True)) == []


def test_requests_that_the_api_server_rejected_count() -> None:
    """PERF-VAL-7: what the generator did not see itself MUST count too."""

    def rejecting(repetition: Repetition) -> Repetition:
        line = "apiserver_flowcontrol_rejected_requests_total 3\n"
        return replace(repetition, api_scrape_after=repetition.api_scrape_after + line)

    assert reasons(spoiled.each_counted(healthy(), rejecting)) == {("INVALID", "API_429")}


def test_claims_that_stay_are_allowed_where_the_scenario_says_so() -> None:
    """PERF-LG-8: old claims are only allowed for replenishment."""
    assert breached(barrier(claims_left=5)(healthy()), Setting(keeps_claims=True)) == []
    assert not held(None, 1, keeps_claims=True)
    assert held(Barrier(0, 0, 1, 1, 1, True), 1, keeps_claims=False)


def test_a_breach_says_what_was_found_and_what_is_allowed() -> None:
    """Every breach MUST have value, limit and the number of samples, and say which arm it was."""
    run = spoiled.late_calls(paired())
    found = breached(run)

    assert [gate.detail for gate in found] == [
        f"arm {arm}: calls are late by 50.0 ms, at most 5.0 ms, n=600" for arm in "ab"
    ]
    reason = found[0].breach()
    assert (reason.state, reason.code, reason.value, reason.limit, reason.n) == (
        State.INVALID,
        "SCHED_LAG",
        0.05,
        0.005,
        600,
    )


def test_wrong_warm_up_is_wrong() -> None:
    """PERF-VAL-10: two claims on one Sandbox MUST be found in repetitions that do not count, too."""
    assert reasons(uncounted(spoiled.shared_adopt(healthy()))) >= {("INCORRECT", "SHARED")}


def test_a_gate_that_holds_is_no_reason() -> None:
    """Asking a gate that holds for its breach MUST be refused."""
    with pytest.raises(ValueError, match="holds"):
        evaluate(healthy(), Measurements.of(healthy()))[0].breach()


def test_limits_are_those_of_the_contract() -> None:
    """Sections 5 and 9."""
    assert (gates.SCHED_LAG, gates.SCHED_LAG_SHARED, gates.LOOP_LAG) == (0.002, 0.005, 0.005)
    assert (gates.SCHED_LAG_SHARE, gates.LOOP_LAG_SHARE, gates.CALIBRATED_WATCH_LAG) == (0.05, 0.05, 0.002)
    assert (gates.ACHIEVED, gates.DRIFT, gates.FLAGGED) == (0.98, 0.15, 0.01)
