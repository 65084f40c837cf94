"""Names, hashes and ids of a rollout: every formula of contract section 3, pure and exact.

The dialects differ in what they hash and how they write an id; this module holds the formulas, the dialects
choose among them. Words: a *config hash* is an unsigned 64-bit number, a *short hash* its hexadecimal form
without leading zeros, "" where there is none.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

#: A value of labels, actor ids and Deployment names: at most this many characters.
LABEL_LENGTH = 63

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "kagent"
#: Label of everything made for an agent: its whole name, never truncated.
AGENT_LABEL = "kagent.dev/sandbox-agent"
#: Label of a WorkerPool by which templates select it.
WORKER_POOL_LABEL = "kagent.dev/worker-pool"
#: Annotation of a template: the short hash of the config it was made of.
CONFIG_HASH_ANNOTATION = "kagent.dev/config-hash"
#: Annotation of a template in dialect K3: the hash of its spec.
TEMPLATE_HASH_ANNOTATION = "kagent.dev/actor-template-hash"
#: Annotation of a template: its place in the order, a decimal number, the highest is the most desired.
DESIRED_GENERATION_ANNOTATION = "kagent.dev/desired-generation"
#: Finalizer of an agent: its actors are outside the cluster's reach and are removed first.
FINALIZER = "kagent.dev/sandbox-agent-substrate-cleanup"

#: Keys of the config Secret and the variables of the workload that they become.
CONFIG_KEY = "config.json"
CARD_KEY = "agent-card.json"
CONFIG_ENV = "KAGENT_CONFIG_JSON"
CARD_ENV = "KAGENT_AGENT_CARD_JSON"

_ACTOR = "asr"
_UINT64 = 2**64
_DECIMAL = re.compile(r"[0-9]+", re.ASCII)
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)


def is_dns_label(text: str) -> bool:
    """Whether `text` is a DNS-1123 label, length included."""
    return len(text) <= LABEL_LENGTH and _DNS_LABEL.fullmatch(text) is not None


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and without spaces: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def first_uint64(data: bytes) -> int:
    """The first 8 bytes, big endian, of the sha256 of `data`."""
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


def joined_hash(parts: Sequence[bytes]) -> int:
    """Config hash of V1 to K3: the parts joined without separators, so ("ab", "c") equals ("a", "bc")."""
    return first_uint64(b"".join(parts))


def framed_hash(parts: Sequence[bytes]) -> int:
    """Config hash of v1_safe: each part behind its length (8 bytes, big endian), so none borrows a byte."""
    return first_uint64(b"".join(len(part).to_bytes(8, "big") + part for part in parts))


def short_hash(decimal: str | None) -> str:
    """The short hash of a config hash in decimal; "" if it is absent or no unsigned 64-bit number."""
    if decimal is None or not _DECIMAL.fullmatch(decimal) or int(decimal) >= _UINT64:
        return ""
    return f"{int(decimal):x}"


def truncated(name: str, length: int) -> str:
    """`name` in lower case with "-" for "_", cut to `length`, without "-" at its end."""
    return name.lower().replace("_", "-")[:length].rstrip("-")


def template_name(agent: str, short: str) -> str:
    """Name of the ActorTemplate of `agent` for a short hash (or, in dialect K3, a template hash)."""
    if not short:
        return truncated(agent, LABEL_LENGTH)
    return f"{truncated(agent, 46)}-{short}"


def template_hash(spec: Any) -> str:
    """Template hash of dialect K3: 16 hexadecimal digits over the spec of a template."""
    return hashlib.sha256(canonical_json(spec)).hexdigest()[:16]


def agent_prefix(namespace: str, agent: str, uid: str) -> str:
    """What ids of an agent's actors begin with in V1 to K3; with its UID where names make no DNS label."""
    prefix = truncated(f"{_ACTOR}-{namespace}-{agent}", LABEL_LENGTH)
    return prefix if is_dns_label(prefix) else f"{_ACTOR}-{uid}"


def hashed_actor_id(*parts: str) -> str:
    """The short form of a session's actor id: "asr-", then 24 hexadecimal digits over the parts and "/"."""
    return f"{_ACTOR}-{hashlib.sha256('/'.join(parts).encode()).hexdigest()[:24]}"


def _raw_or_hashed(raw: str, *parts: str) -> str:
    return raw if is_dns_label(raw) else hashed_actor_id(*parts)


def _in_id(session: str) -> str:
    return session.strip().lower().replace("_", "-")


def v1_actor_id(namespace: str, agent: str, uid: str, short: str, session: str) -> str:
    """A session's actor id in dialects V1 and K2: readable where that fits, otherwise hashed."""
    words = [agent_prefix(namespace, agent, uid), *([short] if short else []), _in_id(session)]
    return _raw_or_hashed("-".join(words), namespace, agent, short, session)


def pinned_actor_id(namespace: str, agent: str, uid: str, session: str) -> str:
    """A session's actor id in dialects K3 and K4: as in V1, without the config in it."""
    raw = f"{agent_prefix(namespace, agent, uid)}-{_in_id(session)}"
    return _raw_or_hashed(raw, namespace, agent, session)


def safe_actor_id(namespace: str, agent: str, short: str, session: str) -> str:
    """A session's actor id in dialect v1_safe: always hashed (RO-2).

    "/" can be in the session alone, the last part, so different parts are never joined to the same text.
    """
    return hashed_actor_id(namespace, agent, short, session)


def revision(inputs: Any) -> str:
    """API v2: the revision of an AgentTemplate, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(inputs)).hexdigest()


def revision_template_name(agent_template: str, harness: str, revision_: str) -> str:
    """API v2: name of the ActorTemplate of one revision."""
    return f"{truncated(f'{agent_template}-{harness}', 50)}-{revision_[:12]}"


def instance_actor(uuid: str) -> str:
    """API v2: actor id of an AgentInstance."""
    return f"ai-{uuid}"
