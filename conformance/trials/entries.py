"""Reading the audit trail, and what is to be expected of the entry of an attempt."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from conformance import policy
from conformance.claims import Trail, TrailRead
from conformance.comparison import leaves, parsed
from conformance.doors import Door, doors
from conformance.extraction import extract
from conformance.instances import Instance, NotBuilt, Unclaimed
from conformance.model import Answer, Case, Exchange, Read, decode
from conformance.schema import Request, placeholders_in
from conformance.sources.trail import may_read, operation_of, passwords, recorded
from conformance.target import ANONYMOUS, Target
from conformance.template import Unfilled, render
from conformance.trail import (
    Entry,
    Told,
    entries,
    instant,
)
from conformance.trials.pages import follow
from conformance.visibility import TELLING
from conformance.world import World

PAGES_FOR_ONE = 20
_POLL = 0.1


def trail_of(world: World) -> Trail:
    assert world.target.audit is not None
    return world.target.audit


# --- reading ---------------------------------------------------------------------------------


def reader_of(world: World, read: TrailRead, tenant: str | None) -> str:
    """Who reads a trail: somebody of the tenant if there is one. Raises NotBuilt."""
    target = world.target
    fitting = [
        one
        for one in target.personas
        if may_read(target, read, one, policy.roles_of(target, one))
        and (not read.as_ or {one, *policy.roles_of(target, one)} & set(read.as_))
    ]
    own = [one for one in fitting if policy.tenant_of(target, one) == tenant]
    if own:
        return own[0]
    if tenant is None and fitting:
        return fitting[0]
    raise NotBuilt(f"nobody in {tenant} may read the audit trail (audit.read.as)")


def pages(
    world: World, read: TrailRead, reader: str, purpose: str = "trail", **given: Any
) -> Iterator[Read]:
    """The trail, page after page, as far as `given` (correlation, since) narrows it down."""
    lacking = {"correlation", "since"} - set(given)
    query = {key: one for key, one in read.query.items() if not placeholders_in(one) & lacking}
    template = read.model_copy(update={"query": query})
    if lacking & Request.model_validate({"request": read.request, "json": read.json_}).placeholders:
        raise Unclaimed(
            "not claimed: the trail can only be asked for one attempt at a time; to claim more, "
            "name {correlation} in a query parameter, which may be left out"
        )
    tenant = policy.tenant_of(world.target, reader) or policy.sole_tenant(world.target)
    payload = world.payload(reader, "audit", tenant, {}, **given)
    about = operation_of(world.target, read) or ("audit", "read")
    return follow(world, reader, about, template, read.next, read.items, payload, purpose)


def find(
    world: World, read: TrailRead, reader: str, correlation: str, started: float
) -> tuple[tuple[Entry, ...], tuple[Read, ...]]:
    """The entries of one attempt, and the pages that were looked through for them.

    Waits for an entry as long as the target file says that it may take (audit.delay).
    """
    trail = trail_of(world)
    deadline = time.monotonic() + trail.delay
    since = started - trail.tolerance
    while True:
        looked, found = look(world, read, reader, since, correlation=correlation)
        found = [one for one in found if one.of("correlation") == (correlation,)]
        if found or time.monotonic() >= deadline:
            return distinct(found), tuple(looked)
        time.sleep(min(_POLL, max(0.0, deadline - time.monotonic())))


def look(
    world: World,
    read: TrailRead,
    reader: str,
    since: float,
    limit: int = PAGES_FOR_ONE,
    **given: Any,
) -> tuple[list[Read], list[Entry]]:
    """Pages and their rows, until a page is all older than `since` (UTC seconds).

    Where the trail can be asked for one attempt the time is left out: it may be what is untrue.
    """
    trail = trail_of(world)
    one = "correlation" in given and "correlation" in read.placeholders
    narrowed = given if one else {**given, "since": moment_of(since)}
    looked: list[Read] = []
    found: list[Entry] = []
    for page in islice(pages(world, read, reader, **narrowed), limit):
        looked.append(page)
        rows = entries(trail, read, page.exchange.answer) if page.exchange.answer else []
        found += rows
        if rows and not one and all(_older(row, since) for row in rows):
            break
    return looked, found


def moment_of(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _older(entry: Entry, since: float) -> bool:
    moment = instant(entry.of("time")[0]) if entry.of("time") else None
    return isinstance(moment, float) and moment < since - 1


def distinct(found: Iterable[Entry]) -> tuple[Entry, ...]:
    """Rows that turned up on two pages because others were added in between count once."""
    seen: dict[str, Entry] = {}
    bare: list[Entry] = []
    for entry in found:
        if entry.of("id"):
            seen.setdefault(entry.identity, entry)
        else:
            bare.append(entry)
    return (*seen.values(), *bare)


def id_of(trail: Trail, exchange: Exchange) -> str | None:
    """The correlation id of an exchange: the one answered, else the one sent."""
    if trail.answered is not None and exchange.answer is not None:
        told = extract(trail.answered, exchange.answer)
        if told is not None:
            return str(told)
    if trail.header is None:
        return None
    wanted = trail.header.lower()
    sent = (value for name, value in exchange.request.headers if name.lower() == wanted)
    return next(sent, None)


def place_of(world: World, persona: str, tenant: str | None) -> tuple[TrailRead, str]:
    """Where the entries of a persona's attempts are found, and by whom."""
    trail = trail_of(world)
    if persona == ANONYMOUS and trail.unattributed is not None:
        return trail.unattributed, reader_of(world, trail.unattributed, None)
    return trail.read, reader_of(world, trail.read, tenant)


# --- what is to be expected ------------------------------------------------------------------


def rendered(world: World, template: str, persona: str) -> str:
    """A template of the trail filled for a persona."""
    tenant = policy.tenant_of(world.target, persona) or policy.sole_tenant(world.target)
    payload = world.payload(persona, "audit", tenant, {})
    try:
        return str(render(template, payload.lookup))
    except Unfilled as missing:
        raise NotBuilt(f"audit: {missing}") from None


def _name_of(target: Target, persona: str, template: str) -> str | None:
    """What names a persona, as far as the target file alone says it."""
    facts = target.account(persona).facts
    try:
        return str(render(template, lambda name, *_: facts[name.removeprefix("persona.")]))
    except Unfilled:
        return None


def _others(world: World, persona: str) -> frozenset[str]:
    """The names of all other accounts of the target file."""
    trail = trail_of(world)
    names = (_name_of(world.target, one, trail.actor) for one in world.target.personas)
    mine = None if persona == ANONYMOUS else _name_of(world.target, persona, trail.actor)
    return frozenset(name for name in names if name is not None and name != mine)


def _forbidden(
    world: World, persona: str, exchange: Exchange, markers: Iterable[str]
) -> dict[str, str]:
    """What must not stand in the entry of an exchange, with what it is."""
    texts = [exchange.request.text]
    if exchange.answer is not None:
        texts.append(exchange.answer.text)
    planted = {**world.mint.find(*texts)}
    for marker in markers:
        known = world.mint.planted.get(marker)
        if known is not None:
            planted[marker] = known
    found = {marker: f"{one.resource}.{one.field}" for marker, one in planted.items()}
    return {**found, **_secrets(world, persona)}


def _secrets(world: World, persona: str) -> dict[str, str]:
    if persona == ANONYMOUS:
        return {}
    session = world.sessions[persona]
    shown = session.shown()
    found = {}
    for value in shown.headers.values():
        found[value.rpartition(" ")[2]] = "the credential that was sent"
    for value in shown.cookies.values():
        found[value] = "the cookie that was sent"
    for name in ("access_token", "refresh_token"):
        found[str(session.identity.values.get(name) or "")] = "the token of the session"
    facts = world.target.account(persona).facts
    for name in passwords(session.login):
        found[str(facts.get(name) or "")] = "the password"
    return {secret: what for secret, what in found.items() if len(secret) >= 6}


def concerned_in(world: World, lineage: Mapping[str, Instance]) -> frozenset[str]:
    """The id of the patient that a request is about."""
    patient = lineage.get(trail_of(world).patient or "")
    return frozenset() if patient is None else frozenset({str(patient.id)})


def given_out(world: World, tenant: str, answer: Answer) -> frozenset[str]:
    """The patients of records that an answer shows, as far as this run planted them.

    A short id may be that of anything, so it takes one of the record's markers beside it.
    """
    patient = trail_of(world).patient or ""
    data = parsed(answer)
    text = decode(answer.body)
    shown = {str(leaf) for _path, leaf in leaves(data)}
    found = set()
    marked = {planted.instance for planted in world.mint.find(text).values()}
    for instance in world.instances.values():
        identity = str(instance.id)
        named = identity in (text if data is None else shown) and len(identity) >= TELLING
        if instance.tenant == tenant and (named or instance.key in marked):
            of = instance.lineage().get(patient)
            if of is not None:
                found.add(str(of.id))
    return frozenset(found)


def told_of(
    world: World,
    case: Case,
    read: Read,
    markers: Iterable[str] = (),
    **expected: Any,
) -> Told:
    """The attempt with what its trail says, looked up by its correlation id."""
    trail = trail_of(world)
    persona = read.exchange.persona
    tenant = policy.tenant_of(world.target, persona)
    where, reader = place_of(world, persona, tenant or case.tenant or case.other)
    correlation = id_of(trail, read.exchange)
    found: tuple[Entry, ...] = ()
    looked: tuple[Read, ...] = ()
    if correlation is not None:
        found, looked = find(world, where, reader, correlation, read.exchange.started)
    known = persona != ANONYMOUS
    return Told(
        case=case,
        trail=trail,
        attempt=read,
        reads=looked,
        entries=found,
        correlation=correlation,
        actor=rendered(world, trail.actor, persona) if known else None,
        others=_others(world, persona),
        tenant=rendered(world, trail.tenant, persona) if known else None,
        forbidden=_forbidden(world, persona, read.exchange, markers),
        batch=bool(case.resource and case.operation)
        and world.target.batch(case.resource or "", case.operation or ""),
        **expected,
    )


# --- attempts ---------------------------------------------------------------------------------


def fresh_id(world: World) -> str:
    """A correlation id that no other request has, and not of the shape of the run's own."""
    assert world.wire.journal is not None
    return "wardproof-" + world.wire.journal.new_id()[-20:]


def recorded_door(world: World, persona: str) -> Door:
    """A door whose attempts are on record."""
    target = world.target
    for door in doors(target, policy.roles_of(target, persona)):
        if recorded(target, door.resource, door.operation):
            return door
    raise NotBuilt(f"{persona} is granted no read without a record that leaves an entry")


def knock_with(world: World, persona: str, door: Door, headers: Mapping[str, str]) -> Read:
    """The door's operation with further headers."""
    target = world.target
    operation = target.operation(door.resource, door.operation)
    template = operation.model_copy(update={"headers": {**operation.headers, **headers}})
    tenant = policy.tenant_of(target, persona) or policy.sole_tenant(target)
    given = {"term": "wardproof"} if "term" in operation.placeholders else {}
    payload = world.payload(persona, door.resource, tenant, {}, **given)
    return world.send(persona, template, payload, "attempt", (door.resource, door.operation))
