"""Whether the tables that a target applies fit its operations, and the names that they use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from conformance.applied import Alerts, Applied
from conformance.consistency.names import unknown
from conformance.document import InvalidDocument, Loc, Problem
from conformance.tables import Table
from conformance.target import SAFE_KINDS, Target


def problems(target: Target) -> Iterator[Problem]:
    """Operations that there are not, inputs that nothing takes, outputs that no table has."""
    for name, applied in target.tables.items():
        loc: Loc = ("tables", name)
        yield from _operations(target, loc, applied)
        try:
            table = target.table(name)
        except InvalidDocument:
            continue  # said where the table is looked for
        yield from _inputs(loc, applied, table)
        yield from _outputs(loc, "outputs", applied.outputs, table)
        for index, place in enumerate(applied.places):
            yield from _outputs((*loc, "places", index), "outputs", place.outputs, table)
        if applied.alerts is not None:
            yield from _alerts((*loc, "alerts"), applied.alerts, table)


def _operations(target: Target, loc: Loc, applied: Applied) -> Iterator[Problem]:
    yield from _operation(target, (*loc, "operation"), applied.operation)
    for index, place in enumerate(applied.places):
        yield from _operation(target, (*loc, "places", index), place.operation, shows=True)
    if applied.alerts is not None:
        place_of_alerts = (*loc, "alerts", "operation")
        yield from _operation(target, place_of_alerts, applied.alerts.operation, lists=True)
        yield from _makes_records(target, (*loc, "alerts"), applied)
    if applied.correction is not None:
        yield from _operation(target, (*loc, "correction"), applied.correction)
    for name, taken in applied.inputs.items():
        if taken.operation is not None:
            yield from _operation(target, (*loc, "inputs", name, "operation"), taken.operation)


def _operation(
    target: Target, loc: Loc, named: str, *, shows: bool = False, lists: bool = False
) -> Iterator[Problem]:
    resource, _, name = named.partition(".")
    if resource not in target.resources:
        yield Problem(loc, unknown(resource, "resource", target.resources))
        return
    described = target.resources[resource]
    if name not in described.operations:
        yield Problem(loc, unknown(name, f"operation of {resource}", described.operations))
    elif (shows or lists) and described.kind(name) not in SAFE_KINDS:
        yield Problem(loc, f"{named} does not only read, so it shows nothing")
    elif lists and described.operations[name].items is None:
        yield Problem(loc, f"{named} is no list: it has no 'items'")


def _makes_records(target: Target, loc: Loc, applied: Applied) -> Iterator[Problem]:
    """Alerts are told apart by the record that they are about, so each request needs its own."""
    resource, _, name = applied.operation.partition(".")
    described = target.resources.get(resource)
    known = described is not None and name in described.operations
    if known and described is not None and described.kind(name) != "create":
        yield Problem(loc, f"{applied.operation} makes no record that an alert could be about")


def _inputs(loc: Loc, applied: Applied, table: Table) -> Iterator[Problem]:
    yield from _names((*loc, "inputs"), applied.inputs, "input of the table", table.inputs)
    yield from _names((*loc, "fixed"), applied.fixed, "input of the table", table.inputs)
    for name, described in table.inputs.items():
        taken, place = applied.inputs.get(name), (*loc, "inputs", name)
        if name in applied.fixed:
            if taken is not None:
                yield Problem(place, "is an input and fixed; it can be one of them")
        elif taken is None:
            yield Problem(
                (*loc, "inputs"),
                f"nothing takes {name!r}; say which field does, or what it always is "
                f"(fixed: {{{name}: {described.normal}}})",
            )
        else:
            codes = described.values
            yield from _names((*place, "values"), taken.values, "code", codes)
            if taken.initially is not None:
                yield from _names((*place, "initially"), [taken.initially], "code", codes)


def _outputs(loc: Loc, key: str, named: Iterable[str], table: Table) -> Iterator[Problem]:
    yield from _names((*loc, key), named, "output of the table", table.outputs)


def _alerts(loc: Loc, alerts: Alerts, table: Table) -> Iterator[Problem]:
    for index, when in enumerate(alerts.when):
        yield from _names((*loc, "when", index), when, "output of the table", table.outputs)
    yield from _outputs(loc, "shows", alerts.shows, table)


def _names(loc: Loc, used: Iterable[str], what: str, known: Iterable[str]) -> Iterator[Problem]:
    there = list(known)
    for word in used:
        if word not in there:
            yield Problem((*loc, word), unknown(word, what, there))
