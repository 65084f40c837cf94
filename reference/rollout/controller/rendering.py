"""From an agent and its inputs to the template, its Secret and their names. Pure.

What ends up in a template's golden snapshot must be in the template's name, or two configs would share a
snapshot. `SafeRendering` therefore hashes the whole spec with the config, and copies every secret value
that the workload gets into a Secret that belongs to the template alone, so that a golden built later than
the next edit still has the values it was named for (C26). The other dialects name and place things as
kagent did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reference.rollout import names
from reference.rollout.controller.errors import NotAccepted
from reference.rollout.controller.inputs import Inputs, secrets_in
from reference.rollout.controller.objects import (
    Object,
    generation_of,
    name_of,
    namespace_of,
)

#: Where a workload listens, and what says that it is ready.
PORT = 8080
HEALTH = "/health"

#: Variable of a declarative agent's workload that holds the key of its model.
API_KEY_ENV = "KAGENT_API_KEY"


@dataclass(frozen=True)
class Images:
    """Images that the controller gives to templates; both pinned by digest."""

    pause: str
    workload: str


@dataclass(frozen=True)
class Workload:
    """What runs in an actor: `config` is in the config Secret, by key, and reaches it as `variables`."""

    image: str
    command: Sequence[str] = ()
    env: Sequence[Mapping[str, Any]] = ()
    config: Mapping[str, bytes] | None = None


@dataclass(frozen=True)
class Rendered:
    """What the API server should hold for an agent's config; `secret` is None where nothing is secret."""

    name: str
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]
    secret: str | None
    secret_data: Mapping[str, bytes]


def workload(agent: Object, inputs: Inputs, images: Images) -> Workload:
    """The workload of an agent. Raises NotAccepted for an image without a digest."""
    spec = agent["spec"]
    if spec.get("type") == "BYO":
        byo = spec["byo"]
        found = Workload(byo["image"], [byo["cmd"], *byo.get("args", [])], byo.get("env", []))
    else:
        found = _declarative(agent, inputs, images)
    if "@" not in found.image:
        raise NotAccepted(f"image {found.image} is not pinned by digest (it has no @)")
    return found


def _declarative(agent: Object, inputs: Inputs, images: Images) -> Workload:
    model = inputs.model or {}
    config = {
        "model": model.get("model"),
        "instruction": agent["spec"]["declarative"].get("systemMessage", ""),
    }
    card = {"name": name_of(agent).replace("-", "_"), "version": "", "url": f"http://127.0.0.1:{PORT}"}
    env: list[dict[str, Any]] = [
        {"name": "KAGENT_NAME", "value": name_of(agent)},
        {"name": "KAGENT_NAMESPACE", "value": namespace_of(agent)},
    ]
    if "apiKeySecret" in model:
        env.append(secret_env(API_KEY_ENV, model["apiKeySecret"], model["apiKeySecretKey"]))
    files = {names.CONFIG_KEY: names.canonical_json(config), names.CARD_KEY: names.canonical_json(card)}
    return Workload(images.workload, (), env, files)


def secret_env(variable: str, secret: str, key: str) -> dict[str, Any]:
    """A variable whose value is in a Secret."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def template_spec(agent: Object, load: Workload, secret: str, images: Images) -> dict[str, Any]:
    """The spec of a template in every field that any substrate knows, CRD defaults included.

    Defaults are written out so that what is read back equals what was written.
    """
    substrate = agent["spec"]["substrate"]
    pool = substrate["workerPoolRef"]["name"]
    default_location = f"gs://ate-snapshots/{namespace_of(agent)}/{name_of(agent)}"
    env = list(load.env)
    if load.config is not None:
        env.append(secret_env(names.CONFIG_ENV, secret, names.CONFIG_KEY))
        env.append(secret_env(names.CARD_ENV, secret, names.CARD_KEY))
    container: dict[str, Any] = {
        "name": "agent",
        "image": load.image,
        "env": env,
        "readyz": {"httpGet": {"path": HEALTH, "port": PORT}},
    }
    if load.command:
        container["command"] = list(load.command)
    return {
        "pauseImage": images.pause,
        "containers": [container],
        "snapshotsConfig": {
            "location": substrate.get("snapshotsConfig", {}).get("location", default_location),
            "onPause": "Full",
            "onCommit": "Full",
        },
        "sandboxClass": "gvisor",
        "workerSelector": {"matchLabels": {names.WORKER_POOL_LABEL: pool}},
        # The fork v0.0.6 names a pool instead, and wants a block about runsc, however empty.
        "workerPoolRef": {"name": pool, "namespace": namespace_of(agent)},
        "runsc": {"authentication": {}},
    }


def known(value: Any, schema: Mapping[str, Any]) -> Any:
    """`value` without the fields that a structural schema does not have, as the API server would keep it."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return value
    if isinstance(value, Mapping) and "properties" in schema:
        fields = schema["properties"]
        return {key: known(item, fields[key]) for key, item in value.items() if key in fields}
    if isinstance(value, list) and "items" in schema:
        return [known(item, schema["items"]) for item in value]
    return value


def hash_parts(load: Workload, inputs: Inputs) -> list[bytes]:
    """The four parts of a config hash: agent config, agent card, secret data, skills (not supported)."""
    config = load.config or {}
    return [
        config.get(names.CONFIG_KEY, b""),
        config.get(names.CARD_KEY, b""),
        _secret_part(inputs),
        b"",
    ]


def _secret_part(inputs: Inputs) -> bytes:
    if not inputs.secrets:
        return b""
    return names.canonical_json(
        {f"{secret}/{key}": value.hex() for (secret, key), value in inputs.secrets.items()}
    )


@dataclass(frozen=True)
class Rendering:
    """What all dialects have in common; `schema` is that of a template's spec."""

    images: Images
    schema: Mapping[str, Any]

    def render(self, agent: Object, inputs: Inputs) -> Rendered:
        """The template and Secret for an agent. Raises NotAccepted saying what is wrong with it."""
        raise NotImplementedError

    def spec(self, agent: Object, load: Workload, secret: str) -> dict[str, Any]:
        """The spec of a template, in the fields that the substrate at hand knows."""
        spec: dict[str, Any] = known(template_spec(agent, load, secret, self.images), self.schema)
        return spec

    def annotations(self, agent: Object, short: str) -> dict[str, str]:
        """The annotations of a template besides its place in the order."""
        return {names.CONFIG_HASH_ANNOTATION: short}


class SafeRendering(Rendering):
    """v1_safe: everything in the golden is in the name, everything secret in the template's own Secret."""

    def render(self, agent: Object, inputs: Inputs) -> Rendered:
        """The template and Secret for an agent. Raises NotAccepted saying what is wrong with it."""
        self.check_name(agent)
        load, copies = self._with_own_secrets(workload(agent, inputs, self.images), inputs)
        identity = self.identity(agent, load, inputs)
        name = self.template_name(name_of(agent), identity)
        secret = self.secret_name(agent, name)
        own = replace(load, env=[_in_secret(variable, secret) for variable in load.env])
        data = {**(load.config or {}), **copies}
        return Rendered(
            name,
            self.annotations(agent, identity),
            self.spec(agent, own, secret),
            secret if data else None,
            data,
        )

    def check_name(self, agent: Object) -> None:
        """Raise NotAccepted for a name that cannot be the value of a label (D13)."""
        length = len(name_of(agent))
        if length > names.LABEL_LENGTH:
            raise NotAccepted(
                f"the agent's name has {length} characters; templates carry it as a label, "
                f"which can have {names.LABEL_LENGTH}"
            )

    def identity(self, agent: Object, load: Workload, inputs: Inputs) -> str:
        """What the template's name says of its config."""
        return names.short_hash(str(self.config_hash(agent, load, inputs)))

    def config_hash(self, agent: Object, load: Workload, inputs: Inputs) -> int:
        """The hash of all that reaches the golden: the config, and the spec but for the Secret's name."""
        return names.framed_hash([*hash_parts(load, inputs), self._shape(agent, load)])

    def template_name(self, agent: str, identity: str) -> str:
        """The name of the template."""
        return names.template_name(agent, identity)

    def secret_name(self, agent: Object, template: str) -> str:
        """The name of the config Secret."""
        return template

    def _shape(self, agent: Object, load: Workload) -> bytes:
        return names.canonical_json(self.spec(agent, load, ""))

    @staticmethod
    def _with_own_secrets(load: Workload, inputs: Inputs) -> tuple[Workload, dict[str, bytes]]:
        """The workload with its secret variables taken from the own Secret ("" for now), and their values."""
        env: list[Mapping[str, Any]] = []
        copies: dict[str, bytes] = {}
        for index, variable in enumerate(load.env):
            refs = list(secrets_in([variable]))
            if refs:
                copies[f"env-{index}"] = inputs.secrets[refs[0]]
                env.append(secret_env(variable["name"], "", f"env-{index}"))
            else:
                env.append(variable)
        return replace(load, env=env), copies


def _in_secret(variable: Mapping[str, Any], secret: str) -> Mapping[str, Any]:
    refs = list(secrets_in([variable]))
    return secret_env(variable["name"], secret, refs[0][1]) if refs else variable


class V1Rendering(Rendering):
    """V1: parts joined, one Secret per agent, and BYO agents without a hash of their own (D19)."""

    def render(self, agent: Object, inputs: Inputs) -> Rendered:
        """The template and Secret for an agent. Raises NotAccepted saying what is wrong with it."""
        load = workload(agent, inputs, self.images)
        byo = load.config is None
        short = names.short_hash("0" if byo else str(names.joined_hash(hash_parts(load, inputs))))
        name = names.template_name(name_of(agent), short)
        secret = self.secret_name(agent, name)
        return Rendered(
            name,
            self.annotations(agent, short),
            self.spec(agent, load, secret),
            None if byo else secret,
            load.config or {},
        )

    def secret_name(self, agent: Object, template: str) -> str:
        """The name of the config Secret: the agent's, so the next config overwrites it."""
        return name_of(agent)


class RetainRendering(V1Rendering):
    """K2: as V1, with a Secret per template and the agent's generation as its place in the order."""

    def secret_name(self, agent: Object, template: str) -> str:
        """The name of the config Secret: the template's."""
        return template

    def annotations(self, agent: Object, short: str) -> dict[str, str]:
        """The annotations of a template: its hash and its place in the order."""
        return {
            names.CONFIG_HASH_ANNOTATION: short,
            names.DESIRED_GENERATION_ANNOTATION: str(generation_of(agent)),
        }


class PinnedRendering(Rendering):
    """K3: a template is named by its spec alone; config is in the agent's Secret and changes under it."""

    def render(self, agent: Object, inputs: Inputs) -> Rendered:
        """The template and Secret for an agent. Raises NotAccepted saying what is wrong with it."""
        load = workload(agent, inputs, self.images)
        secret = name_of(agent)
        spec = self.spec(agent, load, secret)
        digest = names.template_hash(spec)
        annotations = {
            names.TEMPLATE_HASH_ANNOTATION: digest,
            names.DESIRED_GENERATION_ANNOTATION: str(generation_of(agent)),
        }
        return Rendered(
            names.template_name(name_of(agent), digest),
            annotations,
            spec,
            None if load.config is None else secret,
            load.config or {},
        )


class RevisionRendering(SafeRendering):
    """API v2: as v1_safe, with a revision instead of a short hash. SandboxAgents all have one harness."""

    def identity(self, agent: Object, load: Workload, inputs: Inputs) -> str:
        """The revision."""
        parts = [*hash_parts(load, inputs), self._shape(agent, load)]
        return names.revision([part.hex() for part in parts])

    def template_name(self, agent: str, identity: str) -> str:
        """The name of the template."""
        return names.revision_template_name(agent, names.MANAGED_BY, identity)
