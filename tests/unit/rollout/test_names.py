"""Names, hashes and ids: every vector and every known collision of contract section 3."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference.rollout.names import (
    agent_prefix,
    canonical_json,
    framed_hash,
    hashed_actor_id,
    instance_actor,
    is_dns_label,
    joined_hash,
    pinned_actor_id,
    revision,
    revision_template_name,
    safe_actor_id,
    short_hash,
    template_hash,
    template_name,
    truncated,
    v1_actor_id,
)

UUID = "11111111-2222-4333-8444-555555555555"

NAMESPACES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
AGENTS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
HASHES = st.integers(0, 2**64 - 1).map(lambda number: f"{number:x}")
SESSIONS = st.text(min_size=1, max_size=80)


@pytest.mark.parametrize(
    ("decimal", "short"),
    [
        ("255", "ff"),
        ("893937483789165999", "c67e767bca8e5af"),
        ("0", "0"),
        ("18446744073709551615", "ffffffffffffffff"),
        ("18446744073709551616", ""),
        ("not-a-number", ""),
        ("-1", ""),
        ("1_000", ""),
        (" 1", ""),
        ("٣", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_short_hash(decimal: str | None, short: str) -> None:
    """A short hash MUST be hexadecimal without leading zeros, and "" for all but unsigned 64-bit numbers."""
    assert short_hash(decimal) == short


@pytest.mark.parametrize(
    ("agent", "short", "name"),
    [
        ("my-agent", "abc123", "my-agent-abc123"),
        ("my_Agent", "", "my-agent"),
        ("b" * 45 + "-zzz", "ff", "b" * 45 + "-ff"),
        ("a" * 63, "f" * 16, "a" * 46 + "-" + "f" * 16),
        ("a" * 64, "", "a" * 63),
    ],
)
def test_template_name(agent: str, short: str, name: str) -> None:
    """A template's name MUST be that of the contract."""
    assert template_name(agent, short) == name


def test_length_of_a_cut_name() -> None:
    """A "-" at the cut MUST go, so 45 characters, "-" and "ff" make 48."""
    assert len(template_name("b" * 45 + "-zzz", "ff")) == 48


@given(AGENTS, HASHES)
def test_template_name_is_a_label_that_ends_with_the_whole_hash(agent: str, short: str) -> None:
    """C4: for a name of at most 63 characters the template's name MUST be a DNS label with the whole hash."""
    name = template_name(agent, short)

    assert is_dns_label(name)
    assert name.endswith(f"-{short}")


def test_truncated_keeps_no_dash_at_the_end() -> None:
    """A name MUST be in lower case, with "-" for "_", and MUST NOT end with "-"."""
    assert truncated("Foo_Bar--x", 8) == "foo-bar"


@pytest.mark.parametrize(
    ("session", "actor"),
    [("sess-1", "asr-kagent-my-agent-abc123-sess-1"), (" Sess_1 ", "asr-kagent-my-agent-abc123-sess-1")],
)
def test_readable_session_actor_of_v1(session: str, actor: str) -> None:
    """V1 MUST write a short id in full."""
    assert v1_actor_id("kagent", "my-agent", UUID, "abc123", session) == actor


def test_hashed_session_actor_of_v1() -> None:
    """V1 MUST hash an id that would be 73 characters long, which a UUID makes the normal case."""
    readable = f"asr-kagent-my-agent-deadbeefdeadbeef-{UUID}"

    assert len(readable) == 73
    actor = v1_actor_id("kagent", "my-agent", UUID, "deadbeefdeadbeef", UUID)
    assert actor == "asr-8f64696188a985eb6b373a85"
    assert actor == hashed_actor_id("kagent", "my-agent", "deadbeefdeadbeef", UUID)


def test_hashed_form_keeps_an_empty_hash_as_a_part() -> None:
    """V1's hashed form MUST have "//" where there is no hash."""
    digest = hashlib.sha256(f"ns/a//{'s' * 60}".encode()).hexdigest()[:24]
    assert v1_actor_id("ns", "a", UUID, "", "s" * 60) == f"asr-{digest}"


def test_uuid_session_of_k3_is_readable() -> None:
    """K3 has no config in the id, so a UUID MUST fit: 56 characters."""
    actor = pinned_actor_id("kagent", "my-agent", UUID, UUID)
    assert actor == f"asr-kagent-my-agent-{UUID}"
    assert len(actor) == 56


def test_prefix_of_an_agent_whose_name_is_no_label() -> None:
    """An agent whose prefix is no DNS label MUST go by its UID."""
    assert agent_prefix("ns", "my.agent", UUID) == f"asr-{UUID}"
    assert agent_prefix("Kagent", "my_agent", UUID) == "asr-kagent-my-agent"


@given(NAMESPACES, AGENTS, HASHES, SESSIONS)
def test_every_session_actor_is_a_label(namespace: str, agent: str, short: str, session: str) -> None:
    """C5: every id of every dialect MUST be a DNS label that begins with "asr-", and the same each time."""
    for actor in (
        v1_actor_id(namespace, agent, UUID, short, session),
        pinned_actor_id(namespace, agent, UUID, session),
        safe_actor_id(namespace, agent, short, session),
    ):
        assert is_dns_label(actor)
        assert actor.startswith("asr-")
    assert safe_actor_id(namespace, agent, short, session) == safe_actor_id(namespace, agent, short, session)


@given(st.tuples(NAMESPACES, AGENTS, HASHES, SESSIONS), st.tuples(NAMESPACES, AGENTS, HASHES, SESSIONS))
def test_safe_ids_differ_where_anything_differs(
    one: tuple[str, str, str, str], other: tuple[str, str, str, str]
) -> None:
    """RO-2: distinct (namespace, agent, hash, session) MUST NOT share an id."""
    assert (one == other) == (safe_actor_id(*one) == safe_actor_id(*other))


def test_collision_of_namespace_and_agent() -> None:
    """V1 gives (a-b, c) and (a, b-c) one actor; v1_safe MUST NOT."""
    assert agent_prefix("a-b", "c", UUID) == agent_prefix("a", "b-c", UUID)
    assert v1_actor_id("a-b", "c", UUID, "ff", "s1") == "asr-a-b-c-ff-s1"
    assert v1_actor_id("a", "b-c", UUID, "ff", "s1") == "asr-a-b-c-ff-s1"
    assert safe_actor_id("a-b", "c", "ff", "s1") != safe_actor_id("a", "b-c", "ff", "s1")


def test_collision_of_agent_and_session() -> None:
    """K3 gives (foo, bar-1) and (foo-bar, 1) one actor; v1_safe MUST NOT."""
    assert pinned_actor_id("ns1", "foo", UUID, "bar-1") == "asr-ns1-foo-bar-1"
    assert pinned_actor_id("ns1", "foo-bar", UUID, "1") == "asr-ns1-foo-bar-1"
    assert safe_actor_id("ns1", "foo", "ff", "bar-1") != safe_actor_id("ns1", "foo-bar", "ff", "1")


def test_prefix_of_one_agent_matches_another() -> None:
    """The prefix of `foo` matches every readable actor of `foo-bar` (D7), and no id of v1_safe."""
    prefix = agent_prefix("ns", "foo", UUID) + "-"
    assert v1_actor_id("ns", "foo-bar", UUID, "ff", "s1").startswith(prefix)
    assert not safe_actor_id("ns", "foo-bar", "ff", "s1").startswith(prefix)


def test_collision_of_sessions_that_are_written_alike() -> None:
    """V1 to K3 give the sessions S_1 and s-1 one actor; v1_safe MUST NOT."""
    assert v1_actor_id("ns", "a", UUID, "ff", "S_1") == v1_actor_id("ns", "a", UUID, "ff", "s-1")
    assert pinned_actor_id("ns", "a", UUID, "S_1") == pinned_actor_id("ns", "a", UUID, "s-1")
    assert safe_actor_id("ns", "a", "ff", "S_1") != safe_actor_id("ns", "a", "ff", "s-1")


def test_collision_of_hash_and_session() -> None:
    """V1 gives (no hash, ff-s1) and (ff, s1) one actor; v1_safe MUST NOT."""
    assert v1_actor_id("ns", "a", UUID, "", "ff-s1") == v1_actor_id("ns", "a", UUID, "ff", "s1")
    assert safe_actor_id("ns", "a", "", "ff-s1") != safe_actor_id("ns", "a", "ff", "s1")


def test_collision_of_hash_parts() -> None:
    """V1 hashes ("ab", "c") and ("a", "bc") alike; v1_safe MUST NOT, to the digit."""
    assert joined_hash([b"ab", b"c"]) == joined_hash([b"a", b"bc"]) == 0xBA7816BF8F01CFEA
    assert framed_hash([b"ab", b"c"]) == 0x601D5476E2CCFE2C
    assert framed_hash([b"a", b"bc"]) == 0x3FAFA1CF2F19A7C1


@given(st.lists(st.binary(max_size=8), max_size=4), st.lists(st.binary(max_size=8), max_size=4))
def test_framed_hash_tells_all_parts_apart(one: list[bytes], other: list[bytes]) -> None:
    """A framed hash MUST differ where a part differs."""
    assert (one == other) == (framed_hash(one) == framed_hash(other))


def test_collision_of_long_names() -> None:
    """Two names with the same first 46 characters and the same hash share a template name (C27)."""
    assert template_name("a" * 46 + "x", "ff") == template_name("a" * 46 + "y", "ff")


def test_collision_of_32_bit_hashes() -> None:
    """The 32-bit FNV-1a of sb-149599 and sb-312382 is the same; no identity here MUST be."""

    def fnv1a(text: str) -> int:
        value = 0x811C9DC5
        for byte in text.encode():
            value = (value ^ byte) * 0x01000193 % 2**32
        return value

    one, other = "sb-149599", "sb-312382"
    assert fnv1a(one) == fnv1a(other) == 0xFD016002
    assert template_name(one, "ff") != template_name(other, "ff")
    assert safe_actor_id("ns", one, "ff", "s") != safe_actor_id("ns", other, "ff", "s")
    assert joined_hash([one.encode()]) != joined_hash([other.encode()])
    assert template_hash({"name": one}) != template_hash({"name": other})


def test_template_hash_ignores_the_order_of_keys() -> None:
    """K3's template hash MUST be 16 digits over what a spec says, not how it is written."""
    assert template_hash({"a": 1, "b": [2]}) == template_hash({"b": [2], "a": 1})
    assert template_hash({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()[:16]


def test_names_of_api_v2() -> None:
    """API v2's revision, template and actor MUST be those of the contract."""
    digest = revision({"model": "m"})
    assert digest == hashlib.sha256(canonical_json({"model": "m"})).hexdigest()
    assert revision_template_name("t" * 60, "h", digest) == f"{'t' * 50}-{digest[:12]}"
    assert instance_actor(UUID) == f"ai-{UUID}"
