"""Who may see a marker that turned up in an answer: the policy, applied to what was planted."""

from __future__ import annotations

from conformance import policy
from conformance.canary import Planted
from conformance.instances import Instance
from conformance.model import Exchange
from conformance.oracles import Sighting
from conformance.policy import Grant
from conformance.target import ANONYMOUS, SAFE_KINDS
from conformance.world import World

TELLING = 8
"""An id of so many characters is that of one record alone."""

Objection = tuple[str, str]
"""Why a marker may not be seen, in words, and the rule that it breaks."""


def sightings(world: World, exchange: Exchange) -> list[Sighting]:
    """Every marker in the answer, and why this persona may not see it where it may not."""
    if exchange.answer is None or exchange.purpose == "login":
        return []
    found = []
    about = world.asked.get(exchange.id, ("", ""))
    for marker, planted in world.mint.find(exchange.answer.text).items():
        why, rule = objection(world, exchange.persona, about, planted) or (None, "")
        found.append(Sighting(marker, planted.resource, planted.field, planted.tenant, why, rule))
    return found


def objection(
    world: World, persona: str, about: tuple[str, str], planted: Planted
) -> Objection | None:
    """Why the persona may not see the marker in an answer about (resource, operation)."""
    target = world.target
    roles = policy.roles_of(target, persona)
    if planted.resource not in target.resources:
        # The reason of an emergency, the title of a link: of no record, but of a tenant.
        own = persona != ANONYMOUS and policy.tenant_of(target, persona) == planted.tenant
        return None if own else (f"of tenant {planted.tenant}", "leak.tenant")
    granted = _granted(world, about, roles)
    readable = _readable(world, roles, planted.resource)
    if persona == ANONYMOUS:
        return None if readable else ("of a record that asks for a login", "leak.anonymous")
    if planted.tenant != policy.tenant_of(target, persona):
        everywhere = any(grant.effect == "global" for grant in (*readable, *granted))
        return None if everywhere else (f"of tenant {planted.tenant}", "leak.tenant")
    if planted.instance == f"attempt:{persona}":
        return None
    return _within(world, persona, about[0], planted, granted, readable)


def hidden(
    world: World, persona: str, about: tuple[str, str], instance: Instance
) -> Objection | None:
    """Why the persona may not be shown that there is such a record in an answer about (resource,
    operation), None if it may.
    """
    roles = policy.roles_of(world.target, persona)
    granted = _granted(world, about, roles)
    readable = _readable(world, roles, instance.resource)
    if instance.tenant != policy.tenant_of(world.target, persona):
        everywhere = any(grant.effect == "global" for grant in (*readable, *granted))
        return None if everywhere else (f"of tenant {instance.tenant}", "leak.tenant")
    relations = world.relations(persona, instance)
    fitting = granted if instance.resource == about[0] else (*granted, *readable)
    if instance.creator == persona or any(
        grant.covers(relations, same_tenant=True) for grant in fitting
    ):
        return None
    return "to which this persona has no relation", "leak.unrelated"


def _readable(world: World, roles: tuple[str, ...], resource: str) -> list[Grant]:
    """Every grant by which `roles` may see records of `resource`."""
    key = (roles, resource)
    if key not in world.readable:
        described = world.target.resources[resource]
        world.readable[key] = [
            grant
            for name, operation in described.operations.items()
            # Whoever may count records may not see their fields for that.
            if described.kind(name) in SAFE_KINDS and not operation.counts
            for grant in policy.grants(world.target, roles, resource, name)
        ]
    return world.readable[key]


def _granted(world: World, about: tuple[str, str], roles: tuple[str, ...]) -> list[Grant]:
    resource, operation = about
    known = world.target.resources.get(resource)
    if known is None or operation not in known.operations:
        return []
    return policy.grants(world.target, roles, resource, operation)


def _within(
    world: World,
    persona: str,
    resource: str,
    planted: Planted,
    granted: list[Grant],
    readable: list[Grant],
) -> Objection | None:
    """Inside the tenant: the grant of the operation that answered first, then any other read."""
    target = world.target
    roles = "/".join(policy.roles_of(target, persona))
    instance = world.instances.get(planted.instance or "")
    relations = world.relations(persona, instance) if instance else None
    masked = (f"which is masked for {roles}", "leak.masked")
    unrelated = ("of a record that this persona has no relation to", "leak.unrelated")
    made_it = instance is not None and instance.creator == persona

    def covers(grant: Grant) -> bool:
        return relations is None or grant.covers(relations, same_tenant=True)

    def shows(grant: Grant, of: str) -> bool | None:
        return policy.visible(target, grant, of, planted.field, planted.resource)

    if planted.resource == resource and granted:
        fitting = [shows(grant, resource) for grant in granted if covers(grant)]
        if any(fitting) or (not fitting and made_it):
            return None
        return masked if fitting else unrelated
    embedded = [shows(grant, resource) for grant in granted]
    if any(embedded):
        return None
    if False in embedded:
        return masked
    own_read = [grant for grant in readable if covers(grant)]
    if any(shows(grant, planted.resource) for grant in own_read):
        return None
    if own_read:
        return masked
    if made_it:
        return None
    return unrelated if readable else (f"which {roles} may not read at all", "leak.ungranted")
