"""The workload of actors as the process that it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reference.rollout.workload import Boot, fingerprint

Forker = Callable[..., str]


@pytest.fixture
def fork() -> Iterator[Forker]:
    """Start a workload; its URL. All are killed afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "reference.rollout.workload"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    forked: list[int] = []

    def start(**specification: Any) -> str:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps({"actor_id": "a", "template": "t"} | specification) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        forked.append(answer["pid"])
        return f"http://127.0.0.1:{answer['port']}/"

    yield start
    process.communicate("")
    assert process.returncode == 0
    for pid in forked:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def post(url: str, body: Any) -> Any:
    """What a POST is answered."""
    with urllib.request.urlopen(url, data=json.dumps(body).encode(), timeout=10) as response:
        return json.load(response)


def send(url: str) -> dict[str, Any]:
    """Who answers a message."""
    parts = [{"kind": "text", "text": "hi"}]
    answer = post(url, {"id": 7, "params": {"message": {"contextId": "c", "parts": parts}}})
    assert (answer["id"], answer["result"]["contextId"], answer["result"]["parts"]) == (7, "c", parts)
    answered: dict[str, Any] = answer["result"]["metadata"]
    return answered


def status(url: str) -> int:
    """The status of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            found: int = response.status
            return found
    except urllib.error.HTTPError as err:
        with err:
            return err.code


def test_an_answer_says_whose_memory_and_configuration_it_has(fork: Forker) -> None:
    """Who answers MUST be seen from the answer, and the memory MUST go on where it was frozen."""
    env = {"KAGENT_CONFIG_JSON": '{"model": "m"}'}
    url = fork(env=env, atespace="s")
    assert send(url) == {
        "actor_id": "a",
        "atespace": "s",
        "template": "t",
        "hash": fingerprint(env),
        "config": {"model": "m"},
        "boot_count": 1,
        "served": 1,
    }
    memory = post(f"{url}.workload/freeze", {})
    assert memory == post(f"{url}.workload/freeze", {}) == {"boot_count": 1, "served": 1}
    restored = send(fork(memory=memory))
    assert (restored["boot_count"], restored["served"], restored["config"]) == (2, 2, None)


def test_a_frozen_workload_answers_nothing(fork: Forker) -> None:
    """After its memory was saved, a message MUST NOT be answered: the memory would not show it."""
    url = fork()
    post(f"{url}.workload/freeze", {})
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(url, data=b'{"params": {"message": {}}}', timeout=0.3)


def test_what_is_no_message_is_refused(fork: Forker) -> None:
    """A body that is not A2A MUST be answered 400 and count for nothing."""
    url = fork()
    for body in (None, [], {"params": {}}, {"params": {"message": 1}}):
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(url, body)
        assert refused.value.code == 400
        refused.value.close()
    assert send(url)["served"] == 1


def test_readiness_is_as_configured(fork: Forker) -> None:
    """A boot MUST take as long as the configuration says; a restore MUST NOT."""
    env = {"X": "workload-boot=after:0.4"}
    began = time.monotonic()
    url = fork(env=env)
    assert status(f"{url}readyz") == 503
    while status(f"{url}readyz") != 200:
        assert time.monotonic() - began < 5
    assert time.monotonic() - began >= 0.4
    assert status(f"{fork(env=env, memory={'boot_count': 1, 'served': 0})}health") == 200


def test_a_workload_ends_with_its_folder(fork: Forker, tmp_path: Path) -> None:
    """A workload whose folder is gone MUST end."""
    url = fork(folder=str(tmp_path / "gone"))
    deadline = time.monotonic() + 5
    with pytest.raises(OSError, match="refused|reset|closed"):
        while time.monotonic() < deadline:
            status(url)


@pytest.mark.parametrize(
    ("text", "boot"),
    [
        ("", Boot()),
        ("please workload-boot=fail now", Boot(fails=True)),
        ("workload-boot=hang", Boot(ready_after=float("inf"))),
        ("workload-boot=after:1.5", Boot(ready_after=1.5)),
    ],
)
def test_boot_actions(text: str, boot: Boot) -> None:
    """What a cold boot does MUST be read out of any variable."""
    assert Boot.of({"A": "x", "KAGENT_CONFIG_JSON": json.dumps({"systemMessage": text})}) == boot


def test_fingerprints_tell_variables_apart() -> None:
    """Names and values MUST not run into each other, and the order MUST not matter."""
    assert fingerprint({"a": "bc"}) != fingerprint({"ab": "c"})
    assert fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"})
    assert len(fingerprint({})) == 16
