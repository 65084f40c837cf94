"""Every way a test can end, from pytest's hooks to the report, serial and with workers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from .conftest import Project

EVERY_ENDING = '''
    @pytest.fixture
    def broken_setup():
        raise RuntimeError("no pool")

    @pytest.fixture
    def broken_teardown():
        yield
        raise RuntimeError("namespace leaked")

    @claims(1)
    def test_passes(testbed, step):
        """It MUST pass."""
        step("look")

    @claims(2)
    def test_fails():
        """It MUST hold."""
        assert 1 == 2

    @claims(3)
    def test_setup(broken_setup):
        """It MUST be set up."""

    @claims(4)
    def test_teardown(broken_teardown):
        """It MUST be taken down."""

    @claims(5)
    def test_skip():
        """It MUST not be skipped."""
        pytest.skip("no time")

    @claims(6)
    @pytest.mark.xfail(reason="known")
    def test_xfail():
        """It MUST hold, and xfail does not help."""
        assert 1 == 2

    @claims(7)
    def test_undecided():
        """It MUST be seen."""
        raise Undecided("all members on one node")

    @claims(8, strength="SHOULD", level="extended")
    def test_advisory():
        """It SHOULD hold."""
        assert 1 == 2

    @claims(9)
    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_worst_case(n):
        """Every case MUST hold."""
        assert n != 2

    @claims(10, features=["SandboxClaimAdoptionConflict"])
    def test_no_feature(broken_setup):
        """It MUST be there."""

    @claims(11, needs=["multi-node"])
    def test_no_capability(broken_setup):
        """It MUST spread."""

    @claims(12, strength="SAFETY")
    def test_safety():
        """It MUST be safe in our own implementation."""
        assert 1 == 2

    @provisional(since="0.2.0", promote_by="2999-01-01")
    @claims(13)
    def test_new():
        """It MUST hold one day."""
        assert 1 == 2

    @provisional(since="0.2.0", promote_by="2999-01-01")
    @claims(14)
    def test_new_and_good():
        """It MUST hold already."""
'''

CRASH = '''
    @claims(20)
    def test_crash():
        """The worker MUST survive."""
        os._exit(9)
'''

OUTCOMES = {
    "AS-C01": "PASSED",
    "AS-C02": "FAILED",
    "AS-C03": "ERROR",
    "AS-C04": "ERROR",
    "AS-C05": "SKIPPED",
    "AS-C06": "FAILED",
    "AS-C07": "UNKNOWN",
    "AS-C08": "FAILED",
    "AS-C09": "FAILED",
    "AS-C10": "NOT_SUPPORTED",
    "AS-C11": "NOT_APPLICABLE",
    "AS-C12": "FAILED",
    "AS-C13": "FAILED",
    "AS-C14": "PASSED",
}


def check_report(project: Project) -> None:
    report = project.report()
    reasons = {test["id"]: test["reason"] for test in report["tests"]}

    assert report["conformant"] is False
    assert report["focused"] is False
    assert [a["id"] for a in report["advisories"]] == ["AS-C08", "AS-C12", "AS-C13"]
    assert report["succeededProvisionalTests"] == ["AS-C14"]
    assert report["profiles"][0]["core"]["result"] == "failure"
    assert report["profiles"][0]["extended"]["result"] == "none"
    assert reasons["AS-C03"] == "setup: RuntimeError: no pool"
    assert reasons["AS-C04"] == "teardown: RuntimeError: namespace leaked"
    assert reasons["AS-C07"] == "all members on one node"
    assert reasons["AS-C10"] == "feature SandboxClaimAdoptionConflict is not supported (inferred)"
    assert reasons["AS-C11"] == "the environment lacks multi-node"
    assert project.results().problems == ()


def test_every_ending_in_a_serial_run(project: Project) -> None:
    """Each ending MUST have its outcome, and a failure MUST give exit code 1."""
    project.write(EVERY_ENDING)

    ended = project.run()

    assert project.outcomes() == OUTCOMES
    assert ended.code == 1
    assert "exit code 1: a requirement that counts failed" in ended.text
    assert project.log() == ["start", "stop failed=True"]
    check_report(project)


def test_every_ending_and_a_crash_with_workers(project: Project) -> None:
    """Workers MUST change no outcome; the test that kills its worker is FAILED, and the run goes on."""
    project.write(EVERY_ENDING + CRASH)

    ended = project.run_child("-n2")

    assert project.outcomes() == {**OUTCOMES, "AS-C20": "FAILED"}, ended.text
    assert ended.code == 1
    log = project.log()
    # Two workers and the one that replaced the crashed one joined the one testbed.
    assert log == ["start", "attach", "attach", "attach", "stop failed=True"]
    check_report(project)


def test_a_failure_is_explained(project: Project) -> None:
    """A failing test MUST show its requirement, its steps and where its artifacts are."""
    project.write('''
        from fixtures.conformance import artifact_dir

        @claims(1)
        def test_fails(request, step):
            """It MUST hold."""
            (artifact_dir(request.node) / "events.txt").write_text("x")
            step("delete the sandbox")
            raise AssertionError("AS-C01: claim not bound\\n  expected  Ready")
    ''')

    text = project.run().text

    assert "AS-C01 (CLAIMS core, MUST): It MUST hold." in text
    assert "delete the sandbox" in text
    assert "expected  Ready" in text
    assert "/AS-C01" in text
    assert "FAILED   AS-C01  AssertionError: AS-C01: claim not bound" in text
    assert (project.artifacts / "AS-C01" / "events.txt").exists()


def test_advisories_are_shown_and_do_not_count(project: Project) -> None:
    """A SHOULD that fails MUST be visible and MUST NOT turn the run red."""
    project.write('''
        @claims(1)
        def test_passes():
            """It MUST hold."""

        @claims(2, strength="SHOULD")
        def test_advisory():
            """It SHOULD hold."""
            assert 1 == 2
    ''')

    ended = project.run()

    assert ended.code == 0
    assert "advisory FAILED AS-C02" in ended.text
    assert "1 passed, 1 advisory" in ended.text
    assert project.report()["conformant"] is True


def test_provisional_requirements_count_when_asked(project: Project) -> None:
    """--count-provisional MUST let them count."""
    project.write('''
        @provisional(since="0.2.0", promote_by="2999-01-01")
        @claims(1)
        def test_new():
            """It MUST hold one day."""
            assert 1 == 2
    ''')

    assert project.run().code == 3
    assert project.run("--count-provisional").code == 1


def test_gated_tests_touch_nothing(project: Project) -> None:
    """NOT_SUPPORTED and NOT_APPLICABLE MUST be decided before any fixture runs."""
    project.write('''
        @pytest.fixture
        def namespace(testbed):
            stub_testbed.note("namespace")

        @claims(1, features=["SandboxClaimAdoptionConflict"])
        def test_feature(namespace):
            """It MUST be there."""

        @claims(2, needs=["multi-node"])
        def test_capability(namespace):
            """It MUST spread."""

        @claims(3, profile="WARMPOOL")
        def test_profile(namespace):
            """It MUST refill."""
    ''')

    ended = project.run()

    assert project.log() == ["start", "stop failed=True"]
    assert project.outcomes() == {
        "AS-C01": "NOT_SUPPORTED",
        "AS-C02": "NOT_APPLICABLE",
        "AS-C03": "NOT_SUPPORTED",
    }
    assert ended.code == 3


def test_checks_run_after_every_test(project: Project) -> None:
    """A broken invariant MUST fail a passing test in its call, and MUST be noted on a failing one."""
    project.write('''
        @pytest.fixture
        def invariants(request):
            def violated():
                raise AssertionError("I1: one sandbox, two claims")
            checks.register(request.node, violated)
            yield
            stub_testbed.note(f"failed={failed(request.node)}")

        @claims(1)
        def test_passes(invariants):
            """It MUST hold."""

        @claims(2)
        def test_fails(invariants):
            """It MUST hold."""
            raise ValueError("something else")

        @claims(3)
        def test_undecided(invariants):
            """It MUST hold."""
            raise Undecided("nothing to see")
    ''')

    ended = project.run()

    reasons = {test["id"]: test["reason"] for test in project.report()["tests"]}
    assert set(project.outcomes().values()) == {"FAILED"}
    assert reasons["AS-C01"] == "AssertionError: I1: one sandbox, two claims"
    assert reasons["AS-C02"] == "ValueError: something else"
    assert "end-of-test check also failed: AssertionError: I1: one sandbox, two claims" in ended.text
    assert project.log()[1:4] == ["failed=True"] * 3


def test_a_fixture_learns_of_a_later_finalizer_that_failed(project: Project) -> None:
    """`failed` MUST be true in a teardown that comes after a failing one, and false after good ones."""
    project.write('''
        @pytest.fixture
        def namespace(request):
            yield
            stub_testbed.note(f"failed={failed(request.node)}")

        @pytest.fixture
        def pool(namespace):
            yield
            raise RuntimeError("not removed")

        @claims(1)
        def test_good(namespace):
            """It MUST hold."""

        @claims(2)
        def test_bad(pool):
            """It MUST hold."""
    ''')

    project.run()

    assert project.log()[1:3] == ["failed=False", "failed=True"]
    assert project.outcomes() == {"AS-C01": "PASSED", "AS-C02": "ERROR"}


def test_a_wait_after_its_cap_decides_nothing(project: Project) -> None:
    """A wait satisfied after its cap MUST make the entry UNKNOWN and MUST be listed."""
    project.write('''
        from fixtures.conformance import late

        @claims(1)
        def test_slow(request):
            """It MUST bind."""
            late(request.node, "claim_bind_warm", 31.0, 30.0)
    ''')

    ended = project.run("--timeout-scale", "10")

    assert ended.code == 3
    assert project.outcomes() == {"AS-C01": "UNKNOWN"}
    assert project.report()["nonConformantTimeouts"] == [
        {"id": "AS-C01", "limit": "claim_bind_warm", "elapsed": 31.0, "cap": 30.0}
    ]
    assert project.report()["timeouts"]["claim_bind_warm"] == [100.0, 10, 30]


def test_exclusive_tests_run_alone(project: Project) -> None:
    """While a test uses the system exclusively, no other test MUST be running."""
    project.write('''
        @pytest.fixture
        def spell(request):
            stub_testbed.note(f"{request.node.name[:8]} begins")
            time.sleep(0.3)
            yield
            time.sleep(0.1)
            stub_testbed.note(f"{request.node.name[:8]} ends")

        @claims(1)
        @pytest.mark.parametrize("n", range(8))
        def test_shared(spell, n):
            """It MUST share."""

        @claims(2)
        @uses("sut:exclusive")
        @pytest.mark.parametrize("n", range(2))
        def test_exclusive(spell, n):
            """It MUST be alone."""
    ''')

    ended = project.run_child("-n2", "--dist", "load")

    assert ended.code == 0, ended.text
    running: list[str] = []
    shared_together = False
    for line in project.log():
        name, _, what = line.partition(" ")
        if what == "begins":
            running.append(name)
            assert "test_exc" not in running or len(running) == 1, project.log()
            shared_together |= len(running) == 2
        elif what == "ends":
            running.remove(name)
    assert shared_together


@pytest.mark.parametrize(("target", "most"), [("reference", 2), ("real", 1)])
def test_tests_take_turns_on_one_substrate(
    project: Project, monkeypatch: pytest.MonkeyPatch, target: str, most: int
) -> None:
    """Where rollouts share a substrate, two tests of them MUST NOT run at once; elsewhere they do."""
    monkeypatch.setenv("STUB_FEATURES", "SandboxAgentTemplates")
    project.write('''
        @claims(1, profile="ROLLOUT")
        @pytest.mark.parametrize("n", range(6))
        def test_rollout(n):
            """It MUST hold."""
            stub_testbed.note("begins")
            time.sleep(0.3)
            stub_testbed.note("ends")
    ''')

    options = ("--profile", "ROLLOUT", "--rollout-target", target)
    ended = project.run_child("-n2", "--dist", "load", *options)

    assert ended.code == 0, ended.text
    steps = [line.split()[0] for line in project.log()]
    running = [steps[: n + 1].count("begins") - steps[: n + 1].count("ends") for n in range(len(steps))]
    assert max(running) == most


def test_exclusive_tests_come_last(project: Project) -> None:
    """Tests that share the system MUST come first, in their own order, and those that need it alone last."""
    project.write('''
        @claims(1)
        @uses("sut:exclusive")
        def test_alone():
            """It MUST be alone."""
            stub_testbed.note("alone")

        @claims(2)
        def test_second():
            """It MUST share."""
            stub_testbed.note("second")

        @claims(3)
        def test_third():
            """It MUST share."""
            stub_testbed.note("third")
    ''')

    assert project.run().code == 0
    assert project.log()[1:-1] == ["second", "third", "alone"]


def test_modes_agree(project: Project, mode: Sequence[str]) -> None:
    """A clean suite MUST be conformant with exit code 0, serial and with workers."""
    project.write('''
        @claims(1)
        @pytest.mark.parametrize("n", range(3))
        def test_passes(testbed, n):
            """It MUST hold."""
    ''')

    ended = project.run_child(*mode) if mode else project.run()

    assert ended.code == 0, ended.text
    assert project.report()["conformant"] is True
    assert "conformant on kwok, 1 of 1 applicable" in str(project.report()["profiles"])
    assert project.log()[0] == "start"
    assert project.log()[-1] == "stop failed=False"
