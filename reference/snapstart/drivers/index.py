"""The artifacts of one node on disk, by namespace and key: complete, or not there.

    FOLDER/lock                      held by the one driver that uses the folder
    FOLDER/DIGEST/artifact.json      a complete artifact; whatever it consists of lies beside it
    FOLDER/unfinished-N/             begun and not complete, or about to be removed

An artifact appears and disappears by one rename. Names are digests, so that no key and no namespace,
whatever is in them, leads out of the folder or to another's artifact.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from reference.ownership import own
from reference.program import IN_USE_LIMIT
from reference.snapstart.drivers.driver import Artifact

_RECORD: Final = "artifact.json"
_UNFINISHED: Final = "unfinished-"


class IndexBusyError(Exception):
    """Another driver uses the folder."""


@dataclass(frozen=True)
class Record:
    """An artifact, and what its driver needs to know of it: values that JSON can hold."""

    artifact: Artifact
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """As text."""
        artifact = dataclasses.asdict(self.artifact)
        artifact["created_at"] = self.artifact.created_at.isoformat()
        return json.dumps({"artifact": artifact, "details": dict(self.details)}, indent=1, sort_keys=True)

    @classmethod
    def of_json(cls, text: str) -> Record:
        """From text. Raises ValueError, KeyError or TypeError for anything but what `to_json` gives."""
        fields = json.loads(text)
        artifact = fields["artifact"]
        artifact["created_at"] = datetime.datetime.fromisoformat(artifact["created_at"])
        return cls(Artifact(**artifact), dict(fields["details"]))


class Index:
    """The folder of one driver."""

    def __init__(self, folder: Path, limit_s: float = IN_USE_LIMIT) -> None:
        """Use a folder, and remove what was left unfinished there.

        Raises IndexBusyError if another driver has it for `limit_s` seconds, OSError.
        """
        self._folder = folder
        self._numbers = itertools.count()
        try:
            self._lock = own(folder, limit_s)
        except TimeoutError as err:
            raise IndexBusyError(f"another driver uses {folder}: give each a folder of its own") from err
        for left in folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left)

    def begin(self) -> Path:
        """An empty folder to make an artifact in. Raises OSError."""
        folder = self._unfinished()
        folder.mkdir()
        return folder

    def complete(self, begun: Path, record: Record) -> None:
        """Let the artifact in a folder of `begin` be there. Raises OSError: then it is not."""
        try:
            with (begun / _RECORD).open("w") as file:
                file.write(record.to_json())
                file.flush()
                os.fsync(file.fileno())
            _sync(begun)
            begun.rename(self.place(record.artifact.namespace, record.artifact.key))
        except OSError:
            self.abandon(begun)
            raise
        _sync(self._folder)

    def abandon(self, begun: Path) -> None:
        """Remove a folder of `begin` that will not be completed."""
        shutil.rmtree(begun, ignore_errors=True)

    def get(self, namespace: str, key: str) -> Record | None:
        """The complete artifact of this very namespace and key, or None."""
        found = _read(self.place(namespace, key))
        if found is None or (found.artifact.namespace, found.artifact.key) != (namespace, key):
            return None
        return found

    def all(self) -> list[Record]:
        """All complete artifacts, by namespace and key."""
        found = [record for path in self._folder.iterdir() if (record := _read(path)) is not None]
        return sorted(found, key=lambda record: (record.artifact.namespace, record.artifact.key))

    def remove(self, namespace: str, key: str) -> None:
        """Let an artifact be there no longer; no error if it is not."""
        gone = self._unfinished()
        try:
            self.place(namespace, key).rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)

    def place(self, namespace: str, key: str) -> Path:
        """The folder of an artifact, whether it is there or not."""
        return self._folder / digest(namespace, key)

    def close(self) -> None:
        """Leave the folder to another driver; once is enough."""
        self._lock.release()

    def _unfinished(self) -> Path:
        return self._folder / f"{_UNFINISHED}{next(self._numbers)}"


def digest(namespace: str, key: str) -> str:
    """40 hex digits that stand for a namespace and a key, and for no other pair of them."""
    # Neither may hold a NUL in Kubernetes; the length makes the pair unambiguous all the same.
    text = f"{len(namespace)}:{namespace}{key}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:40]


def _read(folder: Path) -> Record | None:
    if folder.name.startswith(_UNFINISHED):
        return None
    try:
        return Record.of_json((folder / _RECORD).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        # Not there, or damaged: what cannot be read entirely is no artifact.
        return None


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
