"""Runs the code of one session, in a module `__main__` of its own."""

from __future__ import annotations

import ast
import contextlib
import io
import sys
import traceback
import types
from dataclasses import dataclass
from typing import Final

#: Frames of a traceback that are ours, not the user's.
_OUR_FRAMES: Final = 2


@dataclass(frozen=True)
class Outcome:
    """What code printed, the repr of the value of its last expression, the traceback of what it raised."""

    stdout: str
    result: str | None
    error: str | None


class Interpreter:
    """The namespace of a session."""

    def __init__(self, instance_id: str, context: str) -> None:
        """Code sees who it is as INSTANCE_ID and CONTEXT."""
        self._module = types.ModuleType("__main__")
        vars(self._module).update(INSTANCE_ID=instance_id, CONTEXT=context)
        self._count = 0

    def install(self) -> None:
        """Be the `__main__` of this process."""
        sys.modules["__main__"] = self._module

    def run(self, code: str) -> Outcome:
        """Run code. Whatever it raises is part of the outcome, an exit too."""
        self._count += 1
        printed = io.StringIO()
        result = error = None
        try:
            with contextlib.redirect_stdout(printed):
                result = self._evaluate(code, f"<execute {self._count}>")
        except BaseException as err:  # noqa: BLE001 - an exit of user code does not end its session
            trace = err.__traceback__
            for _ in range(_OUR_FRAMES):
                trace = trace and trace.tb_next
            error = "".join(traceback.format_exception(type(err), err, trace))
        return Outcome(printed.getvalue(), result, error)

    def _evaluate(self, code: str, name: str) -> str | None:
        tree = ast.parse(code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        namespace = vars(self._module)
        exec(compile(tree, name, "exec"), namespace)
        if not isinstance(last, ast.Expr):
            return None
        value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
        return None if value is None else repr(value)
