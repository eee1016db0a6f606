"""Resources: their operations, relations and instances."""

from __future__ import annotations

from collections.abc import Iterator

from conformance import policy
from conformance.consistency import names
from conformance.document import Loc, Problem
from conformance.target import NAME, Resource, Target, Tenant, Way


def problems(target: Target) -> Iterator[Problem]:
    """What does not fit together, in the order of the file."""
    yield from _resources(target)


def _resources(target: Target) -> Iterator[Problem]:
    actors = names.actors(target)
    for name, resource in target.resources.items():
        loc: tuple[str | int, ...] = ("resources", name)
        if not NAME.match(name):
            yield Problem(loc, f"{name!r} is no plain resource name (letters, digits, _ and -)")
        if resource.parent is not None and resource.parent not in target.resources:
            yield Problem(
                (*loc, "parent"), names.unknown(resource.parent, "resource", target.resources)
            )
        if name in _line_of(target, name):
            yield Problem((*loc, "parent"), f"{name} would be its own ancestor")
        yield from _instances(target, loc, resource)
        known = {"id"} | {take for one in resource.operations.values() for take in one.take}
        for value in resource.unguessable:
            if value not in known:
                yield Problem(
                    (*loc, "unguessable"), names.unknown(value, "value taken on create", known)
                )
        for key in resource.operations:
            yield from _operation(target, name, key, actors)
        for key in ("own", "assigned"):
            yield from _way(target, (*loc, "relations", key), getattr(resource.relations, key))
        creates = [key for key in resource.operations if resource.kind(key) == "create"]
        if len(creates) > 1 and "create" not in creates:
            yield Problem(loc, f"which of {', '.join(creates)} makes instances? call it 'create'")


def _way(target: Target, loc: Loc, way: Way | None) -> Iterator[Problem]:
    if way is None:
        return
    for role, one in (way.roles or {}).items():
        if role != "*":
            yield from names.roles(target, (*loc, role), [role])
        yield from _way(target, (*loc, role), one)
    if way.step is not None:
        yield from names.prepared(target, loc, way.step)
        if way.step.ends is not None:
            yield from names.prepared(target, (*loc, "ends"), way.step.ends, way.step.take)


def _instances(target: Target, loc: Loc, resource: Resource) -> Iterator[Problem]:
    tenants = target.tenants or {"default": Tenant()}
    for place, existing in enumerate(resource.instances):
        here = (*loc, "instances", place)
        if existing.tenant is None and len(tenants) > 1:
            yield Problem(here, "say the instance's 'tenant': this target has several")
        elif existing.tenant is not None and existing.tenant not in tenants:
            yield Problem((*here, "tenant"), names.unknown(existing.tenant, "tenant", tenants))
        for persona in (*existing.own, *existing.assigned):
            if persona not in target.personas:
                yield Problem(here, names.unknown(persona, "persona", target.personas))


def _operation(target: Target, resource: str, name: str, actors: set[str]) -> Iterator[Problem]:
    here = ("resources", resource, name)
    operation = target.operation(resource, name)
    siblings = target.resources[resource].operations
    for actor in operation.as_:
        if actor not in actors:
            yield Problem((*here, "as"), names.unknown(actor, "role or persona", actors))
    for other in (*operation.after, operation.unchanged, operation.counts):
        if other is not None and other not in siblings:
            yield Problem(here, names.unknown(other, "operation", siblings))
    for above, done in operation.above.items():
        if above not in target.resources:
            yield Problem((*here, "above"), names.unknown(above, "resource", target.resources))
            continue
        known = target.resources[above].operations
        for other in done:
            if other not in known:
                yield Problem((*here, "above"), names.unknown(other, "operation", known))
    for other in (*operation.fresh, *operation.shows, operation.object):
        if other is not None and other not in target.resources:
            yield Problem(here, names.unknown(other, "resource", target.resources))
    yield from names.placeholders(target, here, operation)
    yield from _sorting(target, resource, name)
    about = target.object_of(resource, name)
    if about not in target.resources or target.resources[about].instances:
        return
    if not _creatable(target, about):
        yield Problem(
            here,
            f"this needs an instance of {about}, but {about} has neither a 'create' "
            "nor 'instances'",
        )


def _sorting(target: Target, resource: str, name: str) -> Iterator[Problem]:
    sorting = target.operation(resource, name).sorted
    if sorting is None or not sorting.made_with:
        return
    here = ("resources", resource, name, "sorted", "made_with")
    creating = policy.creating(target, resource)
    if creating is None:
        yield Problem(here, f"{resource} has no 'create' operation to make rows with")
        return
    template = target.operation(resource, creating)
    if not isinstance(template.json_ if template.form is None else template.form, dict):
        yield Problem(here, f"{resource}.{creating} has no 'json' or 'form' with such fields")


def _creatable(target: Target, resource: str) -> bool:
    operations = target.resources[resource].operations
    return any(target.resources[resource].kind(name) == "create" for name in operations)


def _line_of(target: Target, name: str) -> list[str]:
    found, current = [], target.resources[name].parent
    while current in target.resources and current not in found:
        found.append(current)
        current = target.resources[current].parent
    return found
