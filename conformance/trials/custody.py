"""Trials of how the trail is kept: in its tenant, closed to others, and unchanged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from conformance import policy
from conformance.claims import Trail
from conformance.instances import NotBuilt
from conformance.model import Case, Read, Scenario
from conformance.schema import Request
from conformance.sources.trail import knocking
from conformance.target import ANONYMOUS
from conformance.trail import (
    Bordered,
    Entry,
    Kept,
)
from conformance.trials.doors import knock, opens, stays_shut
from conformance.trials.entries import (
    find,
    fresh_id,
    id_of,
    look,
    pages,
    reader_of,
    recorded_door,
    rendered,
    trail_of,
)
from conformance.world import World


def bordered(world: World, case: Case) -> Bordered:
    """An entry, looked for in its own tenant's trail and in another's."""
    assert case.persona and case.tenant and case.other
    trail = trail_of(world)
    mine = knock(world, case.persona, recorded_door(world, case.persona))
    neighbor = next(iter(knocking(world.target, [case.other])), None)
    if neighbor is None:
        raise NotBuilt(f"nobody in {case.other} leaves entries without a record")
    theirs = knock(world, neighbor, recorded_door(world, neighbor), "control")
    own_reader = reader_of(world, trail.read, case.tenant)
    their_reader = reader_of(world, trail.read, case.other)
    key, their_key = (id_of(trail, one.exchange) for one in (mine, theirs))
    if key is None or their_key is None:
        raise NotBuilt("an answer names no correlation id")
    own, pages_own = find(world, trail.read, own_reader, key, mine.exchange.started)
    control, pages_control = find(
        world, trail.read, their_reader, their_key, theirs.exchange.started
    )
    # By now the own entry has been seen, so there is nothing to wait for.
    since = mine.exchange.started - trail.tolerance
    looked, rows = look(world, trail.read, their_reader, since, correlation=key)
    there = tuple(row for row in rows if row.of("correlation") == (key,))
    return Bordered(
        case,
        trail,
        mine,
        rendered(world, trail.tenant, case.persona),
        own,
        there,
        control,
        (*pages_own, *pages_control, *looked),
    )


def closed(world: World, case: Case) -> Scenario:
    """The trail read by its reader, and then by somebody who may not."""
    assert case.persona
    trail = trail_of(world)
    unattributed = case.variant == "unattributed"
    read = trail.unattributed if unattributed else trail.read
    assert read is not None
    every = policy.tenants(world.target)
    tenant = case.tenant or every[0]
    reader = reader_of(world, read, None if unattributed else tenant)
    somebody = next(iter(knocking(world.target, [tenant])), None)
    if somebody is None:
        raise NotBuilt(f"nobody in {tenant} leaves entries without a record")
    attempt = knock(
        world, ANONYMOUS if unattributed else somebody, recorded_door(world, somebody), "control"
    )
    key = id_of(trail, attempt.exchange)
    if key is None:
        raise NotBuilt("the answer names no correlation id")
    _, looked = find(world, read, reader, key, attempt.exchange.started)
    tried = next(pages(world, read, case.persona, "attempt", correlation=key))
    steps = [
        opens(f"{reader} reads the trail", looked[-1]),
        stays_shut(f"{case.persona} reads the trail", tried, "trail.open", looked[-1]),
    ]
    return Scenario(case, tuple(steps), f"only its readers see it ({reader} was the control)")


def kept(world: World, case: Case) -> Kept:
    """Requests to change, remove and add entries, and the entry before and after."""
    assert case.persona and case.tenant
    trail = trail_of(world)
    somebody = next(iter(knocking(world.target, [case.tenant])), None)
    if somebody is None:
        raise NotBuilt(f"nobody in {case.tenant} leaves entries without a record")
    reader = reader_of(world, trail.read, case.tenant)
    attempt = knock(world, somebody, recorded_door(world, somebody), "control")
    key = id_of(trail, attempt.exchange)
    if key is None:
        raise NotBuilt("the answer names no correlation id")
    started = attempt.exchange.started
    before, looked = find(world, trail.read, reader, key, started)
    invented = "wardproof-invented-" + fresh_id(world)[-12:]
    attacks = tuple(_attacks(world, case, before, invented)) if before else ()
    after, looked_after = find(world, trail.read, reader, key, started)
    rows: list[Entry] = []
    looked_for: list[Read] = []
    if attacks:
        since = started - trail.tolerance
        looked_for, rows = look(world, trail.read, reader, since, correlation=invented)
    added = tuple(row for row in rows if row.of("correlation") == (invented,))
    every = (*looked, *looked_after, *looked_for)
    return Kept(case, trail, every, attacks, before, after, added)


def _attacks(world: World, case: Case, before: tuple[Entry, ...], invented: str) -> Iterator[Read]:
    assert case.persona and case.tenant
    trail = trail_of(world)
    path = trail.read.path.partition("?")[0]
    raw = before[0].raw if isinstance(before[0].raw, dict) else {}
    changed = alterations(trail, raw)
    added = _changed(trail, raw, {"id": invented, "correlation": invented})
    places: list[tuple[str, dict[str, str]]] = [(path, {})]
    if before[0].of("id"):
        places.append((path.rstrip("/") + "/{entry}", {"entry": before[0].of("id")[0]}))
    payload = world.payload(case.persona, "audit", case.tenant, {})
    for where, given in places:
        for method in ("PUT", "PATCH", "POST", "DELETE"):
            if _is_granted(world, case.roles, method, where):
                continue
            bodies: list[Any] = changed
            if method in {"POST", "DELETE"}:
                bodies = [added if method == "POST" else None]
            for body in bodies:
                step = Request.model_validate({"request": f"{method} {where}", "json": body})
                payload = world.payload(case.persona, "audit", case.tenant, {}, **given)
                yield world.send(case.persona, step, payload, "attempt", ("audit", "change"))


def alterations(trail: Trail, raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One place of the row at a time, in the whole row and then alone.

    Together, a value that the target does not take would hide one that it does; whole rows come
    first, because each of them puts the other places back.
    """
    words = [*trail.outcomes.allowed, *trail.outcomes.denied, *trail.outcomes.failed]
    found: dict[str, str] = {}
    for place in ("actor", "outcome", "time", "purpose"):
        member = (getattr(trail.entry, place) or "").removeprefix("$.")
        if member not in raw:
            continue
        present = str(raw[member])
        if place == "outcome":
            found[place] = next((word for word in words if word != present), "wardproof")
        elif place == "time":
            found[place] = re.sub(r"\d{4}", "1999", present, count=1)
        else:
            found[place] = "wardproof"
    whole = [_changed(trail, raw, {place: value}) for place, value in found.items()]
    alone = [
        {(getattr(trail.entry, place) or "").removeprefix("$."): value}
        for place, value in found.items()
    ]
    return whole + alone


def _changed(trail: Trail, raw: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """A row with other values where a place is a plain member of it."""
    found = {**raw}
    for place, value in values.items():
        where = getattr(trail.entry, place) or ""
        if where.removeprefix("$.") in raw:
            found[where.removeprefix("$.")] = value
    # Braces would be taken for placeholders.
    return {
        key: value for key, value in found.items() if not (isinstance(value, str) and "{" in value)
    }


def _is_granted(world: World, roles: tuple[str, ...], method: str, path: str) -> bool:
    """Whether the target file has such an operation, and grants it."""
    return any(
        operation.method == method
        and operation.path.partition("?")[0] == path
        and policy.grants(world.target, roles, resource, name)
        for resource, described in world.target.resources.items()
        for name, operation in described.operations.items()
    )
