"""The host's side of the injection, against runtimes that answer rightly, wrongly, late and never."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from reference.snapstart.inject import messages, sockets
from reference.snapstart.inject.frames import Decoder, encode
from reference.snapstart.inject.host import Host, InjectionError, StepLimits
from reference.snapstart.inject.messages import (
    Cancel,
    CancelAck,
    Capabilities,
    Commit,
    Message,
    Prepare,
    Ready,
    Reject,
    Started,
)

#: Seconds for each step here: what is to fail by time does so quickly.
LIMITS = StepLimits.each(0.2)
#: What a scripted runtime says first, and then to each message; None: nothing, and "close": it hangs up.
Script = list[Message | bytes | str | None]


def against(script: Script, act: Callable[[Host], Awaitable[object]]) -> list[Message]:
    """Let a host act at a runtime that follows a script; the messages that it was sent."""

    async def test() -> list[Message]:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        seen: list[Message] = []
        runtime = asyncio.ensure_future(follow(theirs, list(script), seen))
        try:
            async with asyncio.timeout(5):
                async with Host(ours, LIMITS) as host:
                    await act(host)
        finally:
            runtime.cancel()
            await asyncio.gather(runtime, return_exceptions=True)
            theirs.close()
        return seen

    return asyncio.run(test())


async def follow(connection: socket.socket, script: Script, seen: list[Message]) -> None:
    """Be the scripted runtime."""
    loop = asyncio.get_running_loop()
    decoder = Decoder()
    while script:
        said = script.pop(0)
        if said == "close":
            connection.close()
            return
        if isinstance(said, bytes):
            await loop.sock_sendall(connection, said)
        elif said is not None:
            await loop.sock_sendall(connection, encode(messages.to_body(said)))  # type: ignore[arg-type]
        received: list[Message] = []
        while not received:
            data = await loop.sock_recv(connection, 65536)
            if not data:
                return
            received = [messages.of_body(body) for body in decoder.feed(data)]
        seen += received


async def inject(host: Host) -> None:
    """Do it all."""
    await host.capabilities()
    await host.prepare("task", "context", {"A": "1"})
    await host.commit()


def test_an_injection() -> None:
    """PREPARE MUST follow CAPABILITIES, and COMMIT follow READY."""
    assert against([Capabilities(), Ready(), Started()], inject) == [
        Prepare("task", "context", {"A": "1"}),
        Commit(),
    ]


def test_a_cancelled_injection() -> None:
    """CANCEL MUST be answered, or the connection be closed, before it counts as done."""

    async def cancel(host: Host) -> None:
        await host.capabilities()
        await host.cancel("changed my mind")

    assert against([Capabilities(), CancelAck()], cancel) == [Cancel("changed my mind")]
    assert against([Capabilities(), "close"], cancel) == [Cancel("changed my mind")]
    with pytest.raises(InjectionError, match=r"CANCEL_ACK: no answer within 0\.2 s"):
        against([Capabilities(), None], cancel)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ([None], r"injection, CAPABILITIES: no answer within 0\.2 s"),
        (["close"], "injection, CAPABILITIES: the runtime has hung up"),
        ([Ready()], "injection, CAPABILITIES: the runtime said READY instead"),
        ([Capabilities("2")], "injection, CAPABILITIES: protocol version '2', not '1'"),
        ([Capabilities("1", ("prepare",))], "injection, CAPABILITIES: the runtime lacks commit"),
        ([b"\xff\xff\xff\xff"], "injection, CAPABILITIES: a frame of 4294967295 bytes"),
        ([b"\0\0\0\1x"], "injection, CAPABILITIES: a body is not JSON"),
        ([encode({"type": "HELLO"})], "injection, CAPABILITIES: 'HELLO' is no type"),
        ([encode({"type": "CAPABILITIES"})], "CAPABILITIES without protocol_version"),
        ([Capabilities(), None], r"injection, READY: no answer within 0\.2 s"),
        ([Capabilities(), "close"], "injection, READY: the runtime has hung up"),
        (
            [Capabilities(), Reject("resource_exhausted", "no port")],
            "injection, READY: rejected as resource_exhausted: no port",
        ),
        ([Capabilities(), Started()], "injection, READY: the runtime said STARTED instead"),
        ([Capabilities(), Ready(), None], r"injection, STARTED: no answer within 0\.2 s"),
        ([Capabilities(), Ready(), "close"], "injection, STARTED: the runtime has hung up"),
    ],
)
def test_every_step_fails_by_name(script: Script, message: str) -> None:
    """A runtime that is wrong, gone or silent MUST be an error that names the step, within its limit."""
    with pytest.raises(InjectionError, match=message):
        against(script, inject)


def test_a_context_that_is_too_long_is_not_sent() -> None:
    """What no frame can hold MUST fail here, before anything is sent."""

    async def too_long(host: Host) -> None:
        await host.capabilities()
        await host.prepare("task", "x" * (4 * 1024 * 1024), {})

    with pytest.raises(InjectionError, match="more than 4194304"):
        against([Capabilities(), Ready()], too_long)


def test_a_host_finds_its_runtime_by_path(tmp_path: Path) -> None:
    """Connecting MUST work with a path of any length, and tell which process listens."""
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    path = folder / "inject.sock"

    async def test() -> int:
        with sockets.listen(path):
            async with await Host.connect(path, LIMITS) as host:
                return host.peer_pid

    assert len(str(path)) > 107
    assert asyncio.run(test()) == os.getpid()


def test_nobody_listening_is_said_at_once(tmp_path: Path) -> None:
    """A path without a listener MUST fail with both named."""
    with pytest.raises(InjectionError, match="injection, connect: nobody listens at .*absent"):
        asyncio.run(Host.connect(tmp_path / "absent", LIMITS))


def test_a_runtime_that_does_not_accept_is_given_up(tmp_path: Path) -> None:
    """A full backlog MUST end in an error within the limit."""

    async def test() -> None:
        path = tmp_path / "inject.sock"
        with sockets.listen(path, backlog=0), sockets.connect(path):
            await Host.connect(path, LIMITS)

    with pytest.raises(InjectionError, match=r"has not accepted within 0\.2 s"):
        asyncio.run(test())
