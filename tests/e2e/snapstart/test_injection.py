"""What a runtime at its safe point does with whoever connects to it, and what a driver makes of it.

These rows need no cluster: each has a driver of its own, with real processes (level L1 of the contract).
"""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.system.snapstart.drivers import captures, forksafety, protocol

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

SOCKET = ["InjectSocketV1"]
STATUS = ["InjectSocketV1", "RuntimeStatusEndpoint"]


@conformance(id="RW-1", profile="SNAPSTART", level="core", features=SOCKET, killers=["ss/M54"])
def test_probes_change_nothing(snapstart_bench):
    """Any number of probes MUST leave a runtime that can be captured and restored."""
    protocol.probes_change_nothing(snapstart_bench)


@conformance(id="RW-2", profile="SNAPSTART", level="core", features=SOCKET, killers=["ss/M19"])
def test_commit_alone_starts_nothing(snapstart_bench):
    """COMMIT without PREPARE MUST NOT start a session; PREPARE and COMMIT MUST make the one they describe."""
    protocol.commit_alone_starts_nothing(snapstart_bench)
    protocol.an_injected_runtime_is_that_session(snapstart_bench)


@conformance(
    id="RW-3", profile="SNAPSTART", level="core", features=[*SOCKET, "PRNGReseed"], killers=["ss/M2", "ss/M3"]
)
def test_random_sources_are_reseeded(snapstart_bench):
    """Random sources that are not the kernel's MUST be reseeded before a session says that it has started."""
    forksafety.siblings_draw_different_values(snapstart_bench)


@conformance(id="RW-4", profile="SNAPSTART", level="core", features=SOCKET, killers=["ss/M55"])
def test_a_cancelled_runtime_never_serves(snapstart_bench):
    """After CANCEL a runtime MUST NOT become a session, for whoever asks."""
    protocol.a_cancelled_runtime_never_serves(snapstart_bench)


@pytest.mark.parametrize("when", ["at-once", "after-prepare"])
@conformance(id="RW-5", profile="SNAPSTART", level="core", features=SOCKET, killers=["ss/M56"])
def test_garbage_starts_nothing(snapstart_bench, when):
    """Oversized, truncated and unknown frames and what is no JSON MUST start nothing and spoil nothing."""
    if when == "at-once":
        protocol.garbage_starts_nothing_and_spoils_nothing(snapstart_bench)
    else:
        protocol.garbage_after_prepare_starts_nothing(snapstart_bench)


@conformance(id="RW-6", profile="SNAPSTART", level="core", features=STATUS, killers=["ss/M57"])
def test_a_prepared_runtime_is_not_safe(snapstart_bench):
    """A runtime that has been told of a session MUST NOT call itself safe to capture."""
    protocol.a_host_that_gives_up_spoils_the_safe_point(snapstart_bench)


@conformance(id="RW-7", profile="SNAPSTART", level="core", features=STATUS, killers=["ss/M1", "ss/M57"])
def test_a_contaminated_runtime_makes_no_artifact(snapstart_bench):
    """Without a proven safe point, for whatever reason, there MUST be no artifact."""
    captures.unsafe_builds_make_no_artifact(snapstart_bench)


@conformance(
    id="RW-8", profile="SNAPSTART", level="extended", strength="SHOULD", features=STATUS, killers=["ss/M58"]
)
def test_a_status_page_that_is_not_there_fails_the_build(snapstart_bench):
    """A status page that is persistently not there SHOULD fail the build, and not be asked for for ever."""
    captures.a_status_page_that_is_not_there_fails(snapstart_bench)


@conformance(
    id="RW-9", profile="SNAPSTART", level="core", features=[*SOCKET, "SessionGate"], killers=["ss/M53"]
)
def test_a_build_runs_no_code_of_users(snapstart_bench):
    """Code of users MUST be refused by a build without effect, and MUST run in what is restored from it."""
    forksafety.a_build_process_serves_nobody(snapstart_bench)


@pytest.mark.parametrize("how", ["twice", "cut-off"])
@conformance(
    id="SS-K5",
    profile="SNAPSTART",
    level="core",
    strength="SAFETY",
    features=["SnapshotForkMode"],
    killers=["ss/M22"],
)
def test_half_an_artifact_is_none(snapstart_bench, how):
    """Creating MUST be idempotent for node, namespace and key; what is listed MUST be complete, also after a
    crash.
    """
    if how == "twice":
        captures.create_is_idempotent(snapstart_bench)
    else:
        captures.a_capture_that_is_cut_off_leaves_nothing(snapstart_bench)


@conformance(
    id="SS-F1b", profile="SNAPSTART", level="core", features=["SnapshotForkMode"], killers=["ss/M10"]
)
def test_nothing_of_a_session_is_in_the_artifact(snapstart_bench):
    """What a session has and leaves MUST be seen by no sibling, and MUST NOT be in the artifact."""
    forksafety.nothing_passes_between_sessions(snapstart_bench)


@conformance(
    id="SS-F1c", profile="SNAPSTART", level="core", features=["SnapshotForkMode"], killers=["ss/M11"]
)
def test_nothing_of_the_build_is_a_session_s(snapstart_bench):
    """Descriptors, ports and locks of the build process MUST NOT be a session's."""
    forksafety.nothing_passes_from_the_build_to_sessions(snapstart_bench)
