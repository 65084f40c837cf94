"""Admission webhooks: AdmissionReviews (admission.k8s.io/v1) and their answers, over HTTPS.

A program has `--NAME HOST:PORT`, `--NAME-certificate` and `--NAME-key` for one.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from aiohttp import web

from reference.program import Address, listening


@dataclass(frozen=True)
class Verdict:
    """What becomes of a write: refused for the reasons in `complaints`, else done, with `patch` applied."""

    complaints: Sequence[str] = ()
    patch: Sequence[Mapping[str, Any]] = ()


#: Judges the request of a review.
Judge: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Verdict]]


async def answer(request: web.Request, judge: Judge) -> web.Response:
    """The answer to a review; status 400 to what is none."""
    try:
        review = json.loads(await request.read())
        asked = review["request"]
        uid = str(asked["uid"])
    except (ValueError, KeyError, TypeError) as err:
        return web.Response(status=400, text=f"no AdmissionReview: {err!r}\n")
    verdict = await judge(asked)
    response: dict[str, Any] = {"uid": uid, "allowed": not verdict.complaints}
    if verdict.complaints:
        response["status"] = {"code": 422, "reason": "Invalid", "message": "; ".join(verdict.complaints)}
    elif verdict.patch:
        patch = json.dumps(list(verdict.patch)).encode()
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
    return web.json_response(
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    )


def add_options(found: argparse.ArgumentParser, name: str, what: str) -> None:
    """The options of a webhook, of which `what` is the help."""
    add = found.add_argument
    add(f"--{name}", type=Address.parse, metavar="HOST:PORT", help=f"{what} (HTTPS)")
    add(f"--{name}-certificate", type=Path, metavar="FILE", help="its certificate chain, PEM")
    add(f"--{name}-key", type=Path, metavar="FILE", help="its private key, PEM")


def complaint(arguments: argparse.Namespace, name: str) -> str | None:
    """What is missing among the options of a webhook, None if nothing is."""
    address, certificate, key = _options(arguments, name)
    if address is None or (certificate and key):
        return None
    return f"--{name} needs --{name}-certificate and --{name}-key: an API server asks over HTTPS only"


@contextlib.asynccontextmanager
async def serving(
    application: web.Application, arguments: argparse.Namespace, name: str
) -> AsyncIterator[None]:
    """Serve a webhook, if its options ask for it, until the block ends. Raises what `tls` does."""
    address, certificate, key = _options(arguments, name)
    if address is None:
        yield
        return
    async with listening(application, address, tls(certificate, key)):
        yield


def tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's TLS context. Raises OSError, also where the files hold no certificate and key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _options(arguments: argparse.Namespace, name: str) -> tuple[Address | None, Path, Path]:
    given = vars(arguments)
    return given[name], given[f"{name}_certificate"], given[f"{name}_key"]
