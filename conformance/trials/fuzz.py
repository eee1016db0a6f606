"""Fuzzing as one persona: the campaign, and what it found, made small."""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, WeakSet

from conformance import inventory, oracles, policy
from conformance.books import NoAmount, Observation, broken
from conformance.cases import Profile
from conformance.comparison import parsed
from conformance.fuzz import plan
from conformance.fuzz.history import Campaign, Effect, Suspicion, Tried
from conformance.fuzz.matching import Known, granted, known
from conformance.fuzz.settings import CHECKS, GRAPHQL, GRAPHQL_CHECKS
from conformance.instances import NotBuilt
from conformance.login import LoginFailed
from conformance.model import Case, Outcome
from conformance.target import ANONYMOUS, SAFE_KINDS
from conformance.trials import invariants
from conformance.trials.sessions import watched
from conformance.trials.setting import differ, may_disrupt
from conformance.wire import Unreachable
from conformance.world import World

if TYPE_CHECKING:
    from conformance.fuzz.campaign import Campaign as Underway
    from conformance.fuzz.driver import Driver, Told

_KEPT_FOR = "fuzz"
_MOST = 10.0
"""By how much a slow machine may take longer than planned, rather than try less."""
_AT_LEAST = 60.0
"""Seconds that the shortest campaign has on a slow machine."""
_MADE_UP = {"fuzzing": 0.6, "stateful": 0.4}
_STEPS = 6
_EXAMPLES = 100
_AFTERMATH = 30.0
_LONGEST_ANSWER = 5.0
_READING_MOST = 0.1
"""The part of the campaigns' time that reading the books may take."""


_SPOILT: WeakSet[World] = WeakSet()
"""Copies on which a persona's account or login came to its end, or may have another role."""


def place(world: World) -> World:
    """Where a campaign runs: on a copy of the target that only campaigns use, if there can be one.

    A copy on which somebody can no longer log in, or may have another role, is thrown away.

    Raises NotTried where the target itself would be disturbed.
    """
    if world.target.system.start is not None and world.replicas is not None:
        used = world.replica(kept_for=_KEPT_FOR).world
        if used not in _SPOILT:
            return used
        return world.replica(kept_for=_KEPT_FOR, fresh=True).world
    may_disrupt(world)
    return world


def _open_to(world: World, persona: str) -> World:
    """The place, with somebody who is who the target file says: campaigns may end accounts."""
    from conformance.fuzz.campaign import named

    where = place(world)
    if where is not world:
        try:
            where.sessions[persona].shown()
            spoilt = named(where, persona)
        except LoginFailed:
            spoilt = True
        if spoilt:
            _SPOILT.add(where)
            where = place(world)
    return where


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
    where = _open_to(world, case.persona)
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
    from conformance.fuzz.aftermath import cooked
    from conformance.fuzz.campaign import altered

    opened = _opened_graph(world, case) if case.variant == GRAPHQL else _opened(world, case)
    if world.recipe is not None:
        return [cooked(opened.underway, opened.driver, world.recipe)]
    with watched(world) as besides:
        try:
            return _carried_out(world, opened)
        finally:
            if opened.where is not world and altered(opened.where):
                here = opened.where.wire.base_url
                world.altered.update(one.id for one in besides if one.request.url.startswith(here))


def _carried_out(world: World, opened: _Opened) -> list[Any]:
    from conformance.fuzz.aftermath import Aftermath
    from conformance.fuzz.driver import Told

    underway, driver, share = opened.underway, opened.driver, opened.share
    started = time.monotonic()
    longest = max(opened.seconds * _MOST, _AT_LEAST)
    underway.deadline = started + longest
    told = Told()
    _enumerated(opened, told)
    untried: list[str] = []
    if underway.stopped() and underway.ended is None:
        underway.notes.append("enumerating was cut short: time was up")
        mine = {
            one.label for one in opened.operations if granted(world.target, underway.persona, one)
        }
        untried = [one for one in share.probed if one in mine and one not in underway.statuses]
    for phase, share_of in _MADE_UP.items():
        if underway.ended or not share.fuzzed:
            break
        most = max(int(opened.quota * share_of), 1)
        underway.until = underway.requests + most
        rest = max(longest - (time.monotonic() - started), opened.seconds * share_of)
        underway.deadline = time.monotonic() + rest
        chosen, examples = share.fuzzed, most // _STEPS
        if phase == "fuzzing":
            chosen = plan.made_up(share.fuzzed, most, world.seed, underway.persona)
            examples = most // len(chosen)
        driver.run((phase,), chosen, None, told, min(max(examples, 1), _EXAMPLES))
    underway.until = None
    underway.deadline = time.monotonic() + _AFTERMATH
    aftermath = Aftermath(underway, driver)
    found: list[Suspicion | Effect] = [
        *aftermath.suspicions(told.objections),
        *aftermath.effects(),
    ]
    history = _history(world, opened, told, time.monotonic() - started, untried)
    opened.where.spend(underway.spent.values(), again=True)
    books = _books(world, opened.where, time.monotonic() - started)
    if underway.spoilt:
        _SPOILT.add(opened.where)
    return [history, *_beyond_doubt(world, opened, found), *books]


def _beyond_doubt(
    world: World, opened: _Opened, found: Sequence[Suspicion | Effect]
) -> list[Suspicion | Effect | Tried]:
    """What was found, tried once more where what campaigns were served may have brought it about.

    Whoever was given a role, or a relation to a record, by a write that was served before may
    well see that record. So it has to be seen on a copy where nothing was done as well, or, where
    there can be none, on new records.
    """
    from conformance.fuzz.aftermath import cooked
    from conformance.fuzz.campaign import altered

    if not altered(opened.where):
        return list(found)
    case, until = opened.underway.case, time.monotonic() + _AFTERMATH
    certain: list[Suspicion | Effect | Tried] = []
    fresh: _Opened | None = None
    for one in found:
        if time.monotonic() > until or not _in_doubt(one):
            certain.append(one)
            continue
        assert one.recipe is not None
        try:
            if fresh is None:
                if opened.where is not world:
                    _SPOILT.add(opened.where)
                fresh = (
                    _opened_graph(world, case) if case.variant == GRAPHQL else _opened(world, case)
                )
            fresh.underway.forget()
            certain.append(cooked(fresh.underway, fresh.driver, one.recipe))
        except (NotBuilt, LoginFailed, Unreachable):
            certain.append(one)
    return certain


def _in_doubt(one: Suspicion | Effect) -> bool:
    """Whether a finding rests on who the persona is, or how it stands to a record."""
    if one.recipe is None:
        return False
    if isinstance(one, Suspicion):
        return one.rule in oracles.RESTING
    attempt = one.trial.attempt
    return attempt.outcome is Outcome.ALLOWED or differ(one.trial.before, one.trial.after)


@dataclass
class _Reading:
    """What reading the books of one copy took, and what the campaigns took, in seconds."""

    campaigns: float = 0.0
    books: float = 0.0
    told: set[tuple[str, str]] = field(default_factory=set)


_READINGS: WeakKeyDictionary[World, _Reading] = WeakKeyDictionary()


def _books(world: World, where: World, seconds: float) -> list[Observation]:
    """The invariants on the copy that the campaign used, each broken one once.

    They are read as long as that takes little beside the campaigns. On the target itself the
    sweep after the suite reads them. Whoever may have another role by now may be shown other
    books, so theirs say nothing, and who comes next gets another copy.
    """
    from conformance.fuzz.campaign import named

    if where is world or not world.target.invariants:
        return []
    reading = _READINGS.setdefault(where, _Reading())
    reading.campaigns += seconds
    if reading.books > _READING_MOST * reading.campaigns:
        return []
    started = time.monotonic()
    seen = invariants.observed(where)
    reading.books += time.monotonic() - started
    readers = {exchange.persona for one in seen for exchange in one.exchanges}
    others = {persona for persona in readers if named(where, persona)}
    if others:
        _SPOILT.add(where)
    found = [
        one
        for one in seen
        if (one.name, one.tenant) not in reading.told
        and others.isdisjoint(exchange.persona for exchange in one.exchanges)
    ]
    reading.told |= {(one.name, one.tenant) for one in found if _differs(one)}
    return found


def _differs(seen: Observation) -> bool:
    try:
        return bool(seen.looks) and broken(seen.relation, *seen.looks[-1]) is not None
    except NoAmount:
        return False


def _enumerated(opened: _Opened, told: Told) -> None:
    """What shows most with least comes first, should time be short."""
    from conformance.fuzz.beyond import beyond, strangely
    from conformance.fuzz.graph_campaign import GraphCampaign, probed

    underway, driver, share = opened.underway, opened.driver, opened.share
    if isinstance(underway, GraphCampaign):
        probed(underway, driver, share.probed, told)
        return
    others = [label for label in share.probed if label not in share.covered]
    driver.run(("examples",), share.covered, None, told)
    beyond(underway, driver, share.covered, told)
    driver.run(("examples",), others, None, told)
    driver.run(("coverage",), share.covered, None, told)
    strangely(underway, driver, share.covered, opened.where.seed, told)


def _opened_graph(world: World, case: Case) -> _Opened:
    """A campaign over GraphQL. Raises NotBuilt where its schema cannot be read."""
    from conformance.fuzz import graph
    from conformance.fuzz.driver import Unusable
    from conformance.fuzz.graph_campaign import GraphCampaign
    from conformance.fuzz.graph_driver import GraphDriver

    assert case.persona is not None
    target = world.target
    where = _open_to(world, case.persona)
    seed = zlib.crc32(f"{world.seed}|{case.persona}|{GRAPHQL}".encode())
    underway = GraphCampaign(where, case, (), seed)
    data, url = _schema(world, where, case, seed)
    underway.schema = graph.built(data)
    operations = graph.known(target, underway.schema, urlsplit(url).path)
    underway.learn(operations)
    left_out = plan.left_out(target, operations)
    if case.persona != ANONYMOUS:
        ending = [one.label for one in operations if graph.ends_session(one.label)]
        left_out |= dict.fromkeys(ending, "it would end the persona's own session")
    people = plan.personas(target, world.profile)
    share = plan.rotated(
        [one.label for one in operations if one.label not in left_out],
        people.index(case.persona) + world.seed,
        len(people),
    )
    timeout = min(target.system.timeout, _LONGEST_ANSWER)
    off = (*target.fuzz.unused, "positive_data_acceptance")
    try:
        driver = GraphDriver(data, url, underway.credentials(), off, seed, underway, timeout)
    except Unusable as problem:
        raise NotBuilt(f"harness error: the GraphQL schema cannot be fuzzed: {problem}") from None
    part = plan.part(target, people, case.persona, world.seed)
    return _Opened(
        where,
        underway,
        driver,
        operations,
        share,
        left_out,
        plan.SECONDS[world.profile] * _workers() * part,
        plan.quota(world.profile, part, len(share.fuzzed)),
    )


_SCHEMAS: WeakKeyDictionary[World, tuple[Mapping[str, Any], str]] = WeakKeyDictionary()


def _schema(world: World, where: World, case: Case, seed: int) -> tuple[Mapping[str, Any], str]:
    """The GraphQL schema as introspection gives it, and the endpoint. Raises NotBuilt."""
    if where in _SCHEMAS:
        return _SCHEMAS[where]
    settings = world.target.fuzz.graphql
    assert settings is not None
    try:
        url = where.wire.url(settings.at)
    except ValueError as problem:
        raise NotBuilt(f"harness error: {settings.at} (fuzz.graphql): {problem}") from None
    if settings.file is not None:
        replicas = world.replicas
        folder = replicas.loaded.folder if replicas is not None else Path()
        data = _from_file(folder / settings.file)
    else:
        data = _introspected(where, case, seed, url)
    _SCHEMAS[where] = data, url
    return data, url


def _from_file(file: Path) -> Mapping[str, Any]:
    import graphql

    place = f"{file} (fuzz.graphql)"
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise NotBuilt(f"harness error: {place} cannot be read: {problem}") from None
    try:
        if text.lstrip().startswith("{"):
            found = json.loads(text)
            return _sound(found.get("data", found), place)
        return _sound(graphql.introspection_from_schema(graphql.build_schema(text)), place)
    except (graphql.GraphQLError, TypeError, ValueError, RecursionError) as problem:
        told = " ".join(str(problem).split())[:300]
        raise NotBuilt(f"harness error: {place} is no GraphQL schema: {told}") from None


def _introspected(where: World, case: Case, seed: int, url: str) -> Mapping[str, Any]:
    """What the endpoint says of itself, to whoever is told first."""
    from conformance.fuzz.graph_campaign import GraphCampaign

    said = ""
    first = case.persona or ANONYMOUS
    for persona in dict.fromkeys((first, *plan.personas(where.target, Profile.GATE))):
        asking = GraphCampaign(where, replace(case, persona=persona), (), seed)
        try:
            answer = asking.introspected(url).answer
        except (LoginFailed, Unreachable) as problem:
            said = said or str(problem)
            continue
        if answer is None:
            raise NotBuilt(f"harness error: {url} (fuzz.graphql) gave no answer")
        data = parsed(answer)
        found = data.get("data") if isinstance(data, dict) else None
        if isinstance(found, dict) and found.get("__schema"):
            return _sound(found, f"{url} (fuzz.graphql)")
        said = said or f"{answer.status} without a schema"
    raise NotBuilt(
        f"harness error: {url} (fuzz.graphql) answered introspection with {said}; where that is "
        "switched off, say where the schema lies: fuzz: {graphql: {at: …, file: schema.graphql}}"
    )


def _sound(data: Any, place: str) -> Mapping[str, Any]:
    """A schema that can be worked with. Raises NotBuilt."""
    import graphql

    from conformance.fuzz import graph

    try:
        schema = graph.built(data)
    except (graphql.GraphQLError, TypeError, KeyError, ValueError, RecursionError) as problem:
        told = " ".join(str(problem).split())[:300]
        raise NotBuilt(f"harness error: {place} is no GraphQL schema: {told}") from None
    if schema.query_type is None:
        raise NotBuilt(f"harness error: {place} has no query")
    found: Mapping[str, Any] = data
    return found


def _history(
    world: World, opened: _Opened, told: Told, seconds: float, untried: Sequence[str]
) -> Campaign:
    underway, off = opened.underway, world.target.fuzz
    may = frozenset(
        one.label for one in opened.operations if granted(world.target, underway.persona, one)
    )
    never = [
        label
        for label, each in underway.statuses.items()
        if label in may and not any(status.startswith("2") for status in each)
    ]
    if never:
        underway.notes.insert(0, f"granted, and never served here: {', '.join(sorted(never))}")
    return Campaign(
        case=underway.case,
        requests=underway.requests,
        seconds=seconds,
        phases=dict(underway.phases),
        statuses={label: dict(each) for label, each in underway.statuses.items()},
        granted=may,
        untouched={
            one.label: opened.left_out.get(one.label, "not this persona's part")
            for one in opened.operations
            if one.label not in underway.statuses
        },
        checks=tuple(name for name in _checks(underway.case) if name not in off.unused),
        off={
            name: each if isinstance(each, str) else "; ".join(f"{k}: {v}" for k, v in each.items())
            for name, each in off.off.items()
        },
        engine=tuple(told.errors),
        notes=tuple(
            underway.notes + [f"{label}: {why}" for label, why in told.ungenerated.items()]
        )[:20],
        ended=underway.ended,
        unserved=_unserved(underway, untried),
        last=tuple(opened.where.read(one) for one in underway.recent),
    )


def _unserved(underway: Underway, untried: Sequence[str]) -> str | None:
    """That time was up for what was granted, or that GraphQL served nothing to one who may read."""
    target, case = underway.target, underway.case
    if untried:
        first = ", ".join(untried[:3]) + (" …" if len(untried) > 3 else "")
        return f"time was up before {len(untried)} granted operations were tried ({first})"
    served = any(one.startswith("2") for each in underway.statuses.values() for one in each)
    reads = any(
        policy.grants(target, underway.roles, resource, name)
        for resource, described in target.resources.items()
        for name in described.operations
        if described.kind(name) in SAFE_KINDS
    )
    if case.variant != GRAPHQL or case.persona == ANONYMOUS or served or not reads:
        return None
    return f"no query was served to {case.persona}, who may read something: nothing was shown"


def _checks(case: Case) -> Sequence[str]:
    return GRAPHQL_CHECKS if case.variant == GRAPHQL else CHECKS


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
