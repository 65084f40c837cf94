"""The environment of a container: literal values, fields of its Pod, ConfigMaps and Secrets. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from reference.objects import Object, annotations_of, labels_of, name_of, namespace_of, uid_of
from reference.snapstart.node.pods import Unsupported, container_of

#: `$(NAME)` stands for a variable before it, `$$` for a dollar sign.
_REFERENCE: Final = re.compile(r"\$(\$|\(([-._a-zA-Z][-._a-zA-Z0-9]*)\))")
#: `metadata.labels['key']` and the same of annotations.
_ENTRY: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


@dataclass(frozen=True)
class Source:
    """A ConfigMap or Secret in the Pod's namespace; `kind` is one of the two words."""

    kind: str
    name: str


#: What each source holds, as text; None: there is no such object.
Data: TypeAlias = Mapping[Source, Mapping[str, str] | None]


class Missing(Exception):  # noqa: N818 - a state that may pass
    """A ConfigMap, a Secret, or a key in one is not there (yet)."""


def sources(pod: Object) -> frozenset[Source]:
    """The ConfigMaps and Secrets that the environment of a Pod is made from. Raises Unsupported."""
    container = container_of(pod)
    found = {source for source, _ in _bulk(container)}
    for variable in container.get("env") or ():
        found |= {source for source, _ in _references(variable)}
    return frozenset(found)


def text_of(found: Object) -> Mapping[str, str]:
    """The data of a ConfigMap or Secret."""
    data: Mapping[str, str] = found.get("data") or {}
    if found.get("kind") == "Secret":
        return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
    return data


def resolved(pod: Object, data: Data, address: str, host: str) -> dict[str, str]:
    """The variables of a Pod's container, in order; `address` is the Pod's own, `host` the node's.

    Raises Missing, Unsupported.
    """
    container = container_of(pod)
    found: dict[str, str] = {}
    for source, reference in _bulk(container):
        held = data.get(source)
        if held is None:
            if not reference.get("optional"):
                raise Missing(f"{source.kind} {source.name!r} is not there")
            continue
        prefix = reference.get("prefix", "")
        found |= {f"{prefix}{key}": value for key, value in held.items()}
    for variable in container.get("env") or ():
        value = _value(variable, pod, data, address, host)
        if value is not None:
            found[variable["name"]] = _expanded(value, found)
    return found


def _bulk(container: Mapping[str, Any]) -> Iterator[tuple[Source, Mapping[str, Any]]]:
    for entry in container.get("envFrom") or ():
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if reference := entry.get(field):
                yield Source(kind, reference["name"]), {**reference, "prefix": entry.get("prefix", "")}


def _references(variable: Mapping[str, Any]) -> Iterator[tuple[Source, Mapping[str, Any]]]:
    origin = variable.get("valueFrom") or {}
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if reference := origin.get(field):
            yield Source(kind, reference["name"]), reference


def _value(variable: Mapping[str, Any], pod: Object, data: Data, address: str, host: str) -> str | None:
    origin = variable.get("valueFrom")
    if not origin:
        return str(variable.get("value") or "")
    for source, reference in _references(variable):
        held = data.get(source) or {}
        if reference["key"] in held:
            return held[reference["key"]]
        if reference.get("optional"):
            return None
        raise Missing(f"{source.kind} {source.name!r} has no key {reference['key']!r}")
    if field := origin.get("fieldRef"):
        return _field(field["fieldPath"], pod, address, host)
    raise Unsupported(f"variable {variable['name']} comes from {', '.join(origin)}: not to be had here")


def _field(path: str, pod: Object, address: str, host: str) -> str:
    if entry := _ENTRY.fullmatch(path):
        held = labels_of(pod) if entry[1] == "labels" else annotations_of(pod)
        return held.get(entry[2], "")
    spec = pod["spec"]
    known: dict[str, str] = {
        "metadata.name": name_of(pod),
        "metadata.namespace": namespace_of(pod),
        "metadata.uid": uid_of(pod),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.podIP": address,
        "status.podIPs": address,
        "status.hostIP": host,
    }
    if path not in known:
        raise Unsupported(f"field {path} of a Pod is not known")
    return known[path]


def _expanded(value: str, known: Mapping[str, str]) -> str:
    """Kubernetes' own expansion: what is not known stays as it is."""

    def replacement(found: re.Match[str]) -> str:
        return "$" if found[1] == "$" else known.get(found[2], found[0])

    return _REFERENCE.sub(replacement, value)
