"""What is known of the API server's treatment before a load begins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.kube.client import Api, ApiError
from fixtures.kube.kinds import CLAIM
from fixtures.load.fakeserver import FakeServer
from fixtures.load.preflight import Treatment, converted, preflight


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    with FakeServer(tmp_path_factory.mktemp("fake")) as running:
        yield running


def test_the_treatment_is_told_by_name_and_nothing_is_left(server: FakeServer) -> None:
    """PERF-LG-15: flow schema and priority level MUST be resolved, by a dry run that creates no claim."""
    with Api(server.connection, "asc-unit") as api:
        found = preflight(api, "default", "pool")
        left = list(api.list(CLAIM, "default"))

    assert found == Treatment("global-default", "global-default")
    assert found.to_dict() == {
        "flow_schema": "global-default",
        "priority_level": "global-default",
        "exempt": False,
        "converted": "",
    }
    assert left == []


def test_groups_in_several_versions_are_told() -> None:
    """PERF-LG-19: a group whose objects are converted MUST be told with its versions, and no other."""
    one = {"name": "agents.x-k8s.io", "versions": [{"version": "v1beta1"}]}
    two = {"name": "agents.x-k8s.io", "versions": [{"version": "v1beta1"}, {"version": "v1alpha1"}]}

    assert list(converted([one, two])) == ["agents.x-k8s.io v1beta1, v1alpha1"]


def test_an_exempt_client_is_told() -> None:
    """Where the API server never refuses, a load without 429 says nothing: it MUST be seen."""
    assert Treatment("exempt", "exempt").exempt


def test_no_load_where_a_claim_cannot_be_created(tmp_path: Path) -> None:
    """A refused dry run MUST end it before any load is offered."""
    with FakeServer(tmp_path) as gone:
        connection = gone.connection
    with Api(connection, "asc-unit") as api, pytest.raises(ApiError):
        preflight(api, "default", "pool")
