"""What the node has to know again after it was killed: which process is which Pod, on disk.

An entry is written before its process is started, and again with the process once there is one. A process
that no entry names was started in between: it carries the node's mark and is killed at the next start, and
the Pod, of which nobody has heard anything yet, gets another.

    DIR/pods/UID/entry.json   this record
    DIR/pods/UID/workspace/   where the process works
    DIR/pods/UID/log          what it writes
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from reference.processes import ProcessIdentity
from reference.snapstart.node.pods import PodRequest
from reference.snapstart.node.processes import Scope, family, session

_LOG = logging.getLogger(__name__)

#: How a process came to be; "" until it is there.
COLD: Final = "cold"
RESTORED: Final = "restored"
BUILD: Final = "build"


@dataclass(frozen=True)
class Entry:
    """One Pod on this node.

    fallback: why it starts cold although it has a key; "" if it does not.
    token: the secret of the session.
    seen_ns, up_ns: CLOCK_MONOTONIC when the runtime layer read the key, and when it had the process (a cold
        one is executing then, a restored one said STARTED); 0 before.
    started_at: the start of its process as Kubernetes writes times, "" before.
    """

    request: PodRequest
    address: str
    token: str
    way: str = ""
    fallback: str = ""
    process: ProcessIdentity | None = None
    seen_ns: int = 0
    up_ns: int = 0
    started_at: str = ""

    @property
    def uid(self) -> str:
        """The UID of the Pod."""
        return self.request.uid

    @property
    def scope(self) -> Scope:
        """What ends with its process. A template, which a build has forked, goes on without it."""
        return session if self.way == BUILD else family

    @property
    def tries_restore(self) -> bool:
        """Whether the next thing to do is a restore."""
        return bool(self.request.key) and not self.fallback

    def to_dict(self) -> dict[str, Any]:
        """As builtin types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Entry:
        """What `to_dict` made."""
        process = data["process"]
        return cls(
            **{
                **data,
                "request": PodRequest(**data["request"]),
                "process": None if process is None else ProcessIdentity(**process),
            }
        )


class Ledger:
    """The entries of one node, in memory and on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "pods"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._entries: dict[str, Entry] = {}
        for found in sorted(self._folder.iterdir()):
            self._load(found)

    def get(self, uid: str) -> Entry | None:
        """The entry of a Pod, None if there is none."""
        return self._entries.get(uid)

    def list(self) -> list[Entry]:
        """All entries."""
        return list(self._entries.values())

    def put(self, entry: Entry) -> None:
        """Add or replace an entry; it is on disk when this returns. Raises OSError: then all is as before."""
        folder = self._folder / entry.uid
        try:
            (folder / "workspace").mkdir(parents=True, exist_ok=True)
            temporary = folder / "entry.tmp"
            temporary.write_text(json.dumps(entry.to_dict()))
            temporary.replace(folder / "entry.json")
        except OSError:
            if entry.uid not in self._entries:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        self._entries[entry.uid] = entry

    def remove(self, uid: str) -> None:
        """Forget a Pod and all its files."""
        # First out of the way: a folder without an entry would keep its files for ever.
        shutil.rmtree(self._folder / uid, ignore_errors=True)
        self._entries.pop(uid, None)

    def workspace(self, uid: str) -> Path:
        """Where the process of a Pod works."""
        return self._folder / uid / "workspace"

    def log(self, uid: str) -> Path:
        """What the process of a Pod writes."""
        return self._folder / uid / "log"

    def last_words(self, uid: str, limit: int = 1000) -> str:
        """The end of its log, for people."""
        try:
            with self.log(uid).open("rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(0, log.tell() - limit))
                return log.read().decode(errors="replace").strip()
        except OSError:
            return ""

    def _load(self, folder: Path) -> None:
        try:
            entry = Entry.from_dict(json.loads((folder / "entry.json").read_text()))
        except (OSError, ValueError, TypeError, KeyError) as err:
            _LOG.warning("removing what is no entry", extra={"folder": str(folder), "error": repr(err)})
            shutil.rmtree(folder, ignore_errors=True)
            return
        self._entries[entry.uid] = entry
