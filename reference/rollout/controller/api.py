"""The API server as the controller uses it, and the kinds of others that it needs."""

from __future__ import annotations

from lightkube.generic_resource import create_namespaced_resource

from reference.api import Api, Event, Kind, Secret, status_of

__all__ = ["Api", "Event", "Kind", "Lease", "Secret", "status_of"]

Lease = create_namespaced_resource("coordination.k8s.io", "v1", "Lease", "leases")
