"""Invariants: who reads either side, and what their requests name."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.consistency import names
from conformance.consistency.races import Known, asked, valued
from conformance.document import Loc, Problem
from conformance.invariants import Invariant, Looking, looks
from conformance.target import NAME, Target


def problems(target: Target) -> Iterator[Problem]:
    """What does not fit together, in the order of the file."""
    for name, invariant in target.invariants.items():
        yield from _invariant(target, ("invariants", name), name, invariant)


def _invariant(target: Target, loc: Loc, name: str, invariant: Invariant) -> Iterator[Problem]:
    if not NAME.match(name):
        yield Problem(loc, f"{name!r} is no plain name of an invariant (letters, digits, _ and -)")
    if invariant.tenant is not None and invariant.tenant not in target.tenants:
        there = names.unknown(invariant.tenant, "tenant", target.tenants)
        yield Problem((*loc, "tenant"), there)
    for key, side in looks(invariant):
        given: set[str] = set()
        if side.over is not None:
            yield from _looking(target, (*loc, key, "over"), side.over, set())
        if side.over is not None or side.is_ == "answered":
            given = {"each", "id", "value"}
        yield from _looking(target, (*loc, key), side, given)


def _looking(target: Target, loc: Loc, looking: Looking, given: set[str]) -> Iterator[Problem]:
    known = Known((), (), given)
    yield from asked(target, loc, looking, known)
    yield from valued(target, (*loc, "find"), looking.find, known)
    operation = looking.operation
    if operation is None:
        if not looking.as_:
            yield Problem(loc, "say who asks: 'as', a role or a persona")
        return
    resource, name = operation
    there = target.resources.get(resource)
    if there is None or name not in there.operations:
        return
    about = target.object_of(resource, name)
    if about is not None and not given:
        what = f"{looking.do} is about one {about}: ask for a list here"
        yield Problem((*loc, "do"), f"{what}, or say which ('over', or 'is: answered')")
