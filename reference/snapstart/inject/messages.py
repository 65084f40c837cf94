"""Messages of the injection protocol, and what makes them valid.

    host                      runtime
                           <- CAPABILITIES (after each accept)
    PREPARE                ->
                           <- READY, or REJECT
    COMMIT, or CANCEL      ->
                           <- STARTED, or CANCEL_ACK

Unknown fields are ignored, unknown types are not. Source: contract SnapStart, section 8 (InjectSocketV1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

PROTOCOL_VERSION: Final = "1"
FEATURES: Final = ("prepare", "commit", "cancel")
#: What identifies a task: visible ASCII, not longer than the name of a Kubernetes object with its namespace.
_TASK_ID: Final = re.compile(r"[!-~]{1,317}")


class RejectReason(StrEnum):
    """Why a PREPARE is refused."""

    PARSE_ERROR = "parse_error"
    INVALID_TASK_ID = "invalid_task_id"
    RESOURCE_EXHAUSTED = "resource_exhausted"


class MessageError(Exception):
    """A frame holds no message of the protocol."""


class RejectedError(Exception):
    """A PREPARE that cannot be accepted; another one may be."""

    def __init__(self, reason: RejectReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Capabilities:
    """What the runtime says of itself when somebody connects."""

    protocol_version: str = PROTOCOL_VERSION
    supported_features: tuple[str, ...] = FEATURES


@dataclass(frozen=True)
class Prepare:
    """Who the session is to be, as the host sent it: not yet validated."""

    task_id: Any
    context: Any = ""
    env_overrides: Any = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """Who the session is to be."""

    task_id: str
    context: str
    env_overrides: Mapping[str, str]

    @classmethod
    def of(cls, prepare: Prepare) -> Task:
        """A PREPARE that was found valid. Raises RejectedError."""
        if not isinstance(prepare.task_id, str) or not _TASK_ID.fullmatch(prepare.task_id):
            raise RejectedError(
                RejectReason.INVALID_TASK_ID, "task_id must be 1 to 317 visible ASCII characters"
            )
        if not isinstance(prepare.context, str):
            raise RejectedError(RejectReason.PARSE_ERROR, "context must be a string")
        overrides = prepare.env_overrides
        if not isinstance(overrides, Mapping):
            raise RejectedError(RejectReason.PARSE_ERROR, "env_overrides must be an object")
        for name, value in overrides.items():
            if not _is_variable(name, value):
                raise RejectedError(
                    RejectReason.PARSE_ERROR, f"env_overrides: {name!r} is no environment variable"
                )
        return cls(prepare.task_id, prepare.context, dict(overrides))


def _is_variable(name: str, value: Any) -> bool:
    """Whether name and value can be put into an environment: JSON may hold NUL and half surrogate pairs."""
    if not isinstance(value, str) or not name or "=" in name or "\0" in name + value:
        return False
    try:
        (name + value).encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True)
class Ready:
    """The runtime holds what it was prepared with."""


@dataclass(frozen=True)
class Reject:
    """The runtime does not take a PREPARE."""

    reason: str
    message: str = ""


@dataclass(frozen=True)
class Commit:
    """Start the session."""


@dataclass(frozen=True)
class Cancel:
    """Never start it."""

    reason: str = ""


@dataclass(frozen=True)
class CancelAck:
    """It will never be started."""


@dataclass(frozen=True)
class Started:
    """The session serves."""


Message = Capabilities | Prepare | Ready | Reject | Commit | Cancel | CancelAck | Started

TYPES: Final[Mapping[str, type[Message]]] = {
    "CAPABILITIES": Capabilities,
    "PREPARE": Prepare,
    "READY": Ready,
    "REJECT": Reject,
    "COMMIT": Commit,
    "CANCEL": Cancel,
    "CANCEL_ACK": CancelAck,
    "STARTED": Started,
}
_NAMES: Final = {kind: name for name, kind in TYPES.items()}


def to_body(message: Message) -> dict[str, Any]:
    """A message as the body of a frame."""
    fields = {
        name: list(value) if isinstance(value, tuple) else value for name, value in vars(message).items()
    }
    return {"type": _NAMES[type(message)], **fields}


def of_body(body: Mapping[str, Any]) -> Message:
    """The message in the body of a frame. Raises MessageError: no known type, or a field has the wrong type.

    The fields of a PREPARE are left as they are: a wrong one is answered with REJECT, not by hanging up.
    """
    name = body.get("type")
    if not isinstance(name, str) or name not in TYPES:
        raise MessageError(f"{name!r} is no type of a message")
    kind = TYPES[name]
    if kind is Prepare:
        return Prepare(body.get("task_id"), body.get("context", ""), body.get("env_overrides", {}))
    if kind is Capabilities:
        version, features = body.get("protocol_version"), body.get("supported_features")
        if not isinstance(version, str) or not isinstance(features, list):
            raise MessageError("CAPABILITIES without protocol_version and supported_features")
        return Capabilities(version, tuple(str(feature) for feature in features))
    if kind is Cancel:
        # Whatever the reason is, it is no reason to go on.
        return Cancel(str(body.get("reason", "")))
    fields = {key: body[key] for key in kind.__dataclass_fields__ if key in body}
    for key, value in fields.items():
        if not isinstance(value, str):
            raise MessageError(f"{name}: {key} is not a string")
    if kind is Reject and "reason" not in fields:
        raise MessageError("REJECT without a reason")
    return kind(**fields)
