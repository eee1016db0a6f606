"""Trying declared limits: bounded bursts by an account of their own, and pages without end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance import policy
from conformance.claims import Limit, Limited
from conformance.comparison import parsed
from conformance.extraction import extract, values
from conformance.instances import Instance, NotBuilt, NotTried
from conformance.model import Case, Outcome, Read
from conformance.oracles.limits import Burst, Page
from conformance.sources.identity import makeable
from conformance.sources.limits import PAGES
from conformance.target import ANONYMOUS, Operation
from conformance.trials.guesses import like_name, name_key
from conformance.trials.series import listed
from conformance.trials.sessions import subject
from conformance.trials.setting import may_disrupt, permitted, remember, send, writes
from conformance.world import World

MOST_REQUESTS = 600
MOST_SECONDS = 90.0
_MOST_ROWS = 1_500
"""Rows that one worker plants for the sake of limits."""


def _margin(limit: Limit) -> int:
    """Requests beyond the declared ones that are forgiven."""
    return max(2, limit.requests // 10)


def _burst(case: Case, limit: Limit, ask: Callable[[], Read], *, own: bool) -> Burst:
    """Requests one after another until one is limited; bounded in number and time.

    They go on for twice what is declared, so that a limit which is met late is told from none.
    """
    reads: list[Read] = []
    most = min(2 * limit.requests + 10, MOST_REQUESTS)
    started = time.monotonic()
    while len(reads) < most:
        reads.append(ask())
        lasted = time.monotonic() - started
        if reads[-1].outcome is Outcome.LIMITED or lasted > min(limit.seconds, MOST_SECONDS):
            break
        if len(reads) == 1 and reads[0].outcome is Outcome.BROKEN:
            break
    lasted = time.monotonic() - started
    return Burst(case, limit.requests, limit.seconds, _margin(limit), tuple(reads), lasted, own)


def operation(world: World, case: Case) -> Burst:
    """An operation again and again, by an account made for it if that can be."""
    may_disrupt(world)
    assert case.persona and case.resource and case.operation and case.tenant
    limit = world.target.operation(case.resource, case.operation).limit
    assert limit is not None
    own = set(case.roles) <= set(makeable(world.target))
    burst = _by(world, case, limit, own=own)
    if burst.late and own:
        return replace(burst, again=_by(world, case, limit, own=own))
    return burst


def _by(world: World, case: Case, limit: Limit, *, own: bool) -> Burst:
    """The burst by a fresh account, or by the persona itself."""
    assert case.persona and case.tenant
    persona = world.enlist(case.roles, case.tenant) if own else case.persona
    trying = replace(case, persona=persona)
    setting = permitted(world, trying, fresh=writes(trying) and case.kind != "create")

    def ask(template: Operation = setting.operation) -> Read:
        read, payload = send(world, setting, persona, "attempt", template=template)
        if case.kind == "create" and read.outcome is Outcome.ALLOWED and read.exchange.answer:
            remember(world, setting, persona, read.exchange, payload)
        return read

    world.sessions[persona].credentials()
    burst = _burst(case, limit, ask, own=own)
    if burst.served is None or burst.late:
        return burst
    sidesteps = [(says, ask(template)) for says, template in _sidesteps(setting.operation)]
    if own and not world.sessions[persona].login.then:
        shown = world.log_in_again(persona).shown()
        read, _ = send(world, setting, persona, "attempt", credentials=shown)
        sidesteps.append(("another session of the account", read))
    return replace(burst, sidesteps=tuple(sidesteps), still=ask())


def _sidesteps(operation: Operation) -> list[tuple[str, Operation]]:
    """The operation with other things that the caller chooses, and that say nothing of who asks."""
    address = "198.51.100.77"  # RFC 5737: an address of nobody
    headers = {
        "X-Forwarded-For": address,
        "X-Real-IP": address,
        "Forwarded": f"for={address}",
        "True-Client-IP": address,
        "X-Client-IP": address,
        "User-Agent": "wardproof/another",
    }
    found = [
        (
            f"another {name}",
            operation.model_copy(update={"headers": {**operation.headers, name: value}}),
        )
        for name, value in headers.items()
    ]
    query = {**operation.query, "wardproof": "1"}
    return [*found, ("a further query parameter", operation.model_copy(update={"query": query}))]


def asking(world: World, case: Case) -> Burst:
    """A reset or a sign-up again and again, for a name that somebody has or that nobody has."""
    may_disrupt(world)
    assert case.variant
    request, whose = case.variant.split(".")
    accounts = world.target.accounts
    step = accounts.reset_password if request == "reset" else accounts.sign_up
    assert step is not None and step.limit is not None
    burst = _for_name(world, case, step, step.limit, whose)
    if burst.late:
        return replace(burst, again=_for_name(world, case, step, step.limit, whose))
    return burst


def _for_name(world: World, case: Case, step: Limited, limit: Limit, whose: str) -> Burst:
    tenant = case.tenant or policy.sole_tenant(world.target)
    account = world.target.account(subject(world, case))
    key = name_key(account.facts, step)
    name = str(account.facts[key])
    given: dict[str, Any] = {**account.facts, key: name if whose == "somebody" else like_name(name)}
    given |= {f"persona.{fact}": value for fact, value in given.items()}
    sender = world.someone(step.as_, tenant) if step.as_ else ANONYMOUS
    about = ("account", case.variant or "")

    def ask() -> Read:
        payload = world.payload(sender, "account", tenant, {}, **given)
        return world.send(sender, step, payload, "attempt", about, tenant)

    # Whether others ask from the same address meanwhile is not known.
    return _burst(case, limit, ask, own=False)


def page(world: World, case: Case) -> Page:
    """A page of one row, and one of more rows than any may have; rows are planted if need be."""
    may_disrupt(world)
    assert case.persona and case.resource and case.operation and case.tenant and case.variant
    paging = world.target.operation(case.resource, case.operation).next
    assert paging is not None and paging.most is not None
    mine = listed(world, case)
    small, small_rows, _more = _page(world, case, mine, 1)
    asked = PAGES[case.variant]
    read, rows, more = _page(world, case, mine, asked)
    if read.outcome is Outcome.ALLOWED and rows <= paging.most and not more and mine is not None:
        _plant(world, case, paging.most + 1 - rows)
        read, rows, more = _page(world, case, mine, asked)
    return Page(case, paging.most, asked, small, small_rows, read, rows, more)


def _page(world: World, case: Case, mine: Instance | None, size: int) -> tuple[Read, int, bool]:
    """A page of so many rows, how many it has, and whether it tells of more."""
    assert case.persona and case.resource and case.operation and case.tenant
    operation = world.target.operation(case.resource, case.operation)
    paging = operation.next
    assert paging is not None and paging.size is not None
    query = {**operation.query, paging.size: size}
    if paging.start is not None and paging.param:
        query[paging.param] = paging.start
    template = operation.model_copy(update={"query": query})
    lineage = world.around(case.resource, case.operation, case.tenant, mine)
    payload = world.payload(case.persona, case.resource, case.tenant, lineage)
    about = (case.resource, case.operation)
    read = world.send(case.persona, template, payload, "attempt", about)
    answer = read.exchange.answer
    if answer is None or read.outcome is not Outcome.ALLOWED:
        return read, 0, False
    rows = len(values(operation.items or "$", parsed(answer)))
    total = extract(operation.total, answer) if operation.total else None
    following = paging.cursor or paging.link
    counted = str(total).isdigit() and int(str(total)) > rows
    return read, rows, counted or bool(following and extract(following, answer))


def _plant(world: World, case: Case, rows: int) -> None:
    """More rows for the persona to list. Raises NotTried when that would be too many."""
    if world.rows_planted + rows > _MOST_ROWS:
        raise NotTried(
            f"{rows} more rows would have to be planted to see whether the limit holds, and this "
            f"run plants {_MOST_ROWS} at most for such lists"
        )
    for index in range(rows):
        world.rows_planted += 1
        try:
            listed(world, case, fresh=True)
        except NotBuilt as problem:
            raise NotBuilt(
                f"row {index + 1} of {rows}, without which no limit shows: {problem}",
                *problem.exchanges,
            ) from None
