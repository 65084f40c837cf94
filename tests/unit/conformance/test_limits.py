"""Named limits: where a value comes from, and what the scale leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.errors import UsageError
from fixtures.limits import LIMITS, Limits


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    """The strongest origin MUST win, and MUST be known."""
    file = tmp_path / "limits.toml"
    file.write_text("claim_bind_warm = 1\nclaim_bind_cold = 1\npool_fill = 1\n", encoding="utf-8")
    env = {"ASC_LIMIT_CLAIM_BIND_WARM": "2", "ASC_LIMIT_CLAIM_BIND_COLD": "2", "HOME": "/"}

    limits = Limits.parse(["claim_bind_warm=3"], env, file)

    names = ("claim_bind_warm", "claim_bind_cold", "pool_fill", "object_gone")
    assert [limits.seconds(name) for name in names] == [3, 2, 1, 30]
    assert [limits.origin(name) for name in names] == ["flag", "env", "file", "default"]


@pytest.mark.parametrize("scale", [0.1, 1, 5])
def test_the_scale_touches_deadlines_only(scale: float) -> None:
    """The scale MUST NOT change caps or a product's grace period, and MUST NOT shrink a window."""
    limits = Limits.parse(scale=scale)

    assert limits.seconds("claim_bind_warm") == pytest.approx(10 * scale)
    assert limits.cap("claim_bind_warm") == 30
    assert limits.seconds("stuck_replaced", grace=300) == pytest.approx(450 + 5 * scale)
    assert limits.cap("stuck_replaced", grace=300) == 460
    assert limits.seconds("stays_true") == 5 * max(1, scale)
    assert limits.cap("stays_true") is None


def test_the_table_has_every_limit() -> None:
    """The table MUST give effective value, default and cap of all limits."""
    table = Limits.parse(["claim_bind_warm=20"], scale=2).table()

    assert table["claim_bind_warm"] == [40, 10, 30]
    assert list(table) == sorted(LIMITS)


def test_no_default_is_above_its_cap() -> None:
    """A default above its cap would make every test UNKNOWN that just fits."""
    assert [limit.name for limit in LIMITS.values() if limit.cap and limit.default > limit.cap] == []


@pytest.mark.parametrize(
    ("flags", "env", "text"),
    [
        (
            ["claim_bind_wram=3"],
            {},
            "unknown limit 'claim_bind_wram' in --limit claim_bind_wram=3; did you mean 'claim_bind_warm'",
        ),
        (
            [],
            {"ASC_LIMIT_POOLFILL": "3"},
            "unknown limit 'poolfill' in ASC_LIMIT_POOLFILL; did you mean 'pool_fill'",
        ),
        (["pool_fill=soon"], {}, "must be a number of seconds, not 'soon'"),
        (["pool_fill=0"], {}, "must be more than 0 seconds"),
        (["pool_fill=nan"], {}, "must be more than 0 seconds"),
        (["stays_true=1"], {}, "is a window of at least 5 s"),
    ],
)
def test_bad_limits_are_named(flags: list[str], env: dict[str, str], text: str) -> None:
    """A bad limit MUST be refused with its place."""
    with pytest.raises(UsageError) as caught:
        Limits.parse(flags, env)
    assert text in str(caught.value)


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
def test_bad_scales_are_refused(scale: float) -> None:
    """A scale MUST be a positive number."""
    with pytest.raises(UsageError, match="--timeout-scale"):
        Limits.parse(scale=scale)


def test_asking_for_an_unknown_limit() -> None:
    """A test that asks for a limit nobody has defined MUST be told which it meant."""
    with pytest.raises(UsageError, match="did you mean 'claim_bind_warm'"):
        Limits().seconds("claim_bind_warn")
