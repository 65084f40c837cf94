"""The invariants: a clean stream has no violation, a bad one has exactly the one it commits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from fixtures.conformance.checks import InvariantViolated
from fixtures.journal.history import EntryType, History
from fixtures.kube.kinds import CLAIM, PERSISTENT_VOLUME_CLAIM, POD, SANDBOX, SERVICE, WARM_POOL, Kind
from fixtures.kube.snapshot import Snapshot
from fixtures.namespace import Excused, check_invariants
from fixtures.system.agent_sandbox.invariants import UNSEEN, Violation, orphans, unrest, violations
from fixtures.system.agent_sandbox.views import POOL_HASH
from tests.unit.journal.objects import build, owned_by, ready


class Stream:
    """A history written down by hand; each line gets the next resourceVersion unless it names one."""

    def __init__(self) -> None:
        self.history = History()
        self.version = 0
        self.now = 0.0

    def later(self) -> None:
        """So much time passes that whoever watches has heard of all that there is."""
        self.now += 2 * UNSEEN

    def record(
        self, type_: EntryType, kind: Kind, name: str, *, at: int | None = None, **fields: Any
    ) -> None:
        self.version = self.version + 1 if at is None else at
        self.history.record(self.now, kind, type_, build(kind, name, self.version, **fields))

    def claim(self, name: str, sandbox: str = "", **more: Any) -> None:
        """A claim, bound or not."""
        status = {"sandbox": {"name": sandbox}} if sandbox else {}
        self.record(EntryType.MODIFIED, CLAIM, name, status=status, **more)

    def pool(
        self, size: int, generation: int = 1, *, observed: int = 0, way: str = "OnReplenish", **status: Any
    ) -> None:
        """The pool that owns the members."""
        status |= {"observedGeneration": observed} if observed else {}
        self.record(
            EntryType.MODIFIED,
            WARM_POOL,
            "pool",
            generation=generation,
            spec={"replicas": size, "updateStrategy": {"type": way}},
            status=status,
        )

    def made(self, *names: str, **more: Any) -> None:
        """Members that the pool itself makes."""
        for name in names:
            self.member(name, generateName="pool-", **more)

    def live(self) -> list[Snapshot]:
        """What exists at the end."""
        kinds = (CLAIM, SANDBOX, WARM_POOL, POD, SERVICE, PERSISTENT_VOLUME_CLAIM)
        return [s for kind in kinds for s in self.history.live(kind)]

    def member(self, name: str, **more: Any) -> None:
        """A sandbox that its pool owns."""
        owners = owned_by(WARM_POOL, "uid-pool")
        self.record(
            EntryType.MODIFIED, SANDBOX, name, ownerReferences=owners, labels={POOL_HASH: "1"}, **more
        )

    def adopted(self, name: str, claim: str, *, labelled: bool = False, **more: Any) -> None:
        """A sandbox that a claim owns."""
        labels = {POOL_HASH: "1"} if labelled else {}
        owners = owned_by(CLAIM, f"uid-{claim}")
        self.record(EntryType.MODIFIED, SANDBOX, name, ownerReferences=owners, labels=labels, **more)

    def pod(self, sandbox: str, uid: str, *, labelled: bool = False, **more: Any) -> None:
        """A Pod of a sandbox."""
        labels = {POOL_HASH: "1"} if labelled else {}
        owners = owned_by(SANDBOX, f"uid-{sandbox}")
        self.record(EntryType.MODIFIED, POD, sandbox, uid=uid, ownerReferences=owners, labels=labels, **more)

    def gone(self, kind: Kind, name: str, **more: Any) -> None:
        """The object's deletion."""
        self.record(EntryType.DELETED, kind, name, **more)

    def violations(self, *excused: str) -> list[Violation]:
        return violations(self.history.by_resource_version(), frozenset(excused))

    def broken(self, *excused: str) -> list[tuple[str, int]]:
        """(invariant, resourceVersion) of each violation."""
        return [(v.invariant, v.resource_version) for v in self.violations(*excused)]


DELETING = {"deletionTimestamp": "2030-01-01T00:00:00Z"}


def test_a_whole_life_without_violation() -> None:
    """Fill, adopt, bind, release and refill MUST break nothing."""
    stream = Stream()
    for name in ("one", "two"):
        stream.member(name)
        stream.pod(name, f"pod-{name}", labelled=True)
    stream.claim("first")
    stream.adopted("one", "first")
    stream.pod("one", "pod-one")
    stream.claim("first", "one")
    stream.claim("second", "two")
    stream.adopted("two", "second")
    stream.pod("two", "pod-two")
    stream.gone(CLAIM, "first")
    stream.adopted("one", "first", **DELETING)
    stream.gone(POD, "one", uid="pod-one")
    stream.gone(SANDBOX, "one")
    stream.member("three")

    assert stream.violations() == []


class TestOneSandboxOneClaim:
    """AS-I1."""

    def test_two_claims_name_one_sandbox(self) -> None:
        """Two claims that exist MUST NOT both name a sandbox; the text names all three."""
        stream = Stream()
        stream.claim("b", "box")
        stream.claim("a", "box")

        assert [str(v) for v in stream.violations()] == [
            "AS-I1 at resourceVersion 2: claims a and b are both bound to sandbox box"
        ]

    def test_it_is_reported_once(self) -> None:
        """The same two claims MUST NOT be reported with each of their events."""
        stream = Stream()
        stream.claim("a", "box")
        for _ in range(3):
            stream.claim("b", "box")
            stream.claim("a", "box")

        assert stream.broken() == [("AS-I1", 2)]

    def test_three_claims_are_three_pairs(self) -> None:
        """Another pair of claims MUST be another violation."""
        stream = Stream()
        for name in "abc":
            stream.claim(name, "box")

        assert stream.broken() == [("AS-I1", 2), ("AS-I1", 3), ("AS-I1", 3)]

    def test_one_after_the_other_by_name(self) -> None:
        """A claim may name a sandbox whose name an earlier claim, now gone or unbound, had named."""
        stream = Stream()
        stream.claim("a", "box")
        stream.gone(CLAIM, "a")
        stream.claim("b", "box")
        stream.claim("b")
        stream.claim("c", "box")

        assert stream.violations() == []

    def test_a_sandbox_moves_to_another_claim(self) -> None:
        """A sandbox MUST serve one claim for life, also when the first one is gone."""
        stream = Stream()
        stream.adopted("box", "a")
        stream.gone(CLAIM, "a")
        stream.adopted("box", "b")
        stream.adopted("box", "b")

        assert [str(v) for v in stream.violations()] == [
            "AS-I1 at resourceVersion 3: sandbox box served claim uid-a and then claim uid-b"
        ]

    def test_a_detour_over_the_pool_does_not_make_it_new(self) -> None:
        """A sandbox that went back to its pool and on to another claim MUST be reported."""
        stream = Stream()
        stream.adopted("box", "a")
        stream.member("box")
        stream.adopted("box", "b")

        assert stream.broken() == [("AS-I1", 3)]

    def test_a_new_sandbox_of_the_same_name(self) -> None:
        """A name that is used again is another sandbox."""
        stream = Stream()
        stream.adopted("box", "a", uid="first")
        stream.gone(SANDBOX, "box", uid="first")
        stream.adopted("box", "b", uid="second")

        assert stream.violations() == []


class TestOneClaimOneSandbox:
    """AS-I2."""

    def test_a_claim_owns_two(self) -> None:
        """A claim MUST NOT own two sandboxes; reported once."""
        stream = Stream()
        stream.adopted("one", "a")
        stream.adopted("two", "a")
        stream.adopted("one", "a")

        assert [str(v) for v in stream.violations()] == [
            "AS-I2 at resourceVersion 2: claim uid-a owns sandboxes one and two"
        ]

    def test_a_new_one_while_the_old_one_goes(self) -> None:
        """A claim may get a new sandbox while its old one is being deleted, or after."""
        stream = Stream()
        stream.adopted("one", "a")
        stream.adopted("one", "a", **DELETING)
        stream.adopted("two", "a")
        stream.adopted("two", "a", **DELETING)
        stream.gone(SANDBOX, "two")
        stream.adopted("three", "a")

        assert stream.violations() == []

    def test_two_claims_two_sandboxes(self) -> None:
        """One each is as it should be, and members of a pool do not count."""
        stream = Stream()
        stream.member("spare-1")
        stream.member("spare-2")
        stream.adopted("one", "a")
        stream.adopted("two", "b")

        assert stream.violations() == []


class TestPoolLabel:
    """AS-I5."""

    def test_an_adopted_sandbox_keeps_the_label(self) -> None:
        """The label MUST leave the sandbox in the very write that adopts it; reported once."""
        stream = Stream()
        stream.member("box")
        stream.adopted("box", "a", labelled=True)
        stream.adopted("box", "a", labelled=True)
        stream.adopted("box", "a")

        assert [str(v) for v in stream.violations()] == [
            f"AS-I5 at resourceVersion 2: adopted sandbox box keeps label {POOL_HASH}"
        ]
        assert not stream.violations()[0].settling

    def test_a_pod_that_loses_it_later(self) -> None:
        """The Pod's label may go a moment after the adoption."""
        stream = Stream()
        stream.member("box")
        stream.pod("box", "pod", labelled=True)
        stream.adopted("box", "a")
        assert [(v.invariant, v.settling) for v in stream.violations()] == [("AS-I5", True)]

        stream.pod("box", "pod")
        assert stream.violations() == []

    def test_a_pod_that_never_loses_it(self) -> None:
        """A label that stays on the Pod MUST be a violation that may still be repaired."""
        stream = Stream()
        stream.adopted("box", "a")
        stream.pod("box", "pod", labelled=True)
        stream.adopted("box", "a")

        assert stream.violations() == [
            Violation("AS-I5", f"Pod box of adopted sandbox box keeps label {POOL_HASH}", 2, settling=True)
        ]

    def test_a_pod_on_its_way_out(self) -> None:
        """The label of a Pod that is being deleted, or is gone, does not matter."""
        stream = Stream()
        stream.adopted("box", "a")
        stream.pod("box", "pod", labelled=True, **DELETING)
        assert stream.violations() == []

        stream.gone(POD, "box", uid="pod")
        assert stream.violations() == []


class TestPopulation:
    """AS-I3."""

    def test_a_pool_that_fills_loses_and_refills(self) -> None:
        """A member may be made for each that is adopted or gone for good."""
        stream = Stream()
        stream.pool(2)
        stream.made("one", "two")
        stream.adopted("one", "a")
        stream.made("three")
        stream.made("two", **DELETING)
        stream.gone(SANDBOX, "two")
        stream.made("four")

        assert stream.violations() == []

    def test_a_pool_that_grows_too_large(self) -> None:
        """A member beyond the size MUST be a violation; a pool is reported once."""
        stream = Stream()
        stream.pool(2)
        stream.made("one", "two")
        stream.later()
        stream.made("three", "four")

        assert [str(v) for v in stream.violations()] == [
            "AS-I3 at resourceVersion 4: pool pool of size 2 has 3 members with the new three"
        ]

    def test_a_member_made_just_after_another(self) -> None:
        """A single one too many while the pool may not have seen the last MUST have another name."""
        stream = Stream()
        stream.pool(2)
        stream.made("one", "two", "three")

        assert stream.broken() == [("AS-I3b", 4)]

    def test_two_members_made_just_after_another(self) -> None:
        """Two too many MUST be a violation by their own name."""
        stream = Stream()
        stream.pool(2)
        stream.made("one", "two", "three", "four")

        assert stream.broken() == [("AS-I3b", 4), ("AS-I3", 5)]

    def test_a_pool_that_makes_one_too_many_again(self) -> None:
        """One too many for the second time MUST be a violation by its own name."""
        stream = Stream()
        stream.pool(1)
        stream.made("one", "two")
        stream.gone(SANDBOX, "two")
        stream.made("three")

        assert stream.broken() == [("AS-I3b", 3), ("AS-I3", 5)]

    def test_a_pool_that_replaces_stale_members(self) -> None:
        """A pool that rolls its members MUST be told apart: the same overshoot has another name there."""
        stream = Stream()
        stream.pool(1, way="Recreate")
        stream.made("one", "two")

        assert stream.broken() == [("AS-I3b", 3)]

    def test_a_leaving_member_takes_up_room(self) -> None:
        """A member that is being deleted MUST still be counted."""
        stream = Stream()
        stream.pool(1)
        stream.made("one")
        stream.made("one", **DELETING)
        stream.later()
        stream.made("two")

        assert stream.broken() == [("AS-I3", 4)]

    def test_a_pool_that_was_made_smaller(self) -> None:
        """Too many members after a scale-down are none too many made; nor are those made without knowing."""
        stream = Stream()
        stream.pool(3)
        stream.made("one", "two")
        stream.pool(1, 2)
        stream.made("three")
        stream.pool(1, 2, observed=2)

        assert stream.violations() == []

    def test_a_pool_that_knows_that_it_was_made_smaller(self) -> None:
        """A member made after the pool has said that it knows its new size MUST be a violation."""
        stream = Stream()
        stream.pool(3, observed=1)
        stream.made("one", "two")
        stream.pool(1, 2, observed=1)
        stream.pool(1, 2, observed=2)
        stream.later()
        stream.made("three")

        assert stream.broken() == [("AS-I3", 6)]

    def test_a_pool_that_was_made_larger(self) -> None:
        """The new size counts from its own write on."""
        stream = Stream()
        stream.pool(1)
        stream.made("one")
        stream.pool(2, 2)
        stream.made("two")
        assert stream.violations() == []

        stream.later()
        stream.made("three")
        assert stream.broken() == [("AS-I3", 5)]

    def test_an_orphan_that_is_taken_in(self) -> None:
        """A sandbox that a pool takes in is none that it made."""
        stream = Stream()
        stream.pool(1)
        stream.made("one")
        stream.record(EntryType.ADDED, SANDBOX, "orphan", generateName="pool-")
        stream.made("orphan")
        stream.member("by-hand")

        assert stream.violations() == []

    def test_what_a_list_finds_has_no_instant(self) -> None:
        """Members first seen after a gap of the watch may stem from before a scale-down."""
        stream = Stream()
        stream.pool(1, observed=1)
        for name in ("one", "two"):
            body = build(SANDBOX, name, 9, ownerReferences=owned_by(WARM_POOL, "uid-pool"), generateName="p-")
            stream.history.record_list(9.0, SANDBOX, [*(s.raw for s in stream.history.live(SANDBOX)), body])

        assert stream.violations() == []

    def test_a_controller_that_does_not_promise_it(self) -> None:
        """An invariant that is waived MUST NOT be reported, and the others are."""
        stream = Stream()
        stream.pool(1)
        stream.made("one")
        stream.later()
        stream.made("two")
        stream.adopted("one", "a", labelled=True)

        found = violations(stream.history.by_resource_version(), waived=frozenset({"AS-I3"}))
        assert [v.invariant for v in found] == ["AS-I5"]


class TestJudgement:
    """`check_invariants`: what fails a test."""

    @staticmethod
    def judged(stream: Stream) -> list[str]:
        journal = SimpleNamespace(whole=lambda seconds: list(stream.history), history=stream.history)
        limits = SimpleNamespace(seconds=lambda name: 1.0)
        return check_invariants(cast("Any", journal), cast("Any", limits), Excused(set()))

    def test_what_no_release_keeps_is_told(self) -> None:
        """A defect that every release has MUST be returned, not raised."""
        stream = Stream()
        stream.pool(1)
        stream.made("one", "two")

        assert self.judged(stream) == [
            "AS-I3b at resourceVersion 3: pool pool of size 1 has 2 members with the new two"
        ]

    def test_what_releases_keep_is_raised(self) -> None:
        """More than that MUST be raised, and it alone."""
        stream = Stream()
        stream.pool(1)
        stream.made("one", "two", "three")

        with pytest.raises(InvariantViolated, match="^AS-I3 at resourceVersion 4: [^\\n]*$"):
            self.judged(stream)


class TestRest:
    """AS-I4."""

    def test_a_full_pool(self) -> None:
        """A pool that reports its size and has as many Ready members is at rest."""
        stream = Stream()
        stream.pool(2, replicas=2, readyReplicas=2)
        stream.made("one", "two", status={"conditions": ready()})
        stream.adopted("other", "a")

        assert unrest(stream.live()) == []

    def test_a_pool_that_counts_what_is_not_there(self) -> None:
        """A count without the members MUST be reported, with all the numbers."""
        stream = Stream()
        stream.pool(2, replicas=2, readyReplicas=2)
        stream.made("one", status={"conditions": ready()})

        assert unrest(stream.live()) == [
            "AS-I4: pool pool of size 2 reports 2 members, 2 ready; it has 1, 1 ready"
        ]

    def test_a_pool_that_does_not_count(self) -> None:
        """Members that are not reported, not Ready or leaving MUST keep a pool from being at rest."""
        for counts, more in (
            ({"replicas": 1}, {"status": {"conditions": ready()}}),
            ({"replicas": 1, "readyReplicas": 1}, {"status": {"conditions": ready("False")}}),
            ({"replicas": 1, "readyReplicas": 1}, {"status": {"conditions": ready()}, **DELETING}),
        ):
            stream = Stream()
            stream.pool(1, **counts)
            stream.made("one", **more)
            assert len(unrest(stream.live())) == 1

    def test_an_empty_pool(self) -> None:
        """A pool of size 0 with nothing in it is at rest, one with a member is not."""
        stream = Stream()
        stream.pool(0)
        assert unrest(stream.live()) == []

        stream.made("one")
        assert len(unrest(stream.live())) == 1


class TestOrphans:
    """AS-I6."""

    def test_everything_belongs_to_something(self) -> None:
        """What an existing claim, pool or sandbox owns is no orphan; nor is anything that is gone."""
        stream = Stream()
        stream.pool(1)
        stream.claim("a")
        stream.made("one")
        stream.adopted("two", "a")
        stream.pod("two", "pod")
        stream.gone(POD, "two", uid="pod")

        assert orphans(stream.live()) == []

    def test_what_nobody_stands_for(self) -> None:
        """A sandbox without claim or any owner, and a Pod without sandbox, MUST be reported."""
        stream = Stream()
        stream.claim("a")
        stream.adopted("one", "a")
        stream.pod("one", "pod-one")
        stream.gone(CLAIM, "a")
        stream.record(EntryType.ADDED, SANDBOX, "stray")
        stream.pod("lost", "pod-lost")

        assert orphans(stream.live()) == [
            f"AS-I6: {what} is left behind"
            for what in ("Sandbox asc-unit/one", "Sandbox asc-unit/stray", "Pod asc-unit/lost")
        ]


class TestSamePod:
    """AS-I9."""

    def test_a_replaced_pod(self) -> None:
        """An adopted sandbox MUST keep its Pod; a second one is reported once."""
        stream = Stream()
        stream.member("box")
        stream.pod("box", "pod-1")
        stream.adopted("box", "a")
        stream.gone(POD, "box", uid="pod-1")
        stream.pod("box", "pod-2")
        stream.pod("box", "pod-2")

        assert [str(v) for v in stream.violations()] == [
            "AS-I9 at resourceVersion 5: adopted sandbox box lost Pod pod-1 and got pod-2"
        ]

    def test_a_pod_replaced_after_the_end_of_its_claim(self) -> None:
        """What happens to the sandbox of a deleted claim, which is being collected, MUST NOT matter."""
        stream = Stream()
        stream.claim("a")
        stream.adopted("box", "a")
        stream.pod("box", "pod-1")
        stream.gone(CLAIM, "a")
        stream.gone(POD, "box", uid="pod-1")
        stream.pod("box", "pod-2")

        assert stream.violations() == []

    def test_a_pod_that_the_test_took_away(self) -> None:
        """The loss of an excused Pod is not the controller's doing; that of the next one is."""
        stream = Stream()
        stream.adopted("box", "a")
        stream.pod("box", "pod-1")
        stream.gone(POD, "box", uid="pod-1")
        stream.pod("box", "pod-2")

        assert stream.broken("pod-1") == []
        assert stream.broken("pod-2") == stream.broken() == [("AS-I9", 4)]

    def test_a_pod_replaced_before_the_adoption(self) -> None:
        """What happens to a pool member's Pod before the adoption does not matter."""
        stream = Stream()
        stream.member("box")
        stream.pod("box", "pod-1")
        stream.gone(POD, "box", uid="pod-1")
        stream.pod("box", "pod-2")
        stream.adopted("box", "a")
        stream.pod("box", "pod-2")

        assert stream.violations() == []

    def test_a_pod_that_was_leaving_at_the_adoption(self) -> None:
        """A Pod that was already being deleted is not the one that the claim got."""
        stream = Stream()
        stream.member("box")
        stream.pod("box", "pod-1", **DELETING)
        stream.adopted("box", "a")
        stream.pod("box", "pod-1", status={"phase": "Failed"}, **DELETING)
        stream.gone(POD, "box", uid="pod-1")
        stream.pod("box", "pod-2")
        stream.pod("box", "pod-2", status={"phase": "Running"})

        assert stream.violations() == []

    def test_a_claim_that_gets_another_sandbox(self) -> None:
        """A claim may be bound to a new sandbox with a Pod of its own."""
        stream = Stream()
        stream.adopted("one", "a")
        stream.pod("one", "pod-1")
        stream.claim("a", "one")
        stream.gone(SANDBOX, "one")
        stream.gone(POD, "one", uid="pod-1")
        stream.claim("a")
        stream.adopted("two", "a")
        stream.pod("two", "pod-2")
        stream.claim("a", "two")

        assert stream.violations() == []

    def test_pods_of_others_do_not_matter(self) -> None:
        """Pods that no sandbox owns, and those of pool members, may come and go."""
        stream = Stream()
        stream.record(EntryType.ADDED, POD, "stray")
        stream.member("box")
        stream.pod("box", "pod-1")
        stream.gone(POD, "box", uid="pod-1")
        stream.pod("box", "pod-2")

        assert stream.violations() == []


class TestOrderOfKinds:
    """Watches of different kinds race; the order of the server decides."""

    def test_a_late_watch_does_not_make_a_violation(self) -> None:
        """A clean sequence MUST stay clean when the watch of sandboxes lags behind the others."""
        stream = Stream()
        stream.pod("box", "pod-1", at=2)
        stream.gone(POD, "box", uid="pod-1", at=3)
        stream.pod("box", "pod-2", at=4)
        stream.claim("a", "box", at=6)
        stream.gone(CLAIM, "a", at=7)
        stream.member("box", at=1)
        stream.adopted("box", "a", at=5)

        assert stream.violations() == []
        assert stream.history[0].kind == POD

    def test_a_late_watch_does_not_hide_one(self) -> None:
        """A violation MUST be found although the adoption arrives after the second Pod."""
        stream = Stream()
        stream.pod("box", "pod-1", at=2)
        stream.gone(POD, "box", uid="pod-1", at=4)
        stream.pod("box", "pod-2", at=5)
        stream.member("box", at=1)
        stream.adopted("box", "a", at=3)

        assert stream.broken() == [("AS-I9", 5)]
        assert violations(stream.history) == []
