"""Writes that must outlive a crash: what is arranged for them, and what has to follow."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.consistency import names
from conformance.consistency.races import Known, asked, prepared, taken, valued
from conformance.document import Loc, Problem
from conformance.durability import Durable
from conformance.target import NAME, Target


def problems(target: Target) -> Iterator[Problem]:
    """What does not fit together, in the order of the file."""
    for name, durable in target.durable.items():
        yield from _durable(target, ("durable", name), name, durable)


def _durable(target: Target, loc: Loc, name: str, durable: Durable) -> Iterator[Problem]:
    if not NAME.match(name):
        yield Problem(loc, f"{name!r} is no plain name of a write (letters, digits, _ and -)")
    if durable.tenant is not None and durable.tenant not in target.tenants:
        there = names.unknown(durable.tenant, "tenant", target.tenants)
        yield Problem((*loc, "tenant"), there)
    known = Known((), (), ())
    yield from prepared(target, (*loc, "setup"), durable.setup, known)
    yield from prepared(target, (*loc, "before"), durable.before, known)
    yield from asked(target, (*loc, "write"), durable.write, known)
    assert durable.write.operation is not None
    resource, operation = durable.write.operation
    described = target.resources.get(resource)
    if described is None or operation not in described.operations:
        return
    if described.kind(operation) != "create":
        says = f"{durable.write.do} makes no record; say one that does ('kind: create')"
        yield Problem((*loc, "write", "do"), says)
    known.records.add(resource)
    known.values |= {"id", *taken(target, durable.write)}
    for label, reading in durable.follows.items():
        here = (*loc, "follows", label)
        yield from asked(target, here, reading, known)
        yield from valued(target, (*here, "find"), reading.find, known)
        yield from valued(target, (*here, "equals"), reading.equals, known)
        for key in ("each", "when", "unless", "state"):
            if key in reading.model_fields_set:
                yield Problem((*here, key), f"'{key}' is for races")
        if reading.count == "winners":
            yield Problem((*here, "count"), "'winners' is for races: say a number")
