"""The API document against the target file: every operation is classified, none is invented."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from conformance.model import Message, Result, Verdict, decode
from conformance.schema import Request
from conformance.target import ANONYMOUS, Target
from conformance.wire import Wire

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_SHAPE = re.compile(r"\{[^}]*\}")
_DEPTH = 6


@dataclass(frozen=True)
class Property:
    """A property of a body as the API document describes it."""

    name: str
    type: str | None = None
    format: str | None = None
    values: tuple[Any, ...] = ()
    read_only: bool = False
    shortest: int = 0
    longest: int | None = None
    pattern: str | None = None


@dataclass(frozen=True)
class Documented:
    """One operation of the API document, with the properties that it takes and answers.

    `takes` are those at the top of the request's body, `answers` also those of rows and of what
    an answer wraps; `takes_anything` is a body of which the document names no property.
    """

    method: str
    path: str
    takes: tuple[Property, ...] = ()
    answers: tuple[Property, ...] = ()
    takes_anything: bool = False

    @property
    def shape(self) -> str:
        """Method and path with every parameter as {}, for comparison."""
        return f"{self.method} {_shape(self.path)}"


class NoDocument(Exception):
    """The API document cannot be read; the message says where and why."""


def _shape(path: str) -> str:
    return _SHAPE.sub("{}", path.split("?", 1)[0]).rstrip("/") or "/"


def read(target: Target, wire: Wire, folder: Path) -> list[Documented]:
    """The operations of the target's OpenAPI document. Raises NoDocument."""
    return list(_operations(*source(target, wire, folder)))


def source(target: Target, wire: Wire, folder: Path) -> tuple[Any, str]:
    """The target's OpenAPI document as it was read, and where. Raises NoDocument."""
    where = target.system.openapi or ""
    file = folder / where
    if not where.startswith(("http://", "https://", "/")) and file.exists():
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise NoDocument(f"{file} (system.openapi) cannot be read: {error}") from None
    else:
        try:
            message = Message("GET", wire.url(where), (("Accept", "*/*"),), b"")
        except ValueError as error:
            raise NoDocument(f"{where} (system.openapi): {error}") from None
        answer = wire.send(message, ANONYMOUS, "document").answer
        if answer is None or answer.status != 200:
            status = answer.status if answer else "no answer"
            raise NoDocument(f"{where} (system.openapi) answered {status}")
        text = decode(answer.body)
    try:
        data = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise NoDocument(f"{where} (system.openapi) is neither JSON nor YAML: {error}") from None
    return data, where


def _operations(data: Any, where: str) -> Iterator[Documented]:
    if not isinstance(data, dict) or not isinstance(data.get("paths"), dict):
        raise NoDocument(f"{where} (system.openapi) has no 'paths': it is no OpenAPI document")
    prefix = prefix_of(data)
    for path, item in data["paths"].items():
        if isinstance(item, dict):
            for method, described in item.items():
                if method in METHODS:
                    body = _taken(data, described)
                    takes = tuple(_properties(data, body, 1))
                    yield Documented(
                        method.upper(),
                        prefix + str(path),
                        takes,
                        tuple(_properties(data, _answered(data, described), 3)),
                        takes_anything=body is not None and not takes,
                    )


def resolved(data: Any, value: Any) -> dict[str, Any]:
    """What a reference inside the document stands for; empty where there is nothing."""
    for _ in range(_DEPTH):
        reference = value.get("$ref") if isinstance(value, dict) else None
        if not isinstance(reference, str):
            break
        value = data
        for part in reference.removeprefix("#/").split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _schema(data: Any, described: dict[str, Any]) -> Any:
    """The schema of the first body that is JSON (OpenAPI 3 `content`, Swagger 2 `schema`)."""
    content = described.get("content")
    media = content if isinstance(content, dict) else {}
    named = sorted(media, key=lambda name: "json" not in str(name))
    return resolved(data, media[named[0]]).get("schema") if named else described.get("schema")


def _taken(data: Any, operation: Any) -> Any:
    operation = operation if isinstance(operation, dict) else {}
    parameters = operation.get("parameters")
    for one in parameters if isinstance(parameters, list) else []:
        if resolved(data, one).get("in") == "body":
            return resolved(data, one).get("schema")
    return _schema(data, resolved(data, operation.get("requestBody")))


def _answered(data: Any, operation: Any) -> Any:
    responses = operation.get("responses") if isinstance(operation, dict) else None
    found = responses if isinstance(responses, dict) else {}
    good = sorted(str(status) for status in found if str(status).startswith("2"))
    by_text = {str(status): one for status, one in found.items()}
    return _schema(data, resolved(data, by_text[good[0]])) if good else None


def _properties(data: Any, schema: Any, depth: int) -> Iterator[Property]:
    """The properties of a schema, `depth` levels of objects and rows deep."""
    found: dict[str, Property] = {}
    waiting = [(schema, depth, _DEPTH)]
    while waiting:
        one, left, more = waiting.pop(0)
        shape = resolved(data, one)
        if not more:
            continue
        for key in ("allOf", "anyOf", "oneOf"):
            parts = shape.get(key)
            waiting += [(part, left, more - 1) for part in parts or () if isinstance(parts, list)]
        if "items" in shape:
            waiting.append((shape["items"], left, more - 1))
        properties = shape.get("properties")
        for name, described in (properties if isinstance(properties, dict) else {}).items():
            found.setdefault(str(name), _property(data, str(name), described))
            if left > 1:
                waiting.append((described, left - 1, more - 1))
    yield from found.values()


def _property(data: Any, name: str, described: Any) -> Property:
    """One property; of several ways to write it the first that says a type."""
    outer = resolved(data, described)
    ways = [outer]
    for key in ("allOf", "anyOf", "oneOf"):
        parts = outer.get(key)
        ways += [resolved(data, part) for part in parts or () if isinstance(parts, list)]
    typed = next((way for way in ways if way.get("type") not in (None, "null")), outer)
    values = typed.get("enum")
    kind = typed.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), None)
    return Property(
        name,
        str(kind) if kind else None,
        str(typed["format"]) if "format" in typed else None,
        tuple(values) if isinstance(values, list) else (),
        outer.get("readOnly") is True,
        _whole(typed.get("minLength")) or 0,
        _whole(typed.get("maxLength")),
        str(typed["pattern"]) if "pattern" in typed else None,
    )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def prefix_of(data: dict[str, Any]) -> str:
    """The path below which the document's paths lie, as it says itself."""
    servers = data.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else None
    url = first.get("url", "") if isinstance(first, dict) else ""
    path = re.sub(r"^https?://[^/]+", "", str(url))
    return str(data.get("basePath", path)).rstrip("/") if "{" not in path else ""


def shapes_of(target: Target, request: Request) -> set[str]:
    """Every way in which the API document may write the request's path."""
    base = urlsplit(target.system.base_url.replace("{port}", "1")).path.rstrip("/")
    tenancy = (target.tenancy.path or "") if request.tenancy else ""
    prefixes = {"", base, tenancy, base + tenancy}
    return {f"{request.method} {_shape(prefix + request.path)}" for prefix in prefixes}


def described(
    target: Target, documented: Iterable[Documented], request: Request
) -> Documented | None:
    """What the API document says of a request of the target file, None if nothing."""
    ways = shapes_of(target, request)
    return next((one for one in documented if one.shape in ways), None)


def _preparations(target: Target) -> Iterator[Request]:
    """Requests of the target file that are no operations: relations, removals and logins."""
    for described in target.resources.values():
        for way in (described.relations.own, described.relations.assigned):
            ways = [way, *(way.roles or {}).values()] if way else []
            for one in ways:
                if one.step:
                    yield one.step
                    if one.step.ends:
                        yield one.step.ends
        if described.remove:
            yield described.remove
    for login in target.login.values():
        steps = (login.me, login.refresh, login.logout, login.keys, login.step())
        for step in (*login.before, *login.then, *steps):
            if step is not None:
                yield step
        if login.oauth2:
            yield Request(request=f"POST {login.oauth2.token}")
    accounts = target.accounts
    claimed: list[Request | None] = [
        accounts.create,
        accounts.change_roles,
        accounts.disable,
        accounts.enable,
        accounts.change_password,
        accounts.reset_password,
        accounts.sign_up,
    ]
    for channel in target.channels.values():
        claimed += [*channel.make, channel.use]
    if target.break_glass is not None:
        glass = target.break_glass
        claimed += [glass.open, glass.end, glass.review]
    if target.audit is not None:
        claimed += [target.audit.read, target.audit.unattributed]
    yield from (step for step in claimed if step is not None)


def known(target: Target, documented: Iterable[Documented]) -> frozenset[str]:
    """Every shape (`GET /patients/{}`) that the target file or the API document names."""
    operations = [one for each in target.resources.values() for one in each.operations.values()]
    requests = [*operations, *_preparations(target)]
    named = {shape for one in requests for shape in shapes_of(target, one)}
    return frozenset(named | {one.shape for one in documented})


def compare(target: Target, documented: list[Documented]) -> list[Verdict]:
    """A failure for each unclassified or undocumented operation; a pass if there is none."""
    operations = {
        f"{resource}.{name}": shapes_of(target, operation)
        for resource, described in target.resources.items()
        for name, operation in described.operations.items()
    }
    named = known(target, ())
    shapes = {one.shape for one in documented}
    verdicts = [
        Verdict(
            Result.FAIL,
            "unclassified",
            f"{one.method} {one.path} is in the API document, but neither a grant nor an "
            "exclusion names it",
            "inventory.unclassified",
        )
        for one in documented
        if one.shape not in named and not excluded(target, f"{one.method} {one.path}")
    ]
    verdicts += [
        Verdict(
            Result.FAIL,
            "undocumented",
            f"{where} ({min(ways)}) is not in the API document",
            "inventory.undocumented",
        )
        for where, ways in operations.items()
        if not ways & shapes and not any(_is_link(way) for way in ways)
    ]
    if not verdicts:
        reason = f"all {len(documented)} operations of the API document are classified"
        verdicts.append(Verdict(Result.PASS, "conform-allow", reason))
    return verdicts


def _is_link(shape: str) -> bool:
    """A link that the target hands out ({download_url}) has no path to look for."""
    return bool(re.fullmatch(r"[A-Z]+ /?\{\}", shape))


def excluded(target: Target, text: str) -> bool:
    """Whether the target file leaves `METHOD /path` out on purpose."""
    return any(
        fnmatch.fnmatchcase(text, exclusion.operation)
        or _shape(exclusion.operation) == _shape(text)
        for exclusion in target.exclusions
    )
