"""A worker's Pod vanishes under a running actor."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(id="BG-SUB-10", profile="ROLLOUT", level="extended", killers=["bg/worker-loss-ignored"])
def test_actor_of_a_lost_worker_is_suspended_and_can_be_resumed(substrates):
    """An actor whose worker's Pod is gone MUST become SUSPENDED, with the memory of its last snapshot."""
    pool = substrates.pool(replicas=2)
    actor = substrates.actor(substrates.ready_template(pool))
    before = actor.resume()
    [worker] = [w for w in pool.workers() if w.actor == actor.name]

    substrates.lose(worker)

    suspended = substrates.until_state(actor, "SUSPENDED")
    assert suspended.worker == ""
    assert suspended.snapshot == before.snapshot
    assert worker.pod not in [w.pod for w in pool.workers()]
    assert actor.resume().state == "RUNNING"
