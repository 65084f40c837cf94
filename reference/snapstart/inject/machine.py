"""The runtime's side of the injection, without any input or output of its own.

One `RuntimeSide` is one instance that can become one session. It has any number of conversations, one for
each connection, of which at most one holds the instance. `Conversation.receive` takes the bytes that came
and says what to send; the states are those of the contract, section 8:

    READY ─ connection ─> PROBED ─ PREPARE ─> PREPARED ─ READY sent ─> HOLDING ─ COMMIT ─>
    COMMITTING ─> STARTED

From HOLDING the end of the connection, or bytes that are no message, lead back to PROBED, and the end of the
last connection from there to READY. CANCEL leads to CANCELLED from wherever there is no COMMIT yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from reference.snapstart.inject import frames, messages
from reference.snapstart.inject.frames import FrameError
from reference.snapstart.inject.messages import MessageError, RejectedError, RejectReason, Task


class State(StrEnum):
    """How far an instance is on its way to a session."""

    READY = "READY"
    PROBED = "PROBED"
    PREPARED = "PREPARED"
    HOLDING = "HOLDING"
    COMMITTING = "COMMITTING"
    STARTED = "STARTED"
    CANCELLED = "CANCELLED"


#: From here there is no way back, and no other message is taken.
FINAL: Final = frozenset({State.COMMITTING, State.STARTED, State.CANCELLED})


class Injectable(Protocol):
    """What becomes a session."""

    def prepare(self, task: Task) -> None:
        """Get hold of all that the session needs, changing nothing that cannot be undone.

        Raises RejectedError.
        """
        ...

    def release(self) -> None:
        """Let go of what `prepare` got: the host went away."""
        ...

    def commit(self) -> None:
        """Become the session that was prepared; when this returns it can be connected to."""
        ...


@dataclass(frozen=True)
class Answer:
    """What to send on a connection, and whether to close it afterwards."""

    data: bytes = b""
    close: bool = False


class RuntimeSide:
    """One instance, and who talks to it."""

    #: What a connection gets.
    conversation: type[Conversation]

    def __init__(self, injectable: Injectable) -> None:
        self.injectable = injectable
        self.state = State.READY
        #: Whether there ever was a PREPARE: what it said may still be in this process's memory.
        self.touched = False
        self.holder: Conversation | None = None
        self._connected: set[Conversation] = set()

    def connect(self) -> Conversation:
        """The conversation on a new connection."""
        conversation = self.conversation(self)
        self._connected.add(conversation)
        if self.state is State.READY:
            self.state = State.PROBED
        return conversation

    def disconnected(self, conversation: Conversation) -> None:
        """Take back what a conversation began and cannot finish."""
        self._connected.discard(conversation)
        if self.holder is conversation:
            self.holder = None
            if self.state not in FINAL:
                self.injectable.release()
                self.state = State.PROBED
        if self.state is State.PROBED and not self._connected:
            self.state = State.READY

    def prepare(self, conversation: Conversation, message: messages.Prepare) -> None:
        """Let a conversation hold the instance. Raises RejectedError."""
        if self.holder is not None:
            raise RejectedError(RejectReason.RESOURCE_EXHAUSTED, "another host has prepared this instance")
        self.touched = True
        self.injectable.prepare(Task.of(message))
        self.holder = conversation
        self.state = State.PREPARED

    def commit(self) -> None:
        """Become the session."""
        self.state = State.COMMITTING
        self.injectable.commit()
        self.state = State.STARTED

    def cancel(self) -> None:
        """Never become one."""
        if self.state in (State.PREPARED, State.HOLDING):
            self.injectable.release()
        self.state = State.CANCELLED


class Conversation:
    """One connection of a host, or of somebody who only looks."""

    def __init__(self, side: RuntimeSide) -> None:
        self._side = side
        self._decoder = frames.Decoder()

    def greeting(self) -> bytes:
        """What is sent as soon as the connection is accepted."""
        return _frame(messages.Capabilities())

    def receive(self, data: bytes) -> Answer:
        """What the bytes of the host come to.

        Bytes that are no message, and messages that have no place in this state, end the connection without
        an answer. The caller says `closed()` whenever a connection has ended, for whatever reason.
        """
        sent = b""
        try:
            for body in self._decoder.feed(data):
                answer = self.take(messages.of_body(body))
                sent += answer.data
                if answer.close:
                    return Answer(sent, close=True)
        except (FrameError, MessageError):
            return Answer(sent, close=True)
        return Answer(sent)

    def take(self, message: messages.Message) -> Answer:
        """What one message comes to."""
        side = self._side
        if side.state in FINAL:
            return Answer(close=True)
        match message:
            case messages.Prepare() if side.holder is not self:
                try:
                    side.prepare(self, message)
                except RejectedError as err:
                    return Answer(_frame(messages.Reject(err.reason, str(err))))
                side.state = State.HOLDING
                return Answer(_frame(messages.Ready()))
            case messages.Commit() if side.holder is self:
                side.commit()
                return Answer(_frame(messages.Started()), close=True)
            case messages.Cancel() if side.holder in (None, self):
                side.cancel()
                return Answer(_frame(messages.CancelAck()), close=True)
        return Answer(close=True)

    def closed(self) -> None:
        """The connection has ended."""
        self._side.disconnected(self)


RuntimeSide.conversation = Conversation


def _frame(message: messages.Message) -> bytes:
    return frames.encode(messages.to_body(message))
