"""The node as a program: killed and started again, with a grip on nothing but its state folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reference.snapstart.drivers.criucommands import CriuUnusableError
from reference.snapstart.node.__main__ import parser, settings_of
from reference.snapstart.node.driving import driving
from reference.snapstart.node.runtimelayer import Policy, importable
from tests.unit.snapstart.node.drivers import STANDIN
from tests.unit.snapstart.node.harness import NAMESPACE, NODE, Bench, bench, sockets


def start(found: Bench, folder: Path) -> subprocess.Popen[bytes]:
    """The program, whether or not it comes up."""
    settings = found.settings
    command = [
        *(sys.executable, "-m", "reference.snapstart.node"),
        *("--kubeconfig", str(settings.kubeconfig), "--name", NODE),
        *("--addresses", str(settings.network), "--state", str(settings.state)),
        *("--sockets", str(sockets(folder)), "--http", str(settings.http)),
        *("--driver", "none", "--runtime", STANDIN, "--heartbeat", "0.1"),
    ]
    with (folder / "node.log").open("ab") as log:
        return subprocess.Popen(command, stderr=log, env={**os.environ, **importable()})


@contextlib.asynccontextmanager
async def program(found: Bench, folder: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """The program at work; killed at the end."""
    child = start(found, folder)
    try:
        async with asyncio.timeout(60):
            while True:
                assert child.poll() is None, (folder / "node.log").read_text()[-2000:]
                with contextlib.suppress(OSError):
                    await found.get(f"http://{found.settings.http}/healthz")
                    break
                await asyncio.sleep(0.02)
        yield child
    finally:
        child.kill()
        await asyncio.to_thread(child.wait)


def test_a_killed_program_finds_its_processes_again(folder: Path) -> None:
    """After SIGKILL the program MUST go on with its processes: same ids, deaths noticed, deletions done."""

    async def test() -> None:
        async with bench(folder) as found:
            async with program(found, folder):
                for name in ("stays", "dies"):
                    found.pod(name)
                    await found.until_ready(name)
                pids = {name: (await found.told(name))["pid"] for name in ("stays", "dies")}
            os.kill(pids["dies"], signal.SIGKILL)
            async with program(found, folder) as child:
                await found.until_failed("dies")
                assert (await found.told("stays"))["pid"] == pids["stays"]
                while set(await found.entries()) != {"stays"}:
                    await asyncio.sleep(0.01)
                page = (await found.get(f"http://{found.settings.http}/metrics")).decode()
                assert "snapstart_node_pods 1.0" in page
                found.cluster.delete_pod("stays", NAMESPACE)
                await found.cluster.until(lambda: not found.cluster.get("pods", "stays", NAMESPACE))
                await found.cluster.until(lambda: not found.processes())
                # An orderly end leaves nothing either, and says nothing of errors.
                child.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(child.wait) == 0
            assert '"level": "error"' not in (folder / "node.log").read_text()

    asyncio.run(test())


def test_a_second_program_on_the_same_state_is_refused(folder: Path) -> None:
    """Two nodes MUST NOT share a state folder: the second ends and says why."""

    async def test() -> None:
        async with bench(folder) as found, program(found, folder):
            second = start(found, folder)
            assert await asyncio.to_thread(second.wait, 60) == 1
            assert "another node works on" in (folder / "node.log").read_text()

    asyncio.run(test())


def test_a_driver_that_cannot_work_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node MUST NOT start with a driver that does not work here, or with another driver's mutant."""

    async def start_with(name: str, mutant: str | None = None) -> None:
        async with driving(name, tmp_path / name, NODE, mutant):
            pytest.fail("it started")

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CriuUnusableError, match="^criu-unusable: "):
        asyncio.run(start_with("criu"))
    with pytest.raises(ValueError, match="shared-sockets is no mutant of the driver zygote"):
        asyncio.run(start_with("zygote", "shared-sockets"))


def test_the_command_line(tmp_path: Path) -> None:
    """Options MUST reach the settings."""
    required = ["--kubeconfig", "f", "--name", "n", "--addresses", "127.60.0.0/24", "--http", "127.0.0.1:1"]
    arguments = parser().parse_args(
        [
            *required,
            *("--state", str(tmp_path), "--restore-policy", "fail", "--restore-timeout", "2"),
            *("--label", "a=b=c", "--taint", "k=v:NoSchedule", "--taint", "k2:NoExecute"),
            *("--runtime-mutant", "x", "--cold-starts", "2"),
        ]
    )
    settings = settings_of(arguments)
    assert settings.labels == {"a": "b=c"}
    assert settings.taints == (
        {"key": "k", "value": "v", "effect": "NoSchedule"},
        {"key": "k2", "effect": "NoExecute"},
    )
    assert settings.options.policy is Policy.FAIL
    assert settings.options.restore_limit_s == 2
    assert settings.options.arguments == ("--mutant", "x")
    assert settings.options.sockets == tmp_path / "sockets"
    assert settings.agent_kubeconfig == settings.kubeconfig
    assert settings.limits.cold_starts == 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--addresses", "10.0.0.0/24"], "no network of at least 8 loopback addresses"),
        (["--taint", "k=v"], "is not KEY[=VALUE]:EFFECT"),
        (["--label", "k"], "is not KEY=VALUE"),
        (["--restore-timeout", "0"], "is not more than 0"),
        (["--mutant", "none-of-that-name"], "invalid choice"),
    ],
)
def test_a_wrong_command_line(wrong: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An option that cannot be meant MUST be refused with what is wrong about it."""
    with pytest.raises(SystemExit):
        parser().parse_args(wrong)
    assert message in capsys.readouterr().err
