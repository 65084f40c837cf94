"""The validating webhook over HTTPS (SS-A2, SS-A3)."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from fixtures.processes import free_port
from reference.program import Address, listening
from reference.snapstart.controller.mutants.inputs import LaxWebhook
from reference.snapstart.controller.webhook import PATH, Webhook, tls

FORK = {"apiGroup": "extensions.agents.x-k8s.io", "kind": "SandboxTemplate", "name": "python"}
RESUME = {"apiGroup": "agents.x-k8s.io", "kind": "Sandbox", "name": "session"}
CLASSES: Mapping[str, Any] = {
    "fork": {"metadata": {"name": "fork"}, "spec": {"providerName": "p", "supportedSnapshotModes": ["Fork"]}},
    "both": {
        "metadata": {"name": "both"},
        "spec": {"providerName": "p", "supportedSnapshotModes": ["Fork", "Resume"]},
    },
}


class Classes:
    """An API server that has only classes."""

    async def get(self, kind: Any, namespace: str, name: str) -> Any:
        return CLASSES.get(name)


def snapshot(mode: str = "Fork", of_class: str = "both", source: Any = FORK, **more: Any) -> dict[str, Any]:
    """A SandboxSnapshot."""
    spec = {"snapshotMode": mode, "snapshotClassName": of_class, "sourceRef": source, **more}
    return {"metadata": {"name": "snap"}, "spec": spec}


def complaints(asked: Any, webhook: type[Webhook] = Webhook, before: Any = None) -> list[str]:
    """What the webhook says to a snapshot."""
    request = {"uid": "1", "object": asked, "oldObject": before}
    return asyncio.run(webhook(Classes()).complaints(request))


@pytest.mark.parametrize(
    "asked",
    [
        snapshot(),
        snapshot(forkPolicy={"rebuildAfter": "1h"}),
        snapshot("Resume", source=RESUME),
        snapshot(of_class="unknown"),
    ],
)
def test_what_is_admitted(asked: Any) -> None:
    """What can be built, or may be once its class exists, MUST be admitted."""
    assert complaints(asked) == []


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (snapshot("Resume", source=RESUME, forkPolicy={}), "forkPolicy is for mode Fork only"),
        (snapshot("Resume", "fork", RESUME), "SnapshotClass fork supports Fork, not Resume"),
        (snapshot("Fork", source=RESUME), "mode Fork takes a source of kind SandboxTemplate"),
        (snapshot("Resume", source=FORK), "mode Resume takes a source of kind Sandbox.agents.x-k8s.io"),
        (snapshot(source={**FORK, "apiGroup": "other"}), "not SandboxTemplate.other"),
    ],
)
def test_what_is_refused(asked: Any, complaint: str) -> None:
    """SS-A2, SS-A3: what can never be built MUST be refused, saying why; the lax webhook admits it."""
    (found,) = complaints(asked)
    assert complaint in found
    assert complaints(asked, LaxWebhook) == []


def test_write_that_leaves_the_spec() -> None:
    """A snapshot that is wrong already MUST still be deletable: its finalizer goes by an update."""
    wrong = snapshot("Resume", "fork", RESUME)
    assert complaints(wrong, before=wrong) == []
    assert complaints(wrong, before=snapshot()) != []


def test_reviews_over_https(tmp_path: Path) -> None:
    """Reviews MUST be answered over HTTPS with their UID; what is no review is a 400."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(tmp_path / "certificate.pem", append=True)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def asking() -> list[tuple[int, str]]:
        address = Address("127.0.0.1", free_port())
        context = tls(tmp_path / "certificate.pem", tmp_path / "key.pem")
        answers = []
        async with (
            listening(Webhook(Classes()).application(), address, context),
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as http,
        ):
            review = {"request": {"uid": "7", "object": snapshot("Fork", source=RESUME)}}
            for body in (json.dumps(review), "{}", "garbage"):
                async with http.post(f"https://{address}{PATH}", data=body) as reply:
                    answers.append((reply.status, await reply.text()))
        return answers

    refused, empty, garbage = asyncio.run(asyncio.wait_for(asking(), 20))
    response = json.loads(refused[1])["response"]
    assert (response["uid"], response["allowed"], response["status"]["code"]) == ("7", False, 422)
    assert (empty[0], garbage[0]) == (400, 400)
