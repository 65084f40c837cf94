"""The name of a test's namespace, and what a failed test leaves behind."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures import diagnostics
from fixtures.diagnostics import dump
from fixtures.journal import EntryType, Journal
from fixtures.kube.client import Api, ApiError
from fixtures.kube.connection import Connection
from fixtures.kube.kinds import EVENT, POD, SANDBOX
from fixtures.namespace import namespace_name, worker_name
from fixtures.system.rollout.events import CALL, Call
from tests.unit.journal.objects import NAMESPACE, build, ready

TEST = st.text(min_size=1, max_size=200)
RUN = st.text("0123456789abcdefTZ-", min_size=1, max_size=40)
WORKER = st.integers(0, 9999).map("gw{}".format) | st.just("main")


def item(nodeid: str) -> pytest.Item:
    """What `namespace_name` reads of a test."""
    return cast(pytest.Item, SimpleNamespace(nodeid=nodeid))


class TestNamespaceName:
    """`namespace_name`."""

    @given(TEST, RUN, WORKER)
    @settings(deadline=None, database=None, max_examples=50)
    def test_always_a_label(self, test: str, run: str, worker: str) -> None:
        """Whatever a test is called, the name MUST be a DNS-1123 label, and the same each time."""
        name = namespace_name(item(test), run, worker)

        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)
        assert len(name) <= 63
        assert name.startswith("asc-")
        assert name == namespace_name(item(test), run, worker)

    @given(st.lists(st.tuples(TEST, RUN, WORKER), unique=True, min_size=2, max_size=20))
    @settings(deadline=None, database=None, max_examples=50)
    def test_never_the_same_twice(self, runs: list[tuple[str, str, str]]) -> None:
        """Another test, run or worker MUST have another namespace."""
        names = [namespace_name(item(test), run, worker) for test, run, worker in runs]

        assert len(set(names)) == len(names)

    @pytest.mark.parametrize(
        ("other", "run", "worker"),
        [("a", "r", "gw0"), ("t", "q", "gw0"), ("t", "r", "gw1"), ("t", "r", "main")],
    )
    def test_every_part_counts(self, other: str, run: str, worker: str) -> None:
        """Each of the three parts alone MUST change the name."""
        assert namespace_name(item("t"), "r", "gw0") != namespace_name(item(other), run, worker)

    def test_workers(self) -> None:
        """A serial run MUST have a worker's name too."""
        serial, parallel = SimpleNamespace(), SimpleNamespace(workerinput={"workerid": "gw3"})

        assert worker_name(cast(pytest.Config, serial)) == "main"
        assert worker_name(cast(pytest.Config, parallel)) == "gw3"


@pytest.fixture
def journal() -> Journal:
    """A Pod's life, a Sandbox, a Kubernetes Event and a GAP, over 12 seconds."""
    made = Journal(Connection(Path("none"), "none"), NAMESPACE, (POD, SANDBOX, EVENT), "asc-test::unit")
    made.opened = 100.0
    about = {"involvedObject": {"kind": "Pod", "name": "a"}, "reason": "Failed", "message": "no node"}
    record = made.history.record
    record(100.5, POD, EntryType.ADDED, build(POD, "a", 5, status={"conditions": ready("False", "Waiting")}))
    record(100.75, EVENT, EntryType.ADDED, build(EVENT, "a.1", 6) | about)
    record(101.0, SANDBOX, EntryType.ADDED, build(SANDBOX, "box", 7))
    made.history.record_gap(102.0, POD, "too old")
    record(112.125, POD, EntryType.DELETED, build(POD, "a", 1234567), relisted=True)
    return made


class TestDump:
    """`dump`."""

    def test_the_files(self, journal: Journal, tmp_path: Path) -> None:
        """Every collector MUST leave its file, and nothing else be there."""
        dump(tmp_path / "new" / "AS-X01", journal, "a line of the log\n")

        found = sorted(
            str(p.relative_to(tmp_path / "new" / "AS-X01")) for p in (tmp_path / "new").rglob("*.*")
        )
        assert found == [
            "controller.log",
            "events.txt",
            "objects/Pod-a.deleted.yaml",
            "objects/Sandbox-box.yaml",
            "timeline.json",
        ]

    def test_the_contents(self, journal: Journal, tmp_path: Path) -> None:
        """The events are for a person, the timeline for a program, objects in their last state."""
        dump(tmp_path, journal, "a line of the log\n")

        assert (tmp_path / "controller.log").read_text() == "a line of the log\n"
        assert (tmp_path / "events.txt").read_text().splitlines() == [
            "   0.500 s  rv 5       ADDED    Pod/a  Ready=False/Waiting",
            "   0.750 s  rv 6       ADDED    Event/a.1  Pod/a Failed: no node",
            "   1.000 s  rv 7       ADDED    Sandbox/box  no conditions",
            "   2.000 s  GAP Pod: too old",
            "  12.125 s  rv 1234567 DELETED  Pod/a  no conditions (relisted)",
        ]
        timeline: list[dict[str, Any]] = json.loads((tmp_path / "timeline.json").read_text())
        assert [(e["seq"], e["at"], e["kind"], e["type"], e["relisted"]) for e in timeline] == [
            (0, 0.5, "Pod", "ADDED", False),
            (1, 0.75, "Event", "ADDED", False),
            (2, 1.0, "Sandbox", "ADDED", False),
            (3, 2.0, "Pod", "GAP", False),
            (4, 12.125, "Pod", "DELETED", True),
        ]
        assert timeline[0]["object"]["status"]["conditions"][0]["reason"] == "Waiting"
        last = yaml.safe_load((tmp_path / "objects" / "Pod-a.deleted.yaml").read_text())
        assert last["metadata"]["resourceVersion"] == "1234567"

    def test_notes_hold_records(self, journal: Journal, tmp_path: Path) -> None:
        """What a note says for programs MUST be in the timeline, whatever it is made of."""
        call = Call(1, "gateway", "GetActor", "asr-1", {}, 1.0)
        journal.history.record_note(journal.opened + 20, CALL, "a call", {"after": {"call": call}})

        dump(tmp_path, journal, "log")

        timeline = json.loads((tmp_path / "timeline.json").read_text())
        assert timeline[-1]["object"]["detail"]["after"]["call"]["method"] == "GetActor"
        assert not (tmp_path / "collector-errors.txt").exists()

    def test_a_collector_that_fails(
        self,
        journal: Journal,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """An error of a collector MUST be noted, MUST NOT be raised, and MUST NOT cost the other files."""

        def broken(*_: object) -> None:
            raise OSError("disk full")

        monkeypatch.setattr(diagnostics, "_timeline", broken)

        dump(tmp_path, journal, "log")

        assert (tmp_path / "collector-errors.txt").read_text() == "timeline.json: OSError: disk full\n"
        assert (tmp_path / "events.txt").exists()
        assert (tmp_path / "controller.log").exists()
        assert (tmp_path / "objects" / "Sandbox-box.yaml").exists()
        assert "diagnostics incomplete" in caplog.text

    def test_logs_of_pods_that_run(self, journal: Journal, tmp_path: Path) -> None:
        """Each container's log MUST be there, that of its life before as well, and why there is none."""
        pods = {"live": 1, "young": 0}
        for number, (name, restarts) in enumerate(pods.items()):
            status = {"containerStatuses": [{"name": "agent", "restartCount": restarts}]}
            journal.history.record(113.0, POD, EntryType.ADDED, build(POD, name, 20 + number, status=status))

        class Kubelet:
            def text(self, path: str) -> str:
                if "/young/" in path:
                    raise ApiError("GET", path, 400, "BadRequest", "waiting to start")
                return f"{path}\n"

        dump(tmp_path, journal, "log", cast(Api, Kubelet()))

        logs = {path.name: path.read_text() for path in (tmp_path / "logs").iterdir()}
        where = f"/api/v1/namespaces/{NAMESPACE}/pods/live/log?container=agent&previous="
        assert logs.pop("live-agent.log") == f"{where}false\n"
        assert logs.pop("live-agent-previous.log") == f"{where}true\n"
        assert "waiting to start" in logs.pop("young-agent.log")
        assert logs == {}

    def test_nothing_happened(self, tmp_path: Path) -> None:
        """An empty journal MUST be dumped without an error."""
        empty = Journal(Connection(Path("none"), "none"), NAMESPACE, (POD,), "asc-test::unit")

        dump(tmp_path, empty, "")

        assert (tmp_path / "events.txt").read_text() == ""
        assert not (tmp_path / "collector-errors.txt").exists()
