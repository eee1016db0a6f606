"""Fuzzing as one persona: the campaign, and what it found, made small."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from conformance import inventory
from conformance.cases import Profile
from conformance.fuzz import plan
from conformance.fuzz.history import Campaign
from conformance.fuzz.matching import Known, granted, known
from conformance.fuzz.settings import CHECKS
from conformance.instances import NotBuilt
from conformance.model import Case
from conformance.target import ANONYMOUS
from conformance.trials.setting import may_disrupt
from conformance.world import World

if TYPE_CHECKING:
    from conformance.fuzz.campaign import Campaign as Underway
    from conformance.fuzz.driver import Driver, Told

_KEPT_FOR = "fuzz"
_MOST = 5.0
"""By how much a slow machine may take longer than planned, rather than try less."""
_MADE_UP = {"fuzzing": 0.6, "stateful": 0.4}
_STEPS = 6
_EXAMPLES = 100
_AFTERMATH = 30.0
_LONGEST_ANSWER = 5.0


def place(world: World) -> World:
    """Where a campaign runs: on a copy of the target that only campaigns use, if there can be one.

    Raises NotTried where the target itself would be disturbed.
    """
    if world.target.system.start is not None and world.replicas is not None:
        return world.replica(kept_for=_KEPT_FOR).world
    may_disrupt(world)
    return world


@dataclass
class _Opened:
    """A campaign that can begin: where it runs, who steers it, and what it tries."""

    where: World
    underway: Underway
    driver: Driver
    operations: list[Known]
    share: plan.Share
    left_out: Mapping[str, str]
    seconds: float
    quota: int


def _opened(world: World, case: Case) -> _Opened:
    from conformance.fuzz.campaign import Campaign as Underway
    from conformance.fuzz.driver import Driver, Unusable

    assert case.persona is not None
    target = world.target
    where = place(world)
    document, base, operations = _document(world, where)
    people = plan.personas(target, world.profile)
    left_out = {**plan.left_out(target, operations), **_ends_sessions(where, operations, case)}
    tried = [one for one in operations if one.label not in left_out]
    shares = plan.shares(
        target, tried, people, world.seed, everything=world.profile is Profile.FULL
    )
    part = plan.part(target, people, case.persona, world.seed)
    seed = zlib.crc32(f"{world.seed}|{case.persona}".encode())
    underway = Underway(where, case, operations, seed)
    timeout = min(target.system.timeout, _LONGEST_ANSWER)
    off = tuple(target.fuzz.unused)
    try:
        driver = Driver(document, base, underway.credentials(), off, seed, underway, timeout)
    except Unusable as problem:
        raise NotBuilt(f"the API document cannot be fuzzed: {problem}") from None
    return _Opened(
        where,
        underway,
        driver,
        operations,
        shares[case.persona],
        left_out,
        plan.SECONDS[world.profile] * _workers() * part,
        plan.quota(world.profile, part, len(shares[case.persona].fuzzed)),
    )


def campaign(world: World, case: Case) -> list[Any]:
    """One persona's campaign: its history first, then what speaks against the target.

    Where a recipe is to be tried again, nothing but that.
    """
    from conformance.fuzz.aftermath import Aftermath, cooked
    from conformance.fuzz.beyond import beyond
    from conformance.fuzz.driver import Told

    opened = _opened(world, case)
    underway, driver, share = opened.underway, opened.driver, opened.share
    if world.recipe is not None:
        return [cooked(underway, driver, world.recipe)]
    started = time.monotonic()
    underway.deadline = started + opened.seconds * _MOST
    told = Told()
    # What shows most with least comes first, should time be short.
    others = [label for label in share.probed if label not in share.covered]
    driver.run(("examples",), share.covered, None, told)
    beyond(underway, driver, share.covered, told)
    driver.run(("examples",), others, None, told)
    driver.run(("coverage",), share.covered, None, told)
    if underway.stopped() and underway.ended is None:
        underway.notes.append("enumerating was cut short: time was up")
    for phase, share_of in _MADE_UP.items():
        if underway.ended or not share.fuzzed:
            break
        most = max(int(opened.quota * share_of), 1)
        underway.until = underway.requests + most
        rest = max(opened.seconds * _MOST - (time.monotonic() - started), opened.seconds * share_of)
        underway.deadline = time.monotonic() + rest
        examples = most // (len(share.fuzzed) if phase == "fuzzing" else _STEPS)
        driver.run((phase,), share.fuzzed, None, told, min(max(examples, 1), _EXAMPLES))
    underway.until = None
    underway.deadline = time.monotonic() + _AFTERMATH
    aftermath = Aftermath(underway, driver)
    found = [*aftermath.suspicions(told.objections), *aftermath.effects()]
    history = _history(world, opened, told, time.monotonic() - started)
    return [history, *found]


def _history(world: World, opened: _Opened, told: Told, seconds: float) -> Campaign:
    underway, off = opened.underway, world.target.fuzz
    return Campaign(
        case=underway.case,
        requests=underway.requests,
        seconds=seconds,
        phases=dict(underway.phases),
        statuses={label: dict(each) for label, each in underway.statuses.items()},
        granted=frozenset(
            one.label for one in opened.operations if granted(world.target, underway.persona, one)
        ),
        untouched={
            one.label: opened.left_out.get(one.label, "not this persona's part")
            for one in opened.operations
            if one.label not in underway.statuses
        },
        checks=tuple(name for name in CHECKS if name not in off.unused),
        off={
            name: each if isinstance(each, str) else "; ".join(f"{k}: {v}" for k, v in each.items())
            for name, each in off.off.items()
        },
        engine=tuple(told.errors),
        notes=tuple(
            [f"{label}: {why}" for label, why in told.ungenerated.items()] + underway.notes
        )[:20],
        ended=underway.ended,
        last=tuple(opened.where.read(one) for one in underway.recent),
    )


def _workers() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


_Read = tuple[Mapping[str, Any], str, list[Known]]
_READ: WeakKeyDictionary[World, _Read] = WeakKeyDictionary()


def _document(world: World, where: World) -> _Read:
    """The API document, the URL below which its paths lie on that copy, and its operations.

    Read once for each copy. Raises NotBuilt.
    """
    if where not in _READ:
        _READ[where] = _read(world, where)
    return _READ[where]


def _read(world: World, where: World) -> _Read:
    replicas = world.replicas
    folder = replicas.loaded.folder if replicas is not None else None
    try:
        if folder is None:
            raise inventory.NoDocument("nothing says where the target file lies")
        data, read_from = inventory.source(world.target, where.wire, folder)
    except inventory.NoDocument as problem:
        raise NotBuilt(str(problem)) from None
    if not isinstance(data, dict) or not isinstance(data.get("paths"), dict):
        raise NotBuilt(f"{read_from} (system.openapi) has no 'paths': it is no OpenAPI document")
    prefix = inventory.prefix_of(data)
    base = where.wire.base_url
    if not urlsplit(base).path.endswith(prefix):
        base += prefix
    return data, base, known(world.target, data)


def _ends_sessions(world: World, operations: list[Known], case: Case) -> dict[str, str]:
    """Operations by which a persona would end its own session or spoil its account."""
    if case.persona == ANONYMOUS:
        return {}
    target = world.target
    steps = [login.logout for login in target.login.values() if login.logout is not None]
    steps += [one for one in (target.accounts.change_password,) if one is not None]
    shapes = {shape for step in steps for shape in inventory.shapes_of(target, step)}
    return {
        one.label: "it would end the persona's own session; anonymous tries it"
        for one in operations
        if inventory.Documented(one.method, one.path).shape in shapes
    }
