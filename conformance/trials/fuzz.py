"""Fuzzing as one persona: the campaign, and what it found, made small."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from conformance import inventory
from conformance.cases import Profile
from conformance.fuzz import plan
from conformance.fuzz.history import Campaign
from conformance.fuzz.matching import Known, granted, known
from conformance.fuzz.settings import CHECKS
from conformance.instances import NotBuilt
from conformance.model import Case, Read
from conformance.target import ANONYMOUS
from conformance.trials.setting import may_disrupt
from conformance.world import World

_KEPT_FOR = "fuzz"
_ELASTIC = 0.35
_MOST = 3.0
_EXAMPLES = 12
_AFTERMATH = 10.0


def place(world: World) -> World:
    """Where a campaign runs: on a copy of the target that only campaigns use, if there can be one.

    Raises NotTried where the target itself would be disturbed.
    """
    if world.target.system.start is not None and world.replicas is not None:
        return world.replica(kept_for=_KEPT_FOR).world
    may_disrupt(world)
    return world


def campaign(world: World, case: Case) -> list[Any]:
    """One persona's campaign: its history first, then what speaks against the target."""
    from conformance.fuzz.aftermath import Aftermath
    from conformance.fuzz.beyond import beyond
    from conformance.fuzz.campaign import Campaign as Underway
    from conformance.fuzz.driver import Driver, Told, Unusable

    assert case.persona is not None
    target = world.target
    where = place(world)
    document, base, operations = _document(world, where)
    people = plan.personas(target, world.profile)
    left_out = {**plan.left_out(target, operations), **_ends_sessions(where, operations, case)}
    tried = [one for one in operations if one.label not in left_out]
    share = plan.shares(
        target, tried, people, world.seed, everything=world.profile is Profile.FULL
    )[case.persona]
    total = plan.SECONDS[world.profile] * _workers()
    seconds = plan.budget(target, people, case.persona, total, world.seed)
    seed = zlib.crc32(f"{world.seed}|{case.persona}".encode())
    underway = Underway(where, case, operations, seed, base)
    started = time.monotonic()
    underway.deadline = started + seconds * _MOST
    try:
        driver = Driver(
            document, base, underway.credentials(), tuple(target.fuzz.off), seed, underway,
            min(target.system.timeout, 5.0),
        )  # fmt: skip
    except Unusable as problem:
        raise NotBuilt(f"the API document cannot be fuzzed: {problem}") from None
    told = Told()
    driver.run(("examples",), share.probed, None, told)
    beyond(underway, driver, share.covered, told)
    driver.run(("coverage",), share.covered, None, told)
    if underway.stopped() and underway.ended is None:
        underway.notes.append("enumerating was cut short: time was up")
    rest = max(seconds * _ELASTIC, seconds - (time.monotonic() - started))
    underway.deadline = time.monotonic() + rest
    if not underway.ended:
        driver.run(("fuzzing", "stateful"), share.fuzzed, rest, told, _EXAMPLES)
    underway.deadline = time.monotonic() + _AFTERMATH
    aftermath = Aftermath(underway, driver)
    found = [*aftermath.suspicions(told.objections), *aftermath.effects()]
    ending = underway.ended
    history = Campaign(
        case=case,
        requests=underway.requests,
        seconds=time.monotonic() - started,
        phases=dict(underway.phases),
        statuses={label: dict(each) for label, each in underway.statuses.items()},
        granted=frozenset(one.label for one in operations if granted(target, case.persona, one)),
        untouched={
            one.label: left_out.get(one.label, "not this persona's part")
            for one in operations
            if one.label not in underway.statuses
        },
        checks=tuple(name for name in CHECKS if name not in target.fuzz.off),
        off=dict(target.fuzz.off),
        engine=tuple(told.errors),
        notes=tuple(underway.notes[:20]),
        ended=ending,
        last=tuple(Read(one, where.read(one).outcome) for one in underway.recent),
    )
    return [history, *found]


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
