"""Which operation of the target file an operation of the API document is, and which of its
parameters and fields are ids of what. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from conformance import policy
from conformance.inventory import METHODS, prefix_of, resolved
from conformance.schema import PLACEHOLDER
from conformance.target import Operation, Target

_ID_ENDING = re.compile(r"(?<=[a-z0-9])(?:_?ids?|_?uuid|Ids?|ID|-id)$")
_BRACES = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True)
class Slot:
    """A place in a request that holds the id, or another known value, of an instance.

    `place` is path, query or body; `keys` lead to the value there (`[]` is every row of a list).
    `value` is `id`, or the name of what was taken when the instance was made. The resources
    `persona` and `tenant` are no instances: their values are facts.
    """

    place: str
    keys: tuple[str, ...]
    resource: str
    value: str = "id"
    sure: bool = True


@dataclass(frozen=True)
class Way:
    """An operation of the target file: what stands there for each parameter of the path."""

    resource: str
    operation: str
    path: tuple[tuple[str, str], ...]

    @property
    def about(self) -> tuple[str, str]:
        return self.resource, self.operation


@dataclass(frozen=True)
class Known:
    """An operation of the API document, with what the target file says of it.

    `label` is how Schemathesis names it, `path` the whole path below the target's origin; `ways`
    are the operations that it may be, which can be several that set other fields. `open` is what
    the document says to need no login.
    """

    label: str
    method: str
    path: str
    ways: tuple[Way, ...]
    slots: tuple[Slot, ...]
    fields: Mapping[str, Mapping[str, Any]]
    query: Mapping[str, Mapping[str, Any]]
    media: tuple[str, ...]
    open: bool

    @property
    def properties(self) -> int:
        """How much there is to get wrong."""
        return len(self.fields) + len(self.query) + self.path.count("{")


def known(target: Target, document: Mapping[str, Any]) -> list[Known]:
    """Every operation of the API document, in its order."""
    prefix = prefix_of(dict(document))
    found = []
    paths = document.get("paths")
    for path, item in (paths if isinstance(paths, dict) else {}).items():
        if not isinstance(item, dict):
            continue
        for method, described in item.items():
            if method in METHODS and isinstance(described, dict):
                found.append(_known(target, document, prefix, str(path), method, item, described))
    return found


def _known(
    target: Target,
    document: Mapping[str, Any],
    prefix: str,
    path: str,
    method: str,
    item: Mapping[str, Any],
    described: Mapping[str, Any],
) -> Known:
    whole = prefix + path
    ways: list[Way] = []
    slots: dict[tuple[str, tuple[str, ...]], Slot] = {}
    for resource, each in target.resources.items():
        for name, operation in each.operations.items():
            aligned = _aligned(target, operation, method.upper(), whole)
            if aligned is None:
                continue
            ways.append(Way(resource, name, tuple(aligned)))
            beside = _beside(target, resource, operation)
            for slot in (*_in_path(target, resource, aligned), *beside):
                slots.setdefault((slot.place, slot.keys), slot)
    parameters = [
        resolved(document, one)
        for one in (*_list(item.get("parameters")), *_list(described.get("parameters")))
    ]
    body = _body(document, described, parameters)
    fields = {name: _one(document, each) for name, each in _fields(document, body).items()}
    for slot in (*_named_path(target, path), *_named(target, parameters, fields)):
        slots.setdefault((slot.place, slot.keys), slot)
    security = described.get("security", document.get("security"))
    return Known(
        label=f"{method.upper()} {path}",
        method=method.upper(),
        path=whole,
        ways=tuple(ways),
        slots=tuple(slots.values()),
        fields=fields,
        query={
            str(one.get("name")): _one(document, one.get("schema", one))
            for one in parameters
            if one.get("in") == "query"
        },
        media=_media(document, described),
        open=not security or {} in _list(security),
    )


# --- what the target file writes -----------------------------------------------------------------


def _aligned(
    target: Target, operation: Operation, method: str, whole: str
) -> list[tuple[str, str]] | None:
    """(parameter of the document, placeholder of the target file) for a path that is the same."""
    if operation.method != method:
        return None
    base = urlsplit(target.system.base_url.replace("{port}", "1")).path.rstrip("/")
    tenancy = (target.tenancy.path or "").rstrip("/") if operation.tenancy else ""
    theirs = whole.partition("?")[0].rstrip("/").split("/")
    for before in dict.fromkeys(("", base, tenancy, base + tenancy)):
        ours = (before + operation.path.partition("?")[0]).rstrip("/").split("/")
        if len(ours) != len(theirs):
            continue
        pairs: list[tuple[str, str]] = []
        if all(_segment(one, other, pairs) for one, other in zip(theirs, ours, strict=True)):
            return pairs
    return None


def _segment(theirs: str, ours: str, pairs: list[tuple[str, str]]) -> bool:
    if _BRACES.sub("{}", theirs) != _BRACES.sub("{}", ours):
        return False
    pairs += zip(
        (one[1:-1] for one in _BRACES.findall(theirs)),
        (one[1:-1] for one in _BRACES.findall(ours)),
        strict=True,
    )
    return True


def _in_path(target: Target, resource: str, aligned: list[tuple[str, str]]) -> Iterator[Slot]:
    for name, placeholder in aligned:
        found = _meant(target, resource, placeholder)
        if found:
            yield Slot("path", (name,), *found)


def _beside(target: Target, resource: str, operation: Operation) -> Iterator[Slot]:
    for key, value in operation.query.items():
        for keys, found in _walk(target, resource, value, (key,)):
            yield Slot("query", keys, *found)
    body = operation.json_ if operation.json_ is not None else operation.form
    for keys, found in _walk(target, resource, body, ()):
        yield Slot("body", keys, *found)


def _walk(
    target: Target, resource: str, value: Any, keys: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], tuple[str, str]]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(target, resource, item, (*keys, str(key)))
    elif isinstance(value, list):
        for item in value:
            yield from _walk(target, resource, item, (*keys, "[]"))
    elif isinstance(value, str):
        match = PLACEHOLDER.fullmatch(value)
        found = _meant(target, resource, match.group(1)) if match else None
        if found:
            many = match is not None and match.group(1).split("|")[0] == "ids"
            yield ((*keys, "[]") if many else keys), found


def _meant(target: Target, resource: str, placeholder: str) -> tuple[str, str] | None:
    """(resource, value) that a placeholder stands for; None for synthetic values."""
    name = re.split(r"[|:]", placeholder)[0]
    if name in {"id", "ids"}:
        return resource, "id"
    head, _, tail = name.partition(".")
    if tail and (head in target.resources or head in {"persona", "tenant"}):
        return head, tail
    return None


# --- what names tell -----------------------------------------------------------------------------


@lru_cache
def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def ends_like_an_id(name: str) -> bool:
    """Whether a name is one like `patient_id` or `patientId`."""
    return _ID_ENDING.search(name) is not None


def called(target: Target, name: str) -> str | None:
    """The resource that a name like `patient_id` or `patients` speaks of."""
    bare = _bare(_ID_ENDING.sub("", name))
    for resource in target.resources:
        one = _bare(resource)
        if bare and bare in {one, one + "s", one + "es", re.sub(r"y$", "ies", one)}:
            return resource
    return None


def _named_path(target: Target, path: str) -> Iterator[Slot]:
    before = ""
    for part in path.split("/"):
        for name in (one[1:-1] for one in _BRACES.findall(part)):
            generic = _bare(name) in {"id", "uuid", "key", "pk"}
            resource = called(target, before if generic else name)
            resource = resource or called(target, before)
            if resource:
                yield Slot("path", (name,), resource, sure=False)
        before = part


def _named(
    target: Target, parameters: Sequence[Mapping[str, Any]], fields: Mapping[str, Any]
) -> Iterator[Slot]:
    for one in parameters:
        name = str(one.get("name", ""))
        resource = called(target, name) if _ID_ENDING.search(name) else None
        if resource and one.get("in") == "query":
            yield Slot("query", (name,), resource, sure=False)
    for name, described in fields.items():
        resource = called(target, name) if _ID_ENDING.search(name) else None
        if resource:
            many = isinstance(described, dict) and described.get("type") == "array"
            yield Slot("body", (name, "[]") if many else (name,), resource, sure=False)


# --- what the document says ----------------------------------------------------------------------


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _body(
    document: Mapping[str, Any],
    described: Mapping[str, Any],
    parameters: Sequence[Mapping[str, Any]],
) -> Any:
    for one in parameters:
        if one.get("in") == "body":
            return one.get("schema")
    content = resolved(document, described.get("requestBody")).get("content")
    media = content if isinstance(content, dict) else {}
    named = sorted(media, key=lambda name: "json" not in str(name))
    return resolved(document, media[named[0]]).get("schema") if named else None


def _media(document: Mapping[str, Any], described: Mapping[str, Any]) -> tuple[str, ...]:
    content = resolved(document, described.get("requestBody")).get("content")
    swagger = described.get("consumes", document.get("consumes"))
    return tuple(content) if isinstance(content, dict) else tuple(map(str, _list(swagger)))


def _fields(document: Mapping[str, Any], schema: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    waiting = [schema]
    for _ in range(20):
        if not waiting:
            break
        one = resolved(document, waiting.pop())
        properties = one.get("properties")
        found |= {
            str(name): resolved(document, item)
            for name, item in (properties if isinstance(properties, dict) else {}).items()
        }
        for key in ("allOf", "anyOf", "oneOf"):
            waiting += _list(one.get(key))
    return found


def _one(document: Mapping[str, Any], schema: Any) -> Mapping[str, Any]:
    """A schema with one type beside null, of several ways to write it the only one; else empty."""
    found = _only_way(document, schema)
    if "type" not in found:
        return found
    said = found["type"]
    kinds = [kind for kind in (said if isinstance(said, list) else [said]) if kind != "null"]
    one = len(kinds) == 1 and isinstance(kinds[0], str)
    return {**found, "type": kinds[0]} if one else {}


def _only_way(document: Mapping[str, Any], schema: Any) -> Mapping[str, Any]:
    outer = resolved(document, schema)
    for key in ("anyOf", "oneOf", "allOf"):
        for part in _list(outer.get(key)):
            inner = resolved(document, part)
            if inner.get("type") not in (None, "null") or "enum" in inner:
                several = sum(
                    resolved(document, one).get("type") != "null" for one in _list(outer.get(key))
                )
                return {**outer, **inner} if several == 1 or key == "allOf" else {}
    return outer


# --- what the policy says ------------------------------------------------------------------------


def granted(target: Target, persona: str, operation: Known) -> bool:
    """Whether the persona is granted one of the operations that this may be."""
    roles = policy.roles_of(target, persona)
    return any(policy.grants(target, roles, *way.about) for way in operation.ways)
