"""A template's spec is fixed when it is made."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.kube.client import ApiError

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(id="BG-SUB-11", profile="ROLLOUT", level="extended", killers=["bg/crd-loose"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"pauseImage": "pause@sha256:1"}, id="pause-image"),
        pytest.param({"snapshotsConfig": {"location": "gs://elsewhere"}}, id="snapshots"),
        pytest.param({"containers": []}, id="containers"),
        pytest.param({"workerSelector": {"matchLabels": {"kagent.dev/worker-pool": "other"}}}, id="selector"),
    ],
)
def test_template_spec_cannot_be_changed(substrates, wait, change):
    """The API server MUST refuse any change of a template's spec with 422."""
    template = substrates.template("pool")

    with pytest.raises(ApiError) as refused:
        substrates.change(template, change)

    assert refused.value.status == 422
    assert wait.current(template).spec == template.made.spec
