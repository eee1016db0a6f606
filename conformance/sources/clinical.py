"""Cases about decision tables: one for each sheet of rows that is tried together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance import boundaries, cases, policy
from conformance.boundaries import Row, Sheet
from conformance.cases import Profile
from conformance.model import Because, Case, Expected, Relation
from conformance.target import Target

LINE = (
    "tables: {early_warning: {table: news2, operation: vitals.record, "
    "inputs: {pulse: pulse, ...}, outputs: {aggregate: $.score}}}"
)
ALERTS = "alerts: {operation: alert.list, about: $.vitals_id, when: [{band: high}]}"


def sheets(target: Target, name: str) -> tuple[Sheet, ...]:
    """Everything to try of a table that the target applies."""
    applied, table = target.tables[name], target.table(name)
    return boundaries.sheets(table, applied.habits(table), tuple(applied.outputs))


def sheet_of(target: Target, case: Case) -> tuple[str, Sheet]:
    """The table and the sheet that a case is about."""
    assert case.variant
    name, _, wanted = case.variant.partition(".")
    return name, next(one for one in sheets(target, name) if one.id == wanted)


def subjects(target: Target, name: str, profile: Profile) -> Iterator[str]:
    """Who enters the inputs: the first persona that may; in the full profile one of each tenant."""
    resource, _, operation = target.tables[name].operation.partition(".")
    seen: set[str | None] = set()
    for persona in cases.subjects(target):
        tenant = policy.tenant_of(target, persona)
        if tenant not in seen and cases.can(target, persona, resource, operation):
            seen.add(tenant)
            yield persona
            if profile is not Profile.FULL:
                return


def _case(target: Target, name: str, persona: str, variant: str) -> Case:
    resource, _, operation = target.tables[name].operation.partition(".")
    return replace(
        cases.WHOLE,
        persona=persona,
        roles=policy.roles_of(target, persona),
        tenant=policy.tenant_of(target, persona),
        resource=resource,
        operation=operation,
        kind=target.resources[resource].kind(operation),
        relation=_relation(target, persona, resource, operation),
        expected=Expected.ALLOW,
        because=Because.GRANTED,
        variant=f"{name}.{variant}",
    )


def _relation(target: Target, persona: str, resource: str, operation: str) -> Relation:
    """The first relation in which the persona may do it."""
    roles = policy.roles_of(target, persona)
    granted = policy.grants(target, roles, resource, operation)
    about = target.object_of(resource, operation)
    for relation in policy.relations_of(target, persona, about) if about else ():
        standing = policy.standing(target, roles, about or resource, relation)
        if any(grant.covers(standing, same_tenant=True) for grant in granted):
            return relation
    return Relation.COLLECTION


def about(*kinds: str) -> cases.Source:
    """A source of the sheets of these kinds, of every table that the target applies."""

    def source(target: Target, profile: Profile) -> Iterator[Case]:
        if not target.tables:
            yield cases.unclaimed("tables", LINE)
        for name in target.tables:
            for persona in subjects(target, name, profile):
                for sheet in sheets(target, name):
                    if sheet.kind in kinds:
                        yield _case(target, name, persona, sheet.id)

    return source


def alerting(target: Target, profile: Profile) -> Iterator[Case]:
    """The sheets in which somebody has to be told, or just not."""
    if not any(applied.alerts for applied in target.tables.values()):
        yield cases.unclaimed("tables.NAME.alerts", ALERTS)
    for name, applied in target.tables.items():
        for persona in subjects(target, name, profile) if applied.alerts else ():
            for sheet in sheets(target, name):
                if sheet.kind == "thresholds":
                    yield _case(target, name, persona, sheet.id)


# --- corrections ------------------------------------------------------------------------------


def changes(target: Target, name: str) -> dict[str, tuple[Row, Row]]:
    """What is recorded, and what it is corrected to, by a word for it."""
    applied, table = target.tables[name], target.table(name)
    habits = applied.habits(table)
    ordinary, severe = boundaries.extremes(table, habits)
    found = {"too-severe": (severe, ordinary), "too-mild": (ordinary, severe)}
    lacking = boundaries.lacking(table, habits)
    if lacking is not None:
        found["to-incomplete"] = (severe, lacking)
        found["to-complete"] = (lacking, severe)
    return found


def corrections(target: Target, profile: Profile) -> Iterator[Case]:
    """Records that are corrected, up, down, and to or from an incomplete one."""
    if not any(applied.correction for applied in target.tables.values()):
        yield cases.unclaimed("tables.NAME.correction", "correction: vitals.correct")
    for name, applied in target.tables.items():
        for persona in subjects(target, name, profile) if applied.correction else ():
            for change in changes(target, name):
                yield _case(target, name, persona, change)
