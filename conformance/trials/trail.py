"""Trials of what an attempt leaves in the audit trail."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from itertools import islice
from typing import Any

from conformance.instances import Instance, NotBuilt, Payload, Unclaimed
from conformance.model import Case, Outcome, Read, decode
from conformance.sources.trail import operation_of, passwords
from conformance.target import ANONYMOUS
from conformance.template import Unfilled
from conformance.trail import (
    Entry,
    Told,
)
from conformance.trials.entries import (
    concerned_in,
    find,
    fresh_id,
    given_out,
    id_of,
    reader_of,
    told_of,
    trail_of,
)
from conformance.trials.pages import PAGE_LIMIT, follow
from conformance.trials.series import listed, planted
from conformance.trials.setting import Setting, permitted, remember, send, set_up
from conformance.wire import build
from conformance.world import World

# --- one attempt -----------------------------------------------------------------------------

_BROKEN_BODY = '{"wardproof": '


def entered(world: World, case: Case) -> Told:
    """One attempt of the kind that the case is about, and its entry."""
    if case.variant == "allowed":
        return _allowed(world, case)
    if case.variant in {"broken-body", "missing-id"}:
        return _failing(world, case)
    setting = set_up(world, case)
    read, payload = send(world, setting, setting.persona, "attempt")
    within = concerned_in(world, setting.lineage) or None
    if read.outcome is Outcome.ALLOWED:
        within = None
    return told_of(world, case, read, _markers(setting, payload), within=within)


def _permitted(world: World, case: Case) -> tuple[Setting, Read, Payload]:
    """The operation by somebody who may, with records of patients in what it gives out."""
    assert case.persona and case.resource and case.operation
    operation = world.target.operation(case.resource, case.operation)
    if operation.shows:
        planted(world, case)
    if case.kind != "list" or not operation.items or _is_trail(world, case):
        setting = permitted(world, case)
        return setting, *send(world, setting, setting.persona, "attempt")
    mine: Instance | None = None
    with contextlib.suppress(NotBuilt):
        mine = listed(world, case)
    setting = permitted(world, case)
    if mine is not None:
        setting.lineage = {**setting.lineage, **mine.lineage()}
    return setting, *_page_with(world, setting, mine)


def _page_with(world: World, setting: Setting, mine: Instance | None) -> tuple[Read, Payload]:
    """The page of a list that shows a record; each page is an attempt of its own."""
    about = (setting.resource, setting.name)
    payload = world.payload(setting.persona, setting.resource, setting.tenant, setting.lineage)
    operation = setting.operation
    every = follow(
        world,
        setting.persona,
        about,
        operation,
        operation.next,
        operation.items or "$",
        payload,
        "attempt",
    )
    for read in islice(every, PAGE_LIMIT):
        answer = read.exchange.answer
        if mine is None or answer is None or str(mine.id) in decode(answer.body):
            break
    return read, payload


def _markers(setting: Setting, payload: Payload) -> set[str]:
    return payload.carried | (setting.instance.markers if setting.instance else set())


def _allowed(world: World, case: Case) -> Told:
    setting, read, payload = _permitted(world, case)
    patients: frozenset[str] = frozenset()
    within: frozenset[str] | None = None
    answer = read.exchange.answer
    if read.outcome is Outcome.ALLOWED and answer is not None and not _is_trail(world, case):
        if case.kind == "create":
            remember(world, setting, setting.persona, read.exchange, payload)
        concerned = concerned_in(world, setting.lineage) if setting.about else frozenset()
        patients = concerned | given_out(world, setting.tenant, answer)
        alone = case.kind not in {"list", "search"} and not setting.operation.shows
        if concerned and alone and not world.target.batch(setting.resource, setting.name):
            within = patients
    markers = _markers(setting, payload)
    return told_of(world, case, read, markers, patients=patients, within=within)


def _is_trail(world: World, case: Case) -> bool:
    """Whether the operation reads the trail, which shows entries and nobody's record."""
    trail = trail_of(world)
    return any(
        read is not None and operation_of(world.target, read) == (case.resource, case.operation)
        for read in (trail.read, trail.unattributed)
    )


def _failing(world: World, case: Case) -> Told:
    setting = permitted(world, case)
    if case.variant == "broken-body":
        update = {"json_": None, "content_type": "application/json", "body": _BROKEN_BODY}
        template = setting.operation.model_copy(update=update)
        read, payload = send(world, setting, setting.persona, "attempt", template=template)
        within = concerned_in(world, setting.lineage) or None
        return told_of(world, case, read, _markers(setting, payload), within=within)
    assert setting.instance is not None
    made_up = world.never_existed(setting.instance.resource, setting.instance.id)
    ghost = replace(setting.instance, id=made_up)
    lineage = {**setting.lineage, ghost.resource: ghost}
    given = {"lineage": lineage, "ids": [made_up]}
    read, payload = send(world, setting, setting.persona, "attempt", **given)
    return told_of(world, case, read, payload.carried)


# --- what must not be kept -------------------------------------------------------------------


def confidential(world: World, case: Case) -> Told:
    """An attempt that carries content or a secret where a careless trail would keep it."""
    if case.variant == "wrong-password":
        return _wrong_password(world, case)
    setting = permitted(world, case)
    template = setting.operation
    if case.variant == "rejected-body" and isinstance(template.json_, dict):
        first = next(iter(template.json_))
        body = {**template.json_, first: ["{canary}", {"wardproof": "{canary}"}]}
        template = template.model_copy(update={"json_": body})
    read, payload = send(world, setting, setting.persona, "attempt", template=template)
    made = case.kind == "create" and read.outcome is Outcome.ALLOWED
    if made and read.exchange.answer is not None:
        remember(world, setting, setting.persona, read.exchange, payload)
    return told_of(world, case, read, payload.carried)


def _wrong_password(world: World, case: Case) -> Told:
    """One failed login, which is few enough for any lock-out."""
    assert case.persona
    trail, persona = trail_of(world), case.persona
    login = world.sessions[persona].login
    step = login.step()
    assert step is not None
    wrong = f"Wq7-{fresh_id(world)[-12:]}-wrong"
    facts = {
        **world.target.account(persona).facts,
        **dict.fromkeys(passwords(login), wrong),
    }

    def lookup(name: str, _argument: str | None, _field: str) -> Any:
        head, _, tail = name.partition(".")
        if tail and head == "tenant":
            return world.tenant_facts(case.tenant or "")[tail]
        return facts[tail if head == "persona" else name]

    tenancy = world.tenancy(case.tenant)
    try:
        message = build(world.wire, step, lookup, tenant=tenancy)
    except Unfilled as missing:
        raise NotBuilt(f"a failed login: {missing}") from None
    read = world.read(world.wire.send(message, ANONYMOUS, "attempt"))
    correlation = id_of(trail, read.exchange)
    found: tuple[Entry, ...] = ()
    looked: tuple[Read, ...] = ()
    for where in (trail.read, trail.unattributed):
        if where is None or correlation is None:
            continue
        reader = reader_of(world, where, case.tenant if where is trail.read else None)
        rows, read_pages = find(world, where, reader, correlation, read.exchange.started)
        found, looked = (*found, *rows), (*looked, *read_pages)
    if not found:
        raise Unclaimed(
            "not claimed: a failed login leaves no entry that could be found by its correlation id"
        )
    secrets = {wrong: "the password that was tried"}
    return Told(case, trail, read, looked, found, correlation, None, forbidden=secrets)
