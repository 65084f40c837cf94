"""Wrong runtimes and drivers: each is noticed by the check that is there for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from fixtures.system.snapstart.drivers import captures, checks, forksafety, protocol
from fixtures.system.snapstart.drivers.bench import Bench
from fixtures.system.snapstart.drivers.checks import Check
from fixtures.system.snapstart.drivers.kinds import CRIU, ZYGOTE, with_driver
from reference.snapstart.drivers import mutants as drivers
from reference.snapstart.drivers.zygote import ZygoteDriver
from reference.snapstart.runtime import mutants as runtimes
from reference.snapstart.runtime.parts import Parts

#: Which check notices a mutant, and by which words.
NOTICED: Final[Mapping[str, tuple[Check, str]]] = {
    "unproven": (captures.unsafe_builds_make_no_artifact, "there is an artifact"),
    "no-reseed": (forksafety.siblings_draw_different_values, "numpy: "),
    "reseed-random-only": (forksafety.siblings_draw_different_values, "numpy: "),
    "build-is-template": (captures.artifacts_need_their_source_no_longer, "no template for the key"),
    "template-remembers": (forksafety.nothing_passes_between_sessions, "4711"),
    "template-keeps-descriptors": (forksafety.nothing_passes_from_the_build_to_sessions, "descriptor"),
    "commit-without-prepare": (protocol.commit_alone_starts_nothing, "COMMIT without PREPARE"),
    "template-serves": (forksafety.nothing_passes_between_sessions, "environment"),
    "open-gate": (forksafety.a_build_process_serves_nobody, "Reply"),
    "probe-cancels": (protocol.probes_change_nothing, "nobody listens|hung up"),
    "cancel-ignored": (protocol.a_cancelled_runtime_never_serves, "COMMIT after CANCEL"),
    "unchecked": (protocol.garbage_after_prepare_starts_nothing, "unknown type: .*STARTED"),
    "always-safe": (captures.unsafe_builds_make_no_artifact, "there is an artifact"),
    "slow-restore": (checks.a_restore_loads_nothing_again, "a restore took 1"),
    "no-namespace": (checks.artifacts_belong_to_a_namespace, "is another's"),
    "half-artifact": (captures.a_capture_that_is_cut_off_leaves_nothing, "no template"),
    "unwritten": (captures.an_artifact_that_finds_no_room_is_none, "there is an artifact"),
    "endless-retry": (captures.a_status_page_that_is_not_there_fails, "it still asks"),
}


#: Needs a criu that works: see `test_criu`.
OF_CRIU: Final = {"shared-sockets"}


def test_every_mutant_is_noticed_by_something() -> None:
    """There MUST be a check for every mutant."""
    assert set(NOTICED) == set(runtimes.MUTANTS) | set(drivers.MUTANTS) - OF_CRIU


def test_every_mutant_differs() -> None:
    """A mutant MUST replace a part; none MUST leave everything right; two MUST both be there."""
    for name in runtimes.MUTANTS:
        assert runtimes.apply(Parts(), [name]) != Parts(), name
    assert runtimes.apply(Parts(), []) == Parts()
    both = runtimes.apply(Parts(), ["no-reseed", "always-safe"])
    assert (both.reseeding, both.runtime) == (runtimes.NoReseed, runtimes.AlwaysSafe)


@pytest.mark.parametrize("name", NOTICED)
def test_a_mutant_is_noticed(name: str, tmp_path: Path) -> None:
    """A wrong runtime or driver MUST fail its check, for its own reason."""
    check, words = NOTICED[name]
    driver = drivers.MUTANTS[name].driver if name in drivers.MUTANTS else ZygoteDriver
    with Bench(with_driver(ZYGOTE, driver), tmp_path, [name] if name in runtimes.MUTANTS else []) as bench:
        with pytest.raises(Exception, match=words) as caught:
            check(bench)
        assert not isinstance(caught.value, OSError | KeyError | TypeError)


def test_a_mutant_of_another_driver() -> None:
    """A driver MUST NOT be taken for a mutant of another one."""
    with pytest.raises(ValueError, match="ZygoteDriver is no mutant of criu.ref"):
        with_driver(CRIU, ZygoteDriver)
