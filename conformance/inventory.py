"""The API document against the target file: every operation is classified, none is invented."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from conformance.model import Message, Result, Verdict, decode
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
        text = file.read_text(encoding="utf-8")
    else:
        message = Message("GET", wire.url(where), (("Accept", "*/*"),), b"")
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
    url = servers[0].get("url", "") if isinstance(servers, list) and servers else ""
    path = re.sub(r"^https?://[^/]+", "", str(url))
    return str(data.get("basePath", path)).rstrip("/") if "{" not in path else ""


def _described(target: Target) -> dict[str, str]:
    """The shapes of the target file's operations and logins, with where they stand."""
    found: dict[str, str] = {}
    prefix = target.tenancy.path or ""
    for resource, described in target.resources.items():
        for name, operation in described.operations.items():
            shape = f"{operation.method} {_shape(operation.path)}"
            found.setdefault(shape, f"{resource}.{name}")
            if prefix:
                found.setdefault(
                    f"{operation.method} {_shape(prefix + operation.path)}", f"{resource}.{name}"
                )
        ways = (described.relations.own, described.relations.assigned)
        steps = [way.step for way in ways if way and way.step]
        for way in ways:
            steps += [one.step for one in (way.roles or {}).values() if one.step] if way else []
        for step in (*steps, *([described.remove] if described.remove else ())):
            found.setdefault(f"{step.method} {_shape(step.path)}", "")
    for login in target.login.values():
        steps_in = [*login.before, *login.then, login.me, login.refresh, login.step()]
        for one in steps_in:
            if one is not None:
                found.setdefault(f"{one.method} {_shape(one.path)}", "")
        if login.oauth2:
            found.setdefault(f"POST {_shape(login.oauth2.token)}", "")
    return found


def compare(target: Target, documented: list[Documented]) -> list[Verdict]:
    """A failure for each unclassified or undocumented operation; a pass if there is none."""
    described = _described(target)
    shapes = {one.shape for one in documented}
    verdicts = []
    for one in documented:
        if one.shape in described or _excluded(target, one):
            continue
        verdicts.append(
            Verdict(
                Result.FAIL,
                "unclassified",
                f"{one.method} {one.path} is in the API document, but neither a grant nor an "
                "exclusion names it",
                "inventory.unclassified",
            )
        )
    for shape, where in described.items():
        if where and shape not in shapes and not _documents_all(shape, shapes):
            verdicts.append(
                Verdict(
                    Result.FAIL,
                    "undocumented",
                    f"{where} ({shape}) is not in the API document",
                    "inventory.undocumented",
                )
            )
    if not verdicts:
        reason = f"all {len(documented)} operations of the API document are classified"
        verdicts.append(Verdict(Result.PASS, "conform-allow", reason))
    return verdicts


def _documents_all(shape: str, shapes: set[str]) -> bool:
    """A link that the target hands out ({download_url}) has no path to look for."""
    return bool(re.fullmatch(r"[A-Z]+ (\{\}|/\{\})", shape)) or shape in shapes


def _excluded(target: Target, one: Documented) -> bool:
    text = f"{one.method} {one.path}"
    return any(
        fnmatch.fnmatchcase(text, exclusion.operation)
        or _shape(exclusion.operation) == _shape(text)
        for exclusion in target.exclusions
    )
