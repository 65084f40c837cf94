"""Each mutant's rule tells the lie of its title, and leaves everything else as it is."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from fixtures.kube.kinds import (
    CLAIM,
    LEASE,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SANDBOX,
    SERVICE,
    TEMPLATE,
    WARM_POOL,
    Kind,
)
from fixtures.sabotage.rule import Rule, make
from fixtures.sabotage.wire import Event, Object, Reply, Request, Target
from fixtures.system.agent_sandbox.mutants import RULES
from fixtures.system.agent_sandbox.mutants.views import ADOPTABLE, FIRST_READY
from fixtures.system.agent_sandbox.views import (
    ASSIGNED,
    POOL_HASH,
    SAFE_TO_EVICT,
    TEMPLATE_HASH,
    TEMPLATE_REF,
    TEMPLATE_REF_HASH,
)
from tests.unit.journal.objects import NAMESPACE, build

GONE = object()
TAMPERED = "agents.x-k8s.io/tampered"


@dataclass
class Surroundings:
    """Stands for the proxy: writes down what a rule makes of it."""

    sent: list[tuple[str, str, Object | None]] = field(default_factory=list)
    hits: list[str] = field(default_factory=list)
    again: list[Object] = field(default_factory=list)
    #: What the API server answers.
    answer: Object = field(default_factory=dict)

    async def send(self, method: str, path: str, body: Object | None = None) -> Object | None:
        self.sent.append((method, path, body))
        return self.answer

    def report(self, rule: Rule, text: str) -> None:
        self.hits.append(text)

    def broken(self, namespace: str, what: str, err: BaseException) -> None:
        raise err

    def redeliver(self, plural: str, obj: Object) -> None:
        self.again.append(obj)

    def close_watches(self, plural: str) -> list[Target]:
        return []


def rule(name: str, **parameters: Any) -> Rule:
    """A rule, switched on."""
    made = make(RULES, name, NAMESPACE, parameters)
    made.proxy = Surroundings()
    return made


def surroundings(of: Rule) -> Surroundings:
    """What a rule made of its proxy."""
    assert isinstance(of.proxy, Surroundings)
    return of.proxy


def owned(kind: Kind, name: str = "owner") -> list[Object]:
    """Owner references with one controller."""
    return [
        {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "name": name,
            "uid": f"uid-{name}",
            "controller": True,
        }
    ]


def conditions(ready: bool, **others: str) -> list[Object]:
    """Conditions Ready and others."""
    found = [{"type": "Ready", "status": str(ready), "reason": "Because"}]
    return found + [{"type": type_, "status": status} for type_, status in others.items()]


def member(
    name: str = "m1", *, ready: bool = True, ip: bool = True, version: int = 5, **fields: Any
) -> Object:
    """A Sandbox of a warm pool."""
    status: Object = {"conditions": conditions(ready), "nodeName": fields.pop("node", "n1")}
    if ip:
        status["podIPs"] = ["10.0.0.1"]
    given = {
        "labels": {POOL_HASH: "p", TEMPLATE_REF_HASH: "t", TEMPLATE_HASH: "h"},
        "ownerReferences": owned(WARM_POOL, "pool"),
        "generation": 1,
        "spec": {"podTemplate": {"spec": {}}},
        "status": status,
    }
    return build(SANDBOX, name, version, **(given | fields))


def claimed(name: str = "m1", **fields: Any) -> Object:
    """A Sandbox that a claim has taken over."""
    return member(name, **({"ownerReferences": owned(CLAIM, "claim")} | fields))


def alone(name: str = "s", **fields: Any) -> Object:
    """A Sandbox that nobody owns."""
    return member(name, **({"ownerReferences": [], "labels": {}} | fields))


def claim(
    name: str = "claim", *, ready: bool = False, bound: str = "", assigned: str = "", **spec: Any
) -> Object:
    """A claim."""
    status: Object = {"conditions": conditions(ready)} | ({"sandbox": {"name": bound}} if bound else {})
    notes = {ASSIGNED: assigned} if assigned else {}
    return build(CLAIM, name, 5, generation=1, labels={}, annotations=notes, spec=spec, status=status)


def pool(name: str = "pool", *, replicas: int = 2, ready: int = 0, **spec: Any) -> Object:
    """A warm pool."""
    status = {"replicas": ready, "readyReplicas": ready}
    return build(WARM_POOL, name, 5, generation=1, spec={"replicas": replicas, **spec}, status=status)


def template(name: str = "t", **fields: Any) -> Object:
    """A template."""
    return build(TEMPLATE, name, 5, **({"generation": 1, "spec": {}} | fields))


def pod(name: str = "m1", owner: Kind | None = SANDBOX, **fields: Any) -> Object:
    """A Pod."""
    owners = owned(owner, "m1") if owner else []
    return build(POD, name, 5, **({"ownerReferences": owners, "labels": {"asked": "1"}} | fields))


def edited(obj: Object, *edits: tuple[Any, ...]) -> Object:
    """The same object with some fields set: each edit is a path and, last, the value, or GONE."""
    found = copy.deepcopy(obj)
    for *path, last, value in edits:
        place = found
        for key in path:
            place = place[key]
        if value is GONE:
            del place[last]
        else:
            place[last] = value
    return found


def run(made: Rule, events: Sequence[Event]) -> list[tuple[str, str]]:
    """What a watch delivers of these events: type and name of each."""
    told = []
    for event in copy.deepcopy(list(events)):
        made.observe(event)
        seen = made.view(event.object)
        if seen is not None:
            told += [(e.type, e.object["metadata"]["name"]) for e in made.deliver(Event(event.type, seen))]
    return told


def events(*described: tuple[str, Object]) -> list[Event]:
    """Watch events."""
    return [Event(type_, obj) for type_, obj in described]


TTL = {"lifecycle": {"ttlSecondsAfterFinished": 1, "shutdownPolicy": "Retain"}}
UNSCHEDULED = pod(status={"conditions": conditions(False, PodScheduled="False")})
RICH = claim(
    env=[{"name": "A"}], volumeClaimTemplates=[{}], additionalPodMetadata={"labels": {"a": "b"}}, other=1
)
LATER = "2030-01-01T00:00:00Z"

#: Rule, its parameters, an object, and what it looks like through the rule; None: it is hidden.
VIEWS: list[tuple[str, dict[str, Any], Object, Object | None]] = [
    ("null", {}, claim(), None),
    ("cold-always", {}, member(), edited(member(), ("metadata", "labels", TEMPLATE_REF_HASH, GONE))),
    ("cold-always", {}, claimed(), claimed()),
    ("forget-binding", {}, claim(bound="m1", assigned="m1"), claim()),
    ("forget-binding", {}, claim(), claim()),
    ("hide-foreign", {}, member(), member()),
    ("hide-foreign", {}, claimed(), claimed()),
    ("hide-foreign", {}, alone(labels={POOL_HASH: "p"}), None),
    ("hide-foreign", {}, alone(), alone()),
    ("hide-foreign", {}, pod("m1"), pod("m1")),
    ("hide-foreign", {}, pod("second"), None),
    *(
        (
            "hide-foreign",
            {},
            build(kind, "x", 5, labels={}, ownerReferences=owned(CLAIM)),
            build(kind, "x", 5, labels={ADOPTABLE: "true"}),
        )
        for kind in (POD, SERVICE, PERSISTENT_VOLUME_CLAIM)
    ),
    ("ready-lie", {}, member(ready=True), member(ready=True)),
    ("ready-lie", {}, member(ready=False, ip=False), member(ready=False, ip=False)),
    ("ready-lie", {}, claimed(ready=False), claimed(ready=False)),
    (
        "ready-lie",
        {},
        member(ready=False),
        edited(member(ready=True), ("status", "conditions", 0, "reason", "DependenciesReady")),
    ),
    ("hide-ips", {}, member(), member(ip=False)),
    ("hide-ips", {}, claimed(), claimed()),
    ("fake-ips", {}, member(ip=False), edited(member(), ("status", "podIPs", ["10.99.99.99"]))),
    ("fake-ips", {}, member(), member()),
    ("fake-ips", {}, claimed(ip=False), claimed(ip=False)),
    ("hide-node", {}, member(), edited(member(), ("status", "nodeName", GONE))),
    ("hide-node", {}, claimed(), claimed()),
    ("hide-node", {"unready": True}, member(), member()),
    (
        "hide-node",
        {"unready": True},
        member(ready=False),
        edited(member(ready=False), ("status", "nodeName", GONE)),
    ),
    ("node-lie", {}, member("m1"), member("m1", node="node-of-m1")),
    ("node-lie", {}, claimed(), claimed()),
    ("all-adoptable", {}, member(), member()),
    ("all-adoptable", {}, member(deletionTimestamp="now"), member()),
    (
        "all-adoptable",
        {},
        member(labels={}),
        member(labels={POOL_HASH: "any", TEMPLATE_REF_HASH: "any"}),
    ),
    ("all-adoptable", {}, alone(), alone()),
    ("all-adoptable", {}, claimed(deletionTimestamp="now"), claimed(deletionTimestamp="now")),
    ("hide-cold", {}, claimed("claim"), None),
    ("hide-cold", {}, claimed("m1"), claimed("m1")),
    ("hide-cold", {}, member(), member()),
    ("strip-spec", {}, RICH, claim(other=1)),
    ("strip-spec", {}, template(spec={"env": [1]}), template(spec={"env": [1]})),
    (
        "policy-lie",
        {},
        template(spec={"envVarsInjectionPolicy": "Allowed"}),
        template(spec={"envVarsInjectionPolicy": "Overrides", "volumeClaimTemplatesPolicy": "Overrides"}),
    ),
    ("policy-lie", {}, pool(), pool()),
    ("rules-lie", {}, template(), template(spec={"networkPolicy": {}})),
    ("rules-lie", {}, template(spec={"networkPolicy": {"egress": []}}), template()),
    ("rules-lie", {}, pool(), pool()),
    ("skip-expire", {}, claim(**TTL), claim(lifecycle={"shutdownPolicy": "Retain"})),
    ("skip-expire", {}, alone(spec={"shutdownTime": LATER}), alone(spec={})),
    ("skip-expire", {}, claim(), claim()),
    (
        "roll-anyway",
        {},
        pool(updateStrategy={"type": "OnReplenish"}),
        pool(updateStrategy={"type": "Recreate"}),
    ),
    ("roll-anyway", {}, pool(updateStrategy={"type": "Recreate"}), pool(updateStrategy={"type": "Recreate"})),
    (
        "never-roll",
        {},
        pool(updateStrategy={"type": "Recreate"}),
        pool(updateStrategy={"type": "OnReplenish"}),
    ),
    ("never-roll", {}, template(), template()),
    ("hide-unsched", {}, UNSCHEDULED, edited(UNSCHEDULED, ("status", "conditions", conditions(False)))),
    (
        "hide-unsched",
        {},
        pod(status={"conditions": conditions(False, PodScheduled="True")}),
        pod(status={"conditions": conditions(False, PodScheduled="True")}),
    ),
]


@pytest.mark.parametrize(
    ("name", "parameters", "obj", "expected"),
    VIEWS,
    ids=[f"{name}-{obj['kind']}-{number}" for number, (name, _, obj, _) in enumerate(VIEWS)],
)
def test_a_view_lies_about_its_subject_alone(
    name: str, parameters: dict[str, Any], obj: Object, expected: Object | None
) -> None:
    """What the controller reads MUST differ as the title says, with a hit, or not at all, without one."""
    made = rule(name, **parameters)

    seen = made.view(copy.deepcopy(obj))

    assert seen == expected
    assert made.hits == 0 if seen == obj else made.hits > 0


class TestViewsThatRemember:
    """Lies that depend on what was seen before."""

    def test_frozen(self) -> None:
        """After the first Ready claim or free sandbox nothing MUST be delivered, before it everything."""
        made = rule("frozen")

        told = run(
            made,
            events(
                ("ADDED", member()),
                ("ADDED", claim()),
                ("ADDED", claimed()),
                ("MODIFIED", claim(ready=True)),
                ("ADDED", member("m2")),
            ),
        )

        assert told == [("ADDED", "m1"), ("ADDED", "claim"), ("ADDED", "m1"), ("MODIFIED", "claim")]
        assert made.hits == 1

    def test_forget_owner(self) -> None:
        """A free sandbox MUST look as if the claim of its name owned it, while there is one."""
        made = rule("forget-owner")
        run(made, events(("ADDED", alone("a")), ("ADDED", claim("a")), ("MODIFIED", claim("a"))))

        seen = made.view(alone("a"))

        assert [o["metadata"]["name"] for o in surroundings(made).again] == ["a"]
        assert seen is not None
        assert seen["metadata"]["ownerReferences"][0]["uid"] == "uid-a"
        assert made.view(alone("b")) == alone("b")
        assert made.view(member("a")) == member("a")
        made.observe(Event("DELETED", claim("a")))
        assert made.view(alone("a")) == alone("a")

    def test_hide_foreign_where_there_are_pools_and_templates(self) -> None:
        """With a pool, free sandboxes MUST be hidden; with a template, policies of its name look owned."""
        made = rule("hide-foreign")
        run(made, events(("ADDED", pool()), ("ADDED", template("t"))))
        policy = build(NETWORK_POLICY, "t-network-policy", 5)

        assert made.view(alone()) is None
        seen = made.view(policy)
        assert seen is not None
        assert seen["metadata"]["ownerReferences"][0]["kind"] == "SandboxTemplate"
        assert made.view(build(NETWORK_POLICY, "other", 5)) == build(NETWORK_POLICY, "other", 5)

    def test_lose_skipped(self) -> None:
        """With an assignment, members that are not Ready MUST be gone, and no others."""
        made = rule("lose-skipped")
        later_claimed = member("m4", ready=False)
        run(
            made,
            events(
                ("ADDED", member("m1")),
                ("ADDED", member("m2", ready=False)),
                ("ADDED", later_claimed),
                ("MODIFIED", claimed("m4", ready=False)),
            ),
        )
        wrote(made, "PUT", CLAIM, claim())
        before = made.view(member("m2", ready=False))

        wrote(made, "PUT", CLAIM, claim(assigned="m1"))

        assert before is not None
        assert [o["metadata"]["name"] for o in surroundings(made).again] == ["m2"]
        assert made.view(member("m2")) is None
        assert made.view(member("m1")) == member("m1")
        assert made.view(claimed("m4")) == claimed("m4")

    def test_order_lie(self) -> None:
        """A pool's first member MUST come after its second; pools from before are left alone."""
        made = rule("order-lie")
        first, second, third = member("m1"), member("m2"), member("m3")
        seen = events(("ADDED", first), ("MODIFIED", first), ("ADDED", second), ("ADDED", third))

        assert run(made, seen) == [("ADDED", "m1"), ("MODIFIED", "m1"), ("ADDED", "m2"), ("ADDED", "m3")]
        assert made.hits == 0
        told = run(made, [*events(("ADDED", pool())), *seen])

        assert told == [("ADDED", "pool"), ("ADDED", "m2"), ("ADDED", "m1"), ("ADDED", "m3")]
        assert surroundings(made).hits == ["m2 is delivered first"]

    def test_order_lie_lets_a_first_member_go(self) -> None:
        """A first member that is deleted before it was delivered MUST never be told of."""
        made = rule("order-lie")
        first, second, third = member("m1"), member("m2"), member("m3")
        run(made, events(("ADDED", pool())))

        told = run(made, events(("ADDED", first), ("DELETED", first), ("ADDED", second), ("ADDED", third)))

        assert told == [("ADDED", "m3"), ("ADDED", "m2")]

    @pytest.mark.parametrize(("which", "before", "after"), [("fewest", "m3", "m2"), ("turns", "m1 m2", "m3")])
    def test_only_node(self, which: str, before: str, after: str) -> None:
        """Only members of the node whose turn it wrongly is MUST look placed, and the turn MUST move on."""
        made = rule("only-node", which=which)
        members = [member("m1", node="n1"), member("m2", node="n1"), member("m3", node="n2")]

        def placed() -> str:
            seen = [made.view(copy.deepcopy(m)) for m in members]
            return " ".join(m["metadata"]["name"] for m in seen if m and m["status"].get("nodeName"))

        run(made, events(*[("ADDED", m) for m in members]))
        first = placed()
        run(made, events(("MODIFIED", claimed("m1"))))
        del members[0]

        assert (first, placed()) == (before, after)
        assert made.hits > 0
        assert made.view(claimed("m9")) == claimed("m9")

    def test_requeue_placed(self) -> None:
        """A member MUST come anew when its node becomes known, once; its pool makes no other meanwhile."""
        made = rule("requeue-placed")
        before = wrote(made, "POST", SANDBOX, FRESH).bodies

        told = run(
            made,
            events(
                ("ADDED", member("m1", node="")),
                ("MODIFIED", member("m1")),
                ("MODIFIED", member("m1")),
                ("MODIFIED", claimed("m2")),
            ),
        )

        assert told == [
            ("ADDED", "m1"),
            ("DELETED", "m1"),
            ("ADDED", "m1"),
            ("MODIFIED", "m1"),
            ("MODIFIED", "m2"),
        ]
        assert before == [FRESH]
        assert wrote(made, "POST", SANDBOX, FRESH).reply.status == 500
        assert wrote(made, "POST", SANDBOX, COLD).bodies == [COLD]
        assert made.hits == 1

    def test_reorder_skipped(self) -> None:
        """With an assignment the members that are not Ready MUST come anew, oldest first, and no others."""
        made = rule("reorder-skipped")
        skipped = [member("m2", ready=False), member("m3", ready=False)]
        run(made, events(("ADDED", member("m1")), *[("ADDED", m) for m in skipped]))

        wrote(made, "PUT", CLAIM, claim(assigned="m1"))

        assert [o["metadata"]["name"] for o in surroundings(made).again] == ["m2", "m2", "m3", "m3"]
        assert made.hits == 2
        assert made.view(member("m2")) == member("m2")

    @pytest.mark.parametrize(
        ("name", "parameters", "withheld", "delivered"),
        [
            ("stale-template", {}, ("MODIFIED", template()), ("ADDED", template())),
            ("hide-delete", {}, ("DELETED", pool()), ("MODIFIED", pool())),
            ("hide-loss", {}, ("DELETED", claimed()), ("DELETED", member())),
            ("no-wake", {"of": "SandboxWarmPool"}, ("ADDED", pool()), ("ADDED", template())),
            ("no-wake", {"of": "SandboxTemplate"}, ("ADDED", template()), ("MODIFIED", template())),
        ],
    )
    def test_withheld_events(
        self,
        name: str,
        parameters: dict[str, Any],
        withheld: tuple[str, Object],
        delivered: tuple[str, Object],
    ) -> None:
        """The events of the title MUST NOT be delivered, all others MUST."""
        made = rule(name, **parameters)

        assert run(made, events(withheld)) == []
        assert made.hits == 1
        assert len(run(made, events(delivered, ("DELETED", claim())))) == 2
        assert made.hits == 1

    def test_metric_dup(self) -> None:
        """A claim that became Ready MUST look not Ready twice, and never as if it had been measured."""
        made = rule("metric-dup")
        measured = edited(claim(ready=True), ("metadata", "annotations", {FIRST_READY: "now"}))

        seen = [made.view(copy.deepcopy(measured)) for _ in range(3)]

        assert [s["status"]["conditions"][0]["status"] for s in seen if s] == ["False", "False", "True"]
        assert all(s["metadata"]["annotations"] == {} for s in seen if s)


@dataclass
class Written:
    """What became of a write: the requests that reached the API server, and the answer."""

    passed: list[Request]
    reply: Reply

    @property
    def bodies(self) -> list[Object]:
        """What reached the API server, dry runs aside."""
        return [orjson.loads(r.body) for r in self.passed if "dryRun" not in r.query]


def wrote(
    made: Rule,
    method: str,
    kind: Kind,
    body: Object | None = None,
    name: str = "",
    subresource: str | None = None,
) -> Written:
    """One write of the controller, through the rule."""
    if not name and method != "POST" and body and "metadata" in body:
        name = body["metadata"].get("name", "")
    target = Target.of(method, kind.path(NAMESPACE, name or None, subresource), {})
    passed: list[Request] = []

    async def forward(request: Request) -> Reply:
        passed.append(request)
        return Reply(200, b"{}")

    request = Request(target, {}, {"Content-Type": "application/json"}, orjson.dumps(body) if body else b"")

    async def write() -> Reply:
        return await made.write(request, forward)

    return Written(passed, asyncio.run(write()))


SECURE = {"dnsPolicy": "None", "dnsConfig": {}, "automountServiceAccountToken": False}
COLD = claimed("claim", spec={"podTemplate": {"spec": {**SECURE, "containers": []}}})
FRESH = member("fresh", spec={"podTemplate": {"spec": {}}})
ADOPTION = {
    "metadata": {
        "resourceVersion": "5",
        "labels": {POOL_HASH: None},
        "ownerReferences": owned(CLAIM, "claim"),
    }
}
BINDING = {"status": {"sandbox": {"name": "m2"}}}
FOREGROUND = {"propagationPolicy": "Foreground"}
#: Changes nothing that any rule cares for.
PLAIN = {"metadata": {"labels": {"a": "b"}}}

#: Rule, parameters, method, kind, subresource, body, and what reaches the API server instead: bodies.
WRITES: list[tuple[str, dict[str, Any], str, Kind, str | None, Object, list[Object]]] = [
    (
        "cold-bad",
        {"part": "name"},
        "POST",
        SANDBOX,
        None,
        COLD,
        [edited(COLD, ("metadata", "name", "claim-other"))],
    ),
    (
        "cold-bad",
        {"part": "defaults"},
        "POST",
        SANDBOX,
        None,
        COLD,
        [edited(COLD, ("spec", "podTemplate", "spec", {"containers": []}))],
    ),
    ("cold-bad", {"part": "name"}, "POST", SANDBOX, None, FRESH, [FRESH]),
    ("fake-transfer", {}, "PATCH", SANDBOX, None, ADOPTION, []),
    ("fake-transfer", {}, "PATCH", SANDBOX, None, PLAIN, [PLAIN]),
    (
        "no-lock",
        {},
        "PATCH",
        SANDBOX,
        None,
        ADOPTION,
        [edited(ADOPTION, ("metadata", "resourceVersion", GONE))],
    ),
    ("no-lock", {}, "PATCH", SANDBOX, None, PLAIN, [PLAIN]),
    ("conflict-storm", {}, "PUT", CLAIM, None, claim(), []),
    ("conflict-storm", {}, "PATCH", CLAIM, "status", BINDING, [BINDING]),
    ("bg-delete", {}, "DELETE", CLAIM, None, FOREGROUND, [{"propagationPolicy": "Background"}]),
    ("bg-delete", {}, "DELETE", CLAIM, None, {"gracePeriodSeconds": 0}, [{"gracePeriodSeconds": 0}]),
    ("retain-leak", {}, "DELETE", SANDBOX, None, FOREGROUND, []),
    ("retain-leak", {}, "DELETE", CLAIM, None, FOREGROUND, [FOREGROUND]),
    ("over-create", {}, "POST", SANDBOX, None, FRESH, [FRESH, FRESH]),
    ("over-create", {}, "POST", SANDBOX, None, COLD, [COLD]),
    ("no-child", {}, "POST", POD, None, pod(), []),
    ("no-child", {}, "POST", SANDBOX, None, FRESH, [FRESH]),
    ("no-child", {"verbs": "delete"}, "POST", POD, None, pod(), [pod()]),
    (
        "ready-early",
        {},
        "PATCH",
        SANDBOX,
        "status",
        {"status": {"conditions": conditions(False, Finished="False")}},
        [
            {
                "status": {
                    "conditions": [
                        {"type": "Ready", "status": "True", "reason": "DependenciesReady"},
                        {"type": "Finished", "status": "False"},
                    ]
                }
            }
        ],
    ),
    ("ready-early", {}, "PATCH", CLAIM, "status", BINDING, [BINDING]),
    (
        "eviction-flag",
        {},
        "POST",
        SANDBOX,
        None,
        FRESH,
        [edited(FRESH, ("spec", "podTemplate", "metadata", {"annotations": {SAFE_TO_EVICT: "true"}}))],
    ),
    ("eviction-flag", {}, "POST", SANDBOX, None, COLD, [COLD]),
]


@pytest.mark.parametrize(
    ("name", "parameters", "method", "kind", "subresource", "body", "expected"),
    WRITES,
    ids=[f"{w[0]}-{w[2]}-{w[3]}-{number}" for number, w in enumerate(WRITES)],
)
def test_a_write_is_changed_as_the_title_says(
    name: str,
    parameters: dict[str, Any],
    method: str,
    kind: Kind,
    subresource: str | None,
    body: Object,
    expected: list[Object],
) -> None:
    """What reaches the API server MUST differ as the title says, with a hit, or not at all, without one."""
    made = rule(name, **parameters)

    written = wrote(made, method, kind, copy.deepcopy(body), "" if method == "POST" else "m1", subresource)

    assert written.bodies == expected
    assert (made.hits > 0) == (expected != [body])


ADOPTED = {
    "labels": ("labels", {POOL_HASH: "p", TEMPLATE_HASH: "h"}),
    "owner": (
        "ownerReferences",
        [*owned(CLAIM, "claim"), {**owned(WARM_POOL, "pool")[0], "controller": False}],
    ),
    "annotations": ("annotations", {TEMPLATE_REF: None}),
}
POD_PARTS = {
    "metadata": {"metadata": {"labels": {"example.com/surplus": "1"}}},
    "eviction": {"metadata": {"annotations": {SAFE_TO_EVICT: "true"}}},
    "spec": {"spec": {"hostname": "edited"}},
}


class TestWritesThatRemember:
    """Lies in what is written that depend on what was seen before."""

    @pytest.mark.parametrize("part", [*ADOPTED, *POD_PARTS])
    def test_adopt_edit(self, part: str) -> None:
        """One part of the adoption MUST be wrong, and no other; what is no adoption MUST stay."""
        made = rule("adopt-edit", part=part)
        run(made, events(("ADDED", member())))

        (body,) = wrote(made, "PATCH", SANDBOX, copy.deepcopy(ADOPTION), "m1").bodies
        plain = wrote(made, "PATCH", SANDBOX, PLAIN, "m1").bodies

        where, value = ADOPTED.get(part, ("", None))
        expected = edited(ADOPTION, ("metadata", where, value)) if where else copy.deepcopy(ADOPTION)
        if part in POD_PARTS:
            expected["spec"] = {"podTemplate": POD_PARTS[part]}
        assert body == expected
        # The controller writes these parts again and again; the lie must not be mended.
        is_mended = part in ("metadata", "eviction")
        assert (plain != [PLAIN]) == is_mended
        assert made.hits == 1 + is_mended
        assert wrote(made, "PATCH", SANDBOX, PLAIN, "stranger").bodies == [PLAIN]

    def test_dup_bind(self) -> None:
        """Every claim but the first MUST be told that it has the first one's sandbox."""
        made = rule("dup-bind")

        told = [
            wrote(made, "PATCH", CLAIM, {"status": {"sandbox": {"name": box}}}, name, "status").bodies[0]
            for name, box in (("a", "m1"), ("b", "m2"), ("a", "m1"))
        ]

        assert [t["status"]["sandbox"]["name"] for t in told] == ["m1", "m1", "m1"]
        assert made.hits == 1

    def test_lost_status(self) -> None:
        """Assignment and first report of a binding MUST be lost, once each, and nothing else."""
        made = rule("lost-status")

        reached = [
            len(wrote(made, "PUT", CLAIM, claim(assigned="m1")).bodies),
            len(wrote(made, "PUT", CLAIM, claim(assigned="m1")).bodies),
            len(wrote(made, "PATCH", CLAIM, BINDING, "claim", "status").bodies),
            len(wrote(made, "PATCH", CLAIM, BINDING, "claim", "status").bodies),
            len(wrote(made, "PATCH", CLAIM, {"status": {}}, "claim", "status").bodies),
        ]

        assert reached == [0, 1, 0, 1, 1]
        assert made.hits == 2

    def test_no_child_once_it_was_lost(self) -> None:
        """A child that is made again MUST be dropped, though nobody has said yet that the first is gone."""
        made = rule("no-child", verbs="create", lost=True)

        reached = [wrote(made, "POST", POD, pod(name)).bodies for name in ("a", "b", "a")]

        assert reached == [[pod("a")], [pod("b")], []]
        assert made.hits == 1

    def test_wedge_status(self) -> None:
        """Once somebody changed a claim's metadata, its status MUST NOT be written; others' MUST."""
        made = rule("wedge-status")
        run(made, events(("ADDED", claim()), ("MODIFIED", claim(assigned="m1"))))
        before = wrote(made, "PATCH", CLAIM, BINDING, "claim", "status").bodies
        run(made, events(("MODIFIED", edited(claim(), ("metadata", "annotations", {"example.com/a": "b"})))))

        after = wrote(made, "PATCH", CLAIM, BINDING, "claim", "status").bodies

        assert (before, after) == ([BINDING], [])
        assert wrote(made, "PATCH", CLAIM, BINDING, "other", "status").bodies == [BINDING]

    def test_no_refill(self) -> None:
        """Once a pool was full, its creations MUST be refused; other pools' MUST pass."""
        made = rule("no-refill")
        run(made, events(("ADDED", pool(ready=1)), ("ADDED", pool("empty", replicas=0))))
        before = wrote(made, "POST", SANDBOX, FRESH).reply.status
        run(made, events(("MODIFIED", pool(ready=2)), ("MODIFIED", pool(ready=1))))

        after = wrote(made, "POST", SANDBOX, FRESH).reply.status
        other = wrote(made, "POST", SANDBOX, member(ownerReferences=owned(WARM_POOL, "empty"))).reply.status

        assert (before, after, other) == (200, 500, 200)

    def test_wrong_victim(self) -> None:
        """The oldest Ready member MUST be deleted instead of the chosen one, also after its Pod was seen."""
        made = rule("wrong-victim")
        run(
            made,
            events(
                ("ADDED", member("old", version=3)),
                ("ADDED", member("chosen", version=9)),
                ("ADDED", pod("old")),
                ("ADDED", pod("chosen")),
                ("ADDED", member("unready", ready=False, version=1)),
            ),
        )

        written = wrote(made, "DELETE", SANDBOX, FOREGROUND, "chosen")

        assert written.passed == []
        assert written.reply.ok
        assert surroundings(made).sent == [("DELETE", SANDBOX.path(NAMESPACE, "old"), None)]
        assert wrote(made, "DELETE", SANDBOX, FOREGROUND, "stranger").bodies == [FOREGROUND]

    @pytest.mark.parametrize("holder", ["", "host_01234567-89ab-cdef-0123-456789abcdef"])
    def test_lease_kept(self, holder: str) -> None:
        """A Lease MUST NOT be given back, but be taken and renewed."""
        made = rule("lease-kept")

        written = wrote(made, "PUT", LEASE, {"metadata": {"name": "l"}, "spec": {"holderIdentity": holder}})

        assert (len(written.bodies), made.hits) == ((1, 0) if holder else (0, 1))
        assert written.reply.ok

    def test_cross_namespace(self) -> None:
        """A claim that starts cold MUST be given a member of a pool of that name elsewhere, and no other."""
        made = rule("cross-namespace")
        mine, other = claim(warmPoolRef={"name": "pool"}), member("theirs")
        other["metadata"]["namespace"] = "elsewhere"
        surroundings(made).answer = {"items": [member("ours"), other]}
        run(made, events(("ADDED", mine)))
        cold = edited(COLD, ("metadata", "ownerReferences", 0, "uid", mine["metadata"]["uid"]))

        written = wrote(made, "POST", SANDBOX, cold)

        assert written.bodies == [cold]
        _, (method, path, change) = surroundings(made).sent
        assert (method, path) == ("PATCH", SANDBOX.path("elsewhere", "theirs"))
        assert change is not None
        assert change["metadata"]["ownerReferences"][0]["uid"] == mine["metadata"]["uid"]
        assert made.hits == 1

    def test_orphan_delete(self) -> None:
        """Deletions of claims MUST leave dependents behind; those of others go as they are."""
        made = rule("orphan-delete")

        assert wrote(made, "DELETE", CLAIM, None, "c").bodies[0]["propagationPolicy"] == "Orphan"
        assert wrote(made, "DELETE", CLAIM, FOREGROUND, "c").bodies[0]["propagationPolicy"] == "Orphan"
        assert wrote(made, "DELETE", SANDBOX, FOREGROUND, "s").bodies == [FOREGROUND]
        assert made.hits == 2

    def test_give_up(self) -> None:
        """A write that was refused MUST NOT be tried again; others, and reads, go on."""
        made = rule("give-up")
        made.refused(Target.of("PATCH", SANDBOX.path(NAMESPACE, "s"), {}))
        made.refused(Target.of("GET", SANDBOX.path(NAMESPACE, "other"), {}))

        given_up = wrote(made, "PATCH", SANDBOX, {"spec": {}}, "s")

        assert given_up.bodies == []
        assert given_up.reply.ok
        assert wrote(made, "PATCH", SANDBOX, {"spec": {}}, "other").bodies == [{"spec": {}}]
        assert made.hits == 1

    def test_two_leaders(self) -> None:
        """A Lease MUST look free and be said to be taken, in every namespace; other kinds are left alone."""
        made = rule("two-leaders")

        read = made.refuse(Target.of("GET", LEASE.path("elsewhere", "l"), {}))
        taken = made.refuse(Target.of("POST", LEASE.path("elsewhere"), {}))

        assert made.namespace == ""
        assert read is not None and read.status == 404
        assert taken is not None and taken.ok
        assert made.refuse(Target.of("GET", POD.path(NAMESPACE, "p"), {})) is None
        assert made.hits == 1

    def test_count_lie(self) -> None:
        """A pool MUST be said to be full; where it is, that is no lie."""
        made = rule("count-lie")
        run(made, events(("ADDED", pool(replicas=3))))

        (lie,) = wrote(made, "PATCH", WARM_POOL, {"status": {"replicas": 1}}, "pool", "status").bodies
        hits = made.hits
        wrote(made, "PATCH", WARM_POOL, lie, "pool", "status")

        assert lie == {"status": {"replicas": 3, "readyReplicas": 3}}
        assert hits == made.hits == 1


async def _acted(made: Rule, seen: Sequence[Event]) -> None:
    for event in seen:
        made.observe(event)
    while made._acts:
        await asyncio.gather(*made._acts)


def acts(made: Rule, *described: tuple[str, Object]) -> list[tuple[str, str, Object | None]]:
    """What a rule sends when it sees these events."""
    asyncio.run(_acted(made, events(*described)))
    return surroundings(made).sent


class TestActs:
    """Rules that do something beside the controller."""

    def test_optimist(self) -> None:
        """Everything MUST be said to be done, once per generation, and nothing be seen."""
        made = rule("optimist")

        sent = acts(made, *[("ADDED", o) for o in (claim(), claim(), alone(), pool(replicas=2), pod())])

        assert [(method, path.rpartition("/v1beta1")[2]) for method, path, _ in sent] == [
            ("PATCH", f"/namespaces/{NAMESPACE}/sandboxclaims/claim/status"),
            ("PATCH", f"/namespaces/{NAMESPACE}/sandboxes/s/status"),
            ("PATCH", f"/namespaces/{NAMESPACE}/sandboxwarmpools/pool/status"),
        ]
        assert sent[2][2] == {"status": {"replicas": 2, "readyReplicas": 2, "observedGeneration": 1}}
        assert made.view(claim()) is None

    @pytest.mark.parametrize(
        ("on", "seen", "killed"),
        [
            ("adoption", [member(), claimed(), claimed(spec={}, generation=2)], 0),
            ("edit", [claimed(), claimed(spec={}, generation=2), claimed(spec={}, generation=2)], 1),
            ("edit", [member(), claimed()], 0),
            ("edit", [template(), claimed(), template(generation=2)], 1),
            ("edit", [template(), member(), template(generation=2)], 0),
            ("finish", [edited(pod(), ("status", {"phase": "Failed"}))] * 2, 1),
            ("finish", [pod(), edited(pod(owner=None), ("status", {"phase": "Failed"}))], 0),
        ],
    )
    def test_pod_kill(self, on: str, seen: list[Object], killed: int) -> None:
        """The Pod MUST be deleted on the occasion that is named, once, and on no other."""
        made = rule("pod-kill", on=on)

        sent = acts(made, *[("MODIFIED", obj) for obj in seen])

        assert sent == [("DELETE", POD.path(NAMESPACE, "m1"), {"gracePeriodSeconds": 0})] * killed
        assert made.hits == killed

    def test_pod_kill_on_adoption(self) -> None:
        """The Pod MUST be gone when an adoption is answered, and no other write take it away."""
        made = rule("pod-kill", on="adoption")
        handed_over = {"metadata": {"ownerReferences": owned(CLAIM)}}

        assert wrote(made, "PATCH", SANDBOX, handed_over, "m1").bodies == [handed_over]
        assert surroundings(made).sent == [("DELETE", POD.path(NAMESPACE, "m1"), {"gracePeriodSeconds": 0})]
        wrote(made, "PATCH", SANDBOX, {"metadata": {"labels": {}}}, "m1")
        wrote(rule("pod-kill", on="edit"), "PATCH", SANDBOX, handed_over, "m1")

        assert made.hits == len(surroundings(made).sent) == 1

    def test_pod_tamper(self) -> None:
        """A sandbox's Pod MUST be given what is not its own, and lose what was asked for; others stay."""
        made = rule("pod-tamper")

        sent = acts(made, ("ADDED", pod()), ("MODIFIED", pod()), ("ADDED", pod("other", owner=None)))

        edit = {"metadata": {"labels": {TAMPERED: "1", "asked": None}}}
        assert sent == [("PATCH", POD.path(NAMESPACE, "m1"), edit)]

    def test_touch_storm(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every sandbox that exists MUST be written to, again and again."""
        made = rule("touch-storm")
        turns = iter([None, None])

        async def second(seconds: float) -> None:
            assert seconds == 1
            if next(turns, "over") == "over":
                raise asyncio.CancelledError
            await real(0)

        real = asyncio.sleep
        monkeypatch.setattr(asyncio, "sleep", second)

        async def storm() -> None:
            for event in events(("ADDED", member("m1")), ("ADDED", member("m2")), ("DELETED", member("m2"))):
                made.observe(event)
            made.started()
            await asyncio.gather(*made._acts, return_exceptions=True)

        asyncio.run(storm())

        assert surroundings(made).sent == [("PATCH", SANDBOX.path(NAMESPACE, "m1"), {})] * 2


@pytest.mark.parametrize(
    ("name", "parameters", "complaint"),
    [
        ("cold-bad", {"part": "names"}, "unknown part 'names'; did you mean 'name'?"),
        ("adopt-edit", {"part": "pod_metadata"}, "unknown part 'pod_metadata'"),
        ("pod-kill", {"on": "adopt"}, "unknown occasion 'adopt'; did you mean 'adoption'?"),
        ("no-wake", {"of": "Pool"}, "unknown kind 'Pool'"),
        ("pod-kill", {}, "missing 1 required keyword-only argument: 'on'"),
        ("no-child", {"verbs": "create,patched"}, "unknown verb 'patched'; did you mean 'patch'?"),
    ],
)
def test_a_rule_refuses_what_it_cannot_do(name: str, parameters: dict[str, Any], complaint: str) -> None:
    """A parameter that a rule does not know MUST be refused in words: it would never have an effect."""
    with pytest.raises(ValueError, match=f"rule '{name}': .*{complaint}"):
        rule(name, **parameters)


def test_every_rule_is_tested_here() -> None:
    """A new rule MUST come with its self-test."""
    text = Path(__file__).read_text(encoding="utf-8")

    assert [name for name in RULES if f'"{name}"' not in text] == []
