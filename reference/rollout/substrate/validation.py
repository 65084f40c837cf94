"""What ate-api says of names that it does not take: texts of the release whose shape is served. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from reference.rollout.substrate.errors import invalid

_MAX_LABEL: Final = 63
_LABEL_PATTERN: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL: Final = re.compile(_LABEL_PATTERN)


def check_actor_id(value: str) -> None:
    """Raise INVALID_ARGUMENT unless `value` is a DNS-1123 label (flat shape)."""
    if not value:
        raise invalid("actor_id is required")
    if len(value) > _MAX_LABEL:
        raise invalid("invalid actor_id: must be no more than 63 characters")
    if _LABEL.fullmatch(value) is None:
        raise invalid(
            "invalid actor_id: must start and end with a lower case alphanumeric character, "
            "and consist only of lower case alphanumeric characters or '-'"
        )


def check_names(names: Mapping[str, str], required: Mapping[str, str] | None = None) -> None:
    """Raise INVALID_ARGUMENT unless all `names` are DNS-1123 labels and all of `required` are there.

    Keys are the paths of the fields; the texts are those of Kubernetes' field validation.
    """
    errors = [error for path, value in names.items() for error in _label_errors(path, value)]
    errors += [f"{path}: Required value" for path, value in (required or {}).items() if not value]
    if errors:
        raise invalid(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")


def _label_errors(path: str, value: str) -> Iterator[str]:
    if not value:
        yield f"{path}: Required value"
        return
    if len(value) > _MAX_LABEL:
        yield f'{path}: Invalid value: "{value}": must be no more than 63 bytes'
    if _LABEL.fullmatch(value) is None:
        yield (
            f'{path}: Invalid value: "{value}": a lowercase RFC 1123 label must consist of lower case '
            "alphanumeric characters or '-', and must start and end with an alphanumeric character "
            f"(e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL_PATTERN}')"
        )
