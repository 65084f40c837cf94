"""What the README says in figures is what the code says."""

from __future__ import annotations

from pathlib import Path

from fixtures.conformance import roster

ROOT = Path(__file__).parents[2]
REQUIREMENTS = roster.load(ROOT / "tests/e2e/conformance.yaml").requirements
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_counts_the_requirements() -> None:
    """The number of requirements in the README MUST be that of the roster."""
    assert f"\n{len(REQUIREMENTS)} requirements, each one sentence" in README


def test_the_verdict_in_the_readme_is_of_this_roster() -> None:
    """The run that the README shows MUST have decided as many core requirements as the roster has."""
    for profile in ("CLAIMS", "ROLLOUT", "WARMPOOL"):
        core = [r for r in REQUIREMENTS if (r.profile, r.level) == (profile, "core") and not r.provisional]
        assert f"    {profile:<9}  core      success  {len(core)} " in README
