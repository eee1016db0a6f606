"""Trials of duties: breaking the glass, both halves by one person, and roles that forbid."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from conformance import policy
from conformance.claims import BreakGlass
from conformance.extraction import extract
from conformance.instances import Instance, NotBuilt, Unclaimed
from conformance.model import Case, Expected, Outcome, Read, Relation, Scenario, Step, decode
from conformance.session import Session
from conformance.trials import entries
from conformance.trials.doors import opens, stays_shut
from conformance.trials.sessions import facts_of, login_of
from conformance.trials.setting import needed
from conformance.world import World, taken

_SHORT = 2
_USUAL = 900


# --- emergency access ------------------------------------------------------------------------


def emergency(world: World, case: Case) -> Scenario:
    """The glass broken for one record; what opens by it, and what has to stay shut."""
    glass = world.target.break_glass
    assert glass is not None and case.persona
    tenant = case.tenant or policy.sole_tenant(world.target)
    record = world.obtain(glass.resource, tenant, {case.persona: Relation.SAME_TENANT}, fresh=True)
    tried = {
        "opens": _opens,
        "without-a-reason": _without_a_reason,
        "other-record": _other_record,
        "wrong-role": _wrong_role,
        "other-tenant": _other_tenant,
        "ended": _ended,
        "review": _reviewed,
        "after-logout": _after_logout,
        "expired": _expired,
        "too-long": _too_long,
        "other-operation": _other_operation,
        "in-the-trail": _on_record,
    }[case.variant or ""]
    before = _read(world, case.persona, glass, record)
    shut = Step("the record before", before, Expected.DENY)
    return Scenario(case, (shut, *tried(world, case.persona, glass, record)))


def _open(
    world: World,
    persona: str,
    glass: BreakGlass,
    record: Instance,
    *,
    seconds: int = _USUAL,
    session: Session | None = None,
    reason: Any = ...,
) -> Read:
    """Ask for emergency access; `reason` stands in for the one in the target file, None: none."""
    template = glass.open
    if reason is not ...:
        name = "form" if template.form is not None else "json_"
        body = {key: value for key, value in glass.body.items() if key != glass.reason}
        if reason is not None:
            body[glass.reason] = reason
        template = template.model_copy(update={name: body})
    payload = world.payload(
        persona,
        glass.resource,
        record.tenant,
        record.lineage(),
        planted="break_glass",
        seconds=seconds,
    )
    about = (glass.resource, "break_glass")
    asked = world.send(persona, template, payload, "set-up", about, session=session)
    eligible = set(policy.roles_of(world.target, persona)) & set(glass.roles)
    own = policy.tenant_of(world.target, persona) == record.tenant
    if asked.outcome is Outcome.ALLOWED and eligible and own and reason is ...:
        # From here on the policy lets the persona see the record; what comes of the rest of the
        # case is judged by its steps.
        record.related.setdefault(Relation.ASSIGNED, set()).add(persona)
    return asked


def _read(
    world: World,
    persona: str,
    glass: BreakGlass,
    record: Instance,
    session: Session | None = None,
    name: str | None = None,
) -> Read:
    name = name or glass.opens[0]
    operation = world.target.operation(glass.resource, name)
    lineage = world.around(glass.resource, name, record.tenant, record)
    payload = world.payload(persona, glass.resource, record.tenant, lineage)
    about = (glass.resource, name)
    return world.send(persona, operation, payload, "emergency", about, session=session)


def _opened(
    world: World, persona: str, glass: BreakGlass, record: Instance, **given: Any
) -> tuple[list[Step], Read]:
    """The two steps by which the glass is broken and the record read."""
    asked = _open(world, persona, glass, record, **given)
    read = _read(world, persona, glass, record, given.get("session"))
    steps = [opens("emergency access is asked for", asked), opens("the record then", read)]
    return steps, asked


def _opens(world: World, persona: str, glass: BreakGlass, record: Instance) -> list[Step]:
    asked = _open(world, persona, glass, record)
    steps = [opens("emergency access is asked for with a reason", asked, "break-glass.opens")]
    steps += [opens("the record then", _read(world, persona, glass, record), "break-glass.opens")]
    answer = asked.exchange.answer
    if glass.expires is not None and answer is not None:
        until = _moment(extract(glass.expires, answer))
        if until is None or until - asked.exchange.started > glass.most_seconds + 5:
            told = "never" if until is None else f"{until - asked.exchange.started:.0f} s later"
            steps.append(
                Step(
                    f"it ends {told}, and {glass.most_seconds:g} s are promised",
                    asked,
                    Expected.DENY,
                    "break-glass.end",
                )
            )
    return steps


def _moment(value: Any) -> float | None:
    """A time of an answer in UTC seconds; None if it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) / 1000 if value > 1e11 else float(value)
    try:
        moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _without_a_reason(
    world: World, persona: str, glass: BreakGlass, record: Instance
) -> list[Step]:
    steps = []
    for says, reason in (("no reason", None), ("an empty reason", ""), ("a blank reason", "   ")):
        asked = _open(world, persona, glass, record, reason=reason)
        steps.append(stays_shut(f"asked for with {says}", asked, "break-glass.reason"))
        read = _read(world, persona, glass, record)
        steps.append(stays_shut(f"the record after {says}", read, "break-glass.reason"))
    return steps + _opened(world, persona, glass, record)[0]


def _other_record(world: World, persona: str, glass: BreakGlass, record: Instance) -> list[Step]:
    other = world.obtain(glass.resource, record.tenant, {persona: Relation.SAME_TENANT}, fresh=True)
    steps, _ = _opened(world, persona, glass, record)
    read = _read(world, persona, glass, other)
    return [*steps, stays_shut("another record meanwhile", read, "break-glass.scope")]


def _too_long(world: World, persona: str, glass: BreakGlass, record: Instance) -> list[Step]:
    assert glass.expires is not None
    longer = int(glass.most_seconds * 100)
    asked = _open(world, persona, glass, record, seconds=longer)
    answer = asked.exchange.answer
    until = _moment(extract(glass.expires, answer)) if answer is not None else None
    says = f"asked for {longer} s, and {glass.most_seconds:g} s are the most"
    kept = until is not None and until - asked.exchange.started <= glass.most_seconds + 5
    if asked.outcome is Outcome.ALLOWED and kept:
        return [opens(f"{says}: it ends in time", asked, "break-glass.end")]
    return [stays_shut(says, asked, "break-glass.end"), *_opened(world, persona, glass, record)[0]]


def _other_operation(world: World, persona: str, glass: BreakGlass, record: Instance) -> list[Step]:
    target = world.target
    described = target.resources[glass.resource]
    roles = policy.roles_of(target, persona)
    names = [
        name
        for name, operation in described.operations.items()
        if name not in glass.opens
        and described.kind(name) in {"update", "action", "delete"}
        and target.object_of(glass.resource, name) == glass.resource
        and not operation.not_tested
        and not any(
            grant.covers(frozenset(), same_tenant=True)
            for grant in policy.grants(target, roles, glass.resource, name)
        )
    ]
    # What the role may do with a relation shows best whether the emergency stands in for one.
    names.sort(key=lambda name: not policy.grants(target, roles, glass.resource, name))
    if not names:
        raise Unclaimed(f"there is nothing else of {glass.resource} that the role may not do")
    steps, _ = _opened(world, persona, glass, record)
    for name in names[:2]:
        read = _half(world, persona, glass.resource, name, record, None)
        steps.append(stays_shut(f"{name} of the record meanwhile", read, "break-glass.scope"))
    return steps


def _wrong_role(world: World, persona: str, glass: BreakGlass, record: Instance) -> list[Step]:
    steps: list[Step] = []
    for other, account in world.target.personas.items():
        if (
            set(account.role) & set(glass.roles)
            or policy.tenant_of(world.target, other) != record.tenant
        ):
            continue
        granted = policy.grants(world.target, account.role, glass.resource, glass.opens[0])
        if any(grant.covers(frozenset(), same_tenant=True) for grant in granted):
            continue
        asked = _open(world, other, glass, record)
        steps.append(stays_shut(f"asked for by {other}", asked, "break-glass.role"))
        read = _read(world, other, glass, record)
        steps.append(stays_shut(f"the record, read by {other}", read, "break-glass.role"))
    if not steps:
        raise NotBuilt("every other role may read the record anyway")
    return steps + _opened(world, persona, glass, record)[0]


def _other_tenant(world: World, persona: str, glass: BreakGlass, record: Instance) -> list[Step]:
    tenant = next(name for name in policy.tenants(world.target) if name != record.tenant)
    foreign = world.obtain(glass.resource, tenant, {}, fresh=True)
    asked = _open(world, persona, glass, foreign)
    read = _read(world, persona, glass, foreign)
    steps = [
        stays_shut("asked for across the border between tenants", asked, "break-glass.tenant"),
        stays_shut("the other tenant's record", read, "break-glass.tenant"),
    ]
    return steps + _opened(world, persona, glass, record)[0]


def _ended(world: World, persona: str, glass: BreakGlass, record: Instance) -> list[Step]:
    assert glass.end is not None
    steps, asked = _opened(world, persona, glass, record)
    payload = world.payload(
        persona, glass.resource, record.tenant, record.lineage(), **taken(glass.open, asked)
    )
    about = (glass.resource, "break_glass")
    ended = world.send(persona, glass.end, payload, "set-up", about)
    after = _read(world, persona, glass, record)
    return [
        *steps,
        opens("its end", ended),
        stays_shut("the record after its end", after, "break-glass.end", steps[-1].read),
    ]


def _expired(world: World, persona: str, glass: BreakGlass, record: Instance) -> list[Step]:
    steps, asked = _opened(world, persona, glass, record, seconds=_SHORT)
    time.sleep(max(asked.exchange.started + _SHORT + 1.0 - time.time(), 0))
    after = _read(world, persona, glass, record)
    says = f"the record a second after the {_SHORT} s that were asked for"
    return [*steps, stays_shut(says, after, "break-glass.end", steps[-1].read)]


def _after_logout(world: World, persona: str, glass: BreakGlass, record: Instance) -> list[Step]:
    login = login_of(world, persona)
    if login.logout is None:
        raise Unclaimed("the login says no way to log out")
    session = world.log_in_again(persona)
    steps, _ = _opened(world, persona, glass, record, session=session)
    payload = world.payload(persona, "account", record.tenant, {}, **facts_of(session))
    about = ("account", "logout")
    out = world.send(persona, login.logout, payload, "set-up", about, session=session)
    after = _read(world, persona, glass, record)
    return [
        *steps,
        opens("the logout", out),
        stays_shut("the record in another session", after, "break-glass.end", steps[-1].read),
    ]


def _reviewed(world: World, persona: str, glass: BreakGlass, record: Instance) -> list[Step]:
    assert glass.review is not None
    steps, asked = _opened(world, persona, glass, record)
    found = taken(glass.open, asked)
    reviewer = world.someone(glass.review.as_, record.tenant)
    payload = world.payload(reviewer, glass.resource, record.tenant, record.lineage(), **found)
    about = (glass.resource, "break_glass")
    shown = world.send(reviewer, glass.review, payload, "control", about)
    steps.append(opens("what there is to review", shown))
    text = decode(shown.exchange.answer.body) if shown.exchange.answer else ""
    if not any(str(value) in text for value in (*found.values(), record.id) if value is not None):
        says = f"what {reviewer} is shown for review names neither the access nor the record"
        steps.append(Step(says, shown, Expected.DENY, "break-glass.review"))
    else:
        steps.append(opens("it names the access", shown, "break-glass.review"))
    return steps


def _on_record(world: World, persona: str, glass: BreakGlass, record: Instance) -> list[Step]:
    """The entry of the emergency read names the emergency as its purpose."""
    trail = entries.trail_of(world)
    steps, _ = _opened(world, persona, glass, record)
    exchange = steps[-1].read.exchange
    key = entries.id_of(trail, exchange)
    if key is None:
        raise NotBuilt("the answer names no correlation id (audit.answered)", exchange)
    reader = entries.reader_of(world, trail.read, record.tenant)
    rows, looked = entries.find(world, trail.read, reader, key, exchange.started)
    said = {purpose for row in rows for purpose in row.of("purpose")}
    if glass.purpose in said:
        return [*steps, opens("its entry in the trail", looked[-1], "break-glass.trail")]
    told = f"names {', '.join(sorted(said)) or 'no purpose'}" if rows else "is missing"
    says = f"its entry in the trail {told}, and {glass.purpose!r} is promised"
    return [*steps, Step(says, looked[-1], Expected.DENY, "break-glass.trail")]


# --- two pairs of eyes -----------------------------------------------------------------------


def separation(world: World, case: Case) -> Scenario:
    """One person does the first half and tries the second; then somebody else does that one."""
    assert case.resource and case.variant
    pair, roles, variant = case.variant.split(".")
    duty = next(
        one
        for one in world.target.duties
        if one.resource == case.resource and f"{one.first}-{one.then}" == pair
    )
    tenant = case.tenant or policy.sole_tenant(world.target)
    person = _with_roles(world, roles, tenant)
    second = next(
        role
        for role in roles.split("+")[::-1]
        if policy.grants(world.target, (role,), duty.resource, duty.then)
    )
    other = world.enlist([second], tenant)
    need = {
        **needed(world, person, duty.resource, duty.first),
        **needed(world, other, duty.resource, duty.then),
    }
    record, did = _first_half(world, person, duty.resource, duty.first, tenant, need)
    session = world.log_in_again(person) if variant == "two-sessions" else None
    again = _half(world, person, duty.resource, duty.then, record, session)
    done = _half(world, other, duty.resource, duty.then, record, None)
    return Scenario(
        case,
        (
            opens(f"{duty.first} by one person", did),
            stays_shut(f"{duty.then} by the same person", again, "duty"),
            opens(f"{duty.then} by somebody else", done),
        ),
    )


def _with_roles(world: World, roles: str, tenant: str) -> str:
    """An account with all of `roles`, joined by +. Raises Unclaimed if there may be none such."""
    try:
        return world.enlist(roles.split("+"), tenant)
    except NotBuilt as refused:
        outcomes = [world.read(one).outcome for one in refused.exchanges]
        if "+" in roles and outcomes and outcomes[0] in {Outcome.CONFLICT, Outcome.INVALID}:
            raise Unclaimed(f"the target lets no account hold {roles} together") from None
        raise


def _first_half(
    world: World, persona: str, resource: str, name: str, tenant: str, need: dict[str, Relation]
) -> tuple[Instance, Read]:
    """The record after its first half, which for a create is the making of it."""
    operation = world.target.operation(resource, name)
    creates = world.target.resources[resource].kind(name) == "create"
    about = world.target.object_of(resource, name)
    if not creates:
        record = world.obtain(resource, tenant, need, fresh=True, state=operation.after)
        return record, _half(world, persona, resource, name, record, None)
    state = world.target.state(resource, name, about)
    parent = world.obtain(about, tenant, need, fresh=True, state=state) if about else None
    lineage = world.around(resource, name, tenant, parent)
    payload = world.payload(persona, resource, tenant, lineage)
    read = world.send(persona, operation, payload, "set-up", (resource, name))
    answer = read.exchange.answer
    others = {key: one for key, one in lineage.items() if one is not parent}
    made = (
        world.remember(resource, name, tenant, answer, persona, parent, others, payload)
        if read.outcome is Outcome.ALLOWED and answer is not None
        else None
    )
    if made is None:
        raise NotBuilt(f"{resource}.{name} as {persona} got {read.status}", read.exchange)
    return made, read


def _half(
    world: World, persona: str, resource: str, name: str, record: Instance, session: Session | None
) -> Read:
    lineage = world.around(resource, name, record.tenant, record)
    payload = world.payload(persona, resource, record.tenant, lineage)
    operation = world.target.operation(resource, name)
    return world.send(persona, operation, payload, "attempt", (resource, name), session=session)


# --- denials that no role lifts --------------------------------------------------------------


def overridden(world: World, case: Case) -> Scenario:
    """One account with the role that grants, one with the role that forbids besides."""
    assert case.resource and case.operation and case.variant
    tenant = case.tenant or policy.sole_tenant(world.target)
    grants = case.roles[0]
    alone, both = world.enlist([grants], tenant), _with_roles(world, case.variant, tenant)
    need = needed(world, alone, case.resource, case.operation)
    if need:
        need[both] = next(iter(need.values()))
    record = world.obtain(
        case.resource,
        tenant,
        need,
        fresh=True,
        state=world.target.operation(case.resource, case.operation).after,
    )
    refused = _half(world, both, case.resource, case.operation, record, None)
    served = _half(world, alone, case.resource, case.operation, record, None)
    return Scenario(
        case,
        (
            opens(f"by an account with {grants} alone", served),
            stays_shut(f"by an account with {case.variant}", refused, "deny-overrides", served),
        ),
    )
