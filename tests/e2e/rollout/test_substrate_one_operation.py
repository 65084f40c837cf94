"""Operations on one actor exclude each other."""

from __future__ import annotations

from collections import Counter

from fixtures.conformance import conformance
from fixtures.errors import Undecided

AT_ONCE = 5


@conformance(id="BG-SUB-7", profile="ROLLOUT", level="extended", killers=["bg/no-actor-lock"])
def test_of_simultaneous_resumes_one_is_carried_out(substrates):
    """While an operation on an actor is under way, another one MUST be refused with ABORTED."""
    pool = substrates.pool(replicas=AT_ONCE)
    template = substrates.ready_template(pool)
    actor = substrates.actor(template)

    codes = Counter(code for code, _ in substrates.at_once(AT_ONCE, substrates.ate.resume, actor))

    if codes["OK"] == AT_ONCE:
        raise Undecided("the calls came one after the other")
    # A call that comes after the first one is done finds a running actor, and has nothing to do.
    assert set(codes) == {"OK", "ABORTED"}
    assert substrates.describe(actor).status == "RUNNING"
    assert [w.actor for w in pool.workers() if w.actor is not None] == [actor]
