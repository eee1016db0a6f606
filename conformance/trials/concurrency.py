"""Races: the same thing wanted by several at one instant, and what is there afterwards.

Each round has a set-up of its own. First everybody is tried one after another, each kind of
contender once in front: that shows that each can win, and that the rule holds at all. Then rounds
are released at one instant until they would have shown the window that is asked for.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from conformance import gate, parking, policy, power, twin
from conformance.comparison import parsed
from conformance.extraction import extract, values
from conformance.history import (
    Came,
    Contest,
    Contestant,
    Observation,
    Round,
    Terms,
    failing,
    violations,
)
from conformance.instances import NotBuilt
from conformance.login import Credentials
from conformance.model import Case, Exchange, Message, Outcome, Read
from conformance.oracles.concurrency import Change, Repetition, Unversioned
from conformance.power import Calibration
from conformance.races import Action, Contender, Race, Reading
from conformance.schema import placeholders_in
from conformance.sources.concurrency import race_of
from conformance.target import Operation, Target
from conformance.trials.pages import PAGE_LIMIT, follow
from conformance.trials.staging import Asked, Stage
from conformance.world import World

LEAST, FEWEST = 16, 8
"""Rounds that count before their power is enough, and where time is short.

What a target does before its check varies more than the twin knows: a bug shows in one of a few
rounds even where its window is wide. A race that has too little power when its time is over gets
as much again.
"""

_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


@dataclass(frozen=True)
class _Ready:
    """A contender with its request ready to be sent."""

    contender: Contender
    stage: Stage
    asked: Asked


def contest(world: World, case: Case) -> Contest:
    """The race of the case, round after round, until its power is enough or a round cannot be."""
    name, race = race_of(world.target, case)
    terms = terms_of(race)
    settings = world.target.racing
    over = time.monotonic() + settings.seconds
    rounds: list[Round] = []
    for first in _first(race):
        rounds.append(_one_after_another(world, case, race, len(rounds) + 1, first))
    measured: Calibration | None = None
    unmeasured = ""
    hold: gate.Hold = "head" if (case.variant or "").endswith("heads") else "tail"
    released = 0
    wrong = any(True for played in rounds for _ in violations(terms, played))
    while not wrong and released < (race.rounds or settings.rounds):
        counted = [one for one in rounds if one.counted]
        late = time.monotonic() > over and len(counted) >= FEWEST
        if late or len(counted) >= LEAST:
            begun = time.monotonic()
            measured, unmeasured = _measured(world, rounds[-1], hold)
            over += time.monotonic() - begun
            if _enough(counted, measured, settings.needed_us):
                break
        if time.monotonic() > over + settings.seconds:
            break
        played, hold = _released(world, case, race, len(rounds) + 1, released, hold)
        rounds.append(played)
        released += 1
        wrong = any(True for _ in violations(terms, played)) or bool(failing(rounds))
        if played.parked and played.counted:
            break
    if measured is None and not wrong and not rounds[-1].parked:
        measured, unmeasured = _measured(world, rounds[-1], hold)
    return Contest(case, name, terms, tuple(rounds), measured, settings.needed_us, unmeasured)


def _enough(counted: Sequence[Round], measured: Calibration | None, needed_us: float) -> bool:
    """Whether the rounds that count would have shown the window that is asked for."""
    if measured is None:
        return False
    shown = power.window([one.shot for one in counted], measured)
    return shown is not None and shown <= needed_us


def _measured(world: World, played: Round, hold: gate.Hold) -> tuple[Calibration | None, str]:
    """What such rounds show on the twin, or why that is not known."""
    http2 = world.target.racing.http2
    try:
        return twin.calibration(len(played.contestants), hold, http2), ""
    except twin.NoTwin as problem:
        return None, str(problem)


def terms_of(race: Race) -> Terms:
    """What must be true of each round of the race."""
    return Terms(
        kind=race.kind,
        says=race.says or "",
        most=race.most,
        somebody=race.winners != "any",
        never=tuple(tuple(tags) for tags in race.never),
        same=tuple(race.key.same) if race.kind == "idempotency" else (),
        numbers=race.kind == "sequence",
        gapless=race.gapless,
        start=race.state,
    )


# --- rounds ----------------------------------------------------------------------------------


def _first(race: Race) -> Iterable[int]:
    """Which contender begins, in rounds one after another: each kind of them once."""
    if race.kind == "sequence":
        return [0]
    return [place for place, one in enumerate(race.contenders) if not one.aside]


def _stage(world: World, race: Race, tenant: str) -> Stage:
    stage = Stage(world, tenant, {"key": uuid.uuid4().hex})
    stage.prepare(race.setup)
    return stage


def _tenant(case: Case) -> str:
    assert case.tenant is not None
    return case.tenant


def _ready(world: World, race: Race, stage: Stage) -> list[_Ready]:
    """Everybody with a request of their own; a repetition is the very same request."""
    found: list[_Ready] = []
    turns: dict[int, int] = {}
    for place in _places(world.target, race):
        contender = race.contenders[place]
        turn = turns.get(place, 0)
        turns[place] = turn + 1
        same = next((one for one in found if one.contender is contender), None)
        if same is not None and _repeats(world.target, race, contender):
            found.append(same)
            continue
        mine = stage.apart() if contender.tenant is None else _elsewhere(stage, contender.tenant)
        mine.prepare(contender.before)
        found.append(_Ready(contender, mine, mine.asked(contender, turn)))
    return found


def _repeats(target: Target, race: Race, contender: Contender) -> bool:
    """Whether all copies of a contender send the very same request."""
    if race.kind == "idempotency" and not contender.aside:
        return True
    return contender.aside and "key" in contender.template(target).placeholders


def _elsewhere(stage: Stage, tenant: str) -> Stage:
    """A stage in another tenant, with nothing on it yet."""
    return Stage(stage.world, tenant, {"key": stage.values["key"]})


def _places(target: Target, race: Race) -> list[int]:
    """The place of each one's contender in the race, no more than the target takes at once."""
    times = [one.times for one in race.contenders]
    if race.kind == "idempotency":
        times = [
            times[at] if one.aside else max(2, times[at]) for at, one in enumerate(race.contenders)
        ]
    while sum(times) > target.system.max_connections and max(times) > 1:
        times[times.index(max(times))] -= 1
    if sum(times) > target.system.max_connections or sum(times) < 2:
        raise NotBuilt(
            f"{sum(times)} contenders, and system.max_connections permits "
            f"{target.system.max_connections} at once"
        )
    # In turn, so that those of one kind are not all in front.
    return [place for turn in range(max(times)) for place, many in enumerate(times) if turn < many]


def _one_after_another(world: World, case: Case, race: Race, number: int, first: int) -> Round:
    stage = _stage(world, race, _tenant(case))
    ready = _ready(world, race, stage)
    if race.kind != "sequence":
        ready.sort(key=lambda one: one.contender is not race.contenders[first])
    came = []
    for one in ready:
        sent = time.monotonic_ns()
        exchange = world.wire.send(one.asked.message, one.asked.persona, "attempt")
        answered = time.monotonic_ns()
        came.append(_came(race, one, exchange, sent, answered))
    return _quiet(stage, race, Round(number, tuple(came), together=False, technique="in turn"))


def _released(
    world: World, case: Case, race: Race, number: int, shift: int, hold: gate.Hold
) -> tuple[Round, gate.Hold]:
    settings = world.target.racing
    stage = _stage(world, race, _tenant(case))
    ready = _ready(world, race, stage)
    # The first has a head start, which nobody has twice in a row.
    at = shift % len(ready)
    ready = [*ready[at:], *ready[:at]]
    messages = [(one.asked.persona, one.asked.message) for one in ready]
    with _parked(world, race, len(ready)):
        done = gate.release(
            world.wire, messages, hold=hold, http2=settings.http2, purpose="attempt"
        )
    came = tuple(
        _came(race, one, exchange, done.emitted[place], done.answered[place], settings.arrived)
        for place, (one, exchange) in enumerate(zip(ready, done.exchanges, strict=True))
    )
    played = Round(
        number,
        came,
        parked=bool(race.park and settings.database),
        technique=done.technique,
        early=done.early,
        stalled=done.stalled,
    )
    return _quiet(stage, race, played), done.next_hold


def _parked(world: World, race: Race, writers: int) -> AbstractContextManager[object]:
    """Holds the writers back in the database, where the target file says how to reach it."""
    database = world.target.racing.database
    if not race.park or not database:
        return nullcontext()
    return parking.writers_held(database, race.park, writers)


def _came(
    race: Race,
    one: _Ready,
    exchange: Exchange,
    sent: int | None,
    answered: int | None,
    arrived: str | None = None,
) -> Contestant:
    """What came of a contender: by the statuses that the target file names, else by the outcome."""
    read = one.stage.read(one.asked, exchange)
    answer = exchange.answer
    won = one.contender.won or race.won
    lost = one.contender.lost or race.lost
    came, documented = came_of(read, won, lost)
    told = extract(arrived, answer) if arrived and answer is not None else None
    taken: dict[str, Any] = {}
    if came is Came.WON and answer is not None:
        taken = one.stage.takes(one.asked, answer)
        one.stage.made(one.asked, answer)
    return Contestant(
        label=f"{one.asked.persona} {one.asked.template.request}",
        read=read,
        came=came,
        tag=one.contender.tag,
        documented=documented,
        sent=sent,
        arrived=_moment(told, one.stage.world.target),
        answered=answered,
        values={**_named(one.stage), **taken},
        needs={
            name: tuple(
                one.stage.filled(each) for each in (value if isinstance(value, list) else [value])
            )
            for name, value in one.contender.from_.items()
        },
        sets=one.stage.apart(**taken).filled(one.contender.to),
        beside=one.contender.aside,
        elsewhere=one.contender.tenant is not None,
    )


def _named(stage: Stage) -> dict[str, Any]:
    """Values of a contender's own round, and `RECORD.id` of each record."""
    return {**stage.values, **{f"{name}.id": one.id for name, one in stage.records.items()}}


def came_of(read: Read, won: Sequence[int] | None, lost: Sequence[int] | None) -> tuple[Came, bool]:
    """What came of a request, and whether its refusal is a documented one."""
    answer = read.exchange.answer
    if answer is None:
        return Came.UNKNOWN, True
    if lost is not None and answer.status in lost:
        return Came.LOST, True
    if won is not None and answer.status in won and read.outcome is not Outcome.BROKEN:
        return Came.WON, True
    if won is None and read.outcome is Outcome.ALLOWED:
        return Came.WON, True
    if read.outcome in {Outcome.BROKEN, Outcome.LIMITED, Outcome.ALLOWED}:
        return Came.UNKNOWN, True
    return Came.LOST, lost is None


def _moment(told: Any, target: Target) -> int | None:
    """When a request arrived (ns of some clock), as its answer tells."""
    try:
        return (
            int(float(told) * _NS[target.racing.unit])
            if "." in str(told)
            else (int(told) * _NS[target.racing.unit])
        )
    except (TypeError, ValueError):
        return None


# --- afterwards ------------------------------------------------------------------------------


def _quiet(stage: Stage, race: Race, played: Round) -> Round:
    """The round with what is read when all have been answered."""
    tags = {one.tag for one in played.won}
    seen: list[Observation] = []
    # What is decided after the answers can go wrong until the last moment, so it is not polled.
    time.sleep(race.settles)
    for reading in race.reads:
        if not set(reading.when) <= tags or set(reading.unless) & tags:
            continue
        for winner in _each(reading, played):
            try:
                seen.append(_observed(stage, reading, played, winner))
            except NotBuilt:
                # What names a winner cannot be read if there is none.
                if played.won:
                    raise
    for action in race.tidy:
        here = _with_winners(stage, played, None)
        try:
            here.send(here.asked(action), "clean-up")
        except NotBuilt:
            continue
    return replace(played, observations=tuple(seen))


def _each(reading: Reading, played: Round) -> Sequence[Contestant | None]:
    """For whom it is read: for each winner, for each with a tag, or for nobody in particular."""
    if not reading.each:
        return (None,)
    return [one for one in played.won if reading.each is True or one.tag == reading.each]


def _with_winners(stage: Stage, played: Round, winner: Contestant | None) -> Stage:
    """The stage in which {winner.x}, and {TAG.x} of each tag that won, have values."""
    names: dict[str, Any] = {}
    for one in reversed(played.won):
        for name, value in one.values.items():
            if one.tag:
                names[f"{one.tag}.{name}"] = value
            if winner is None or one is winner:
                names[f"winner.{name}"] = value
    return stage.apart(**names)


def _observed(
    stage: Stage, reading: Reading, played: Round, winner: Contestant | None
) -> Observation:
    here = _with_winners(stage, played, winner)
    asked = here.asked(reading)
    reads = _pages(here, asked)
    found: list[Any] = []
    if reading.find is not None:
        path = here.found_at(reading.find)
        for read in reads:
            if read.exchange.answer is not None:
                found += values(path, parsed(read.exchange.answer))
    of_winners = any(name.startswith("winner.") for name in placeholders_in(reading.equals))
    return Observation(
        label=f"{asked.persona} {asked.template.request}",
        reads=tuple(reads),
        found=tuple(one for one in found if one is not None),
        count=reading.count,
        equals=_wanted(stage, reading, played, winner, of_winners=of_winners),
        of_winners=of_winners,
        distinct=reading.distinct,
        refused=reading.refused,
        state=reading.state,
        absent=here.filled(reading.absent),
    )


def _wanted(
    stage: Stage,
    reading: Reading,
    played: Round,
    winner: Contestant | None,
    *,
    of_winners: bool,
) -> tuple[Any, ...] | None:
    if reading.equals is None:
        return None
    if not of_winners:
        return (_with_winners(stage, played, winner).filled(reading.equals),)
    whose = played.won if winner is None else (winner,)
    filled = [_with_winners(stage, played, one).filled(reading.equals) for one in whose]
    return tuple(dict.fromkeys(filled))


def _pages(stage: Stage, asked: Asked) -> list[Read]:
    """The answer, or all pages of it."""
    template = asked.template
    if not isinstance(template, Operation) or template.next is None:
        return [stage.send(asked, "read-back")]
    paging, items = template.next, template.items or "$"
    pages = follow(
        stage.world,
        asked.persona,
        asked.about,
        template,
        paging,
        items,
        asked.payload,
        "read-back",
    )
    return list(islice(pages, PAGE_LIMIT))


# --- repetitions -----------------------------------------------------------------------------


def repetition(world: World, case: Case) -> Repetition:
    """A request with a key, and what becomes of the key when it comes again, in whatever way."""
    assert case.variant
    _, race = race_of(world.target, case)
    variant = case.variant.split(".", 1)[1]
    if variant == "after-restart":
        return _after_restart(world, case, race)
    stage = _stage(world, race, _tenant(case))
    first = _contestant(race, _only(race, stage))
    if variant == "other-body":
        again = _only(race, stage)
        if again.asked.message.body == first.ready.asked.message.body:
            raise NotBuilt(
                f"the body of {first.ready.asked.template.request} is the same each time, so no "
                "other body can be tried; put a placeholder like {text} into it"
            )
        second = _contestant(race, again)
        expects = tuple(race.key.other_body or ())
    elif variant.startswith("other-"):
        return _of_others(case, race, first, variant)
    else:
        second, expects = _contestant(race, first.ready), ()
    played = _quiet(stage, race, Round(1, (first.came, second.came), together=False))
    return Repetition(case, variant, first.came, second.came, played, race.key.same, expects)


@dataclass(frozen=True)
class _Sent:
    ready: _Ready
    came: Contestant


def _only(race: Race, stage: Stage, persona: str | None = None) -> _Ready:
    """The first contender, once; by another persona if given."""
    contender = race.contenders[0]
    if persona is not None:
        contender = contender.model_copy(update={"as_": [persona]})
    mine = stage.apart()
    mine.prepare(contender.before)
    return _Ready(contender, mine, mine.asked(contender))


def _contestant(race: Race, ready: _Ready) -> _Sent:
    sent = time.monotonic_ns()
    world = ready.stage.world
    exchange = world.wire.send(ready.asked.message, ready.asked.persona, "attempt")
    return _Sent(ready, _came(race, ready, exchange, sent, time.monotonic_ns()))


def _of_others(case: Case, race: Race, first: _Sent, variant: str) -> Repetition:
    """The same key by somebody else or for another record, and the same with a key of its own."""
    stage, tenant = first.ready.stage, _tenant(case)
    world, key = stage.world, stage.values["key"]
    persona = None
    if variant == "other-tenant":
        other = next(one for one in policy.tenants(world.target) if one != tenant)
        stage = _stage(world, race, other)
        stage.values["key"] = key
    elif variant == "other-record":
        stage = _stage(world, race, tenant)
        stage.values["key"] = key
    else:
        first_one = first.ready.asked.persona
        name = variant.removeprefix("other-persona.")
        persona = next((one for one in stage.people_of(name) if one != first_one), None)
        if persona is None:
            raise NotBuilt(f"{first_one} is the only {name}; a second account is needed")
    again = _only(race, stage, persona)
    sent = first.ready.asked.message
    if variant != "other-tenant":
        # The very same request, so that nothing else tells the two apart.
        url = again.asked.message.url if variant == "other-record" else sent.url
        mine = replace(again.asked.message, url=url, body=sent.body)
        again = replace(again, asked=replace(again.asked, message=mine))
    second = _contestant(race, again)
    own = stage.apart(key=uuid.uuid4().hex)
    control = _contestant(race, _only(race, own, persona))
    played = Round(1, (first.came, second.came), together=False)
    return Repetition(
        case, variant, first.came, second.came, played, race.key.same, (), control.came
    )


def _after_restart(world: World, case: Case, race: Race) -> Repetition:
    replica = world.replica()
    stage = _stage(replica.world, race, _tenant(case))
    first = _contestant(race, _only(race, stage))
    replica.restart()
    replica.world.wire.hang_up()
    ready = first.ready
    second = _contestant(race, ready)
    if second.came.read.outcome is Outcome.UNAUTHENTICATED:
        # The target forgets sessions; the key is the same, the login is new.
        persona = ready.asked.persona
        replica.world.sessions[persona].renew()
        shown = replica.world.sessions[persona].shown()
        asked = replace(ready.asked, message=carrying(ready.asked.message, shown))
        second = _contestant(race, replace(ready, asked=asked))
    played = _quiet(stage, race, Round(1, (first.came, second.came), together=False))
    return Repetition(case, "after-restart", first.came, second.came, played, race.key.same, ())


def carrying(message: Message, shown: Credentials) -> Message:
    """The message with other credentials."""
    fields = {**dict(message.headers), **shown.headers}
    if shown.cookies:
        fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in shown.cookies.items())
    return replace(message, headers=tuple(fields.items()))


# --- versions --------------------------------------------------------------------------------


def unversioned(world: World, case: Case) -> Unversioned:
    """A change that names no version, and the same with the version that was read."""
    _, race = race_of(world.target, case)
    stage = _stage(world, race, _tenant(case))
    contender = race.contenders[0]
    mine = stage.apart()
    mine.prepare(contender.before)
    without = _Ready(contender, mine, mine.asked(contender, without="version"))
    attempt = _contestant(race, without)
    control = _contestant(race, _only(race, stage))
    expects = tuple(race.version.missing or ())
    return Unversioned(case, attempt.came, control.came, expects)


def changing(world: World, case: Case) -> list[Change]:
    """Versions of a record before and after each change that has to give it a new one."""
    _, race = race_of(world.target, case)
    stage = _stage(world, race, _tenant(case))
    action = race.version.read
    assert action is not None
    found: list[Change] = []
    before = _version(stage, action)
    for step in race.version.changes:
        asked = stage.asked(step)
        read = stage.send(asked, "attempt")
        after = _version(stage, action)
        found.append(Change(case, asked.template.request, read, before, after))
        before = after
    return found


def _version(stage: Stage, action: Action) -> tuple[Read, str | None]:
    asked = stage.asked(action)
    read = stage.send(asked, "read-back")
    answer = read.exchange.answer
    taken = stage.takes(asked, answer) if answer is not None else {}
    version = taken.get("version")
    return read, None if version is None else str(version)
