"""Actors as three shapes of ate-api tell of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fixtures.system.rollout.ateapi import Actor, actor_of
from fixtures.system.rollout.rpcproxy import _actor as named_in

OF = {"actor_template_namespace": "ns", "actor_template_name": "t", "status": "STATUS_RUNNING"}
#: What each shape replies to GetActor: in an envelope, in one with an atespace, and the object itself.
REPLIES: Mapping[str, Mapping[str, Any]] = {
    "flat": {
        "actor": {"actor_id": "a1", "version": 3, **OF, "ateom_pod_name": "pod", "last_snapshot": "gs://x"}
    },
    "reference": {
        "actor": {
            **{"actor_id": "a1", "atespace": "ns", "version": 3, **OF, "ateom_pod_name": "pod"},
            "latest_snapshot_info": {"external": {"snapshot_uri_prefix": "gs://x"}},
        }
    },
    "object": {
        "metadata": {"atespace": "ns", "name": "a1", "version": 3},
        **OF,
        "ateom_pod_name": "pod",
        "latest_snapshot_info": {"local": {"snapshot_prefix": "gs://x"}},
    },
}


@pytest.mark.parametrize("shape", sorted(REPLIES))
def test_every_shape_tells_of_the_same_actor(shape: str) -> None:
    """An actor MUST be read alike from every shape; only the flat one has no atespace."""
    atespace = "" if shape == "flat" else "ns"

    assert actor_of(REPLIES[shape]) == Actor("a1", "RUNNING", "ns", "t", atespace, "pod", 3, "gs://x")


@pytest.mark.parametrize(
    "request_",
    [
        {"actor_id": "a1"},
        {"actor_ref": {"atespace": "ns", "name": "a1"}},
        {"actor": {"atespace": "ns", "name": "a1"}},
        {"actor": {"metadata": {"atespace": "ns", "name": "a1"}, "actor_template_name": "t"}},
    ],
    ids=["flat", "reference", "object", "object-creation"],
)
def test_the_record_says_which_actor_a_call_is_about(request_: Mapping[str, Any]) -> None:
    """The journal MUST name the actor of a call, whatever the shape."""
    assert named_in(request_) == "a1"


def test_a_call_about_no_actor_names_none() -> None:
    """A list names no actor."""
    assert named_in({"page_size": 10, "page_token": ""}) == ""
