"""Knocking where nobody declared a door: other methods, spellings, versions, inner pages."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from conformance import inventory, known, policy
from conformance.model import Because, Case, Exchange, Outcome, Read, Trial
from conformance.oracles import altered, marked
from conformance.oracles.hidden import Hidden, Knock, Page, Pages
from conformance.paths import METHODS, ONCE, OVERRIDES, Spelling, aliases, spellings, versions
from conformance.schema import Request, placeholders_in
from conformance.sources.hidden import main_read, ungranted
from conformance.target import SAFE_KINDS, Operation
from conformance.trials.pages import walk
from conformance.trials.properties import readers, seen_by
from conformance.trials.setting import (
    Setting,
    control_of,
    differ,
    permitted,
    send,
    set_up,
    subject,
)
from conformance.world import World

_READING = frozenset({"GET", "OPTIONS", "TRACE"})
_REMOVING = frozenset({"PUT", "PATCH", "DELETE"})


def _changed(operation: Operation, **changes: Any) -> Operation:
    """The operation with another request line, body, query or headers; nothing is validated."""
    return operation.model_copy(update=changes)


# --- methods -----------------------------------------------------------------------------------


def methods(world: World, case: Case) -> Hidden:
    """Every method at the case's path that nobody declared, the harmless ones first.

    At the collection of a whole tenant nothing is tried that could empty it.
    """
    assert case.resource and case.operation
    real = replace(case, kind=world.target.resources[case.resource].kind(case.operation))
    setting = _on_own(world, real)
    safe = real.kind in SAFE_KINDS
    control = send(world, setting, setting.persona, "control")[0] if safe else None
    declared = _declared(world, setting.operation)
    main = main_read(world.target, case.resource)
    knocks: list[Knock] = []
    before = _seen(world, setting, safe)
    for method in METHODS:
        if method in declared or (method in _REMOVING and setting.about is None):
            continue
        elsewhere = setting.about is not None and case.operation != main
        if method in ONCE and elsewhere:
            continue
        template = _with_method(world, setting, method)
        echo = f"wardproof{secrets.token_hex(8)}" if method == "TRACE" else None
        if echo:
            template = _changed(template, headers={**template.headers, "X-Wardproof": echo})
        read, payload = send(world, setting, setting.persona, "attempt", template=template)
        trial = Trial(case, read, control, subject=subject(setting))
        if method not in _READING and read.outcome is Outcome.ALLOWED:
            trial = _with_effects(world, setting, trial, before, safe)
            trial = replace(trial, carried=frozenset(payload.carried))
            before = trial.after
        rule = "hidden.trace" if echo else "hidden.method"
        knocks.append(Knock(f"{method} {setting.operation.path}", trial, rule, echo))
    refused = [
        one
        for one in knocks
        if one.says.split(" ", 1)[0] not in _READING
        and one.trial.attempt.outcome is not Outcome.ALLOWED
    ]
    if refused and before:
        # What they did all the same, if anything; told of the last of them.
        names = ", ".join(one.says.split(" ", 1)[0] for one in refused)
        trial = Trial(case, refused[-1].trial.attempt)
        trial = _with_effects(world, setting, trial, before, safe)
        knocks.append(Knock(f"one of {names}", trial, "hidden.method"))
    return Hidden(case, tuple(knocks), control, needs_control=safe)


def _with_effects(
    world: World, setting: Setting, trial: Trial, before: tuple[Read, ...], safe: bool
) -> Trial:
    """The trial with the state before and after, and once more if that differs."""
    after = _seen(world, setting, safe)
    again = _seen(world, setting, safe) if before and differ(before, after) else ()
    if setting.about is None:
        # Others change what the whole tenant shares; only what the request carried tells here.
        before = ()
    return replace(trial, before=before, after=after, again=again)


def _on_own(world: World, case: Case) -> Setting:
    """The case on records of its own, so that whatever is done to them harms nobody."""
    if case.because is Because.ROLE and not _is_granted(world, case):
        return set_up(world, replace(case, kind="action"), fresh=True)
    return permitted(world, case, fresh=world.target.object_of(*_of(case)) is not None)


def _of(case: Case) -> tuple[str, str]:
    assert case.resource and case.operation
    return case.resource, case.operation


def _is_granted(world: World, case: Case) -> bool:
    return bool(policy.grants(world.target, case.roles, *_of(case)))


def _declared(world: World, operation: Operation) -> set[str]:
    """The methods of an operation's path that the target file or the API document names."""
    known_shapes = inventory.known(world.target, world.documented)
    return {
        method
        for method in METHODS
        if inventory.shapes_of(
            world.target, _changed(operation, request=f"{method} {operation.path}")
        )
        & known_shapes
    }


def _with_method(world: World, setting: Setting, method: str) -> Operation:
    """The request with another method, and a body that fits the resource if it takes one."""
    request = f"{method} {setting.operation.path}"
    plain = _changed(setting.operation, request=request, json_=None, form=None, body=None)
    if method in {*_READING, "DELETE"}:
        return plain
    return _changed(plain, json_=_fitting_body(world, setting) or {})


def _fitting_body(world: World, setting: Setting) -> Any:
    """The body of an operation of the resource for which everything named is at hand."""
    described = world.target.resources[setting.resource]
    for kind in ("update", "create", "action"):
        for name, operation in described.operations.items():
            named = world.target.needs(setting.resource, operation)
            known_here = all(one in setting.lineage for one in named)
            fills = "ids" not in operation.placeholders and "term" not in operation.placeholders
            if setting.about != setting.resource:
                # There is no record here whose id or facts the body could name.
                heads = {one.split(".")[0] for one in placeholders_in(operation.json_)}
                fills &= heads.isdisjoint({"id", setting.resource})
            if described.kind(name) == kind and operation.json_ and known_here and fills:
                return operation.json_
    return None


def _seen(world: World, setting: Setting, safe: bool) -> tuple[Read, ...]:
    """The state as somebody sees it who may: by the path's own read, or by a read of the record."""
    if safe and _is_granted(world, setting.case):
        searches = "term" in setting.operation.placeholders
        if setting.operation.items and setting.about is None and not searches:
            payload = world.payload(
                setting.persona, setting.resource, setting.tenant, setting.lineage
            )
            about = (setting.persona, setting.resource, setting.name)
            return tuple(walk(world, *about, payload, "read-back"))
        return (send(world, setting, setting.persona, "read-back")[0],)
    if setting.instance is None:
        return ()
    who = next(readers(world, setting.instance), None)
    return (seen_by(world, who, setting.instance)[1],) if who else ()


def overrides(world: World, case: Case) -> Hidden:
    """A request that is let through, with headers and parameters that name another method."""
    assert case.resource and case.operation
    real = replace(case, kind=world.target.resources[case.resource].kind(case.operation))
    setting = permitted(world, real, fresh=True)
    control = send(world, setting, setting.persona, "control")[0]
    knocks: list[Knock] = []
    for method, name in ungranted(world.target, case).items():
        body = world.target.operation(case.resource, name).json_ if name else None
        for carrier in ("POST", "GET"):
            every = _overriding(setting.operation, carrier, method, body, OVERRIDES)
            says = f"{carrier} with {method} in {', '.join(OVERRIDES)} and _method"
            knock = _overridden(world, setting, every, says)
            knocks.append(knock)
            if _had_effect(knock):
                setting = permitted(world, real, fresh=True)
                knocks[-1:] = list(_one_by_one(world, setting, carrier, method, body)) or [knock]
                return Hidden(case, tuple(knocks), control)
    return Hidden(case, tuple(knocks), control)


def _overriding(
    operation: Operation, carrier: str, method: str, body: Any, names: Iterable[str]
) -> Operation:
    query = {**operation.query, "_method": method} if "_method" in names else operation.query
    if tuple(names) == OVERRIDES:
        query = {**operation.query, "_method": method}
    headers = {name: method for name in names if name.startswith("X-")}
    return _changed(
        operation,
        request=f"{carrier} {operation.path}",
        json_=body if carrier == "POST" else None,
        query=query,
        headers={**operation.headers, **headers},
    )


def _overridden(world: World, setting: Setting, template: Operation, says: str) -> Knock:
    before = (send(world, setting, setting.persona, "read-back")[0],)
    read, payload = send(world, setting, setting.persona, "attempt", template=template)
    trial = Trial(replace(setting.case, kind="action"), read, carried=frozenset(payload.carried))
    trial = _with_effects(world, setting, trial, before, safe=True)
    return Knock(says, trial, "hidden.override")


def _had_effect(knock: Knock) -> bool:
    """Whether the read-back differs, so that it is worth to find out by which header."""
    return bool(altered(knock.trial) or marked(knock.trial))


def _one_by_one(
    world: World, setting: Setting, carrier: str, method: str, body: Any
) -> Iterator[Knock]:
    for name in (*OVERRIDES, "_method"):
        one = _overriding(setting.operation, carrier, method, body, (name,))
        knock = _overridden(world, setting, one, f"{carrier} with {name}: {method}")
        if _had_effect(knock):
            yield knock
            return


# --- spellings and versions --------------------------------------------------------------------


def respelt(world: World, case: Case) -> Hidden:
    """A read that is refused, at its path spelt otherwise, named by a header, or of other versions.

    Versions that only the API document names are tried as well: no grant speaks of them.
    """
    setting = set_up(world, case)
    path = setting.operation.path
    ways = [
        one
        for one in (*spellings(path), *aliases(path))
        if not (world.target.tenancy.host and "Host" in one.headers)
    ]
    control = control_of(world, setting)
    spelt = _behind(world, setting, ways, control, "hidden.spelling")
    named = inventory.known(world.target, ())
    moved = _behind(world, setting, _versions(world, setting, named), control, "hidden.version")
    return replace(spelt, knocks=(*spelt.knocks, *moved.knocks))


def shadowed(world: World, case: Case) -> Hidden:
    """A read that is granted, at paths of other versions that neither file nor document knows."""
    setting = permitted(world, case)
    control = send(world, setting, setting.persona, "control")[0]
    named = inventory.known(world.target, world.documented)
    return _behind(world, setting, _versions(world, setting, named), control, "hidden.shadow")


def _versions(world: World, setting: Setting, named: frozenset[str]) -> list[Spelling]:
    """The paths of other versions that are not `named`."""
    operation = setting.operation
    base = urlsplit(world.wire.base_url)
    found = []
    for one in versions(operation.path, base.path):
        moved = _changed(operation, request=f"{operation.method} {one.path}")
        if not inventory.shapes_of(world.target, moved) & named:
            found.append(one)
    return found


def _behind(
    world: World, setting: Setting, ways: Iterable[Spelling], control: Read | None, rule: str
) -> Hidden:
    knocks = []
    for one in ways:
        template = _changed(
            setting.operation,
            request=f"{setting.operation.method} {one.path}",
            headers={**setting.operation.headers, **one.headers},
            query={**setting.operation.query, **one.query},
        )
        read, _payload = send(world, setting, setting.persona, "attempt", template=template)
        trial = Trial(setting.case, read, control, subject=subject(setting))
        knocks.append(Knock(f"{one.says} ({one.path})", trial, rule))
    return Hidden(setting.case, tuple(knocks), control)


# --- pages of the inside -----------------------------------------------------------------------


def pages(world: World, case: Case) -> Pages:
    """The paths of one group; where one answers, a neighbour that cannot exist is asked as well."""
    assert case.persona and case.variant
    found = []
    for row in known.hidden_paths()[case.variant]:
        read = _get(world, case.persona, row.path)
        telling, why_not = False, None
        answer = read.exchange.answer
        if read.outcome is Outcome.ALLOWED and answer is not None:
            text = answer.body.decode("utf-8", "replace")
            telling = bool(text.strip()) and bool(re.search(row.tells or "", text))
            why_not = _expected(world, case.persona, row.path, text)
        found.append(Page(row.path, row.what, read, telling, why_not))
    return Pages(case, tuple(found))


def _get(world: World, persona: str, path: str) -> Read:
    exchange: Exchange = world.sessions[persona].send(
        Request(request=f"GET {path}"), _nothing, "attempt"
    )
    return world.read(exchange)


def _nothing(name: str, _argument: str | None, _field: str) -> Any:
    raise KeyError(name)


def _expected(world: World, persona: str, path: str, text: str) -> str | None:
    """Why a page may be there: the target file or its document knows it, or any path gets it."""
    request = Request(request=f"GET {path}")
    document = urlsplit(world.target.system.openapi or "").path
    if inventory.shapes_of(world.target, request) & inventory.known(
        world.target, world.documented
    ) or inventory.excluded(world.target, f"GET {path}"):
        return "named by the target's files"
    if document and document.startswith("/") and (path == document or document in text):
        return "it is or shows the target's API document"
    neighbour = f"{path.rstrip('/')}-{secrets.token_hex(4)}"
    answer = _get(world, persona, neighbour).exchange.answer
    if answer is not None and answer.status < 300:
        return "any path is answered like that"
    return None
