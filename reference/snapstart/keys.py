"""snapshotKey: a name for one set of artifacts that no other set ever has (contract sections 2, 9.1). Pure.

A key reads `<name>-<mode>-g<generation>-r<sequence>` and ends in what makes it unique: a digest of the
snapshot's UID and a nonce. Names that normalise alike, a snapshot of the same name that came later, and a
store that was lost and begins to count anew therefore share nothing.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

#: A key is also used as a label value.
LENGTH: Final = 63

_UID_DIGITS: Final = 6
_NONCE_BYTES: Final = 4


def new_nonce() -> str:
    """A fresh nonce, drawn once for each set."""
    return secrets.token_hex(_NONCE_BYTES)


def normalized(name: str) -> str:
    """A name in lower-case letters, digits and hyphens, beginning and ending with a letter or digit."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "snapshot"


def snapshot_key(name: str, mode: str, generation: int, sequence: int, uid: str, nonce: str) -> str:
    """The key of the set that a snapshot began as its `sequence`-th."""
    unique = f"-{hashlib.sha256(uid.encode()).hexdigest()[:_UID_DIGITS]}-{nonce}"
    numbers = f"-{mode.lower()}-g{generation}-r{sequence}"
    short = normalized(name)[: max(1, LENGTH - len(numbers) - len(unique))].rstrip("-")
    return f"{(short + numbers)[: LENGTH - len(unique)].rstrip('-')}{unique}"
