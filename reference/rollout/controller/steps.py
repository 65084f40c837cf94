"""Single steps on actors: at most one call that changes something, chosen by the actor's state."""

from __future__ import annotations

import grpc
import grpc.aio

from reference.rollout.actors import Actor, step_out
from reference.rollout.controller.passes import Pass

#: Codes that mean "not yet": the actor is gone, somebody else works on it, or it is in use again.
NOT_YET = frozenset({grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ABORTED, grpc.StatusCode.FAILED_PRECONDITION})


async def tried(on: Pass, actor: Actor) -> bool:
    """Whether `step_out` succeeded; what ate-api says otherwise is logged."""
    try:
        await step_out(on.actors, actor)
    except grpc.aio.AioRpcError as err:
        refused(on, actor, err)
        return False
    return True


def refused(on: Pass, actor: Actor, err: grpc.aio.AioRpcError) -> None:
    """Log a call that did not succeed."""
    details = {"actor": actor.id, "state": actor.state, "code": err.code().name, "error": err.details()}
    on.log.info("not yet" if err.code() in NOT_YET else "ate-api refused", extra=details)


async def removal_step(on: Pass, atespace: str, actor: str) -> bool:
    """Whether an actor is gone; if not, the next step towards it (C17). Raises what ate-api does."""
    found = await on.actors.get(atespace, actor)
    if found is None:
        return True
    await step_out(on.actors, found)
    return False
