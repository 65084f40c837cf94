"""Manifests that are right, drawn for hypothesis."""

from __future__ import annotations

import datetime

from hypothesis import strategies as st

from reference.snapstart.records import Artifact, ArtifactPhase, ArtifactSet, Manifest, Owner, Retry

OWNER = Owner("SandboxSnapshot", "ns", "snap", "uid-1")

TIMES = st.datetimes(
    min_value=datetime.datetime(2020, 1, 1),
    max_value=datetime.datetime(2040, 1, 1),
    timezones=st.just(datetime.UTC),
)
TEXTS = st.text(min_size=1, max_size=10)


@st.composite
def sets(draw: st.DrawFn, key: str) -> ArtifactSet:
    """A set with up to four artifacts; those that have failed say when."""
    snapshot_hash = draw(TEXTS)
    artifacts = []
    for node in draw(st.lists(TEXTS, unique=True, max_size=4)):
        phase = draw(st.sampled_from(ArtifactPhase))
        built = phase in (ArtifactPhase.READY, ArtifactPhase.UNAVAILABLE)
        failures = st.builds(Retry, st.integers(1, 9), TIMES, st.none() | TIMES)
        retry = draw(failures if phase is ArtifactPhase.FAILED else st.none() | failures)
        artifacts.append(
            Artifact(
                "zygote.ref",
                node,
                phase,
                key,
                snapshot_hash,
                draw(TIMES) if built else None,
                draw(st.none() | TIMES),
                draw(st.text(max_size=8)),
                retry,
                draw(TEXTS) if phase is ArtifactPhase.FAILED else draw(st.text(max_size=8)),
            )
        )
    return ArtifactSet(key, snapshot_hash, draw(TEXTS), tuple(artifacts), draw(st.none() | TIMES))


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """A manifest with an active set, a pending one, both or none."""
    manifest = Manifest(OWNER, sequence=draw(st.integers(0, 99)), began_at=draw(st.none() | TIMES))
    if draw(st.booleans()):
        manifest = manifest.with_active(draw(sets("one")))
    if draw(st.booleans()):
        manifest = manifest.with_pending(draw(sets("two")))
    return manifest
