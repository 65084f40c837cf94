"""The gateway as a whole program, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import aiohttp

from fixtures.processes import free_port
from reference.rollout.gateway.__main__ import parser, serve
from tests.unit.snapstart.node.fakecluster import cluster

#: Seconds for what happens at once, also on a busy machine.
SOON = 60


def test_a_gateway_is_ready_when_it_can_be_asked(tmp_path: Path) -> None:
    """A gateway MUST NOT say that it is ready before requests can be sent to it."""
    listen, pages, ate_api = (f"127.0.0.1:{free_port()}" for _ in range(3))

    async def becomes_ready(http: aiohttp.ClientSession) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"http://{pages}/healthz") as reply:
                    if reply.status == 200:
                        return
            await asyncio.sleep(0.01)

    async def story() -> str:
        async with aiohttp.ClientSession() as http, cluster(tmp_path) as (_, kubeconfig):
            options = {"--kubeconfig": kubeconfig, "--ate-api": ate_api, "--router": "http://127.0.0.1:1"}
            addresses = {"--listen": listen, "--http": pages, "--dialect": "v1"}
            given = [str(word) for pair in (options | addresses).items() for word in pair]
            host, port = listen.split(":")
            held = socket.create_server((host, int(port)))
            asyncio.get_running_loop().call_later(0.5, held.close)
            program = asyncio.ensure_future(serve(parser().parse_args(given)))
            try:
                await becomes_ready(http)
                async with http.delete(f"http://{listen}/api/sessions/s?agent_ref=ns/a") as reply:
                    return str((await reply.json())["message"])
            finally:
                program.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await program

    assert asyncio.run(asyncio.wait_for(story(), SOON)) == "SandboxAgent ns/a not found"
