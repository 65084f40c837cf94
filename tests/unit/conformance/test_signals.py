"""Interruptions in mid-run: everything is taken down in order, once, and nothing keeps running."""

from __future__ import annotations

import os
import signal
import time

import psutil

from .conftest import Project

SLEEPS = '''
    @pytest.fixture
    def namespace():
        yield
        time.sleep(0.5)
        stub_testbed.note("removed")

    @claims(1)
    @pytest.mark.parametrize("n", [1, 2])
    def test_sleeps(namespace, n):
        """It MUST end."""
        stub_testbed.note("sleeps")
        time.sleep(60)
'''


def interrupted(project: Project, mode: list[str], *, number: signal.Signals, group: bool) -> None:
    project.write(SLEEPS)
    child = project.spawn(*mode)
    # Every worker: one that is still in set-up would be torn down without having slept.
    project.wait_for_log("sleeps", count=2 if mode else 1)
    send = os.killpg if group else os.kill
    send(child.pid, number)
    time.sleep(0.2)
    # A CI system sends a second signal when the first seems to have done nothing.
    send(child.pid, signal.SIGTERM)

    ended = project.wait(child)

    assert ended.code == 2, ended.text
    assert f"interrupted by {number.name}" in str(project.report()["incomplete"])
    assert "exit code 2: the run was interrupted" in ended.text
    log = project.log()
    assert log[0] == "start"
    assert log.count("removed") == log.count("sleeps")
    assert [line for line in log if line.startswith("stop")] == ["stop failed=True"]
    assert log[-1] == "stop failed=True"
    for line in project.log(pids=True):
        assert not psutil.pid_exists(int(line.split()[-1])), f"still running: {line}"
    assert not (project.artifacts / ".state").exists()


def test_sigterm_in_a_serial_run(project: Project) -> None:
    """SIGTERM MUST end a serial run in order."""
    interrupted(project, [], number=signal.SIGTERM, group=False)


def test_sigint_in_a_serial_run(project: Project) -> None:
    """SIGINT MUST end a serial run in order."""
    interrupted(project, [], number=signal.SIGINT, group=False)


def test_sigterm_to_the_main_process_with_workers(project: Project) -> None:
    """SIGTERM to the main process alone MUST reach the workers, which tear down first."""
    interrupted(project, ["-n2"], number=signal.SIGTERM, group=False)


def test_ctrl_c_with_workers(project: Project) -> None:
    """A terminal sends SIGINT to all processes at once; they MUST end in order all the same."""
    interrupted(project, ["-n2"], number=signal.SIGINT, group=True)


def test_a_run_ends_with_its_tox(project: Project) -> None:
    """A run MUST take its testbed down when the tox that started it is killed, and nobody else is left."""
    project.write(SLEEPS)
    tox = project.spawn_below("TOX_ENV_NAME=e2e")
    project.wait_for_log("sleeps")
    os.kill(tox.pid, signal.SIGKILL)

    project.wait_for_log("stop")

    assert "interrupted by SIGTERM" in str(project.report()["incomplete"])
    project.wait(tox)
