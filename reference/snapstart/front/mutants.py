"""Session fronts that do one thing wrong on purpose (contract section 11): overrides of its rules.

Each class says its lie in the first line. A mutant that has acted is counted in FIRED, so that a test that
did not notice it can be told from one that never met it.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from reference.objects import Object, is_terminating
from reference.snapstart.fired import FIRED, fired
from reference.snapstart.front.lookup import Intent, Lookup, NotUsable
from reference.snapstart.front.parts import Parts
from reference.snapstart.front.server import Front
from reference.snapstart.front.sessions import Refused, Session, Sessions, Wish
from reference.snapstart.kinds import SNAPSHOT_KEY, Pod, Sandbox
from reference.snapstart.records import ArtifactPhase, ArtifactSet, Manifest

__all__ = ["FIRED", "MUTANTS", "mutated"]

Mutant: TypeAlias = Callable[[Parts], Parts]

# -- which key ------------------------------------------------------------


class AnyHash(Lookup):
    """What the template is now is not compared with what the set was built from.

    Goes with controllers whose hash, or use of it, is wrong: the front must not notice in their place.
    """

    def check(self, manifest: Manifest, snapshot: Object, template: Object) -> None:
        if manifest.active is None:
            raise NotUsable("no set is active")
        try:
            super().check(manifest, snapshot, template)
        except NotUsable:
            fired("any-hash")


class NotValidated(Lookup):
    """M38: whatever a readable record says is active is used."""

    def check(self, manifest: Manifest, snapshot: Object, template: Object) -> None:
        try:
            super().check(manifest, snapshot, template)
        except NotUsable:
            if manifest.active is None:
                raise
            fired("record-not-validated")


class AnySet(Lookup):
    """M36: a key is used although nothing of its set is Ready yet."""

    def is_ready(self, snapshot: Object) -> bool:
        return not is_terminating(snapshot) and "status" in snapshot

    def check(self, manifest: Manifest, snapshot: Object, template: Object) -> None:
        if manifest.active is None and manifest.pending is None:
            raise NotUsable("no set")

    async def usable_set(self, snapshot: Object, template: Object) -> ArtifactSet:
        manifest = await self.manifest(snapshot)
        self.check(manifest, snapshot, template)
        found = manifest.active or manifest.pending
        assert found is not None
        if not found.in_phase(ArtifactPhase.READY):
            fired("key-without-record")
        return found


class StoreMatters(Lookup):
    """M37: a store that cannot be read fails the session."""

    async def manifest(self, snapshot: Object) -> Manifest:
        try:
            return await super().manifest(snapshot)
        except NotUsable as err:
            if "the store" not in str(err) and "unusable" not in str(err):
                raise
            fired("store-error-fails")
            raise Refused(500, str(err)) from err


class SlowLookup(Lookup):
    """M62: every session waits for a second look at the store."""

    async def intent(self, template: Object, candidates: Iterable[Object]) -> Intent:
        fired("slow-lookup")
        await asyncio.sleep(0.15)
        return await super().intent(template, candidates)


# -- sessions -------------------------------------------------------------


class PatchedKey(Sessions):
    """M8: the Pod gets its key only after it was made."""

    async def own(self, session: str, wish: Wish, template: Object, intent: Intent) -> Session:
        if intent.key is None:
            return await super().own(session, wish, template, intent)
        fired("key-patched")
        plain = dataclasses.replace(intent, key=None)
        patching = asyncio.ensure_future(self._patch(wish, intent.key))
        try:
            return await super().own(session, wish, template, plain)
        finally:
            patching.cancel()

    async def _patch(self, wish: Wish, key: str) -> None:
        pod = None
        while pod is None:
            await asyncio.sleep(0.002)
            pod = await self.api.get(Pod, wish.namespace, wish.name)
        await self.api.patch(Pod, pod, {"metadata": {"annotations": {SNAPSHOT_KEY: key}}})


class RestoredToo(Sessions):
    """M16: a session that takes a pool's slot also gets a Sandbox of its own, with a key."""

    async def claimed(self, session: str, wish: Wish, template: Object, pool: Object) -> Session:
        found = await super().claimed(session, wish, template, pool)
        candidates = await self.lookup.candidates(wish.namespace, wish.template)
        intent = await self.lookup.intent(template, candidates)
        fired("pool-hit-restores")
        twin = dataclasses.replace(wish, name=f"{wish.name}-r")
        await self.api.create(Sandbox, self.sandbox(session, twin, template, intent))
        return found


class UserKey(Sessions):
    """M25: a key in the user's request is passed on."""

    def sandbox(self, session: str, wish: Wish, template: Object, intent: Intent) -> dict[str, Any]:
        made = super().sandbox(session, wish, template, intent)
        if SNAPSHOT_KEY in wish.annotations:
            fired("user-key")
            annotations = made["spec"]["podTemplate"]["metadata"]["annotations"]
            annotations[SNAPSHOT_KEY] = wish.annotations[SNAPSHOT_KEY]
        return made

    def claim(self, session: str, wish: Wish, pool: Object) -> dict[str, Any]:
        made = super().claim(session, wish, pool)
        if SNAPSHOT_KEY in wish.annotations:
            fired("user-key")
            annotations = made["spec"]["additionalPodMetadata"]["annotations"]
            annotations[SNAPSHOT_KEY] = wish.annotations[SNAPSHOT_KEY]
        return made


class PinnedSession(Sessions):
    """M40: a session goes to a node that has the artifact, whatever the scheduler thinks."""

    def pod(self, intent: Intent) -> dict[str, Any]:
        if not intent.nodes:
            return {}
        fired("session-pinned")
        return {"nodeName": intent.nodes[0]}


class RestoreFirst(Sessions):
    """M43: a session is restored although a pool has a free slot."""

    async def start(
        self, session: str, wish: Wish, template: Object, candidates: Sequence[Object]
    ) -> tuple[Session, Intent]:
        intent = await self.lookup.intent(template, candidates)
        if intent.key is None:
            return await super().start(session, wish, template, candidates)
        if await self.pools.with_free_slot(template) is not None:
            fired("restore-first")
        return await self.own(session, wish, template, intent), intent


class EmptyPoolFails(Sessions):
    """M45: where a template has a pool, a session without a free slot fails."""

    async def start(
        self, session: str, wish: Wish, template: Object, candidates: Sequence[Object]
    ) -> tuple[Session, Intent]:
        if self.pools.of(template) and await self.pools.with_free_slot(template) is None:
            fired("empty-pool-fails")
            raise Refused(503, "the pool is empty")
        return await super().start(session, wish, template, candidates)


# -- answers --------------------------------------------------------------


class PathShown(Front):
    """M39: an answer says whether the session was restored."""

    def shown(self, session: Session, intent: Intent) -> dict[str, Any]:
        found = super().shown(session, intent)
        if intent.key is not None:
            fired("path-shown")
            found["snapshotKey"] = intent.key
        return found


class AlwaysRestored(Front):
    """M61: every session counts as one that was given a key."""

    def counted(self, intent: Intent) -> Intent:
        if intent.key is None:
            fired("always-restored")
        return dataclasses.replace(intent, key=intent.key or "")


# -- the catalogue --------------------------------------------------------


def _with(**rules: Any) -> Mutant:
    return lambda parts: dataclasses.replace(parts, **rules)


_ANY_HASH: Final = _with(lookup=AnyHash)

#: By name, which is the value of --mutant. Those of `AnyHash` are named as the controllers that they go with.
MUTANTS: Final[Mapping[str, Mutant]] = {
    "always-restored": _with(front=AlwaysRestored),
    "empty-pool-fails": _with(sessions=EmptyPoolFails),
    "hash-config-data": _ANY_HASH,
    "hash-few-fields": _ANY_HASH,
    "hash-snapshot-uid": _ANY_HASH,
    "hash-sorts-lists": _ANY_HASH,
    "key-patched": _with(sessions=PatchedKey),
    "key-without-record": _with(lookup=AnySet),
    "nil-is-false": _ANY_HASH,
    "old-key-serves": _ANY_HASH,
    "path-shown": _with(front=PathShown),
    "pool-hit-restores": _with(sessions=RestoredToo),
    "record-not-validated": _with(lookup=NotValidated),
    "restore-first": _with(sessions=RestoreFirst),
    "session-pinned": _with(sessions=PinnedSession),
    "slow-lookup": _with(lookup=SlowLookup),
    "store-error-fails": _with(lookup=StoreMatters),
    "user-key": _with(sessions=UserKey),
}


def mutated(mutants: Sequence[str]) -> Parts:
    """The front's rules with these mutants, later ones over earlier ones. Raises KeyError."""
    parts = Parts()
    for name in mutants:
        parts = MUTANTS[name](parts)
    return parts
