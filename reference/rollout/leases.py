"""Request leases: how a gateway tells the agent controller that requests may still reach a template.

A gateway takes a lease on a template before it creates an actor of it (contract 5.1, step 2), so a
controller that sees neither a lease nor a live actor may retire the template. A lease is a
`coordination.k8s.io/v1` Lease in the template's namespace, one per gateway and template, however many
requests it stands for; the gateway renews it while it has any, deletes it soon after the last one, and a
lease that is not renewed expires: a killed gateway blocks nobody for longer than `DURATION`.

Both sides write before they read, so that at least one of them sees the other:

- gateway: write (or renew) the lease, then read the template from the API server, not from a cache. Is it
  gone, terminating or marked `rollout.reference/retiring`: give the lease back and resolve anew.
- controller: mark the template, then list the leases from the API server. Is one in force: unmark it.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

API_VERSION = "coordination.k8s.io/v1"

#: Label of a lease: the name of the template it is on.
TEMPLATE_LABEL = "rollout.reference/lease-on"

#: Annotation of a template that is about to be deleted (contract 5.1, step 4). Any value means marked.
RETIRING_ANNOTATION = "rollout.reference/retiring"

#: Seconds after its last renewal at which a lease expires.
DURATION = 15

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


def lease_name(holder: str, template: str) -> str:
    """Name of the lease that gateway `holder` has on `template`."""
    return "request-lease-" + hashlib.sha256(f"{holder}\0{template}".encode()).hexdigest()[:24]


def lease(holder: str, namespace: str, template: str, now: datetime.datetime) -> dict[str, Any]:
    """The Lease object, taken or renewed at `now` (aware)."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Lease",
        "metadata": {
            "name": lease_name(holder, template),
            "namespace": namespace,
            "labels": {TEMPLATE_LABEL: template},
        },
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": DURATION,
            "renewTime": now.astimezone(datetime.UTC).strftime(_TIME),
        },
    }


def selector(template: str) -> str:
    """The label selector that lists the leases on `template`."""
    return f"{TEMPLATE_LABEL}={template}"


def holders(leases: Iterable[Mapping[str, Any]], template: str, now: datetime.datetime) -> list[str]:
    """Sorted identities of the gateways whose leases on `template` are in force at `now` (aware).

    `leases` are Lease objects as JSON, of any templates. One without a renewal time is in force: it says too
    little to be ignored.
    """
    return sorted(
        str(found["spec"].get("holderIdentity", found["metadata"]["name"]))
        for found in leases
        if found["metadata"].get("labels", {}).get(TEMPLATE_LABEL) == template and _in_force(found, now)
    )


def _in_force(found: Mapping[str, Any], now: datetime.datetime) -> bool:
    renewed = found["spec"].get("renewTime")
    if renewed is None:
        return True
    at = datetime.datetime.fromisoformat(renewed.replace("Z", "+00:00"))
    return now < at + datetime.timedelta(seconds=found["spec"].get("leaseDurationSeconds", DURATION))
