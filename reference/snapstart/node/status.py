"""What the node says of a Pod, as a patch of its status. Pure.

`now` is the time as Kubernetes writes it. Times of transitions stay while what they are about stays, so a
patch that changes nothing is equal to what is there (`says`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from reference.objects import Object
from reference.snapstart.node.ledger import Entry

Status: TypeAlias = dict[str, Any]

#: Of a Pod whose process is there and does not answer yet.
_STARTING: Final = "ContainersNotReady"


def running(pod: Object, entry: Entry, *, ready: bool, host: str, now: str) -> Status:
    """The process is there; `ready`: and has answered."""
    assert entry.process is not None
    state = {"running": {"startedAt": entry.started_at}}
    container = {
        **_container(pod),
        "containerID": f"process://{entry.process.pid}",
        "ready": ready,
        "started": ready,
        "state": state,
    }
    return {
        "phase": "Running",
        "hostIP": host,
        "podIP": entry.address,
        "podIPs": [{"ip": entry.address}],
        "startTime": entry.started_at,
        "conditions": [
            _condition(pod, "PodScheduled", now),
            _condition(pod, "PodReadyToStartContainers", now),
            _condition(pod, "Initialized", now),
            _condition(pod, "ContainersReady", now, ready, "" if ready else _STARTING),
            _condition(pod, "Ready", now, ready, "" if ready else _STARTING),
        ],
        "containerStatuses": [container],
    }


def waiting(pod: Object, reason: str, message: str, now: str) -> Status:
    """There is no process, for a reason that may pass."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {
        "phase": "Pending",
        "conditions": [
            _condition(pod, "PodScheduled", now),
            _condition(pod, "Initialized", now),
            _condition(pod, "ContainersReady", now, False, _STARTING),
            _condition(pod, "Ready", now, False, _STARTING),
        ],
        "containerStatuses": [{**_container(pod), "ready": False, "started": False, "state": state}],
    }


def ended(pod: Object, reason: str, message: str, now: str, code: int | None = None) -> Status:
    """There is no process, and there will be none.

    `code` is the exit code, negative after a signal; None: nobody knows, or there never was one.
    """
    phase = "Succeeded" if code == 0 and pod["spec"].get("restartPolicy") == "Never" else "Failed"
    exit_code = 255 if code is None else 128 - code if code < 0 else code
    terminated = {"exitCode": exit_code, "reason": reason, "message": message, "finishedAt": now}
    conditions = [
        _condition(pod, kind, now, False, f"Pod{phase}", message) for kind in ("ContainersReady", "Ready")
    ]
    containers = pod["spec"].get("containers") or [{}]
    statuses = [
        {**_status_of(one), "ready": False, "started": False, "state": {"terminated": terminated}}
        for one in containers
    ]
    return {
        "phase": phase,
        "reason": reason,
        "message": message,
        "conditions": [_condition(pod, "PodScheduled", now), *conditions],
        "containerStatuses": statuses,
    }


def says(pod: Object, status: Mapping[str, Any]) -> bool:
    """Whether the Pod's status says all that already."""
    return _within(status, pod.get("status") or {})


def _within(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_within(v, found.get(k)) for k, v in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(found, list):
            return False
        # Conditions of others stand between ours, and merging keeps no order.
        return all(any(_within(one, other) for other in found) for one in wanted)
    return bool(wanted == found)


def _container(pod: Object) -> Status:
    return _status_of(pod["spec"]["containers"][0])


def _status_of(container: Mapping[str, Any]) -> Status:
    image = container.get("image", "")
    return {"name": container.get("name", ""), "image": image, "imageID": image, "restartCount": 0}


def _condition(
    pod: Object, kind: str, now: str, true: bool = True, reason: str = "", message: str = ""
) -> Status:
    status = str(true)
    there = (pod.get("status") or {}).get("conditions") or ()
    before: Mapping[str, Any] = next((found for found in there if found["type"] == kind), {})
    since = before.get("lastTransitionTime") if before.get("status") == status else None
    # null takes a reason away that is no longer one.
    return {
        "type": kind,
        "status": status,
        "lastTransitionTime": since or now,
        "reason": reason or None,
        "message": message or None,
    }
