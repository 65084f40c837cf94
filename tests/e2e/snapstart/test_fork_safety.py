"""Sessions of one artifact have nothing in common but that, seen from within real sessions."""

from __future__ import annotations

import ast

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.system.snapstart.drivers.canaries import CHANNELS, OF_FOLDERS
from fixtures.system.snapstart.drivers.forksafety import DRAWS
from fixtures.system.snapstart.views import CONTEXT
from reference.snapstart.runtime import isolation

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

FORK = ["SnapshotForkMode", "RuntimeWitness"]
TOKEN = "__import__('os').environ.get('SNAPSTART_SESSION_TOKEN')"


@pytest.fixture
def restored(start_snapstart):
    """A deployment with one node and a Ready snapshot: all its sessions are of one artifact."""
    found = start_snapstart(nodes=1)
    found.snapshot_class()
    found.template(preload="numpy.random")
    found.ready_snapshot()
    return found


def siblings(snapstart, number):
    """So many sessions of the one artifact."""
    made = snapstart.sessions(number)
    assert len({s.witness.bootstrap for s in made}) == 1, "the sessions are not of one artifact"
    assert None not in {s.key for s in made}
    return made


@conformance(
    id="SS-F1",
    profile="SNAPSTART",
    level="core",
    features=FORK,
    killers=["ss/M52"],
)
def test_nothing_of_a_session_is_seen_by_another(restored):
    """Files, descriptors and state that one session leaves MUST NOT be seen by one before or after it."""
    # One after the other: what is first might be what all others come from.
    leaving, earlier = restored.session(), restored.session()
    channels = {
        f"canary{number:02}x4711": channel
        for number, channel in enumerate(CHANNELS)
        if isolation.possible() or channel.name not in OF_FOLDERS
    }
    traces = {channel.name: channel.leave_in(leaving, token) for token, channel in channels.items()}
    later = restored.session()
    assert later.witness.bootstrap == leaving.witness.bootstrap

    seen = [
        (channel.name, session.name)
        for token, channel in channels.items()
        for session in (earlier, later)
        if channel.seen_in(session, token, traces[channel.name])
    ]
    assert seen == []
    shown = [c.name for token, c in channels.items() if c.seen_in(leaving, token, traces[c.name])]
    assert shown == [channel.name for channel in channels.values()], "a channel shows nothing at all"


@conformance(
    id="SS-F2",
    profile="SNAPSTART",
    level="core",
    features=FORK,
    killers=["ss/shared-token"],
)
def test_token_and_context_are_a_session_s_own(restored):
    """Each session MUST have a token of its own, the context of its own request, and nobody else's."""
    made = [restored.session(annotations={CONTEXT: f"context-{number}"}) for number in range(3)]
    made.append(restored.session())

    tokens = [session.execute(TOKEN) for session in made]
    contexts = [ast.literal_eval(session.execute("CONTEXT")) for session in made]

    assert None not in map(ast.literal_eval, tokens)
    assert len(set(tokens)) == len(made), f"sessions share a token: {tokens}"
    assert contexts == ["context-0", "context-1", "context-2", ""]


@conformance(id="SS-F3", profile="SNAPSTART", level="core", features=FORK, killers=["ss/M52"])
def test_code_of_a_session_is_invisible_to_others(restored):
    """What a user's code defines MUST be there for that session, and for no other."""
    one, two = restored.session(), restored.session()
    one.execute("import sys, types\nSECRET = 'defined'\nsys.modules['own'] = types.ModuleType('own')")
    three = restored.session()

    assert one.execute("SECRET") == "'defined'"
    for other in (two, three):
        assert other.witness.bootstrap == one.witness.bootstrap
        assert other.execute("'SECRET' in globals()") == "False"
        assert other.execute("import sys\n'own' in sys.modules") == "False"


@conformance(
    id="SS-F7",
    profile="SNAPSTART",
    level="core",
    features=[*FORK, "SessionGate"],
    killers=["ss/ready-unasked"],
)
def test_the_first_request_succeeds(restored):
    """The first request of a user after the Sandbox is Ready MUST succeed, restored or not."""
    made = [*restored.sessions(6), restored.tenant("cold", "no-such-key")]

    assert {session.execute("6 * 7") for session in made} == {"42"}


@conformance(
    id="SS-F8",
    profile="SNAPSTART",
    level="core",
    features=[*FORK, "PRNGReseed"],
    killers=["ss/M2", "ss/M3"],
)
def test_siblings_draw_different_values(restored):
    """Siblings MUST NOT draw one value from any source of randomness: random, numpy, a held one, OpenSSL."""
    made = siblings(restored, 12)

    for source in DRAWS:
        drawn = [session.witness.draws[source] for session in made]
        assert None not in drawn
        assert len(set(drawn)) == len(made), f"{source} gave {drawn}"
