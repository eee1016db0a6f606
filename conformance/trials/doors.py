"""Doors: the operation at which credentials are tried, and knocking at it.

A door is open to the persona by its grants, closed to whoever is not logged in, and needs no
record, so that an answer speaks of the credentials alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from conformance import policy
from conformance.instances import NotBuilt
from conformance.login import Credentials
from conformance.model import Expected, Read, Step
from conformance.session import Session
from conformance.target import ANONYMOUS, SAFE_KINDS, Target
from conformance.world import World

_RANK = {"read": 0, "list": 1, "search": 2}


@dataclass(frozen=True)
class Door:
    """An operation on no record in particular."""

    resource: str
    operation: str


def doors(target: Target, roles: tuple[str, ...], closed_to: tuple[str, ...] = ()) -> list[Door]:
    """The doors open to `roles` and closed to anonymous and to `closed_to`, the plainest first."""
    return sorted(_doors(target, roles, closed_to), key=lambda door: _rank(target, door))


def _doors(target: Target, roles: tuple[str, ...], closed_to: tuple[str, ...]) -> Iterator[Door]:
    for resource, described in target.resources.items():
        for name, operation in described.operations.items():
            if described.kind(name) not in SAFE_KINDS or operation.not_tested is not None:
                continue
            if target.object_of(resource, name) or target.needs(resource, operation):
                continue
            shut = any(
                policy.grants(target, one, resource, name) for one in ((ANONYMOUS,), closed_to)
            )
            if policy.grants(target, roles, resource, name) and not shut:
                yield Door(resource, name)


def _rank(target: Target, door: Door) -> int:
    operation = target.operation(door.resource, door.operation)
    dated = bool(operation.placeholders)
    return _RANK[target.resources[door.resource].kind(door.operation)] + (10 if dated else 0)


def door_of(world: World, persona: str, closed_to: tuple[str, ...] = ()) -> Door:
    """The first door open to the persona. Raises NotBuilt if there is none."""
    roles = policy.roles_of(world.target, persona)
    found = doors(world.target, roles, closed_to)
    if not found:
        raise NotBuilt(
            f"{persona} is granted no read that needs neither a record nor is public, so nothing "
            "shows whether its credentials are worth anything"
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
) -> Read:
    """The door's operation as `persona`, by another session or with other credentials if given."""
    target = world.target
    operation = target.operation(door.resource, door.operation)
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
    says: str, read: Read, rule: str, control: Read | None = None, *, limited: bool = False
) -> Step:
    """A step that has to be refused."""
    return Step(says, read, Expected.DENY, rule, limited, control)
