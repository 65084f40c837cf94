"""What the sabotage proxy costs: its delay must not be mistaken for a slow controller."""

from __future__ import annotations

import dataclasses
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fixtures.clustertestbed import ClusterTestbed
from fixtures.kube.client import Api
from fixtures.kube.connection import Connection
from fixtures.kube.kinds import TEMPLATE
from fixtures.sabotage import ProxyProcess
from fixtures.system.agent_sandbox.handles import TemplateHandle

#: Seconds that the proxy may add to half of all requests.
BUDGET = 0.002
ROUNDS = 300
WARM_UP = 50


@pytest.fixture
def proxy(testbed: ClusterTestbed) -> Iterator[ProxyProcess]:
    """A proxy of the test's own: the controller stays where it is."""
    if testbed.system.proxy is None:
        pytest.skip("the controller is not ours to lead through a proxy")
    own = dataclasses.replace(testbed.system.proxy, folder=testbed.state_dir / "overhead")
    own.folder.mkdir(exist_ok=True)
    own.start()
    yield own
    own.stop()


@pytest.fixture
def through(proxy: ProxyProcess, tmp_path: Path) -> Iterator[Api]:
    """A client that is led through the proxy."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(proxy.kubeconfig())
    with Api(Connection(kubeconfig, proxy.connection.context), "asc-overhead") as client:
        yield client


@pytest.mark.parametrize("rules", ["no rules", "a rule elsewhere", "a rule here"])
@pytest.mark.parametrize("verb", ["get", "patch"])
def test_the_proxy_adds_at_most_two_milliseconds(
    benchmark: BenchmarkFixture,
    api: Api,
    through: Api,
    proxy: ProxyProcess,
    make_template: Callable[..., TemplateHandle],
    namespace: str,
    verb: str,
    rules: str,
) -> None:
    """Half of all requests MUST take no more than 2 ms longer through the proxy than without it."""
    name = make_template().name
    numbers = itertools.count()
    straight: list[float] = []

    def ask(client: Api) -> None:
        if verb == "get":
            client.get(TEMPLATE, name, namespace)
        else:
            note = {"metadata": {"annotations": {"example.com/number": str(next(numbers))}}}
            client.patch(TEMPLATE, name, note, namespace)

    def ask_directly() -> None:
        # Before each request through the proxy: whatever else the machine does slows down both alike.
        begun = time.perf_counter()
        ask(api)
        straight.append(time.perf_counter() - begun)

    if rules != "no rules":
        proxy.client().rule("policy-lie", namespace if rules == "a rule here" else "asc-elsewhere")
    benchmark.pedantic(ask, args=(through,), setup=ask_directly, rounds=ROUNDS, warmup_rounds=WARM_UP)
    if benchmark.stats is None:
        pytest.skip("nothing was measured: run it with -n 0 and without --benchmark-disable")

    direct = statistics.median(straight[-ROUNDS:])
    proxied = benchmark.stats.stats.median
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    benchmark.extra_info |= {"direct": direct, "added": proxied - direct, "load": load}
    assert proxied - direct <= BUDGET, (
        f"{verb}, {rules}: {proxied * 1000:.2f} ms through the proxy, {direct * 1000:.2f} ms without it "
        f"({proxied / direct:.1f} times), load {load:.1f} per core"
    )
