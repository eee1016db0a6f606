"""Trials: how one case is tried. Each function here sends what a case needs and judges nothing.

The attempt comes before the control, so that a permitted write cannot remove the record from
under the denied one. A writing case has an instance of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from conformance import policy, timings
from conformance.canary import Planted
from conformance.comparison import leaves, parsed
from conformance.extraction import extract, values
from conformance.instances import Instance, NotBuilt, Payload
from conformance.model import (
    Because,
    Case,
    Exchange,
    Expected,
    Message,
    Outcome,
    Read,
    Relation,
    Subject,
    Trial,
)
from conformance.target import ANONYMOUS, SAFE_KINDS, Operation, Refusals
from conformance.template import Unfilled, render
from conformance.world import World

PAGE_LIMIT = 40
_LARGE_PAGE = 100
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


def _tenant(world: World, case: Case) -> str:
    return case.other or case.tenant or policy.sole_tenant(world.target)


def _readback(world: World, resource: str, name: str) -> tuple[str, str] | None:
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


def _set(world: World, case: Case, *, fresh: bool = False) -> Setting:
    assert case.persona and case.resource and case.operation
    target = world.target
    operation = target.operation(case.resource, case.operation)
    about = target.object_of(case.resource, case.operation)
    tenant = _tenant(world, case)
    setting = Setting(case, case.persona, case.resource, case.operation, operation, tenant, about)
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
        setting.readback = _readback(world, case.resource, case.operation)
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
        state = operation.after if about == case.resource else ()
        setting.instance = world.obtain(about, tenant, need, fresh=fresh, state=state)
    setting.lineage = world.around(case.resource, case.operation, tenant, setting.instance)
    return setting


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


def _subject(setting: Setting) -> Subject | None:
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


def _send(
    world: World, setting: Setting, persona: str, purpose: str, **given: Any
) -> tuple[Read, Payload]:
    lineage = given.pop("lineage", setting.lineage)
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
    return world.send(persona, template, payload, purpose, about, tenant_named), payload


def _term(world: World, setting: Setting) -> str:
    """What a search asks for when a case is not about the search itself."""
    finds = setting.operation.finds
    need: dict[str, Relation] = {}
    try:
        instance = world.obtain(setting.resource, setting.tenant, need)
    except NotBuilt:
        return "wardproof"
    return _searched(world, instance, finds)


def _searched(world: World, instance: Instance, finds: str | None) -> str:
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


def _read_back(world: World, setting: Setting, purpose: str = "read-back") -> tuple[Read, ...]:
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


def walk(
    world: World,
    persona: str,
    resource: str,
    name: str,
    payload: Payload,
    purpose: str,
    tenant: str | None = None,
    *,
    rows: int = _LARGE_PAGE,
    limit: int = PAGE_LIMIT,
) -> list[Read]:
    """A list, page after page, up to `limit`; of `rows` rows where a size can be asked for."""
    operation = world.target.operation(resource, name)
    paging = operation.next
    extra: dict[str, Any] = {}
    if paging and paging.size:
        extra[paging.size] = rows
    if paging and paging.start is not None and paging.param:
        extra[paging.param] = paging.start
    template = operation.model_copy(update={"query": {**operation.query, **extra}})
    pages: list[Read] = []
    named = tenant if persona == ANONYMOUS else None
    while len(pages) < limit:
        read = world.send(persona, template, payload, purpose, (resource, name), named)
        pages.append(read)
        answer = read.exchange.answer
        if paging is None or read.outcome is not Outcome.ALLOWED or answer is None:
            break
        found = values(operation.items or "$", parsed(answer))
        if paging.link:
            url = extract(paging.link, answer)
            if not url:
                break
            template = operation.model_copy(
                update={"request": f"{operation.method} {url}", "query": {}}
            )
            continue
        assert paging.param
        if paging.cursor:
            following = extract(paging.cursor, answer)
            if following in (None, "", False):
                break
        else:
            if not found:
                break
            following = int(extra[paging.param]) + paging.step
        extra[paging.param] = following
        template = operation.model_copy(update={"query": {**operation.query, **extra}})
    return pages


def attempt(world: World, case: Case) -> Trial:
    """The case itself, its control on the same id, and the read-backs around a write."""
    setting = _set(world, case)
    named = setting.tenant if case.variant == "their-tenant-named" else None
    unproved = _unproved(setting) if setting.writes else None
    before = _read_back(world, setting) if setting.writes else ()
    template = setting.operation
    if case.variant == "undeclared-header":
        if setting.about is None and policy.creating(world.target, setting.resource):
            world.obtain(setting.resource, setting.tenant, {})
        template = _naming(world, template, setting.tenant)
    read, payload = _send(
        world, setting, setting.persona, "attempt", tenant_named=named, template=template
    )
    allowed = read.outcome is Outcome.ALLOWED
    made = None
    if case.kind == "create" and allowed and read.exchange.answer is not None:
        made = _remember(world, setting, setting.persona, read.exchange, payload)
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
            after = _read_back(world, setting)
            if not allowed and _differ(before, after):
                again = _read_back(world, setting)
    control = None
    if (case.expected is Expected.DENY and not (allowed and setting.writes)) or (
        case.expected is Expected.ALLOW and read.outcome.refused
    ):
        control = _control(world, setting)
    return Trial(
        case=case,
        attempt=read,
        control=control,
        before=before,
        after=after,
        again=again,
        subject=_subject(setting),
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


def _differ(before: tuple[Read, ...], after: tuple[Read, ...]) -> bool:
    bodies = [
        [read.exchange.answer.body if read.exchange.answer else None for read in reads]
        for reads in (before, after)
    ]
    return bodies[0] != bodies[1]


def _unproved(setting: Setting) -> str | None:
    if setting.readback is None:
        return "no operation shows the state"
    if setting.reader is None:
        return "nobody else may read the state"
    return None


def _remember(
    world: World, setting: Setting, persona: str, exchange: Exchange, payload: Payload
) -> Instance | None:
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


def _control(world: World, setting: Setting) -> Read | None:
    """The permitted persona at the same door, on the same id."""
    if setting.control is None:
        return None
    instance = setting.instance.key if setting.instance else setting.tenant
    key = (setting.control, setting.resource, setting.name, instance)
    if not setting.writes and key in world.controls:
        return world.controls[key]
    read, payload = _send(world, setting, setting.control, "control")
    if setting.case.kind == "create" and read.outcome is Outcome.ALLOWED:
        _remember(world, setting, setting.control, read.exchange, payload)
    if not setting.writes:
        world.controls[key] = read
    return read


def _ghosts(world: World, setting: Setting) -> dict[str, Instance]:
    """The lineage with the object and its ancestors replaced by ids that never existed."""
    assert setting.instance is not None
    ghosts = dict(setting.lineage)
    current: Instance | None = setting.instance
    while current is not None:
        made_up = world.never_existed(current.resource, current.id)
        ghosts[current.resource] = replace(current, id=made_up, parent=None, others={}, made=False)
        current = current.parent
    return ghosts


def foreign(world: World, case: Case) -> Trial:
    """The case, and the same request with two ids that never existed."""
    trial = attempt(world, case)
    reads, made_up = _references(world, case)
    return replace(trial, reference=reads, made_up=made_up)


def _references(world: World, case: Case) -> tuple[tuple[Read, ...], tuple[str, ...]]:
    setting = _set(world, replace(case, kind="read")) if _writes(case) else _set(world, case)
    setting.case = case
    reads: list[Read] = []
    made_up: list[str] = []
    for _ in range(2):
        ghosts = _ghosts(world, setting)
        made_up += [str(one.id) for one in ghosts.values() if not one.made]
        ghost = ghosts[setting.about or setting.resource]
        read, _payload = _send(
            world, setting, setting.persona, "reference", lineage=ghosts, ids=[ghost.id]
        )
        reads.append(read)
    return tuple(reads), tuple(made_up)


def _writes(case: Case) -> bool:
    return case.kind not in SAFE_KINDS


def _mine(world: World, case: Case, *, fresh: bool) -> Instance | None:
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
            reader = _readback(world, case.resource, case.operation)
            if reader and about == reader[0]:
                world.choose(case.tenant, *reader, need, seeing=True)
            operation = world.target.operation(case.resource, case.operation)
            return world.obtain(
                about,
                case.tenant,
                need,
                fresh=fresh or about in operation.fresh,
                state=operation.after if about == case.resource else (),
            )
    raise NotBuilt(f"{case.persona} can stand in no relation that grants {case.operation}")


Viewer = tuple[str, str]
"""A persona, and the operation by which it sees an instance."""


def _theirs(world: World, case: Case, resource: str) -> tuple[Instance, list[Viewer]]:
    """An instance that the persona may not touch, and people who see it and its siblings."""
    assert case.persona
    tenant = _tenant(world, case)
    need: dict[str, Relation] = {}
    if tenant == case.tenant:
        need[case.persona] = Relation.SAME_TENANT
    viewers: list[Viewer] = []
    described = world.target.resources[resource]
    # Its own reading, and for creates the list in which a row might appear beside it.
    for kind in ("read", "list"):
        names = [name for name in described.operations if described.kind(name) == kind]
        for name in names:
            beside = case.kind == "create" and world.target.object_of(resource, name)
            if kind == "list" and viewers and not beside:
                continue
            persona = world.choose(
                tenant, resource, name, need, apart_from=case.persona, seeing=True
            )
            if persona:
                viewers.append((persona, name))
                break
    state: list[str] = []
    if resource == case.resource and case.operation:
        state = world.target.operation(resource, case.operation).after
    return world.obtain(resource, tenant, need, fresh=True, state=state), viewers


def _view(world: World, viewers: list[Viewer], instance: Instance) -> tuple[Read, ...]:
    reads: list[Read] = []
    for persona, name in viewers:
        lineage = world.around(instance.resource, name, instance.tenant, instance)
        payload = world.payload(persona, instance.resource, instance.tenant, lineage)
        reads += walk(world, persona, instance.resource, name, payload, "read-back")
    return tuple(reads)


def wrong_parent(world: World, case: Case) -> Trial:
    """Their child under my parent in the path."""
    setting = _set(world, case)
    assert setting.instance is not None and case.tenant
    parent = world.target.resources[setting.resource].parent
    assert parent
    mine = _mine(world, case, fresh=False)
    assert mine is not None
    crossed = {**setting.lineage, **{k: v for k, v in mine.lineage().items() if k != case.resource}}
    before = _read_back(world, setting) if setting.writes else ()
    read, payload = _send(world, setting, setting.persona, "attempt", lineage=crossed)
    after = _read_back(world, setting) if setting.writes else ()
    allowed = read.outcome is Outcome.ALLOWED
    return Trial(
        case=case,
        attempt=read,
        control=None if allowed and setting.writes else _control(world, setting),
        before=before,
        after=after,
        subject=_subject(setting),
        carried=frozenset(payload.carried),
        unproved=_unproved(setting) if setting.writes else None,
        shows_change=setting.operation.shows_change,
    )


def body_id(world: World, case: Case) -> list[Trial]:
    """A permitted write, once for each field by which its body could name their record.

    The names tried are those under which the record itself shows its ids, and the plain ones.
    """
    assert case.persona and case.resource and case.operation and case.tenant
    theirs, viewers = _theirs(world, case, case.resource)
    if not viewers:
        raise NotBuilt(f"nobody may read {case.resource} back, so nothing would show a change")
    plainly = _permitted(world, case)
    plain, payload = _send(world, plainly, case.persona, "control")
    if plain.outcome is Outcome.ALLOWED and case.kind == "create":
        _remember(world, plainly, case.persona, plain.exchange, payload)
    trials = []
    # Others add rows to lists at any time, so only a reading of the record itself is compared.
    described = world.target.resources[case.resource]
    readers = [one for one in viewers if described.kind(one[1]) == "read"]
    listers = [one for one in viewers if one not in readers]
    before = _view(world, readers or listers, theirs)
    for name, value in _identifying(theirs, before).items():
        setting = _permitted(world, case)
        body = {**(setting.operation.json_ or {}), name: value}
        template = setting.operation.model_copy(update={"json_": body})
        read, payload = _send(world, setting, case.persona, "attempt", template=template)
        after = _view(world, readers or listers, theirs)
        trials.append(
            Trial(
                case=case,
                attempt=read,
                control=plain,
                before=before,
                after=after,
                again=_view(world, readers, theirs) if _differ(before, after) else (),
                siblings=_view(world, listers, theirs) if readers else (),
                shows_change=bool(readers),
                subject=Subject(
                    theirs.resource, theirs.tenant, (str(theirs.id),), frozenset(theirs.markers)
                ),
                carried=frozenset(payload.carried),
            )
        )
        before = after
    return trials


def _identifying(theirs: Instance, before: tuple[Read, ...]) -> dict[str, Any]:
    ids: dict[str, Instance] = {str(theirs.id): theirs}
    plain = {"id": theirs.id}
    current = theirs.parent
    while current is not None:
        ids.setdefault(str(current.id), current)
        plain[f"{current.resource}_id"] = current.id
        current = current.parent
    found: dict[str, Any] = {}
    for read in before:
        if read.exchange.answer is None:
            continue
        for path, leaf in leaves(parsed(read.exchange.answer)):
            name = path.rsplit(".", 1)[-1]
            if str(leaf) in ids and name.isidentifier():
                found[name] = leaf
    return {**found, **{name: value for name, value in plain.items() if name not in found}}


def batch(world: World, case: Case) -> Trial:
    """A batch with their id among mine, the same with an id that never existed, and mine alone."""
    assert case.persona and case.resource and case.operation and case.tenant
    theirs, viewers = _theirs(world, case, case.resource)
    mine = [_mine(world, case, fresh=_writes(case)) for _ in range(2)]
    own = [one.id for one in mine if one is not None]
    setting = Setting(
        case,
        case.persona,
        case.resource,
        case.operation,
        world.target.operation(case.resource, case.operation),
        case.tenant,
        case.resource,
        mine[0],
    )
    setting.lineage = world.around(case.resource, case.operation, case.tenant, mine[0])
    ghost = world.never_existed(case.resource, theirs.id)
    before = _view(world, viewers, theirs) if _writes(case) else ()
    # The missing id goes first: a batch that cancels mine would leave none for it.
    reference, _ = _send(
        world, setting, case.persona, "reference", ids=_placed(case.variant, [], ghost)
    )
    read, _ = _send(
        world, setting, case.persona, "attempt", ids=_placed(case.variant, own, theirs.id)
    )
    after = _view(world, viewers, theirs) if _writes(case) else ()
    fresh = _mine(world, case, fresh=_writes(case))
    control, _ = _send(world, setting, case.persona, "control", ids=[fresh.id] if fresh else [])
    return Trial(
        case=case,
        attempt=read,
        control=control,
        before=before,
        after=after,
        again=_view(world, viewers, theirs) if _differ(before, after) else (),
        reference=(reference,),
        subject=Subject(
            theirs.resource, theirs.tenant, (str(theirs.id),), frozenset(theirs.markers)
        ),
        made_up=(str(ghost),),
        shows_change=any(
            world.target.resources[case.resource].kind(name) == "read" for _, name in viewers
        ),
    )


def _placed(position: str | None, mine: list[Any], theirs: Any) -> list[Any]:
    if position == "theirs-first":
        return [theirs, *mine]
    if position == "theirs-last":
        return [*mine, theirs]
    if position == "theirs-in-between" and len(mine) > 1:
        return [mine[0], theirs, *mine[1:]]
    return [theirs]


def reference(world: World, case: Case) -> Trial:
    """A permitted request that names another tenant's record beside its own object."""
    assert case.persona and case.resource and case.operation and case.tenant and case.variant
    setting = _permitted(world, case)
    other = world.obtain(case.variant, _tenant(world, case), {}, fresh=True)
    crossed = {**setting.lineage, case.variant: other}
    read, payload = _send(world, setting, case.persona, "attempt", lineage=crossed)
    if read.outcome is Outcome.ALLOWED and case.kind == "create":
        _remember(world, setting, case.persona, read.exchange, payload)
    control, payload = _send(world, setting, case.persona, "control")
    if control.outcome is Outcome.ALLOWED and case.kind == "create":
        _remember(world, setting, case.persona, control.exchange, payload)
    return Trial(
        case=case,
        attempt=read,
        control=control,
        subject=Subject(other.resource, other.tenant, (str(other.id),), frozenset(other.markers)),
        unproved="judged by the answer",
    )


def _permitted(world: World, case: Case) -> Setting:
    assert case.persona and case.resource and case.operation and case.tenant
    mine = _mine(world, case, fresh=_writes(case) and case.kind != "create")
    setting = Setting(
        case,
        case.persona,
        case.resource,
        case.operation,
        world.target.operation(case.resource, case.operation),
        case.tenant,
        mine.resource if mine else None,
        mine,
    )
    setting.lineage = world.around(case.resource, case.operation, case.tenant, mine)
    return setting


def search(world: World, case: Case) -> Trial:
    """A search for their value, the same for a value that nobody has, and by one who may."""
    assert case.persona and case.resource and case.operation
    tenant = _tenant(world, case)
    operation = world.target.operation(case.resource, case.operation)
    theirs = world.obtain(case.resource, tenant, {})
    term = _searched(world, theirs, operation.finds)
    field_name = operation.finds or "name"
    never = world.mint.token(Planted("nowhere", case.resource, field_name, None))
    if case.variant == "beginning":
        # Without its end a token still stands for few records.
        term, never = term[:-4], never[:-4]
    setting = Setting(
        case, case.persona, case.resource, case.operation, operation, tenant, None, theirs
    )
    read, _ = _send(world, setting, case.persona, "attempt", term=term)
    references = [_send(world, setting, case.persona, "reference", term=never)[0] for _ in range(2)]
    searcher = next(
        (who for who, _ in world.candidates(tenant, case.resource, case.operation)), None
    )
    control = None
    if searcher is not None:
        control, _ = _send(world, setting, searcher, "control", term=term)
    return Trial(
        case=case,
        attempt=read,
        control=control,
        reference=tuple(references),
        subject=Subject(
            theirs.resource, theirs.tenant, (str(theirs.id), term, never), frozenset(theirs.markers)
        ),
    )


@dataclass(frozen=True)
class Listing:
    """All pages of a list, what they claim to hold, and the instances that must be in them."""

    case: Case
    pages: tuple[Read, ...]
    rows: int
    total: Any
    expected: tuple[str, ...]
    shown: tuple[str, ...]
    complete: bool
    steady: bool = True

    @property
    def agrees(self) -> bool:
        """Whether the total, if there is one, is the number of rows."""
        return self.total is None or not self.complete or str(self.total) == str(self.rows)

    def same_rows(self, other: Listing) -> bool:
        """Whether another walk found the very same rows."""
        return self.rows == other.rows and sorted(self.shown) == sorted(other.shown)


_WALKS = 6


def listing(world: World, case: Case) -> Listing:
    """A list, page after page, with an instance that the persona may see planted first.

    Others may add rows at any time. So a count that disagrees counts only if the next walk finds
    the very same rows; if rows never stand still, the listing is not steady.
    """
    found = _listing(world, case)
    for _ in range(_WALKS):
        if found.agrees:
            return found
        following = _listing(world, case)
        if found.same_rows(following):
            return found
        found = following
    return found if found.agrees else replace(found, steady=False)


def counting(world: World, case: Case) -> Listing:
    """What an operation counts, with the rows that the same reader reaches in the list.

    The count stands between two walks; rows that come and go in between do not count against it.
    """
    assert case.resource and case.operation and case.persona
    operation = world.target.operation(case.resource, case.operation)
    rows = replace(case, operation=operation.counts, kind="list")
    before = replace(_listing(world, rows), total=None)
    for _ in range(_WALKS):
        read, _payload = _send(world, _permitted(world, case), case.persona, "attempt")
        answer = read.exchange.answer
        total = extract(operation.total or "$", answer) if answer else None
        after = replace(_listing(world, rows), total=None)
        pages = (*after.pages, read)
        found = replace(after, case=case, total=total, pages=pages)
        if found.agrees or before.same_rows(after):
            return found
        if replace(before, total=total).agrees:
            return replace(found, rows=before.rows)
        before = after
    return replace(found, steady=False)


def _listing(world: World, case: Case) -> Listing:
    assert case.persona and case.resource and case.operation and case.tenant
    operation = world.target.operation(case.resource, case.operation)
    mine = _listed(world, case)
    lineage = dict(mine.lineage()) if mine else {}
    for name in world.target.needs(case.resource, operation):
        if name not in lineage:
            lineage[name] = world.obtain(name, case.tenant, {})
    payload = world.payload(case.persona, case.resource, case.tenant, lineage)
    _plant_strangers(world, case)
    _fill_pages(world, case, mine)
    pages = walk(world, case.persona, case.resource, case.operation, payload, "attempt")
    if operation.next and operation.next.size:
        # Small pages as well: what goes wrong from the second page on hides in one large page.
        # Their rows need no oracle of their own, every answer passes that for leaks.
        about = (case.persona, case.resource, case.operation)
        walk(world, *about, payload, "attempt", rows=1, limit=4)
    rows: list[Any] = []
    for page in pages:
        if page.exchange.answer is not None and operation.items:
            rows += values(operation.items, parsed(page.exchange.answer))
    shown = [
        str(one)
        for row in rows
        for one in values(operation.item_id or "$.id", row)
        if operation.items
    ]
    last = pages[-1].exchange.answer
    return Listing(
        case=case,
        pages=tuple(pages),
        rows=len(rows),
        total=extract(operation.total, last) if operation.total and last is not None else None,
        expected=(str(mine.id),) if mine is not None and operation.items else (),
        shown=tuple(shown),
        complete=len(pages) < PAGE_LIMIT,
    )


def _plant_strangers(world: World, case: Case) -> None:
    """A record of another tenant, and an unrelated one, so that there is something to leak."""
    assert case.persona and case.resource and case.operation and case.tenant
    if policy.creating(world.target, case.resource) is None:
        return
    granted = policy.grants(world.target, case.roles, case.resource, case.operation)
    strangers: list[tuple[str, dict[str, Relation]]] = []
    other = next((one for one in policy.tenants(world.target) if one != case.tenant), None)
    if other is not None:
        strangers.append((other, {}))
    if not any(grant.covers(frozenset(), same_tenant=True) for grant in granted):
        strangers.append((case.tenant, {case.persona: Relation.SAME_TENANT}))
    for tenant, need in strangers:
        try:
            world.obtain(case.resource, tenant, need)
        except NotBuilt:
            # The list is judged all the same; cases about that record say what is missing.
            continue


def gathered(world: World, case: Case) -> Trial:
    """An answer that gathers records, made after a visible and a strange one were planted."""
    assert case.persona and case.resource and case.operation and case.tenant
    operation = world.target.operation(case.resource, case.operation)
    seen: list[Instance] = []
    for resource in operation.shows:
        described = world.target.resources[resource]
        safe = [name for name in described.operations if described.kind(name) in SAFE_KINDS]
        # The strange ones by each reading that the reader has, the visible one by the first.
        for name in safe:
            if policy.grants(world.target, case.roles, resource, name):
                reading = replace(case, resource=resource, operation=name)
                _plant_strangers(world, reading)
                instance = _listed(world, reading)
                if instance is not None:
                    seen.append(instance)
                break
    mine = _mine(world, case, fresh=True)
    setting = Setting(
        case,
        case.persona,
        case.resource,
        case.operation,
        operation,
        case.tenant,
        mine.resource if mine else None,
        mine,
    )
    setting.lineage = world.around(case.resource, case.operation, case.tenant, mine)
    read, _payload = _send(world, setting, case.persona, "attempt")
    return Trial(
        case=case,
        attempt=read,
        subject=Subject(
            ", ".join(operation.shows),
            case.tenant,
            tuple(str(one.id) for one in seen),
            frozenset(marker for one in seen for marker in one.markers),
        ),
    )


def _fill_pages(world: World, case: Case, mine: Instance | None) -> None:
    """Rows enough for a second page, here and in another tenant, so that there is what may leak."""
    assert case.persona and case.resource and case.operation and case.tenant
    paging = world.target.operation(case.resource, case.operation).next
    if paging is None or mine is None or not mine.made:
        return
    other = next((one for one in policy.tenants(world.target) if one != case.tenant), None)
    for tenant in (case.tenant, other):
        if tenant is None or (case.resource, tenant) in world.filled:
            continue
        world.filled.add((case.resource, tenant))
        for _ in range(3):
            try:
                world.obtain(case.resource, tenant, {}, fresh=True)
            except NotBuilt:
                break


def _listed(world: World, case: Case) -> Instance | None:
    """An instance of the resource that the persona's grant on the list covers."""
    assert case.persona and case.resource and case.operation and case.tenant
    if policy.creating(world.target, case.resource) is None and not (
        world.target.resources[case.resource].instances
    ):
        return None
    granted = policy.grants(world.target, case.roles, case.resource, case.operation)
    operation = world.target.operation(case.resource, case.operation)
    about = world.target.object_of(case.resource, case.operation)
    above: dict[str, dict[str, Relation]] = {}
    if about is not None and case.relation in {Relation.OWN, Relation.ASSIGNED}:
        above[about] = {case.persona: case.relation}
    problem: NotBuilt | None = None
    for relation in policy.relations_of(world.target, case.persona, case.resource):
        related = policy.standing(world.target, case.roles, case.resource, relation)
        if any(grant.covers(related, same_tenant=True) for grant in granted):
            try:
                return world.obtain(
                    case.resource,
                    case.tenant,
                    {case.persona: relation} if related else {},
                    state=operation.after,
                    above=above,
                )
            except NotBuilt as error:
                problem = error
    if problem is not None:
        raise problem
    return None


def cursor(world: World, case: Case) -> Trial:
    """Another tenant's cursor in one's own list."""
    assert case.persona and case.resource and case.operation and case.other
    operation = world.target.operation(case.resource, case.operation)
    paging = operation.next
    assert paging is not None
    if policy.creating(world.target, case.resource):
        for _ in range(3):
            world.obtain(case.resource, case.other, {}, fresh=True)
    lister = world.choose(case.other, case.resource, case.operation, {}, free=True, seeing=True)
    if lister is None:
        raise NotBuilt(f"nobody in {case.other} may list {case.resource}")
    payload = world.payload(lister, case.resource, case.other, {})
    if paging.size:
        small = {**operation.query, paging.size: 1}
        operation = operation.model_copy(update={"query": small})
    first = world.send(lister, operation, payload, "control", (case.resource, case.operation))
    answer = first.exchange.answer
    following = extract(paging.cursor or paging.link or "$", answer) if answer else None
    if not following:
        raise NotBuilt(
            f"the list of {case.resource} has no second page, so there is no cursor to carry "
            "over; name the query parameter that sets the page size in next.size"
        )
    if paging.link:
        template = operation.model_copy(
            update={"request": f"{operation.method} {following}", "query": {}}
        )
    else:
        query = {**operation.query, str(paging.param): following}
        template = operation.model_copy(update={"query": query})
    payload = world.payload(case.persona, case.resource, case.tenant or "", {})
    about = (case.resource, case.operation)
    read = world.send(case.persona, template, payload, "attempt", about)
    return Trial(case=case, attempt=read, control=first)


_ODD = ("'\"<odd>\\", "9" * 400, "%00")
_BROKEN = ('{"wardproof": ', "[]", "\x00")
_WRONG: tuple[Any, ...] = ({"wardproof": ["wrong"]}, "wardproof-wrong-\ud7ff", -1e308)
_LEAVES = 8


def error(world: World, case: Case) -> list[Trial]:
    """Requests that must end in an error, each unlike a right one in one place."""
    variants = {
        "odd-id": _odd_ids,
        "missing-id": _missing_id,
        "broken-body": _broken_bodies,
        "wrong-types": _wrong_types,
        "sent-twice": _sent_twice,
        "no-login": _no_login,
    }
    requests = variants[case.variant or ""](_permitted(world, case), world)
    trials = []
    setting = _permitted(world, case)
    for given in requests:
        persona = given.pop("persona", setting.persona)
        read, _ = _send(world, setting, persona, "attempt", **given)
        trials.append(Trial(case=case, attempt=read))
        if read.outcome is Outcome.ALLOWED and setting.writes:
            setting = _permitted(world, case) if case.variant != "sent-twice" else setting
    return trials


def _with_id(setting: Setting, value: Any) -> dict[str, Any]:
    if setting.instance is None:
        return {}
    ghost = replace(setting.instance, id=value)
    return {"lineage": {**setting.lineage, ghost.resource: ghost}, "ids": [value]}


def _odd_ids(setting: Setting, _world: World) -> list[dict[str, Any]]:
    return [_with_id(setting, odd) for odd in _ODD]


def _missing_id(setting: Setting, world: World) -> list[dict[str, Any]]:
    if setting.instance is None:
        return []
    made_up = world.never_existed(setting.instance.resource, setting.instance.id)
    return [_with_id(setting, made_up)]


def _broken_bodies(setting: Setting, _world: World) -> list[dict[str, Any]]:
    update = {"json_": None, "content_type": "application/json"}
    return [
        {"template": setting.operation.model_copy(update={**update, "body": body})}
        for body in _BROKEN
    ]


def _wrong_types(setting: Setting, _world: World) -> list[dict[str, Any]]:
    body = setting.operation.json_
    filled = [path for path, leaf in leaves(body) if isinstance(leaf, str) and "{" in leaf]
    paths = filled or [path for path, _leaf in leaves(body)]
    return [
        {"template": setting.operation.model_copy(update={"json_": _put(body, path, wrong)})}
        for path in paths[:_LEAVES]
        for wrong in _WRONG
    ]


def _put(value: Any, path: str, wrong: Any, here: str = "$") -> Any:
    """`value` with what stands at `path` replaced."""
    if here == path:
        return wrong
    if isinstance(value, dict):
        return {key: _put(item, path, wrong, f"{here}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_put(item, path, wrong, f"{here}[{index}]") for index, item in enumerate(value)]
    return value


def _sent_twice(setting: Setting, world: World) -> list[dict[str, Any]]:
    """The very same values again: what is unique clashes, what is done cannot be done."""
    ids = [setting.instance.id] if setting.instance else []
    payload = world.payload(
        setting.persona, setting.resource, setting.tenant, setting.lineage, ids=ids
    )
    try:
        body = render(setting.operation.json_, payload.lookup)
    except Unfilled as missing:
        raise NotBuilt(f"{setting.resource}.{setting.name}: {missing}") from None
    template = setting.operation.model_copy(update={"json_": body})
    return [{"template": template}, {"template": template}]


def _no_login(_setting: Setting, _world: World) -> list[dict[str, Any]]:
    return [{"persona": ANONYMOUS}]


def at_large(world: World, case: Case) -> list[Trial]:
    """Errors that are nobody's in particular: a path and a method that do not exist."""
    requests = [("GET", "/wardproof/no-such-path"), ("DELETE", "/")]
    found = []
    for method, path in requests:
        message = Message(method, world.wire.url(path), (("Accept", "*/*"),), b"")
        read = world.read(world.wire.send(message, ANONYMOUS, "attempt"))
        found.append(Trial(case=case, attempt=read))
    return found


@dataclass(frozen=True)
class Identifiers:
    """Values of one kind in the order in which their instances were made."""

    case: Case
    values: tuple[str, ...]


def identifiers(world: World, case: Case) -> Identifiers:
    """The ids (or another claimed value) of five instances made one after another."""
    assert case.resource and case.variant
    tenant = policy.tenants(world.target)[0]
    made = [world.obtain(case.resource, tenant, {}, fresh=True) for _ in range(5)]
    found = [one.id if case.variant == "id" else one.values.get(case.variant) for one in made]
    return Identifiers(case, tuple(str(value) for value in found if value is not None))


PAIRS = 40


@dataclass(frozen=True)
class Timing:
    """Seconds that answers took, measured in turns, for their id and for made-up ones."""

    case: Case
    theirs: tuple[float, ...]
    missing: tuple[float, ...]
    example: Read
    control: Read | None = None
    again: Timing | None = None


def timing(world: World, case: Case) -> Timing:
    """Their id against ids that never existed, in turns; a second round if the first shows much.

    The record is planted with long texts where the target takes them, so that work on a record
    that is then refused has time to show.
    """
    with world.synthesis.long_texts():
        try:
            setting = _set(world, case, fresh=True)
        except NotBuilt:
            setting = None
    setting = setting or _set(world, case, fresh=True)
    first = replace(_timed(world, setting), control=_control(world, setting))
    if timings.suspicious(first.theirs, first.missing):
        return replace(first, again=_timed(world, setting))
    return first


def _timed(world: World, setting: Setting) -> Timing:
    theirs: list[float] = []
    missing: list[float] = []
    example: Read | None = None
    for turn in range(PAIRS + 2):
        ghosts = _ghosts(world, setting)
        ghost = ghosts[setting.about or setting.resource]
        # The order changes from turn to turn, so that neither side always goes first.
        for real in (True, False) if turn % 2 else (False, True):
            given = {} if real else {"lineage": ghosts, "ids": [ghost.id]}
            read, _ = _send(world, setting, setting.persona, "attempt", **given)
            if turn >= 2:
                (theirs if real else missing).append(read.exchange.seconds)
            if real:
                example = read
    assert example is not None
    return Timing(setting.case, tuple(theirs), tuple(missing), example)
