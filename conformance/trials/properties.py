"""Reading through a mask: as declared, with everything asked for, filtered and sorted by it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from conformance import inventory, policy
from conformance.comparison import parsed
from conformance.extraction import extract, values
from conformance.fields import Record, Sight, own, plain, properties, scalars
from conformance.instances import Instance, NotBuilt
from conformance.model import Case, Outcome, Read, Relation
from conformance.oracles.properties import Filtering, Masked, Rows, Shown, Sorting, Told
from conformance.target import Operation
from conformance.trials.pages import walk
from conformance.trials.setting import Setting, on, permitted, remember, searched, send, writes
from conformance.world import World

_MOST_FIELDS = 4
_MOST_ALONE = 14
_LONGEST = 120
_LARGE_PAGE = 100


# --- who sees what ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Seer:
    """Somebody who sees a resource's records whole, and the operation that shows them."""

    persona: str
    operation: str


def seer(world: World, resource: str, tenant: str, need: dict[str, Relation]) -> Seer | None:
    """Somebody without a mask; the relation that takes is added to `need`."""
    described = world.target.resources[resource]
    names = [one for one in described.operations if described.kind(one) in {"read", "list"}]
    names.sort(key=lambda one: (described.kind(one) != "read", one != "read"))
    for name in names:
        operation = described.operations[name]
        about = world.target.object_of(resource, name)
        if operation.not_tested or operation.counts or (about != resource and not operation.items):
            continue
        wanted = dict(need)
        persona = world.choose(tenant, resource, name, wanted, seeing=True)
        if persona is None:
            continue
        granted = policy.grants(
            world.target, policy.roles_of(world.target, persona), resource, name
        )
        if policy.sight(world.target, granted, resource) is None:
            need.update(wanted)
            return Seer(persona, name)
    return None


def readers(world: World, instance: Instance) -> Iterator[Seer]:
    """Everybody who may read the record as things stand; those without a mask first."""
    resource, described = instance.resource, world.target.resources[instance.resource]
    found: list[tuple[int, Seer]] = []
    for name in described.operations:
        if described.kind(name) not in {"read", "list"} or described.operations[name].counts:
            continue
        for persona, relation in world.candidates(instance.tenant, resource, name, seeing=True):
            if relation is None or relation in world.relations(persona, instance):
                roles = policy.roles_of(world.target, persona)
                masks = [one.mask for one in policy.grants(world.target, roles, resource, name)]
                rank = 2 * (None not in masks) + (described.kind(name) != "read")
                found.append((rank, Seer(persona, name)))
    found.sort(key=lambda one: one[0])
    yield from (who for _rank, who in found[:4])


def seen_by(world: World, who: Seer, instance: Instance) -> tuple[Record | None, Read]:
    """The record as `who` sees it, on whichever page it stands; None if no answer holds it."""
    resource, tenant = instance.resource, instance.tenant
    operation = world.target.operation(resource, who.operation)
    lineage = world.around(resource, who.operation, tenant, instance)
    payload = world.payload(who.persona, resource, tenant, lineage, ids=[instance.id])
    reads = walk(world, who.persona, resource, who.operation, payload, "read-back")
    for read in reads:
        answer = read.exchange.answer
        if read.outcome is not Outcome.ALLOWED or answer is None:
            continue
        data = parsed(answer)
        found = own(data, instance.id)
        if not found and operation.items is None and isinstance(data, dict):
            found = [properties(data)]
        if found:
            return found[0], read
    return None, reads[-1]


def planted(
    world: World, case: Case, also: Mapping[str, Relation] | None = None, *, fresh: bool = False
) -> Instance:
    """An instance of the case's resource that the persona's grant covers. Raises NotBuilt."""
    assert case.persona and case.resource and case.operation and case.tenant
    granted = policy.grants(world.target, case.roles, case.resource, case.operation)
    operation = world.target.operation(case.resource, case.operation)
    about = world.target.object_of(case.resource, case.operation)
    above: dict[str, dict[str, Relation]] = {}
    if about not in {None, case.resource} and case.relation in {Relation.OWN, Relation.ASSIGNED}:
        above[str(about)] = {case.persona: case.relation}
    problem = NotBuilt(f"{case.persona} can stand in no relation that grants {case.operation}")
    for relation in policy.relations_of(world.target, case.persona, case.resource):
        related = policy.standing(world.target, case.roles, case.resource, relation)
        if not any(grant.covers(related, same_tenant=True) for grant in granted):
            continue
        need = {**({case.persona: relation} if related else {}), **(also or {})}
        try:
            return world.obtain(
                case.resource,
                case.tenant,
                need,
                fresh=fresh,
                state=operation.after,
                above=above,
            )
        except NotBuilt as error:
            problem = error
    raise problem


@dataclass(frozen=True)
class Whole:
    """A planted record, how somebody without a mask sees it, and what that took."""

    instance: Instance
    record: Record | None = None
    seer: Seer | None = None
    need: Mapping[str, Relation] = field(default_factory=dict)


def whole(world: World, case: Case, *, fresh: bool = False) -> Whole:
    """A record planted so that the persona may use it and, if possible, somebody sees it whole."""
    assert case.persona and case.resource and case.operation and case.tenant
    need: dict[str, Relation] = {}
    who = seer(world, case.resource, case.tenant, need)
    need.pop(case.persona, None)
    try:
        instance = planted(world, case, need, fresh=fresh)
    except NotBuilt:
        if not need:
            raise
        return Whole(planted(world, case, fresh=fresh))
    if who is None:
        return Whole(instance)
    return Whole(instance, seen_by(world, who, instance)[0], who, need)


def sighted(world: World, case: Case) -> Sight:
    """What the masks of the case's grants let through."""
    assert case.resource and case.operation
    granted = policy.grants(world.target, case.roles, case.resource, case.operation)
    found = policy.sight(world.target, granted, case.resource)
    if found is None:
        raise NotBuilt(f"a grant without a mask shows {case.persona} everything")
    return found


def sized(operation: Operation, rows: int = _LARGE_PAGE) -> Operation:
    """The operation, with large pages if their size can be asked for."""
    paging = operation.next
    if paging is None or not paging.size:
        return operation
    most = min(rows, paging.most) if paging.most else rows
    return operation.model_copy(update={"query": {**operation.query, paging.size: most}})


def asking(
    operation: Any, query: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Any:
    """The operation with further query parameters and headers."""
    more = {
        "query": {**operation.query, **query},
        "headers": {**operation.headers, **(headers or {})},
    }
    return operation.model_copy(update=more)


# --- shown -----------------------------------------------------------------------------------


def masked(world: World, case: Case) -> Masked:
    """The operation as declared, on a record planted for it, and then asking for what is hidden.

    Ways of asking of one kind go together; where that is refused as invalid, some of them alone.
    """
    assert case.resource
    seen = sighted(world, case)
    if writes(case):
        return Masked(case, seen, _echo(world, case))
    found = whole(world, case)
    setting = on(world, case, found.instance)
    plainly = _asked(world, setting, "it", {})
    tries: list[Shown] = []
    ways = _ways(case.resource, list(_hidden(world, case, seen, found)))
    for says, query in ways if setting.operation.method == "GET" else ():
        together = _asked(world, setting, says, query)
        tries.append(together)
        if together.read.outcome is Outcome.INVALID:
            left = max(_MOST_ALONE - len(tries), 0)
            alone = list(query.items())[:left]
            tries += [_asked(world, setting, f"{key}={one}", {key: one}) for key, one in alone]
    tries.append(_asked(world, setting, "asking in headers", {}, **_HEADERS))
    return Masked(case, seen, plainly, tuple(tries), found.record)


def _echo(world: World, case: Case) -> Shown:
    """What the answer to a permitted write holds of the record."""
    assert case.persona
    if case.kind == "create":
        setting = permitted(world, case)
    else:
        setting = on(world, case, planted(world, case, fresh=True))
    read, payload = send(world, setting, case.persona, "attempt")
    answer = read.exchange.answer
    identity = setting.instance.id if setting.instance else None
    if case.kind == "create" and read.outcome is Outcome.ALLOWED and answer is not None:
        made = remember(world, setting, case.persona, read.exchange, payload)
        identity = made.id if made else None
    data = parsed(answer) if answer is not None else None
    return Shown("its answer", read, tuple(own(data, identity)) if identity is not None else ())


def _asked(
    world: World, setting: Setting, says: str, query: Mapping[str, Any], **headers: str
) -> Shown:
    """The case's read with more in the query, and the records in its answer."""
    template = asking(setting.operation, query, headers)
    given: dict[str, Any] = {"template": template}
    if template.finds and setting.instance is not None:
        given["term"] = searched(world, setting.instance, template.finds)
    read, _payload = send(world, setting, setting.persona, "attempt", **given)
    answer = read.exchange.answer
    data = parsed(answer) if answer is not None else None
    identity = setting.instance.id if setting.instance else None
    if template.items:
        rows = values(template.items, data)
        return Shown(says, read, tuple(properties(row) for row in rows if isinstance(row, dict)))
    found = own(data, identity)
    if not found and isinstance(data, dict) and _is_record(setting, data):
        found = [properties(data)]
    return Shown(says, read, tuple(found))


def _is_record(setting: Setting, data: Record) -> bool:
    """Whether an object without an id is the record: it has a field that was planted in it."""
    known = {plain(name) for name in (setting.instance.values if setting.instance else ())}
    return any(plain(name) in known for name in data)


# --- asked for -------------------------------------------------------------------------------

_NAMING = ("fields", "_fields", "select", "$select", "properties", "_elements", "attributes")
_INCLUDING = ("include", "_include", "expand", "$expand", "embed", "with", "populate")
_SWITCHES = {
    "view": "full", "detail": "full", "full": "true", "mask": "false", "masked": "false",
    "raw": "true", "unmasked": "true", "verbose": "true", "_summary": "false", "debug": "true",
    "show_hidden": "true", "admin": "true",
}  # fmt: skip
_HEADERS = {
    "X-Fields": "*",
    "X-View": "full",
    "X-Unmask": "true",
    "Prefer": "return=representation",
    "Accept": "application/json;profile=full, application/json;q=0.9",
}


def _ways(resource: str, names: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Query parameters that ask for `names`, by what they do."""
    listed = ",".join(names)
    yield "naming the fields", {**dict.fromkeys(_NAMING, listed), f"fields[{resource}]": listed}
    yield "including them", {**dict.fromkeys(_INCLUDING, listed), f"include[{resource}]": listed}
    yield "asking for all", dict.fromkeys((*_NAMING, *_INCLUDING), "*")
    yield "asking for the full view", dict(_SWITCHES)


def _hidden(world: World, case: Case, seen: Sight, found: Whole) -> Iterator[str]:
    """The names that the masks hide: of the record seen whole, or else those that were sent."""
    assert case.resource and case.operation
    operation = world.target.operation(case.resource, case.operation)
    described = inventory.described(world.target, world.documented, operation)
    answered = [one.name for one in described.answers] if described else []
    sent = list(found.instance.values) if found.record is None else []
    told: set[str] = set()
    for name in (*(found.record or ()), *sent, *answered):
        if not seen.shows(name) and plain(name) not in told:
            told.add(plain(name))
            yield name


# --- filtered and sorted by --------------------------------------------------------------------

_FILTERS = ("{}", "{}__startswith", "{}[eq]", "filter[{}]", "filter.{}", "where[{}]")
_SEARCHES = ("q", "search", "query", "term", "filter")
_SORTS = ("sort", "sort_by", "sortBy", "_sort", "order_by", "orderBy", "ordering", "$orderby")
_NO_FIELD = "wardproof_no_such_field"


def told(world: World, case: Case) -> Told:
    """Lists filtered and sorted by what the mask hides, with two planted records to look for."""
    assert case.resource and case.operation
    seen = sighted(world, case)
    first = whole(world, case)
    setting = on(world, case, first.instance)
    plainly = _rows(world, setting, {})
    found = _secret(first.record, seen)
    if not found or plainly.read.outcome is not Outcome.ALLOWED:
        return Told(case, plainly, (), (), ())
    mine = [str(first.instance.id)]
    try:
        second = planted(world, case, first.need, fresh=True)
    except NotBuilt:
        second = None  # lists of which there is one row only are still filtered
    if second is not None and _beside(setting, second):
        mine.append(str(second.id))
    filters = list(_filters(world, setting, found, tuple(mine)))
    sorted_by = list(found)[:_MOST_FIELDS] if len(mine) > 1 else []
    sorts = list(_sorts(world, setting, sorted_by, tuple(mine)))
    return Told(case, plainly, tuple(found), tuple(filters), tuple(sorts))


def _secret(record: Record | None, seen: Sight) -> dict[str, Any]:
    """What the mask hides and a filter could ask for, by name."""
    found = {
        name: value
        for name, value in scalars(record or {}).items()
        if not seen.shows(name)
        and isinstance(value, str | int)
        and not isinstance(value, bool)
        and len(str(value)) <= _LONGEST
    }
    return dict(list(found.items())[: 3 * _MOST_FIELDS])


def _beside(setting: Setting, second: Instance) -> bool:
    """Whether the second record stands in the same list as the first."""
    others = second.lineage()
    return all(
        name == setting.resource or (name in others and others[name].id == one.id)
        for name, one in setting.lineage.items()
    )


def _rows(
    world: World, setting: Setting, query: Mapping[str, Any], term: str | None = None
) -> Rows:
    """One page of the list, with more in the query."""
    operation = asking(sized(setting.operation), query, {})
    given: dict[str, Any] = {"template": operation}
    if operation.finds and setting.instance is not None:
        given["term"] = term or searched(world, setting.instance, operation.finds)
    read, _payload = send(world, setting, setting.persona, "attempt", **given)
    answer = read.exchange.answer
    data = parsed(answer) if answer is not None else None
    rows = values(operation.items or "$[*]", data)
    ids = [str(one) for row in rows for one in values(operation.item_id or "$.id", row)]
    if not ids:
        ids = [str(row) for row in rows if not isinstance(row, dict | list)]
    count = extract(operation.total, answer) if operation.total and answer is not None else None
    return Rows(read, tuple(ids), None if count is None else str(count))


def _filters(
    world: World, setting: Setting, found: Mapping[str, Any], mine: tuple[str, ...]
) -> Iterator[Filtering]:
    """All fields in one request; alone only what that showed, or if it was refused."""

    def pair(query: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[Rows, Rows]:
        return _rows(world, setting, query), _rows(world, setting, other)

    def filtering(says: str, query: Mapping[str, Any], other: Mapping[str, Any]) -> Filtering:
        once = Filtering(says, (pair(query, other),), mine)
        return replace(once, rounds=(*once.rounds, pair(query, other))) if once.tells else once

    def by(names: list[str], spellings: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
        nobodys = {name: _nobodys(world, found[name]) for name in names}
        keys = [(one.format(name), name) for name in names for one in spellings]
        return (
            {key: found[name] for key, name in keys},
            {key: nobodys[name] for key, name in keys},
        )

    together = filtering("a filter by masked fields", *by(list(found), _FILTERS))
    theirs, _others = together.rounds[0]
    if together.tells or theirs.read.outcome is Outcome.INVALID:
        spellings = _FILTERS if together.tells else _FILTERS[:1]
        for name in found:
            one = filtering(f"a filter by {name}", *by([name], spellings))
            yield one
            if one.tells:
                break
    yield together
    for name in list(found)[:1]:
        value, other = found[name], _nobodys(world, found[name])
        if setting.operation.finds:
            pairs = (_rows(world, setting, {}, str(value)), _rows(world, setting, {}, str(other)))
            once = Filtering(f"a search for the value of {name}", (pairs,), mine)
            yield replace(once, rounds=(pairs, pairs)) if once.tells else once
        else:
            query = dict.fromkeys(_SEARCHES, value), dict.fromkeys(_SEARCHES, other)
            yield filtering(f"a search for the value of {name}", *query)


def _nobodys(world: World, value: Any) -> Any:
    """A value of the same shape that no record has."""
    if isinstance(value, int):
        return 987654321
    if re.match(r"\d{4}-\d\d-\d\d", value):
        return "1871" + value[4:]
    return world.synthesis.similar(value)


def _sorts(
    world: World, setting: Setting, names: list[str], mine: tuple[str, ...]
) -> Iterator[Sorting]:
    """Up and down by each field; by no field, and once more, only where rows changed places."""

    def turn(name: str) -> tuple[Rows, Rows]:
        up = {**dict.fromkeys(_SORTS, name), "order": "asc", "direction": "asc"}
        down = {**dict.fromkeys(_SORTS, f"-{name}"), "order": "desc", "direction": "desc"}
        return _rows(world, setting, up), _rows(world, setting, down)

    for name in names:
        once = Sorting(f"sorting by {name}", (turn(name),), (), mine)
        if once.rounds[0][0].read.outcome is Outcome.INVALID:
            once = replace(once, rounds=(_alone(world, setting, name),))
        if once.suspicious:
            again = _alone(world, setting, name) if _was_alone(once) else turn(name)
            nothing = _alone(world, setting, _NO_FIELD) if _was_alone(once) else turn(_NO_FIELD)
            once = replace(once, rounds=(*once.rounds, again), nothing=(nothing,))
        yield once
        if once.tells:
            return


def _alone(world: World, setting: Setting, name: str) -> tuple[Rows, Rows]:
    return _rows(world, setting, {"sort": name}), _rows(world, setting, {"sort": f"-{name}"})


def _was_alone(sorting: Sorting) -> bool:
    return "order_by=" not in sorting.rounds[0][0].read.exchange.request.url
