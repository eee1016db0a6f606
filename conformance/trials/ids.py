"""Ids that are not the persona's own: made up, misplaced, among others, or referred to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from conformance.comparison import leaves, parsed
from conformance.instances import Instance, NotBuilt
from conformance.model import Case, Outcome, Read, Relation, Subject, Trial
from conformance.trials.matrix import attempt
from conformance.trials.pages import walk
from conformance.trials.setting import (
    control_of,
    differ,
    ghosts_of,
    mine_of,
    on,
    permitted,
    read_back,
    remember,
    send,
    set_up,
    subject,
    tenant_of,
    unproved_by,
    writes,
)
from conformance.world import World


def foreign(world: World, case: Case) -> Trial:
    """The case, and the same request with two ids that never existed."""
    trial = attempt(world, case)
    reads, made_up = _references(world, case)
    return replace(trial, reference=reads, made_up=made_up)


def _references(world: World, case: Case) -> tuple[tuple[Read, ...], tuple[str, ...]]:
    setting = set_up(world, replace(case, kind="read")) if writes(case) else set_up(world, case)
    setting.case = case
    reads: list[Read] = []
    made_up: list[str] = []
    for _ in range(2):
        ghosts = ghosts_of(world, setting)
        made_up += [str(one.id) for one in ghosts.values() if not one.made]
        ghost = ghosts[setting.about or setting.resource]
        read, _payload = send(
            world, setting, setting.persona, "reference", lineage=ghosts, ids=[ghost.id]
        )
        reads.append(read)
    return tuple(reads), tuple(made_up)


Viewer = tuple[str, str]
"""A persona, and the operation by which it sees an instance."""


def _theirs(world: World, case: Case, resource: str) -> tuple[Instance, list[Viewer]]:
    """An instance that the persona may not touch, and people who see it and its siblings."""
    assert case.persona
    tenant = tenant_of(world, case)
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
    if case.resource and case.operation:
        state = world.target.state(case.resource, case.operation, resource)
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
    setting = set_up(world, case)
    assert setting.instance is not None and case.tenant
    parent = world.target.resources[setting.resource].parent
    assert parent
    mine = mine_of(world, case, fresh=False)
    assert mine is not None
    crossed = {**setting.lineage, **{k: v for k, v in mine.lineage().items() if k != case.resource}}
    before = read_back(world, setting) if setting.writes else ()
    read, payload = send(world, setting, setting.persona, "attempt", lineage=crossed)
    after = read_back(world, setting) if setting.writes else ()
    again = read_back(world, setting) if differ(before, after) else ()
    allowed = read.outcome is Outcome.ALLOWED
    return Trial(
        case=case,
        attempt=read,
        control=None if allowed and setting.writes else control_of(world, setting),
        before=before,
        after=after,
        again=again,
        subject=subject(setting),
        carried=frozenset(payload.carried),
        unproved=unproved_by(setting) if setting.writes else None,
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
    plainly = permitted(world, case)
    plain, payload = send(world, plainly, case.persona, "control")
    if plain.outcome is Outcome.ALLOWED and case.kind == "create":
        remember(world, plainly, case.persona, plain.exchange, payload)
    trials = []
    # Others add rows to lists at any time, so only a reading of the record itself is compared.
    described = world.target.resources[case.resource]
    readers = [one for one in viewers if described.kind(one[1]) == "read"]
    listers = [one for one in viewers if one not in readers]
    before = _view(world, readers or listers, theirs)
    for name, value in _identifying(theirs, before).items():
        setting = permitted(world, case)
        body = {**(setting.operation.json_ or {}), name: value}
        template = setting.operation.model_copy(update={"json_": body})
        read, payload = send(world, setting, case.persona, "attempt", template=template)
        after = _view(world, readers or listers, theirs)
        trials.append(
            Trial(
                case=case,
                attempt=read,
                control=plain,
                before=before,
                after=after,
                again=_view(world, readers, theirs) if differ(before, after) else (),
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
    mine = [mine_of(world, case, fresh=writes(case)) for _ in range(2)]
    own = [one.id for one in mine if one is not None]
    setting = on(world, case, mine[0])
    ghost = world.never_existed(case.resource, theirs.id)
    before = _view(world, viewers, theirs) if writes(case) else ()
    # The missing id goes first: a batch that cancels mine would leave none for it.
    reference, _ = send(
        world, setting, case.persona, "reference", ids=_placed(case.variant, [], ghost)
    )
    read, _ = send(
        world, setting, case.persona, "attempt", ids=_placed(case.variant, own, theirs.id)
    )
    after = _view(world, viewers, theirs) if writes(case) else ()
    fresh = mine_of(world, case, fresh=writes(case))
    control, _ = send(world, setting, case.persona, "control", ids=[fresh.id] if fresh else [])
    return Trial(
        case=case,
        attempt=read,
        control=control,
        before=before,
        after=after,
        again=_view(world, viewers, theirs) if differ(before, after) else (),
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
    setting = permitted(world, case)
    other = world.obtain(case.variant, tenant_of(world, case), {}, fresh=True)
    crossed = {**setting.lineage, case.variant: other}
    read, payload = send(world, setting, case.persona, "attempt", lineage=crossed)
    if read.outcome is Outcome.ALLOWED and case.kind == "create":
        remember(world, setting, case.persona, read.exchange, payload)
    control, payload = send(world, setting, case.persona, "control")
    if control.outcome is Outcome.ALLOWED and case.kind == "create":
        remember(world, setting, case.persona, control.exchange, payload)
    return Trial(
        case=case,
        attempt=read,
        control=control,
        subject=Subject(other.resource, other.tenant, (str(other.id),), frozenset(other.markers)),
        unproved="judged by the answer",
    )
