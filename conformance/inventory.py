"""The API document against the target file: every operation is classified, none is invented."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from conformance.model import Message, Result, Verdict, decode
from conformance.schema import Request
from conformance.target import ANONYMOUS, Target
from conformance.wire import Wire

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_SHAPE = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True)
class Documented:
    """One operation of the API document."""

    method: str
    path: str

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
    return list(_operations(data, where))


def _operations(data: Any, where: str) -> Iterator[Documented]:
    if not isinstance(data, dict) or not isinstance(data.get("paths"), dict):
        raise NoDocument(f"{where} (system.openapi) has no 'paths': it is no OpenAPI document")
    prefix = _prefix(data)
    for path, item in data["paths"].items():
        if isinstance(item, dict):
            for method in item:
                if method in _METHODS:
                    yield Documented(method.upper(), prefix + str(path))


def _prefix(data: dict[str, Any]) -> str:
    servers = data.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else None
    url = first.get("url", "") if isinstance(first, dict) else ""
    path = re.sub(r"^https?://[^/]+", "", str(url))
    return str(data.get("basePath", path)).rstrip("/") if "{" not in path else ""


def _shapes(target: Target, request: Request) -> set[str]:
    """Every way in which the API document may write the request's path."""
    base = urlsplit(target.system.base_url.replace("{port}", "1")).path.rstrip("/")
    prefixes = {"", base, target.tenancy.path or "", base + (target.tenancy.path or "")}
    return {f"{request.method} {_shape(prefix + request.path)}" for prefix in prefixes}


def _preparations(target: Target) -> Iterator[Request]:
    """Requests of the target file that are no operations: relations, removals and logins."""
    for described in target.resources.values():
        for way in (described.relations.own, described.relations.assigned):
            ways = [way, *(way.roles or {}).values()] if way else []
            yield from (one.step for one in ways if one.step)
        if described.remove:
            yield described.remove
    for login in target.login.values():
        for step in (*login.before, *login.then, login.me, login.refresh, login.step()):
            if step is not None:
                yield step
        if login.oauth2:
            yield Request(request=f"POST {login.oauth2.token}")


def compare(target: Target, documented: list[Documented]) -> list[Verdict]:
    """A failure for each unclassified or undocumented operation; a pass if there is none."""
    operations = {
        f"{resource}.{name}": _shapes(target, operation)
        for resource, described in target.resources.items()
        for name, operation in described.operations.items()
    }
    known = {shape for shapes in operations.values() for shape in shapes}
    known |= {shape for one in _preparations(target) for shape in _shapes(target, one)}
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
        if one.shape not in known and not _excluded(target, one)
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


def _excluded(target: Target, one: Documented) -> bool:
    text = f"{one.method} {one.path}"
    return any(
        fnmatch.fnmatchcase(text, exclusion.operation)
        or _shape(exclusion.operation) == _shape(text)
        for exclusion in target.exclusions
    )
