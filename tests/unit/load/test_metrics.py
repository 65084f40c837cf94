"""The catalogue: definitions worked out by hand on small loads, and what is said where nothing was had."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.errors import UsageError
from fixtures.load import scrape_figures
from fixtures.load.claim_figures import best_window, peak, windows
from fixtures.load.metrics import CATALOGUE, Measured, Measurements, measure_one, metric
from fixtures.load.readings import Absent, Counts, Figure, Figures, Maker, Samples, values_of
from fixtures.load.records import Attempt, ClaimRecord, Failure, PoolSample, Repetition, RunResult
from fixtures.load.stamps import nanoseconds
from tests.unit.load import spoiled
from tests.unit.load.results import MILLISECOND, SECOND, healthy

CONTRACT = (
    "A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 B1 B2 B3 B4 B5 B6 B7 C1 C2 C3 C4 C5 C6 D1 D2 "
    "E1 E2 E3 E4 E5 E6 E7 F1 F2 G1"
)


def pooled(run: RunResult) -> Measured:
    """All metrics of the only arm."""
    return Measurements.of(run).pooled[""]


def one(run: RunResult) -> Measured:
    """All metrics of the first counted repetition."""
    return measure_one(run, run.counted[0])


def small(**changes: object) -> tuple[RunResult, Repetition]:
    """A run of one repetition of four claims, one per second, without anything random."""
    run = healthy(claims=4, repetitions=1, rate=1, warm_up=False)
    claims = tuple(
        ClaimRecord(
            namespace="n",
            name=f"c{idx}",
            idx=idx,
            uid=f"u{idx}",
            t_intended_ns=idx * SECOND,
            t_call_ns=idx * SECOND + MILLISECOND,
            t_ack_ns=idx * SECOND + 11 * MILLISECOND,
            t_bind_ns=idx * SECOND + 50 * MILLISECOND,
            t_ip_ns=idx * SECOND + 60 * MILLISECOND,
            t_ready_ns=idx * SECOND + (idx + 1) * 100 * MILLISECOND,
            t_delete_ns=10 * SECOND,
            t_deleted_ns=11 * SECOND,
            t_pod_deleted_ns=12 * SECOND,
            sandbox=f"s{idx}",
            sandbox_uid=f"su{idx}",
            node=f"node-{idx % 2}",
            launch_type="warm",
            first_observed_at="2026-01-01T00:00:00.000000001Z",
            first_ready_at="2026-01-01T00:00:00.020000002Z",
        )
        for idx in range(4)
    )
    repetition = replace(run.repetitions[0], claims=claims, sandboxes=(), **changes)  # type: ignore[arg-type]
    return replace(run, repetitions=(repetition,)), repetition


def test_the_catalogue_has_every_metric_of_the_contract() -> None:
    """Every id MUST be there, with a definition, a unit and a clock."""
    assert {row.id for row in CATALOGUE.values()} == set(CONTRACT.split())
    for row in CATALOGUE.values():
        assert row.definition.endswith("."), row.key
        assert row.unit, row.key
        assert row.clock, row.key


def test_a_metric_of_another_name_is_a_usage_error() -> None:
    """The nearest name MUST be offered."""
    with pytest.raises(UsageError, match=r"unknown metric 'claim_redy_latency'.*'claim_ready_latency'"):
        metric("claim_redy_latency")


@pytest.mark.parametrize(
    "run",
    [healthy(), healthy(rate=0), healthy(claims=30, pool_size=10)],
    ids=["paced", "burst", "more claims than members"],
)
def test_statistics_are_those_that_the_catalogue_names(run: RunResult) -> None:
    """What a run has over its repetitions MUST be listed: budgets are checked against that list."""
    for key, values in pooled(run).items():
        listed = {*CATALOGUE[key].statistics, "value"}
        assert CATALOGUE[key].open or set(values) <= listed, key


def test_latencies_by_hand() -> None:
    """A1 to A6, A9, A10 and B1 MUST be the differences that the contract defines, in seconds."""
    run, _ = small()
    found = one(run)

    assert (found["claim_ready_latency"]["p50"].value, found["claim_ready_latency"]["max"].value) == (
        0.2,
        0.4,
    )
    assert found["claim_ready_latency_from_call"]["max"].value == pytest.approx(0.399)
    assert found["create_ack_latency"]["max"].value == pytest.approx(0.010)
    assert found["ack_to_ready"]["min"].value == pytest.approx(0.089)
    assert found["ready_in_writes"]["value"].value == pytest.approx(0.2 / 0.005)
    assert found["bind_latency"]["p50"].value == pytest.approx(0.050)
    assert found["pod_ip_latency"]["p50"].value == pytest.approx(0.060)
    assert found["controller_latency"]["p50"].value == pytest.approx(0.020000001, abs=1e-12)
    assert found["time_to_all_ready"]["value"].value == pytest.approx(3.399)
    assert found["time_to_all_ready"]["tail"].value == pytest.approx(0.4)
    assert found["release_latency"]["p50"].value == 1
    assert found["release_latency_pod"]["p50"].value == 2
    assert found["sched_lag"]["max"].value == pytest.approx(0.001)
    assert found["co_uncorrected_gap"]["p95"].value == pytest.approx(0.001)


def test_rates_count_gaps_and_not_instants() -> None:
    """B3, B4: four calls in three seconds MUST be 1/s (PKB-D5)."""
    run, _ = small(span_s=3.0)
    found = one(run)

    assert found["offered_qps"]["value"].value == 1
    assert found["submit_qps"]["value"].value == 1
    assert found["achieved_ratio"]["value"].value == 1
    assert found["completion_qps"]["value"].value == pytest.approx(4 / 3.399)
    assert found["submit_qps"]["best10s"].value is None


def test_the_best_window_of_ten_seconds() -> None:
    """A window MUST be half open: eleven calls of one per second are ten in the best ten seconds."""
    assert best_window([n * SECOND for n in range(11)]) == 1.0
    assert best_window([n * SECOND for n in range(10)]) is None
    assert best_window([0, *[20 * SECOND + n for n in range(50)]]) == 5.0


def test_a_burst_has_no_rate() -> None:
    """Where all claims are intended for one instant the offered rate MUST be absent, not infinite or 0."""
    found = pooled(healthy(rate=0))

    assert found["offered_qps"]["value"].value is None
    assert found["achieved_ratio"]["value"].note == "no rate: all claims were intended for one instant"


def test_stamps_that_are_not_there_are_not_zero() -> None:
    """A7 without claim-first-ready-at MUST be not available (trap 6), and so must G1 that needs it."""
    found = pooled(spoiled.without_ready_stamps(healthy()))

    assert found["controller_latency"]["value"].value is None
    assert found["controller_latency"]["value"].note.startswith("not available")
    assert found["controller_latency_skew"]["value"].value is None
    assert found["histogram_agreement"]["moved"].value is None


@pytest.mark.parametrize("key", ["ttfe", "cold_stages", "fallback_requeue_count"])
def test_what_is_not_measured_is_said_to_be(key: str) -> None:
    """A8, A11 and the requeues that nobody counts MUST have a note and no value."""
    only = pooled(healthy())[key]["value"]

    assert only.value is None
    assert only.note.startswith(("not measured", "not available"))


def test_flagged_stamps_are_left_out_and_counted() -> None:
    """PERF-LG-10, trap 8: stamps from a gap MUST NOT be among the samples, and MUST be counted."""
    found = pooled(spoiled.flagged(healthy(), 4, 5))

    assert found["claim_ready_latency"]["p50"].n == 490
    assert found["claim_ready_latency"]["max"].value is not None
    assert found["claim_ready_latency"]["max"].value < 1
    assert "10 uncertain stamps" in found["claim_ready_latency"]["p50"].note
    assert found["watch_disconnects"]["flagged"].value == 10
    assert found["sched_lag"]["p50"].n == 500, "a call needs no watch"


def test_all_ready_needs_all() -> None:
    """A9 MUST be null, and worse than any limit, if one claim never became ready."""
    found = pooled(spoiled.drop_one_claim(healthy()))["time_to_all_ready"]

    assert (found["median"].value, found["median"].never) == (None, True)
    assert "1 of 100 claims never ready" in found["max"].note


def test_windows_are_those_of_arrival() -> None:
    """B7: a claim MUST count where it was intended, however late it became ready."""
    run = healthy(claims=200, repetitions=1, warm_up=False)
    claims = run.repetitions[0].claims
    claims[5].t_ready_ns = claims[5].t_intended_ns + 15 * SECOND

    found = windows(run.repetitions[0])

    assert [(window.start_s, window.arrivals, window.ready) for window in found] == [
        (0, 100, 100),
        (10, 100, 100),
    ]
    assert found[0].latency["max"] == 15
    assert found[1].latency["max"] < 1


def test_peak_concurrency() -> None:
    """F1: an end MUST free its place at once, and a claim that is never deleted keeps its own."""
    assert peak([(0, 10), (5, None), (10, 12), (11, 20)]) == 3
    assert peak([(0, 1), (1, 2), (2, 3)]) == 1
    assert peak([]) == 0


def test_warm_is_what_the_label_says() -> None:
    """C1, C2: one cold Sandbox under a warm name MUST show (PKB-D12); no label at all is not available."""
    found = pooled(spoiled.cold_disguised_as_warm(healthy()))
    assert found["warm_served_fraction"]["value"].value == 0.99
    assert found["cold_fallback_count"]["value"].value == 5

    def unlabelled(claim: ClaimRecord) -> None:
        claim.launch_type = ""

    bare = spoiled.each_counted(healthy(), lambda repetition: spoiled.with_claims(repetition, unlabelled))
    assert pooled(bare)["warm_served_fraction"]["value"].value is None


def test_replenishment_by_hand() -> None:
    """C4: two members are lacking for 1 s, one for 2 s; full for good 3.05 s after the first adoption."""
    at = [PoolSample(-SECOND, 4, 4, 4)]
    at += [PoolSample(t, 4, n, n) for t, n in ((50 * MILLISECOND, 2), (1050 * MILLISECOND, 3))]
    run, _ = small(pool=(*at, PoolSample(3050 * MILLISECOND, 4, 4, 4)))
    found = one(run)["replenish_time"]

    assert found["value"].value == 3.0
    assert found["deficit"].value == pytest.approx(2 * 1 + 1 * 2)
    assert found["refill_per_s"].value == pytest.approx(2 / 3)
    assert found["deficit"].unit == "sandbox s"


def test_a_stale_status_is_not_full() -> None:
    """Trap 2: a status that still says full MUST NOT end it while the watch sees members lack."""
    stale = (PoolSample(0, 4, 4, 4), PoolSample(50 * MILLISECOND, 4, 4, 2), PoolSample(9 * SECOND, 4, 4, 4))
    run, _ = small(pool=stale)

    assert one(run)["replenish_time"]["value"].value == pytest.approx(8.95)


def test_a_pool_that_is_never_full_again() -> None:
    """C4 MUST then be worse than any limit, not absent."""
    found = pooled(spoiled.no_replenish(healthy()))["replenish_time"]

    assert (found["max"].value, found["max"].never) == (None, True)


def test_seconds_of_exhaustion() -> None:
    """C6: only the time in which no member was ready and a claim waited MUST count."""
    empty = (
        PoolSample(0, 4, 4, 4),
        PoolSample(50 * MILLISECOND, 4, 0, 0),
        PoolSample(1100 * MILLISECOND, 4, 1, 1),
    )
    run, _ = small(pool=empty)

    # Claim 0 waits from 0.05 s to 0.1 s, claim 1 from 1.0 s to 1.1 s.
    assert one(run)["pool_exhausted_seconds"]["value"].value == pytest.approx(0.15)


def test_balance_of_adoptions_and_of_what_remains() -> None:
    """D1: members per node, those taken and those left MUST be told apart, empty nodes included."""
    found = one(spoiled.pile_up(healthy(claims=20, pool_size=100, nodes=5, rate=0)))["node_balance"]

    assert (found["max_minus_min"].value, found["jain"].value) == (20, pytest.approx(0.2))
    assert found["pool_max_minus_min"].value is not None
    assert found["pool_max_minus_min"].value <= 1
    assert found["remaining_max_minus_min"].value == 20


def test_errors_are_told_by_class() -> None:
    """E1: a class MUST NOT hide another one (PKB-D6); what did not occur is 0, not missing."""
    run, repetition = small()
    repetition.claims[0].error = Failure("http", 403, "Forbidden")
    repetition.claims[1].error = Failure("http", 500)
    repetition.claims[2].error = Failure("ready_timeout")
    found = one(run)["errors"]

    assert {
        name: found[name].value for name in ("total", "http_403", "http_500", "ready_timeout", "tls")
    } == {
        "total": 3,
        "http_403": 1,
        "http_500": 1,
        "ready_timeout": 1,
        "tls": 0,
    }


def test_every_429_counts() -> None:
    """E2: a call that succeeded at the third attempt MUST count its two 429s and what it was told to wait."""
    run, repetition = small()
    repetition.claims[0].attempts += [Attempt(1, 429, 1.0), Attempt(2, 429, 2.0), Attempt(3, 201)]
    found = one(run)["api_429"]

    assert (found["seen"].value, found["retry_after_s"].value) == (2, 3.0)


def test_the_controllers_buckets_agree_with_its_stamps() -> None:
    """G1: equal stamps MUST agree; one claim in another bucket, or under another launch type, is found."""
    run = healthy()
    assert [value.value for value in pooled(run)["histogram_agreement"].values()] == [0, 0]

    slower = spoiled.flagged(run)
    claim = slower.counted[0].claims[0]
    claim.first_ready_at = claim.first_ready_at.replace("T00:", "T01:")
    assert pooled(slower)["histogram_agreement"]["moved"].value == 1

    cold = spoiled.cold_disguised_as_warm(run)
    assert pooled(cold)["histogram_agreement"]["moved"].value == 5
    assert pooled(spoiled.scraped_again(cold))["histogram_agreement"]["moved"].value == 0


def test_creations_are_compared_with_claims() -> None:
    """G1: a controller that counts more creations than there are bound claims MUST show."""
    run, repetition = small()
    text = 'agent_sandbox_claim_creation_total{launch_type="warm"} '
    counted = replace(repetition, scrape_before=text + "10\n", scrape_after=text + "15\n")

    assert one(replace(run, repetitions=(counted,)))["histogram_agreement"]["created"].value == 1


def test_a_restarted_process_has_no_differences() -> None:
    """Counters that began anew MUST NOT be subtracted."""
    run, repetition = small()
    after = repetition.scrape_after.replace(
        "process_start_time_seconds 1767225000", "process_start_time_seconds 2e9"
    )
    restarted = replace(run, repetitions=(replace(repetition, scrape_after=after),))
    found = one(restarted)

    assert found["controller_queue"]["value"].value is None
    assert found["adoption_conflicts"]["conflicts"].value is None
    assert found["controller"]["restarted"].value == 1
    assert found["controller"]["cpu_s"].value is None


def test_without_a_scrape_nothing_is_zero() -> None:
    """What a scrape would have told MUST be absent without one."""
    run, _ = small(scrape_before="", scrape_after="", api_scrape_before="", api_scrape_after="")
    found = one(run)

    for key in ("controller_queue", "writes_per_claim", "controller", "histogram_agreement"):
        assert found[key]["value"].value is None, key
        assert found[key]["value"].note == "not available: no scrape", key
    assert found["adoption_conflicts"]["conflicts"].value is None
    assert found["adoption_conflicts"]["shared"].value == 0
    assert found["api_429"]["rejected"].value is None


def test_differences_of_scrapes() -> None:
    """A label that appears between two scrapes MUST count from 0, a counter that neither has is None."""
    found = scrape_figures.Difference('up{a="x"} 1\n', 'up{a="x"} 3\nup{a="y"} 4\n')

    assert (found.of("up"), found.of("up", a="y"), found.of("up", a="z"), found.of("down")) == (6, 4, 0, None)
    assert found.by("up", "a") == {"x": 2, "y": 4}


def test_only_counted_repetitions_are_pooled() -> None:
    """What warms up MUST be measured, and MUST NOT be among the pooled samples."""
    found = Measurements.of(healthy(claims=10, repetitions=2))

    assert sorted(found.repetitions) == [0, 1, 2]
    assert found.pooled[""]["claim_ready_latency"]["p50"].n == 20


def test_clocks_are_not_mixed() -> None:
    """PERF-CLK-1, PERF-CLK-2: no latency of the generator's clock may change with the controller's stamps."""
    run = healthy()
    by_stamps = {row.key for row in CATALOGUE.values() if set(row.clock) & {"S", "P"}}
    before, after = pooled(run), pooled(spoiled.without_ready_stamps(run))
    changed = {key for key in CATALOGUE if before[key] != after[key]}

    assert changed == {"controller_latency", "controller_latency_skew", "histogram_agreement"}
    assert changed <= by_stamps


def test_readings_are_joined() -> None:
    """Samples join, counts add up, what one repetition lacks is said; nothing is made up."""
    maker = Maker("s", "C", {}, pooled=True)

    assert values_of([Samples((1.0,)), Absent("gone"), Samples((3.0,))], maker)["mean"].value == 2
    assert values_of([Samples((1.0,)), Absent("gone")], maker)["max"].note == "missing in 1 of 2 repetitions"
    assert values_of([Absent("gone"), Absent("gone")], maker)["value"].note == "gone"
    counts = values_of([Counts({"x": 1, "y": None}, 5), Counts({"x": 2, "y": 3, "z": 4}, 5)], maker)
    assert {name: value.value for name, value in counts.items()} == {"x": 3, "y": None, "z": 4}
    figures = values_of(
        [
            Figures(value=Figure(1.0)),
            Figures(value=Figure(None, "late", never=True)),
            Figures(value=Figure(3.0)),
        ],
        maker,
    )
    assert (figures["median"].value, figures["min"].value) == (3.0, 1.0)
    assert (figures["max"].value, figures["max"].never, figures["max"].note) == (None, True, "late")


def test_readings_of_nothing_or_of_two_kinds_are_refused() -> None:
    """A mistake in a metric MUST NOT become a figure."""
    maker = Maker("s", "C", {}, pooled=True)
    with pytest.raises(ValueError, match="no readings"):
        values_of([], maker)
    with pytest.raises(TypeError, match="different kinds"):
        values_of([Samples((1.0,)), Counts({}, 1)], maker)


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("1970-01-01T00:00:01.000000001Z", 1_000_000_001),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T01:00:01+01:00", 1_000_000_000),
        ("unknown", None),
        ("", None),
        ("1970-13-01T00:00:01Z", None),
    ],
)
def test_stamps(stamp: str, expected: int | None) -> None:
    """Stamps MUST keep their nanoseconds; what is no stamp is None."""
    assert nanoseconds(stamp) == expected


def test_values_are_plain_in_a_summary() -> None:
    """summary.json: id, definition and values per arm and repetition, nothing that JSON has no word for."""
    made = Measurements.of(healthy(claims=10, repetitions=1)).as_json()

    value = made["claim_ready_latency"]["pooled"][""]["p50"]
    assert set(value) == {"value", "n", "ci", "unit", "clock"}
    assert made["claim_ready_latency"]["id"] == "A1"
    assert sorted(made["claim_ready_latency"]["repetitions"]) == ["0", "1"]
    assert made["time_to_all_ready"]["repetitions"]["1"]["value"]["n"] == 1
