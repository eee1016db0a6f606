"""From target and policy to cases. Pure: grants are written, denials are derived.

Each source below is a function from (target, profile) to the cases of one kind. A suite picks a
source and narrows it; the suite, the property and the final id are stamped on by `stamp`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from enum import StrEnum

from conformance import policy
from conformance.model import Because, Case, Expected, Relation
from conformance.target import ANONYMOUS, SAFE_KINDS, Target


class Profile(StrEnum):
    """How much of the matrix a run walks."""

    SMOKE = "smoke"
    GATE = "gate"
    FULL = "full"


WHOLE = Case(
    id="",
    suite="",
    property="",
    sentence="",
    persona=None,
    roles=(),
    tenant=None,
    resource=None,
    operation=None,
    kind=None,
    relation=Relation.COLLECTION,
    expected=Expected.ALLOW,
    because=Because.GRANTED,
)

Source = Callable[[Target, Profile], Iterable[Case]]

_PLAIN = re.compile(r"[^A-Za-z0-9_.-]+")


def stamp(case: Case, suite: str, name: str, sentence: str) -> Case:
    """The case under its suite and property, with its stable, plain id."""
    parts = [suite, name, case.persona, case.resource, case.operation]
    if case.resource:
        parts.append(case.relation.value)
    parts += [case.other, case.variant]
    identity = _PLAIN.sub("-", ".".join(part for part in parts if part))
    return replace(case, id=identity, suite=suite, property=name, sentence=sentence)


def subjects(target: Target) -> list[str]:
    """One persona for each distinct set of roles in each tenant, in the order of the file.

    Further accounts with the same roles are the owners and controls that a case needs.
    """
    seen: set[tuple[str | None, tuple[str, ...]]] = set()
    found = []
    for name, persona in target.personas.items():
        key = (policy.tenant_of(target, name), tuple(sorted(persona.role)))
        if key not in seen:
            seen.add(key)
            found.append(name)
    return found


def _case(
    target: Target,
    persona: str,
    resource: str,
    operation: str,
    relation: Relation,
    expected: Expected,
    because: Because,
    *,
    other: str | None = None,
    variant: str | None = None,
) -> Case:
    return Case(
        id="",
        suite="",
        property="",
        sentence="",
        persona=persona,
        roles=policy.roles_of(target, persona),
        tenant=policy.tenant_of(target, persona),
        resource=resource,
        operation=operation,
        kind=target.resources[resource].kind(operation),
        relation=relation,
        expected=expected,
        because=because,
        other=other,
        variant=variant,
    )


def of_persona(
    target: Target,
    persona: str,
    variant: str,
    *,
    because: Because = Because.UNAUTHENTICATED,
    kind: str | None = None,
) -> Case:
    """A case about who somebody is rather than about one operation; `kind` if it writes."""
    return replace(
        WHOLE,
        persona=persona,
        roles=policy.roles_of(target, persona),
        tenant=policy.tenant_of(target, persona),
        kind=kind,
        expected=Expected.DENY,
        because=because,
        variant=variant,
    )


def unclaimed(key: str, line: str) -> Case:
    """The case that stands for all those that the target file does not claim, and what would."""
    return replace(
        WHOLE,
        variant=f"not-claimed.{key}",
        unclaimed=f"the target file has no {key}; to claim it, write for example {line}",
    )


def operations(target: Target) -> Iterator[tuple[str, str]]:
    """Every operation that is to be tested, as (resource, name)."""
    for resource, described in target.resources.items():
        for name in described.operations:
            if described.operations[name].not_tested is None:
                yield resource, name


def others(target: Target, persona: str, profile: Profile) -> list[str]:
    """The tenants that a persona is tried against: the next one, in the full profile all."""
    names = policy.tenants(target)
    own = policy.tenant_of(target, persona)
    if own not in names:
        return []
    start = names.index(own) + 1
    rotated = [*names[start:], *names[: start - 1]]
    return rotated if profile is Profile.FULL else rotated[:1]


def matrix(target: Target, profile: Profile) -> Iterator[Case]:
    """Every persona × every operation × every relation that differs."""
    for resource, operation in operations(target):
        for persona in subjects(target):
            yield from _of_persona(target, profile, persona, resource, operation)


def _of_persona(
    target: Target, profile: Profile, persona: str, resource: str, operation: str
) -> Iterator[Case]:
    roles = policy.roles_of(target, persona)
    granted = policy.grants(target, roles, resource, operation)
    about = target.object_of(resource, operation)
    if about is None:
        expected = Expected.ALLOW if granted else Expected.DENY
        because = Because.GRANTED if granted else Because.ROLE
        yield _case(target, persona, resource, operation, Relation.COLLECTION, expected, because)
        return
    within = policy.relations_of(target, persona, about)
    if not granted:
        tried = within if profile is Profile.FULL else within[:1]
        for relation in tried:
            yield _case(target, persona, resource, operation, relation, Expected.DENY, Because.ROLE)
    else:
        for relation in within:
            related = policy.standing(target, roles, about, relation)
            allowed = any(grant.covers(related, same_tenant=True) for grant in granted)
            yield _case(
                target,
                persona,
                resource,
                operation,
                relation,
                Expected.ALLOW if allowed else Expected.DENY,
                Because.GRANTED if allowed else Because.UNRELATED,
            )
    if not granted and profile is not Profile.FULL:
        return
    for other in others(target, persona, profile):
        everywhere = any(grant.effect == "global" for grant in granted)
        yield _case(
            target,
            persona,
            resource,
            operation,
            Relation.OTHER_TENANT,
            Expected.ALLOW if everywhere else Expected.DENY,
            Because.GRANTED if everywhere else (Because.OTHER_TENANT if granted else Because.ROLE),
            other=other,
        )


def anonymous(target: Target, profile: Profile) -> Iterator[Case]:
    """Every operation without any credential."""
    tenants = policy.tenants(target)
    for resource, operation in operations(target):
        granted = policy.grants(target, (ANONYMOUS,), resource, operation)
        about = target.object_of(resource, operation)
        tried = tenants if profile is Profile.FULL else tenants[:1]
        for tenant in tried if about else [None]:
            yield _case(
                target,
                ANONYMOUS,
                resource,
                operation,
                Relation.SAME_TENANT
                if about and granted
                else (Relation.OTHER_TENANT if about else Relation.COLLECTION),
                Expected.ALLOW if granted else Expected.DENY,
                Because.GRANTED if granted else Because.UNAUTHENTICATED,
                other=tenant,
            )


def smoke(cases: Iterable[Case], *, by_role: bool) -> Iterator[Case]:
    """Of `cases`, one allowed and one denied for each resource, `by_role` for each role as well."""
    seen: set[tuple[object, ...]] = set()
    for case in cases:
        key = (case.roles if by_role else None, case.resource, case.expected)
        if key not in seen:
            seen.add(key)
            yield case


def foreign(target: Target, profile: Profile) -> Iterator[Case]:
    """Somebody else's id where the target promises to answer as for one that never existed.

    Always for another tenant; inside the tenant if the declared statuses for unrelated and
    missing records are the same.
    """
    alike = target.refusals.unrelated is not None and (
        target.refusals.unrelated == target.refusals.missing
    )
    for case in matrix(target, profile):
        about = target.object_of(case.resource or "", case.operation or "")
        if about is None or (target.resources[about].instances and not _never(target, about)):
            continue
        if case.because is Because.OTHER_TENANT or (alike and case.because is Because.UNRELATED):
            yield case


def incomparable(target: Target, profile: Profile) -> Iterator[Case]:
    """Somebody else's id where nothing is promised about ids that never existed."""
    compared = {
        (case.persona, case.resource, case.operation, case.relation, case.other)
        for case in foreign(target, profile)
    }
    for case in matrix(target, profile):
        place = (case.persona, case.resource, case.operation, case.relation, case.other)
        if case.because in {Because.OTHER_TENANT, Because.UNRELATED} and place not in compared:
            yield case


def timed(target: Target, profile: Profile) -> Iterator[Case]:
    """Reads of another tenant's record by one who may read records, one for each operation."""
    seen: set[tuple[str | None, str | None]] = set()
    if profile is Profile.SMOKE:
        return
    for case in foreign(target, profile):
        key = (case.resource, case.operation)
        if case.kind != "read" or case.because is not Because.OTHER_TENANT or key in seen:
            continue
        seen.add(key)
        yield replace(case, variant="timed")


def _never(target: Target, resource: str) -> bool:
    existing = target.resources[resource].instances
    return target.resources[resource].never is not None or all(
        re.fullmatch(r"\d+|[0-9a-fA-F-]{36}", str(instance.id)) for instance in existing
    )


def _granted(target: Target, persona: str, resource: str, operation: str) -> bool:
    roles = policy.roles_of(target, persona)
    return bool(policy.grants(target, roles, resource, operation))


def wrong_parents(target: Target, profile: Profile) -> Iterator[Case]:
    """A child under a parent that is not its own: theirs under mine."""
    for resource, operation in operations(target):
        template = target.operation(resource, operation)
        parent = target.resources[resource].parent
        names = template.placeholders
        if parent is None or not {"id", f"{resource}.id"} & names or f"{parent}.id" not in names:
            continue
        yield from _against(target, profile, resource, operation, ("their-child-under-my-parent",))


def _strange(
    target: Target, profile: Profile, persona: str, resource: str, operation: str
) -> list[tuple[Relation, str | None]]:
    """The relations that a granted persona may not use here: unrelated, and other tenants."""
    roles = policy.roles_of(target, persona)
    granted = policy.grants(target, roles, resource, operation)
    found: list[tuple[Relation, str | None]] = []
    if not any(grant.covers(frozenset(), same_tenant=True) for grant in granted):
        found.append((Relation.SAME_TENANT, None))
    if not any(grant.effect == "global" for grant in granted):
        found += [(Relation.OTHER_TENANT, name) for name in others(target, persona, profile)]
    return found


def _against(
    target: Target, profile: Profile, resource: str, operation: str, variants: tuple[str, ...]
) -> Iterator[Case]:
    """Every granted persona against the records that it may not touch, in each variant."""
    for persona in subjects(target):
        if not _granted(target, persona, resource, operation):
            continue
        for relation, other in _strange(target, profile, persona, resource, operation):
            for variant in variants:
                yield _case(
                    target,
                    persona,
                    resource,
                    operation,
                    relation,
                    Expected.DENY,
                    Because.OTHER_TENANT if other else Because.UNRELATED,
                    other=other,
                    variant=variant,
                )


def body_ids(target: Target, profile: Profile) -> Iterator[Case]:
    """A permitted write whose body names somebody else's record beside the one in the path."""
    for resource, operation in operations(target):
        template = target.operation(resource, operation)
        if template.method not in {"POST", "PUT", "PATCH"} or not isinstance(template.json_, dict):
            continue
        if target.resources[resource].kind(operation) in SAFE_KINDS:
            continue
        yield from _against(target, profile, resource, operation, ("in-body",))


def references(target: Target, profile: Profile) -> Iterator[Case]:
    """A permitted request that refers to another tenant's record beside its own object."""
    for resource, operation in operations(target):
        about = target.object_of(resource, operation)
        named = target.needs(resource, target.operation(resource, operation))
        line = (about, *(target.ancestors(about) if about else ()))
        for reference in named:
            if reference in line:
                continue
            for persona in subjects(target):
                if _granted(target, persona, resource, operation) and not _everywhere(
                    target, persona, resource, operation, reference
                ):
                    for other in others(target, persona, profile):
                        yield _case(
                            target,
                            persona,
                            resource,
                            operation,
                            Relation.OTHER_TENANT,
                            Expected.DENY,
                            Because.OTHER_TENANT,
                            other=other,
                            variant=reference,
                        )


def can(target: Target, persona: str, resource: str, operation: str) -> bool:
    """Whether the persona can stand in a relation in which it is granted the operation."""
    roles = policy.roles_of(target, persona)
    granted = policy.grants(target, roles, resource, operation)
    about = target.object_of(resource, operation)
    if about is None:
        return bool(granted)
    return any(
        grant.covers(policy.standing(target, roles, about, relation), same_tenant=True)
        for relation in policy.relations_of(target, persona, about)
        for grant in granted
    )


def _everywhere(
    target: Target, persona: str, resource: str, operation: str, reference: str
) -> bool:
    """Whether the policy lets the persona use `reference` across tenants."""
    roles = policy.roles_of(target, persona)
    described = target.resources[reference]
    safe = [name for name in described.operations if described.kind(name) in SAFE_KINDS]
    granted = policy.grants(target, roles, resource, operation)
    for name in safe:
        granted += policy.grants(target, roles, reference, name)
    return any(grant.effect == "global" for grant in granted)


BATCH_POSITIONS = ("theirs-first", "theirs-last", "theirs-in-between", "only-theirs")


def batches(target: Target, profile: Profile) -> Iterator[Case]:
    """Batches in which one id is not the persona's to touch, in every position."""
    for resource, operation in operations(target):
        if not target.batch(resource, operation):
            continue
        yield from _against(target, profile, resource, operation, BATCH_POSITIONS)


def _permitted(target: Target, kinds: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    for resource, operation in operations(target):
        if target.resources[resource].kind(operation) in kinds:
            for persona in subjects(target):
                if _granted(target, persona, resource, operation):
                    yield persona, resource, operation


def listings(target: Target, _profile: Profile) -> Iterator[Case]:
    """Every list and export that a persona may ask for."""
    for persona, resource, operation in _permitted(target, frozenset({"list"})):
        about = target.object_of(resource, operation)
        relation = Relation.COLLECTION
        if about is not None:
            roles = policy.roles_of(target, persona)
            granted = policy.grants(target, roles, resource, operation)
            fitting = (
                one
                for one in policy.relations_of(target, persona, about)
                if any(
                    grant.covers(policy.standing(target, roles, about, one), same_tenant=True)
                    for grant in granted
                )
            )
            first = next(fitting, None)
            if first is None:
                continue
            relation = first
        yield _case(target, persona, resource, operation, relation, Expected.ALLOW, Because.GRANTED)


def counted(target: Target, profile: Profile) -> Iterator[Case]:
    """Operations that only count, by those who may also list what they count."""
    del profile
    for persona, resource, operation in _permitted(target, SAFE_KINDS):
        rows = target.operation(resource, operation).counts
        if rows is None or not _granted(target, persona, resource, rows):
            continue
        yield _case(
            target,
            persona,
            resource,
            operation,
            Relation.COLLECTION,
            Expected.ALLOW,
            Because.GRANTED,
        )


def gathering(target: Target, profile: Profile) -> Iterator[Case]:
    """Exports and summaries that gather records of other resources, for all who may have them."""
    del profile
    for persona, resource, operation in _permitted(target, frozenset({"read", "list", "action"})):
        template = target.operation(resource, operation)
        if not template.shows or not can(target, persona, resource, operation):
            continue
        yield _case(
            target,
            persona,
            resource,
            operation,
            Relation.COLLECTION,
            Expected.ALLOW,
            Because.GRANTED,
        )


def paged(target: Target, profile: Profile) -> Iterator[Case]:
    """Lists that page with a cursor, for a persona against another tenant's cursor."""
    for case in listings(target, profile):
        operation = target.operation(case.resource or "", case.operation or "")
        if operation.next is None or operation.next.start is not None:
            continue
        if case.relation is not Relation.COLLECTION:
            continue
        for other in others(target, case.persona or "", profile):
            yield replace(
                case,
                relation=Relation.OTHER_TENANT,
                expected=Expected.DENY,
                because=Because.OTHER_TENANT,
                other=other,
            )


def searches(target: Target, profile: Profile) -> Iterator[Case]:
    """Searches for another tenant's value, whole and by its beginning."""
    for persona, resource, operation in _permitted(target, frozenset({"search"})):
        if _everywhere(target, persona, resource, operation, resource):
            continue
        for other in others(target, persona, profile):
            for variant in ("whole-value", "beginning"):
                yield _case(
                    target,
                    persona,
                    resource,
                    operation,
                    Relation.OTHER_TENANT,
                    Expected.DENY,
                    Because.OTHER_TENANT,
                    other=other,
                    variant=variant,
                )


def selectors(target: Target, profile: Profile) -> Iterator[Case]:
    """Another tenant named in the request (header, host, path, query) with one's own login.

    What is sent without naming a tenant is left out.
    """
    tenancy = target.tenancy
    if not (tenancy.header or tenancy.host or tenancy.path or tenancy.query):
        return
    for case in matrix(target, profile):
        if not target.operation(case.resource or "", case.operation or "").tenancy:
            continue
        if case.because is Because.OTHER_TENANT:
            yield replace(case, variant="their-tenant-named")
        elif case.relation is Relation.COLLECTION and case.because is Because.GRANTED:
            for other in others(target, case.persona or "", profile):
                yield replace(
                    case,
                    relation=Relation.OTHER_TENANT,
                    expected=Expected.DENY,
                    because=Because.OTHER_TENANT,
                    other=other,
                    variant="their-tenant-named",
                )


def undeclared_selectors(target: Target, profile: Profile) -> Iterator[Case]:
    """Another tenant named in headers that the target never declared, on reads and lists.

    One of each for every persona; a target that declares how to name a tenant has `selectors`.
    """
    tenancy = target.tenancy
    if tenancy.header or tenancy.host or tenancy.path or tenancy.query:
        return
    seen: set[tuple[str | None, str | None, str]] = set()
    for case in matrix(target, profile):
        across = case.kind == "read" and case.because is Because.OTHER_TENANT
        listed = case.kind == "list" and case.relation is Relation.COLLECTION
        key = (case.persona, case.resource, case.kind or "")
        if key in seen or not (across or (listed and case.because is Because.GRANTED)):
            continue
        if profile is not Profile.FULL and (case.persona, None, case.kind or "") in seen:
            continue
        seen |= {key, (case.persona, None, case.kind or "")}
        if across:
            yield replace(case, variant="undeclared-header")
        else:
            for other in others(target, case.persona or "", profile):
                yield replace(case, other=other, variant="undeclared-header")


ERRORS = ("odd-id", "missing-id", "broken-body", "wrong-types", "sent-twice", "no-login")


def errors(target: Target, _profile: Profile) -> Iterator[Case]:
    """Requests that must end in an error, by somebody who may make right ones."""
    for resource, operation in operations(target):
        template = target.operation(resource, operation)
        about = target.object_of(resource, operation)
        fitting = (one for one in subjects(target) if can(target, one, resource, operation))
        persona = next(fitting, None)
        if persona is None:
            continue
        writes = target.resources[resource].kind(operation) not in SAFE_KINDS
        for variant in ERRORS:
            if variant in {"odd-id", "missing-id"} and about is None:
                continue
            if variant in {"broken-body", "wrong-types"} and template.json_ is None:
                continue
            if variant == "sent-twice" and not writes:
                continue
            yield _case(
                target,
                persona,
                resource,
                operation,
                Relation.NONE if about else Relation.COLLECTION,
                Expected.DENY,
                Because.MISSING,
                variant=variant,
            )


def claims(target: Target, _profile: Profile) -> Iterator[Case]:
    """Resources whose ids the target claims to be unguessable."""
    for resource, described in target.resources.items():
        for value in described.unguessable:
            yield replace(
                WHOLE,
                resource=resource,
                expected=Expected.DENY,
                because=Because.MISSING,
                variant=value,
            )


def whole(_target: Target, _profile: Profile) -> Iterator[Case]:
    """One case about the target as a whole."""
    yield WHOLE
