"""What an agent's config is made of besides the agent: its ModelConfig, and the Secrets that are named.

An edit of an input changes the rendered config but not the agent's generation (contract section 2), so
every pass reads them anew and notes what it read: a change of any of these brings the next pass.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reference.rollout.controller.api import Api, Secret
from reference.rollout.controller.errors import NotAccepted
from reference.rollout.controller.objects import Object, namespace_of
from reference.rollout.kinds import ModelConfig

#: Kind and name, in the agent's namespace.
InputRef = tuple[str, str]
#: Name of a Secret and key in it.
SecretRef = tuple[str, str]


@dataclass(frozen=True)
class Inputs:
    """The inputs of one agent as they were read."""

    model: Mapping[str, Any] | None = None
    secrets: Mapping[SecretRef, bytes] = field(default_factory=dict)


def secrets_in(env: list[Mapping[str, Any]]) -> Iterator[SecretRef]:
    """The Secrets and keys that variables take their values from."""
    for variable in env:
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        if reference is not None:
            yield reference["name"], reference["key"]


async def read_inputs(api: Api, agent: Object, noted: set[InputRef]) -> Inputs:
    """Read the inputs of an agent and note their names, also of those that are missing.

    Raises NotAccepted saying what is missing, and what the API does.
    """
    reader = _Reader(api, namespace_of(agent), noted)
    if agent["spec"].get("type") == "BYO":
        wanted = list(secrets_in(agent["spec"]["byo"].get("env", [])))
        return Inputs(secrets={ref: await reader.secret(ref, "the agent's env") for ref in wanted})
    name = agent["spec"]["declarative"]["modelConfig"]
    model = (await reader.get("ModelConfig", name, "the agent"))["spec"]
    if "apiKeySecret" not in model:
        return Inputs(model)
    ref = model["apiKeySecret"], model["apiKeySecretKey"]
    return Inputs(model, {ref: await reader.secret(ref, f"ModelConfig {name}")})


class _Reader:
    _KINDS = {"ModelConfig": ModelConfig, "Secret": Secret}

    def __init__(self, api: Api, namespace: str, noted: set[InputRef]) -> None:
        self._api = api
        self._namespace = namespace
        self._noted = noted

    async def get(self, kind: str, name: str, wanted_by: str) -> Object:
        self._noted.add((kind, name))
        found = await self._api.get(self._KINDS[kind], self._namespace, name)
        if found is None:
            raise NotAccepted(f"{kind} {name}, which {wanted_by} names, does not exist")
        return found

    async def secret(self, ref: SecretRef, wanted_by: str) -> bytes:
        name, key = ref
        found = await self.get("Secret", name, wanted_by)
        value = (found.get("data") or {}).get(key)
        if value is None:
            raise NotAccepted(f"Secret {name}, which {wanted_by} names, has no key {key}")
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error as err:
            raise NotAccepted(f"Secret {name}, key {key}: {err}") from err
