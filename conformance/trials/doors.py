"""Knocking at doors: trying credentials where nothing else decides."""

from __future__ import annotations

from collections.abc import Mapping

from conformance import policy
from conformance.doors import Door, doors
from conformance.instances import NotBuilt
from conformance.login import Credentials
from conformance.model import Expected, Read, Step
from conformance.session import Session
from conformance.world import World


def door_of(world: World, persona: str, closed_to: tuple[str, ...] = ()) -> Door:
    """The first door open to the persona. Raises NotBuilt if there is none."""
    roles = policy.roles_of(world.target, persona)
    found = doors(world.target, roles, closed_to)
    if not found:
        raise NotBuilt(
            f"{persona} is granted no read that needs no record and is not public, so nothing "
            "shows whether its credentials are worth anything; declare one, like "
            "'account: {read: GET /me}'"
        )
    return found[0]


def knock(
    world: World,
    persona: str,
    door: Door,
    purpose: str = "attempt",
    *,
    session: Session | None = None,
    credentials: Credentials | None = None,
    query: Mapping[str, str] | None = None,
) -> Read:
    """The door's operation as `persona`, by another session or with other credentials if given.

    `query` goes into the URL as well.
    """
    target = world.target
    operation = target.operation(door.resource, door.operation)
    if query:
        operation = operation.model_copy(update={"query": {**operation.query, **query}})
    tenant = policy.tenant_of(target, persona) or policy.sole_tenant(target)
    given = {"term": "wardproof"} if "term" in operation.placeholders else {}
    payload = world.payload(persona, door.resource, tenant, {}, **given)
    about = (door.resource, door.operation)
    return world.send(
        persona, operation, payload, purpose, about, session=session, credentials=credentials
    )


def opens(says: str, read: Read, rule: str | None = None) -> Step:
    """A step that has to be allowed: a control, or with `rule` a promise."""
    return Step(says, read, Expected.ALLOW, rule)


def stays_shut(
    says: str,
    read: Read,
    rule: str,
    control: Read | None = None,
    *,
    limited: bool = False,
    proof: frozenset[str] | None = None,
) -> Step:
    """A step that has to be refused, or with `proof` to give none of these markers."""
    return Step(says, read, Expected.DENY, rule, limited, control, proof)
