"""Races: who contends, what is made for them, and what their requests name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jsonpath_rfc9535 import JSONPathError
from jsonpath_rfc9535 import compile as compile_path

from conformance import template as template_values
from conformance.consistency import names
from conformance.document import Loc, Problem
from conformance.races import Action, Contender, Preparing, Race
from conformance.schema import placeholders_in
from conformance.target import ANONYMOUS, Target


class Known:
    """What has a name so far: records, accounts and values."""

    def __init__(self, records: Iterable[str], people: Iterable[str], values: Iterable[str]):
        self.records, self.people, self.values = set(records), set(people), set(values)

    def copy(self) -> Known:
        return Known(self.records, self.people, self.values)


def problems(target: Target) -> Iterator[Problem]:
    """What does not fit together, in the order of the file."""
    for name, race in target.races.items():
        yield from _race(target, ("races", name), race)


def _race(target: Target, loc: Loc, race: Race) -> Iterator[Problem]:
    if race.tenant is not None and race.tenant not in target.tenants:
        yield Problem((*loc, "tenant"), names.unknown(race.tenant, "tenant", target.tenants))
    known = Known((), (), {"key"})
    yield from prepared(target, (*loc, "setup"), race.setup, known)
    tags = {one.tag for one in race.contenders if one.tag}
    for place, contender in enumerate(race.contenders):
        here = (*loc, "contenders", place)
        mine = known.copy() if contender.tenant is None else Known((), (), {"key"})
        if contender.tenant is not None and contender.tenant not in target.tenants:
            tenants = target.tenants
            yield Problem((*here, "tenant"), names.unknown(contender.tenant, "tenant", tenants))
        yield from prepared(target, (*here, "before"), contender.before, mine)
        yield from asked(target, here, contender, mine)
        yield from _of_state(target, here, contender, mine)
    known.records |= {"winner", *tags}
    for place, reading in enumerate(race.reads):
        here = (*loc, "reads", place)
        yield from asked(target, here, reading, known)
        yield from valued(target, (*here, "equals"), reading.equals, known)
        if reading.find is not None:
            yield from valued(target, (*here, "find"), reading.find, known)
            try:
                compile_path(template_values.render_jsonpath(reading.find, lambda *_named: 0))
            except JSONPathError as error:
                yield Problem((*here, "find"), f"is not a JSONPath (RFC 9535): {error}")
    for place, action in enumerate(race.tidy):
        yield from asked(target, (*loc, "tidy", place), action, known)
    if race.version.read is not None:
        yield from asked(target, (*loc, "version", "read"), race.version.read, known)
    for place, action in enumerate(race.version.changes):
        yield from asked(target, (*loc, "version", "changes", place), action, known)
    yield from actors(target, (*loc, "key", "other_personas"), race.key.other_personas, known)
    yield from _of_kind(target, loc, race)


def _of_kind(target: Target, loc: Loc, race: Race) -> Iterator[Problem]:
    """A kind that needs a value which no contender names."""
    start = target.system.start
    forgets = start is not None and start.throwaway and "{data}" not in " ".join(start.command)
    if race.key.outlives_restart and forgets:
        yield Problem(
            (*loc, "key", "outlives_restart"),
            "a copy that is started again has lost its data: let system.start.command keep them "
            "in the folder {data}",
        )
    needed = {"lost_update": "version", "idempotency": "key"}.get(race.kind)
    if needed is None:
        return
    for place, contender in enumerate(race.contenders):
        operation = contender.operation
        if contender.aside:
            continue
        if operation is not None and not _exists(target, *operation):
            return
        if needed not in contender.template(target).placeholders and (
            needed == "key" or race.version.missing is not None
        ):
            yield Problem(
                (*loc, "contenders", place),
                f"a race of the kind {race.kind} names {{{needed}}} in its request, "
                "for example in a header",
            )


def _exists(target: Target, resource: str, name: str) -> bool:
    return resource in target.resources and name in target.resources[resource].operations


def prepared(
    target: Target, loc: Loc, steps: Iterable[Preparing], known: Known
) -> Iterator[Problem]:
    """Each step in its turn, with the names that those before it gave."""
    for place, step in enumerate(steps):
        here = (*loc, place)
        called = step.called
        if step.make is not None:
            if step.make not in target.resources:
                unknown = names.unknown(step.make, "resource", target.resources)
                yield Problem((*here, "make"), unknown)
                continue
            yield from names.operations(target, (*here, "after"), step.make, step.after)
            for key in ("own", "assigned"):
                yield from actors(target, (*here, key), getattr(step, key), known)
            if step.within is not None and step.within not in known.records:
                yield Problem(
                    (*here, "within"), names.unknown(step.within, "record", known.records)
                )
            known.records.add(called or step.make)
        elif step.enlist:
            yield from names.roles(target, (*here, "enlist"), step.enlist)
            known.people.add(called or "")
            known.records.add(called or "")
        elif step.let:
            for name, value in step.let.items():
                yield from valued(target, (*here, "let", name), value, known)
                known.values.add(name)
        else:
            yield from asked(target, here, step, known)
            operation = step.operation
            if operation is not None:
                known.records.add(called or operation[0])
            elif called is not None:
                known.records.add(called)
            known.values |= set(taken(target, step))


def taken(target: Target, action: Action) -> Iterable[str]:
    """Names of what the answer gives to later steps."""
    operation = action.operation
    if operation is None or not _exists(target, *operation):
        return action.take
    return {**target.operation(*operation).take, **action.take}


def actors(target: Target, loc: Loc, people: Iterable[str], known: Known) -> Iterator[Problem]:
    """Names that are neither roles nor personas nor accounts made before."""
    everybody = names.actors(target) | known.people | {ANONYMOUS}
    for one in people:
        if one not in everybody:
            yield Problem(loc, names.unknown(one, "role or persona", everybody))


def asked(target: Target, loc: Loc, action: Action, known: Known) -> Iterator[Problem]:
    """A request by somebody: who that is, what it is about and what it names."""
    yield from actors(target, (*loc, "as"), action.as_, known)
    if action.about is not None:
        yield from actors(target, (*loc, "about"), [action.about], known)
    for resource, record in action.on.items():
        if resource not in target.resources:
            yield Problem((*loc, "on"), names.unknown(resource, "resource", target.resources))
        if record not in known.records:
            yield Problem((*loc, "on"), names.unknown(record, "record", known.records))
    operation = action.operation
    if operation is not None:
        resource, name = operation
        if resource not in target.resources:
            yield Problem((*loc, "do"), names.unknown(resource, "resource", target.resources))
            return
        if name not in target.resources[resource].operations:
            there = target.resources[resource].operations
            yield Problem((*loc, "do"), names.unknown(name, f"operation of {resource}", there))
            return
        parts = (action.json_, action.query, action.headers)
        for part in parts:
            yield from valued(target, loc, part, known)
    else:
        template = action.of_request()
        for part in (template.path, template.json_, template.form, template.body):
            yield from valued(target, loc, part, known)
        for part in (template.query, template.headers):
            yield from valued(target, loc, part, known)


def _of_state(target: Target, loc: Loc, contender: Contender, known: Known) -> Iterator[Problem]:
    yield from valued(target, (*loc, "from"), contender.from_, known)
    yield from valued(target, (*loc, "to"), contender.to, known)


def valued(target: Target, loc: Loc, template: object, known: Known) -> Iterator[Problem]:
    """Placeholders without a value here."""
    heads = {"persona", "tenant", "person", *known.records, *known.people, *target.resources}
    simple = template_values.NAMES | {name for name in known.values if "." not in name}
    for name in sorted(placeholders_in(template)):
        head, _, tail = name.partition(".")
        if tail and head not in heads:
            unknown = names.unknown(head, "record, account or source of values", heads)
            yield Problem(loc, f"{{{name}}}: {unknown}")
        elif not tail and name not in simple:
            yield Problem(loc, f"{{{name}}}: " + names.unknown(name, "value", simple))
