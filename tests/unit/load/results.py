"""Run results as a healthy controller and a quiet machine would leave them: made by rule, the same each time.

`healthy` makes a run of one arm, `paired` one that compares two. What a self-test wants to be ill it spoils
afterwards (spoiled.py).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from fixtures.load.records import (
    Attempt,
    Barrier,
    ClaimRecord,
    Instrument,
    Noise,
    PoolSample,
    Repetition,
    RunResult,
    SandboxRecord,
)

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
#: From the origin of one repetition to that of the next.
APART = 120 * SECOND
#: How long a healthy controller takes to replace a member.
REFILL = 800 * MILLISECOND
BOUNDS_MS = (100, 250, 500, 750, 1000, 1250, 1500, 2000, 2500, 5000, 10000, 30000, 60000, 120000, 240000)
CALIBRATION = {
    "cpu_loop_s": 0.100,
    "self_test_p50_s": 0.051,
    "get_version_p50_s": 0.002,
    "watch_lag_p99_s": 0.001,
    "certified_rate": 600.0,
}


def stamp(t_ns: int) -> str:
    """An instant as the controller writes it: RFC 3339 with nanoseconds, of a wall clock of its own."""
    wall = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=t_ns // SECOND)
    return f"{wall:%Y-%m-%dT%H:%M:%S}.{t_ns % SECOND:09d}Z"


def healthy(
    *,
    claims: int = 100,
    repetitions: int = 5,
    rate: float = 10.0,
    pool_size: int | None = None,
    nodes: int = 5,
    seed: int = 1,
    median_s: float = 0.08,
    spread: float = 0.3,
    warm_up: bool = True,
    scenario: str = "paced",
) -> RunResult:
    """One arm: a repetition that only warms up, then counted ones; `rate` 0 is a burst.

    The latency of a claim is lognormal with this median (seconds) and this sigma.
    """
    size = claims if pool_size is None else pool_size
    made = [
        repetition(
            rep,
            claims=claims,
            rate=rate,
            pool_size=size,
            nodes=nodes,
            seed=seed,
            median_s=median_s,
            spread=spread,
            counted=not (warm_up and rep == 0),
        )
        for rep in range(repetitions + warm_up)
    ]
    return result(made, scenario, seed, f"constant({rate:g}/s, {claims})", size, nodes)


def paired(
    *,
    pairs: int = 6,
    claims: int = 100,
    rate: float = 10.0,
    nodes: int = 5,
    seed: int = 1,
    factor: float = 1.0,
    run_effect: float = 0.02,
    median_s: float = 0.08,
    spread: float = 0.3,
) -> RunResult:
    """Two arms in pairs of blocks, each block a discarded and a counted repetition.

    Arm b is slower by `factor`; each block by a factor of its own, lognormal with sigma `run_effect`.
    """
    chance = random.Random(f"{seed}/effects")
    made: list[Repetition] = []
    for block in range(pairs):
        for arm in ("ab", "ba")[block % 2]:
            median = median_s * (factor if arm == "b" else 1.0) * chance.lognormvariate(0, run_effect)
            for counted in (False, True):
                made.append(
                    repetition(
                        len(made),
                        claims=claims,
                        rate=rate,
                        pool_size=claims,
                        nodes=nodes,
                        seed=seed,
                        median_s=median,
                        spread=spread,
                        counted=counted,
                        arm=arm,
                        block=block,
                    )
                )
    return result(made, "paired", seed, f"constant({rate:g}/s, {claims})", claims, nodes)


def result(
    repetitions: Sequence[Repetition], scenario: str, seed: int, schedule: str, pool_size: int, nodes: int
) -> RunResult:
    """A run with these repetitions and everything that is said of it beside them."""
    return RunResult(
        run_id="run-0001",
        scenario=scenario,
        seed=seed,
        schedule=schedule,
        pool_size=pool_size,
        nodes=nodes,
        repetitions=tuple(repetitions),
        fingerprint={
            "provider": "kwok",
            "nodes": str(nodes),
            "cores": "2",
            "cpu": "test",
            "kernel": "6.1",
            "kubernetes": "v1.36.3",
            "sut": "v0.5.6",
            "flags": "defaults",
            "scenario": "0001",
            "generator": "local",
            "transport": "aiohttp",
            "python": "3.11",
        },
        sut={"kind": "agent-sandbox", "version": "v0.5.6", "commit": "", "flags": {"--extensions": "true"}},
        loadgen={"location": "local", "transport": "aiohttp", "connections": 32, "affinity": []},
        apf={"flow_schema": "exempt", "priority_level": "exempt", "exempt": True},
        clock={
            "start": {"mono_ns": 0, "wall_ns": 1_767_225_600 * SECOND},
            "end": {"mono_ns": 900 * SECOND, "wall_ns": 1_767_226_500 * SECOND},
        },
        calibration=dict(CALIBRATION),
    )


def repetition(
    rep: int,
    *,
    claims: int,
    rate: float,
    pool_size: int,
    nodes: int,
    seed: int,
    median_s: float,
    spread: float,
    counted: bool = True,
    arm: str = "",
    block: int = 0,
) -> Repetition:
    """One schedule on a full pool that is balanced over the nodes; claims beyond the pool start cold."""
    origin = (rep + 1) * APART
    chance = random.Random(f"{seed}/{rep}")
    gap = round(SECOND / rate) if rate else 0
    made = [
        claim(
            idx,
            origin + idx * gap,
            round(chance.lognormvariate(0, spread) * median_s * SECOND),
            chance,
            rep=rep,
            arm=arm,
            block=block,
            warm=idx < pool_size,
            node=f"node-{idx % nodes}",
        )
        for idx in range(claims)
    ]
    sandboxes = pool_of(made, rep, pool_size, nodes)
    lag = tuple(round(abs(chance.gauss(0, 0.4)) * MILLISECOND) for _ in range(500))
    return Repetition(
        rep=rep,
        arm=arm,
        block=block,
        counted=counted,
        span_s=(claims - 1) * gap / SECOND,
        claims=tuple(made),
        pool=samples_of(made, pool_size, origin),
        instrument=Instrument(
            loop_lag_ns=lag,
            watch_lag_ns=tuple(3 * MILLISECOND + 2 * value for value in lag[:100]),
            gc_pauses_ns=(2 * MILLISECOND,),
            cpu_s=0.0005 * claims,
            disconnects=0,
            relists=0,
            gap_s=0.0,
            connections_opened_after_start=0,
            idle_write_ns=(5 * MILLISECOND,) * 20,
        ),
        noise=Noise(steal=0.0, foreign=0.02, iowait=0.01, clock_jump_s=0.0, longest_pause_s=0.004),
        barrier=Barrier(
            t_ns=origin - SECOND,
            claims_left=0,
            replicas=pool_size,
            ready_replicas=pool_size,
            members_ready=pool_size,
            canary_seen=True,
        ),
        scrape_before=scrape_of(()),
        scrape_after=scrape_of(made),
        sandboxes=sandboxes,
        api_scrape_before=api_scrape(0),
        api_scrape_after=api_scrape(20 * claims),
    )


def claim(
    idx: int,
    intended: int,
    latency: int,
    chance: random.Random,
    *,
    rep: int,
    arm: str,
    block: int,
    warm: bool,
    node: str,
) -> ClaimRecord:
    """A claim that became ready `latency` ns after its intended instant, on a Sandbox of its own."""
    called = intended + min(latency // 20, round(chance.uniform(0.05, 0.5) * MILLISECOND))
    ready = intended + latency
    left = ready - called
    observed = called + round(0.15 * left)
    return ClaimRecord(
        namespace="asc-perf",
        name=f"run-0001-{rep}-{idx}",
        idx=idx,
        t_intended_ns=intended,
        arm=arm,
        block=block,
        rep=rep,
        uid=f"claim-{rep}-{idx}",
        t_call_ns=called,
        t_ack_ns=called + round(0.2 * left),
        t_bind_ns=called + round(0.6 * left),
        t_ip_ns=called + round(0.7 * left),
        t_ready_ns=ready,
        t_delete_ns=ready + 30 * SECOND,
        t_deleted_ns=ready + 30 * SECOND + 50 * MILLISECOND,
        t_pod_deleted_ns=ready + 30 * SECOND + 80 * MILLISECOND,
        http_status=201,
        attempts=[Attempt(called, 201)],
        sandbox=f"sandbox-{rep}-{idx}",
        sandbox_uid=f"sandbox-uid-{rep}-{idx}",
        node=node,
        launch_type="warm" if warm else "cold",
        first_observed_at=stamp(observed),
        first_ready_at=stamp(called + round(0.95 * left)),
    )


def pool_of(claims: Sequence[ClaimRecord], rep: int, size: int, nodes: int) -> tuple[SandboxRecord, ...]:
    """All Sandboxes of a repetition: the pool, what replaced the members taken, what started cold."""
    found = []
    for made in claims:
        there = None if made.launch_type == "warm" else (made.t_bind_ns or 0)
        found.append(
            SandboxRecord(
                made.sandbox,
                made.sandbox_uid,
                made.node,
                made.launch_type,
                (made.uid,),
                there,
                made.t_bind_ns,
            )
        )
    taken = sum(made.launch_type == "warm" for made in claims)
    for number in range(taken, size):
        name = f"spare-{rep}-{number}"
        found.append(SandboxRecord(name, f"{name}-uid", f"node-{number % nodes}"))
    for made in claims[:taken]:
        name = f"refill-{rep}-{made.idx}"
        at = (made.t_bind_ns or 0) + REFILL // 2
        found.append(SandboxRecord(name, f"{name}-uid", made.node, t_seen_ns=at, t_ready_ns=at + REFILL // 2))
    return tuple(sorted(found, key=lambda sandbox: sandbox.uid))


def samples_of(
    claims: Iterable[ClaimRecord], size: int, origin: int, refill: int = REFILL
) -> tuple[PoolSample, ...]:
    """The pool after each adoption and each replacement, `refill` ns later."""
    changes = []
    for made in claims:
        if made.launch_type == "warm" and made.t_bind_ns is not None:
            changes += [(made.t_bind_ns, -1), (made.t_bind_ns + refill, 1)]
    ready = size
    samples = [PoolSample(origin - SECOND, size, size, size)]
    for instant, change in sorted(changes):
        ready += change
        samples.append(PoolSample(instant, size, ready, ready))
    return tuple(samples)


def scrape_of(claims: Iterable[ClaimRecord]) -> str:
    """The controller's /metrics after these claims, with what the metrics of the catalogue read."""
    served = list(claims)
    reconcile = "controller_runtime_reconcile_time_seconds"
    lines = ["# TYPE agent_sandbox_claim_controller_startup_latency_ms histogram"]
    for launch in ("cold", "warm"):
        took = [controller_ms(made) for made in served if made.launch_type == launch]
        labels = f'launch_type="{launch}",sandbox_template="python"'
        name = "agent_sandbox_claim_controller_startup_latency_ms"
        for bound in BOUNDS_MS:
            lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {sum(ms <= bound for ms in took)}')
        lines.append(f'{name}_bucket{{{labels},le="+Inf"}} {len(took)}')
        lines.append(f"{name}_sum{{{labels}}} {sum(took):.3f}")
        lines.append(f"{name}_count{{{labels}}} {len(took)}")
    lines.append("# TYPE agent_sandbox_claim_creation_total counter")
    for launch, count in sorted(Counter(made.launch_type for made in served).items()):
        lines.append(
            f'agent_sandbox_claim_creation_total{{namespace="asc-perf",launch_type="{launch}",'
            f'pod_condition="ready"}} {count}'
        )
    lines += [
        "# TYPE rest_client_requests_total counter",
        f'rest_client_requests_total{{code="200",host="127.0.0.1",method="PUT"}} {4 * len(served)}',
        'rest_client_requests_total{code="409",host="127.0.0.1",method="PUT"} 0',
        "# TYPE workqueue_adds_total counter",
        f'workqueue_adds_total{{name="sandboxclaim"}} {6 * len(served)}',
        "# TYPE workqueue_queue_duration_seconds histogram",
        f'workqueue_queue_duration_seconds_sum{{name="sandboxclaim"}} {0.001 * len(served):.6f}',
        f'workqueue_queue_duration_seconds_count{{name="sandboxclaim"}} {6 * len(served)}',
        "# TYPE controller_runtime_reconcile_time_seconds histogram",
        f'{reconcile}_sum{{controller="sandboxclaim"}} {0.006 * len(served):.6f}',
        f'{reconcile}_count{{controller="sandboxclaim"}} {6 * len(served)}',
        "# TYPE process_cpu_seconds_total counter",
        f"process_cpu_seconds_total {1 + 0.017 * len(served):.3f}",
        "# TYPE process_resident_memory_bytes gauge",
        f"process_resident_memory_bytes {60_000_000 + 1000 * len(served)}",
        "# TYPE process_start_time_seconds gauge",
        "process_start_time_seconds 1767225000",
    ]
    return "\n".join(lines) + "\n"


def api_scrape(writes: int) -> str:
    """The API server's /metrics after so many writes."""
    return (
        "# TYPE apiserver_request_total counter\n"
        f'apiserver_request_total{{code="201",resource="sandboxes",verb="POST"}} {writes // 2}\n'
        f'apiserver_request_total{{code="200",resource="sandboxes",verb="PATCH"}} {writes - writes // 2}\n'
        f'apiserver_request_total{{code="200",resource="sandboxes",verb="LIST"}} {3 * writes}\n'
    )


def controller_ms(made: ClaimRecord) -> float:
    """How long the controller had the claim, by its own two stamps, milliseconds."""
    return (instant_ns(made.first_ready_at) - instant_ns(made.first_observed_at)) / MILLISECOND


def instant_ns(text: str) -> int:
    """The inverse of `stamp`."""
    whole, fraction = text.removesuffix("Z").split(".")
    since = datetime.fromisoformat(whole).replace(tzinfo=UTC) - datetime(2026, 1, 1, tzinfo=UTC)
    return round(since.total_seconds()) * SECOND + int(fraction)
