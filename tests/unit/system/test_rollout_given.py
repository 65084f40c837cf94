"""What is said of a substrate that is there already, before a cluster is touched."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import trustme
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection

from fixtures.errors import StartError, UsageError
from fixtures.processes import free_port
from fixtures.system.rollout.endpoint import Endpoint
from fixtures.system.rollout.given import served_features
from reference.rollout.ateapi import Shape, file_descriptor
from reference.rollout.reflection import SERVICE

#: Seconds until the server is given up.
LIMIT = 10.0


@contextmanager
def serving(
    shape: Shape | None = Shape.FLAT, *, without: Collection[str] = (), name: str = SERVICE
) -> Iterator[Endpoint]:
    """A server that describes ate-api without some methods, under some name; nothing if there is no shape."""
    server = grpc.server(ThreadPoolExecutor(2))
    if shape is not None:
        described = descriptor_pb2.FileDescriptorProto()
        described.CopyFrom(file_descriptor(shape))
        service = described.service[0]
        service.name = name.rpartition(".")[2]
        kept = [method for method in service.method if method.name not in without]
        del service.method[:]
        service.method.extend(kept)
        pool = descriptor_pool.DescriptorPool()
        pool.Add(described)
        reflection.enable_server_reflection((name,), server, pool=pool)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield Endpoint(f"127.0.0.1:{port}", "http://127.0.0.1:1")
    finally:
        server.stop(grace=None).wait()


@pytest.mark.parametrize(
    ("shape", "without", "features"),
    [
        (Shape.ATESPACES, (), {"SubstratePause", "SubstrateAtespaces"}),
        (Shape.FLAT, (), {"SubstratePause"}),
        (Shape.FLAT, ("PauseActor",), set()),
    ],
)
def test_features_are_those_that_ate_api_describes(
    shape: Shape, without: Collection[str], features: set[str]
) -> None:
    """What ate-api does not describe it MUST NOT be taken to have; that the suite owns it, least of all."""
    with serving(shape, without=without) as endpoint:
        assert served_features(endpoint, LIMIT) == features


def test_nobody_there_is_no_wrong_option() -> None:
    """An address where nothing listens MUST be named, with what was tried, as something that is not up."""
    endpoint = Endpoint(f"127.0.0.1:{free_port()}", "http://127.0.0.1:1")

    with pytest.raises(StartError) as caught:
        served_features(endpoint, LIMIT)

    text = str(caught.value)
    assert text.startswith(f"--rollout-target endpoint:{endpoint.ate_api}: no ate-api is reached there by ")
    assert "by plain text: UNAVAILABLE, " in text


def test_plain_text_is_not_taken_for_tls(tmp_path: Path) -> None:
    """A server without TLS MUST NOT be used where a CA was named."""
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(authority))
    with serving() as plain, pytest.raises(StartError, match=r"by TLS checked with .*ca\.pem"):
        served_features(Endpoint(plain.ate_api, plain.router, authority), LIMIT)


@pytest.mark.parametrize(
    ("shape", "without", "name", "error"),
    [
        (None, (), SERVICE, r"has no gRPC reflection \(grpc\.reflection\.v1alpha\)"),
        (Shape.FLAT, (), "ateapi.Other", r"does not serve ateapi\.Control \(no description of"),
        (Shape.FLAT, ("ListWorkers", "DeleteActor"), SERVICE, "has no method DeleteActor, ListWorkers"),
    ],
    ids=["no-reflection", "wrong-service", "missing-methods"],
)
def test_server_that_tests_cannot_use_is_refused(
    shape: Shape | None, without: Collection[str], name: str, error: str
) -> None:
    """A server that is no ate-api, or does not describe itself, MUST be refused as a wrong option."""
    with serving(shape, without=without, name=name) as endpoint, pytest.raises(UsageError, match=error):
        served_features(endpoint, LIMIT)
