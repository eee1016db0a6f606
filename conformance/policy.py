"""Grants, and the denials that follow from them. Pure: nothing here sends anything.

Grants are limited to the persona's own tenant, except `global`. What is not granted is denied;
`forbid` removes what another role of the same person grants (deny overrides, XACML 3.0 C.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from conformance import fields
from conformance.model import Relation
from conformance.target import ANONYMOUS, Target, Way


@dataclass(frozen=True)
class Grant:
    """One granted effect, with the mask that limits its fields."""

    effect: str
    mask: str | None

    def covers(self, relations: Set[Relation], same_tenant: bool) -> bool:
        """Whether this grant reaches an instance that stands in `relations` to the persona."""
        if self.effect == "global":
            return True
        if not same_tenant:
            return False
        return self.effect == "allow" or self.effect in relations


def grants(target: Target, roles: Iterable[str], resource: str, operation: str) -> list[Grant]:
    """Everything that `roles` together are granted for the operation; empty means denied."""
    found: list[Grant] = []
    # What is open to everybody is open to whoever is logged in.
    for role in dict.fromkeys((*roles, ANONYMOUS)):
        operations = target.policy.get(role, {}).get(resource, {})
        for effect in operations.get(operation, operations.get("*", [])):
            name, _, mask = effect.partition(":")
            if name == "forbid":
                return []
            if name != "deny":
                found.append(Grant(name, mask or None))
    return found


def roles_of(target: Target, persona: str) -> tuple[str, ...]:
    """The roles of a persona; anonymous has the role of that name."""
    return (ANONYMOUS,) if persona == ANONYMOUS else tuple(target.account(persona).role)


def tenant_of(target: Target, persona: str) -> str | None:
    """The persona's tenant; with a single tenant, or none declared, everybody is in it."""
    if persona == ANONYMOUS:
        return None
    return target.account(persona).tenant or sole_tenant(target)


def sole_tenant(target: Target) -> str:
    """The name of the only tenant; `default` when the target file declares none."""
    return next(iter(target.tenants), "default")


def tenants(target: Target) -> tuple[str, ...]:
    """All tenants, in the order of the file."""
    return tuple(target.tenants) or ("default",)


def way(target: Target, resource: str, relation: Relation, roles: tuple[str, ...]) -> Way | None:
    """How somebody with `roles` comes to stand in `relation` to an instance of `resource`.

    A child without a way of its own inherits its parent's. None: it cannot come about.
    """
    declared = getattr(target.resources[resource].relations, relation.value)
    parent = target.resources[resource].parent
    if declared is not None:
        found: Way | None = declared.for_role(roles)
        return found
    return Way(way="parent") if parent and way(target, parent, relation, roles) else None


def relations_of(target: Target, persona: str, resource: str) -> list[Relation]:
    """The relations within its tenant that `persona` can stand in to instances of `resource`."""
    roles = roles_of(target, persona)
    found = [
        relation
        for relation in (Relation.OWN, Relation.ASSIGNED)
        if _possible(target, persona, resource, relation, roles)
    ]
    return [*found, Relation.SAME_TENANT]


def standing(
    target: Target, roles: Iterable[str], resource: str, relation: Relation
) -> frozenset[Relation]:
    """Every relation that is true of somebody who stands in `relation` and in no other by choice.

    Whoever owns what they made, and may make it only for records assigned to them, is assigned
    as well.
    """
    if relation not in {Relation.OWN, Relation.ASSIGNED}:
        return frozenset()
    found = {relation}
    roles = tuple(roles)
    made = way(target, resource, relation, roles)
    name = creating(target, resource)
    if relation is Relation.OWN and made is not None and made.way == "creator" and name:
        effects = {grant.effect for grant in grants(target, roles, resource, name)}
        if effects == {"assigned"} and target.object_of(resource, name) != resource:
            found.add(Relation.ASSIGNED)
    return frozenset(found)


def _possible(
    target: Target, persona: str, resource: str, relation: Relation, roles: tuple[str, ...]
) -> bool:
    existing = target.resources[resource].instances
    if existing:
        return any(persona in getattr(instance, relation.value) for instance in existing)
    found = way(target, resource, relation, roles)
    if found is None:
        return False
    if found.way == "creator":
        return bool(grants(target, roles, resource, creating(target, resource) or "create"))
    if found.way == "parent":
        parent = target.resources[resource].parent
        return parent is not None and _possible(target, persona, parent, relation, roles)
    return True


def creating(target: Target, resource: str) -> str | None:
    """The operation that makes an instance of `resource`, if it has one."""
    operations = target.resources[resource].operations
    if "create" in operations:
        return "create"
    return next(
        (name for name in operations if target.resources[resource].kind(name) == "create"), None
    )


def visible(target: Target, grant: Grant, resource: str, field: str, of: str) -> bool | None:
    """Whether `grant` on an operation of `resource` shows `of.field`.

    None when the grant's mask does not speak of that field: a mask without a dot in a name
    speaks of its own resource only.
    """
    mask = target.masks[grant.mask] if grant.mask else None
    if mask is None or (mask.visible is None and mask.hidden is None):
        return True if of == resource else None
    names = {field, f"{of}.{field}", f"{of}.*"} if of == resource else {f"{of}.{field}", f"{of}.*"}
    if mask.hidden is not None:
        if names & set(mask.hidden):
            return False
        return True if of == resource else None
    if names & set(mask.visible or ()):
        return True
    return False if of == resource else None


def writable(
    target: Target, roles: Iterable[str], resource: str, operation: str
) -> frozenset[str] | None:
    """The fields that the grants of `roles` let an operation set; None if no mask limits them."""
    found: set[str] = set()
    for grant in grants(target, roles, resource, operation):
        mask = target.masks[grant.mask] if grant.mask else None
        if mask is None or mask.writable is None:
            return None
        found |= set(mask.writable)
    return frozenset(found)


def sight(target: Target, grants: Iterable[Grant], resource: str) -> fields.Sight | None:
    """What `grants` together show of `resource`; None if one of them shows everything."""
    visible: set[str] = set()
    hidden: set[str] | None = None
    embeds = False
    for grant in grants:
        mask = target.masks[grant.mask] if grant.mask else None
        if mask is None or (mask.visible is None and mask.hidden is None):
            return None
        named = [name.removeprefix(f"{resource}.") for name in mask.visible or mask.hidden or ()]
        embeds = embeds or any("." in name for name in named)
        simple = {name if name == "*" else fields.plain(name) for name in named if "." not in name}
        if mask.hidden is not None:
            hidden = simple if hidden is None else hidden & simple
        else:
            visible |= simple
    return fields.Sight(frozenset(visible), None if hidden is None else frozenset(hidden), embeds)
