"""Cases about what nobody declared: other methods, spellings, versions, pages of the inside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from conformance import known, policy
from conformance.cases import Profile, anonymous, matrix, of_persona, subjects
from conformance.model import Because, Case, Expected
from conformance.target import ANONYMOUS, SAFE_KINDS, Operation, Target

_WRITES = frozenset({"PUT", "PATCH", "DELETE"})


def _path(operation: Operation) -> str:
    return re.sub(r"{[^}]*}", "{}", operation.path).split("?", 1)[0]


def _operation(target: Target, case: Case) -> Operation:
    return target.operation(case.resource or "", case.operation or "")


def _is_plain(operation: Operation) -> bool:
    """Whether its path is written out: a link that the target hands out has no other methods."""
    return operation.path.startswith("/")


def _tried(case: Case) -> Case:
    """The case as one that is to be refused, whatever the plain operation is."""
    because = Because.ROLE if case.because is Because.GRANTED else case.because
    return replace(case, expected=Expected.DENY, because=because)


def methods(target: Target, profile: Profile) -> Iterator[Case]:
    """Every path, for whoever is granted most there; in the full profile for all who are."""
    granted: dict[str, list[Case]] = {}
    for case in matrix(target, profile):
        operation = _operation(target, case)
        if not _is_plain(operation) or case.other is not None:
            continue
        if case.because is Because.GRANTED:
            granted.setdefault(_path(operation), []).append(case)
    for found in granted.values():
        counts = {case.persona: 0 for case in found}
        for case in found:
            counts[case.persona] += 1
        most = max(counts.values())
        fitting = [case for case in found if counts[case.persona] == most]
        fitting.sort(key=lambda case: _operation(target, case).method != "GET")
        first = {case.persona: case for case in reversed(fitting)}
        tried = list(first.values()) if profile is Profile.FULL else fitting[:1]
        for case in tried:
            yield _tried(replace(case, kind="action"))


def overrides(target: Target, profile: Profile) -> Iterator[Case]:
    """A record that somebody may read, at a path where somebody else may write or delete it."""
    seen: set[tuple[object, ...]] = set()
    for case in matrix(target, profile):
        operation = _operation(target, case)
        if case.because is not Because.GRANTED or case.kind != "read" or case.other is not None:
            continue
        about = target.object_of(str(case.resource), str(case.operation))
        if operation.method != "GET" or about != case.resource:
            continue
        key = (_path(operation), case.persona if profile is Profile.FULL else None)
        if key not in seen and ungranted(target, case):
            seen.add(key)
            yield _tried(replace(case, kind="action"))


def ungranted(target: Target, case: Case) -> dict[str, str]:
    """The writes at the case's path that it is not granted: method, and operation ("" if none)."""
    assert case.resource and case.operation
    described = target.resources[case.resource].operations
    here = {
        operation.method: name
        for name, operation in described.items()
        if _path(operation) == _path(described[case.operation])
    }
    mine = {
        operation.method
        for name, operation in described.items()
        if _path(operation) == _path(described[case.operation])
        and policy.grants(target, case.roles, case.resource, name)
    }
    found = {method: name for method, name in here.items() if method in _WRITES - mine}
    return found if found or "DELETE" in mine else {"DELETE": ""}


def refused_reads(target: Target, profile: Profile) -> Iterator[Case]:
    """For each resource one read by GET: without a login, and by somebody to whom it is refused.

    That is the first of each reason (a role without a grant, no relation, another tenant); in the
    full profile everybody.
    """
    refused: dict[str, list[Case]] = {}
    for case in matrix(target, profile):
        if case.expected is Expected.DENY and main_read(target, case.resource) == case.operation:
            refused.setdefault(case.resource or "", []).append(case)
    for case in anonymous(target, profile):
        if case.expected is Expected.DENY and main_read(target, case.resource) == case.operation:
            yield case
    for found in refused.values():
        first = {case.because: case for case in reversed(found)}
        yield from found if profile is Profile.FULL else first.values()


def main_read(target: Target, resource: str | None) -> str | None:
    """The operation that shows records of the resource: `read`, or else a read or list by GET."""
    described = target.resources[resource or ""]
    names = [
        name
        for name, operation in described.operations.items()
        if described.kind(name) in {"read", "list"}
        and operation.method == "GET"
        and _is_plain(operation)
        and not operation.not_tested
    ]
    names.sort(key=lambda name: (described.kind(name) != "read", name != "read"))
    return names[0] if names else None


def shadows(target: Target, profile: Profile) -> Iterator[Case]:
    """Every operation that reads by GET, for somebody who may do it."""
    seen: set[tuple[object, ...]] = set()
    for case in matrix(target, profile):
        operation = _operation(target, case)
        key = (case.resource, _path(operation), case.persona if profile is Profile.FULL else None)
        if case.because is not Because.GRANTED or case.other is not None or key in seen:
            continue
        if case.kind in SAFE_KINDS and operation.method == "GET" and _is_plain(operation):
            seen.add(key)
            yield _tried(case)


def pages(target: Target, _profile: Profile) -> Iterator[Case]:
    """Each group of paths known from other systems, without a login and with the least of all."""
    people = [ANONYMOUS]
    logged_in = subjects(target)
    if logged_in:
        people.append(min(logged_in, key=lambda persona: _weight(target, persona)))
    for group in known.hidden_paths():
        for persona in people:
            because = Because.UNAUTHENTICATED if persona == ANONYMOUS else Because.ROLE
            yield of_persona(target, persona, group, because=because)


def _weight(target: Target, persona: str) -> int:
    """How much a persona is granted."""
    return sum(
        bool(policy.grants(target, policy.roles_of(target, persona), resource, name))
        for resource, described in target.resources.items()
        for name in described.operations
    )
