"""Sending odd values, and looking at what became of them.

What is ordinary goes first and shows where each field comes back. Then several odd values go
together; where they are refused or something breaks, they are taken apart until one is left.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode
from zlib import crc32

from conformance import inventory, policy
from conformance.cases import subjects
from conformance.comparison import leaves, parsed
from conformance.extraction import values
from conformance.fuzz import odd
from conformance.fuzz.odd import Numeral, Odd
from conformance.instances import Instance, NotBuilt, Payload
from conformance.inventory import Property
from conformance.login import Credentials
from conformance.model import Case, Outcome, Read
from conformance.oracles.odd import (
    Broken,
    Exported,
    Listing,
    Odds,
    Opened,
    Returned,
    TurnedAway,
    failed_to_answer,
    says_the_same,
    settled,
)
from conformance.schema import changed, placeholders_in
from conformance.sources.odd import Path, Slot, body_of, slots
from conformance.sources.transport import door_to
from conformance.target import SAFE_KINDS, Operation
from conformance.template import Unfilled, render
from conformance.trials.pages import PAGE_LIMIT, walk
from conformance.trials.properties import Seer, readers, seen_by
from conformance.trials.rights import make, use
from conformance.trials.setting import Setting, may_disrupt, needed, on, permitted, remember, send
from conformance.world import World

MOST_SENT = 120
MOST_SENT_EVERYWHERE = 800
MOST_ASKED = 22
_MOST_SETTINGS = 12
"""Requests with odd values to one operation; reads; records of its own that an operation needs."""

_SHORT = 60
"""Characters of odd values that go into a field for names and words."""
_DOORS = 6
_PAGES = 4
_MOST_FORMULAS = 12
_WRITERS = 6
_LONGEST_IN_A_URL = 2000
_BROKEN = 3
_MOMENTS = (1.0, 2.0)
"""Seconds until what was acknowledged is looked for again."""
_MOST_PLACES = 6
_LEAST = 40
_SIZES = (66_000, 20_000, 4_100, 1_100, 520, 260, 130, 70)
"""Characters: more than the usual limits of columns and fields, and not much more."""
_WORDS = "Lindenbaum and so on "
_MOST_ALONE = 500

_SIGN = "wardproof-number:"
_NUMERAL = re.compile(rf'"{_SIGN}([^"]*)"')

_MONTH = re.compile(r"\d{4}-\w\w")
_DAY = re.compile(r"[0-9]{4,5}-[0-9]{2}-[0-9]{2}")
_DATED = re.compile(r"(^|_)(date|day|month|year)s?($|_)", re.IGNORECASE)

Load = Mapping[Slot, tuple[Odd, ...]]


def apart(world: World) -> World:
    """Where odd values may do harm: a copy of the target, or the target if it cannot be copied.

    Raises NotTried where that would disturb others.
    """
    if world.target.system.start is not None and world.replicas is not None:
        return world.replica().world
    may_disrupt(world)
    return world


# --- sending ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """A request with odd values: what was put where, and what came of it."""

    read: Read
    values: Mapping[Slot, Any]
    made: Instance | None


@dataclass
class _Try:
    """One operation that is tried: who and on what, and what is known of it so far."""

    world: World
    case: Case
    setting: Setting
    slots: Sequence[Slot]
    budget: int
    sent: int = 0
    settings: int = 0
    who: Seer | None = None
    shown: dict[Slot, str] = field(default_factory=dict)
    returned: list[Returned] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    taken: list[tuple[Load, Sent]] = field(default_factory=list)
    late: bool = False
    away: list[tuple[Slot, Odd, Read]] = field(default_factory=list)
    turned_away: list[TurnedAway] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def _send(trying: _Try, load: Load, purpose: str = "attempt") -> Sent:
    """The operation with the odd values of `load`, everything else as usual."""
    world, setting = trying.world, trying.setting
    ids = [setting.instance.id] if setting.instance else []
    plain = _payload(world, setting, ids=ids)
    body = _rendered(trying, plain)
    values: dict[Slot, Any] = {}
    for slot in trying.slots:
        if slot in load:
            body, values[slot] = _filled(world, plain, body, slot, load[slot])
        else:
            values[slot] = _at(body, slot.path)
    given: dict[str, Any] = {"ids": ids, "odd_body": _written(setting, body)}
    payload = _payload(world, setting, **given)
    payload.carried |= plain.carried
    payload.fields |= plain.fields
    form = setting.operation.form is not None
    usual = "application/x-www-form-urlencoded" if form else "application/json"
    update = {"json_": None, "form": None, "body": "{odd_body}"}
    template = changed(
        setting.operation,
        {**update, "content_type": setting.operation.content_type or usual},
    )
    about = (setting.resource, setting.name)
    read = world.send(setting.persona, template, payload, purpose, about)
    if world.waits(read):
        read = world.send(setting.persona, template, payload, purpose, about)
    made = None
    if trying.case.kind == "create" and read.outcome is Outcome.ALLOWED and read.exchange.answer:
        made = remember(world, setting, setting.persona, read.exchange, payload)
    return Sent(read, values, made)


def _rendered(trying: _Try, payload: Payload | None = None) -> Any:
    """The body with ordinary values."""
    setting = trying.setting
    if payload is None:
        ids = [setting.instance.id] if setting.instance else []
        payload = _payload(trying.world, setting, ids=ids)
    try:
        return render(body_of(setting.operation), payload.lookup)
    except Unfilled as missing:
        raise NotBuilt(f"{setting.resource}.{setting.name}: {missing}") from None


def _payload(world: World, setting: Setting, **given: Any) -> Payload:
    return world.payload(
        setting.persona, setting.resource, setting.tenant, setting.lineage, **given
    )


def _filled(
    world: World, payload: Payload, body: Any, slot: Slot, odds: tuple[Odd, ...]
) -> tuple[Any, Any]:
    """The body with odd values in a place, and what stands there now."""
    usual = _at(body, slot.path)
    value: Any = odds[0].value
    if slot.kind == "text" and all(isinstance(one.value, str) for one in odds):
        marker = next(iter(world.mint.find(str(usual))), "")
        if odds[0].alone:
            payload.carried.discard(marker)
            marker = ""
        text = " ".join(str(one.value) for one in odds)
        if odds[0].fill:
            room = len(text) - len(marker) - 1 if marker else len(text)
            text = text[: max(room - 1, 0)] + "x"
        parts = (text, marker) if odds[0].first else (marker, text)
        value = " ".join(part for part in parts if part)
    return _put(body, slot.path, value), value


def _written(setting: Setting, body: Any) -> str:
    """The body as it is sent; what UTF-8 cannot hold is escaped."""
    if setting.operation.form is not None:
        pairs = [(key, one) for key, one in body.items() if one is not None]
        return urlencode(pairs, doseq=True, errors="replace")
    text = json.dumps(_quoted(body), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(_quoted(body))
    return _NUMERAL.sub(r"\1", text)


def _quoted(value: Any) -> Any:
    """The body with a sign at the numbers that are to be sent as they are written."""
    match value:
        case Numeral():
            return f"{_SIGN}{value}"
        case dict():
            return {key: _quoted(one) for key, one in value.items()}
        case list():
            return [_quoted(one) for one in value]
    return value


def _at(value: Any, path: Path) -> Any:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _put(value: Any, path: Path, new: Any) -> Any:
    """`value` with what stands at `path` replaced."""
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {**value, str(head): _put(value.get(str(head)), rest, new)}
    if isinstance(value, list) and isinstance(head, int):
        return [_put(one, rest, new) if at == head else one for at, one in enumerate(value)]
    return value


# --- what comes back -------------------------------------------------------------------------


def _record(trying: _Try, made: Instance | None) -> tuple[Any, Read] | None:
    """The record as somebody reads it who sees much of it; None if nobody does."""
    instance = made or trying.setting.instance
    if instance is None:
        return None
    candidates = [trying.who] if trying.who else readers(trying.world, instance)
    for who in candidates:
        record, read = seen_by(trying.world, who, instance)
        answer = read.exchange.answer
        if answer is None or read.outcome is not Outcome.ALLOWED:
            if trying.who is not None:
                return None, read
            continue
        trying.who = who
        if record is None:
            operation = trying.world.target.operation(instance.resource, who.operation)
            record = None if operation.items else parsed(answer)
        return record, read
    return None


def _learn(trying: _Try, sent: Sent) -> bool:
    """Where each value of an ordinary request comes back: the paths of the record that show it.

    False if nobody is shown the record.
    """
    found = _record(trying, sent.made)
    if found is None or found[0] is None:
        return False
    told = list(leaves(found[0]))
    for slot, value in sent.values.items():
        name = f".{slot.path[-1]}"
        if slot.kind == "text" and isinstance(value, str):
            here = [path for path, leaf in told if isinstance(leaf, str) and value in leaf]
        else:
            here = [
                path
                for path, leaf in told
                if path.endswith(name) and says_the_same(slot.kind, value, leaf)
            ]
        here.sort(key=lambda path: (not path.endswith(name), len(path)))
        if here:
            trying.shown[slot] = here[0]
    return True


def _compare(trying: _Try, sent: Sent, load: Load) -> list[Returned]:
    """What came back in each place that is known to be shown, in the record and in the answer."""
    found = _record(trying, sent.made)
    if found is None:
        return []
    record, read = found
    told = dict(leaves(record)) if record is not None else {}
    if not told:
        return []
    result = []
    for slot, odds in load.items():
        if slot not in trying.shown or odds[0].kind != slot.kind:
            continue
        back = told.get(trying.shown[slot])
        names = tuple(one.name for one in odds)
        value, means = sent.values[slot], odds[0].means
        one = Returned(slot.name, names, value, back, sent.read, read, slot.kind, means)
        if not one.kept and slot.kind != "text" and not _follows(trying, slot):
            # It was the same by chance.
            del trying.shown[slot]
            continue
        if not one.kept and len(odds) > 1 and isinstance(back, str):
            lost = tuple(odd.name for odd in odds if settled(str(odd.value)) not in settled(back))
            one = replace(one, values=lost or names)
        result.append(one)
    return result


def _follows(trying: _Try, slot: Slot) -> bool:
    """Whether the record shows another ordinary value in that place, once that was sent."""
    usual = _at(_rendered(trying), slot.path)
    other: Any = None
    if slot.kind == "number":
        other = usual - 1 if isinstance(usual, int | float) and usual > 1 else 1
    else:
        with contextlib.suppress(ValueError):
            other = dt.datetime.fromisoformat(str(usual)) - dt.timedelta(days=3)
            other = other.isoformat() if "T" in str(usual) else other.date().isoformat()
    if other is None:
        return False
    ordinary = Odd("ordinary", "number" if slot.kind == "number" else "date", other, "")
    sent = _once_more(trying, {slot: (ordinary,)})
    found = _record(trying, sent.made) if sent.read.outcome is Outcome.ALLOWED else None
    if found is None or found[0] is None:
        return False
    return says_the_same(slot.kind, other, dict(leaves(found[0])).get(trying.shown[slot]))


# --- several together, then taken apart ------------------------------------------------------


def _singles(trying: _Try) -> Iterator[Load]:
    """One odd value in one place: numbers for numbers, dates for dates; structures anywhere."""
    structures = odd.values("structure")
    for one in structures:
        yield dict.fromkeys(trying.slots, (one,))
    kinds = {"number": odd.values("number"), "date": odd.values("date")}
    usual = _rendered(trying)
    fitting = [
        (slot, one)
        for slot in trying.slots
        for one in (*kinds.get(slot.kind, ()), *_timed(_at(usual, slot.path)))
        if not _MONTH.fullmatch(str(one.value))
    ]
    # Should time run out, then for each place at another value.
    fitting.sort(key=lambda pair: crc32(f"{pair[0].name}.{pair[1].name}".encode()))
    for slot, one in fitting:
        yield {slot: (one,)}


def _timed(usual: Any) -> Iterator[Odd]:
    """Odd days at the time of day that the usual value has, written as it is written there."""
    day, at, time_of_day = str(usual).partition("T")
    if not at or not _DAY.fullmatch(day):
        return
    for one in odd.values("date"):
        if _DAY.fullmatch(str(one.value)):
            name, value = f"{one.name}, with a time", f"{one.value}T{time_of_day}"
            yield replace(one, name=name, value=value)


def _loads(trying: _Try) -> Iterator[Load]:
    """What goes into which place together: everything everywhere, as many at once as places are.

    What may be refused comes last and by itself.
    """
    rows = odd.values("text")
    mild = [one for one in rows if not (one.harsh or one.alone or one.first or one.long)]
    single = [(one,) for one in rows if (one.alone or one.first) and not one.harsh]
    huge = [(one,) for one in rows if one.long]
    packs = {True: [tuple(mild), *huge, *single], False: [*_chunks(mild), *single]}
    places = [slot for slot in trying.slots if slot.kind == "text"]
    # Each place begins at another pack, so that a record holds many.
    queues = {slot: packs[slot.long][at:] + packs[slot.long][:at] for at, slot in enumerate(places)}
    for turn in range(max((len(queue) for queue in queues.values()), default=0)):
        yield {slot: queue[turn] for slot, queue in queues.items() if turn < len(queue)}
    for one in rows:
        if one.harsh:
            yield dict.fromkeys(places, (one,))


def _chunks(rows: Iterable[Odd]) -> Iterator[tuple[Odd, ...]]:
    """The rows in groups that fit into a name."""
    group: list[Odd] = []
    for one in rows:
        if group and sum(len(str(each.value)) + 1 for each in (*group, one)) > _SHORT:
            yield tuple(group)
            group = []
        group.append(one)
    if group:
        yield tuple(group)


def _halves(load: Load) -> list[Load]:
    """The load in two: by places if there are several, then by values."""
    places = list(load)
    if len(places) > 1:
        middle = len(places) // 2
        return [{slot: load[slot] for slot in part} for part in (places[:middle], places[middle:])]
    slot, odds = next(iter(load.items()))
    if len(odds) == 1:
        return []
    middle = len(odds) // 2
    return [{slot: odds[:middle]}, {slot: odds[middle:]}]


def texts(world: World, case: Case) -> Odds:
    """Odd texts in every place of a write that takes texts, read back by somebody who may."""
    return _tried(world, case, _loads)


def others(world: World, case: Case) -> Odds:
    """Odd numbers, dates and structures in every place of a write, one at a time."""
    return _tried(world, case, _singles)


def _tried(world: World, case: Case, loads: Callable[[_Try], Iterable[Load]]) -> Odds:
    place = apart(world)
    trying = _begun(place, case)
    plain = _send(trying, {}, "control")
    if plain.read.outcome is not Outcome.ALLOWED:
        return Odds(case, plain.read)
    known = _learn(trying, plain)
    for pause in _MOMENTS if plain.made is not None else ():
        if known:
            break
        # What is acknowledged may come to be seen a moment later.
        time.sleep(pause)
        trying.who = None
        known = trying.late = _learn(trying, plain)
    doors = _doors(place, trying, plain.made)
    before = [(door, _open(place, door)) for door in doors]
    left = _taken_apart(trying, loads(trying))
    if loads is _loads:
        _climb_down(trying)
        _turn_away(trying)
    if trying.late:
        time.sleep(_MOMENTS[-1])
        trying.notes.append("what is written can be read a moment later, not at once")
        trying.returned += [
            one for load, sent in trying.taken for one in _compare(trying, sent, load)
        ]
    opened = [
        Opened(door.says, read, _open(place, door))
        for door, read in before
        if trying.accepted and read.outcome is Outcome.ALLOWED
    ]
    shut = next((one for one in opened if one.after.outcome is Outcome.BROKEN), None)
    if shut is not None and place is not world:
        # Nobody else is to meet what this case has left behind.
        fresh = world.replica(fresh=True).world
        culprit = _culprit(fresh, case, shut, [load for load, _sent in trying.taken])
        opened = [replace(one, culprit=culprit) for one in opened]
        if culprit:
            world.replica(fresh=True)
    odds = _concluded(trying, plain.read, tuple(opened), left)
    return odds if shut is not None else replace(odds, listing=_listing(trying, plain, doors))


def _listing(trying: _Try, plain: Sent, doors: Sequence[Door]) -> Listing | None:
    """Whether a list holds the records that were accepted, where it holds the ordinary one."""
    made = plain.made
    lists = (door for door in doors if door.case.resource == trying.case.resource and door.rows)
    door = next(lists, None)
    if made is None or door is None or not trying.taken:
        return None
    missing, read, there = _missing(trying, door, made, trying.taken)
    if missing:
        time.sleep(_MOMENTS[-1])
        missing, read, there = _missing(trying, door, made, trying.taken)
    together = [load for load, _sent in missing if sum(map(len, load.values())) > 1]
    if there and together:
        alone = [(load, _once_more(trying, load)) for load in _each(together)[:_MOST_ALONE]]
        if trying.late:
            time.sleep(_MOMENTS[-1])
        # Where none of them alone is missing, those together are what can be told.
        missing = _missing(trying, door, made, alone)[0] or missing
    names = [one.name for load, _sent in missing for odds in load.values() for one in odds]
    write = missing[0][1].read if missing else plain.read
    return Listing(door.says, read, there, tuple(dict.fromkeys(names)), write)


def _missing(
    trying: _Try, door: Door, plain: Instance, taken: Sequence[tuple[Load, Sent]]
) -> tuple[list[tuple[Load, Sent]], Read, bool]:
    """Which of the accepted records the list does not hold; a page; and if `plain` is there."""
    reads = _pages(trying.world, door, PAGE_LIMIT)
    answers = [one.exchange.answer for one in reads if one.outcome is Outcome.ALLOWED]
    found = {
        str(identity)
        for answer in answers
        if answer is not None
        for identity in values(door.rows, parsed(answer))
    }
    missing = [
        (load, sent)
        for load, sent in taken
        if sent.made is not None
        and sent.made.parent is plain.parent
        and str(sent.made.id) not in found
    ]
    return missing, reads[-1], str(plain.id) in found


def _each(loads: Iterable[Load]) -> list[Load]:
    """Each value of the loads in its place alone."""
    return [{slot: (one,)} for load in loads for slot, odds in load.items() for one in odds]


def _culprit(world: World, case: Case, shut: Opened, loads: Sequence[Load]) -> str:
    """The one accepted value after which the door is shut, tried alone; empty if none is."""
    trying = _begun(world, case)
    plain = _send(trying, {}, "control")
    found = (one for one in _doors(world, trying, plain.made) if one.says == shut.says)
    door = next(found, None)
    if door is None:
        return ""
    for single in _each(loads)[:_MOST_ALONE]:
        sent = _once_more(trying, single)
        if sent.read.outcome is Outcome.ALLOWED and _open(world, door).outcome is Outcome.BROKEN:
            slot, odds = next(iter(single.items()))
            return f"{odds[0].name} in {slot.name}"
    return ""


def _begun(world: World, case: Case) -> _Try:
    setting = permitted(world, case)
    found = list(slots(body_of(setting.operation)))
    most = MOST_SENT if case.variant is None else MOST_SENT_EVERYWHERE
    return _Try(world, case, setting, found, most)


def _taken_apart(trying: _Try, loads: Iterable[Load]) -> int:
    """Send the loads, and what is refused or breaks in parts; how many were left over."""
    waiting = deque(loads)
    while waiting and trying.sent < trying.budget and len(trying.broken) < _BROKEN:
        load = waiting.popleft()
        sent = _once_more(trying, load)
        parts = _halves(load)
        if sent.read.outcome is Outcome.ALLOWED:
            trying.taken.append((load, sent))
            trying.accepted += [one.name for odds in load.values() for one in odds]
            returned = [] if trying.late else _compare(trying, sent, load)
            trying.returned += returned
        elif sent.read.outcome is Outcome.CONFLICT and trying.settings >= _MOST_SETTINGS:
            waiting.append(load)
            break
        elif failed_to_answer(sent.read):
            # Nearest first: the smallest request that breaks it says most.
            waiting.extendleft(reversed(parts))
            if not parts:
                _note_broken(trying, load, sent.read)
        elif parts:
            waiting.extend(parts)
        else:
            trying.refused += [one.name for odds in load.values() for one in odds]
            trying.away += [(slot, odds[0], sent.read) for slot, odds in load.items()]
    return len(waiting)


# --- as long as may be, and as people are called -----------------------------------------------


def _described(trying: _Try, slot: Slot) -> tuple[bool, Property | None]:
    """Whether the API document has the operation, and what it says of a field at the top."""
    documented = inventory.described(
        trying.world.target, trying.world.documented, trying.setting.operation
    )
    if documented is None or len(slot.path) > 1:
        return documented is not None, None
    return True, next((one for one in documented.takes if one.name == slot.path[0]), None)


def _climb_down(trying: _Try) -> None:
    """Each field as full as the API document allows, or else as any size that it takes.

    What is cut shows at the longest text that is taken, whatever the limit.
    """
    places = [slot for slot in trying.slots if slot.kind == "text"]
    for slot in places if trying.case.variant else places[:_MOST_PLACES]:
        _known, said = _described(trying, slot)
        longest = said.longest if said is not None and _is_free(said) else None
        sizes = [size for size in _SIZES if size < (longest or _SIZES[not slot.long] + 1)]
        if longest is not None and _LEAST < longest <= _SIZES[0]:
            sizes = [longest, *sizes]
        for size in sizes:
            load = {slot: (_full(size),)}
            sent = _once_more(trying, load)
            if sent.read.outcome is Outcome.ALLOWED:
                trying.taken.append((load, sent))
                trying.returned += [] if trying.late else _compare(trying, sent, load)
                break
            if size == longest and _says_invalid(sent.read):
                _note_length(trying, slot, size, sent.read)


def _full(size: int) -> Odd:
    """A text of so many characters in ASCII."""
    text = (_WORDS * (size // len(_WORDS) + 1))[: size - 1] + "x"
    return Odd(f"{size:,} characters", "text", text, "", long=True, fill=True)


def _note_length(trying: _Try, slot: Slot, size: int, refused: Read) -> None:
    again = _once_more(trying, {slot: (_full(size),)}).read
    half = _once_more(trying, {slot: (_full(max(size // 8, _LEAST)),)}).read
    if _says_invalid(again) and half.outcome is Outcome.ALLOWED:
        away = TurnedAway(slot.name, f"{size:,} characters", refused, half, size)
        trying.turned_away.append(away)


def _turn_away(trying: _Try) -> None:
    """Of the names that were refused, those that differ from a plain one in their letters alone."""
    shut: list[str] = []
    for slot, one, refused in trying.away:
        if not one.person or not _says_invalid(refused) or (one.alone and not slot.person):
            continue
        _known, said = _described(trying, slot)
        if said is None and not slot.person and not slot.long:
            continue
        if said is not None and not _allows(said, str(one.value)):
            shut.append(f"{one.name} in {slot.name}")
            continue
        if sum(each.place == slot.name for each in trying.turned_away) >= _BROKEN:
            continue
        again = _once_more(trying, {slot: (one,)}).read
        control = _once_more(trying, {slot: (_plain(one),)}).read
        if _says_invalid(again) and control.outcome is Outcome.ALLOWED:
            trying.turned_away.append(TurnedAway(slot.name, one.name, refused, control))
    if shut:
        trying.notes.append(f"the API document itself shuts out {', '.join(shut[:4])}")


def _says_invalid(read: Read) -> bool:
    answer = read.exchange.answer
    if answer is None:
        return False
    # Some say so with a success, and `outcomes` tells what it means.
    return answer.status in {400, 422} or (answer.status < 300 and read.outcome is Outcome.INVALID)


def _is_free(said: Property) -> bool:
    """Whether nothing but a length is asked of a text."""
    return said.type == "string" and not (said.pattern or said.format or said.values)


def _allows(said: Property, value: str) -> bool:
    """Whether the API document allows the text, as far as can be told."""
    if said.type != "string" or said.format or said.values:
        return False
    if not said.shortest <= len(value) <= (said.longest or len(value)):
        return False
    try:
        return said.pattern is None or re.search(said.pattern, value) is not None
    except re.error:
        return False


def _plain(one: Odd) -> Odd:
    """The same in letters of ASCII; of a single letter, a whole word."""
    value = re.sub(r"[^A-Za-z0-9 ]", "x", str(one.value))
    return replace(one, name="plain letters", value=value if len(value) > 1 else "Oxenstierna")


def _once_more(trying: _Try, load: Load) -> Sent:
    """The request; on a record of its own where the last one does not allow it any more."""
    trying.sent += 1
    sent = _send(trying, load)
    if sent.read.outcome is Outcome.CONFLICT and trying.settings < _MOST_SETTINGS:
        trying.settings += 1
        trying.setting = permitted(trying.world, trying.case)
        sent = _send(trying, load)
    return sent


def _note_broken(trying: _Try, load: Load, first: Read) -> None:
    slot, odds = next(iter(load.items()))
    again = _once_more(trying, load).read
    if not failed_to_answer(again):
        return
    if trying.case.kind != "create":
        trying.setting = permitted(trying.world, trying.case)
    control = _send(trying, {}, "control").read
    if failed_to_answer(control):
        control = _send(trying, {}, "control").read
    names = tuple(one.name for one in odds)
    trying.broken.append(Broken(slot.name, names, first, again, control))


def _concluded(trying: _Try, plain: Read, opened: tuple[Opened, ...], left: int) -> Odds:
    texts = (slot for slot in trying.slots if slot.kind == "text")
    hidden = [slot.name for slot in texts if slot not in trying.shown]
    if hidden:
        trying.notes.append(f"nobody reads back {', '.join(hidden[:5])}")
    return Odds(
        trying.case,
        plain,
        tuple(trying.returned),
        tuple(trying.broken),
        opened,
        tuple(dict.fromkeys(trying.accepted)),
        tuple(dict.fromkeys(trying.refused)),
        trying.sent,
        left,
        "; ".join(trying.notes),
        away=tuple(trying.turned_away),
    )


# --- parameters ------------------------------------------------------------------------------


def parameters(world: World, case: Case) -> Odds:
    """Odd values in the query and in the id of a read, one at a time."""
    place = apart(world)
    setting = permitted(place, case)
    plain, _payload = send(place, setting, setting.persona, "control")
    if plain.outcome is not Outcome.ALLOWED:
        return Odds(case, plain)
    most = MOST_ASKED if case.variant is None else MOST_SENT_EVERYWHERE
    asked = list(_asked(setting))
    # Every date is asked for where dates stand.
    most += sum(
        one.kind == "date" and where in _dated(setting.operation) for where, one, _ in asked
    )
    most += sum(where in _searched(setting.operation) for where, _one, _given in asked)
    broken: list[Broken] = []
    for where, one, given in asked[:most]:
        read, _ = send(place, setting, setting.persona, "attempt", **given)
        if failed_to_answer(read):
            again, _ = send(place, setting, setting.persona, "attempt", **given)
            control, _ = send(place, setting, setting.persona, "control")
            if failed_to_answer(control):
                # What broke may have taken a connection or a moment with it.
                control, _ = send(place, setting, setting.persona, "control")
            if failed_to_answer(again):
                broken.append(Broken(where, (one.name,), read, again, control))
        if len(broken) >= _BROKEN:
            break
    sent, left = len(asked[:most]), len(asked[most:])
    return Odds(case, plain, broken=tuple(broken), sent=sent, left=left)


def _asked(setting: Setting) -> Iterator[tuple[str, Odd, dict[str, Any]]]:
    """Where, what, and how it is sent: what fits first (dates for dates), then the rest mixed."""
    operation = setting.operation
    rest: list[tuple[str, Odd, dict[str, Any]]] = []
    searched = _searched(operation)
    for slot in slots(operation.query):
        name = str(slot.path[0])
        for one in odd.values():
            if isinstance(one.value, list | dict) or one.value is None or not _in_a_url(one):
                continue
            changed_query = {**operation.query, name: "{odd_value}"}
            asking = changed(operation, {"query": changed_query})
            found = (f"?{name}", one, {"template": asking, "odd_value": one.value})
            dated = one.kind == "date" and _DATED.search(name) is not None
            if dated or one.kind == ("text" if found[0] in searched else slot.kind):
                yield found
            elif found[0] not in searched:
                rest.append(found)
    if setting.instance is not None:
        for one in odd.values("text", "number"):
            if _in_a_url(one):
                ghost = replace(setting.instance, id=str(one.value))
                lineage = {**setting.lineage, ghost.resource: ghost}
                rest.append(("the id", one, {"lineage": lineage, "ids": [ghost.id]}))
    rest.sort(key=lambda each: crc32(f"{operation.request} {each[0]} {each[1].name}".encode()))
    yield from rest


def _dated(operation: Operation) -> frozenset[str]:
    """The parameters that take a date, a month or a year."""
    named = {str(one.path[0]) for one in slots(operation.query) if one.kind == "date"}
    named |= {name for name in operation.query if _DATED.search(name)}
    return frozenset(f"?{name}" for name in named)


def _searched(operation: Operation) -> frozenset[str]:
    """The parameters that a text is searched by."""
    terms = ((name, placeholders_in(one)) for name, one in operation.query.items())
    return frozenset(f"?{name}" for name, names in terms if "term" in names)


def _in_a_url(one: Odd) -> bool:
    """Whether a URL can hold the value: UTF-8, and not as long as a note."""
    try:
        return len(str(one.value).encode()) < _LONGEST_IN_A_URL
    except UnicodeEncodeError:
        return False


# --- credentials -----------------------------------------------------------------------------


def credentials(world: World, case: Case) -> Odds:
    """A read with something odd where its credentials are, one header or cookie at a time."""
    place = apart(world)
    setting = permitted(place, case)
    plain, _ = send(place, setting, setting.persona, "control")
    if plain.outcome is not Outcome.ALLOWED:
        return Odds(case, plain)
    broken: list[Broken] = []
    tried = list(_misshapen(place.sessions[setting.persona].shown()))
    for where, says, shown in tried:
        first, again = (
            _answered(place, setting, purpose="attempt", credentials=shown) for _ in range(2)
        )
        if all(_says_failed(one) for one in (first, again)):
            control = _answered(place, setting, purpose="control")
            broken.append(Broken(where, (says,), first, again, control))
    return Odds(case, plain, broken=tuple(broken), sent=len(tried))


def _answered(world: World, setting: Setting, purpose: str, **given: Any) -> Read:
    """The request, once more where the connection was closed on it."""
    read, _ = send(world, setting, setting.persona, purpose, **given)
    if read.exchange.answer is None:
        read, _ = send(world, setting, setting.persona, purpose, **given)
    return read


def _says_failed(read: Read) -> bool:
    """Whether the target says that it failed; it may hang up on what it cannot read."""
    answer = read.exchange.answer
    return answer is not None and answer.status >= 500


def _misshapen(shown: Credentials) -> Iterator[tuple[str, str, Credentials]]:
    """Where, what, and the credentials with it (RFC 9110 section 11.6.2, RFC 6750, RFC 7617)."""
    for name, value in shown.headers.items():
        scheme = value.partition(" ")[0] if " " in value else ""
        for says, odd_value in _strange(scheme):
            headers = {**shown.headers, name: odd_value}
            yield f"header {name}", says, Credentials(headers, dict(shown.cookies))
    for name in shown.cookies:
        for says, odd_value in _strange(""):
            cookies = {**shown.cookies, name: odd_value}
            yield f"cookie {name}", says, Credentials(dict(shown.headers), cookies)


def _strange(scheme: str) -> Iterator[tuple[str, str]]:
    """What no login hands out; none of it has control characters, which HTTP cannot carry."""
    first = f"{scheme} " if scheme else ""
    yield "nothing", ""
    yield "letters beyond ASCII", f"{first}Zoë-李小龍-🤒"
    yield "signs", f"{first}%00%ff{{}}[]<>\\'\"`,=;:@"
    yield "six thousand letters", first + "a" * 6000
    yield "dots alone", f"{first}.."
    yield "a token of no JSON", f"{first}e30x.W10.AAAA"
    yield "a number", f"{first}0"
    yield "null", f"{first}null"
    if scheme:
        yield "a scheme alone", scheme
        yield "several words", f"{scheme} a b c"
        yield "a scheme twice", f"{scheme} {scheme}"
        yield "blanks between", f"{scheme}    a"
        yield "no blank", f"{scheme}a"
        yield "a scheme that does not exist", "Wardproof a"
        yield "Basic without a colon", "Basic bm9ib2R5"
        yield "Basic that is no UTF-8", "Basic //46//4="
        yield "Basic that is no Base64", "Basic %%%"
        yield "Digest", 'Digest username="nobody", nc=zz'
        yield "a comma", f"{scheme} a, {scheme} b"


# --- exports ---------------------------------------------------------------------------------


def exported(world: World, case: Case) -> Exported:
    """Formulas in every text of what the persona may see, and then an export of it.

    Raises NotBuilt.
    """
    place = apart(world)
    assert case.persona and case.variant
    planted: list[tuple[str, str]] = []
    for writing in _writers(place, case):
        try:
            trying = _begun(place, writing)
            texts = [slot for slot in trying.slots if slot.kind == "text"]
            formulas = [one for one in odd.values("text") if one.formula]
            trying.budget = _MOST_FORMULAS
            _taken_apart(trying, [dict.fromkeys(texts, (one,)) for one in formulas])
        except NotBuilt:
            continue
        for _load, sent in trying.taken:
            if sent.made is not None:
                _have_seen(place, case.persona, sent.made)
        planted += [
            (f"{odds[0].name} in {slot.name} of {writing.resource}", str(sent.values[slot]))
            for load, sent in trying.taken
            for slot, odds in load.items()
        ]
    if case.resource and case.operation:
        setting = on(place, case, None)
        read, _ = send(place, setting, case.persona, "attempt")
        return Exported(case, read, tuple(planted))
    channel = place.target.channels[case.variant]
    session = place.sessions[case.persona]
    given = make(place, case.persona, channel, None, None)
    read = use(place, case.persona, channel, given, session.shown(), None)
    return Exported(case, read, tuple(planted))


def _have_seen(world: World, persona: str, instance: Instance) -> None:
    """Have the persona stand to the record so that its lists hold it, where that can be."""
    described = world.target.resources[instance.resource]
    for name in described.operations:
        if described.kind(name) == "list":
            with contextlib.suppress(NotBuilt):
                for who, relation in needed(world, persona, instance.resource, name).items():
                    world.stand(who, instance, relation)


def _writers(world: World, case: Case) -> list[Case]:
    """How records with texts are made that the persona may list, by itself where it may."""
    assert case.persona and case.tenant
    target, found = world.target, []
    for resource, described in target.resources.items():
        name = policy.creating(target, resource)
        body = body_of(target.operation(resource, name)) if name else None
        if name is None or not any(slot.kind == "text" for slot in slots(body)):
            continue
        seen = (one for one in described.operations if described.kind(one) in {"list", "read"})
        if not any(policy.grants(target, case.roles, resource, one) for one in seen):
            continue
        people = [one for one in subjects(target) if policy.tenant_of(target, one) == case.tenant]
        writer = door_to(target, resource, name, [case.persona])
        writer = writer or door_to(target, resource, name, people)
        if writer is not None:
            found.append(writer)
    return found[:_WRITERS]


# --- what else is tried on its own -------------------------------------------------------------


def looked_up(world: World, case: Case, setting: Setting, made: Instance | None) -> Iterator[Read]:
    """What readers of the record are shown, and what lists show that may hold it."""
    instance = made or setting.instance
    with contextlib.suppress(NotBuilt):
        if instance is not None:
            for who in readers(world, instance):
                yield seen_by(world, who, instance)[1]
    for door in _doors(world, _Try(world, case, setting, (), 0), made):
        with contextlib.suppress(NotBuilt):
            yield from _pages(world, door, PAGE_LIMIT)


# --- whether what shows records still opens --------------------------------------------------


@dataclass(frozen=True)
class Door:
    """What shows records, asked by the first who may."""

    says: str
    case: Case
    instance: Instance | None
    rows: str = ""
    """Where a list has the ids of its rows."""


def _doors(world: World, trying: _Try, made: Instance | None) -> list[Door]:
    """What shows records of the resource, and of those above it."""
    instance = made or trying.setting.instance
    line = instance.lineage() if instance else {}
    found: list[Door] = []
    for resource in (trying.setting.resource, *world.target.ancestors(trying.setting.resource)):
        described = world.target.resources[resource]
        for name, operation in described.operations.items():
            if described.kind(name) not in SAFE_KINDS or operation.method != "GET":
                continue
            if operation.not_tested or "term" in operation.placeholders:
                continue
            case = door_to(world.target, resource, name, _seers(world, trying, resource, name))
            about = world.target.object_of(resource, name)
            if case is None:
                continue
            if about is None or about in line:
                rows = operation.items or ""
                if rows and not operation.counts:
                    rows += (operation.item_id or "$.id").removeprefix("$")
                found.append(Door(f"'{name}' of {resource}", case, line.get(about or ""), rows))
    return found[:_DOORS]


def _seers(world: World, trying: _Try, resource: str, name: str) -> list[str]:
    """Who is asked: somebody who sees whosever record it is, else who wrote it, else anybody."""
    target = world.target
    people = [
        one for one in subjects(target) if policy.tenant_of(target, one) == trying.setting.tenant
    ]

    def granted(persona: str) -> list[policy.Grant]:
        return policy.grants(target, policy.roles_of(target, persona), resource, name)

    free = [
        one
        for one in people
        if any(each.covers(frozenset(), same_tenant=True) for each in granted(one))
    ]
    writer = trying.setting.persona
    return free or ([writer] if granted(writer) else people)


def _open(world: World, door: Door) -> Read:
    """The last page of what the door shows, or the first that fails."""
    told: Read | None = None
    for _ in range(3):  # one failure may be of the connection, that of the request before included
        reads = _pages(world, door, _PAGES)
        shown = next((one for one in reads if one.outcome is not Outcome.ALLOWED), reads[-1])
        if not failed_to_answer(shown):
            return shown
        if shown.exchange.answer is not None:
            if told is not None:
                return shown
            told = shown
    return told or shown


def _pages(world: World, door: Door, most: int) -> list[Read]:
    case = door.case
    assert case.persona and case.resource and case.operation
    setting = on(world, case, door.instance)
    payload = world.payload(case.persona, case.resource, setting.tenant, setting.lineage)
    about = (case.persona, case.resource, case.operation)
    return walk(world, *about, payload, "read-back", limit=most)
