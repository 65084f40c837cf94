"""What the noise meter makes of two readings of a machine, and of the kernel's texts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from fixtures.load import noise
from fixtures.load.noise import (
    NoiseMeter,
    ProcessKey,
    Reading,
    Usage,
    difference,
    pressure_seconds,
    throttle_files,
    throttled_seconds,
)
from fixtures.load.records import Noise

#: The run: this process (1) with a child (2), and a controller (3) that somebody else started.
RUN = {(1, 0.0): Usage(20.0, 0), (2, 1.0): Usage(10.0, 1), (3, 0.5): Usage(20.0, 0)}
RUN_LATER = {(1, 0.0): Usage(23.0, 0), (2, 1.0): Usage(11.0, 1), (3, 0.5): Usage(22.0, 0)}
#: Two cores, at some instant.
BEFORE = Reading(monotonic=100.0, wall=5000.0, total=1000.0, working=400.0, steal=7.0, iowait=3.0, own=RUN)
#: Ten seconds later: the run itself used 6 of the 20 seconds of two cores, and nobody else did anything.
QUIET = Reading(
    monotonic=110.0, wall=5010.0, total=1020.0, working=406.0, steal=7.0, iowait=3.0, own=RUN_LATER
)


def test_a_quiet_machine_has_no_noise() -> None:
    """What the run's own processes use MUST NOT count as noise."""
    assert difference(BEFORE, QUIET, 0.001) == Noise(0.0, 0.0, 0.0, 0.0, 0.001)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param({"steal": 9.0}, {"steal": 0.1}, id="stolen"),
        pytest.param({"working": 416.0}, {"foreign": 0.5}, id="somebody else computes"),
        pytest.param({"iowait": 4.0}, {"iowait": 0.05}, id="disks are slow"),
        pytest.param({"wall": 5008.0}, {"clock_jump_s": 2.0}, id="the clock was put back"),
        pytest.param({"wall": 5013.0}, {"clock_jump_s": 3.0}, id="the clock was put forward, or slept"),
    ],
)
def test_each_noise_is_told_alone(after: dict[str, float], expected: dict[str, float]) -> None:
    """One cause MUST appear in its own field, with its size, and in no other."""
    quiet = difference(BEFORE, QUIET, 0.0)
    assert difference(BEFORE, replace(QUIET, **after), 0.0) == replace(quiet, **expected)


def test_rounding_of_the_kernel_gives_no_share_below_zero() -> None:
    """Counters that are rounded each for itself, or run back, MUST NOT give a negative share."""
    found = difference(BEFORE, replace(QUIET, working=405.0, iowait=2.9), 0.0)
    assert (found.foreign, found.iowait) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("own", "foreign"),
    [
        # Of the 6 seconds its last two are unknown, so they count as somebody's.
        pytest.param({(1, 0.0): Usage(23.0, 0), (2, 1.0): Usage(11.0, 1)}, 0.1, id="the controller ended"),
        pytest.param(
            {(1, 0.0): Usage(23.0, 0), (2, 1.0): Usage(11.0, 1), (4, 9.0): Usage(2.0, 0)},
            0.0,
            id="another controller began",
        ),
        pytest.param(
            {(1, 0.0): Usage(23.0, 0), (2, 1.0): Usage(11.0, 1), (3, 9.0): Usage(2.0, 0)},
            0.0,
            id="another controller began, with the old one's id",
        ),
        # What the child used so far, 10 seconds, is now its parent's; 1 of them is new.
        pytest.param({(1, 0.0): Usage(34.0, 0), (3, 0.5): Usage(22.0, 0)}, 0.0, id="the child ended"),
    ],
)
def test_processes_that_begin_and_end_are_the_runs_own(own: dict[ProcessKey, Usage], foreign: float) -> None:
    """A component that is started again MUST NOT turn what it had used before into somebody else's time."""
    assert difference(BEFORE, replace(QUIET, own=own), 0.0).foreign == pytest.approx(foreign)


def test_throttling_and_pressure_are_told_where_both_readings_have_them() -> None:
    """A component whose counter appears or vanishes MUST NOT be told with its whole past."""
    before = replace(BEFORE, throttled={"controller": 2.0, "gone": 1.0, "reborn": 3.0}, pressure={"cpu": 1.0})
    after = replace(
        QUIET, throttled={"controller": 2.5, "new": 9.0, "reborn": 0.5}, pressure={"cpu": 1.25, "io": 8.0}
    )
    found = difference(before, after, 0.0)
    assert found.throttled_s == {"controller": 0.5, "reborn": 0.0}
    assert found.pressure_s == {"cpu": 0.25}


def test_two_readings_of_one_instant_say_nothing() -> None:
    """No share MUST be made of no time."""
    with pytest.raises(ValueError, match="no CPU time passed"):
        difference(BEFORE, BEFORE, 0.0)


V2 = "0::/kubelet.slice/pod1/container\n"
V1 = "12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/ignored\n"


@pytest.mark.parametrize(
    ("text", "files"),
    [
        (
            V2,
            [
                "/sys/fs/cgroup/kubelet.slice/pod1/container/cpu.stat",
                "/sys/fs/cgroup/kubelet.slice/pod1/cpu.stat",
                "/sys/fs/cgroup/kubelet.slice/cpu.stat",
                "/sys/fs/cgroup/cpu.stat",
            ],
        ),
        (
            V1,
            [
                "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.stat",
                "/sys/fs/cgroup/cpu,cpuacct/docker/cpu.stat",
                "/sys/fs/cgroup/cpu,cpuacct/cpu.stat",
            ],
        ),
        ("3:cpuset:/\n", []),
    ],
)
def test_throttle_files_of_both_cgroup_versions(text: str, files: list[str]) -> None:
    """A limit may stand at any level above a process, so every level MUST be read."""
    assert throttle_files(text) == [Path(file) for file in files]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("usage_usec 12\nnr_periods 4\nnr_throttled 2\nthrottled_usec 1500000\n", 1.5),
        ("nr_periods 4\nnr_throttled 2\nthrottled_time 2500000000\n", 2.5),
        ("usage_usec 12\nuser_usec 8\nsystem_usec 4\n", None),
    ],
)
def test_throttled_seconds(text: str, seconds: float | None) -> None:
    """Microseconds (v2) and nanoseconds (v1) MUST become seconds; a group without a limit tells none."""
    assert throttled_seconds(text) == seconds


def test_pressure_seconds() -> None:
    """The total of "some" MUST be read, in seconds; any other text is an error."""
    text = (
        "some avg10=0.12 avg60=0.05 avg300=0.01 total=2500000\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
    )
    assert pressure_seconds(text) == 2.5
    with pytest.raises(ValueError, match="no line 'some'"):
        pressure_seconds("")


def test_proc_stat_is_read_as_the_kernel_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guests are part of user, interrupts belong to nobody, steal and iowait stand for themselves."""
    (tmp_path / "stat").write_text(
        "cpu  1000 200 300 4000 50 60 70 80 90 10\n"
        "cpu0 1000 200 300 4000 50 60 70 80 90 10\n"
        "intr 1\nctxt 1\nbtime 1\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n"
    )
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    tick = os.sysconf("SC_CLK_TCK")
    found = noise.read({})
    assert found.total == pytest.approx(5760 / tick)
    assert found.working == pytest.approx(1500 / tick)
    assert (found.steal, found.iowait) == (pytest.approx(80 / tick), pytest.approx(50 / tick))


def test_children_that_ended_still_count_as_the_runs_own() -> None:
    """CPU time of an ended child MUST NOT turn into somebody else's."""
    before = noise.read({"self": os.getpid()})
    spin = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    subprocess.run([sys.executable, "-c", spin], check=True)
    after = noise.read({"self": os.getpid()})
    me = (os.getpid(), psutil.Process().create_time())
    assert after.own[me].seconds - before.own[me].seconds >= 0.4


def test_the_meter_measures_a_real_machine() -> None:
    """Every share of a real machine MUST be one, and the watchdog's pause and the clock be small numbers."""
    meter = NoiseMeter(lambda: {"gone": 2**22 + 1})
    meter.start()
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        pass
    found = meter.stop()
    assert all(0 <= share <= 1 for share in (found.steal, found.foreign, found.iowait))
    assert 0 <= found.longest_pause_s < 60
    assert "gone" not in found.throttled_s


def test_a_meter_has_a_beginning_and_an_end() -> None:
    """Stopping what was not started, or starting twice, MUST be an error."""
    meter = NoiseMeter()
    with pytest.raises(RuntimeError, match="not been started"):
        meter.stop()
    meter.start()
    with pytest.raises(RuntimeError, match="measures already"):
        meter.start()
    time.sleep(0.1)
    meter.stop()
