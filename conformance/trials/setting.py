"""Who takes part in a case and on what, and what every kind of trial sends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from conformance import policy
from conformance.instances import Instance, NotBuilt, NotTried, Payload
from conformance.model import Because, Case, Exchange, Expected, Outcome, Read, Relation, Subject
from conformance.target import ANONYMOUS, SAFE_KINDS, Operation, Refusals, is_loopback
from conformance.trials.pages import walk
from conformance.world import World

_WITHIN = frozenset({Relation.OWN, Relation.ASSIGNED, Relation.SAME_TENANT})


@dataclass
class Setting:
    """Who takes part in a case, and on what."""

    case: Case
    persona: str
    resource: str
    name: str
    operation: Operation
    tenant: str
    about: str | None
    instance: Instance | None = None
    lineage: dict[str, Instance] = field(default_factory=dict)
    control: str | None = None
    reader: str | None = None
    readback: tuple[str, str] | None = None

    @property
    def writes(self) -> bool:
        return self.case.kind not in SAFE_KINDS


def tenant_of(world: World, case: Case) -> str:
    """The tenant whose data the case is about."""
    return case.other or case.tenant or policy.sole_tenant(world.target)


def opened(world: World, case: Case, tenant: str, instance: Instance | None = None) -> Setting:
    """The case in `tenant` on `instance`, with nobody else in it yet."""
    assert case.persona and case.resource and case.operation
    operation = world.target.operation(case.resource, case.operation)
    about = world.target.object_of(case.resource, case.operation)
    return Setting(
        case, case.persona, case.resource, case.operation, operation, tenant, about, instance
    )


def on(world: World, case: Case, mine: Instance | None) -> Setting:
    """The case in the persona's own tenant on `mine`, with everything that the request names."""
    assert case.resource and case.operation and case.tenant
    setting = opened(world, case, case.tenant, mine)
    setting.lineage = world.around(case.resource, case.operation, case.tenant, mine)
    return setting


def set_up(world: World, case: Case, *, fresh: bool = False) -> Setting:
    """The case on an instance that stands as its relation says, with its control and its reader."""
    assert case.persona and case.resource and case.operation
    target = world.target
    tenant = tenant_of(world, case)
    setting = opened(world, case, tenant)
    operation, about = setting.operation, setting.about
    need: dict[str, Relation] = {}
    if about and case.relation in _WITHIN and case.persona != ANONYMOUS:
        need[case.persona] = case.relation
    denied = case.expected is Expected.DENY
    setting.control = world.choose(
        tenant,
        case.resource,
        case.operation,
        need if denied else dict(need),
        apart_from=case.persona,
        free=not denied,
    )
    if setting.writes:
        setting.readback = readback_of(world, case.resource, case.operation)
        if setting.readback:
            setting.reader = world.choose(
                tenant,
                *setting.readback,
                need,
                apart_from=case.persona if denied else None,
                seeing=True,
            )
    if about:
        own = setting.writes and about == case.resource
        fresh = fresh or own or about in operation.fresh
        if own and target.resources[about].instances:
            raise NotBuilt(
                f"a writing case needs an instance of its own, and {about} has only 'instances'"
            )
        state = target.state(case.resource, case.operation, about)
        setting.instance = world.obtain(about, tenant, need, fresh=fresh, state=state)
    setting.lineage = world.around(case.resource, case.operation, tenant, setting.instance)
    return setting


def mine_of(world: World, case: Case, *, fresh: bool) -> Instance | None:
    """An instance that the persona may do the operation on."""
    assert case.persona and case.resource and case.operation and case.tenant
    about = world.target.object_of(case.resource, case.operation)
    if about is None:
        return None
    granted = policy.grants(world.target, case.roles, case.resource, case.operation)
    for relation in policy.relations_of(world.target, case.persona, about):
        related = policy.standing(world.target, case.roles, about, relation)
        if any(grant.covers(related, same_tenant=True) for grant in granted):
            need = {case.persona: relation} if related else {}
            reader = readback_of(world, case.resource, case.operation)
            if reader and about == reader[0]:
                world.choose(case.tenant, *reader, need, seeing=True)
            operation = world.target.operation(case.resource, case.operation)
            return world.obtain(
                about,
                case.tenant,
                need,
                fresh=fresh or about in operation.fresh,
                state=world.target.state(case.resource, case.operation, about),
            )
    raise NotBuilt(f"{case.persona} can stand in no relation that grants {case.operation}")


def needed(world: World, persona: str, resource: str, name: str) -> dict[str, Relation]:
    """How the persona must stand to the record for the operation; empty if it need not."""
    roles = policy.roles_of(world.target, persona)
    granted = policy.grants(world.target, roles, resource, name)
    if any(grant.covers(frozenset(), same_tenant=True) for grant in granted):
        return {}
    about = world.target.object_of(resource, name) or resource
    for relation in policy.relations_of(world.target, persona, about):
        related = policy.standing(world.target, roles, about, relation)
        if any(grant.covers(related, same_tenant=True) for grant in granted):
            way = policy.way(world.target, about, relation, roles)
            made = way is not None and way.way == "creator"
            return {} if made else {persona: relation}
    raise NotBuilt(f"{persona} can stand in no relation that grants {resource}.{name}")


def permitted(world: World, case: Case, *, fresh: bool | None = None) -> Setting:
    """The case on an instance that the persona may do the operation on."""
    if fresh is None:
        fresh = writes(case) and case.kind != "create"
    return on(world, case, mine_of(world, case, fresh=fresh))


def may_disrupt(world: World) -> None:
    """Raises NotTried where what stands in the way of others may not be tried."""
    host = urlsplit(world.wire.base_url).hostname or ""
    if not (is_loopback(host) or world.target.system.allow_disruption):
        raise NotTried(
            "outside the loopback this is tried only if the target file says "
            "system.allow_disruption: true"
        )


def writes(case: Case) -> bool:
    """Whether the case changes something if it is let through."""
    return case.kind not in SAFE_KINDS


def readback_of(world: World, resource: str, name: str) -> tuple[str, str] | None:
    """The operation that shows whether a write was done: a read, for a create a list."""
    target = world.target
    operation = target.operation(resource, name)
    if operation.unchanged:
        return resource, operation.unchanged
    described = target.resources[resource]
    creates = described.kind(name) == "create"
    about = target.object_of(resource, name)
    if not creates and about and about != resource:
        resource, described = about, target.resources[about]
    wanted = "list" if creates else "read"
    names = [one for one in described.operations if described.kind(one) == wanted]
    if wanted in names:
        names = [wanted, *names]
    for one in names:
        if target.object_of(resource, one) in ({about, None} if creates else {resource}):
            return resource, one
    return None


def convention(world: World, case: Case) -> tuple[int, ...] | None:
    """The statuses that the target promises for refusing this case, None if it promises none."""
    assert case.resource and case.operation
    declared = world.target.operation(case.resource, case.operation).refusals
    for refusals in (declared, world.target.refusals):
        found = _promised(refusals, case.because)
        if found is not None:
            return tuple(found)
    return None


def _promised(refusals: Refusals, because: Because) -> list[int] | None:
    if because is Because.GRANTED:
        return None
    found: list[int] | None = getattr(refusals, because.value)
    return found


def subject(setting: Setting) -> Subject | None:
    """What the case is about, as oracles need it: its ids, those above it, and its markers."""
    instance = setting.instance
    if instance is None:
        return None
    line: list[Instance] = []
    current: Instance | None = instance
    while current is not None:
        line.append(current)
        current = current.parent
    return Subject(
        instance.resource,
        instance.tenant,
        tuple(str(one.id) for one in line),
        frozenset(instance.markers),
    )


def send(
    world: World, setting: Setting, persona: str, purpose: str, **given: Any
) -> tuple[Read, Payload]:
    """The operation as `persona` sends it.

    `given` replaces lineage, template, ids, term, or the credentials that are sent.
    """
    lineage = given.pop("lineage", setting.lineage)
    credentials = given.pop("credentials", None)
    tenant_named = given.pop("tenant_named", None)
    template = given.pop("template", setting.operation)
    if persona == ANONYMOUS:
        tenant_named = setting.tenant
    if template.finds or "term" in template.placeholders:
        given.setdefault("term", _term(world, setting))
    if world.target.batch(setting.resource, setting.name):
        given.setdefault("ids", [setting.instance.id] if setting.instance else [])
    payload = world.payload(persona, setting.resource, setting.tenant, lineage, **given)
    about = (setting.resource, setting.name)
    read = world.send(
        persona, template, payload, purpose, about, tenant_named, credentials=credentials
    )
    return read, payload


def _term(world: World, setting: Setting) -> str:
    """What a search asks for when a case is not about the search itself."""
    finds = setting.operation.finds
    need: dict[str, Relation] = {}
    try:
        instance = world.obtain(setting.resource, setting.tenant, need)
    except NotBuilt:
        return "wardproof"
    return searched(world, instance, finds)


def searched(world: World, instance: Instance, finds: str | None) -> str:
    """A value by which a search finds this instance and no other."""
    for marker in sorted(instance.markers):
        planted = world.mint.planted.get(marker)
        if planted and (finds is None or planted.field == finds):
            return marker
    if finds and finds in instance.values:
        return str(instance.values[finds])
    raise NotBuilt(
        f"{instance.resource} carries no canary in {finds or 'any field'}, so a search for it "
        "proves nothing; use {name}, {text} or {canary} there when it is created"
    )


def read_back(world: World, setting: Setting, purpose: str = "read-back") -> tuple[Read, ...]:
    """The state as the reader sees it; for lists, page after page."""
    if setting.reader is None or setting.readback is None:
        return ()
    resource, name = setting.readback
    operation = world.target.operation(resource, name)
    lineage = dict(setting.lineage)
    if setting.instance:
        lineage = {**setting.instance.lineage(), **lineage}
    payload = world.payload(setting.reader, resource, setting.tenant, lineage)
    if operation.items:
        return tuple(walk(world, setting.reader, resource, name, payload, purpose, setting.tenant))
    return (world.send(setting.reader, operation, payload, purpose, (resource, name)),)


def unproved_by(setting: Setting) -> str | None:
    """Why no read-back can prove the write, None if one can."""
    if setting.readback is None:
        return "no operation shows the state"
    if setting.reader is None:
        return "nobody else may read the state"
    return None


def differ(before: tuple[Read, ...], after: tuple[Read, ...]) -> bool:
    """Whether two read-backs differ in any body."""
    bodies = [
        [read.exchange.answer.body if read.exchange.answer else None for read in reads]
        for reads in (before, after)
    ]
    return bodies[0] != bodies[1]


def control_of(world: World, setting: Setting) -> Read | None:
    """The permitted persona at the same door, on the same id."""
    if setting.control is None:
        return None
    instance = setting.instance.key if setting.instance else setting.tenant
    key = (setting.control, setting.resource, setting.name, instance)
    if not setting.writes and key in world.controls:
        return world.controls[key]
    read, payload = send(world, setting, setting.control, "control")
    if world.waits(read):
        read, payload = send(world, setting, setting.control, "control")
    if setting.case.kind == "create" and read.outcome is Outcome.ALLOWED:
        remember(world, setting, setting.control, read.exchange, payload)
    if not setting.writes:
        world.controls[key] = read
    return read


def remember(
    world: World, setting: Setting, persona: str, exchange: Exchange, payload: Payload
) -> Instance | None:
    """What a create made, known to the world from here on."""
    assert exchange.answer is not None
    parent = setting.instance
    others = {
        name: one
        for name, one in setting.lineage.items()
        if parent is None or name not in parent.lineage()
    }
    wanted = world.target.resources[setting.resource].parent
    if parent is not None and parent.resource != wanted:
        others, parent = {**others, parent.resource: parent}, None
    made = world.remember(
        setting.resource,
        setting.name,
        setting.tenant,
        exchange.answer,
        persona,
        parent,
        others,
        payload,
    )
    if made is not None:
        world.mint.belongs(payload.carried, made.key)
    return made


def ghosts_of(world: World, setting: Setting) -> dict[str, Instance]:
    """The lineage with the object and its ancestors replaced by ids that never existed."""
    assert setting.instance is not None
    ghosts = dict(setting.lineage)
    current: Instance | None = setting.instance
    while current is not None:
        made_up = world.never_existed(current.resource, current.id)
        ghosts[current.resource] = replace(current, id=made_up, parent=None, others={}, made=False)
        current = current.parent
    return ghosts
