"""A node with the zygote driver and the real runtime: from a build to sessions, and over a restart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reference.snapstart.drivers.zygote import ZygoteDriver
from reference.snapstart.node.pods import CONTEXT, PRELOAD_VARIABLE, TOKEN_VARIABLE
from reference.snapstart.node.runtimelayer import Policy
from tests.unit.snapstart.node.harness import NAMESPACE, NODE, Bench, bench

RUNTIME = "reference.snapstart.runtime"
PRELOAD = {PRELOAD_VARIABLE: "json,decimal"}


@contextlib.asynccontextmanager
async def zygote(folder: Path, **options: Any) -> AsyncIterator[Bench]:
    """A node that is not at work yet, with the real runtime."""
    async with bench(folder, **options) as found:
        found.settings = replace(found.settings, options=replace(found.settings.options, module=RUNTIME))
        yield found


@contextlib.asynccontextmanager
async def at_work(found: Bench, folder: Path) -> AsyncIterator[None]:
    """The node at work, with a driver that ends with it."""
    driver: Any = ZygoteDriver(NODE, folder / "driver")
    found.driver = driver
    try:
        async with found.running():
            yield
    finally:
        await driver.close()


async def captured(found: Bench) -> None:
    """An artifact with the key `key-1`, whose build is gone."""
    found.snapshot(keys="key-1")
    found.build("build", env=PRELOAD)
    found.task()
    status = await found.until_answered()
    assert status["phase"] == "Ready", status
    found.cluster.delete_pod("build-pod", NAMESPACE)
    await found.cluster.until(lambda: found.cluster.get("pods", "build-pod", NAMESPACE) is None)


async def execute(found: Bench, pod: str, code: str) -> Any:
    """Run code in a session."""
    body = json.dumps({"code": code}).encode()
    address = found.status(pod)["podIP"]
    answer = await asyncio.to_thread(_post, f"http://{address}:8080/execute", body)
    result = json.loads(answer)
    assert result["error"] is None, result
    return result["result"]


def _post(url: str, body: bytes) -> bytes:
    headers = {"Content-Type": "application/json"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, data=body, headers=headers), timeout=5) as answer:
        content: bytes = answer.read()
        return content


def test_sessions_are_forks_of_one_bootstrap(folder: Path) -> None:
    """Restored sessions MUST share the artifact's bootstrap and nothing else; a cold one shares nothing."""

    async def test() -> None:
        async with zygote(folder) as found, at_work(found, folder):
            await captured(found)
            for name, key in (("a", "key-1"), ("b", "key-1"), ("cold", None)):
                found.pod(name, key=key, env=PRELOAD | {"WHO": name}, annotations={CONTEXT: f"for {name}"})
            for name in ("a", "b", "cold"):
                await found.until_ready(name)
            a, b, cold = [await found.told(name) for name in ("a", "b", "cold")]
            artifact = await found.driver.inspect(NAMESPACE, "key-1")
            assert artifact is not None
            assert a["boot_id"] == b["boot_id"] == artifact.boot_id
            assert a["preload_ns"] == b["preload_ns"] == artifact.preload_ns
            assert cold["boot_id"] != artifact.boot_id
            uids = [found.cluster.objects["pods", NAMESPACE, name]["metadata"]["uid"] for name in ("a", "b")]
            assert [a["instance_id"], b["instance_id"]] == uids
            code = f"import os; (os.environ['WHO'], os.environ['{TOKEN_VARIABLE}'])"
            answers = [await execute(found, name, code) for name in ("a", "b", "cold")]
            assert len(set(map(str, answers))) == 3
            for name, answer in zip(("a", "b", "cold"), answers, strict=True):
                assert f"'{name}'" in str(answer)
            for name in ("a", "b", "cold"):
                found.cluster.delete_pod(name, NAMESPACE, grace=2)
            await found.cluster.until(lambda: not [k for k in found.cluster.objects if k[0] == "pods"])
            # Nothing is left but the template.
            assert len(found.processes()) == 1

    asyncio.run(test())


def test_over_a_restart_sessions_go_on_and_artifacts_do_not(folder: Path) -> None:
    """After the node's end sessions MUST serve as before, its templates be gone, and their key start cold."""

    async def test() -> None:
        async with zygote(folder) as found:
            async with at_work(found, folder):
                await captured(found)
                found.pod("a", key="key-1")
                await found.until_ready("a")
                await execute(found, "a", "kept = 41")
                before = await found.told("a")
            async with at_work(found, folder):
                await found.until_ready("a")
                assert await found.told("a") == before
                assert str(await execute(found, "a", "kept + 1")) == "42"
                found.pod("b", key="key-1")
                await found.until_ready("b")
                assert (await found.told("b"))["boot_id"] != before["boot_id"]
                assert (await found.entries())["b"]["fallback"] == "no_artifact"
                assert len(found.processes()) == 2

    asyncio.run(test())


@pytest.mark.parametrize("policy", list(Policy))
def test_a_template_that_was_killed_is_no_artifact(folder: Path, policy: Policy) -> None:
    """A template that died MUST leave the inventory, its key lead to a cold start or a failure (SS-I9)."""

    async def test() -> None:
        async with zygote(folder, policy=policy) as found, at_work(found, folder):
            await captured(found)
            (template,) = found.processes()
            os.kill(template, signal.SIGKILL)
            found.pod("p", key="key-1")
            if policy is Policy.COLD:
                await found.until_ready("p")
            else:
                await found.until_failed("p")
            noted = lambda: str(found.cluster.get("nodes", NODE))  # noqa: E731
            await found.cluster.until(lambda: "key-1" not in noted())

    asyncio.run(test())
