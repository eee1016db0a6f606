"""Rows of a decision table, tried on a record of their own: sent, read where they show, alerts."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from conformance import boundaries, policy
from conformance.applied import Applied, Place, Taken
from conformance.boundaries import Row
from conformance.comparison import parsed
from conformance.extraction import values
from conformance.instances import Instance, NotBuilt
from conformance.model import Case, Outcome, Read, Relation
from conformance.oracles.clinical import Alert, Corrected, Sheeted, Sight, Tried, wanted
from conformance.sources.clinical import changes, sheet_of
from conformance.tables import Table
from conformance.target import Operation
from conformance.trials.pages import walk
from conformance.trials.setting import Setting, needed, on, remember, send
from conformance.world import World

_WAIT = 0.1
_NULL = object()


@dataclass
class _Bench:
    """Where the rows of one case are tried: the record, and who does and reads what."""

    world: World
    applied: Applied
    table: Table
    setting: Setting
    actors: dict[str, str]
    current: dict[str, Any] = field(default_factory=dict)
    made: dict[str, Instance] = field(default_factory=dict)

    @property
    def creates(self) -> bool:
        return self.setting.case.kind == "create"


# --- the cases ------------------------------------------------------------------------------------


def sheet(world: World, case: Case) -> Sheeted:
    """All rows of a sheet, after an ordinary set, on a record that nobody else uses."""
    name, found = sheet_of(world.target, case)
    bench = _bench(world, case, name)
    habits = bench.applied.habits(bench.table)
    ordinary = _send(bench, boundaries.extremes(bench.table, habits)[0], "control")
    tried = [ordinary]
    if ordinary.read.outcome is Outcome.ALLOWED:
        tried += [_send(bench, row, "attempt") for row in found.rows if _sendable(bench, row)]
    tried, strays = _listed(bench, tried)
    tried, told = _with_alerts(bench, tried)
    return Sheeted(
        case,
        bench.applied,
        bench.table,
        found.kind,
        tried[0],
        tuple(tried[1:]),
        strays,
        told,
    )


def corrected(world: World, case: Case) -> Corrected:
    """A record, and its correction."""
    assert case.variant
    name, _, change = case.variant.partition(".")
    before_row, after_row = changes(world.target, name)[change]
    bench = _bench(world, case, name)
    before = _send(bench, before_row, "control")
    if before.read.outcome is not Outcome.ALLOWED or before.id is None:
        return Corrected(case, bench.applied, bench.table, before, before, before)
    after = _send(bench, after_row, "attempt", corrects=before)
    tried, _strays = _listed(bench, [before, after])
    kept = replace(before, sights=())
    tried, told = _with_alerts(bench, [*tried, kept])
    return Corrected(case, bench.applied, bench.table, tried[0], tried[1], tried[2], told)


# --- who and on what ------------------------------------------------------------------------------


def _bench(world: World, case: Case, name: str) -> _Bench:
    assert case.persona and case.resource and case.operation and case.tenant
    applied, table = world.target.tables[name], world.target.table(name)
    need = dict(needed(world, case.persona, case.resource, case.operation))
    actors = {applied.operation: case.persona}
    for named in _named(applied):
        actors[named] = _actor(world, case, named, need)
    about = world.target.object_of(case.resource, case.operation)
    fresh = bool(about) and not world.target.resources[about or ""].instances
    instance = world.obtain(about, case.tenant, need, fresh=fresh) if about else None
    bench = _Bench(world, applied, table, on(world, case, instance), actors)
    for word, taken in applied.inputs.items():
        if taken.initially is not None:
            bench.current[word] = taken.initially
    return bench


def _named(applied: Applied) -> list[str]:
    """The operations that a case needs besides the one that takes the inputs."""
    named = [taken.operation for taken in applied.inputs.values() if taken.operation]
    named += [place.operation for place in applied.places]
    named += [applied.alerts.operation] if applied.alerts else []
    named += [applied.correction] if applied.correction else []
    return list(dict.fromkeys(named))


def _actor(world: World, case: Case, named: str, need: dict[str, Relation]) -> str:
    """Who does an operation: whoever enters the inputs if they may, else somebody who may."""
    assert case.persona and case.tenant
    resource, _, operation = named.partition(".")
    only = world.target.operation(resource, operation).as_ or None
    granted = policy.grants(world.target, case.roles, resource, operation)
    if granted and (not only or {case.persona, *case.roles} & set(only)):
        try:
            found = needed(world, case.persona, resource, operation)
        except NotBuilt:
            found = {}
        if all(need.get(who, relation) is relation for who, relation in found.items()):
            need.update(found)
            return case.persona
    someone = world.choose(case.tenant, resource, operation, need, only=only, seeing=True)
    if someone is None:
        raise NotBuilt(f"nobody in {case.tenant} may do {named} there")
    return someone


# --- sending --------------------------------------------------------------------------------------


def _sendable(bench: _Bench, row: Row) -> bool:
    """Whether the request can say it: null needs JSON."""
    template = bench.setting.operation
    return template.json_ is not None or None not in row.given.values()


def _send(bench: _Bench, row: Row, purpose: str, corrects: Tried | None = None) -> Tried:
    for word, taken in bench.applied.inputs.items():
        if taken.operation is not None and row.given.get(word) is not None:
            _set(bench, word, taken, row.given[word])
    world, applied = bench.world, bench.applied
    if corrects is None:
        template = _filled(applied, bench.setting.operation, row.given)
        who = bench.setting.persona
        read, payload = send(world, bench.setting, who, purpose, template=template)
        if world.waits(read):
            read, payload = send(world, bench.setting, who, purpose, template=template)
        identity = _identity(bench, bench.setting.operation, read)
        if bench.creates and read.outcome is Outcome.ALLOWED and read.exchange.answer is not None:
            made = remember(world, bench.setting, who, read.exchange, payload)
            if made is not None:
                bench.made[str(made.id)] = made
                identity = str(made.id)
    else:
        read, identity = _correct(bench, row, corrects, purpose)
    record = None
    if applied.answers and read.exchange.answer is not None:
        record = parsed(read.exchange.answer)
    done = read.outcome is Outcome.ALLOWED
    sights = _sights(bench, identity) if done and identity is not None else ()
    return Tried(row, read, record, identity if done else None, sights)


def _identity(bench: _Bench, template: Operation, read: Read) -> str | None:
    answer = read.exchange.answer
    if not bench.creates:
        instance = bench.setting.instance
        return str(instance.id) if instance else None
    found = values((template.id or "$.id"), parsed(answer)) if answer is not None else []
    return str(found[0]) if found else None


def _correct(bench: _Bench, row: Row, wrong: Tried, purpose: str) -> tuple[Read, str | None]:
    """The correction of a record; its id is the new record's, or the same."""
    assert bench.applied.correction is not None and wrong.id is not None
    resource, _, operation = bench.applied.correction.partition(".")
    template = bench.world.target.operation(resource, operation)
    made = bench.made.get(wrong.id)
    if made is None:
        raise NotBuilt("the record that was made is not known, so it cannot be corrected")
    who = bench.actors[bench.applied.correction]
    lineage = {**bench.setting.lineage, **made.lineage()}
    payload = bench.world.payload(who, resource, bench.setting.tenant, lineage)
    filled = _filled(bench.applied, template, row.given)
    read = bench.world.send(who, filled, payload, purpose, (resource, operation))
    bench.world.mint.belongs(payload.carried, made.key)
    answer = read.exchange.answer
    found = values(template.id or "$.id", parsed(answer)) if answer is not None else []
    identity = str(found[0]) if found else wrong.id
    if identity != wrong.id:
        bench.made[identity] = replace(made, id=found[0])
    return read, identity


def _set(bench: _Bench, word: str, taken: Taken, value: Any) -> None:
    """Have an operation set what belongs to the patient, if it is not so already."""
    if bench.current.get(word) == value:
        return
    assert taken.operation is not None
    resource, _, operation = taken.operation.partition(".")
    world, who = bench.world, bench.actors[taken.operation]
    template = _with(world.target.operation(resource, operation), taken, value)
    lineage = bench.setting.lineage
    payload = world.payload(who, resource, bench.setting.tenant, lineage)
    read = world.send(who, template, payload, "set-up", (resource, operation))
    if resource in lineage:
        world.mint.belongs(payload.carried, lineage[resource].key)
    if read.outcome is not Outcome.ALLOWED:
        raise NotBuilt(f"{word} could not be set to {value}: {read.status}", read.exchange)
    bench.current[word] = value


def _filled(applied: Applied, template: Operation, given: Mapping[str, Any]) -> Operation:
    """The operation with the inputs of a row in its request, and nothing else of theirs."""
    filled = template
    for name, value in applied.sends.items():
        filled = _placed(filled, name, value)
    for word, taken in applied.inputs.items():
        if taken.operation is not None:
            continue
        if word not in given:
            filled = _placed(filled, taken.field, _NULL)
        else:
            filled = _with(filled, taken, given[word])
    return filled


def _with(template: Operation, taken: Taken, value: Any) -> Operation:
    return _placed(template, taken.field, taken.written(value))


def _placed(template: Operation, name: str, value: Any) -> Operation:
    """The request with a field set, or taken out; in its body, or in the query of one without."""
    place = "form" if template.form is not None else "json_"
    if template.json_ is None and template.form is None and template.method == "GET":
        place = "query"
    content = copy.deepcopy(getattr(template, place)) or {}
    *above, last = name.split(".")
    inner: Any = content
    try:
        for step in above:
            inner = inner[int(step)] if isinstance(inner, list) else inner.setdefault(step, {})
        if value is not _NULL:
            inner[int(last) if isinstance(inner, list) else last] = value
        elif isinstance(inner, dict):
            inner.pop(last, None)
    except (AttributeError, IndexError, TypeError, ValueError):
        raise NotBuilt(f"the request {template.request} has no place for {name!r}") from None
    return template.model_copy(update={place: content})


# --- reading --------------------------------------------------------------------------------------


def _sights(bench: _Bench, identity: str) -> tuple[Sight, ...]:
    """The record as operations that read one record show it."""
    found = []
    for place in bench.applied.places:
        resource, _, operation = place.operation.partition(".")
        template = bench.world.target.operation(resource, operation)
        if template.items is None:
            read = _ask(bench, place, identity)
            answer = read.exchange.answer
            record = next(iter(values(place.record, parsed(answer) if answer else None)), None)
            outputs = place.outputs or bench.applied.outputs
            found.append(Sight(place.operation, read, record, outputs))
    return tuple(found)


def _ask(bench: _Bench, place: Place, identity: str) -> Read:
    resource, _, operation = place.operation.partition(".")
    world, who = bench.world, bench.actors[place.operation]
    made = bench.made.get(identity)
    lineage = {**bench.setting.lineage, **(made.lineage() if made else {})}
    payload = world.payload(who, resource, bench.setting.tenant, lineage)
    template = world.target.operation(resource, operation)
    return world.send(who, template, payload, "read-back", (resource, operation))


def _listed(bench: _Bench, tried: list[Tried]) -> tuple[list[Tried], tuple[str, ...]]:
    """The rows with how lists show them, and records in lists that no accepted request made."""
    strays: set[str] = set()
    for place in bench.applied.places:
        resource, _, operation = place.operation.partition(".")
        template = bench.world.target.operation(resource, operation)
        if template.items is None or not bench.creates:
            continue
        pages = _pages(bench, place.operation)
        rows = {
            str(identity): (page, row)
            for page in pages
            for row in _rows(template, page)
            for identity in values(place.id, row)[:1]
        }
        outputs = place.outputs or bench.applied.outputs
        found = []
        for one in tried:
            if one.id is None:
                found.append(one)
                continue
            page, row = rows.get(one.id, (pages[-1], None))
            record = next(iter(values(place.record, row)), None)
            sight = Sight(place.operation, page, record, outputs)
            found.append(replace(one, sights=(*one.sights, sight)))
        tried = found
        if bench.setting.instance is not None and bench.setting.instance.made:
            strays |= set(rows) - {one.id for one in tried if one.id} - set(bench.made)
    return tried, tuple(sorted(strays))


def _pages(bench: _Bench, named: str) -> list[Read]:
    resource, _, operation = named.partition(".")
    who, tenant = bench.actors[named], bench.setting.tenant
    payload = bench.world.payload(who, resource, tenant, bench.setting.lineage)
    return walk(bench.world, who, resource, operation, payload, "read-back", tenant)


def _rows(template: Operation, page: Read) -> list[Any]:
    answer = page.exchange.answer
    return values(template.items or "$[*]", parsed(answer)) if answer is not None else []


def _with_alerts(bench: _Bench, tried: list[Tried]) -> tuple[list[Tried], Read | None]:
    """The rows with the alerts about them; asked again for as long as they may take to show."""
    claimed = bench.applied.alerts
    if claimed is None:
        return tried, None
    resource, _, operation = claimed.operation.partition(".")
    template = bench.world.target.operation(resource, operation)
    until = time.monotonic() + claimed.within
    while True:
        pages = _pages(bench, claimed.operation)
        rows = [row for page in pages for row in _rows(template, page)]
        found = [_alerted(bench, one, rows) for one in tried]
        failed = next((page for page in pages if page.outcome is not Outcome.ALLOWED), pages[-1])
        if time.monotonic() >= until or not _owed(bench, found):
            return found, failed
        time.sleep(_WAIT)


def _alerted(bench: _Bench, one: Tried, rows: Iterable[Any]) -> Tried:
    claimed = bench.applied.alerts
    assert claimed is not None
    if one.id is None:
        return one
    about = [row for row in rows if one.id in map(str, values(claimed.about, row))]
    ended = claimed.ended
    alerts = tuple(
        Alert(row, ended is not None and any(v in ended.values for v in values(ended.at, row)))
        for row in about
    )
    return replace(one, alerts=alerts)


def _owed(bench: _Bench, tried: Iterable[Tried]) -> bool:
    """Whether an alert that has to show does not show yet."""
    claimed = bench.applied.alerts
    assert claimed is not None
    return any(
        one.id is not None and not one.alerts and wanted(claimed, one.row.expected) for one in tried
    )
