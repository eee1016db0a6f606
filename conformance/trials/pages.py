"""A list, page after page."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from conformance.comparison import parsed
from conformance.extraction import extract, values
from conformance.instances import Payload
from conformance.model import Outcome, Read
from conformance.schema import Paging, Request
from conformance.target import ANONYMOUS
from conformance.world import World

PAGE_LIMIT = 40
_LARGE_PAGE = 100


def walk(
    world: World,
    persona: str,
    resource: str,
    name: str,
    payload: Payload,
    purpose: str,
    tenant: str | None = None,
    *,
    rows: int = _LARGE_PAGE,
    limit: int = PAGE_LIMIT,
) -> list[Read]:
    """A list, page after page, up to `limit`; of `rows` rows where a size can be asked for."""
    operation = world.target.operation(resource, name)
    found = follow(
        world,
        persona,
        (resource, name),
        operation,
        operation.next,
        operation.items or "$",
        payload,
        purpose,
        tenant if persona == ANONYMOUS else None,
        rows=rows,
    )
    return list(islice(found, limit))


def follow(
    world: World,
    persona: str,
    about: tuple[str, str],
    template: Request,
    paging: Paging | None,
    items: str,
    payload: Payload,
    purpose: str,
    tenant: str | None = None,
    *,
    rows: int = _LARGE_PAGE,
) -> Iterator[Read]:
    """Page after page of what `template` lists, as long as there is a next one."""
    first = template
    extra: dict[str, Any] = {}
    counts_rows = paging is not None and paging.step > 1
    step = paging.step if paging else 1
    if paging and paging.size:
        asked = min(rows, paging.most or rows)
        if counts_rows:
            asked = step = min(asked, step)
        extra[paging.size] = asked
    if paging and paging.start is not None and paging.param:
        extra[paging.param] = paging.start
    template = first.model_copy(update={"query": {**first.query, **extra}})
    while True:
        read = world.send(persona, template, payload, purpose, about, tenant)
        yield read
        answer = read.exchange.answer
        if paging is None or read.outcome is not Outcome.ALLOWED or answer is None:
            return
        found = values(items, parsed(answer))
        if paging.link:
            url = extract(paging.link, answer)
            if not url:
                return
            template = first.model_copy(update={"request": f"{first.method} {url}", "query": {}})
            continue
        assert paging.param
        if paging.cursor:
            following = extract(paging.cursor, answer)
            if following in (None, "", False):
                return
        else:
            if not found:
                return
            # Some targets put more rows on a page than they were asked for.
            passed = max(step, len(found)) if counts_rows else step
            following = int(extra[paging.param]) + passed
        extra[paging.param] = following
        template = first.model_copy(update={"query": {**first.query, **extra}})
