"""The custom kinds of the rollout, for lightkube (contract section 2)."""

from __future__ import annotations

from lightkube.generic_resource import create_global_resource, create_namespaced_resource

SandboxAgent = create_namespaced_resource("kagent.dev", "v1alpha2", "SandboxAgent", "sandboxagents")
ModelConfig = create_namespaced_resource("kagent.dev", "v1alpha2", "ModelConfig", "modelconfigs")
ActorTemplate = create_namespaced_resource("ate.dev", "v1alpha1", "ActorTemplate", "actortemplates")
WorkerPool = create_namespaced_resource("ate.dev", "v1alpha1", "WorkerPool", "workerpools")
SandboxConfig = create_global_resource("ate.dev", "v1alpha1", "SandboxConfig", "sandboxconfigs")
