"""One step of a workflow made into a request: placeholders filled, credentials added."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from conformance.canary import Planted
from conformance.synthesis import Synthesis
from conformance.template import Lookup, pairs, render, render_path
from conformance.workload.plan import Actor, Plan, Step


@dataclass(frozen=True)
class Filled:
    """A request ready to be sent: path with query, headers, body, and the markers it carries."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    carried: tuple[str, ...]


def filled(
    plan: Plan, actor: Actor, step: Step, values: Mapping[str, Any], synthesis: Synthesis
) -> Filled:
    """The step's request as `actor` sends it. Raises Unfilled when a placeholder has no value.

    `values` are those of the scene and what earlier steps took, by placeholder.
    """
    carried: list[str] = []
    lookup = _lookup(actor, step, values, synthesis, carried.append)
    path = render_path(step.path, lookup)
    query, naming = dict(step.query), dict[str, str]()
    if step.tenancy:
        if path.startswith("/"):
            path = actor.path.rstrip("/") + path
        query |= actor.query
        naming |= actor.naming
    if query:
        sent = list(pairs(render(query, lookup)))
        path += (("&" if "?" in path else "?") + urlencode(sent)) if sent else ""
    headers = {"Accept": "*/*", **plan.headers, **naming, **actor.headers}
    if actor.cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in actor.cookies.items())
    body, kind = _body(step, lookup)
    if kind is not None:
        headers["Content-Type"] = kind
    for name, text in step.headers.items():
        headers[name] = str(render(text, lookup))
    # What is compressed could not be searched for markers as it comes.
    headers.setdefault("Accept-Encoding", "identity")
    return Filled(step.method, path, headers, body, tuple(carried))


def named(step: Step, values: Mapping[str, Any], name: str) -> Any:
    """What the placeholder `name` of a step means among `values`. Raises KeyError."""
    head, dot, tail = name.partition(".")
    resource = step.about[0]
    if name == "id":
        own = f"{step.on.get(resource, resource)}.id"
        return values[own] if own in values else values["id"]
    return values[f"{step.on.get(head, head)}.{tail}" if dot else name]


def _lookup(
    actor: Actor,
    step: Step,
    values: Mapping[str, Any],
    synthesis: Synthesis,
    carry: Callable[[str], None],
) -> Lookup:
    def lookup(name: str, argument: str | None, of: str) -> Any:
        try:
            return named(step, values, name)
        except KeyError:
            place = Planted(actor.tenant, step.about[0], of, None)
            value, marker = synthesis.value(name, argument, place)
            if marker:
                carry(marker)
            return value

    return lookup


def _body(step: Step, lookup: Lookup) -> tuple[bytes, str | None]:
    if step.json is not None:
        text = json.dumps(render(step.json, lookup), ensure_ascii=False)
        return text.encode(errors="surrogatepass"), step.content_type or "application/json"
    if step.form is not None:
        sent = urlencode(list(pairs(render(dict(step.form), lookup))))
        return sent.encode(), step.content_type or "application/x-www-form-urlencoded"
    if step.body is not None:
        return str(render(step.body, lookup)).encode(), step.content_type or "text/plain"
    return b"", None
