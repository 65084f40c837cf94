"""The smaller parts of the real substrate."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from fixtures.errors import StartError
from fixtures.ownedprocess import OwnedProcess
from fixtures.system.rollout.real.ateapi import require_private_mounts
from fixtures.system.rollout.real.certificates import Certificates
from fixtures.system.rollout.real.placement import atelet_address
from fixtures.system.rollout.real.redis import Redis


def test_a_missing_redis_is_told_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without redis-server the error MUST name the Debian package that brings it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("fixtures.system.rollout.real.redis.ELSEWHERE", str(tmp_path))
    redis = Redis(OwnedProcess("redis", tmp_path, tmp_path), 1, 2)

    with pytest.raises(StartError, match=r"redis-server is not installed; .*`apt-get install redis-server`"):
        redis.start(1)


def test_a_mount_namespace_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where ateapi cannot have a /run of its own the error MUST say what has to be allowed."""
    unshare = tmp_path / "unshare"
    unshare.write_text("#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2\nexit 1\n")
    unshare.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(
        StartError, match=r"Operation not permitted\. Run as root, or allow others user namespaces"
    ):
        require_private_mounts()


def test_clients_with_the_authority_trust_the_server(tmp_path: Path) -> None:
    """The server's certificate MUST be good for localhost and 127.0.0.1, under the run's authority only."""
    certificates = Certificates(tmp_path / "certificates")
    certificates.issue()
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    at_server.load_cert_chain(certificates.server)

    for name in ("localhost", "127.0.0.1"):
        assert shaken_hands(at_server, ssl.create_default_context(cafile=str(certificates.authority)), name)
    assert not shaken_hands(at_server, ssl.create_default_context(), "localhost")
    assert certificates.folder.stat().st_mode & 0o077 == 0


def shaken_hands(at_server: ssl.SSLContext, at_client: ssl.SSLContext, name: str) -> bool:
    """Whether a client accepts the server by that name."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with at_server.wrap_socket(theirs, server_side=True):
                pass
        except (ssl.SSLError, OSError):
            theirs.close()

    server = threading.Thread(target=serve)
    server.start()
    try:
        with at_client.wrap_socket(ours, server_hostname=name):
            return True
    except ssl.SSLCertVerificationError:
        return False
    finally:
        ours.close()
        server.join(5)


def test_clusters_have_addresses_of_their_own() -> None:
    """A cluster's nodes MUST have a loopback address that is nobody else's, and always the same."""
    addresses = {atelet_address(f"uid-{number}") for number in range(200)}

    assert len(addresses) == 200
    assert all(address.startswith("127.") and not address.startswith("127.0.") for address in addresses)
    assert atelet_address("uid-7") == atelet_address("uid-7")
