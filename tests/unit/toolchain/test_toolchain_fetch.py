"""Downloads are checked against the published checksum and give up quickly."""

from __future__ import annotations

import hashlib
import io
import socket
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from fixtures.toolchain.fetch import Downloader, DownloadFailed, published_sha256

GOOD = hashlib.sha256(b"binary").hexdigest()


def ignore(text: str) -> None:
    pass


def download(releases: Any, target: Path, name: str = "widget", member: str = "") -> None:
    url = f"{releases.url}/{name}"
    Downloader(connect_limit=0.5).release(url, f"{url}.sha256", member, target, ignore)


def test_release_is_saved_executable(releases: Any, tmp_path: Path) -> None:
    """A file with the published checksum MUST be saved, executable, and nothing beside it."""
    releases.publish("widget", b"binary")
    target = tmp_path / "out" / "widget"
    target.parent.mkdir()

    download(releases, target)

    assert target.read_bytes() == b"binary"
    assert target.stat().st_mode & 0o777 == 0o755
    assert list(target.parent.iterdir()) == [target]


def test_wrong_checksum_is_thrown_away(releases: Any, tmp_path: Path) -> None:
    """A file that is not what its checksum says MUST NOT be left on disk."""
    releases.publish("widget", b"binary", sha256="0" * 64)
    target = tmp_path / "out" / "widget"
    target.parent.mkdir()

    with pytest.raises(DownloadFailed, match=f"has SHA-256 {GOOD}, but .* says {'0' * 64}"):
        download(releases, target)

    assert list(target.parent.iterdir()) == []


def test_member_of_an_archive(releases: Any, tmp_path: Path) -> None:
    """From an archive only the named member is taken; a missing one is the reason."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        info = tarfile.TarInfo("widget-v1/widget")
        info.size = 6
        tar.addfile(info, io.BytesIO(b"binary"))
    releases.publish("widget.tar.gz", raw.getvalue())

    download(releases, tmp_path / "widget", "widget.tar.gz", "widget-v1/widget")
    assert (tmp_path / "widget").read_bytes() == b"binary"

    with pytest.raises(DownloadFailed, match="no widget-v2/widget in the release archive"):
        download(releases, tmp_path / "widget", "widget.tar.gz", "widget-v2/widget")


def test_redirect_is_followed_only_to_a_host_that_answers(releases: Any, tmp_path: Path) -> None:
    """A redirect to a dead host MUST fail with that host's name, within the connect limit."""
    releases.publish("real", b"binary")
    releases.files["/widget.sha256"] = GOOD.encode()
    releases.redirects["/widget"] = f"{releases.url}/real"
    download(releases, tmp_path / "widget")

    releases.redirects["/widget"] = "http://127.0.0.1:9/widget"
    with pytest.raises(DownloadFailed, match="cannot connect to 127.0.0.1:9: Connection refused"):
        download(releases, tmp_path / "widget")


def test_broken_off_and_missing_files_are_reasons(releases: Any, tmp_path: Path) -> None:
    """A body that ends early, and an HTTP error, MUST be told as such."""
    releases.publish("widget", b"binary")
    releases.cut.add("/widget")
    with pytest.raises(DownloadFailed, match=r"widget: broke off after 6 of 7 bytes"):
        download(releases, tmp_path / "widget")

    with pytest.raises(DownloadFailed, match=r"other.sha256: HTTP 404 Not Found"):
        download(releases, tmp_path / "other", "other")


def test_silent_host_is_given_up_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A host that does not answer costs the connect limit once in a process, then nothing."""
    calls = []

    def silent(address: tuple[str, int], timeout: float) -> socket.socket:
        calls.append(address)
        time.sleep(0.5)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", silent)
    downloader = Downloader(connect_limit=0.05)
    started = time.monotonic()

    for _ in range(3):
        with pytest.raises(DownloadFailed, match="releases.test:443 did not answer within"):
            downloader.text("https://releases.test/file")

    assert calls == [("releases.test", 443)]
    assert time.monotonic() - started < 0.4


def test_proxy_is_what_must_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy the proxy is asked, never the host itself."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")

    with pytest.raises(DownloadFailed, match="cannot connect to 127.0.0.1:9"):
        Downloader(connect_limit=0.5).text("https://releases.test/file")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"{GOOD}\n", "widget"),
        (f"{GOOD.upper()}", "widget"),
        (f"{'1' * 64}  other\n{GOOD}  widget\n", "widget"),
        (f"{GOOD} *widget\n", "widget"),
    ],
)
def test_published_checksum_forms(text: str, name: str) -> None:
    """A bare checksum and lines of checksum and name are both understood."""
    assert published_sha256(text, name) == GOOD


@pytest.mark.parametrize("text", ["", "<html>", f"{GOOD}  other", "abc  widget", f"{GOOD}\n{GOOD}"])
def test_checksum_file_that_does_not_name_the_file(text: str) -> None:
    """Nothing is guessed from a checksum file that says nothing about the file."""
    with pytest.raises(DownloadFailed, match="says nothing about widget"):
        published_sha256(text, "widget")
