"""The namespace of a session."""

from __future__ import annotations

import sys

import pytest

from reference.snapstart.runtime.interpreter import Interpreter, Outcome


@pytest.fixture
def interpreter(monkeypatch: pytest.MonkeyPatch) -> Interpreter:
    """A session's interpreter; `__main__` is put back afterwards."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    interpreter = Interpreter("instance-1", "token")
    interpreter.install()
    return interpreter


def test_what_code_says(interpreter: Interpreter) -> None:
    """Output, and the value of a last expression, MUST be the outcome; names MUST stay."""
    assert interpreter.run("x = 20\nprint('one', x)\nx + 1") == Outcome("one 20\n", "21", None)
    assert interpreter.run("x += 1") == Outcome("", None, None)
    assert interpreter.run("(INSTANCE_ID, CONTEXT, x)") == Outcome("", "('instance-1', 'token', 21)", None)
    assert interpreter.run("") == Outcome("", None, None)


def test_code_runs_in_main(interpreter: Interpreter) -> None:
    """Code MUST find itself in `__main__`, so that what it defines can be found and pickled."""
    interpreter.run("class Point:\n    pass")
    found = interpreter.run(
        "import pickle, __main__\n(__main__.Point is Point, type(pickle.loads(pickle.dumps(Point()))))"
    )
    assert found.result == "(True, <class '__main__.Point'>)"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("1 / 0", ['File "<execute 1>", line 1', "ZeroDivisionError: division by zero"]),
        ("def f():\n    g()\nf()", ["line 3, in <module>", "line 2, in f", "name 'g' is not defined"]),
        ("x =", ["SyntaxError: invalid syntax"]),
        ("import sys; sys.exit(3)", ["SystemExit: 3"]),
        ("raise KeyboardInterrupt", ["KeyboardInterrupt"]),
        ("\0", ["null bytes"]),
    ],
)
def test_whatever_code_raises_is_its_outcome(interpreter: Interpreter, code: str, words: list[str]) -> None:
    """An error, an exit and a syntax error MUST be told with their traceback, and end nothing."""
    outcome = interpreter.run(code)
    assert outcome.error is not None
    assert [word for word in words if word not in outcome.error] == []
    assert "interpreter.py" not in outcome.error
    assert interpreter.run("1 + 1").result == "2"


def test_output_before_an_error_is_kept(interpreter: Interpreter) -> None:
    """What was printed MUST be told although the code failed, and only once."""
    outcome = interpreter.run("print('before')\nraise ValueError('v')")
    assert (outcome.stdout, outcome.result) == ("before\n", None)
    assert interpreter.run("print('after')").stdout == "after\n"


def test_a_value_that_cannot_be_shown_is_an_error(interpreter: Interpreter) -> None:
    """A repr that raises MUST be the outcome's error, not the session's end."""
    outcome = interpreter.run("class Bad:\n    def __repr__(self):\n        return 1 / 0\nBad()")
    assert outcome.error is not None
    assert "ZeroDivisionError" in outcome.error
