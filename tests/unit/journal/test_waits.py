"""Waits: what satisfies them, what ends them, and the text that they end with."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fixtures.errors import Undecided
from fixtures.journal import EntryType, Journal, Ref, Wait, WaitAborted, WaitError, WaitTimeout
from fixtures.journal.errors import KEPT_LINES, KEPT_TRANSITIONS, StateViolated
from fixtures.journal.predicates import condition, exists
from fixtures.kube.connection import Connection
from fixtures.kube.kinds import CLAIM, POD, SANDBOX
from fixtures.kube.snapshot import Snapshot
from fixtures.limits import Limits
from tests.unit.journal.conftest import SOON
from tests.unit.journal.objects import NAMESPACE, Object, build, ready

ADDED, MODIFIED, DELETED = EntryType.ADDED, EntryType.MODIFIED, EntryType.DELETED
READY = condition("Ready", "True")


class FedJournal(Journal):
    """The real journal with its real history, fed by hand instead of by watches."""

    def __init__(self) -> None:
        super().__init__(Connection(Path("none"), "none"), NAMESPACE, (POD, SANDBOX, CLAIM), "asc-test::unit")
        #: What the closing list brings to light, each as a call.
        self.on_catch_up: list[Callable[[], object]] = []
        self._timers: list[threading.Timer] = []

    def feed(self, type_: EntryType, obj: Object, *, relisted: bool = False) -> None:
        """Append one event, as a watch does."""
        kind = {"Pod": POD, "Sandbox": SANDBOX, "SandboxClaim": CLAIM}[obj["kind"]]
        with self.changed:
            self.history.record(time.monotonic(), kind, type_, obj, relisted=relisted)
            self.changed.notify_all()

    def soon(self, *events: tuple[EntryType, Object]) -> None:
        """Append events a moment from now, while a wait is under way, a few milliseconds apart."""

        def feed_all() -> None:
            pause = threading.Event()
            for type_, obj in events:
                self.feed(type_, obj)
                pause.wait(0.005)

        timer = threading.Timer(0.03, feed_all)
        self._timers.append(timer)
        timer.start()

    def finish(self) -> None:
        """Wait for what `soon` has still to do."""
        for timer in self._timers:
            timer.join()

    def gap(self) -> None:
        """The watch of Pods loses continuity."""
        with self.changed:
            self.history.record_gap(time.monotonic(), POD, "too old")
            self.changed.notify_all()

    def hit(self) -> None:
        """A rule of the proxy has an effect."""
        with self.changed:
            self.history.record_hit(time.monotonic(), "hold", "patch held")
            self.changed.notify_all()

    def catch_up(self, timeout: float) -> None:
        for find in self.on_catch_up:
            find()


@dataclass
class Late:
    """Collects waits that were satisfied after their cap."""

    calls: list[tuple[str, float, float]] = field(default_factory=list)

    def __call__(self, name: str, elapsed: float, cap: float) -> None:
        self.calls.append((name, elapsed, cap))


@pytest.fixture
def journal() -> Iterator[FedJournal]:
    """An empty journal."""
    made = FedJournal()
    yield made
    made.finish()


@pytest.fixture
def late() -> Late:
    """What was reported as too slow."""
    return Late()


def limits(**seconds: float) -> Limits:
    """Patient limits for what comes, short ones for what does not."""
    short = {"object_gone": 0.15, "immediately": 0.15, "claim_bind_warm": SOON, "watch_resync": 1}
    return Limits.parse([f"{name}={value}" for name, value in (short | seconds).items()])


@pytest.fixture
def wait(journal: FedJournal, late: Late) -> Wait:
    """Waits of requirement AS-X01: claim_bind_warm is long, immediately and object_gone are short."""
    return Wait(journal, limits(), "AS-X01", Path("artifacts/AS-X01"), late)


def pod(version: int, status: str = "False", **fields: object) -> Object:
    """One state of Pod `a`, Ready or not."""
    return build(POD, "a", version, status={"conditions": ready(status)}, **fields)


def ref(**fields: object) -> Ref[Snapshot]:
    """Pod `a` with its UID, counting from the beginning unless said otherwise."""
    return Ref(POD, "a", Snapshot, **{"uid": "uid-a", **fields})  # type: ignore[arg-type]


def timeless(error: WaitError) -> str:
    """The text with T for the seconds that the wait took."""
    return re.sub(r"after \d+\.\d+ s", "after T s", str(error))


class TestUntil:
    """`until`: the first state that satisfies."""

    def test_a_state_that_comes_is_returned(self, wait: Wait, journal: FedJournal) -> None:
        """The first satisfying state MUST be returned, though later ones differ."""
        journal.feed(ADDED, pod(1))
        journal.soon((MODIFIED, pod(2, "True")), (MODIFIED, pod(3)))

        found = wait.until(ref(), READY, limit="claim_bind_warm")

        assert found.resource_version == 2

    def test_a_state_that_is_already_there_is_returned(self, wait: Wait, journal: FedJournal) -> None:
        """A state that came before the wait MUST count, if it is not older than the stimulus."""
        journal.feed(ADDED, pod(7, "True"))

        assert wait.until(ref(stimulus=7), READY, limit="immediately").resource_version == 7

    def test_states_before_the_stimulus_do_not_count(self, wait: Wait, journal: FedJournal) -> None:
        """A state older than the stimulus MUST NOT satisfy."""
        journal.feed(ADDED, pod(6, "True"))
        journal.soon((MODIFIED, pod(8, "True")))

        assert wait.until(ref(stimulus=7), READY, limit="claim_bind_warm").resource_version == 8

    def test_other_objects_do_not_count(self, wait: Wait, journal: FedJournal) -> None:
        """Another kind, another name or another UID of the same name MUST be ignored, deletion included."""
        journal.feed(ADDED, build(SANDBOX, "a", 1, uid="uid-a", status={"conditions": ready()}))
        journal.feed(ADDED, build(POD, "b", 2, status={"conditions": ready()}))
        journal.feed(ADDED, pod(3, "True", uid="older"))
        journal.feed(DELETED, pod(4, "True", uid="older"))
        journal.soon((ADDED, pod(5, "True")))

        assert wait.until(ref(), READY, limit="claim_bind_warm").uid == "uid-a"

    def test_any_object_of_the_name_counts_without_uid(self, wait: Wait, journal: FedJournal) -> None:
        """A reference by name alone MUST outlive the deletion of one object of that name."""
        journal.feed(ADDED, pod(1, uid="older"))
        journal.feed(DELETED, pod(2, uid="older"))
        journal.soon((ADDED, pod(3, "True")))

        assert wait.until(ref(uid=None), READY, limit="claim_bind_warm").uid == "uid-a"

    def test_the_view_of_the_reference_is_returned(self, wait: Wait, journal: FedJournal) -> None:
        """What is returned MUST be of the reference's class."""

        class View(Snapshot):
            pass

        journal.feed(ADDED, pod(1, "True"))

        assert type(wait.until(Ref(POD, "a", View), READY, limit="immediately")) is View

    def test_deletion_aborts(self, wait: Wait, journal: FedJournal) -> None:
        """The deletion of the object MUST end the wait at once, with the evidence."""
        journal.feed(ADDED, pod(1))
        journal.soon((DELETED, pod(2)))

        with pytest.raises(WaitAborted) as caught:
            wait.until(ref(), READY, limit="claim_bind_warm")

        assert timeless(caught.value).splitlines()[0] == (
            f"AS-X01: Pod a in {NAMESPACE} deleted after T s, before: condition Ready=True "
            f"(claim_bind_warm {SOON:.0f} s, cap 30 s)"
        )
        assert caught.value.evidence.actual == "it is gone"
        assert [e.type for _, e in caught.value.evidence.transitions] == [ADDED, DELETED]

    def test_deletion_found_by_a_list_aborts(self, wait: Wait, journal: FedJournal) -> None:
        """A deletion with the version of the last seen state MUST abort, also after a newer stimulus."""
        journal.feed(ADDED, pod(1))
        journal.feed(DELETED, pod(1), relisted=True)

        with pytest.raises(WaitAborted):
            wait.until(ref(stimulus=5), READY, limit="claim_bind_warm")

    def test_a_terminal_state_aborts(self, wait: Wait, journal: FedJournal) -> None:
        """A state from which the goal cannot be reached MUST end the wait at once."""
        journal.feed(ADDED, pod(1))
        journal.soon((MODIFIED, build(POD, "a", 2, status={"conditions": ready("False", "Failed")})))

        with pytest.raises(WaitAborted, match="reached condition Ready=False/Failed after") as caught:
            wait.until(ref(), READY, limit="claim_bind_warm", terminal=condition("Ready", "False", "Failed"))

        assert caught.value.evidence.actual == "Ready=False/Failed"

    def test_a_goal_that_is_also_terminal_is_a_goal(self, wait: Wait, journal: FedJournal) -> None:
        """A state that satisfies MUST be returned although it is terminal too."""
        journal.feed(ADDED, pod(1, "True"))

        assert wait.until(ref(), READY, limit="immediately", terminal=exists()).resource_version == 1

    def test_a_lost_watch_is_undecided(self, wait: Wait, journal: FedJournal) -> None:
        """Nothing MUST be concluded from a journal that no longer sees."""
        journal.failure = ConnectionError("gone")

        with pytest.raises(Undecided, match="watch lost: gone"):
            wait.until(ref(), READY, limit="claim_bind_warm")

    def test_a_gap_does_not_end_a_wait(self, wait: Wait, journal: FedJournal) -> None:
        """After a GAP the state found by the list MUST still satisfy."""
        journal.gap()
        journal.feed(ADDED, pod(5, "True"), relisted=True)

        assert wait.until(ref(), READY, limit="immediately").resource_version == 5

    def test_the_products_own_time_is_added(self, wait: Wait, journal: FedJournal) -> None:
        """A limit with grace MUST be longer by it, and say so."""
        wait.limits = limits(expiry_slack=0.05)

        with pytest.raises(WaitTimeout) as caught:
            wait.until(ref(), READY, limit="expiry_slack", grace=0.1)

        assert caught.value.evidence.limit == pytest.approx(0.15)
        assert caught.value.evidence.cap == pytest.approx(5.1)


class TestTexts:
    """The messages, word by word."""

    def test_a_timeout_says_what_was_seen(self, wait: Wait, journal: FedJournal) -> None:
        """The text MUST have the requirement, object, limit, expected, actual, history, API and files."""
        journal.opened = 100.0
        journal.last_error = "Pod: ClientError: watch Pod: 500"
        journal.reopenings[POD] = 2
        journal.history.record(100.5, POD, ADDED, pod(811, managedFields=[{"manager": "x"}]))
        journal.history.record(
            101.25,
            POD,
            MODIFIED,
            build(POD, "a", 812, status={"conditions": ready("False", "Waiting", message="no IP")}),
        )

        with pytest.raises(WaitTimeout) as caught:
            wait.until(ref(), READY, limit="immediately")

        assert timeless(caught.value) == "\n".join(
            [
                "AS-X01: Pod a in asc-unit not seen after T s: condition Ready=True "
                "(immediately 0.15 s, cap 10 s)",
                "  expected  condition Ready=True",
                "  actual    Ready=False/Waiting (no IP)",
                "  history   +0.50 s rv 811 added Ready=False/Ready"
                " | +1.25 s rv 812 modified Ready=False/Waiting",
                "  API       Pod: ClientError: watch Pod: 500; watch reopened 2 times",
                "  look at   artifacts/AS-X01/events.txt  artifacts/AS-X01/controller.log",
                "  object",
                "    apiVersion: v1",
                "    kind: Pod",
                "    metadata:",
                "      name: a",
                "      namespace: asc-unit",
                "      resourceVersion: '812'",
                "      uid: uid-a",
                "    status:",
                "      conditions:",
                "      - message: no IP",
                "        reason: Waiting",
                "        status: 'False'",
                "        type: Ready",
            ]
        )
        assert isinstance(caught.value, WaitError)

    def test_an_object_that_never_came(self, wait: Wait) -> None:
        """Without any event the text MUST say so."""
        wait.artifacts = None

        with pytest.raises(WaitTimeout) as caught:
            wait.until(ref(), READY, limit="immediately")

        assert str(caught.value).splitlines()[1:] == [
            "  expected  condition Ready=True",
            "  actual    it was never seen",
            "  history   no event",
            "  API       no error",
        ]

    def test_long_evidence_is_cut(self, wait: Wait, journal: FedJournal) -> None:
        """The text MUST quote the last transitions and the beginning of the object, without managedFields."""
        for version in range(1, 31):
            annotations = {f"note-{n:03}": "x" for n in range(90)}
            journal.feed(
                MODIFIED, pod(version, annotations=annotations, managedFields=[{"manager": "kubelet"}])
            )

        with pytest.raises(WaitTimeout) as caught:
            wait.until(ref(), READY, limit="immediately")

        text = str(caught.value)
        assert text.count(" rv ") == KEPT_TRANSITIONS
        assert "rv 20 " not in text
        assert "rv 30 " in text
        assert len(text.split("  object\n")[1].splitlines()) == KEPT_LINES
        assert "managedFields" not in text

    def test_the_frames_of_the_wait_are_hidden(self, wait: Wait) -> None:
        """A traceback MUST end in the test, not in the wait."""
        with pytest.raises(WaitTimeout) as caught:
            wait.until(ref(), READY, limit="immediately")

        assert caught.traceback.filter(caught)[-1].path == Path(__file__)


class TestCaps:
    """Waits that are satisfied, but too late for a conformant system."""

    def test_a_wait_satisfied_after_its_cap_is_reported(
        self, wait: Wait, journal: FedJournal, late: Late, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A success after the cap MUST be returned and reported with limit, elapsed and cap."""
        monkeypatch.setattr(Limits, "cap", lambda *_, **__: 0.01)
        journal.soon((ADDED, pod(1, "True")), (DELETED, pod(2)))

        wait.until(ref(), READY, limit="claim_bind_warm")
        wait.gone(ref(), limit="claim_bind_warm")

        name, elapsed, cap = late.calls[0]
        assert (name, cap) == ("claim_bind_warm", 0.01)
        assert 0.01 < elapsed < SOON

    def test_a_wait_within_its_cap_is_not(self, wait: Wait, journal: FedJournal, late: Late) -> None:
        """A success in time, and one of a limit without cap, MUST NOT be reported."""
        journal.feed(ADDED, pod(1, "True"))

        wait.until(ref(), READY, limit="claim_bind_warm")
        wait.until(ref(), READY, limit="sut_ready")

        assert late.calls == []


class TestAny:
    """`any`: an object nobody knows the name of yet."""

    def test_the_first_object_from_a_position_on(self, wait: Wait, journal: FedJournal) -> None:
        """Objects from before the position, of other kinds and deleted ones MUST NOT count."""
        journal.feed(ADDED, pod(1, "True"))
        since = journal.position()
        journal.feed(DELETED, pod(2, "True"))
        journal.feed(ADDED, build(SANDBOX, "s", 3, status={"conditions": ready()}))
        journal.soon((ADDED, build(POD, "b", 4, status={"conditions": ready()})))

        assert wait.any(POD, Snapshot, READY, limit="claim_bind_warm", since=since).name == "b"

    def test_none_came(self, wait: Wait) -> None:
        """The text MUST name the kind and say that none was seen."""
        with pytest.raises(WaitTimeout, match="AS-X01: a Pod in asc-unit not seen after") as caught:
            wait.any(POD, Snapshot, READY, limit="immediately")
        assert caught.value.evidence.actual == "none was seen"


class TestGone:
    """`gone`: the deletion has been seen."""

    def test_the_last_state_is_returned(self, wait: Wait, journal: FedJournal) -> None:
        """The state at the deletion MUST be returned, whatever the stimulus."""
        journal.feed(ADDED, pod(1))
        journal.soon((DELETED, pod(4)))

        assert wait.gone(ref(stimulus=9), limit="claim_bind_warm").resource_version == 4

    def test_another_object_of_the_name_is_not_it(self, wait: Wait, journal: FedJournal) -> None:
        """The deletion of an earlier object of the same name MUST NOT count."""
        journal.feed(ADDED, pod(1, uid="older"))
        journal.feed(DELETED, pod(2, uid="older"))
        journal.feed(ADDED, pod(3))

        with pytest.raises(WaitTimeout):
            wait.gone(ref())

    def test_a_name_that_lives_again_is_not_gone(self, wait: Wait, journal: FedJournal) -> None:
        """By name alone, the deletion of a predecessor MUST NOT count while the name is in use."""
        journal.feed(ADDED, pod(1, uid="older"))
        journal.feed(DELETED, pod(2, uid="older"))
        journal.feed(ADDED, pod(3))
        by_name = Ref(POD, ref().name, Snapshot)

        with pytest.raises(WaitTimeout, match="still there"):
            wait.gone(by_name)
        journal.feed(DELETED, pod(4))
        assert wait.gone(by_name).resource_version == 4

    def test_what_was_never_there_is_said_so(self, wait: Wait) -> None:
        """An object that never existed MUST NOT be called still there."""
        with pytest.raises(WaitTimeout, match="it was never seen"):
            wait.gone(ref())

    def test_what_blocks_is_named(self, wait: Wait, journal: FedJournal) -> None:
        """The finalizers that hold the object MUST be in the text."""
        journal.feed(ADDED, pod(1, finalizers=["example.test/hold", "other"]))

        with pytest.raises(WaitTimeout, match="still there, finalizers: example.test/hold, other"):
            wait.gone(ref())


class TestAll:
    """`all`: a question to the whole journal."""

    @staticmethod
    def three_pods(journal: Journal) -> str | None:
        count = len(journal.history.live(POD))
        return None if count == 3 else f"{count} of 3"

    def test_it_returns_when_nothing_is_missing(self, wait: Wait, journal: FedJournal) -> None:
        """The question MUST be asked after every event."""
        journal.feed(ADDED, build(POD, "x", 1))
        journal.soon((ADDED, build(POD, "y", 2)), (ADDED, build(POD, "z", 3)))

        wait.all("three pods", self.three_pods, limit="claim_bind_warm")

    def test_it_returns_at_once_when_nothing_is_missing(self, wait: Wait) -> None:
        """A question with nothing missing MUST NOT wait for an event."""
        wait.all("anything", lambda _: None, limit="claim_bind_warm")

    def test_an_event_during_the_first_question_counts(self, wait: Wait, journal: FedJournal) -> None:
        """What arrives while the question is asked for the first time MUST NOT be missed."""
        answers: list[str | None] = []

        def question(asked: Journal) -> str | None:
            found = self.three_pods(asked)
            if not answers:
                for name in "xyz":
                    journal.feed(ADDED, build(POD, name, 1))
            answers.append(found)
            return found

        wait.all("three pods", question, limit="claim_bind_warm")

        assert answers == ["0 of 3", None]

    def test_a_flood_is_asked_about_once(self, wait: Wait, journal: FedJournal) -> None:
        """For all that came in meanwhile the question MUST be asked once: it may read the whole history."""
        answers: list[str | None] = []

        def question(asked: Journal) -> str | None:
            answers.append(self.three_pods(asked))
            if len(answers) == 1:
                for number in range(500):
                    journal.hit()
                    journal.feed(ADDED, build(POD, f"pod-{number % 2}", number + 1))
                journal.soon((ADDED, build(POD, "pod-2", 1000)))
            return answers[-1]

        wait.all("three pods", question, limit="claim_bind_warm")

        assert answers == ["0 of 3", "2 of 3", None]

    def test_a_hit_of_the_proxy_counts(self, wait: Wait, journal: FedJournal) -> None:
        """Where everything is held back nothing but the hit tells so: the question MUST be asked after it."""

        later = threading.Timer(0.03, journal.hit)
        later.start()

        wait.all("a hit", lambda j: None if j.history.hits() else "none so far", limit="immediately")
        later.join()

    def test_the_text_says_what_is_missing(self, wait: Wait, journal: FedJournal) -> None:
        """The last answer of the question MUST be the actual state."""
        journal.soon((ADDED, build(POD, "x", 1)))

        with pytest.raises(
            WaitTimeout, match="the namespace in asc-unit not seen after .*: three pods"
        ) as caught:
            wait.all("three pods", self.three_pods, limit="immediately")
        assert caught.value.evidence.actual == "1 of 3"


class TestHolds:
    """`holds`: every state in a window, and a closing list."""

    def test_the_last_state_is_returned(self, wait: Wait, journal: FedJournal) -> None:
        """A state that holds throughout MUST be returned as it is at the end."""
        journal.feed(ADDED, pod(1, "True"))
        journal.soon((MODIFIED, pod(2, "True")))

        assert wait.holds(ref(), READY, window="immediately").resource_version == 2

    def test_a_violation_of_a_few_milliseconds(self, wait: Wait, journal: FedJournal) -> None:
        """A state that is wrong between two right ones MUST be seen."""
        journal.feed(ADDED, pod(1, "True"))
        journal.soon((MODIFIED, pod(2, "False")), (MODIFIED, pod(3, "True")))

        with pytest.raises(
            StateViolated, match="violated after .*: condition Ready=True throughout"
        ) as caught:
            wait.holds(ref(), READY, window="immediately")
        assert caught.value.evidence.actual == "Ready=False/Ready"
        assert [e.object.resource_version for _, e in caught.value.evidence.transitions] == [2]

    def test_a_violation_that_only_the_closing_list_shows(self, wait: Wait, journal: FedJournal) -> None:
        """A state that the watch delivers too late MUST be found by the closing list."""
        journal.feed(ADDED, pod(1, "True"))
        journal.on_catch_up.append(lambda: journal.feed(MODIFIED, pod(2, "False")))

        with pytest.raises(StateViolated) as caught:
            wait.holds(ref(), READY, window="immediately")
        assert [e.object.resource_version for _, e in caught.value.evidence.transitions] == [2]

    def test_a_violation_between_the_window_and_the_closing_list(
        self, wait: Wait, journal: FedJournal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A state that comes just after the window, before the closing list begins, MUST be seen."""
        journal.feed(ADDED, pod(1, "True"))
        follow = journal.follow

        def and_then(since: int, deadline: float) -> Iterator[object]:
            yield from follow(since, deadline)
            journal.feed(MODIFIED, pod(2, "False"))
            journal.feed(MODIFIED, pod(3, "True"))

        monkeypatch.setattr(journal, "follow", and_then)

        with pytest.raises(StateViolated):
            wait.holds(ref(), READY, window="immediately")

    def test_deletion_violates(self, wait: Wait, journal: FedJournal) -> None:
        """An object that goes away in the window MUST be a violation."""
        journal.feed(ADDED, pod(1, "True"))
        journal.soon((DELETED, pod(2, "True")))

        with pytest.raises(StateViolated) as caught:
            wait.holds(ref(), READY, window="immediately")
        assert caught.value.evidence.actual == "it was deleted"

    def test_the_state_at_the_beginning_counts(self, wait: Wait, journal: FedJournal) -> None:
        """A state that is wrong from the start MUST be a violation although no event comes."""
        journal.feed(ADDED, pod(1, "False"))

        with pytest.raises(StateViolated) as caught:
            wait.holds(ref(), READY, window="immediately")
        assert caught.value.evidence.actual == "Ready=False/Ready"

    @pytest.mark.parametrize("uid", ["uid-a", None])
    def test_an_object_that_is_not_there(self, wait: Wait, journal: FedJournal, uid: str | None) -> None:
        """Nothing holds for an object that does not exist, nor for another one of its name."""
        if uid:
            journal.feed(ADDED, pod(1, "True", uid="other"))

        with pytest.raises(StateViolated) as caught:
            wait.holds(ref(uid=uid), READY, window="immediately")
        assert caught.value.evidence.actual == "it does not exist"

    @pytest.mark.parametrize("before", [None, "False"], ids=["just created", "just changed"])
    def test_the_last_write_may_still_be_on_its_way(
        self, wait: Wait, journal: FedJournal, before: str | None
    ) -> None:
        """What is older than the handle's last write MUST NOT be judged: the watch may lag behind it."""
        if before:
            journal.feed(ADDED, pod(1, before))
        journal.on_catch_up.append(lambda: journal.feed(MODIFIED, pod(5, "True")))

        assert wait.holds(ref(stimulus=5), READY, window="immediately").resource_version == 5

    def test_a_gap_is_undecided(self, wait: Wait, journal: FedJournal) -> None:
        """What happened in a GAP is unknown: nothing MUST be concluded."""
        journal.feed(ADDED, pod(1, "True"))
        journal.on_catch_up.append(journal.gap)

        with pytest.raises(Undecided, match="the watch of Pod lost continuity: too old"):
            wait.holds(ref(), READY, window="immediately")

    def test_an_earlier_gap_and_one_of_another_kind_do_not_matter(
        self, wait: Wait, journal: FedJournal
    ) -> None:
        """Only a GAP of the object's own kind inside the window MUST count."""
        journal.gap()
        journal.feed(ADDED, build(SANDBOX, "a", 1, status={"conditions": ready()}))
        journal.on_catch_up.append(journal.gap)

        assert wait.holds(Ref(SANDBOX, "a", Snapshot), READY, window="immediately").resource_version == 1


class TestNever:
    """`never`: a window that ends on a barrier."""

    def test_the_barrier_ends_the_window(self, wait: Wait, journal: FedJournal) -> None:
        """What happens before the barrier returns MUST be seen, however late that is."""
        since = journal.position()

        def barrier() -> None:
            journal.soon((ADDED, pod(1, "True")))
            journal.finish()

        with pytest.raises(StateViolated, match="AS-X01: a Pod in asc-unit violated after .*never") as caught:
            wait.never(POD, READY, since=since, barrier=barrier)
        assert caught.value.evidence.actual == "Pod asc-unit/a: Ready=True/Ready"
        assert [e.object.name for _, e in caught.value.evidence.transitions] == ["a"]

    def test_a_passing_state_counts(self, wait: Wait, journal: FedJournal) -> None:
        """A state that has passed again MUST be a violation."""
        journal.feed(ADDED, pod(1, "True"))
        journal.feed(MODIFIED, pod(2, "False"))

        with pytest.raises(StateViolated):
            wait.never(POD, READY, since=0, barrier=lambda: None)

    def test_what_only_the_closing_list_shows(self, wait: Wait, journal: FedJournal) -> None:
        """After the barrier the watches MUST catch up before anything is concluded."""
        journal.on_catch_up.append(lambda: journal.feed(ADDED, pod(1, "True")))

        with pytest.raises(StateViolated):
            wait.never(POD, READY, since=0, barrier=lambda: None)

    def test_other_kinds_and_earlier_states_do_not_matter(self, wait: Wait, journal: FedJournal) -> None:
        """Only the kind asked about, from the position on, MUST count; a deletion is no state."""
        journal.feed(ADDED, pod(1, "True"))
        since = journal.position()
        journal.feed(ADDED, build(SANDBOX, "s", 2, status={"conditions": ready()}))
        journal.feed(DELETED, pod(3, "True"))

        wait.never(POD, READY, since=since, barrier=lambda: None)

    def test_a_barrier_that_fails_proves_nothing(self, wait: Wait) -> None:
        """The error of the barrier MUST come through: without it nothing is proven."""

        def barrier() -> None:
            raise Undecided("no reply")

        with pytest.raises(Undecided, match="no reply"):
            wait.never(POD, READY, since=0, barrier=barrier)

    def test_a_gap_is_undecided(self, wait: Wait, journal: FedJournal) -> None:
        """What happened in a GAP is unknown: nothing MUST be concluded."""
        journal.gap()

        with pytest.raises(Undecided, match="lost continuity"):
            wait.never(POD, READY, since=0, barrier=lambda: None)


class TestHistory:
    """`history`: what a test reads without a wait for just that."""

    def test_the_watches_catch_up_first(self, wait: Wait, journal: FedJournal) -> None:
        """What the watch of one kind has not told yet MUST be in there."""
        journal.feed(ADDED, pod(1))
        journal.on_catch_up.append(lambda: journal.feed(MODIFIED, pod(2)))

        assert [e.object.resource_version for e in wait.history().of(POD)] == [1, 2]


class TestCurrent:
    """`current`: the state that the API server has."""

    def test_the_watches_catch_up_first(self, wait: Wait, journal: FedJournal) -> None:
        """The state MUST be the one after catching up."""
        journal.feed(ADDED, pod(1))
        journal.on_catch_up.append(lambda: journal.feed(MODIFIED, pod(2)))

        assert wait.current(ref()).resource_version == 2

    @pytest.mark.parametrize("uid", ["other", None])
    def test_an_object_that_is_not_there(self, wait: Wait, journal: FedJournal, uid: str | None) -> None:
        """A missing object, or another one of its name, MUST abort."""
        if uid:
            journal.feed(ADDED, pod(1, uid=uid))

        with pytest.raises(WaitAborted, match="not there after"):
            wait.current(ref())
