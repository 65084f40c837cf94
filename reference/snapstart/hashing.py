"""snapshotHash: what a snapshot was made from, as one comparable string (contract section 6). Pure.

References are in the hash, what they refer to is not; of the template only `podTemplate.spec` and its
identity are. Two hashes are compared for equality and nothing else is read from them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from reference.objects import Object, name_of, namespace_of, uid_of


def stable_json(value: Any) -> str:
    """JSON in which the order of maps does not show and that of lists does.

    Raises TypeError for what JSON cannot say.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def normalized(value: Any) -> Any:
    """A value without the keys whose value is null, which say the same as no key."""
    if isinstance(value, Mapping):
        return {key: normalized(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [normalized(item) for item in value]
    return value


def pod_spec(template: Object) -> Mapping[str, Any]:
    """The Pod spec of a SandboxTemplate or Sandbox."""
    spec: Mapping[str, Any] = template["spec"]["podTemplate"]["spec"]
    return spec


class Hashing:
    """How a snapshot's hash is made."""

    def hash(self, mode: str, source: Object, snapshot_class: Object) -> str:
        """The hash of what a snapshot in this mode would be made from now."""
        text = stable_json(self.inputs(mode, source, snapshot_class))
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def inputs(self, mode: str, source: Object, snapshot_class: Object) -> dict[str, Any]:
        """Everything that is hashed."""
        return {
            "snapshotMode": mode,
            "sourceIdentity": self.identity(source),
            "sourcePodTemplateSpec": self.spec(source),
            "snapshotClass": {
                "name": name_of(snapshot_class),
                "providerName": snapshot_class["spec"]["providerName"],
            },
        }

    def identity(self, source: Object) -> dict[str, Any]:
        """Which object the source is: one that was deleted and made again is another one."""
        return {"namespace": namespace_of(source), "name": name_of(source), "uid": uid_of(source)}

    def spec(self, source: Object) -> Any:
        """Its whole Pod spec."""
        return normalized(pod_spec(source))
