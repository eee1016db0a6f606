"""What a schema cannot see: whether the parts of a target file fit together. Pure."""

from __future__ import annotations

from conformance.consistency import (
    claims,
    durability,
    fuzz,
    invariants,
    ledgers,
    races,
    resources,
    system,
    tables,
    workflows,
)
from conformance.document import Problem
from conformance.target import Target

_PARTS = (
    system,
    resources,
    claims,
    races,
    ledgers,
    workflows,
    invariants,
    durability,
    fuzz,
    tables,
)


def check(target: Target) -> list[Problem]:
    """Every name that is used in one place and missing in the other, with its place."""
    return [problem for part in _PARTS for problem in part.problems(target)]
