"""Which features a controller is taken to have."""

from __future__ import annotations

import pytest

from fixtures.system.agent_sandbox.features import inferred, release_of

V056 = frozenset(
    {
        "enable-webhook",
        "disable-claim-events",
        "sandbox-warm-pool-replenish-delay",
        "sandbox-warm-pool-readiness-grace-period",
    }
)


@pytest.mark.parametrize(
    ("version", "flags", "observed_generation", "release"),
    [
        # A release says so itself, whatever else is found.
        ("v0.5.3", V056, True, "0.5.3"),
        ("v0.5.6", frozenset(), False, "0.5.6"),
        ("1.0.0", frozenset(), False, "1.0.0"),
        ("v1.0.0-rc.1", frozenset(), False, "1.0.0rc1"),
        # Builds of a checkout are dated by the newest flag they know.
        ("v0.0.0-src-abc1234", frozenset({"enable-webhook"}), False, "0.5.2"),
        ("v0.0.0-src-abc1234", V056 - {"sandbox-warm-pool-readiness-grace-period"}, True, "0.5.5"),
        ("v0.0.0-src-abc1234", frozenset({"enable-webhook", "disable-claim-events"}), False, "0.5.4"),
        ("v0.0.0-src-v0.5.6-3-gabc1234", V056, True, "0.5.6"),
        ("v0.0.0", V056, True, "0.5.6"),
        ("(devel)", V056, False, "0.5.6"),
        ("v0.5.7.dev3", V056, False, "0.5.6"),
        ("v0.5.6+dirty", V056 - {"sandbox-warm-pool-readiness-grace-period"}, False, "0.5.5"),
        # Without the webhook's flag and with observedGeneration it is a build after 0.5.6.
        ("unknown", V056 - {"enable-webhook"}, True, "1.0.0"),
        ("unknown", V056 - {"enable-webhook"}, False, "0.5.6"),
        # An installed controller's flags are not known: its CRDs alone date it.
        ("unknown", frozenset(), True, "0.5.6"),
        ("unknown", frozenset(), False, "0.5.2"),
    ],
)
def test_the_release_behind_a_build(
    version: str, flags: frozenset[str], observed_generation: bool, release: str
) -> None:
    """A build MUST be taken for the newest release that all signs agree on."""
    assert release_of(version, flags, observed_generation) == release


def test_features_follow_the_release() -> None:
    """A feature MUST be inferred from its first release on, and not before."""
    old, new = inferred("v0.5.3", frozenset(), False), inferred("v0.5.6", V056, True)
    checkout = inferred("v0.0.0-src-abc1234", V056, True)

    assert {"SandboxClaim", "SandboxWarmPool", "SandboxWarmPoolNodeSpread"} <= old
    assert "SandboxWarmPoolReplenishDelay" not in old
    assert "SandboxWarmPoolReplenishDelay" in new
    assert "SandboxClaimTemplateWatch" not in new
    assert checkout == new
