"""The sweep: both sides of every invariant, read while nothing is under way."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Any, TypeGuard

from conformance import policy
from conformance.books import NoAmount, Observation, Seen, broken, same, spread, word
from conformance.cases import Profile
from conformance.extraction import values
from conformance.instances import Instance, NotBuilt
from conformance.invariants import Invariant, Looking, Side
from conformance.login import LoginFailed
from conformance.model import Answer, Case, Exchange, Outcome, Read, decode
from conformance.schema import Request
from conformance.target import Operation
from conformance.trials.pages import follow
from conformance.trials.staging import Asked, Stage
from conformance.verdicts import no_statement
from conformance.wire import Unreachable
from conformance.world import World

PAGES = 200
"""Of a list at most so many pages are read; a longer one cannot be compared."""
OVER = 400
"""`over` reads at most so many, for the same reason."""
ASKED = {Profile.SMOKE: 12, Profile.GATE: 12, Profile.FULL: 200}
"""Of the values of the other side so many are asked for one by one, half of them the last."""
LOOKS = 4
"""A difference is looked at so often, as long as what is read moves meanwhile."""


class _Unread(Exception):
    """A side could not be read; the message says why."""

    def __init__(self, reason: str, *exchanges: Exchange) -> None:
        super().__init__(reason)
        self.exchanges = exchanges


def swept(world: World, case: Case) -> list[Observation]:
    """The invariant that the case is about, in each of its tenants."""
    assert case.variant is not None
    kept = world.swept(case)
    if kept is not None:
        return list(kept)
    name = case.variant.split(".")[0]
    return list(_everywhere(world, name, world.target.invariants[name]))


def observed(world: World) -> list[Observation]:
    """Every invariant in each of its tenants: for a replica, at the end of what was done to it."""
    return [replace(seen, place=", a copy of the target") for seen in books(world)]


def books(world: World) -> Iterator[Observation]:
    """Every invariant in each of its tenants."""
    for name, invariant in world.target.invariants.items():
        yield from _everywhere(world, name, invariant)


def _everywhere(world: World, name: str, invariant: Invariant) -> Iterator[Observation]:
    tenants = [invariant.tenant] if invariant.tenant else policy.tenants(world.target)
    for tenant in tenants:
        yield _observation(world, name, invariant, tenant)


def _observation(world: World, name: str, invariant: Invariant, tenant: str) -> Observation:
    looks: list[tuple[Seen, Seen]] = []
    problem: str | None = None
    try:
        for _ in range(LOOKS):
            look = _look(world, invariant, tenant)
            looks.append(look)
            if not _differs(invariant, look):
                break
            # What differs is read again, so that a read between two writes is no finding.
            if len(looks) > 1 and same(looks[-2], look):
                break
            time.sleep(invariant.settles)
    except (NotBuilt, LoginFailed, Unreachable) as error:
        problem = str(error)
    says = invariant.says or name.replace("_", " ")
    return Observation(name, says, tenant, invariant.relation, tuple(looks), problem)


def _differs(invariant: Invariant, look: tuple[Seen, Seen]) -> bool:
    try:
        return broken(invariant.relation, *look) is not None
    except NoAmount:
        return False


def _look(world: World, invariant: Invariant, tenant: str) -> tuple[Seen, Seen]:
    """Both sides, one after the other."""
    stage = Stage(world, tenant)
    left = _seen(stage, invariant.left)
    right = invariant.right
    if right.constant is not None:
        return left, Seen(str(right.constant), "value", (right.constant,))
    if right.is_ == "answered":
        return left, _answered(stage, right, left)
    return left, _seen(stage, right)


def _seen(stage: Stage, side: Side) -> Seen:
    """One side as it is now; what it could not be read for is said in `unread`."""
    label = _label(side)
    exchanges: list[Exchange] = []
    try:
        found = list(_values(stage, side, exchanges))
    except _Unread as problem:
        return Seen(label, side.is_, (), problem.exchanges, str(problem))
    if side.is_ == "set":
        found = list({word(value): value for value in found if value is not None}.values())
    return Seen(label, side.is_, tuple(found), tuple(exchanges))


def _label(side: Looking) -> str:
    where = side.do or side.request or ""
    found = f" {side.find}" if side.find else ""
    how = f" ({side.is_})" if isinstance(side, Side) and side.is_ not in {"value", "set"} else ""
    return f"{where}{found}{how}"


def _values(stage: Stage, side: Side, exchanges: list[Exchange]) -> Iterator[Any]:
    if side.over is None:
        yield from _found(stage, side, exchanges)
        return
    each = [value for value in _found(stage, side.over, exchanges) if value is not None]
    if len(each) > OVER:
        raise _Unread(f"{_label(side.over)} finds {len(each):,}, and {OVER} are read at most")
    for value in each:
        yield from _found(_about(stage, side, value), side, exchanges)


def _about(stage: Stage, looking: Looking, value: Any) -> Stage:
    """The stage in which the request is about the record with that id."""
    here = stage.apart(each=value, value=value, id=value)
    target = stage.world.target
    about = target.object_of(*looking.operation) if looking.operation else None
    if about is not None:
        key = f"{about}/{value}"
        here.records[about] = Instance(key, about, stage.tenant, value, made=False)
    return here


def _found(stage: Stage, looking: Looking, exchanges: list[Exchange]) -> Iterator[Any]:
    """What the JSONPath finds in the answer, or in all pages of it."""
    asked = stage.asked(looking)
    template = asked.template
    path = stage.found_at(looking.find or "$")
    for count, read in enumerate(_pages(stage, looking, asked), 1):
        answer = read.exchange.answer
        if read.outcome is not Outcome.ALLOWED or answer is None:
            reason = no_statement(read) or f"it was refused ({read.status})"
            raise _Unread(f"{_label(looking)} as {asked.persona}: {reason}", read.exchange)
        if count > PAGES:
            raise _Unread(f"{_label(looking)} has more than {PAGES} pages", read.exchange)
        exchanges.append(read.exchange)
        data = _exact(answer)
        found = values(path, data)
        if not found and _names_a_field(template, path) and values(template.items or "$", data):
            where = f"{_label(looking)} as {asked.persona}"
            raise _Unread(f"{where} has rows, and none of them holds it", read.exchange)
        yield from found


def _names_a_field(template: Request, path: str) -> TypeGuard[Operation]:
    """Whether the path is that of a field which every row of the list has to have."""
    if not isinstance(template, Operation) or template.items is None:
        return False
    rest = path.removeprefix(template.items)
    return rest != path and bool(re.fullmatch(r"(\.\w+)+", rest))


def _exact(answer: Answer) -> Any:
    """The body as JSON, with every fraction as it is written: money is no float."""
    try:
        return json.loads(decode(answer.body), parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def _pages(stage: Stage, looking: Looking, asked: Asked) -> Iterable[Read]:
    template = asked.template
    paging, items = looking.next, looking.items
    if isinstance(template, Operation):
        paging, items = template.next, template.items
    first = isinstance(looking, Side) and looking.is_ == "value"
    if paging is None or first:
        read = stage.send(asked, "sweep")
        if stage.world.waits(read):
            read = stage.send(asked, "sweep")
        return [read]
    return islice(
        follow(
            stage.world,
            asked.persona,
            asked.about,
            template,
            paging,
            items or "$",
            asked.payload,
            "sweep",
        ),
        PAGES + 1,
    )


def _answered(stage: Stage, side: Side, left: Seen) -> Seen:
    """Which of the values of the other side there is a record for, asked one by one."""
    label = _label(side)
    wanted = [value for value in left.values if value is not None]
    chosen = spread(wanted, ASKED[stage.world.profile])
    refused: list[str] = []
    exchanges: list[Exchange] = []
    for value in chosen:
        here = _about(stage, side, value)
        asked = here.asked(side)
        read = here.send(asked, "sweep")
        if here.world.waits(read):
            read = here.send(asked, "sweep")
        if read.outcome is Outcome.ALLOWED:
            continue
        if not read.outcome.refused:
            reason = no_statement(read) or read.status
            return Seen(label, "answered", (), (read.exchange,), f"{label}: {reason}")
        refused.append(word(value))
        exchanges.append(read.exchange)
    return Seen(
        label,
        "answered",
        (),
        tuple(exchanges),
        refused=tuple(refused),
        asked=len(chosen),
        of=len(wanted),
    )
