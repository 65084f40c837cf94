"""Connections: one kubeconfig and one context, never another."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fixtures.kube.connection import CREDENTIALS_PERIOD, Connection


def two_contexts(folder: Path) -> Path:
    """A kubeconfig with contexts `here` and `there`; `there` is current, files are named relative to it."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "there",
        "contexts": [
            {"name": name, "context": {"cluster": f"c-{name}", "user": f"u-{name}"}}
            for name in ("here", "there")
        ],
        "clusters": [
            {
                "name": f"c-{name}",
                "cluster": {"server": f"https://{name}:1", "certificate-authority": "ca.crt"},
            }
            for name in ("here", "there")
        ],
        "users": [
            {"name": f"u-{name}", "user": {"tokenFile": f"{name}.token"}} for name in ("here", "there")
        ],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


def test_alone_holds_one_context_only(tmp_path: Path) -> None:
    """A program MUST be given the named context as the current one, and no way to any other cluster."""
    source = tmp_path / "source"
    source.mkdir()

    alone = Connection(two_contexts(source), "here").alone(tmp_path / "alone")

    content = yaml.safe_load(alone.kubeconfig.read_text())
    assert content["current-context"] == "here"
    assert [c["name"] for c in content["contexts"]] == ["here"]
    assert content["clusters"][0]["cluster"] == {
        "server": "https://here:1",
        "certificate-authority": str(source / "ca.crt"),
    }
    assert content["users"] == [{"name": "u-here", "user": {"tokenFile": str(source / "here.token")}}]
    assert alone.kubeconfig.stat().st_mode & 0o077 == 0


def test_alone_with_a_token_has_no_other_credential(tmp_path: Path) -> None:
    """A program that gets a token MUST get it in the place of what the context has."""
    source = two_contexts(tmp_path)
    alone = Connection(source, "here").alone(tmp_path / "alone", token="secret")

    content = yaml.safe_load(alone.kubeconfig.read_text())
    assert content["users"] == [{"name": "u-here", "user": {"token": "secret"}}]


def test_alone_replaces_an_older_one(tmp_path: Path) -> None:
    """A kubeconfig of an earlier start MUST be overwritten."""
    source = two_contexts(tmp_path)
    Connection(source, "there").alone(tmp_path / "alone")

    Connection(source, "here").alone(tmp_path / "alone")

    assert yaml.safe_load((tmp_path / "alone").read_text())["current-context"] == "here"


@pytest.mark.parametrize("context", ["here", "there"])
def test_the_context_that_is_named_is_used(tmp_path: Path, context: str) -> None:
    """The named context MUST be used, whatever the file calls current."""
    source = two_contexts(tmp_path)
    for name in ("here", "there"):
        (tmp_path / f"{name}.token").write_text("t")
    (tmp_path / "ca.crt").write_text("")

    assert Connection(source, context).configuration().host == f"https://{context}:1"


def test_credentials_are_read_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token file MUST NOT be read with every request, and one that was replaced be noticed."""
    (tmp_path / "ca.crt").touch()
    times = [0.0, 0.9 * CREDENTIALS_PERIOD, CREDENTIALS_PERIOD]
    monkeypatch.setattr("fixtures.kube.connection.time.monotonic", lambda: times[0])
    connection = Connection(two_contexts(tmp_path), "here")
    found = []
    for text in ("one", "two", "three"):
        (tmp_path / "here.token").write_text(text)
        found.append(connection.auth_headers()["authorization"])
        del times[0]

    assert found == ["Bearer one", "Bearer one", "Bearer three"]
