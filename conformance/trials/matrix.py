"""One cell of the matrix: the case itself, its control, and the read-backs around a write."""

from __future__ import annotations

from conformance import policy
from conformance.instances import Instance
from conformance.model import Case, Expected, Outcome, Read, Relation, Trial
from conformance.target import Operation
from conformance.trials.pages import walk
from conformance.trials.setting import (
    control_of,
    convention,
    differ,
    read_back,
    remember,
    send,
    set_up,
    subject,
    unproved_by,
)
from conformance.world import World


def attempt(world: World, case: Case) -> Trial:
    """The case itself, its control on the same id, and the read-backs around a write."""
    setting = set_up(world, case)
    named = setting.tenant if case.variant == "their-tenant-named" else None
    unproved = unproved_by(setting) if setting.writes else None
    before = read_back(world, setting) if setting.writes else ()
    template = setting.operation
    if case.variant == "undeclared-header":
        if setting.about is None and policy.creating(world.target, setting.resource):
            world.obtain(setting.resource, setting.tenant, {})
        template = _naming(world, template, setting.tenant)
    read, payload = send(
        world, setting, setting.persona, "attempt", tenant_named=named, template=template
    )
    if world.waits(read):
        read, payload = send(
            world, setting, setting.persona, "attempt", tenant_named=named, template=template
        )
    allowed = read.outcome is Outcome.ALLOWED
    made = None
    if case.kind == "create" and allowed and read.exchange.answer is not None:
        made = remember(world, setting, setting.persona, read.exchange, payload)
    carried = set(payload.carried)
    if made is not None:
        carried.add(str(made.id).lower())
    after: tuple[Read, ...] = ()
    again: tuple[Read, ...] = ()
    if setting.writes:
        if made is not None and case.expected is Expected.ALLOW:
            after = _read_made(world, made)
            unproved = None if after else "no operation reads back what was made"
        else:
            after = read_back(world, setting)
            if not allowed and differ(before, after):
                again = read_back(world, setting)
    control = None
    if (case.expected is Expected.DENY and not (allowed and setting.writes)) or (
        case.expected is Expected.ALLOW and read.outcome.refused
    ):
        control = control_of(world, setting)
    return Trial(
        case=case,
        attempt=read,
        control=control,
        before=before,
        after=after,
        again=again,
        subject=subject(setting),
        carried=frozenset(carried),
        convention=convention(world, case),
        unproved=unproved,
        shows_change=setting.operation.shows_change,
    )


_TENANT_HEADERS = ("X-Tenant", "X-Tenant-Id", "X-Organization-Id", "X-Facility", "X-Facility-Id")


def _naming(world: World, template: Operation, tenant: str) -> Operation:
    """The template with usual headers that name `tenant`, by its key or the facts known of it."""
    facts = [str(value) for value in world.tenant_facts(tenant).values()]
    headers = {name: facts[index % len(facts)] for index, name in enumerate(_TENANT_HEADERS)}
    return template.model_copy(update={"headers": {**template.headers, **headers}})


def _read_made(world: World, made: Instance) -> tuple[Read, ...]:
    """What was made, as whoever may see it reads it; from the list where there is no read."""
    described = world.target.resources[made.resource]
    names = [one for one in ("read", "list") if one in described.operations]
    names += [one for one in described.operations if described.kind(one) == "list"]
    for name in names[:2]:
        ranked = sorted(
            world.candidates(made.tenant, made.resource, name),
            key=lambda one: one[0] != made.creator,
        )
        for persona, relation in ranked:
            if relation is not None and not _may(world, persona, relation, made, name):
                continue
            lineage = world.around(made.resource, name, made.tenant, made)
            payload = world.payload(persona, made.resource, made.tenant, lineage)
            return tuple(walk(world, persona, made.resource, name, payload, "read-back"))
    return ()


def _may(world: World, persona: str, relation: Relation, made: Instance, name: str) -> bool:
    """Whether the persona stands in that relation to what the operation is about."""
    about = world.target.object_of(made.resource, name)
    instance = made.lineage().get(about or made.resource)
    return instance is not None and relation in world.relations(persona, instance)
