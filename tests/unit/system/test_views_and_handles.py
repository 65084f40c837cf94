"""Names, snapshots and handles of the agent-sandbox kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.journal import EntryType, Journal, Ref, Wait
from fixtures.kube.client import JSON_PATCH, MERGE_PATCH, Api
from fixtures.kube.connection import Connection
from fixtures.kube.kinds import CLAIM, POD, SANDBOX, TEMPLATE, WARM_POOL, Kind
from fixtures.kube.snapshot import Snapshot
from fixtures.limits import Limits
from fixtures.system.agent_sandbox.handles import PoolHandle, Sandboxes, pod_spec
from fixtures.system.agent_sandbox.views import (
    ASSIGNED,
    CLAIM_UID,
    LAUNCH_TYPE,
    Claim,
    Sandbox,
    WarmPool,
    name_hash,
)
from tests.unit.journal.objects import NAMESPACE, build, owned_by, ready


class TestNameHash:
    """The hash by which the controller labels names."""

    @pytest.mark.parametrize(
        ("name", "expected"), [("", "811c9dc5"), ("a", "e40c292c"), ("my-sandbox", "374de8f5")]
    )
    def test_known_values(self, name: str, expected: str) -> None:
        """The hash MUST be FNV-1a, 32 bit, in eight hexadecimal digits."""
        assert name_hash(name) == expected

    def test_a_known_collision(self) -> None:
        """Two names may share a hash; these two do."""
        assert name_hash("sb-149599") == name_hash("sb-312382")

    @given(st.text("abz-019é", max_size=30))
    @settings(deadline=None, database=None, max_examples=50)
    def test_always_eight_digits(self, name: str) -> None:
        """Small values MUST keep their leading zeros."""
        assert len(name_hash(name)) == 8
        assert 0 <= int(name_hash(name), 16) < 2**32


class TestViews:
    """Typed snapshots."""

    def test_a_claim(self) -> None:
        """A claim's binding and assignment MUST be read from status and annotation."""
        bound = Claim(
            build(
                CLAIM,
                "c",
                1,
                annotations={ASSIGNED: "box"},
                status={"sandbox": {"name": "box", "podIPs": ["10.0.0.1"]}, "conditions": ready()},
            )
        )
        empty = Claim(build(CLAIM, "c", 1))

        assert (bound.assigned, bound.sandbox_name, bound.pod_ips) == ("box", "box", ("10.0.0.1",))
        assert (empty.assigned, empty.sandbox_name, empty.pod_ips) == ("", "", ())
        assert "assigned=box bound=box" in bound.brief()
        assert "assigned=- bound=-" in empty.brief()

    def test_a_sandbox(self) -> None:
        """Whose a sandbox is MUST be read from its controlling owner alone."""
        pooled = Sandbox(build(SANDBOX, "s", 1, ownerReferences=owned_by(WARM_POOL, "uid-pool")))
        claimed = Sandbox(
            build(
                SANDBOX,
                "s",
                1,
                ownerReferences=owned_by(CLAIM, "uid-claim", "c"),
                labels={LAUNCH_TYPE: "warm"},
                status={"conditions": ready()},
            )
        )
        guest = [{**owned_by(CLAIM, "uid-claim")[0], "controller": False}]
        watched = Sandbox(build(SANDBOX, "s", 1, ownerReferences=guest))

        assert (pooled.pooled, pooled.claim_owner, pooled.ready) == (True, "", False)
        assert (claimed.pooled, claimed.claim_owner, claimed.ready) == (False, "uid-claim", True)
        assert (watched.pooled, watched.claim_owner) == (False, "")
        assert claimed.launch_type == "warm"
        assert claimed.brief() == "owner=SandboxClaim/c Ready=True/Ready"
        assert watched.brief() == "owner=nobody no conditions"

    def test_a_sandboxs_template(self) -> None:
        """Labels, annotations, volumes and environment MUST be those of the Pod template."""
        spec = {
            "podTemplate": {
                "metadata": {"labels": {"a": "1"}, "annotations": {"b": "2"}},
                "spec": {
                    "initContainers": [{"name": "init", "env": [{"name": "I", "value": "1"}]}],
                    "containers": [{"name": "agent", "env": [{"name": "A", "value": "2"}, {"name": "B"}]}],
                },
            },
        }
        sandbox = Sandbox(build(SANDBOX, "s", 1, spec=spec))

        assert sandbox.pod_labels == {"a": "1"}
        assert sandbox.pod_annotations == {"b": "2"}
        assert sandbox.environment("agent") == {"A": "2", "B": ""}
        assert sandbox.environment("init") == {"I": "1"}

    def test_a_pool(self) -> None:
        """Counts that are missing are zero."""
        pool = WarmPool(build(WARM_POOL, "p", 1, status={"replicas": 3}))

        assert (pool.replicas, pool.ready_replicas) == (3, 0)
        assert pool.brief().startswith("replicas=3 ready=0")


@dataclass
class StubApi:
    """Notes every write and answers as an API server would; each write is a new resourceVersion."""

    version: int = 100
    writes: list[tuple[str, str, Any]] = field(default_factory=list)

    def create(self, kind: Kind, body: Mapping[str, Any], namespace: str) -> Snapshot:
        assert namespace == NAMESPACE
        self.writes.append(("create", kind.name, body))
        self.version += 1
        stored = build(kind, body["metadata"]["name"], self.version, spec=body["spec"])
        stored["metadata"] |= body["metadata"]
        return Snapshot(stored)

    def patch(
        self,
        kind: Kind,
        name: str,
        patch: Any,
        namespace: str,
        *,
        subresource: str | None = None,
        content_type: str = MERGE_PATCH,
    ) -> Snapshot:
        assert namespace == NAMESPACE
        self.writes.append((content_type, f"{kind} {name} {subresource or '-'}", patch))
        self.version += 1
        return Snapshot(build(kind, name, self.version))

    def delete(self, kind: Kind, name: str, namespace: str, *, propagation: str) -> bool:
        assert namespace == NAMESPACE
        self.writes.append(("delete", f"{kind} {name}", propagation))
        return True


@pytest.fixture
def stub() -> StubApi:
    """An API that notes what is written."""
    return StubApi()


class ReadJournal(Journal):
    """A journal that has caught up with whatever it was fed."""

    def catch_up(self, timeout: float) -> int:
        return 0


@pytest.fixture
def sandboxes(stub: StubApi) -> Sandboxes:
    """A factory on the stub, with an empty journal."""
    journal = ReadJournal(
        Connection(Path("none"), "none"), NAMESPACE, (SANDBOX, CLAIM, WARM_POOL, POD), "asc-test::unit"
    )
    return Sandboxes(cast(Api, stub), Wait(journal, Limits(), "unit"), NAMESPACE)


class TestHandles:
    """Handles and the factory that makes them."""

    def test_every_write_moves_the_stimulus(self, sandboxes: Sandboxes, stub: StubApi) -> None:
        """Waits through a handle MUST count from its last write on, creation included."""
        claim = sandboxes.claim("pool", "c")
        assert claim.ref == Ref(CLAIM, "c", Claim, "uid-c", 101)

        claim.patch({"spec": {}})
        assert claim.ref.stimulus == 102
        claim.replace("/spec/x", 1)
        assert claim.ref.stimulus == 103
        claim.delete(propagation="Orphan")
        assert claim.ref == Ref(CLAIM, "c", Claim, "uid-c", 103)

        assert stub.writes[1:] == [
            (MERGE_PATCH, "SandboxClaim c -", {"spec": {}}),
            (JSON_PATCH, "SandboxClaim c -", [{"op": "replace", "path": "/spec/x", "value": 1}]),
            ("delete", "SandboxClaim c", "Orphan"),
        ]

    def test_a_claim_names_its_pool(self, sandboxes: Sandboxes, stub: StubApi) -> None:
        """A claim MUST carry the pool, labels, annotations and whatever else its spec is given."""
        sandboxes.claim("pool", labels={"l": "1"}, annotations={"a": "2"}, lifecycle={"ttl": 1})

        assert stub.writes == [
            (
                "create",
                "SandboxClaim",
                {
                    "metadata": {"name": "claim-1", "labels": {"l": "1"}, "annotations": {"a": "2"}},
                    "spec": {"warmPoolRef": {"name": "pool"}, "lifecycle": {"ttl": 1}},
                },
            )
        ]

    def test_names_are_counted_by_kind(self, sandboxes: Sandboxes) -> None:
        """Objects without a given name MUST get distinct ones."""
        assert [sandboxes.claim("pool").name for _ in range(3)] == ["claim-1", "claim-2", "claim-3"]
        assert sandboxes.template().name == "template-1"

    def test_several_claims_at_once(self, sandboxes: Sandboxes) -> None:
        """Claims created together MUST have the names that were asked for, each once."""
        pool = pool_handle(sandboxes)

        claims = sandboxes.claims(pool, 4)

        assert [claim.name for claim in claims] == ["claim-0", "claim-1", "claim-2", "claim-3"]

    def test_a_template_is_laid_over_the_default(self, sandboxes: Sandboxes, stub: StubApi) -> None:
        """What a test gives MUST replace the default's top-level fields and leave the others."""
        sandboxes.template(
            "t", podTemplate={"metadata": {"labels": {"a": "1"}}, "spec": {"hostname": "h"}}, other=1
        )

        body = stub.writes[0][2]
        assert body["spec"] == {
            "podTemplate": {"metadata": {"labels": {"a": "1"}}, "spec": {**pod_spec(), "hostname": "h"}},
            "other": 1,
        }
        assert stub.writes[0][1] == TEMPLATE.name

    def test_a_runtime_class_is_asked_for(self, sandboxes: Sandboxes, stub: StubApi) -> None:
        """Pods of templates and bare sandboxes MUST ask for it, and a test that names another one win."""
        real = replace(sandboxes, runtime_class="gvisor")

        real.template(podTemplate={"spec": {"hostname": "h"}})
        real.sandbox("plain")
        real.sandbox("own", podTemplate={"spec": pod_spec()})
        real.template(podTemplate={"spec": {"runtimeClassName": "other"}})

        specs = [written[2]["spec"]["podTemplate"]["spec"] for written in stub.writes]
        assert [s["runtimeClassName"] for s in specs] == ["gvisor", "gvisor", "gvisor", "other"]
        assert [s["containers"] for s in specs] == [pod_spec()["containers"]] * 4
        assert specs[0]["hostname"] == "h"

    def test_the_sandbox_of_a_cold_start(self, sandboxes: Sandboxes, stub: StubApi) -> None:
        """It MUST have the claim's name, label and ownership."""
        claim = sandboxes.claim("pool", "c")

        made = sandboxes.cold_sandbox_for(claim)

        assert made.name == "c"
        assert Sandbox(made.created.raw).claim_owner == "uid-c"
        assert stub.writes[-1][2]["metadata"]["labels"] == {CLAIM_UID: "uid-c"}

    def test_an_owner_that_does_not_control(self, sandboxes: Sandboxes) -> None:
        """A reference to an owner MUST say whether it controls what it owns."""
        claim = sandboxes.claim("pool", "c")

        references = [claim.as_owner(), claim.as_owner(controls=False)]
        owned = Sandbox(build(SANDBOX, "s", 1, ownerReferences=references))

        assert [(o.kind, o.uid, o.controller) for o in owned.owners] == [
            (CLAIM.name, "uid-c", True),
            (CLAIM.name, "uid-c", False),
        ]

    def test_a_pool_made_from_a_name_has_no_template(self, sandboxes: Sandboxes) -> None:
        """Asking for the template of such a pool MUST be an error that says why."""
        with pytest.raises(LookupError, match="pool p was made from the name of a template"):
            _ = pool_handle(sandboxes).template

    def test_the_members_of_a_pool(self, sandboxes: Sandboxes) -> None:
        """Members MUST be the pool's own live sandboxes, in the order in which they first appeared."""
        mine, other = owned_by(WARM_POOL, "uid-p"), owned_by(WARM_POOL, "uid-q")
        feed(sandboxes, build(SANDBOX, "z", 1, ownerReferences=mine))
        feed(sandboxes, build(SANDBOX, "b", 2, ownerReferences=mine))
        feed(sandboxes, build(SANDBOX, "a", 3, ownerReferences=mine))
        feed(sandboxes, build(SANDBOX, "foreign", 4, ownerReferences=other))
        feed(sandboxes, build(SANDBOX, "adopted", 5, ownerReferences=owned_by(CLAIM, "uid-c")))
        feed(sandboxes, build(SANDBOX, "leaving", 6, ownerReferences=mine, deletionTimestamp="now"))
        feed(sandboxes, build(SANDBOX, "z", 7, ownerReferences=mine, labels={"changed": "yes"}))
        feed(sandboxes, build(SANDBOX, "b", 8, ownerReferences=mine), EntryType.DELETED)

        assert [m.name for m in pool_handle(sandboxes).members()] == ["z", "a"]

    def test_what_a_claim_owns(self, sandboxes: Sandboxes) -> None:
        """Only live sandboxes that the claim controls MUST be found."""
        claim = sandboxes.claim("pool", "c")
        feed(sandboxes, build(SANDBOX, "mine", 1, ownerReferences=owned_by(CLAIM, "uid-c")))
        feed(sandboxes, build(SANDBOX, "other", 2, ownerReferences=owned_by(CLAIM, "uid-d")))
        leaving = build(SANDBOX, "gone", 3, ownerReferences=owned_by(CLAIM, "uid-c"), deletionTimestamp="now")
        feed(sandboxes, leaving)

        assert [s.name for s in sandboxes.owned_by(claim)] == ["mine"]


def feed(sandboxes: Sandboxes, obj: dict[str, Any], type_: EntryType = EntryType.MODIFIED) -> None:
    """Let the journal see one state of a sandbox."""
    sandboxes.wait.journal.history.record(0.0, SANDBOX, type_, obj)


def pool_handle(sandboxes: Sandboxes) -> PoolHandle:
    """A pool `p` made from the name of a template."""
    created = WarmPool(build(WARM_POOL, "p", 1))
    return PoolHandle(sandboxes.api, Ref(WARM_POOL, "p", WarmPool, "uid-p", 1), created, sandboxes.wait)
