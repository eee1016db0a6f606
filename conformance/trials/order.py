"""A list that promises an order, walked after rows were added to it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from typing import Any

from conformance.comparison import parsed
from conformance.extraction import values
from conformance.instances import Instance, NotBuilt, Payload
from conformance.model import Case, Relation
from conformance.oracles.order import Ordered, Walk
from conformance.sorting import Sorting, misplaced, row_of, tell
from conformance.trials.pages import PAGE_LIMIT, walk
from conformance.trials.series import listed
from conformance.world import World

_ROWS = 5
_SMALL, _SMALL_PAGES = 2, 10
"""Rows on a small page, and how many of those are read: what goes wrong between two pages."""

_TICK = 1.1
"""Seconds after which a clock that counts seconds has gone on."""


def walked(world: World, case: Case) -> Ordered:
    """The list on large pages, and its beginning on small ones where a size can be asked for."""
    assert case.persona and case.resource and case.operation and case.tenant
    operation = world.target.operation(case.resource, case.operation)
    sorting = operation.sorted
    assert sorting is not None
    mine = listed(world, case, fresh=True)
    if mine is None:
        raise NotBuilt(f"nothing says how rows come into the list of {case.resource}")
    lineage = dict(mine.lineage())
    for name in world.target.needs(case.resource, operation):
        if name not in lineage:
            lineage[name] = world.obtain(name, case.tenant, {})
    payload = world.payload(case.persona, case.resource, case.tenant, lineage)
    known = frozenset(_walk(world, case, sorting, payload).ids) - {str(mine.id)}
    added = _added(world, case, mine, sorting)
    for _ in islice(added, _ROWS - 1):
        pass
    first = _walk(world, case, sorting, payload)
    rows = [row for row, one in zip(first.rows, first.ids, strict=True) if one not in known]
    if not tell(sorting.by, rows):
        time.sleep(_TICK)
        next(added)
        first = _walk(world, case, sorting, payload)
    ways = [_once_more(world, case, sorting, payload, first, {})]
    if operation.next is not None and operation.next.size:
        small = {"rows": _SMALL, "limit": _SMALL_PAGES}
        begun = _walk(world, case, sorting, payload, **small)
        ways.append(_once_more(world, case, sorting, payload, begun, small))
    return Ordered(case, tuple(sorting.by), tuple(ways), known)


def _added(world: World, case: Case, mine: Instance, sorting: Sorting) -> Iterator[Instance]:
    """Further rows of the same list, each made when it is asked for, in turns as declared."""
    assert case.resource and case.operation and case.tenant and case.persona
    operation = world.target.operation(case.resource, case.operation)
    about = world.target.object_of(case.resource, case.operation)
    within = mine.lineage()[about] if about else None
    need: dict[str, Relation] = {}
    for relation in sorted(world.relations(case.persona, mine)):
        need.setdefault(case.persona, relation)
    fields: list[Mapping[str, Any]] = [*sorting.made_with, {}]
    for given in cycle(fields):
        yield world.obtain(
            case.resource,
            case.tenant,
            need,
            fresh=True,
            state=operation.after,
            within=within,
            given=given,
        )


def _once_more(
    world: World,
    case: Case,
    sorting: Sorting,
    payload: Payload,
    seen: Walk,
    small: Mapping[str, int],
) -> tuple[Walk, ...]:
    if misplaced(sorting.by, seen.rows) is None:
        return (seen,)
    return seen, _walk(world, case, sorting, payload, **small)


def _walk(
    world: World,
    case: Case,
    sorting: Sorting,
    payload: Payload,
    *,
    rows: int = 100,
    limit: int = PAGE_LIMIT,
) -> Walk:
    assert case.persona and case.resource and case.operation
    operation = world.target.operation(case.resource, case.operation)
    about = (case.persona, case.resource, case.operation)
    pages = walk(world, *about, payload, "attempt", rows=rows, limit=limit)
    seen = [
        (next(map(str, values(operation.item_id or "$.id", row)), ""), row, number)
        for number, page in enumerate(pages)
        if page.exchange.answer is not None
        for row in values(operation.items or "$", parsed(page.exchange.answer))
    ]
    return Walk(
        tuple(pages),
        tuple(one for one, _row, _number in seen),
        tuple(row_of(sorting.by, row) for _one, row, _number in seen),
        tuple(number for _one, _row, number in seen),
    )
