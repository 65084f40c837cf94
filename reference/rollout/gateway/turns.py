"""One turn of a session: which actor serves it, that it runs, and that it is suspended afterwards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

import aiohttp
import grpc
import grpc.aio
import httpx2
from lightkube import ApiError
from yarl import URL

from reference.informer import Object
from reference.rollout.actors import Actor, Actors, State
from reference.rollout.gateway.dialects import Dialect
from reference.rollout.gateway.holding import RequestLeases, TemplateRetired
from reference.rollout.gateway.objects import Objects
from reference.rollout.names import agent_prefix
from reference.rollout.roles import Template

_LOG = logging.getLogger(__name__)

#: Seconds between attempts while no worker is free: the first pause, and the longest (contract section 4).
HOLD_PAUSE = (0.5, 4.0)
#: Seconds that a request waits for a free worker, and for its actor to be reached, unless told otherwise.
PATIENCE = 120.0
#: Seconds between probes of an actor: the first pause, and the longest.
PROBE_PAUSE = (0.02, 0.5)
#: Seconds that one probe may take.
PROBE_TIMEOUT = 3.0
#: Seconds in which an actor has to be suspended after its last turn.
SUSPEND_LIMIT = 30.0
#: How often a request resolves anew where its template is gone (RO-3).
ATTEMPTS = 3

#: Ids of session actors begin with this; those of goldens are UUIDs (contract section 3).
SESSION_PREFIX = "asr-"

#: What ate-api says where a resume finds no worker (contract section 8).
NO_WORKERS = "no free workers"


class Refused(Exception):  # noqa: N818  reads as what happened
    """A request cannot be served: HTTP status and what the caller is told."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class InUse(Exception):  # noqa: N818
    """A turn is on an actor."""


class _TryAgain(Exception):  # noqa: N818
    """The template or the actor changed under the request: resolve anew."""


class _NoWorkers(Exception):  # noqa: N818
    """No worker is free for the actor."""


@dataclass
class _Use:
    """Who uses an actor right now, as far as this gateway knows."""

    turns: int = 0
    #: Held while the actor is resumed or suspended: one operation at a time (SUB-7).
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True)
class Turn:
    """A request that has its actor: it runs, and can be reached."""

    actor: str
    atespace: str
    agent: Object
    session: str


class Turns:
    """Gives requests their actors, and suspends those after the last turn."""

    def __init__(
        self,
        objects: Objects,
        actors: Actors,
        leases: RequestLeases,
        dialect: Dialect,
        http: aiohttp.ClientSession,
        router: URL,
        patience: float = PATIENCE,
    ) -> None:
        self._objects = objects
        self._actors = actors
        self._leases = leases
        self._dialect = dialect
        self._http = http
        self._router = router
        self._patience = patience
        #: By actor, as long as anybody holds it: were one dropped that somebody still waits for, there would
        #: be two locks and two counts for one actor.
        self._uses: WeakValueDictionary[str, _Use] = WeakValueDictionary()
        self._background: set[asyncio.Task[None]] = set()
        #: Whether a look for them has come to its end.
        self.orphans_suspended = False

    # -- a turn -----------------------------------------------------------

    @asynccontextmanager
    async def turn(self, agent: Object, session: str) -> AsyncIterator[Turn]:
        """A running actor for the session, within the block; afterwards it is suspended, once.

        Raises Refused; grpc.aio.AioRpcError as ate-api gave it.
        """
        async with AsyncExitStack() as stack:
            yield await self._hold(agent, session, stack)

    async def _hold(self, agent: Object, session: str, stack: AsyncExitStack) -> Turn:
        """Try until there is a worker; each attempt begins with the template that is active then (C10)."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        pause, misses = HOLD_PAUSE[0], 0
        while True:
            async with AsyncExitStack() as attempt:
                try:
                    turn = await self._attempt(agent, session, attempt)
                    stack.push_async_exit(attempt.pop_all())
                    return turn
                except (_TryAgain, TemplateRetired) as err:
                    misses += 1
                    if misses > ATTEMPTS:
                        raise Refused(503, f"the template changed {misses} times: {err}") from err
                    wait = PROBE_PAUSE[1]
                except _NoWorkers as err:
                    if not self._dialect.buffers or loop.time() + pause > deadline:
                        raise Refused(
                            503,
                            "substrate worker pool has no free workers; try again later or increase "
                            "WorkerPool replicas",
                        ) from err
                    wait, pause = pause, min(2 * pause, HOLD_PAUSE[1])
            await asyncio.sleep(wait)

    async def _attempt(self, agent: Object, session: str, stack: AsyncExitStack) -> Turn:
        template = await self.resolve(agent, session)
        if self._dialect.leases:
            await stack.enter_async_context(self._leases.on(template))
        metadata = agent["metadata"]
        turn = Turn(self._dialect.actor_on(template, agent, session), metadata["namespace"], agent, session)
        await stack.enter_async_context(self._in_use(turn))
        await self._reached(turn, await self._running(turn, template))
        return turn

    async def resolve(self, agent: Object, session: str) -> Template:
        """The template that serves a session's next message. Raises Refused where there is none (C6)."""
        metadata = agent["metadata"]
        found = self._dialect.resolve(self._objects.templates(metadata["namespace"]), agent)
        if found is None:
            raise Refused(503, f"no ActorTemplate generated yet for SandboxAgent {metadata['name']}")
        if self._dialect.pins_sessions:
            born = await self._actors.get(
                metadata["namespace"], self._dialect.actor_on(found, agent, session)
            )
            if born is not None:
                pinned = self._objects.template(born.template_namespace, born.template)
                return pinned or found
        return found

    def _use(self, actor: str) -> _Use:
        return self._uses.setdefault(actor, _Use())

    # -- before the turn --------------------------------------------------

    @asynccontextmanager
    async def _in_use(self, turn: Turn) -> AsyncIterator[None]:
        """Count the turn; after it the actor is suspended, in the background, if nobody else uses it."""
        use = self._use(turn.actor)
        use.turns += 1
        try:
            yield
        finally:
            use.turns -= 1
            self._spawn(self._after(turn, use))

    async def _running(self, turn: Turn, template: Template) -> Actor:
        """Create and resume the actor as far as needed (C12); shielded, so that nothing is left half done."""
        use = self._use(turn.actor)

        async def ensure() -> Actor:
            async with use.lock:
                return await self._ensure(turn, template)

        return await asyncio.shield(asyncio.create_task(ensure()))

    async def _ensure(self, turn: Turn, template: Template) -> Actor:
        actor = await self._settled(turn)
        if actor is None:
            actor = await self._create(turn, template)
        to_resume = {State.SUSPENDED, State.UNSPECIFIED}
        if self._dialect.resumes_paused:
            to_resume |= {State.PAUSED}
        if actor.state not in to_resume:
            return actor
        try:
            return await self._actors.resume(turn.atespace, turn.actor)
        except grpc.aio.AioRpcError as err:
            text = err.details() or ""
            if err.code() is grpc.StatusCode.FAILED_PRECONDITION and NO_WORKERS in text:
                raise _NoWorkers(text) from err
            changed = (grpc.StatusCode.ABORTED, grpc.StatusCode.NOT_FOUND)
            if self._dialect.leases and err.code() in changed:
                raise _TryAgain(text) from err
            raise

    async def _settled(self, turn: Turn) -> Actor | None:
        """The actor, once it is not on its way to a state from which it has to be resumed."""
        passing = {State.SUSPENDING, State.PAUSING} if self._dialect.resumes_paused else set()
        async with asyncio.timeout(self._patience):
            pause = PROBE_PAUSE[0]
            while True:
                actor = await self._actors.get(turn.atespace, turn.actor)
                if actor is None or actor.state not in passing:
                    return actor
                await asyncio.sleep(pause)
                pause = min(2 * pause, PROBE_PAUSE[1])

    async def _create(self, turn: Turn, template: Template) -> Actor:
        metadata = template["metadata"]
        try:
            actor = await self._actors.create(
                turn.atespace, turn.actor, metadata["namespace"], metadata["name"]
            )
        except grpc.aio.AioRpcError as err:
            if err.code() is grpc.StatusCode.ALREADY_EXISTS:
                raise _TryAgain(err.details() or "") from err
            if err.code() is grpc.StatusCode.FAILED_PRECONDITION and self._dialect.leases:
                # The template went between resolving and creating (RO-3).
                raise _TryAgain(err.details() or "") from err
            raise
        if self._dialect.reaps_after_create:
            self._spawn(self._reap_others(turn, metadata["name"]))
        return actor

    async def _reached(self, turn: Turn, actor: Actor) -> None:
        """Return when the actor runs and answers through the router (C9). Raises Refused."""
        unreachable = f"substrate session actor {_quoted(turn.actor)} not reachable via atenet-router"
        try:
            async with asyncio.timeout(self._patience):
                pause = PROBE_PAUSE[0]
                while True:
                    if actor.state is State.RUNNING and await self._answers(turn.actor):
                        return
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, PROBE_PAUSE[1])
                    found = await self._actors.get(turn.atespace, turn.actor)
                    if found is None:
                        raise _TryAgain(f"actor {turn.actor} is gone")
                    actor = found
                    if actor.state is State.SUSPENDED and self._dialect.leases:
                        # Its worker was lost, or another gateway was done with it.
                        raise _TryAgain(f"actor {turn.actor} was suspended")
        except TimeoutError as err:
            raise Refused(504, unreachable) from err

    async def _answers(self, actor: str) -> bool:
        timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT)
        try:
            async with self._http.get(
                self._router / "health", headers={"Host": host_of(actor)}, timeout=timeout
            ) as reply:
                return reply.status < 500
        except (TimeoutError, aiohttp.ClientError):
            return False

    # -- without a turn ---------------------------------------------------

    @asynccontextmanager
    async def between_turns(self, actor: str) -> AsyncIterator[None]:
        """Keep turns from an actor within the block.

        Raises InUse while one is on it that must not be cut: at once, though that may still be waiting for
        the actor to be resumed.
        """
        use = self._use(actor)
        self._check_unused(actor, use)
        async with use.lock:
            self._check_unused(actor, use)
            yield

    def _check_unused(self, actor: str, use: _Use) -> None:
        if self._dialect.counts_turns and use.turns:
            raise InUse(actor)

    # -- after the turn ---------------------------------------------------

    async def _after(self, turn: Turn, use: _Use) -> None:
        """Suspend the actor of a turn that has ended (C11)."""
        actor = turn.actor
        if self._dialect.recomputes:
            try:
                template = await self.resolve(turn.agent, turn.session)
            except Refused:
                return
            actor = self._dialect.actor_on(template, turn.agent, turn.session)
        async with use.lock:
            if self._dialect.counts_turns and use.turns:
                return
            await self._suspend(turn.atespace, actor)

    async def _suspend(self, atespace: str, actor: str) -> None:
        """Suspend an actor that is not suspended yet, within SUSPEND_LIMIT; a failure is logged."""
        try:
            async with asyncio.timeout(SUSPEND_LIMIT):
                pause = PROBE_PAUSE[0]
                while True:
                    try:
                        found = await self._actors.get(atespace, actor)
                        if found is None or found.state not in (State.RUNNING, State.RESUMING):
                            return
                        await self._actors.suspend(atespace, actor, SUSPEND_LIMIT)
                        return
                    except grpc.aio.AioRpcError as err:
                        passing = (grpc.StatusCode.ABORTED, grpc.StatusCode.UNAVAILABLE)
                        if not self._dialect.counts_turns or err.code() not in passing:
                            raise
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, PROBE_PAUSE[1])
        except (TimeoutError, grpc.aio.AioRpcError) as err:
            _LOG.error("actor not suspended", extra={"actor": actor, "error": str(err)})

    async def _reap_others(self, turn: Turn, template: str) -> None:
        """Delete the agent's suspended actors of other templates (K2-5)."""
        metadata = turn.agent["metadata"]
        prefix = agent_prefix(metadata["namespace"], metadata["name"], metadata["uid"]) + "-"
        with suppress(TimeoutError, grpc.aio.AioRpcError):
            async with asyncio.timeout(SUSPEND_LIMIT):
                for actor in await self._actors.list():
                    others = actor.id.startswith(prefix) and actor.template != template
                    if others and actor.state is State.SUSPENDED:
                        await self._actors.delete(actor.atespace, actor.id)

    async def suspend_orphans(self) -> None:
        """Suspend the session actors that a killed gateway left running.

        Those whose template nobody has a lease on: a gateway with requests on them would have one. Tried
        until both APIs answer; `orphans_suspended` then.
        """
        pause = PROBE_PAUSE[0]
        while True:
            try:
                for actor in await self._actors.list():
                    if actor.id.startswith(SESSION_PREFIX) and actor.state is State.RUNNING:
                        await self._suspend_orphan(actor)
                self.orphans_suspended = True
                return
            except (grpc.aio.AioRpcError, ApiError, httpx2.HTTPError) as err:
                _LOG.warning("orphans not looked for", extra={"error": str(err)})
            await asyncio.sleep(pause)
            pause = min(2 * pause, PROBE_PAUSE[1])

    async def _suspend_orphan(self, actor: Actor) -> None:
        template = self._objects.template(actor.template_namespace, actor.template)
        if template is None or await self._leases.held_by_others(template):
            return
        use = self._use(actor.id)
        async with use.lock:
            if not use.turns:
                await self._suspend(actor.template_namespace, actor.id)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def host_of(actor: str) -> str:
    """The Host header by which the router knows an actor."""
    return f"{actor}.actors.local"


def _quoted(text: str) -> str:
    return f'"{text}"'
