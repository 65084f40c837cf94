"""Mutants that change the system for everybody: how they are written down, and that they run alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.conformance import mutants
from fixtures.conformance.cells import Cells
from fixtures.errors import UsageError


def registry(folder: Path, *specs: dict[str, Any], kind: str = "cfg") -> Path:
    """A registry of one mutant."""
    file = folder / "mutants.yaml"
    entry = {"id": "as/one", "title": "one", "kind": kind, "spec": list(specs)}
    file.write_text(yaml.safe_dump([entry]))
    return file


@pytest.mark.parametrize("spec", [{"flags": ["--a=1"]}, {"flags": "unread"}, {"crds": "loose"}])
def test_what_a_configuration_may_say(tmp_path: Path, spec: dict[str, Any]) -> None:
    """Flags that win, flags that are not read, and loose CRDs MUST be read as they are."""
    assert mutants.load(registry(tmp_path, spec))["as/one"].spec == (spec,)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"flags": "unraed"}, "unknown flags 'unraed'; did you mean 'unread'?"),
        ({"crds": "losse"}, "unknown crds 'losse'; did you mean 'loose'?"),
    ],
)
def test_a_word_that_means_nothing(tmp_path: Path, spec: dict[str, Any], complaint: str) -> None:
    """A misspelt configuration MUST be refused: it would change nothing and count as there."""
    file = registry(tmp_path, spec)

    with pytest.raises(UsageError) as caught:
        mutants.load(file)

    assert str(caught.value) == f"{file}: as/one: {complaint}"


@pytest.mark.parametrize(("kind", "alone"), [("cfg", {"as/one"}), ("view", set())])
def test_cells_of_configurations_run_alone(tmp_path: Path, kind: str, alone: set[str]) -> None:
    """The cells of a configuration mutant MUST be known as such, those of others not."""
    known = mutants.load(registry(tmp_path, {"crds": "loose"}, kind=kind))

    cells = Cells.read("as/one", None, known)

    assert cells is not None
    assert cells.alone == alone
