"""Operations on one actor exclude each other."""

from __future__ import annotations

from collections import Counter

from fixtures.conformance import conformance, provisional
from fixtures.errors import Undecided

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")

AT_ONCE = 5


@conformance(id="BG-SUB-7", profile="ROLLOUT", level="extended", killers=["bg/no-actor-lock"])
def test_of_simultaneous_resumes_one_is_carried_out(substrates):
    """While an operation on an actor is under way, another one MUST be refused with ABORTED."""
    pool = substrates.pool(replicas=AT_ONCE)
    actor = substrates.actor(substrates.ready_template(pool))

    outcomes, overlapped = substrates.at_once(AT_ONCE, actor.resume)

    codes = Counter(code for code, _ in outcomes)
    if set(codes) == {"OK"} and not overlapped:
        raise Undecided("the calls came one after the other")
    # A call that comes after the first one is done finds a running actor, and has nothing to do.
    assert set(codes) == {"OK", "ABORTED"}
    assert {text for code, text in outcomes if code == "ABORTED"} == {
        "another operation is in progress for this actor"
    }
    assert substrates.describe(actor).state == "RUNNING"
    assert pool.taken_by() == [actor.name]
