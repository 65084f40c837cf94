"""The proxy as a process of its own: it starts, says why it does not, and ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.errors import StartError
from fixtures.kube.connection import Connection
from fixtures.sabotage import ProxyProcess
from tests.unit.journal.scripted import connection
from tests.unit.sabotage.conftest import HERE, SOON, Controller, World, sandbox

RULES = ("fixtures.sabotage.faults", "fixtures.system.agent_sandbox.mutants")


@pytest.fixture
def process(world: World, tmp_path: Path) -> Iterator[ProxyProcess]:
    """A process, not started, in front of the small API server."""
    assert world.server._runner is not None
    folder = tmp_path / "controller"
    folder.mkdir()
    direct = connection(tmp_path, world.server._runner.addresses[0][1])
    proxy = ProxyProcess(direct, folder, RULES, SOON)
    yield proxy
    proxy.stop()


def test_it_starts_once_and_ends(world: World, process: ProxyProcess) -> None:
    """It MUST answer when `start` returns, pass requests on, and end its watches in order when it ends."""
    process.start()
    url = process.url
    process.start()
    through = Controller(int(url.rpartition(":")[2]))
    world.put(sandbox())
    rule = process.client().rule("null", HERE)
    watch = through.watch()
    names = through.names()
    hits = rule.hits

    process.stop()

    assert not process.running
    assert process.url == url
    assert watch.next() == ("", "")
    assert (names, hits) == ([], 1)
    for connection_ in through.open:
        connection_.close()


def test_its_kubeconfig_leads_to_it(process: ProxyProcess, tmp_path: Path) -> None:
    """The kubeconfig MUST lead through the proxy, with no credentials in it."""
    with pytest.raises(StartError, match="the sabotage proxy has never been started"):
        process.kubeconfig()
    process.start()
    (tmp_path / "through").write_text(process.kubeconfig())

    assert Connection(tmp_path / "through", "unit").configuration().host == process.url


def test_why_it_did_not_start_is_said(process: ProxyProcess) -> None:
    """A proxy that does not start MUST leave nothing behind, and its last lines MUST be told."""
    broken = ProxyProcess(process.connection, process.folder, ("fixtures.no_such_module",), SOON)

    with pytest.raises(StartError, match=r"(?s)did not start.*No module named 'fixtures\.no_such_module'"):
        broken.start()

    assert not broken.running


def test_a_rule_that_two_modules_have_is_refused(process: ProxyProcess) -> None:
    """One name MUST mean one rule."""
    twice = ProxyProcess(process.connection, process.folder, (RULES[0], RULES[0]), SOON)

    with pytest.raises(StartError, match="rule 'close-watches' is there already"):
        twice.start()
