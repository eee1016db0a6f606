"""Trials of rights that have ended: used before, ended, and used again on the very next request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conformance import policy
from conformance.claims import Channel
from conformance.comparison import parsed
from conformance.doors import Door, doors
from conformance.extraction import values
from conformance.instances import Instance, NotBuilt
from conformance.login import Credentials
from conformance.model import Answer, Case, Outcome, Read, Scenario, Step
from conformance.session import Session
from conformance.sources.identity import makeable, persona_of, way_of
from conformance.target import SAFE_KINDS
from conformance.trials.doors import door_of, knock, opens, stays_shut
from conformance.trials.pages import walk
from conformance.trials.sessions import try_login, try_refresh
from conformance.trials.setting import needed, searched
from conformance.world import World, taken


def account_event(world: World, case: Case) -> Scenario:
    """An account that is disabled or loses a role, while something of it is still open."""
    assert case.persona and case.variant
    told, channel = case.variant.split(".", 1)
    event = told.partition("-of-")[0]
    role, tenant = case.roles[0], case.tenant or policy.sole_tenant(world.target)
    accounts = world.target.accounts
    assert accounts.create is not None
    keeps: str | None = None
    if event == "role-removed":
        keeps = _another_role(world, role)
    both = keeps is not None and "roles" in accounts.create.placeholders
    persona = world.enlist([role, keeps] if both and keeps else [role], tenant)
    door = doors(world.target, (role,), (keeps,))[0] if keeps else door_of(world, persona)
    session = world.log_in_again(persona)
    using = _Using(world, persona, session, door, channel)
    before = using.now()
    steps = [opens(f"{channel} before", before)]
    if event == "disabled":
        assert accounts.disable is not None
        ended = world.ask_about(accounts.disable, persona)
    else:
        assert accounts.change_roles is not None
        given = {"roles": [keeps], "role": keeps, "removed": role}
        ended = world.ask_about(accounts.change_roles, persona, **given)
    steps.append(opens(f"the account is {event.replace('-', ' ')}", ended))
    after = using.now()
    steps.append(stays_shut(f"{channel} afterwards", after, f"stale.{event}", before))
    if keeps:
        steps.append(opens("what the account may still do", _alive(world, persona, keeps, session)))
    else:
        other = knock(world, case.persona, door_of(world, case.persona), "control")
        steps.append(opens("another account of the role", other))
    return Scenario(case, tuple(steps))


def _another_role(world: World, role: str) -> str:
    """A role that an account can keep: it does not open what the other one opens."""
    # What is left has to be able to log in as before, so those who do so alike come first.
    others = sorted(makeable(world.target), key=lambda one: not _log_in_alike(world, role, one))
    for other in others:
        if other == role:
            continue
        for door in doors(world.target, (role,), (other,)):
            if policy.grants(world.target, (role, other), door.resource, door.operation):
                return other
    raise NotBuilt(
        f"whatever needs no record and is open to {role} is open to every other role as well, so "
        "nothing shows that the role is gone; declare a list or a read that only it may have"
    )


def _log_in_alike(world: World, role: str, other: str) -> bool:
    """Whether people with either role log in by the same way."""
    ways = {way_of(world.target, persona_of(world.target, one)) for one in (role, other)}
    return len(ways) == 1


def _alive(world: World, persona: str, role: str, session: Session) -> Read:
    """What the role that is left opens: to the session, or to a new one if it was ended."""
    left = doors(world.target, (role,))
    if not left:
        return try_login(world, persona)[0]
    read = knock(world, persona, left[0], "control", session=session)
    if read.outcome is Outcome.ALLOWED:
        return read
    return knock(world, persona, left[0], "control", session=world.log_in_again(persona))


class _Using:
    """One way of using what an account may do, again and again with what it got at first."""

    def __init__(
        self, world: World, persona: str, session: Session, door: Door, channel: str
    ) -> None:
        self._world, self._persona, self._session, self._door = world, persona, session, door
        self._shown = session.shown()
        self._channel = world.target.channels.get(channel)
        self._name = channel
        self._taken: dict[str, Any] = {}
        self._record: Instance | None = None
        if self._channel is not None:
            if self._channel.about is not None:
                self._record = _record_for(world, persona, self._channel.about)
            self._taken = make(world, persona, self._channel, session, self._record)

    def now(self) -> Read:
        if self._name == "refresh":
            read, renewed = try_refresh(
                self._world, self._persona, self._session.identity, door=self._door
            )
            if renewed is not None:
                self._session = Session(self._world.wire, self._persona, fixed=renewed)
            return read
        if self._channel is not None:
            return use(
                self._world,
                self._persona,
                self._channel,
                self._taken,
                self._shown,
                self._record,
            )
        return knock(
            self._world,
            self._persona,
            self._door,
            session=self._session,
            credentials=self._shown,
        )


def _record_for(world: World, persona: str, resource: str) -> Instance:
    """A record that the account may read. Raises NotBuilt."""
    target = world.target
    roles = policy.roles_of(target, persona)
    tenant = policy.tenant_of(target, persona) or policy.sole_tenant(target)
    for name, operation in target.resources[resource].operations.items():
        safe = target.resources[resource].kind(name) in SAFE_KINDS
        if safe and policy.grants(target, roles, resource, name):
            need = needed(world, persona, resource, name)
            return world.obtain(resource, tenant, need, fresh=True, state=operation.after)
    raise NotBuilt(f"{persona} may read no {resource}")


def make(
    world: World,
    persona: str,
    channel: Channel,
    session: Session | None,
    instance: Instance | None,
) -> dict[str, Any]:
    """What the steps that open a channel took. Raises NotBuilt."""
    found: dict[str, Any] = {}
    tenant = policy.tenant_of(world.target, persona) or policy.sole_tenant(world.target)
    resource = instance.resource if instance else "account"
    for step in channel.make:
        lineage = instance.lineage() if instance else {}
        payload = world.payload(persona, resource, tenant, lineage, planted="channel", **found)
        about = (resource, "channel")
        read = world.send(persona, step, payload, "set-up", about, session=session)
        if read.outcome is not Outcome.ALLOWED:
            raise NotBuilt(f"{step.request} got {read.status}", read.exchange)
        found |= taken(step, read)
    return found


def use(
    world: World,
    persona: str,
    channel: Channel,
    given: dict[str, Any],
    shown: Credentials,
    instance: Instance | None,
) -> Read:
    """The channel used, with the credentials of the beginning or with none."""
    tenant = policy.tenant_of(world.target, persona) or policy.sole_tenant(world.target)
    resource = instance.resource if instance else "account"
    payload = world.payload(
        persona, resource, tenant, instance.lineage() if instance else {}, **given
    )
    carried = shown if channel.credential else Credentials()
    return world.send(
        persona, channel.use, payload, "attempt", (resource, "channel"), credentials=carried
    )


# --- relations -------------------------------------------------------------------------------


def ended_relation(world: World, case: Case) -> Scenario:
    """What a relation opened, before and after the relation's end; others may still read it."""
    assert case.persona and case.resource and case.variant
    tenant = case.tenant or policy.sole_tenant(world.target)
    anchor = world.obtain(
        case.resource, tenant, {case.persona: case.relation}, fresh=True, state=_state(world, case)
    )
    head, name = case.variant.split(".", 1)
    if head == "channel":
        return _through_channel(world, case, anchor, world.target.channels[name])
    operation = world.target.operation(head, name)
    about = world.target.object_of(head, name)
    if about is None:
        return _in_collection(world, case, anchor, head, name)
    instance = anchor
    if about != case.resource:
        instance = world.obtain(
            about,
            tenant,
            {},
            within=anchor,
            apart_from=case.persona,
            state=world.target.state(head, name, about),
        )
    elif head != case.resource and operation.after:
        _child(world, head, tenant, anchor, case.persona, operation.after)

    def read(persona: str, purpose: str) -> Read:
        lineage = world.around(head, name, tenant, instance)
        given: dict[str, Any] = {"ids": [instance.id]} if world.target.batch(head, name) else {}
        if "term" in operation.placeholders:
            given["term"] = "wardproof"
        payload = world.payload(persona, head, tenant, lineage, **given)
        return world.send(persona, operation, payload, purpose, (head, name))

    before = read(case.persona, "control")
    steps = [opens(f"{head}.{name} while the relation lasts", before)]
    steps.append(opens("the end of the relation", _end(world, case, anchor)))
    after = read(case.persona, "attempt")
    steps.append(stays_shut(f"{head}.{name} after its end", after, "stale.relation", before))
    steps += _still_there(world, case, head, name, tenant, read)
    return Scenario(case, tuple(steps))


def _in_collection(
    world: World, case: Case, anchor: Instance, resource: str, name: str
) -> Scenario:
    """A list or search, page after page, with the record in it and then without."""
    assert case.persona
    operation = world.target.operation(resource, name)
    instance = anchor
    if resource != anchor.resource:
        instance = world.obtain(
            resource,
            anchor.tenant,
            {},
            within=anchor,
            apart_from=case.persona,
            state=operation.after,
        )
    lineage = world.around(resource, name, anchor.tenant, instance)
    given: dict[str, Any] = {}
    if operation.finds or "term" in operation.placeholders:
        given["term"] = searched(world, instance, operation.finds)
    payload = world.payload(case.persona, resource, anchor.tenant, lineage, **given)

    def shows(answer: Answer) -> bool:
        """Whether the record is there; a mask may leave nothing of it but its id."""
        if any(marker in answer.text.lower() for marker in instance.markers):
            return True
        rows = values(operation.items, parsed(answer)) if operation.items else ()
        ids = {str(one) for row in rows for one in values(operation.item_id or "$.id", row)}
        return str(instance.id) in ids

    def page(purpose: str) -> tuple[Read, bool]:
        """The page that shows the record, or the last one."""
        assert case.persona
        read: Read | None = None
        for read in walk(world, case.persona, resource, name, payload, purpose):
            if read.exchange.answer is not None and shows(read.exchange.answer):
                return read, True
        if read is None:
            raise NotBuilt(f"{resource}.{name} gave no page")
        return read, False

    before, shown = page("control")
    if before.outcome is Outcome.ALLOWED and not shown:
        raise NotBuilt(
            f"{resource}.{name} shows nothing of the record even before", before.exchange
        )
    steps = [opens(f"{resource}.{name} while the relation lasts", before)]
    steps.append(opens("the end of the relation", _end(world, case, anchor)))
    after, still = page("attempt")
    says = f"the record in {resource}.{name} after its end"
    # Without the record whatever else the page shows proves nothing.
    proof = None if still else frozenset[str]()
    steps.append(stays_shut(says, after, "stale.relation", proof=proof))
    alive = knock(world, case.persona, door_of(world, case.persona), "control")
    return Scenario(case, (*steps, opens("what else the persona may do", alive)))


def _state(world: World, case: Case) -> Sequence[str]:
    head, _, name = (case.variant or "").partition(".")
    return () if head == "channel" else world.target.state(head, name, case.resource)


def _child(
    world: World, resource: str, tenant: str, anchor: Instance, persona: str, state: Sequence[str]
) -> None:
    world.obtain(resource, tenant, {}, within=anchor, apart_from=persona, state=state)


def _end(world: World, case: Case, anchor: Instance) -> Read:
    assert case.persona
    return world.end_relation(case.persona, anchor, case.relation)


def _still_there(
    world: World, case: Case, resource: str, name: str, tenant: str, read: Any
) -> list[Step]:
    """Somebody who needs no relation reads the record; if there is nobody, the persona's door."""
    other = world.choose(tenant, resource, name, {}, apart_from=case.persona, free=True)
    if other is not None:
        return [opens(f"the record, read by {other}", read(other, "control"))]
    assert case.persona
    door = door_of(world, case.persona)
    return [opens("what else the persona may do", knock(world, case.persona, door, "control"))]


def _through_channel(world: World, case: Case, anchor: Instance, channel: Channel) -> Scenario:
    assert case.persona and channel.about
    instance = anchor
    if channel.about != anchor.resource:
        instance = world.obtain(
            channel.about, anchor.tenant, {}, within=anchor, apart_from=case.persona
        )
    given = make(world, case.persona, channel, None, instance)
    shown = world.sessions[case.persona].shown()
    before = use(world, case.persona, channel, given, shown, instance)
    steps = [opens("the channel while the relation lasts", before)]
    proof = frozenset(
        marker
        for one in {anchor.key: anchor, instance.key: instance}.values()
        for marker in one.markers
    )
    told = before.exchange.answer.text.lower() if before.exchange.answer else ""
    if before.outcome is Outcome.ALLOWED and not any(marker in told for marker in proof):
        raise NotBuilt(
            f"the channel gives nothing of {instance.resource} even while the relation lasts, so "
            "its end would not show; name the channel's 'about', or let 'make' ask for that record",
            before.exchange,
        )
    steps.append(opens("the end of the relation", _end(world, case, anchor)))
    after = use(world, case.persona, channel, given, shown, instance)
    steps.append(stays_shut("the channel after its end", after, "stale.channel", proof=proof))
    door = door_of(world, case.persona)
    alive = knock(world, case.persona, door, "control")
    return Scenario(case, (*steps, opens("what else the persona may do", alive)))
