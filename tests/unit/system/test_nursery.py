"""The process that forks the programs of a reference."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.processes import clean_environment
from fixtures.system.nursery import PROGRAMS, ROOT
from tests.unit.cluster.conftest import kubeconfig

#: Prints what a program would import by asking an API server that is not there.
LATER = """
import asyncio, contextlib, json, sys
import httpx2
from lightkube.resources.core_v1 import Pod
from fixtures.system.nursery import load
from reference.api import Api

async def ask():
    api = Api.connect(sys.argv[2], "c")
    with contextlib.suppress(httpx2.ConnectError):
        await api.get(Pod, "a", "b")
    await api.close()

load(sys.argv[1])
loaded = set(sys.modules)
asyncio.run(ask())
print(json.dumps(sorted(set(sys.modules) - loaded)))
"""


@pytest.mark.parametrize("reference", sorted(PROGRAMS))
def test_a_program_loads_nothing_that_all_of_them_need(reference: str, tmp_path: Path) -> None:
    """What the first request to an API server imports MUST have been imported before programs are forked."""
    nowhere = kubeconfig(tmp_path / "config", 1, "c", current="c")
    done = subprocess.run(
        [sys.executable, "-c", LATER, reference, str(nowhere)],
        env=clean_environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert json.loads(done.stdout) == []
