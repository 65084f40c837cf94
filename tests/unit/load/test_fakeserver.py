"""The fake API server as a client sees it, and what it says was true."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3

from fixtures.errors import StartError, UsageError
from fixtures.journal import Journal
from fixtures.journal.history import Entry
from fixtures.kube.client import Api, ApiError
from fixtures.kube.kinds import CLAIM, NAMESPACE, POD, SANDBOX, WARM_POOL
from fixtures.kube.snapshot import Snapshot
from fixtures.load.fakecontroller import Settings
from fixtures.load.fakeserver import FakeServer
from fixtures.system.agent_sandbox.views import (
    ASSIGNED,
    FIRST_OBSERVED,
    FIRST_READY,
    VIEWS,
    Claim,
    Sandbox,
    WarmPool,
)

#: Seconds after which something that takes milliseconds has not happened.
LONG = 20.0
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    with FakeServer(tmp_path_factory.mktemp("fake")) as running:
        yield running


@pytest.fixture
def api(server: FakeServer) -> Iterator[Api]:
    server.set(Settings())
    with Api(server.connection, "self-test") as client:
        yield client


@pytest.fixture
def namespace(api: Api, request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.node.name.replace("_", "-")
    api.create(NAMESPACE, {"metadata": {"name": name}})
    yield name
    api.delete(NAMESPACE, name)


@pytest.fixture
def journal(server: FakeServer, namespace: str) -> Iterator[Journal]:
    opened = Journal(server.connection, namespace, [CLAIM, SANDBOX, WARM_POOL, POD], "self-test", VIEWS)
    yield opened.open(LONG)
    opened.close()


def make_pool(api: Api, namespace: str, replicas: int) -> Snapshot:
    body = {"metadata": {"name": "pool"}, "spec": {"replicas": replicas}}
    return api.create(WARM_POOL, body, namespace)


def make_claim(api: Api, namespace: str, name: str = "claim") -> Snapshot:
    body = {"metadata": {"name": name}, "spec": {"warmPoolRef": {"name": "pool"}}}
    return api.create(CLAIM, body, namespace)


def until(journal: Journal, wanted: Any) -> list[Entry]:
    """All entries up to the first one of which `wanted` is true."""
    seen = []
    for entry in journal.follow(0, time.monotonic() + LONG):
        seen.append(entry)
        if wanted(entry):
            return seen
    raise AssertionError(f"not seen among {len(seen)} entries")


def has_first_ready(entry: Entry) -> bool:
    return entry.kind == CLAIM and FIRST_READY in entry.object.annotations


def state(entry: Entry) -> Any:
    """What tells the events of a claim apart."""
    match entry.object:
        case Claim() as c:
            return (
                bool(c.assigned),
                c.sandbox_name != "" and c.pod_ips != (),
                c.ready,
                has_first_ready(entry),
            )
        case Sandbox() as s:
            return (s.launch_type, s.controller.kind if s.controller else "")


def test_a_claim_has_six_events_in_order(
    server: FakeServer, api: Api, journal: Journal, namespace: str
) -> None:
    """Added, assigned, its sandbox adopted, bound, Ready, stamped; Ready not before it is due."""
    make_pool(api, namespace, 2)
    until(journal, lambda e: isinstance(e.object, WarmPool) and e.object.ready_replicas == 2)
    began = journal.position()
    claim = make_claim(api, namespace)
    until(journal, has_first_ready)
    entries = [e for e in list(journal.history)[began:] if e.kind in (CLAIM, SANDBOX)]
    assert [(str(e.kind), state(e)) for e in entries] == [
        ("SandboxClaim", (False, False, False, False)),
        ("SandboxClaim", (True, False, False, False)),
        ("Sandbox", ("warm", "SandboxClaim")),
        ("SandboxClaim", (True, True, False, False)),
        ("SandboxClaim", (True, True, True, False)),
        ("SandboxClaim", (True, True, True, True)),
    ]
    last = entries[-1].object
    assert isinstance(last, Claim)
    assert last.uid == claim.uid
    assert last.annotations[ASSIGNED] == last.sandbox_name == entries[2].object.name
    assert last.annotations[FIRST_OBSERVED] < last.annotations[FIRST_READY]
    truth = server.truth().claims[namespace, "claim"]
    assert truth.ready_ns is not None
    assert truth.due_ns == truth.received_ns + 50_000_000
    assert truth.due_ns <= truth.ready_ns


def test_the_truth_is_on_the_clock_of_all_processes(
    server: FakeServer, api: Api, journal: Journal, namespace: str
) -> None:
    """What this process saw MUST lie after what that process says it did, and the POST before."""
    before = time.monotonic_ns()
    make_claim(api, namespace)
    ready = until(journal, lambda e: isinstance(e.object, Claim) and e.object.ready)[-1]
    truth = server.truth()
    claim = truth.claims[namespace, "claim"]
    assert claim.ready_ns is not None
    assert before < claim.received_ns < claim.ready_ns < ready.received * 1e9
    assert truth.lag_ns == (claim.ready_ns - claim.due_ns,)
    assert truth.cpu_s > 0


def test_ready_may_come_before_the_answer(
    server: FakeServer, api: Api, journal: Journal, namespace: str
) -> None:
    """With an answer held back longer than Ready takes, the watch MUST show Ready first."""
    server.set(Settings(ready_after_s=0.01, answer_delay_s=0.5))
    make_claim(api, namespace)
    answered = time.monotonic()
    ready = until(journal, lambda e: isinstance(e.object, Claim) and e.object.ready)[-1]
    assert ready.received < answered


def test_a_share_of_claims_is_refused(server: FakeServer, api: Api, namespace: str) -> None:
    """Every so many-th POST MUST get 429 with Retry-After, and leave nothing behind."""
    server.set(Settings(refuse_share=0.5, retry_after_s=3))
    codes = []
    for number in range(4):
        try:
            make_claim(api, namespace, f"claim-{number}")
            codes.append(201)
        except ApiError as err:
            codes.append(err.status)
    assert codes == [201, 429, 201, 429]
    assert len(list(api.list(CLAIM, namespace))) == 2
    url = api.connection.configuration().host + CLAIM.path(namespace)
    body = {"apiVersion": CLAIM.api_version, "kind": "SandboxClaim", "metadata": {"name": "more"}}
    server.set(Settings(refuse_share=1, retry_after_s=3))
    with urllib3.PoolManager() as pool:
        reply = pool.request("POST", url, json=body, retries=False)
    assert (reply.status, reply.headers["Retry-After"]) == (429, "3")
    assert reply.json()["reason"] == "TooManyRequests"


def test_a_dropped_claim_never_becomes_ready(
    server: FakeServer, api: Api, journal: Journal, namespace: str
) -> None:
    """Of every two claims the second MUST stay bound and not Ready, and the truth says so."""
    server.set(Settings(ready_after_s=0.01, drop_every=2))
    for number in range(4):
        make_claim(api, namespace, f"claim-{number}")
    until(journal, lambda e: has_first_ready(e) and e.object.name == "claim-2")
    until(journal, lambda e: e.object.name == "claim-3" and e.kind == CLAIM and e.object.sandbox_name)  # type: ignore[attr-defined]
    claims = server.truth().claims
    assert [name for (_, name), c in claims.items() if c.ready_ns is None] == ["claim-1", "claim-3"]


@pytest.mark.parametrize("expire", [False, True])
def test_watches_can_be_cut(
    server: FakeServer, api: Api, journal: Journal, namespace: str, expire: bool
) -> None:
    """A closed watch MUST be resumable without loss; after 410 a list is needed."""
    make_claim(api, namespace)
    until(journal, has_first_ready)
    assert server.close_watches(CLAIM, expire=expire) >= 1
    make_claim(api, namespace, "later")
    until(journal, lambda e: has_first_ready(e) and e.object.name == "later")
    assert bool(journal.history.gaps()) is expire


def test_a_pool_is_filled_adopted_from_and_refilled(
    server: FakeServer, api: Api, journal: Journal, namespace: str
) -> None:
    """Its oldest member goes first; an empty pool means a cold start; a refill only where asked for."""
    server.set(Settings(ready_after_s=0.01))
    make_pool(api, namespace, 1)
    until(journal, lambda e: isinstance(e.object, WarmPool) and e.object.ready_replicas == 1)
    member, *others = api.list(SANDBOX, namespace)
    assert others == []
    assert [pod.name for pod in api.list(POD, namespace)] == [member.name]
    make_claim(api, namespace, "warm")
    make_claim(api, namespace, "cold")
    until(journal, lambda e: isinstance(e.object, Sandbox) and e.object.launch_type == "cold")
    until(journal, lambda e: isinstance(e.object, WarmPool) and e.object.ready_replicas == 0)
    assert Sandbox(api.get(SANDBOX, member.name, namespace).raw).launch_type == "warm"
    server.set(Settings(ready_after_s=0.01, refill_after_s=0.05))
    api.patch(WARM_POOL, "pool", {"spec": {"replicas": 3}}, namespace)
    until(journal, lambda e: isinstance(e.object, WarmPool) and e.object.ready_replicas == 3)
    make_claim(api, namespace, "third")
    began = journal.position()
    until(
        journal, lambda e: e.seq >= began and isinstance(e.object, WarmPool) and e.object.ready_replicas == 3
    )
    api.patch(WARM_POOL, "pool", {"spec": {"replicas": 0}}, namespace)
    assert len([s for s in api.list(SANDBOX, namespace) if Sandbox(s.raw).pooled]) == 0


def test_what_belongs_to_a_claim_goes_with_it(
    server: FakeServer, api: Api, journal: Journal, namespace: str
) -> None:
    """Deleting a claim MUST delete its sandbox and Pod; deleting the namespace MUST leave nothing."""
    server.set(Settings(ready_after_s=0.01))
    make_pool(api, namespace, 2)
    make_claim(api, namespace)
    until(journal, has_first_ready)
    sandbox = Claim(api.get(CLAIM, "claim", namespace).raw).sandbox_name
    assert api.delete(CLAIM, "claim", namespace)
    gone = until(journal, lambda e: e.deleted and e.kind == POD)
    assert [(str(e.kind), e.object.name) for e in gone if e.deleted] == [
        ("SandboxClaim", "claim"),
        ("Sandbox", sandbox),
        ("Pod", sandbox),
    ]
    assert not api.delete(CLAIM, "claim", namespace)
    api.delete(NAMESPACE, namespace)
    left = [s for kind in (CLAIM, SANDBOX, WARM_POOL, POD) for s in api.list(kind, namespace)]
    assert left == []


def test_a_claim_deleted_before_it_is_ready_stays_gone(
    server: FakeServer, api: Api, journal: Journal, namespace: str
) -> None:
    """No event of a claim MUST follow its deletion."""
    server.set(Settings(ready_after_s=0.2))
    make_claim(api, namespace)
    api.delete(CLAIM, "claim", namespace)
    make_claim(api, namespace, "later")
    until(journal, lambda e: has_first_ready(e) and e.object.name == "later")
    assert [e.type.value for e in journal.history.of(CLAIM, name="claim")][-1] == "DELETED"
    assert server.truth().claims[namespace, "claim"].ready_ns is None


def test_a_dry_run_stores_nothing_and_tells_the_flow_schema(server: FakeServer, api: Api) -> None:
    """A dry run MUST be answered with 201 and the headers from which preflight reads the priority level."""
    body = {"apiVersion": CLAIM.api_version, "kind": "SandboxClaim", "metadata": {"name": "dry"}}
    url = api.connection.configuration().host + CLAIM.path("dry")
    with urllib3.PoolManager() as pool:
        reply = pool.request("POST", url + "?dryRun=All", json=body)
    assert reply.status == 201
    assert list(api.list(CLAIM, "dry")) == []
    path = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
    schemas = {s["metadata"]["uid"]: s for s in api.request("GET", path)["items"]}
    schema = schemas[reply.headers["X-Kubernetes-PF-FlowSchema-UID"]]
    assert schema["spec"]["priorityLevelConfiguration"]["name"] == "global-default"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/api/v1/namespaces/x/pods/none", None, 404),
        ("POST", "/api/v1/namespaces/x/pods", {"metadata": {"name": "no-kind"}}, 400),
        ("PATCH", "/api/v1/namespaces/x/pods/none", {}, 404),
        ("PUT", "/api/v1/pods", {}, 405),
        ("POST", "/-/unknown", {}, 404),
    ],
)
def test_what_it_cannot_do_is_refused(api: Api, method: str, path: str, body: Any, status: int) -> None:
    """A request that makes no sense MUST be answered with the status an API server would give."""
    with pytest.raises(ApiError) as refused:
        api.request(method, path, body=body)
    assert refused.value.status == status


def test_unknown_settings_are_named() -> None:
    """A misspelt setting MUST be a usage error that names the right one."""
    with pytest.raises(UsageError, match="'ready_after_s'"):
        Settings.of({"ready_after": 1})


def test_it_ends_when_it_is_stopped(tmp_path: Path) -> None:
    """Its process MUST be gone after `stop`, and it can be asked nothing any more."""
    server = FakeServer(tmp_path).start()
    pid = server.pid
    server.stop()
    server.stop()
    assert not psutil.pid_exists(pid)
    with pytest.raises(StartError, match="has not been started"):
        server.truth()


def test_it_starts_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that has a package of the same name MUST NOT be taken for this suite."""
    package = tmp_path / "fixtures"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('the wrong package')")
    monkeypatch.chdir(tmp_path)
    with FakeServer(tmp_path) as server:
        assert server.truth().claims == {}


def test_it_does_not_outlive_who_started_it(tmp_path: Path) -> None:
    """It MUST end with its parent, also where that is killed."""
    source = (
        "import pathlib, sys, time\n"
        "from fixtures.load.fakeserver import FakeServer\n"
        "server = FakeServer(pathlib.Path(sys.argv[1])).start()\n"
        "sys.stdout.write(f'{server.pid}\\n'); sys.stdout.flush(); time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", source, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs([child], timeout=LONG)
    assert alive == []


def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    """The error MUST carry the last lines of the process."""
    with pytest.raises(StartError, match="cpu|Invalid argument"):
        FakeServer(tmp_path, cpu=100_000).start()
