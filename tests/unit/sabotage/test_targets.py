"""What a request is about, read from its path."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.kube.kinds import POD, SANDBOX, Kind
from fixtures.sabotage.wire import Target

BOXES = "/apis/agents.x-k8s.io/v1beta1/namespaces/ns/sandboxes"


@pytest.mark.parametrize(
    ("method", "path", "text", "namespace", "writes"),
    [
        ("GET", BOXES, "list sandboxes", "ns", False),
        ("GET", "/apis/agents.x-k8s.io/v1beta1/sandboxes", "list sandboxes", "", False),
        ("GET", f"{BOXES}/one", "get sandboxes/one", "ns", False),
        ("POST", BOXES, "create sandboxes", "ns", True),
        ("PUT", f"{BOXES}/one/status", "update sandboxes/one/status", "ns", True),
        ("PATCH", f"{BOXES}/one", "patch sandboxes/one", "ns", True),
        ("DELETE", f"{BOXES}/one", "delete sandboxes/one", "ns", True),
        ("DELETE", BOXES, "deletecollection sandboxes", "ns", True),
        ("POST", "/api/v1/namespaces/ns/pods/one/binding", "create pods/one/binding", "ns", True),
        ("GET", "/api/v1/namespaces", "list namespaces", "", False),
        ("GET", "/api/v1/namespaces/ns", "get namespaces/ns", "", False),
        ("PUT", "/api/v1/namespaces/ns/finalize", "update namespaces/ns/finalize", "", True),
        ("PATCH", "/api/v1/namespaces/ns/status", "patch namespaces/ns/status", "", True),
        ("GET", "/api/v1/nodes/n1", "get nodes/n1", "", False),
        ("GET", "/apis/agents.x-k8s.io/v1beta1", "list /apis/agents.x-k8s.io/v1beta1", "", False),
        ("GET", "/healthz", "list /healthz", "", False),
        ("POST", "/healthz", "create /healthz", "", False),
    ],
)
def test_a_target_says_what_a_request_is_about(
    method: str, path: str, text: str, namespace: str, writes: bool
) -> None:
    """Verb, resource, name, subresource and namespace MUST be those of the path."""
    target = Target.of(method, path, {})

    assert (str(target), target.namespace, target.writes) == (text, namespace, writes)


@pytest.mark.parametrize(
    ("query", "verb", "resuming"),
    [
        ({}, "list", False),
        ({"watch": "true"}, "watch", False),
        ({"watch": "1", "resourceVersion": "0"}, "watch", False),
        ({"watch": "true", "resourceVersion": "12"}, "watch", True),
        ({"watch": "true", "resourceVersion": "12", "sendInitialEvents": "true"}, "watch", False),
        ({"watch": "false", "resourceVersion": "12"}, "list", False),
    ],
)
def test_a_watch_that_goes_on_is_told_from_one_that_begins(
    query: dict[str, str], verb: str, resuming: bool
) -> None:
    """Only a watch from a known resourceVersion MUST count as resumed."""
    target = Target.of("GET", BOXES, query)

    assert (target.verb, target.resuming) == (verb, resuming)


NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)


@given(
    kind=st.sampled_from([POD, SANDBOX]),
    namespace=NAMES,
    name=st.none() | NAMES,
    subresource=st.sampled_from([None, "status", "scale"]),
)
@settings(deadline=None, database=None, max_examples=50)
def test_paths_and_targets_agree(
    kind: Kind, namespace: str, name: str | None, subresource: str | None
) -> None:
    """What `Kind.path` builds MUST be read back, whatever the names are."""
    subresource = subresource if name else None

    target = Target.of("GET", kind.path(namespace, name, subresource), {})

    read = (target.plural, target.namespace, target.name, target.subresource)
    assert read == (kind.plural, namespace, name or "", subresource or "")
