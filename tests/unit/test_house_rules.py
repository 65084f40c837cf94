"""Rules for conformance tests that a reader cannot be trusted to notice every time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.limits import LIMITS

E2E = Path(__file__).parents[1] / "e2e"
FORBIDDEN = {"subprocess", "kubernetes", "aiohttp", "time", "threading", "asyncio"}
#: Keyword arguments of waits that name a limit.
NAMING = {"limit", "window"}


def broken_rules(source: str) -> Iterator[str]:
    """What a test file does that it must not: one sentence each."""
    tree = ast.parse(source)
    asked = {id(part) for question in _questions(tree) for part in ast.walk(question)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "history" and id(node) not in asked:
            owner = node.value
            if (owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")) == "journal":
                yield f"line {node.lineno} reads a journal that may lag: wait.history() does not"
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            )
            for module in modules:
                if module.split(".")[0] in FORBIDDEN:
                    yield f"line {node.lineno} imports {module}"
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg in NAMING:
                    yield from _unnamed(keyword.value)


def _questions(tree: ast.AST) -> Iterator[ast.AST]:
    """What waits ask of a journal, again with every event: functions other than tests that are given one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda | ast.FunctionDef):
            is_test = getattr(node, "name", "").startswith("test_")
            if not is_test and "journal" in [argument.arg for argument in node.args.args]:
                yield node


def _unnamed(value: ast.expr) -> Iterator[str]:
    for part in ast.walk(value):
        if isinstance(part, ast.Constant) and part.value not in LIMITS and not _is_feature(part.value):
            yield f"line {part.lineno} gives {part.value!r} where a limit is named"


def _is_feature(value: object) -> bool:
    return isinstance(value, str) and value[:1].isupper()


FILES = sorted(E2E.rglob("test_*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_conformance_tests_wait_by_name_and_reach_no_lower_layer(path: Path) -> None:
    """A conformance test MUST wait by named limits and MUST NOT import what lies below the fixtures."""
    assert list(broken_rules(path.read_text())) == []


def test_there_are_conformance_tests() -> None:
    """The rules MUST be applied to something."""
    assert len(FILES) > 5


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import subprocess", "line 1 imports subprocess"),
        ("from kubernetes import client", "line 1 imports kubernetes"),
        ("from time import sleep", "line 1 imports time"),
        ("wait.until(a, b, limit=5)", "line 1 gives 5 where a limit is named"),
        (
            "wait.until(a, b, limit='claim_bind_worm')",
            "line 1 gives 'claim_bind_worm' where a limit is named",
        ),
        (
            "wait.journal.history.of(POD)",
            "line 1 reads a journal that may lag: wait.history() does not",
        ),
        (
            "def test_it(journal, wait):\n    wait.all('', lambda journal: journal.history.of(POD))"
            "\n    journal.history.of(POD)",
            "line 3 reads a journal that may lag: wait.history() does not",
        ),
    ],
)
def test_broken_rules_are_found(source: str, complaint: str) -> None:
    """Each rule MUST be able to fail."""
    assert list(broken_rules(source)) == [complaint]
