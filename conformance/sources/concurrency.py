"""Cases about races, and about what keeps requests from taking effect twice or too late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from conformance import policy
from conformance.cases import WHOLE, Profile, Source, unclaimed
from conformance.model import Because, Case, Expected
from conformance.races import Kind, Race
from conformance.schema import placeholders_in
from conformance.target import ANONYMOUS, Target

_LINES: dict[Kind, str] = {
    "at_most_one": (
        "one_bed: {kind: at_most_one, setup: [{make: bed}], contenders: [{as: nurse, times: 5, "
        "before: [{make: patient}], do: admission.admit}], lost: 409}"
    ),
    "lost_update": (
        "one_writer: {kind: lost_update, setup: [{make: order}, {as: physician, do: order.read, "
        "take: {version: header:ETag}}], contenders: [{as: physician, times: 4, do: order.amend, "
        'headers: {If-Match: "{version}"}}], lost: 412}'
    ),
    "idempotency": (
        "one_order: {kind: idempotency, setup: [{make: patient}], contenders: [{as: physician, "
        'times: 3, do: order.create, headers: {Idempotency-Key: "{key}"}}], '
        "key: {other_body: 422}}"
    ),
    "sequence": (
        "numbers: {kind: sequence, setup: [{make: patient}], contenders: [{as: clerk, times: 5, "
        "do: bill.create, take: {number: $.number}}]}"
    ),
    "cross": (
        "end_or_order: {kind: cross, setup: [{make: admission}], contenders: [{tag: end, "
        "as: nurse, do: admission.discharge}, {tag: order, as: physician, do: admission.order}], "
        "never: [[end, order]]}"
    ),
    "spend_once": (
        "one_reset: {kind: spend_once, setup: [{as: admin, request: POST /resets, "
        "take: {token: $.token}}], contenders: [{as: anonymous, times: 4, "
        'request: POST /resets/confirm, json: {token: "{token}"}}], lost: 401}'
    ),
}


def race_of(target: Target, case: Case) -> tuple[str, Race]:
    """The race that a case is about, with its name."""
    assert case.variant is not None
    name = case.variant.split(".")[0]
    return name, target.races[name]


def races(kind: Kind) -> Source:
    """The races of a kind, each once; in the full profile with authentication in the race too."""

    def source(target: Target, profile: Profile) -> Iterator[Case]:
        ways = ["at-once", "at-once-with-heads"] if profile is Profile.FULL else ["at-once"]
        yield from _cases(target, kind, lambda _name, _race: ways)

    return source


def _cases(
    target: Target,
    kind: Kind,
    variants: Callable[[str, Race], list[str]],
    lacking: tuple[str, str] | None = None,
) -> Iterator[Case]:
    """A case for each variant of each race; one unclaimed case if there is none at all."""
    found = False
    for name, race in target.races.items():
        if race.kind == kind:
            for variant in variants(name, race):
                found = True
                yield _case(target, name, race, variant)
    if not found:
        yield unclaimed(*(lacking or (f"races of the kind {kind}", _LINES[kind])))


def _case(target: Target, name: str, race: Race, variant: str) -> Case:
    first = race.contenders[0]
    resource, operation = first.operation or (None, None)
    tenant = race.tenant or policy.tenants(target)[0]
    persona = _persona(target, first.as_, tenant)
    roles = policy.roles_of(target, persona) if persona else ()
    return replace(
        WHOLE,
        persona=persona,
        roles=roles,
        tenant=tenant,
        resource=resource,
        operation=operation,
        kind="action",
        expected=Expected.DENY,
        because=Because.GRANTED,
        variant=f"{name}.{variant}",
    )


def _persona(target: Target, names: list[str], tenant: str) -> str | None:
    """The persona that comes first: as it is called, or with that role in the tenant."""
    for name in names:
        if name == ANONYMOUS or name in target.personas:
            return name
        for persona, account in target.personas.items():
            if name in account.role and policy.tenant_of(target, persona) == tenant:
                return persona
    return None


def versions(target: Target, _profile: Profile) -> Iterator[Case]:
    """Changes that name no version."""
    yield from _cases(
        target,
        "lost_update",
        lambda _name, race: ["no-version"] if race.version.missing is not None else [],
        ("races.NAME.version.missing", "version: {missing: 428}  # of a race of kind lost_update"),
    )


def changes(target: Target, _profile: Profile) -> Iterator[Case]:
    """Changes that have to give a record a new version."""
    yield from _cases(
        target,
        "lost_update",
        lambda _name, race: ["new-version"] if race.version.read and race.version.changes else [],
        (
            "races.NAME.version.changes",
            "version: {read: {as: nurse, do: order.read, take: {version: header:ETag}}, "
            "changes: [{as: nurse, do: item.add}]}  # of a race of kind lost_update",
        ),
    )


def _of_a_record(target: Target, race: Race) -> bool:
    """Whether the path of the request names a record, so that there is another one."""
    path = race.contenders[0].template(target).path
    return bool(placeholders_in(path))


def repetitions(target: Target, _profile: Profile) -> Iterator[Case]:
    """Requests with a key that come again, in turn: as they were, and in other ways."""
    several = len(policy.tenants(target)) > 1

    def variants(_name: str, race: Race) -> list[str]:
        key = race.key
        found = ["again"]
        found += ["other-body"] if key.other_body is not None else []
        found += ["other-record"] if _of_a_record(target, race) else []
        found += [f"other-persona.{one}" for one in key.other_personas]
        found += ["other-tenant"] if key.other_tenant and several else []
        return found + (["after-restart"] if key.outlives_restart else [])

    yield from _cases(target, "idempotency", variants)
