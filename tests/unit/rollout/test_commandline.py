"""What the command lines of the rollout's programs have in common."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from reference.commandline import command_line, run_program
from reference.program import Address
from reference.rollout.commandline import add_client_options

USUAL = ["--kubeconfig", "k", "--http", "127.0.0.1:1", "--ate-api", "127.0.0.1:2"]


def parser() -> argparse.ArgumentParser:
    """The command line of a program with two mutants."""
    found = command_line("some.module", "Does a thing.", mutants=["wrong", "broken"])
    add_client_options(found)
    return found


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """A program takes the logging for itself; the tests that follow have theirs back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_options_become_what_programs_work_with() -> None:
    """Values MUST arrive as paths, addresses and lists; mutants in the order in which they were given."""
    found = parser().parse_args(
        [*USUAL, "--namespaces", "a,b,", "--dialect", "v1", "--mutant", "wrong", "--mutant", "broken"]
    )

    assert vars(found) == {
        "kubeconfig": Path("k"),
        "http": Address("127.0.0.1", 1),
        "ate_api": "127.0.0.1:2",
        "dialect": "v1",
        "namespaces": ["a", "b"],
        "mutant": ["wrong", "broken"],
    }


def test_what_is_not_given_is_the_usual() -> None:
    """Without options a program MUST follow the project's own rules, everywhere, with nothing wrong."""
    found = parser().parse_args(USUAL)

    assert (found.dialect, found.namespaces, found.mutant) == ("v1_safe", [], [])


@pytest.mark.parametrize("wrong", [["--dialect", "v2"], ["--mutant", "other"], ["--http", "1"]])
def test_what_is_not_known_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown name, or no address, MUST end the program with 2 and the option's name."""
    with pytest.raises(SystemExit, match="2"):
        run_program(parser(), serve, [*USUAL, *wrong])

    assert f"argument {wrong[0]}: " in capsys.readouterr().err


async def serve(arguments: argparse.Namespace) -> None:
    """A program that fails where its dialect is that of the pull request."""
    if arguments.dialect == "v1":
        raise RuntimeError("out of order")


def test_the_exit_code_says_how_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that ends MUST give 0, one that fails 1, with the error in its log as JSON."""
    assert run_program(parser(), serve, USUAL) == 0
    assert run_program(parser(), serve, [*USUAL, "--dialect", "v1"]) == 1
    assert '"exception": "Traceback' in capsys.readouterr().err
