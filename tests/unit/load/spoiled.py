"""Results of runs in which something went wrong: what wrong controllers and troubled machines leave behind.

Each takes a healthy result (results.py), and gives a spoiled copy; the one it was given stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

from fixtures.load.records import ClaimRecord, Failure, Repetition, RunResult, SandboxRecord
from tests.unit.load.results import MILLISECOND, SECOND, samples_of, scrape_of

Change = Callable[[Repetition], Repetition]


def each_counted(run: RunResult, change: Change) -> RunResult:
    """Every counted repetition, changed."""
    return replace(run, repetitions=tuple(change(r) if r.counted else r for r in run.repetitions))


def with_claims(repetition: Repetition, change: Callable[[ClaimRecord], None]) -> Repetition:
    """Every claim of a repetition, changed."""
    claims = copy.deepcopy(repetition.claims)
    for claim in claims:
        change(claim)
    return replace(repetition, claims=claims)


def first(*numbers: int) -> Callable[[ClaimRecord], bool]:
    """Whether a claim is one of these, by its place in the schedule."""
    return lambda claim: claim.idx in numbers


def cold_disguised_as_warm(run: RunResult) -> RunResult:
    """Claim 3 gets a Sandbox started for it, under a name of the pool; its label tells."""

    def change(claim: ClaimRecord) -> None:
        if claim.idx == 3:
            claim.launch_type = "cold"

    return each_counted(run, lambda repetition: with_claims(repetition, change))


def drop_one_claim(run: RunResult) -> RunResult:
    """Claim 7 is never served, and ends by its timeout."""

    def change(claim: ClaimRecord) -> None:
        if claim.idx == 7:
            claim.t_bind_ns = claim.t_ip_ns = claim.t_ready_ns = None
            claim.sandbox = claim.sandbox_uid = claim.node = claim.launch_type = ""
            claim.first_ready_at = ""
            claim.error = Failure("ready_timeout")
            claim.flags = {"timeout"}

    return each_counted(run, lambda repetition: with_claims(repetition, change))


def shared_adopt(run: RunResult) -> RunResult:
    """Claim 5 is given the Sandbox that claim 4 has."""

    def change(repetition: Repetition) -> Repetition:
        taken = repetition.claims[4]

        def share(claim: ClaimRecord) -> None:
            if claim.idx == 5:
                claim.sandbox, claim.sandbox_uid = taken.sandbox, taken.sandbox_uid

        return with_claims(replace(repetition, sandboxes=()), share)

    return each_counted(run, change)


def double_adopt(run: RunResult) -> RunResult:
    """Claim 4 takes a second Sandbox, which its own status does not name."""

    def change(repetition: Repetition) -> Repetition:
        spare = next(sandbox for sandbox in repetition.sandboxes if not sandbox.claims)
        taken = replace(spare, claims=(repetition.claims[4].uid,))
        others = tuple(sandbox for sandbox in repetition.sandboxes if sandbox is not spare)
        return replace(repetition, sandboxes=(*others, taken))

    return each_counted(run, change)


def pile_up(run: RunResult) -> RunResult:
    """All claims are served from one node, though every node has members."""

    def change(claim: ClaimRecord) -> None:
        claim.node = "node-0"

    return each_counted(run, lambda repetition: with_claims(repetition, change))


def late_replenish(run: RunResult) -> RunResult:
    """A member is replaced 20 s after it was taken."""

    def change(repetition: Repetition) -> Repetition:
        origin = repetition.claims[0].t_intended_ns
        return replace(
            repetition, pool=samples_of(repetition.claims, run.pool_size, origin, refill=20 * SECOND)
        )

    return each_counted(run, change)


def no_replenish(run: RunResult) -> RunResult:
    """No member is ever replaced."""

    def change(repetition: Repetition) -> Repetition:
        ready, kept = run.pool_size, [repetition.pool[0]]
        for claim in repetition.claims:
            ready -= 1
            kept.append(
                replace(kept[0], t_ns=claim.t_bind_ns or 0, ready_replicas=ready, members_ready=ready)
            )
        return replace(repetition, pool=tuple(kept))

    return each_counted(run, change)


def over_create(run: RunResult) -> RunResult:
    """Three Sandboxes more are made than anything needs."""

    def change(repetition: Repetition) -> Repetition:
        more = [SandboxRecord(f"more-{n}", f"more-{n}-uid", "node-0") for n in range(3)]
        pool = tuple(
            replace(sample, replicas=sample.replicas + 3) if place == 5 else sample
            for place, sample in enumerate(repetition.pool)
        )
        return replace(repetition, sandboxes=(*repetition.sandboxes, *more), pool=pool)

    return each_counted(run, change)


def slow_x2(run: RunResult) -> RunResult:
    """Arm b, or the only one, takes twice as long from the call to all that the controller brings about."""

    def change(claim: ClaimRecord) -> None:
        if claim.arm == "a" or claim.t_call_ns is None:
            return
        for name in ("t_bind_ns", "t_ip_ns", "t_ready_ns"):
            instant = getattr(claim, name)
            setattr(claim, name, claim.t_call_ns + 2 * (instant - claim.t_call_ns))

    return each_counted(run, lambda repetition: with_claims(repetition, change))


def list_per_claim(run: RunResult) -> RunResult:
    """Arm b lists all Sandboxes for every claim: half a millisecond more per member of the pool."""

    def change(claim: ClaimRecord) -> None:
        if claim.arm == "a":
            return
        for name in ("t_bind_ns", "t_ip_ns", "t_ready_ns"):
            setattr(claim, name, getattr(claim, name) + run.pool_size * 500_000)

    return each_counted(run, lambda repetition: with_claims(repetition, change))


def v1alpha1_served(run: RunResult) -> RunResult:
    """On a cluster where the API server converts every Sandbox for whoever watches it."""
    return replace(run, apf={**run.apf, "converted": "agents.x-k8s.io v1beta1, v1alpha1"})


def without_ready_stamps(run: RunResult) -> RunResult:
    """A controller before v0.5.4: it does not write claim-first-ready-at."""

    def change(claim: ClaimRecord) -> None:
        claim.first_ready_at = ""

    return each_counted(run, lambda repetition: with_claims(repetition, change))


def flagged(run: RunResult, *numbers: int, flag: str = "gap") -> RunResult:
    """These claims became ready in a gap of the watch, and much later than they are seen to."""

    def change(claim: ClaimRecord) -> None:
        if claim.idx in numbers and claim.t_ready_ns is not None:
            claim.flags = {flag}
            claim.t_ready_ns += 60 * SECOND

    return each_counted(run, lambda repetition: with_claims(repetition, change))


def late_calls(run: RunResult, late_ns: int = 50 * MILLISECOND) -> RunResult:
    """A generator that calls late; the latency from the intended instant stays as it was."""

    def change(claim: ClaimRecord) -> None:
        claim.t_call_ns = claim.t_intended_ns + late_ns

    return each_counted(run, lambda repetition: with_claims(repetition, change))


def scraped_again(run: RunResult) -> RunResult:
    """The controller's own figures, as they would be for the claims as they are now."""
    return each_counted(
        run, lambda repetition: replace(repetition, scrape_after=scrape_of(repetition.claims))
    )


def without_scrape_of_one(run: RunResult) -> RunResult:
    """The controller did not count claim 0."""
    return each_counted(
        run, lambda repetition: replace(repetition, scrape_after=scrape_of(repetition.claims[1:]))
    )


def slow_canary(run: RunResult) -> RunResult:
    """The control plane's watches are late; the generator is not."""
    late = (300 * MILLISECOND,) * 100
    return each_counted(
        run,
        lambda repetition: replace(repetition, instrument=replace(repetition.instrument, watch_lag_ns=late)),
    )


def long_stamps(run: RunResult) -> RunResult:
    """By its own stamps the controller had every claim for an hour more."""

    def change(claim: ClaimRecord) -> None:
        claim.first_ready_at = claim.first_ready_at.replace("T00:", "T01:")

    return each_counted(run, lambda repetition: with_claims(repetition, change))
