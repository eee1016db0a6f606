"""Doors: operations at which nothing but the credentials decides. Pure.

A door is open to some roles by their grants, closed to whoever is not logged in, and needs no
record, so that an answer there speaks of the credentials alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from conformance import policy
from conformance.target import ANONYMOUS, SAFE_KINDS, Target

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
