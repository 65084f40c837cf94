"""Kinds of SnapStart for lightkube, and the names that its parts agree on (contract section 2)."""

from __future__ import annotations

from typing import Final

from lightkube.generic_resource import create_global_resource, create_namespaced_resource

GROUP: Final = "runtime.agentcube.volcano.sh"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

SandboxSnapshot = create_namespaced_resource(GROUP, VERSION, "SandboxSnapshot", "sandboxsnapshots")
SandboxSnapshotTask = create_namespaced_resource(
    GROUP, VERSION, "SandboxSnapshotTask", "sandboxsnapshottasks"
)
SnapshotClass = create_global_resource(GROUP, VERSION, "SnapshotClass", "snapshotclasses")
#: A reduced kind of AgentCube: only what a SandboxTemplate is made from.
CodeInterpreter = create_namespaced_resource(GROUP, VERSION, "CodeInterpreter", "codeinterpreters")

AGENTS_GROUP: Final = "agents.x-k8s.io"
EXTENSIONS_GROUP: Final = "extensions.agents.x-k8s.io"
AGENTS_VERSION: Final = "v1beta1"
Sandbox = create_namespaced_resource(AGENTS_GROUP, AGENTS_VERSION, "Sandbox", "sandboxes")
SandboxTemplate = create_namespaced_resource(
    EXTENSIONS_GROUP, AGENTS_VERSION, "SandboxTemplate", "sandboxtemplates"
)
SandboxClaim = create_namespaced_resource(EXTENSIONS_GROUP, AGENTS_VERSION, "SandboxClaim", "sandboxclaims")
SandboxWarmPool = create_namespaced_resource(
    EXTENSIONS_GROUP, AGENTS_VERSION, "SandboxWarmPool", "sandboxwarmpools"
)

Pod = create_namespaced_resource("", "v1", "Pod", "pods")
Lease = create_namespaced_resource("coordination.k8s.io", "v1", "Lease", "leases")
Node = create_global_resource("", "v1", "Node", "nodes")
RuntimeClass = create_global_resource("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses")

#: On a Pod: present = attempt a restore, absent = start cold.
SNAPSHOT_KEY: Final = "agentcube.volcano.sh/snapshot-key"
MANAGED_BY: Final = "agentcube.volcano.sh/managed-by"
#: Value of MANAGED_BY on a SandboxTemplate that was made from a CodeInterpreter.
CODE_INTERPRETER_CONTROLLER: Final = "code-interpreter-controller"
#: Value of MANAGED_BY on build Sandboxes and tasks.
SNAPSHOT_CONTROLLER: Final = "sandbox-snapshot-controller"
#: On build Sandboxes and tasks: the UID of the snapshot that they are for.
SNAPSHOT_UID: Final = "agentcube.volcano.sh/snapshot-uid"
#: On session Sandboxes and claims: the id of the session.
SESSION_ID: Final = "agentcube.volcano.sh/session-id"

#: How the runtime of a Pod starts: `cold` or `build`.
MODE_VARIABLE: Final = "SNAPSTART_MODE"
MODE_BUILD: Final = "build"
MODE_COLD: Final = "cold"

#: On a SandboxSnapshot, written by the controller: its live keys, joined by commas. A node agent may delete
#: an artifact whose key no snapshot of its namespace names here and that no task there asks for.
LIVE_KEYS: Final = "agentcube.volcano.sh/live-snapshot-keys"

FORK: Final = "Fork"
RESUME: Final = "Resume"

#: Reasons of Events about a SandboxSnapshot.
CREATING: Final = "SandboxSnapshotCreating"
READY: Final = "SandboxSnapshotReady"
DEGRADED: Final = "SandboxSnapshotDegraded"
REBUILDING: Final = "SandboxSnapshotRebuilding"
FAILED: Final = "SandboxSnapshotFailed"


def provider_label(provider: str) -> str:
    """The label whose value "true" says that a node may have this provider; a hint, no proof."""
    return f"agentcube.volcano.sh/snapshot-provider.{provider}"


def inventory_annotation(provider: str) -> str:
    """The Node annotation in which a node says which artifacts of a provider it holds.

    Its value is a JSON object from `<namespace>/<key>` to hash; absent means that the node does not say. An
    artifact appears here before its task becomes Ready, and disappears once it cannot be restored any more.
    """
    return f"agentcube.volcano.sh/snapshot-artifacts.{provider}"


def inventory_entry(namespace: str, key: str) -> str:
    """How an inventory names an artifact."""
    return f"{namespace}/{key}"
