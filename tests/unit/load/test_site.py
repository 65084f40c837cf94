"""Where load is offered: what must be so before it begins, and what is left of it. On the fake server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.errors import Undecided
from fixtures.kube.client import Api
from fixtures.kube.kinds import CLAIM, NAMESPACE, SANDBOX, SERVICE_ACCOUNT, WARM_POOL
from fixtures.limits import Limits
from fixtures.load.fakeserver import FakeServer
from fixtures.load.site import LoadSite

NAME = "load"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[LoadSite]:
    """A namespace on a fake server, whose controller fills pools."""
    with FakeServer(tmp_path) as server, Api(server.connection, "asc-unit") as api:
        api.create(SERVICE_ACCOUNT, {"metadata": {"name": "default"}}, NAME)
        testbed: Any = SimpleNamespace(
            cluster=SimpleNamespace(connection=server.connection),
            settings=SimpleNamespace(run_id="R1", runtime_class=""),
        )
        with LoadSite(testbed, Limits(), NAME) as opened:
            yield opened


def test_a_full_pool_is_seen_full(site: LoadSite) -> None:
    """PERF-LG-8: status and watch MUST both say that every member is there."""
    found = site.barrier(site.pool(3), 7)

    assert (found.t_ns, found.claims_left, found.canary_seen) == (7, 0, True)
    assert (found.replicas, found.ready_replicas, found.members_ready) == (3, 3, 3)


def test_members_are_counted_by_watch(site: LoadSite) -> None:
    """The pool's status is stale after changes: a member that is not Ready MUST be missed all the same."""
    pool = site.pool(3)
    unready = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    site.api.patch(SANDBOX, pool.members()[0].name, unready, NAME, subresource="status")

    found = site.barrier(pool, 0)
    assert (found.ready_replicas, found.members_ready) == (3, 2)


def test_quiet_is_when_nothing_happens(site: LoadSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """It MUST wait for as long as something happens, and give up where that does not end."""
    monkeypatch.setattr("fixtures.load.site.QUIET", 0.2)
    site.quiet()

    heard = iter([True, True, False])
    monkeypatch.setattr(site, "_heard_after", lambda _: next(heard))
    site.quiet()
    assert list(heard) == []

    site.limits = Limits.parse(["recovery=0.1"], {}, None, 1.0)
    monkeypatch.setattr(site, "_heard_after", lambda _: True)
    with pytest.raises(Undecided, match="did not get quiet"):
        site.quiet()


def test_what_is_left_is_counted_and_cleared(site: LoadSite) -> None:
    """A claim of the repetition before MUST be told, and after `clear` nothing be left."""
    pool = site.pool(2)
    site.sandboxes.claim(pool)
    assert site.barrier(pool, 0).claims_left == 1

    site.clear()
    assert [list(site.api.list(kind, NAME)) for kind in (CLAIM, WARM_POOL, SANDBOX)] == [[], [], []]
    # The next pool has the same name.
    assert site.pool(2).name == pool.name


def test_the_namespace_goes_with_its_site(tmp_path: Path) -> None:
    """Nothing MUST stay, also where the site could not be opened."""
    with FakeServer(tmp_path) as server, Api(server.connection, "asc-unit") as api:
        testbed: Any = SimpleNamespace(
            cluster=SimpleNamespace(connection=server.connection),
            settings=SimpleNamespace(run_id="R1", runtime_class=""),
        )
        limits = Limits.parse(["object_gone=0.2"], {}, None, 1.0)
        # Without a ServiceAccount no Pod could be made.
        with pytest.raises(Exception, match="ServiceAccount default"), LoadSite(testbed, limits, NAME):
            pytest.fail("it opened")
        assert api.find(NAMESPACE, NAME) is None
