"""Any interleaving of edits, builds, requests, outages, kills and passes keeps the invariants.

What happens is what can happen on a cluster (`fixtures.system.rollout.acts`), and the steps in between, each
by itself. The gateway is played as `reference.rollout.leases` says: lease, look, create and resume, suspend,
give back.
"""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fixtures.system.rollout.acts import SESSIONS, Act, acts, boots
from reference.rollout import roles
from reference.rollout.actors import State
from reference.rollout.controller.dialect import DIALECTS
from reference.rollout.controller.holdings import is_golden
from reference.rollout.controller.mutants import mutated
from reference.rollout.controller.objects import golden_of, name_of, was_ever_ready
from reference.rollout.kinds import ActorTemplate
from tests.unit.rollout.controller.world import Killed, World


@dataclass
class Request:
    """A request under way; `actor` is "" until it has one."""

    gateway: str
    template: str
    actor: str = ""


class Rollout(RuleBasedStateMachine):
    """One agent, its users and its troubles: a `Subject` in memory."""

    dialect = "v1_safe"
    mutants: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.world = World(mutated(DIALECTS[self.dialect], self.mutants))
        self.requests: list[Request] = []
        self.numbers = itertools.count()
        self.served = False

    # -- what happens on clusters, too --------------------------------------

    @rule(act=acts())
    def something_happens(self, act: Act) -> None:
        act.on(self)

    def say(self, message: str) -> None:
        self.world.say(message)

    def use_model(self, model: str) -> None:
        self.world.use_model(model)

    def ask(self, session: str) -> None:
        if (request := self._begun(session)) is not None:
            self._end(request)

    def stream(self, session: str) -> None:
        self._begun(session)

    def hang_up(self) -> None:
        answering = [r for r in self.requests if r.actor]
        if answering and not self.world.ate.down:
            self._end(answering[0])

    def outage(self, *, down: bool) -> None:
        self.world.ate.down = down

    def kill(self, program: str, after: int) -> None:
        """The controller loses its pass, the gateway its requests; the substrate keeps what it has stored."""
        if program == "controller":
            self.reconcile(after)
        elif program == "gateway":
            self.requests.clear()

    def lose_worker(self, number: int) -> None:
        running = [r.actor for r in self.requests if r.actor]
        if running and not self.world.ate.down:
            actor = running[number % len(running)]
            self.world.ate.set(actor, State.SUSPENDED)
            for request in [r for r in self.requests if r.actor == actor]:
                self._end(request)

    def pause(self, steps: int) -> None:
        for _ in range(1 + steps // 10):
            if not self.world.ate.down:
                self.world.build_all()
            self.reconcile(None)

    def _begun(self, session: str) -> Request | None:
        """A request that is answered, from its lease to its actor; None if it cannot be."""
        request = self._leased()
        if request is not None and not self.world.ate.down:
            self._gets_actor(request, session)
            return request
        return None

    def _leased(self) -> Request | None:
        active = self.world.active
        if active is None:
            return None
        request = Request(f"gw-{next(self.numbers)}", name_of(active))
        if not self.world.take_lease(request.template, request.gateway):
            return None
        self.requests.append(request)
        return request

    def _gets_actor(self, request: Request, session: str) -> None:
        request.actor = f"asr-{request.template}-{session}"
        self.world.ate.add(request.actor, request.template, State.RUNNING)

    def _end(self, request: Request) -> None:
        self.requests.remove(request)
        if request.actor in self.world.ate.actors and all(r.actor != request.actor for r in self.requests):
            self.world.ate.set(request.actor, State.SUSPENDED)
        self.world.drop_lease(request.template, request.gateway)

    # -- requests, step by step ---------------------------------------------

    @rule()
    def request_comes(self) -> None:
        self._leased()

    @rule(data=st.data(), session=st.sampled_from(SESSIONS))
    @precondition(lambda self: any(not r.actor for r in self.requests) and not self.world.ate.down)
    def request_runs(self, data: st.DataObject, session: str) -> None:
        self._gets_actor(data.draw(st.sampled_from([r for r in self.requests if not r.actor])), session)

    @rule(data=st.data())
    @precondition(lambda self: any(r.actor for r in self.requests) and not self.world.ate.down)
    def request_ends(self, data: st.DataObject) -> None:
        self._end(data.draw(st.sampled_from([r for r in self.requests if r.actor])))

    @rule(data=st.data())
    @precondition(lambda self: bool(self.requests))
    def gateway_dies(self, data: st.DataObject) -> None:
        """Its lease runs out, and its actor stays as it is."""
        self.requests.remove(data.draw(st.sampled_from(self.requests)))

    # -- substrate ---------------------------------------------------------

    @rule(data=st.data(), whole=st.booleans())
    def golden_machine(self, data: st.DataObject, whole: bool) -> None:
        waiting = [
            name_of(t)
            for t in self.world.api.all(ActorTemplate)
            if not roles.is_ready(t) and (not golden_of(t) or golden_of(t) in self.world.ate.actors)
        ]
        if waiting and not self.world.ate.down:
            template = data.draw(st.sampled_from(waiting))
            if whole and self.world.boots(template):
                self.world.build(template)
            elif not golden_of(self.world.api.objects["ActorTemplate", template]):
                self.world.mint(template)

    @rule(data=st.data())
    @precondition(lambda self: not self.world.ate.down)
    def status_is_lost(self, data: st.DataObject) -> None:
        """A golden is minted and the write of its id fails (D16)."""
        found = [name_of(t) for t in self.world.api.all(ActorTemplate) if not golden_of(t)]
        if found:
            template = data.draw(st.sampled_from(found))
            self.world.ate.add(f"00000000-0000-4000-8000-{next(self.numbers):012}", template, State.RUNNING)

    # -- controller --------------------------------------------------------

    @rule(allowed=st.none() | st.integers(0, 6))
    def reconcile(self, allowed: int | None) -> None:
        before = {name_of(t): t for t in self.world.api.all(ActorTemplate)}
        self.world.log.allowed = allowed
        with suppress(Killed):
            self.world.reconcile()
        self.world.log.allowed = None
        after = {name_of(t) for t in self.world.api.all(ActorTemplate)}
        for name in before.keys() - after:
            gone = before[name]
            others = [t for t in before.values() if name_of(t) != name]
            more = [t for t in others if roles.desired_generation(t) > roles.desired_generation(gone)]
            assert not was_ever_ready(gone) or any(roles.is_ready(t) for t in more), f"I2: {name} is gone"

    @rule()
    def time_passes(self) -> None:
        self.world.clock.advance(10)
        for request in self.requests:
            self.world.take_lease(request.template, request.gateway)

    # -- invariants --------------------------------------------------------

    @invariant()
    def a_template_serves(self) -> None:
        active = self.world.active
        self.served = self.served or active is not None
        if self.served:
            assert active is not None, "I1: nothing serves"
            assert golden_of(active) in self.world.ate.actors, "I1: what serves cannot be restored"

    @invariant()
    def nothing_is_stranded(self) -> None:
        templates = {name_of(t): t for t in self.world.api.all(ActorTemplate)}
        for actor in self.world.ate.actors.values():
            assert actor.template in templates, f"I3, I4: {actor} has no template"

    @invariant()
    def leases_hold(self) -> None:
        templates = {name_of(t) for t in self.world.api.all(ActorTemplate)}
        for request in self.requests:
            assert request.template in templates, f"I6: {request} lost its template"

    def end_all_sessions(self) -> None:
        """What keeps templates for good goes; in v1_safe no session does."""

    def teardown(self) -> None:
        try:
            self.world.ate.down = False
            for request in list(self.requests):
                self._end(request)
            for actor in self.world.live():
                self.world.ate.set(actor.id, State.SUSPENDED)
            self.end_all_sessions()
            if not boots(self.world.message_said):
                self.world.say("the end")
            self.world.clock.advance(20)
            self.world.settle()
            (template,) = self.world.api.all(ActorTemplate)
            assert [a for a in self.world.ate.actors.values() if not is_golden(a, template)] == [] or all(
                a.template == name_of(template) for a in self.world.ate.actors.values()
            )
            assert len(self.world.secrets()) == 1
            config = self.world.config_of(name_of(template))
            wanted = [f'"model":"{self.world.model}"', f'"instruction":"{self.world.message_said}"']
            assert all(part in config for part in wanted), "I10: the last config is not the one that serves"
        finally:
            self.world.close()


class Revisions(Rollout):
    """Dialect refcount: a session stays on the template that it began on, until its end."""

    dialect = "refcount"

    def _gets_actor(self, request: Request, session: str) -> None:
        actor = f"asr-{session}"
        born = self.world.ate.actors.get(actor)
        if born is None:
            self.world.ate.add(actor, request.template, State.RUNNING)
        elif born.template != request.template:
            self.world.drop_lease(request.template, request.gateway)
            if not self.world.take_lease(born.template, request.gateway):
                self.requests.remove(request)
                return
            request.template = born.template
        self.world.ate.set(actor, State.RUNNING)
        request.actor = actor

    @rule(session=st.sampled_from(SESSIONS))
    def session_ends(self, session: str) -> None:
        """As the gateway does it: not under an answer, and only while ate-api is there."""
        if not self.world.ate.down and all(r.actor != f"asr-{session}" for r in self.requests):
            self.world.ate.actors.pop(f"asr-{session}", None)

    def end_all_sessions(self) -> None:
        for session in SESSIONS:
            self.session_ends(session)


@pytest.mark.parametrize("machine", [Rollout, Revisions], ids=lambda machine: machine.dialect)
def test_invariants_are_kept(machine: type[Rollout]) -> None:
    """I1 to I4, I6, I9 (with no session left), I10 and I11 MUST hold in every interleaving."""
    run_state_machine_as_test(
        machine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True)
    )


@pytest.mark.parametrize(
    ("machine", "mutant"),
    [
        (Rollout, "early-retire"),
        (Rollout, "strand-live"),
        (Rollout, "template-first"),
        (Rollout, "golden-by-status"),
        (Rollout, "reap-prefix-miss"),
        (Rollout, "generation-only"),
        (Rollout, "never-retire"),
        (Revisions, "count-live"),
        (Revisions, "wedge-nonready"),
    ],
)
def test_interleavings_find(machine: type[Rollout], mutant: str) -> None:
    """The machine MUST be able to fail: it finds these."""
    wrong = type("Mutated", (machine,), {"mutants": (mutant,)})
    with pytest.raises((AssertionError, KeyError, ValueError)):
        # Any example will do, it need not be a short one.
        run_state_machine_as_test(
            wrong,
            settings=settings(
                max_examples=500,
                stateful_step_count=40,
                deadline=None,
                derandomize=True,
                phases=[Phase.generate],
                print_blob=False,
            ),
        )
