"""What a Pod asks of the node: how its process starts, and from which snapshot. Pure.

A Pod has one container, and its process is the node's runtime: image, command and args are what users declare
and controllers compare, nothing here runs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reference.objects import Object, annotations_of, name_of, namespace_of, uid_of
from reference.snapstart.kinds import MODE_BUILD, MODE_COLD, MODE_VARIABLE, SNAPSHOT_KEY

#: Variable of the container: modules that the runtime imports before anything else, joined by commas.
PRELOAD_VARIABLE: Final = "SNAPSTART_PRELOAD"
#: On a Pod: what the session is told at its start, as it is.
CONTEXT: Final = "agentcube.volcano.sh/session-context"
#: Variable of sessions, cold or restored: drawn by the node for each Pod, never in a build process.
TOKEN_VARIABLE: Final = "SNAPSTART_SESSION_TOKEN"

#: Where the runtime listens when the container names no port.
DEFAULT_PORT: Final = 8080
#: Seconds between SIGTERM and SIGKILL when the Pod does not say.
_DEFAULT_GRACE: Final = 30

_TERMINAL: Final = frozenset(("Succeeded", "Failed"))


class Unsupported(Exception):  # noqa: N818 - a property of the Pod
    """Such a Pod cannot run here, and never will."""


@dataclass(frozen=True)
class PodRequest:
    """What is read of a Pod, once, when it is first seen.

    mode: `cold` or `build`.
    key: what its annotation says; "" without one, and in a build, which is never restored.
    preload: modules, joined by commas; None leaves it to the runtime.
    """

    namespace: str
    name: str
    uid: str
    mode: str
    key: str
    port: int
    context: str
    preload: str | None


def requested(pod: Object) -> PodRequest:
    """What a Pod asks for. Raises Unsupported."""
    container = container_of(pod)
    mode = _literal(container, MODE_VARIABLE) or MODE_COLD
    if mode not in (MODE_COLD, MODE_BUILD):
        raise Unsupported(f"{MODE_VARIABLE} is {mode!r}, neither {MODE_COLD!r} nor {MODE_BUILD!r}")
    ports = container.get("ports") or ()
    annotations = annotations_of(pod)
    return PodRequest(
        namespace=namespace_of(pod),
        name=name_of(pod),
        uid=uid_of(pod),
        mode=mode,
        key="" if mode == MODE_BUILD else annotations.get(SNAPSHOT_KEY, ""),
        port=int(ports[0]["containerPort"]) if ports else DEFAULT_PORT,
        context="" if mode == MODE_BUILD else annotations.get(CONTEXT, ""),
        preload=_literal(container, PRELOAD_VARIABLE),
    )


def container_of(pod: Object) -> Mapping[str, Any]:
    """The container of a Pod. Raises Unsupported unless there is exactly one, and nothing before it."""
    spec = pod["spec"]
    containers: list[Mapping[str, Any]] = spec.get("containers") or []
    if len(containers) != 1:
        raise Unsupported(f"the Pod has {len(containers)} containers; a process node runs Pods of one")
    if spec.get("initContainers"):
        raise Unsupported("the Pod has init containers; a process node runs none")
    return containers[0]


def grace_of(pod: Object) -> float:
    """Seconds that the process of a Pod being deleted gets to end by itself."""
    seconds = pod["metadata"].get("deletionGracePeriodSeconds")
    return float(_DEFAULT_GRACE if seconds is None else seconds)


def phase_of(pod: Object) -> str:
    """The phase that its status says, "" at first."""
    return str((pod.get("status") or {}).get("phase") or "")


def is_terminal(pod: Object) -> bool:
    """Whether it ran and never will again."""
    return phase_of(pod) in _TERMINAL


def has_run(pod: Object) -> bool:
    """Whether its status says that its process was started."""
    return phase_of(pod) == "Running"


def owner_name(pod: Object, kind: str) -> str | None:
    """The name of the object of this kind that controls the Pod, None if another does, or none."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(o["name"]) for o in owners if o.get("controller") and o.get("kind") == kind), None)


def _literal(container: Mapping[str, Any], variable: str) -> str | None:
    for found in container.get("env") or ():
        if found["name"] == variable:
            return str(found.get("value") or "")
    return None
