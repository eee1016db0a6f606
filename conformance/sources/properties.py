"""Cases about the properties of records: what masks hide, and what a request may not set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from conformance import policy
from conformance.cases import Profile, matrix
from conformance.model import Because, Case, Expected
from conformance.target import SAFE_KINDS, Target

_BODIES = frozenset({"POST", "PUT", "PATCH"})


def _granted(target: Target, profile: Profile) -> Iterator[Case]:
    """What is granted, once for each set of roles; in the full profile in every tenant."""
    seen: set[tuple[object, ...]] = set()
    for case in matrix(target, profile):
        tenant = case.tenant if profile is Profile.FULL else None
        key = (case.roles, case.resource, case.operation, tenant)
        if case.because is Because.GRANTED and case.other is None and key not in seen:
            seen.add(key)
            yield replace(case, expected=Expected.DENY, because=Because.ROLE)


def masked(target: Target, profile: Profile) -> Iterator[Case]:
    """Everything that a role sees through a mask only, answers to writes included."""
    for case in _granted(target, profile):
        assert case.resource and case.operation
        if case.kind != "delete" and _is_masked(target, case) and _plantable(target, case):
            yield case


def masked_lists(target: Target, profile: Profile) -> Iterator[Case]:
    """Lists and searches by GET that a role sees through a mask only."""
    for case in masked(target, profile):
        operation = target.operation(case.resource or "", case.operation or "")
        if case.kind in SAFE_KINDS and operation.method == "GET" and operation.items is not None:
            yield case


def _plantable(target: Target, case: Case) -> bool:
    """Whether a record can be planted that the persona reaches by its grant."""
    assert case.persona and case.resource and case.operation
    existing = bool(target.resources[case.resource].instances)
    if not existing and policy.creating(target, case.resource) is None:
        return False
    granted = policy.grants(target, case.roles, case.resource, case.operation)
    return any(
        grant.covers(policy.standing(target, case.roles, case.resource, one), same_tenant=True)
        for one in policy.relations_of(target, case.persona, case.resource)
        for grant in granted
    )


def _is_masked(target: Target, case: Case) -> bool:
    """Whether every grant that reaches the case hides something."""
    assert case.resource and case.operation
    granted = policy.grants(target, case.roles, case.resource, case.operation)
    return bool(granted) and all(
        grant.mask is not None and _hides(target, grant.mask) for grant in granted
    )


def _hides(target: Target, mask: str) -> bool:
    return target.masks[mask].visible is not None or target.masks[mask].hidden is not None


def settable(target: Target, profile: Profile) -> Iterator[Case]:
    """Writes with a JSON object, once for each request and each set of properties it may set.

    In the full profile also writes without a body.
    """
    seen: set[tuple[object, ...]] = set()
    for case in _granted(target, profile):
        assert case.resource and case.operation
        operation = target.operation(case.resource, case.operation)
        if case.kind in {*SAFE_KINDS, "delete"} or operation.method not in _BODIES:
            continue
        if not isinstance(operation.json_, dict) and (
            profile is not Profile.FULL or operation.json_ is not None or operation.form
        ):
            continue
        if not _plantable(target, case):
            continue
        key = (
            case.resource,
            re.sub(r"{[^}]*}", "{}", operation.request),
            policy.writable(target, case.roles, case.resource, case.operation),
            case.persona if profile is Profile.FULL else None,
        )
        if key not in seen:
            seen.add(key)
            yield case
