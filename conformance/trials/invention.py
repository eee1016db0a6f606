"""Trials of what a caller says of itself: headers, and correlation ids of its own making."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance import policy
from conformance.doors import doors
from conformance.instances import NotBuilt
from conformance.model import Case
from conformance.sources.trail import recorded
from conformance.trail import (
    Reused,
    Told,
    instant,
)
from conformance.trials.entries import (
    distinct,
    find,
    fresh_id,
    id_of,
    knock_with,
    look,
    place_of,
    reader_of,
    recorded_door,
    rendered,
    told_of,
    trail_of,
)
from conformance.world import World

_ADDRESS = "203.0.113.77"  # TEST-NET-3 (RFC 5737)
_DATE = "Tue, 01 Jan 2002 00:00:00 GMT"
_USER_HEADERS = (
    "X-User",
    "X-User-Id",
    "X-Username",
    "X-Remote-User",
    "Remote-User",
    "X-Forwarded-User",
    "X-Actor",
    "X-Actor-Id",
    "X-On-Behalf-Of",
    "X-Impersonate-User",
    "From",
)
_ADDRESS_HEADERS = {
    "X-Forwarded-For": _ADDRESS,
    "Forwarded": f"for={_ADDRESS}",
    "X-Real-IP": _ADDRESS,
    "X-Client-IP": _ADDRESS,
    "X-Cluster-Client-IP": _ADDRESS,
    "True-Client-IP": _ADDRESS,
    "X-Originating-IP": _ADDRESS,
}
_DATE_HEADERS = {
    "Date": _DATE,
    "X-Date": "2002-01-01T00:00:00Z",
    "X-Timestamp": "2002-01-01T00:00:00Z",
    "X-Request-Start": "1009843200",
}


def forged(world: World, case: Case) -> list[Told]:
    """An allowed attempt with headers by which the caller says who, whence, when or which it is."""
    assert case.persona and case.variant
    trail = trail_of(world)
    door = recorded_door(world, case.persona)
    other = _somebody_else(world, case.persona)
    name = rendered(world, trail.actor, other)
    taken = _taken_headers(world, case.persona)
    told = []
    for headers, lies in _forgeries(world, case.variant, name):
        sent = {key: value for key, value in headers.items() if key.lower() not in taken}
        read = knock_with(world, case.persona, door, sent)
        found = told_of(world, case, read, forged=lies)
        if not found.entries and case.variant.startswith("id-"):
            found = _by_actor_and_time(world, found)
        told.append(found)
    return told


def _forgeries(
    world: World, variant: str, name: str
) -> Iterator[tuple[dict[str, str], tuple[str, ...]]]:
    """Headers to send, and what of them must not be believed."""
    header = trail_of(world).header or ""
    if variant == "user-headers":
        yield dict.fromkeys(_USER_HEADERS, name), (name,)
    elif variant == "address-headers":
        yield dict(_ADDRESS_HEADERS), (_ADDRESS,)
    elif variant == "date-headers":
        yield dict(_DATE_HEADERS), ("2002-01-01", _DATE)
    elif variant == "id-with-line-breaks":
        yield {header: f"{fresh_id(world)}%0d%0aactor:%20{name}"}, (name,)
        yield {header: f"{fresh_id(world)}\\r\\nactor: {name}"}, (name,)
    elif variant == "id-with-separators":
        yield {header: f'{fresh_id(world)}|{name};a=b,"c"\t{name}'}, (name,)
    elif variant == "id-with-direction-marks":
        yield {header: f"{fresh_id(world)}\u202e{name[::-1]}\u2066"}, (name,)
    elif variant == "id-over-long":
        yield {header: fresh_id(world) + "a" * 4000}, ("a" * 4000,)


def _somebody_else(world: World, persona: str) -> str:
    """Another account of the tenant that has a door too."""
    target = world.target
    tenant = policy.tenant_of(target, persona)
    for other in target.personas:
        if other != persona and policy.tenant_of(target, other) == tenant:
            roles = policy.roles_of(target, other)
            if any(recorded(target, one.resource, one.operation) for one in doors(target, roles)):
                return other
    raise NotBuilt(f"there is nobody else in {tenant} whose attempts are on record")


def _taken_headers(world: World, persona: str) -> set[str]:
    """Headers by which the target knows its callers; they are no forgery."""
    target = world.target
    own = (
        *world.sessions[persona].shown().headers,
        *target.tenancy.header,
        *target.system.headers,
    )
    return {name.lower() for name in own}


def _by_actor_and_time(world: World, told: Told) -> Told:
    """Entries of the actor while the attempt went on, where the id that it sent was not kept.

    Those of other attempts of the run are known by their ids.
    """
    exchange, trail = told.attempt.exchange, told.trail
    assert world.wire.journal is not None
    others = world.wire.journal.keys() - {told.correlation}
    tenant = policy.tenant_of(world.target, exchange.persona)
    where, reader = place_of(world, exchange.persona, tenant)
    looked, rows = look(world, where, reader, exchange.started - trail.tolerance)
    until = exchange.started + exchange.seconds + trail.tolerance
    found = [
        row
        for row in rows
        if row.of("actor") == (told.actor,)
        and not set(row.of("correlation")) & others
        and row.of("time")
        and isinstance(moment := instant(row.of("time")[0]), float)
        and exchange.started - trail.tolerance <= moment <= until
    ]
    return replace(told, entries=distinct(found), reads=tuple(looked), exactly=False)


def reused(world: World, case: Case) -> Reused:
    """A correlation id that somebody has sent before, sent again by the case's persona."""
    assert case.persona and case.tenant
    trail = trail_of(world)
    assert trail.header is not None
    first = case.persona
    if case.variant == "id-of-somebody-else":
        first = _somebody_else(world, case.persona)
    assert world.wire.journal is not None
    headers = {trail.header: world.wire.journal.new_id()}
    reader = reader_of(world, trail.read, case.tenant)
    one = knock_with(world, first, recorded_door(world, first), headers)
    sent = id_of(trail, one.exchange) or headers[trail.header]
    before, looked = find(world, trail.read, reader, sent, one.exchange.started)
    two = knock_with(world, case.persona, recorded_door(world, case.persona), headers)
    if (id_of(trail, two.exchange) or sent) != sent:
        # Given another id, the second attempt cannot touch the first one's entry by it.
        again = id_of(trail, two.exchange) or ""
        more, more_looked = find(world, trail.read, reader, again, two.exchange.started)
        after, looked_after = find(world, trail.read, reader, sent, one.exchange.started)
        after, looked_after = (*after, *more), (*looked_after, *more_looked)
    else:
        after, looked_after = find(world, trail.read, reader, sent, one.exchange.started)
    return Reused(
        case,
        trail,
        (one, two),
        (rendered(world, trail.actor, first), rendered(world, trail.actor, case.persona)),
        (*looked, *looked_after),
        before,
        after,
    )
