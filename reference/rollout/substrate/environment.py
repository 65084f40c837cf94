"""The environment of a workload: literal values, and keys of Secrets that are cached for a while.

Texts and cache are those of upstream's workload specification: a Secret that was read is believed for 30 s.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.resources.core_v1 import Secret

from reference.rollout.substrate.errors import InternalError, precondition

#: Seconds for which a Secret is not asked for again (contract section 4).
SECRET_CACHE: Final = 30.0

#: The data of a Secret (decoded) by namespace and name, None if there is no such Secret.
SecretReader: TypeAlias = Callable[[str, str], Awaitable[Mapping[str, str] | None]]


def secrets_of(client: AsyncClient) -> SecretReader:
    """Read Secrets from the API server. The reader raises InternalError."""

    async def read(namespace: str, name: str) -> Mapping[str, str] | None:
        try:
            secret = await client.get(Secret, name, namespace=namespace)
        except ApiError as err:
            if err.status.code == 404:
                return None
            raise InternalError(f"while reading secret {namespace}/{name}: {err}") from err
        except httpx2.HTTPError as err:
            raise InternalError(f"while reading secret {namespace}/{name}: {err!r}") from err
        return {key: base64.b64decode(value).decode() for key, value in (secret.data or {}).items()}

    return read


class SecretCache:
    """Secrets that were read lately. A Secret that is not there is asked for again each time."""

    def __init__(self, read: SecretReader, seconds: float = SECRET_CACHE) -> None:
        self._read = read
        self._seconds = seconds
        self._known: dict[tuple[str, str], tuple[float, Mapping[str, str]]] = {}

    async def __call__(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The Secret's data, as old as the cache allows."""
        until, data = self._known.get((namespace, name), (0.0, {}))
        if time.monotonic() < until:
            return data
        found = await self._read(namespace, name)
        if found is not None:
            self._known[namespace, name] = (time.monotonic() + self._seconds, found)
        return found


async def environment(template: Mapping[str, Any], secrets: SecretReader) -> dict[str, str]:
    """All variables of all containers of a template. Raises FAILED_PRECONDITION for what is missing."""
    namespace = template["metadata"]["namespace"]
    env: dict[str, str] = {}
    for container in template["spec"].get("containers") or []:
        for variable in container.get("env") or []:
            where = f'container "{container["name"]}" env "{variable["name"]}"'
            value = await _value(variable, where, namespace, secrets)
            if value is not None:
                env[variable["name"]] = value
    return env


async def _value(
    variable: Mapping[str, Any], where: str, namespace: str, secrets: SecretReader
) -> str | None:
    if "value" in variable:
        return str(variable["value"])
    ref = (variable.get("valueFrom") or {}).get("secretKeyRef")
    if ref is None:
        raise precondition(f"{where} has unknown value source")
    data = await secrets(namespace, ref["name"])
    if data is not None and ref["key"] in data:
        return data[ref["key"]]
    if ref.get("optional"):
        return None
    if data is None:
        raise precondition(f"{where} references missing secret {namespace}/{ref['name']}")
    raise precondition(f'{where} references missing key "{ref["key"]}" in secret {namespace}/{ref["name"]}')
