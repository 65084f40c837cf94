"""One sample for every exit code, serial and with workers (code 2 is with the signals)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from .conftest import Ended, Project

PASSES = '''
    @claims(1)
    def test_passes():
        """It MUST hold."""
'''


def run(project: Project, mode: Sequence[str], *args: str) -> Ended:
    return project.run_child(*mode, *args) if mode else project.run(*args)


def test_3_when_something_is_undecided(project: Project, mode: Sequence[str]) -> None:
    """A requirement that was not decided MUST leave the run incomplete."""
    project.write(
        PASSES
        + '''
    @claims(2)
    def test_undecided():
        """It MUST be seen."""
        raise Undecided("one node only")
    '''
    )

    ended = run(project, mode)

    assert ended.code == 3, ended.text
    assert "UNKNOWN  AS-C02  one node only" in ended.text
    assert project.report()["profiles"][0]["core"]["result"] == "unknown"


def test_4_lists_every_definition_bug(project: Project, mode: Sequence[str]) -> None:
    """All definition bugs MUST be listed together, and no test MUST run."""
    project.write('''
        @claims(1)
        def test_good():
            """It MUST hold."""
            stub_testbed.note("ran")

        @claims(1)
        def test_twice():
            """It MUST hold."""

        @claims(2)
        def test_no_docstring():
            pass

        @claims(3, features=["SandboxClaimAdoptionConflikt"])
        def test_feature():
            """It MUST hold."""

        def test_no_marker():
            """It MUST hold."""

        @claims(4)
        @pytest.mark.parametrize("n", [])
        def test_nothing(n):
            """It MUST hold."""

        @provisional(since="0.1.0", promote_by="2020-01-01")
        @claims(5)
        def test_late():
            """It MUST hold."""

        @uses("sut:alone")
        @claims(6, needs=["real-kubelet"])
        def test_needs():
            """It MUST hold."""
    ''')

    ended = run(project, mode)

    sample = "tests/e2e/test_sample.py::"
    assert ended.code == 4, ended.text
    for bug in (
        f"{sample}test_twice: id AS-C01 already belongs to {sample}test_good",
        f"{sample}test_no_docstring: no docstring; its first sentence is the requirement",
        f"{sample}test_feature: unknown feature 'SandboxClaimAdoptionConflikt'; did you mean "
        "'SandboxClaimAdoptionConflict'",
        f"{sample}test_no_marker: no conformance marker",
        f"{sample}test_nothing[NOTSET]: empty parameter set",
        f"{sample}test_late: promote_by 2020-01-01 has passed",
        f"{sample}test_needs: a core requirement may not need 'real-kubelet'",
        f"{sample}test_needs: unknown resource 'sut:alone'; known: sut:exclusive",
    ):
        assert bug in ended.text, f"{bug}\n---\n{ended.text}"
    assert "ran" not in project.log()
    assert project.log()[-1] == "stop failed=True"


def test_4_when_a_module_cannot_be_collected(project: Project) -> None:
    """A module that cannot be imported is a definition bug, where pytest itself says 2."""
    project.write(PASSES)
    project.write("raise RuntimeError('half written')", name="test_broken.py")

    ended = project.run()

    assert ended.code == 4
    assert "tests/e2e/test_broken.py cannot be collected: E   RuntimeError: half written" in ended.text
    assert project.report()["conformant"] is False


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--feature", "Sandbx"], "unknown feature 'Sandbx' in --feature; did you mean 'SandboxClaim'?"),
        (["--profile", "CLAIM"], "unknown profile 'CLAIM' in --profile; did you mean 'CLAIMS'?"),
        (["--limit", "claim_bind_wrm=3"], "did you mean 'claim_bind_warm'"),
        (["--limit", "claim_bind_warm"], "--limit takes NAME=SECONDS, not 'claim_bind_warm'"),
        (["--draws", "0"], "--draws takes a number above 0, not 0"),
        (["--journal-lag", "0.5"], "--journal-lag takes seconds from 0 to 0.4, not 0.5"),
        (["--journal-lag", "nan"], "--journal-lag takes seconds from 0 to 0.4, not nan"),
        (["--timeout-scale", "0"], "--timeout-scale must be a positive number"),
        (["--tool", "etcd=/nowhere/etcd"], "--tool etcd=/nowhere/etcd: there is no file /nowhere/etcd"),
        (["--tool", "etcd"], "--tool takes NAME=PATH, not 'etcd'"),
        (["--profile", "CLAIMS", "--no-feature", "SandboxClaim"], "without its core feature 'SandboxClaim'"),
        (["--features", "/nowhere.toml"], "--features /nowhere.toml"),
        (["--limits", "/nowhere.toml"], "--limits /nowhere.toml"),
        (["--artifacts", "/proc/artifacts"], "the artifacts folder /proc/artifacts cannot be written"),
    ],
)
def test_4_before_anything_starts(project: Project, args: list[str], text: str) -> None:
    """Bad input MUST be named, with the nearest good one, before the testbed starts."""
    project.write(PASSES)

    ended = project.run(*args)

    assert ended.code == 4
    assert text in ended.text
    assert "Traceback" not in ended.text
    assert project.log() == []


def test_4_for_an_unknown_id(project: Project) -> None:
    """An id that nobody decides MUST be refused: by the committed roster early, else when collected."""
    project.write(PASSES)

    ended = project.run("--id", "AS-C02")

    assert ended.code == 4
    assert "unknown requirement id 'AS-C02' in --id; did you mean 'AS-C01'?" in ended.text


@pytest.mark.parametrize("how", ["raise", "interrupt"])
def test_a_testbed_that_does_not_start(project: Project, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """A failed start MUST end with 3 (interrupted: 2), never as a skip, and leave a report."""
    project.write(PASSES)
    monkeypatch.setenv("STUB_START", how)

    ended = project.run()

    assert ended.code == {"raise": 3, "interrupt": 2}[how]
    assert project.log() == ["start"]
    assert project.report()["conformant"] is False
    assert project.results().footer is not None
    if how == "raise":
        assert "the stub does not start; unset STUB_START" in ended.text
        assert "Traceback" not in ended.text


def test_nothing_inferred_and_nothing_declared(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any known feature the run MUST be refused, and what was started MUST be stopped."""
    project.write(PASSES)
    monkeypatch.setenv("STUB_FEATURES", "")

    ended = project.run()

    assert ended.code == 4
    assert "no feature was declared and none could be inferred" in ended.text
    assert project.log() == ["start", "stop failed=True"]


def test_a_testbed_that_does_not_stop(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed stop MUST be said and MUST NOT end with 0."""
    project.write(PASSES)
    monkeypatch.setenv("STUB_STOP", "raise")

    ended = project.run()

    assert ended.code == 3
    assert "the testbed did not stop: the stub does not stop" in ended.text


def test_an_empty_selection_proves_nothing(project: Project) -> None:
    """A selection without tests MUST end with 3, where pytest says 5."""
    project.write(PASSES)

    assert project.run("-k", "nothing_like_it").code == 3


def test_stopping_at_the_first_failure(project: Project) -> None:
    """-x MUST give 1, and what did not run is UNKNOWN."""
    project.write(
        '''
    @claims(2)
    def test_fails():
        """It MUST hold."""
        assert 1 == 2
    '''
        + PASSES
    )

    ended = project.run("-x")

    assert ended.code == 1
    assert project.outcomes() == {"AS-C01": "UNKNOWN", "AS-C02": "FAILED"}


def by_level(ids: list[str]) -> dict[str, list[str]]:
    """The ids of this suite's core and extended requirement, by level."""
    levels = {"core": [i for i in ids if i.endswith("1")], "extended": [i for i in ids if i.endswith("2")]}
    return {level: found for level, found in levels.items() if found}


@pytest.mark.parametrize(
    ("args", "ran"),
    [
        (["-k", "C01"], ["AS-C01"]),
        (["--id", "AS-C02"], ["AS-C02"]),
        (["--suite", "core"], ["AS-C01"]),
        (["--suite", "extended"], ["AS-C02"]),
        (["--suite", "smoke"], ["AS-C01"]),
        (["tests/e2e/test_sample.py::test_passes"], ["AS-C01"]),
    ],
)
def test_focused_runs_pass_but_claim_nothing(project: Project, args: list[str], ran: list[str]) -> None:
    """A selection that passed MUST give 0 and MUST NOT be called conformant; an id lifts its gates."""
    feature = "SandboxClaimAdoptionConflict" if args[0] == "--id" else "SandboxClaim"
    project.write(
        PASSES
        + f'''
    @claims(2, level="extended", features=["{feature}"])
    def test_other():
        """It MUST hold as well."""
    '''
    )

    ended = project.run(*args)

    assert ended.code == 0, ended.text
    assert [name for name, outcome in project.outcomes().items() if outcome == "PASSED"] == ran
    assert project.report()["focused"] is True
    assert project.report()["conformant"] is False
    assert "no claim about conformance" in ended.text
    # What was not selected is not in the table, let alone as unknown.
    assert [line.split()[:4] for line in ended.text.splitlines() if line.startswith("CLAIMS")] == [
        ["CLAIMS", level, "focused", str(len(ids))] for level, ids in by_level(ran).items()
    ]


def test_a_profile_is_a_full_run_of_itself(project: Project) -> None:
    """--profile MUST claim just that profile."""
    project.write(
        PASSES
        + '''
    @claims(2, profile="WARMPOOL")
    def test_pool():
        """It MUST refill."""
        assert 1 == 2
    '''
    )

    assert project.run("--profile", "CLAIMS").code == 0
    assert project.outcomes() == {"AS-C01": "PASSED", "AS-C02": "NOT_SUPPORTED"}
    assert project.run("--profile", "CLAIMS", "--profile", "WARMPOOL").code == 1
    assert [p["name"] for p in project.report()["profiles"]] == ["CLAIMS", "WARMPOOL"]


def test_listing_and_collecting_start_nothing(project: Project) -> None:
    """--list and --collect-only MUST NOT start a testbed or write a report."""
    project.write(PASSES)

    listed = project.run("--list", "-n2")
    collected = project.run("--collect-only")

    assert (listed.code, collected.code) == (0, 0)
    assert "AS-C01   CLAIMS    core     MUST   listed  It MUST hold." in listed.text
    assert project.log() == []
    assert not (project.path / "artifacts").exists()


@pytest.mark.parametrize(("holds", "code"), [("True", 0), ("False", 1)])
def test_performance_tests_alone_decide_by_themselves(
    project: Project, mode: Sequence[str], holds: str, code: int
) -> None:
    """A run of performance tests alone MUST end with 0 if they passed, and with 1 if not, on a testbed."""
    folder = project.path / "tests" / "perf"
    folder.mkdir()
    (folder / "test_speed.py").write_text(f"def test_speed(testbed):\n    assert {holds}\n", encoding="utf-8")

    ended = run(project, mode, "tests/perf")

    assert ended.code == code, ended.text
    assert "start" in project.log()
    assert not project.report()["conformant"]


def test_other_tests_need_no_testbed(project: Project) -> None:
    """Self-tests MUST run without a testbed, with pytest's own exit codes."""
    unit = project.path / "tests" / "unit"
    unit.mkdir()
    (unit / "test_x.py").write_text("def test_x(): assert 0\n", encoding="utf-8")

    assert project.run("tests/unit").code == 1
    assert project.log() == []
    assert not (project.path / "artifacts").exists()


def test_a_missing_test_is_unknown(project: Project) -> None:
    """A requirement of the committed roster that no test decides MUST keep a full run incomplete."""
    project.write(PASSES)
    roster_with_one_more(project.path)

    ended = project.run()

    assert ended.code == 3
    assert project.outcomes() == {"AS-C01": "PASSED", "AS-C09": "UNKNOWN"}


def roster_with_one_more(root: Path) -> None:
    from fixtures.conformance import Requirement
    from fixtures.conformance.roster import ROSTER, Roster

    lost = Requirement("AS-C09", "tests/e2e/test_gone.py::test_gone", "CLAIMS", "core", "MUST", "It MUST be.")
    (root / ROSTER).write_text(Roster((lost,)).to_yaml(), encoding="utf-8")


def test_artifacts_go_where_they_are_told(project: Project) -> None:
    """--artifacts MUST hold the results; a folder of another run MUST be refused."""
    project.write(PASSES)

    assert project.run("--artifacts", "mine").code == 0
    assert (project.path / "mine" / "results.jsonl").exists()
    again = project.run("--artifacts", "mine")
    assert again.code == 4
    assert "is there already, from another run" in again.text


def test_the_step_summary_is_appended(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """GITHUB_STEP_SUMMARY MUST get the table, failures first; an unwritable one MUST be no error."""
    project.write('''
        @claims(1)
        def test_fails():
            """It MUST hold."""
            raise AssertionError("a | b")
    ''')
    summary = project.path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))

    assert project.run().code == 1
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("before\n## Agent sandbox conformance: not conformant\n")
    assert "| FAILED | AS-C01 | AssertionError: a \\| b |" in text
    assert text.index("AS-C01") < text.index("| CLAIMS | core | failure")

    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/nowhere/summary.md")
    assert project.run().code == 1


def test_the_header_says_what_is_unusual(project: Project) -> None:
    """Limits that were set MUST be in the header, with their origin."""
    project.write(PASSES)

    text = project.run("--limit", "claim_bind_warm=20", "--feature", "SandboxClaimPendingIPGrace").text

    assert "limits: claim_bind_warm=20 s (flag, default 10 s)" in text
    assert "features: 1 inferred, declared: SandboxClaimPendingIPGrace" in text
    assert "cluster kwok, controller v0.5.6" in text


#: What every GKE cluster needs.
GKE = ["--cluster", "gke", "--gke-project", "p", "--gke-location", "europe-west4-a"]
#: What every endpoint needs.
THERE = ["--reuse-cluster", "dev", "--rollout-target", "endpoint:ate.example:443"]
ROUTER = ["--rollout-router", "http://router.example"]


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["--node-image", "build"], "--node-image is for --cluster kind, not kwok"),
        (["--node-label", "zone=a"], "--node-label is for --cluster kind, not kwok"),
        (["--registry-prefix", "mirror.example"], "--registry-prefix is for --cluster kind, not kwok"),
        (["--images-file", "images.toml"], "--images-file is for --cluster kind or gke, not kwok"),
        (["--controller", "image:x@v0.5.6"], "--controller image:REF is for --cluster kind or gke, not kwok"),
        (["--gke-project", "p"], "--gke-project is for --cluster gke, not kwok"),
        (["--gke-location", "z"], "--gke-location is for --cluster gke, not kwok"),
        (["--gke-machine-type", "m"], "--gke-machine-type is for --cluster gke, not kwok"),
        (["--gke-release-channel", "rapid"], "--gke-release-channel is for --cluster gke, not kwok"),
        (["--gke-gvisor-nodes", "1"], "--gke-gvisor-nodes is for --cluster gke, not kwok"),
        (["--gke-expires-after", "9999"], "--gke-expires-after is for --cluster gke, not kwok"),
        (["--yes-bill-project", "p"], "--yes-bill-project is for --cluster gke, not kwok"),
        (["--dry-run"], "--dry-run is for --cluster gke, not kwok"),
        (["--cluster", "gke", "--gke-project", "p"], "--cluster gke needs --gke-project NAME and"),
        ([*GKE, "--node-image", "build"], "--node-image is for --cluster kind, not gke"),
        ([*GKE, "--gke-expires-after", "60"], "--gke-expires-after takes 1800 to 604800 seconds, not 60"),
        ([*GKE, "--gke-gvisor-nodes", "-1"], "--gke-gvisor-nodes takes a number from 0 on, not -1"),
        (["--controller-in-cluster"], "--controller-in-cluster is for --cluster kind, not kwok"),
        (["--cluster", "kind", "--node-label", "zone"], "--node-label takes NAME=VALUE, not 'zone'"),
        (["--nodes", "-1"], "--nodes takes a number from 0 on, not -1"),
        (["--rollout-target", "endpont:x:1"], "unknown substrate 'endpont:x:1' in --rollout-target"),
        (["--rollout-target", "reel"], "did you mean 'real'?"),
        (["--rollout-target", "endpoint"], "needs a host and a port, not ''"),
        (["--rollout-target", "endpoint:443"], "needs a host and a port, not '443'"),
        (["--rollout-target", "endpoint:h:0"], "needs a host and a port, not 'h:0'"),
        (["--rollout-target", "endpoint:h:65536"], "needs a host and a port, not 'h:65536'"),
        (["--rollout-target", "endpoint:h:https"], "needs a host and a port, not 'h:https'"),
        (["--rollout-target", "endpoint:h:443"], "needs --rollout-router http://HOST[:PORT], through"),
        ([*THERE, "--rollout-router", "router:80"], "actors are reached, not 'router:80'"),
        ([*THERE, *ROUTER, "--rollout-ca", "no.pem"], "--rollout-ca no.pem: there is no such file"),
        ([*THERE[2:], *ROUTER], "name it with --cluster existing or --reuse-cluster NAME"),
        (ROUTER, "--rollout-router is for --rollout-target endpoint:HOST:PORT, not reference"),
        (["--rollout-ca", "x"], "--rollout-ca is for --rollout-target endpoint:HOST:PORT, not reference"),
    ],
)
def test_4_for_options_that_cannot_be_meant(project: Project, args: list[str], error: str) -> None:
    """An option that would have no effect, or cannot be meant, MUST be refused before anything is started."""
    project.write(PASSES)

    ended = project.run(*args)

    assert ended.code == 4, ended.text
    assert error in ended.text
    assert project.log() == []


def test_a_dry_run_prints_every_command_and_runs_none(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--dry-run MUST show what would be done, from the first look to the deletion, and need no yes for it."""
    project.write(PASSES)
    monkeypatch.setenv("PATH", str(tmp_path))
    options = ("--gke-machine-type=n2-standard-8", "--gke-release-channel=rapid", "--gke-gvisor-nodes=1")

    ended = project.run(*GKE, *options, "--nodes=4", "--reuse-cluster=dev", "--dry-run")

    assert ended.code == 0
    lines = [line for line in ended.text.splitlines() if "gcloud" in line]
    place = "--project=p --location=europe-west4-a --quiet"
    assert lines[1] == f"gcloud container clusters list {place} '--format=json(name,location,resourceLabels)'"
    assert lines[2].startswith(
        f"gcloud container clusters create dev {place} --num-nodes=4 --machine-type=n2-standard-8 "
        "--release-channel=rapid --labels=asc-expires="
    )
    assert "node-pools create gvisor --cluster=dev" in lines[3]
    assert lines[4].startswith("KUBECONFIG=")
    assert lines[-1] == f"gcloud container clusters delete dev {place}"
    assert project.log() == []
    assert not (project.path / "artifacts").exists()


def test_every_option_is_in_a_group_of_its_own(project: Project) -> None:
    """--help MUST list the options of the suite under its own headings."""
    text = project.run("--help").text
    groups = "".join(part.split("\n\n")[0] for part in text.split("agent sandbox conformance:")[1:])
    for option in (
        "--cluster",
        "--controller",
        "--keep-cluster",
        "--limit",
        "--timeout-scale",
        "--feature",
        "--profile",
        "--suite",
        "--list",
        "--seed",
        "--artifacts",
        "--tool",
        "--reuse-cluster",
    ):
        assert f"  {option}" in groups
