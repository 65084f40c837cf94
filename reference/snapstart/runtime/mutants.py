"""Wrong runtimes: one deviation each, told in its title, and the contract rows that must notice it."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from http import HTTPStatus
from socket import socket
from typing import Any, Final

from reference.snapstart.inject import frames, messages
from reference.snapstart.inject.machine import Answer, Conversation, RuntimeSide
from reference.snapstart.runtime import control, forking
from reference.snapstart.runtime.api import Response, Runtime
from reference.snapstart.runtime.connections import Page
from reference.snapstart.runtime.injection import Injection
from reference.snapstart.runtime.interpreter import Interpreter
from reference.snapstart.runtime.parts import Parts
from reference.snapstart.runtime.reseed import Reseeding
from reference.snapstart.runtime.safepoint import SafePoint
from reference.snapstart.runtime.template import Template


class NoReseed(Reseeding):
    """M2: a session goes on with the state that the build had."""

    def now(self) -> None:
        """Nothing."""


class ReseedRandomOnly(Reseeding):
    """M3: only the interpreter's own generator is reseeded."""

    def now(self) -> None:
        """Forget all others."""
        random.seed(os.urandom(32))


class BuildIsTemplate(Template):
    """M4: sessions are forked from the build process itself."""

    def fork(self, connection: socket, forget: Callable[[], None]) -> None:
        """Be the template."""
        forget()
        self.serve(connection)


class TemplateRemembers(Template):
    """M10: what a session got by its injection is in the template afterwards."""

    #: In a session: where to tell the template what it got.
    told: int = -1

    def start(self, connection: socket, order: control.Fork, host: socket) -> None:
        """Fork, and ask the session."""
        reading, writing = os.pipe()
        TemplateRemembers.told = writing
        pid = forking.fork(self.be_session, connection, host)
        host.close()
        os.close(writing)
        connection.send(control.encode(control.Forked(order.number, pid)))
        with os.fdopen(reading) as pipe:
            left = json.loads(pipe.readline() or "{}")
        os.environ.update(left)


class TellTheTemplate(Injection):
    """The other half of `TemplateRemembers`."""

    def commit(self) -> None:
        """Tell it environment and context."""
        before = dict(os.environ)
        super().commit()
        new = {name: value for name, value in os.environ.items() if before.get(name) != value}
        assert self._runtime.session is not None and self._held is not None
        told = new | {"CONTEXT_OF_A_SESSION": self._held.task.context}
        os.write(TemplateRemembers.told, json.dumps(told).encode() + b"\n")
        os.close(TemplateRemembers.told)


class TemplateKeepsDescriptors(Template):
    """M11: descriptors of the build process are in the template and in all sessions."""

    def clear_descriptors(self, connection: socket) -> None:
        """None is too much."""


class CommitWithoutPrepare(Conversation):
    """M19: COMMIT is taken although nobody sent PREPARE."""

    def take(self, message: messages.Message) -> Answer:
        """Prepare with nothing, where need be."""
        if isinstance(message, messages.Commit) and self._side.holder is not self:
            self._side.prepare(self, messages.Prepare("unprepared"))
        return super().take(message)


class TemplateServes(Template):
    """M52: the template is its own first session, and all others are forked of that."""

    _serves = False

    def start(self, connection: socket, order: control.Fork, host: socket) -> None:
        """Serve, and go on forking in a thread."""
        if self._serves:
            super().start(connection, order, host)
            return
        self._serves = True
        connection.send(control.encode(control.Forked(order.number, os.getpid())))
        threading.Thread(target=self.obey, args=[connection], daemon=True).start()
        self.injected(host)


class OpenPage(Page):
    """M53: a build process runs code for whoever asks."""

    def respond(self, method: str, path: str) -> Response:
        """Run it, without waiting for an injection."""
        if (method, path) != ("POST", "/execute"):
            return super().respond(method, path)
        head, _, body = bytes(self._buffer[: self._used]).partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += self.socket.recv(length - len(body))
        return Response(HTTPStatus.OK, asdict(Interpreter("", "").run(json.loads(body)["code"])))


class OpenGate(SafePoint):
    """See `OpenPage`."""

    page = OpenPage


class ProbeCancels(Conversation):
    """M54: the end of a connection that only looked is taken for the end of it all."""

    def closed(self) -> None:
        """Cancel."""
        if self._side.holder is None:
            self._side.cancel()
        super().closed()


class CancelIgnored(Conversation):
    """M55: CANCEL is acknowledged, and COMMIT taken all the same."""

    def take(self, message: messages.Message) -> Answer:
        """Say what is expected, do nothing."""
        if isinstance(message, messages.Cancel):
            return Answer(frames.encode(messages.to_body(messages.CancelAck())))
        return super().take(message)


class Unchecked(Conversation):
    """M56: a message of no known type is taken for the one that should come next; a broken frame is fatal."""

    def receive(self, data: bytes) -> Answer:
        """Look at nothing closely."""
        sent = b""
        for body in self._decoder.feed(data):
            try:
                message = messages.of_body(body)
            except messages.MessageError:
                prepared = self._side.holder is self
                message = messages.Commit() if prepared else messages.Prepare("unchecked")
            answer = self.take(message)
            sent += answer.data
            if answer.close:
                return Answer(sent, close=True)
        return Answer(sent)


def _side(wrong: type[Conversation]) -> type[RuntimeSide]:
    """An instance whose conversations are wrong."""

    class Side(RuntimeSide):
        conversation = wrong

    return Side


class AlwaysSafe(Runtime):
    """M57: the status page says that all is well, whatever is."""

    def status(self) -> dict[str, Any]:
        """See above."""
        right = super().status()
        details = right["details"] | {"workspaceEmpty": True, "threads": 1}
        return {"safeToSnapshot": True, "userStateLoaded": False, "activeTasks": 0, "details": details}


class CapturedAnywhere(Runtime):
    """M1: a capture is never refused; the driver must not ask for proof either (`unproven` of drivers)."""

    @property
    def safe(self) -> bool:
        """It is taken for granted."""
        return True


class SlowRestore(Injection):
    """M59: a restore takes as long as loading everything did."""

    def commit(self) -> None:
        """Take that long first."""
        assert self._runtime.boot is not None
        time.sleep(self._runtime.boot.preload_ns / 1e9)
        super().commit()


@dataclass(frozen=True)
class Mutant:
    """A deviation, and the rows that must notice it."""

    parts: Parts
    breaks: tuple[str, ...]


MUTANTS: Final[Mapping[str, Mutant]] = {
    "unproven": Mutant(Parts(runtime=CapturedAnywhere), ("SS-F6", "SS-B7")),
    "no-reseed": Mutant(Parts(reseeding=NoReseed), ("SS-F8", "RW-3")),
    "reseed-random-only": Mutant(Parts(reseeding=ReseedRandomOnly), ("SS-F8", "RW-3")),
    "build-is-template": Mutant(Parts(template=BuildIsTemplate), ("SS-B9", "SS-F4")),
    "template-remembers": Mutant(
        Parts(template=TemplateRemembers, injection=TellTheTemplate), ("SS-F1", "SS-F2")
    ),
    "template-keeps-descriptors": Mutant(Parts(template=TemplateKeepsDescriptors), ("SS-F1",)),
    "commit-without-prepare": Mutant(Parts(side=_side(CommitWithoutPrepare)), ("RW-2",)),
    "template-serves": Mutant(Parts(template=TemplateServes), ("SS-F3",)),
    "open-gate": Mutant(Parts(safe_point=OpenGate), ("RW-9", "SS-F7")),
    "probe-cancels": Mutant(Parts(side=_side(ProbeCancels)), ("RW-1",)),
    "cancel-ignored": Mutant(Parts(side=_side(CancelIgnored)), ("RW-4",)),
    "unchecked": Mutant(Parts(side=_side(Unchecked)), ("RW-5",)),
    "always-safe": Mutant(Parts(runtime=AlwaysSafe), ("RW-6", "RW-7")),
    "slow-restore": Mutant(Parts(injection=SlowRestore), ("SS-P1", "SS-P2")),
}


def apply(parts: Parts, names: Iterable[str]) -> Parts:
    """Put mutants in the place of right parts, the last of each part. Raises KeyError for an unknown name."""
    for name in names:
        mutated = MUTANTS[name].parts
        wrong = {
            part.name: getattr(mutated, part.name)
            for part in fields(Parts)
            if getattr(mutated, part.name) is not getattr(Parts(), part.name)
        }
        parts = replace(parts, **wrong)
    return parts
