"""Cases about the audit trail: what leaves an entry, what it says, who may come near it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from conformance import policy
from conformance.cases import (
    WHOLE,
    Profile,
    anonymous,
    errors,
    matrix,
    of_persona,
    subjects,
    unclaimed,
)
from conformance.claims import Event, Trail, TrailRead
from conformance.doors import doors
from conformance.model import Because, Case, Expected
from conformance.target import ANONYMOUS, Login, Target

LINE = (
    'audit: {read: {request: GET /audit, query: {correlation_id: "{correlation}"}, '
    'items: "$.items[*]", as: auditor}, header: X-Correlation-Id, '
    "entry: {correlation: $.correlation_id, actor: $.actor, time: $.at}}"
)
_DENIED = {
    Because.ROLE: "denied-by-role",
    Because.UNRELATED: "denied-by-relation",
    Because.OTHER_TENANT: "denied-across-tenants",
}
FORGERIES = (
    "user-headers",
    "address-headers",
    "date-headers",
    "id-with-line-breaks",
    "id-with-separators",
    "id-with-direction-marks",
    "id-over-long",
)
REPEATED = ("id-of-somebody-else", "id-sent-twice")


def _claimed(target: Target, event: Event | None = None) -> Case | None:
    """The case that stands in for all others if the trail, or such an entry, is not claimed."""
    if target.audit is None:
        return unclaimed("audit", LINE)
    if event is not None and event not in target.audit.events:
        said = ", ".join((*target.audit.events, event))
        return unclaimed(f"audit.events-{event}", f"audit: {{events: [{said}]}}")
    return None


def recorded(target: Target, resource: str, operation: str) -> bool:
    """Whether attempts at an operation must leave an entry: not if public or exempt."""
    trail = target.audit
    assert trail is not None
    public = policy.grants(target, (ANONYMOUS,), resource, operation)
    return not public and f"{resource}.{operation}" not in trail.exempt


def _recorded(target: Target, cases: Iterable[Case]) -> Iterator[Case]:
    return (case for case in cases if recorded(target, case.resource or "", case.operation or ""))


def _spread(cases: Iterable[Case], profile: Profile, *, by: str) -> Iterator[Case]:
    """One case for each operation, or below the full profile for each resource; by turns.

    `by` is "operation" to have one for each operation in every profile. Which persona and which
    operation it is goes round, so that over all resources every one has its turn.
    """
    groups: dict[tuple[str | None, ...], list[Case]] = {}
    for case in cases:
        one = (case.resource, case.variant)
        key = (*one, case.operation) if by == "operation" or profile is Profile.FULL else one
        groups.setdefault(key, []).append(case)
    for turn, group in enumerate(groups.values()):
        yield group[turn * 7 % len(group)]


def allowed(target: Target, profile: Profile) -> Iterator[Case]:
    """Every operation once, by somebody who may."""
    absent = _claimed(target, "allowed")
    if absent is not None:
        yield absent
        return
    granted = (
        replace(case, variant="allowed")
        for case in _recorded(target, matrix(target, Profile.GATE))
        if case.because is Because.GRANTED and case.other is None
    )
    yield from _spread(granted, profile, by="operation")


def refused(target: Target, profile: Profile) -> Iterator[Case]:
    """Operations by those whose role, relation or tenant they are denied to."""
    absent = _claimed(target, "denied")
    if absent is not None:
        yield absent
        return
    denied = (
        replace(case, variant=_DENIED[case.because])
        for case in _recorded(target, matrix(target, Profile.GATE))
        if case.because in _DENIED
    )
    yield from _spread(denied, profile, by="resource")


def without_login(target: Target, profile: Profile) -> Iterator[Case]:
    """Operations without a login."""
    absent = _claimed(target, "unauthenticated")
    if absent is not None:
        yield absent
        return
    tried = (
        replace(case, variant="unauthenticated")
        for case in _recorded(target, anonymous(target, Profile.GATE))
        if case.expected is Expected.DENY
    )
    yield from _spread(tried, profile, by="resource")


def failing(target: Target, profile: Profile) -> Iterator[Case]:
    """Permitted operations that fail: by their body, or because there is no such record."""
    absent = _claimed(target, "failed")
    if absent is not None:
        yield absent
        return
    tried = (
        case
        for case in _recorded(target, errors(target, Profile.GATE))
        if case.variant in {"broken-body", "missing-id"}
    )
    yield from _spread(tried, profile, by="resource")


def knocking(target: Target, tenants: Iterable[str]) -> Iterator[str]:
    """For each tenant one persona with a door that is on record, not the trail's own reader."""
    for tenant in tenants:
        there = [one for one in subjects(target) if policy.tenant_of(target, one) == tenant]
        there.sort(key=lambda one: _reads(target, one))
        for persona in there:
            roles = policy.roles_of(target, persona)
            if any(recorded(target, one.resource, one.operation) for one in doors(target, roles)):
                yield persona
                break


def _reads(target: Target, persona: str) -> bool:
    """Whether the persona may read a trail."""
    trail = target.audit
    assert trail is not None
    roles = policy.roles_of(target, persona)
    return any(may_read(target, read, persona, roles) for read in _reads_of(trail))


def _reads_of(trail: Trail) -> tuple[TrailRead, ...]:
    return tuple(read for read in (trail.read, trail.unattributed) if read is not None)


def operation_of(target: Target, read: TrailRead) -> tuple[str, str] | None:
    """The (resource, operation) that reading the trail is, if the target file has it as one."""
    wanted = (read.method, read.path.partition("?")[0])
    for resource, described in target.resources.items():
        for name, operation in described.operations.items():
            if (operation.method, operation.path.partition("?")[0]) == wanted:
                return resource, name
    return None


def may_read(target: Target, read: TrailRead, persona: str, roles: tuple[str, ...]) -> bool:
    """Whether somebody may read the trail: by `as`, or granted the operation that it is."""
    operation = operation_of(target, read)
    named = {persona, *roles} & set(read.as_)
    return bool(named) or (operation is not None and bool(policy.grants(target, roles, *operation)))


def _tenants(target: Target, profile: Profile) -> tuple[str, ...]:
    every = policy.tenants(target)
    return every if profile is Profile.FULL else every[:1]


def forged(target: Target, profile: Profile) -> Iterator[Case]:
    """What a caller may say of itself, in headers and in the correlation id."""
    absent = _claimed(target)
    if absent is not None:
        yield absent
        return
    assert target.audit is not None
    for persona in knocking(target, _tenants(target, profile)):
        for variant in FORGERIES:
            if variant.startswith("id-") and target.audit.header is None:
                continue
            yield of_persona(target, persona, variant, because=Because.GRANTED)


def reused(target: Target, profile: Profile) -> Iterator[Case]:
    """A correlation id that is sent a second time."""
    absent = _claimed(target)
    if absent is not None:
        yield absent
        return
    assert target.audit is not None
    if target.audit.header is None:
        yield unclaimed("audit.header", "audit: {header: X-Correlation-Id}")
        return
    for persona in knocking(target, _tenants(target, profile)):
        for variant in REPEATED:
            yield of_persona(target, persona, variant, because=Because.GRANTED)


def bordered(target: Target, _profile: Profile) -> Iterator[Case]:
    """In each tenant, somebody whose entry belongs there and nowhere else."""
    absent = _claimed(target)
    if absent is not None:
        yield absent
        return
    every = policy.tenants(target)
    if len(every) < 2:
        return
    for persona in knocking(target, every):
        tenant = policy.tenant_of(target, persona) or every[0]
        other = every[(every.index(tenant) + 1) % len(every)]
        yield replace(of_persona(target, persona, "entry"), other=other)


def closed(target: Target, profile: Profile) -> Iterator[Case]:
    """Everybody who is not granted to read the trail."""
    absent = _claimed(target)
    if absent is not None:
        yield absent
        return
    trail = target.audit
    assert trail is not None
    tenants = _tenants(target, profile)
    for persona in (*subjects(target), ANONYMOUS):
        roles = policy.roles_of(target, persona)
        if persona != ANONYMOUS and policy.tenant_of(target, persona) not in tenants:
            continue
        for name, read in (("read", trail.read), ("unattributed", trail.unattributed)):
            if read is not None and not may_read(target, read, persona, roles):
                because = Because.UNAUTHENTICATED if persona == ANONYMOUS else Because.ROLE
                yield of_persona(target, persona, name, because=because)


def kept(target: Target, profile: Profile) -> Iterator[Case]:
    """Everybody, readers and administrators included, against an entry that is there."""
    absent = _claimed(target)
    if absent is not None:
        yield absent
        return
    for persona in subjects(target):
        if policy.tenant_of(target, persona) in _tenants(target, profile):
            yield of_persona(target, persona, "entry", because=Because.ROLE, kind="delete")


def confidential(target: Target, profile: Profile) -> Iterator[Case]:
    """Attempts that carry what must not be kept: content in odd places, a wrong password."""
    absent = _claimed(target)
    if absent is not None:
        yield absent
        return
    searching = [
        replace(case, variant="search-term")
        for case in _recorded(target, matrix(target, Profile.GATE))
        if case.kind == "search" and case.because is Because.GRANTED and case.other is None
    ]
    yield from _spread(searching, Profile.GATE, by="resource")
    rejected = (
        replace(case, variant="rejected-body")
        for case in _recorded(target, errors(target, Profile.GATE))
        if case.variant == "wrong-types" and case.kind in {"create", "update"}
    )
    yield from _spread(rejected, profile, by="resource")
    for persona in knocking(target, _tenants(target, profile)):
        if passwords(target.login[_login(target, persona)]):
            yield of_persona(target, persona, "wrong-password")


def _login(target: Target, persona: str) -> str:
    return target.account(persona).login or next(iter(target.login))


def passwords(login: Login) -> frozenset[str]:
    """The facts by which a login by one request proves itself."""
    step = login.step()
    named = step.placeholders if step is not None and not login.before else frozenset()
    return frozenset(named & {"password", "secret", "pin", "client_secret"})


def reconciled(target: Target, _profile: Profile) -> Iterator[Case]:
    """The whole run against the trail of each tenant, and against the unattributed one."""
    absent = _claimed(target)
    if absent is not None:
        yield absent
        return
    trail = target.audit
    assert trail is not None
    for tenant in policy.tenants(target):
        yield replace(WHOLE, tenant=tenant, variant=tenant)
    if "unauthenticated" in trail.events:
        yield replace(WHOLE, variant="unattributed")
