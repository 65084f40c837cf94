"""A session: it serves in threads, and runs the user's code in the main thread, one after the other."""

from __future__ import annotations

import queue
import threading
from typing import NoReturn

from reference.snapstart.runtime.interpreter import Interpreter, Outcome


class Session:
    """One user's session in this process."""

    def __init__(self, instance_id: str, context: str) -> None:
        self.instance_id = instance_id
        self._interpreter = Interpreter(instance_id, context)
        self._jobs: queue.SimpleQueue[tuple[str, queue.SimpleQueue[Outcome]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._active = 0

    @property
    def active_tasks(self) -> int:
        """How many requests to run code are not answered yet."""
        return self._active

    def execute(self, code: str) -> Outcome:
        """Run code when its turn comes; to be called from any thread but the main one."""
        answer: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        with self._lock:
            self._active += 1
        try:
            self._jobs.put((code, answer))
            return answer.get()
        finally:
            with self._lock:
                self._active -= 1

    def run(self) -> NoReturn:
        """Run the code of all requests, until the process is killed."""
        self._interpreter.install()
        while True:
            code, answer = self._jobs.get()
            answer.put(self._interpreter.run(code))
