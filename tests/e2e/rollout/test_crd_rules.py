"""What the API refuses of agents, templates and pools, what nobody may change, and what is filled in."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.kube.client import refusal
from fixtures.kube.kinds import ACTOR_TEMPLATE, MODEL_CONFIG, SANDBOX_AGENT, SANDBOX_CONFIG, WORKER_POOL

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")

DECLARATIVE = {"declarative": {"modelConfig": "model"}}
ON_SUBSTRATE = {"platform": "substrate", "substrate": {"workerPoolRef": {"name": "pool"}}}
BYO = {"type": "BYO", **ON_SUBSTRATE}
SOURCE = {"secretKeyRef": {"name": "secret", "key": "key"}}
CONTAINER = {"name": "agent", "image": "agent@sha256:0"}
TEMPLATE = {
    "pauseImage": "pause@sha256:0",
    "containers": [CONTAINER],
    "snapshotsConfig": {"location": "gs://ate-snapshots/ns/agent"},
}
POOL = {"replicas": 1, "ateomImage": "ateom@sha256:0"}


def byo(**variable):
    """An agent that brings its own image, with one variable."""
    return {**BYO, "byo": {"image": "agent@sha256:0", "cmd": "serve", "env": [{"name": "A", **variable}]}}


#: Name of the case: kind, and a spec that is wrong in one thing.
WRONG = {
    "agent-without-its-block": (SANDBOX_AGENT, {"type": "BYO", **DECLARATIVE, **ON_SUBSTRATE}),
    "agent-with-both-blocks": (SANDBOX_AGENT, {**byo(value="a"), **DECLARATIVE}),
    "agent-without-substrate": (SANDBOX_AGENT, {**DECLARATIVE, "platform": "substrate"}),
    "agent-with-substrate-elsewhere": (
        SANDBOX_AGENT,
        {**DECLARATIVE, **ON_SUBSTRATE, "platform": "agent-sandbox"},
    ),
    "agent-with-skills": (SANDBOX_AGENT, {**DECLARATIVE, **ON_SUBSTRATE, "skills": ["skill"]}),
    "agent-without-command": (SANDBOX_AGENT, {**BYO, "byo": {"image": "agent@sha256:0"}}),
    "agent-variable-with-two-sources": (SANDBOX_AGENT, byo(value="a", valueFrom=SOURCE)),
    "agent-variable-without-source": (SANDBOX_AGENT, byo()),
    "model-secret-without-key": (MODEL_CONFIG, {"model": "m", "apiKeySecret": "secret"}),
    "model-key-without-secret": (MODEL_CONFIG, {"model": "m", "apiKeySecretKey": "key"}),
    "template-pause-image": (ACTOR_TEMPLATE, {**TEMPLATE, "pauseImage": "pause:latest"}),
    "template-image": (ACTOR_TEMPLATE, {**TEMPLATE, "containers": [{**CONTAINER, "image": "agent:latest"}]}),
    "template-variable": (
        ACTOR_TEMPLATE,
        {**TEMPLATE, "containers": [{**CONTAINER, "env": [{"name": "A"}]}]},
    ),
    "template-commits-more-than-it-pauses": (
        ACTOR_TEMPLATE,
        {
            **TEMPLATE,
            "snapshotsConfig": {**TEMPLATE["snapshotsConfig"], "onPause": "Data", "onCommit": "Full"},
        },
    ),
    "pool-replicas": (WORKER_POOL, {**POOL, "replicas": -1}),
    "pool-class": (WORKER_POOL, {**POOL, "sandboxClass": "runc"}),
    "config-class": (SANDBOX_CONFIG, {"sandboxClass": "runc"}),
}
#: Kind, a spec that says as little as it may, and what is filled in.
FILLED_IN = {
    SANDBOX_AGENT: (DECLARATIVE, {"type": "Declarative", "platform": "agent-sandbox"}),
    ACTOR_TEMPLATE: (
        TEMPLATE,
        {
            "sandboxClass": "gvisor",
            "snapshotsConfig": {**TEMPLATE["snapshotsConfig"], "onPause": "Full", "onCommit": "Full"},
        },
    ),
    WORKER_POOL: (POOL, {"sandboxClass": "gvisor"}),
}


@conformance(id="BG-API-2", profile="ROLLOUT", level="core", killers=["bg/crd-loose"])
@pytest.mark.parametrize("case", [*WRONG, "defaults"])
def test_api_refuses_what_is_wrong_and_fills_in_the_rest(api, namespace, case):
    """The API MUST refuse specs that contradict themselves or miss something, and MUST fill in defaults."""
    if case in WRONG:
        kind, spec = WRONG[case]
        refused = refusal(lambda: api.create(kind, {"metadata": {"name": "wrong"}, "spec": spec}, namespace))
        assert refused is not None
        assert (refused.status, refused.reason) == (422, "Invalid")
        return
    for kind, (spec, defaults) in FILLED_IN.items():
        api.create(kind, {"metadata": {"name": "brief"}, "spec": spec}, namespace)
        found = api.get(kind, "brief", namespace).spec
        assert {key: found.get(key) for key in defaults} == defaults


@conformance(id="BG-API-1", profile="ROLLOUT", level="core", killers=["bg/crd-loose"])
@pytest.mark.parametrize("platform", ["substrate", "agent-sandbox"])
def test_agent_stays_on_its_platform(api, namespace, platform):
    """The API MUST refuse to move an agent to another platform, which could not clean up after it."""
    there = {**DECLARATIVE, **ON_SUBSTRATE} if platform == "substrate" else DECLARATIVE
    elsewhere = (
        {"platform": "agent-sandbox", "substrate": None} if platform == "substrate" else dict(ON_SUBSTRATE)
    )
    made = api.create(SANDBOX_AGENT, {"metadata": {"name": "agent"}, "spec": there}, namespace)

    refused = refusal(lambda: api.patch(SANDBOX_AGENT, "agent", {"spec": elsewhere}, namespace))

    assert refused is not None
    assert refused.status == 422
    assert "an agent stays on its platform" in refused.message
    assert api.get(SANDBOX_AGENT, "agent", namespace).spec == made.spec
