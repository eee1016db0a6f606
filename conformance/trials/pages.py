"""A list, page after page."""

from __future__ import annotations

from typing import Any

from conformance.comparison import parsed
from conformance.extraction import extract, values
from conformance.instances import Payload
from conformance.model import Outcome, Read
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
    paging = operation.next
    extra: dict[str, Any] = {}
    if paging and paging.size:
        extra[paging.size] = rows
    if paging and paging.start is not None and paging.param:
        extra[paging.param] = paging.start
    template = operation.model_copy(update={"query": {**operation.query, **extra}})
    pages: list[Read] = []
    named = tenant if persona == ANONYMOUS else None
    while len(pages) < limit:
        read = world.send(persona, template, payload, purpose, (resource, name), named)
        pages.append(read)
        answer = read.exchange.answer
        if paging is None or read.outcome is not Outcome.ALLOWED or answer is None:
            break
        found = values(operation.items or "$", parsed(answer))
        if paging.link:
            url = extract(paging.link, answer)
            if not url:
                break
            template = operation.model_copy(
                update={"request": f"{operation.method} {url}", "query": {}}
            )
            continue
        assert paging.param
        if paging.cursor:
            following = extract(paging.cursor, answer)
            if following in (None, "", False):
                break
        else:
            if not found:
                break
            following = int(extra[paging.param]) + paging.step
        extra[paging.param] = following
        template = operation.model_copy(update={"query": {**operation.query, **extra}})
    return pages
