"""A crash while writers write, and what is left of what they were told was done."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from conformance import policy
from conformance.books import Observation, spread
from conformance.cases import Profile
from conformance.comparison import leaves, parsed
from conformance.durability import Durable
from conformance.extraction import values
from conformance.instances import Instance, NotBuilt, Unclaimed
from conformance.model import Answer, Case, Exchange, Outcome, Read
from conformance.races import Action, Reading
from conformance.replicas import Replica
from conformance.survival import Acknowledged, Kept, Survival
from conformance.target import Operation, Target
from conformance.trials.entries import find, reader_of, trail_of
from conformance.trials.invariants import observed
from conformance.trials.pages import walk
from conformance.trials.staging import Asked, Stage
from conformance.verdicts import no_statement
from conformance.wire import Unreachable, Wire
from conformance.world import World

WRITERS = 4
_EACH = 3
"""So many writes of each kind, on average, are acknowledged before the target is killed."""
_AT_MOST = 20.0
"""… but no more seconds than that are waited for them."""
_ROUNDS = {Profile.SMOKE: 1, Profile.GATE: 2, Profile.FULL: 6}
_MESSAGES = 360
"""Writes that are ready for one round, of all kinds together."""
_SET_UP = 8
"""… of a kind whose writes each have a set-up of their own."""
_LATEST = 1.0
"""… within so many seconds from then, at a random instant."""
READ_BACK = 160
"""So many writes are looked for after a crash: half of them the last, the rest of all times."""
FOLLOWED = 40
"""Of so many, the last, what must follow is looked for as well."""
_AGAIN = 1.0
"""Seconds after which what was not there is looked for once more."""
_TRIES = 6


@dataclass(frozen=True)
class Reader:
    """Who is known to read a kind of record, by which operation, and by what it is known there."""

    persona: str
    name: str
    by: str


@dataclass
class _Kind:
    """A kind of write: what is needed to make the next one."""

    name: str | None
    resource: str
    operation: str
    stage: Stage
    write: Action
    persona: str
    reader: Reader
    durable: Durable | None = None


# --- the trial --------------------------------------------------------------------------------


def crashed(world: World, case: Case) -> list[Survival | Observation]:
    """Kill a copy of the target while it is written to, start it again, look for the writes."""
    objection = _forgets(world.target)
    if objection:
        raise Unclaimed(objection)
    replica = world.replica()
    left_out: list[str] = []
    world.live("durability: what is to be written")
    kinds = list(_kinds(replica.world, left_out))
    if not kinds:
        raise NotBuilt(f"nothing can be written and read back: {'; '.join(left_out)}")
    found: list[Survival | Observation] = []
    chance = random.Random(world.seed)
    for number in range(_ROUNDS[world.profile]):
        wait = chance.uniform(0, _LATEST)
        survival = _round(world, replica, kinds, wait, number)
        found.append(replace(survival, case=case, left_out=tuple(left_out)))
        if survival.down is not None:
            return found
    return [*found, *observed(replica.world)]


def _forgets(target: Target) -> str | None:
    """Why nothing is claimed of what outlives a crash, None if it is."""
    start = target.system.start
    if start is None or "durable" in target.model_fields_set:
        return None
    said = [*start.command, *start.environment.values()]
    if any("{data}" in part for part in said):
        return None
    return (
        "the target file does not say that data outlive the target's process: let "
        "system.start.command keep them in the folder {data}, or write for example durable: {}"
    )


def _round(
    world: World, replica: Replica, kinds: Sequence[_Kind], wait: float, number: int
) -> Survival:
    """One crash and what was left after it."""
    ready = _ready(kinds)
    world.live(f"durability: writing until crash {number + 1}")
    done, killed = _written(replica, [one for _, one in ready], _EACH * len(kinds), wait)
    kind_of = {id(asked): kind for kind, asked in ready}
    writes = list(_acknowledged(replica.world, done, kind_of))
    try:
        back(replica)
    except Unreachable as problem:
        return Survival(killed, len(writes), (), down=str(problem))
    world.live(f"durability: looking for {len(writes)} writes after crash {number + 1}")
    readers = {(kind.resource, kind.operation): kind.reader for kind in kinds}
    return read_back(replica.world, writes, killed, readers)


def back(replica: Replica) -> None:
    """Start it again. What held a lock when it was killed may need a moment to let go of it."""
    for patience in (0.5, 1.0, 2.0, None):
        try:
            replica.restart(crash=True)
        except Unreachable:
            if patience is None:
                raise
            time.sleep(patience)
        else:
            return


# --- what is written --------------------------------------------------------------------------


def _kinds(world: World, left_out: list[str]) -> Iterator[_Kind]:
    """Every kind of write whose records can be read back, each shown to be so beforehand."""
    target = world.target
    for name, durable in target.durable.items():
        yield _declared(world, name, durable)
    declared = {durable.write.operation for durable in target.durable.values()}
    for resource in target.resources:
        operation = policy.creating(target, resource)
        if operation is None or (resource, operation) in declared:
            continue
        reason = _unfit(target, resource, operation)
        if reason is None:
            try:
                yield _derived(world, resource, operation)
            except NotBuilt as problem:
                reason = str(problem)
        if reason is not None:
            left_out.append(f"{resource}: {reason}")


def _unfit(target: Target, resource: str, name: str) -> str | None:
    """Why records of that kind are not made many at a time, None if they are."""
    operation = target.operation(resource, name)
    if target.resources[resource].instances:
        return "it is not made, but listed"
    if operation.not_tested is not None:
        return operation.not_tested
    if operation.limit is not None:
        return "how often it may be done is limited"
    if operation.lookup is not None:
        return "its answer does not say its id"
    if operation.fresh:
        return f"each needs another {' and '.join(operation.fresh)}: describe it in 'durable'"
    return None


def _derived(world: World, resource: str, name: str) -> _Kind:
    """A kind of write as the world makes such records. Raises NotBuilt."""
    tenant = policy.tenants(world.target)[0]
    first = world.obtain(resource, tenant, {}, fresh=True)
    reader = _patient_reader(world, first)
    assert first.creator is not None
    stage = Stage(world, tenant)
    around = first.lineage()
    del around[resource]
    stage.records |= around
    action = Action.model_validate({"do": f"{resource}.{name}", "as": first.creator})
    return _Kind(None, resource, name, stage, action, first.creator, reader)


def _declared(world: World, name: str, durable: Durable) -> _Kind:
    """A kind of write as the target file describes it, tried once. Raises NotBuilt."""
    tenant = durable.tenant or policy.tenants(world.target)[0]
    stage = Stage(world, tenant)
    stage.prepare(durable.setup)
    assert durable.write.operation is not None
    resource, operation = durable.write.operation
    here = stage.apart()
    here.prepare(durable.before)
    asked = _with_id(world, here.asked(durable.write))
    read = here.send(asked, "set-up")
    answer = read.exchange.answer
    first = here.made(asked, answer) if answer and read.outcome is Outcome.ALLOWED else None
    if first is None or answer is None:
        raise NotBuilt(
            f"durable.{name}: {asked.template.request} as {asked.persona} got {read.status}",
            read.exchange,
        )
    kind = _Kind(
        name,
        resource,
        operation,
        stage,
        durable.write,
        asked.persona,
        _patient_reader(world, first),
        durable,
    )
    write = _acknowledgement(world, kind, asked, read.exchange)
    if write is not None:
        [(lacking, exchanges)] = _followed(world, [write])
        if lacking:
            raise NotBuilt(
                f"durable.{name}: without any crash there is no {' and no '.join(lacking)}",
                *exchanges,
            )
    return kind


def _with_id(world: World, asked: Asked) -> Asked:
    """The request with a correlation id of its own, where the audit trail knows requests by it."""
    trail = world.target.audit
    if trail is None or trail.header is None:
        return asked
    mine = [one for one in asked.message.headers if one[0].lower() != trail.header.lower()]
    headers = (*mine, (trail.header, str(uuid.uuid4())))
    return replace(asked, message=replace(asked.message, headers=headers))


def _ready(kinds: Sequence[_Kind]) -> list[tuple[_Kind, Asked]]:
    """The requests of one round, the kinds in turn."""
    each = max(1, _MESSAGES // len(kinds))
    rows: list[list[tuple[_Kind, Asked]]] = []
    for kind in kinds:
        own = bool(kind.durable and kind.durable.before)
        row: list[tuple[_Kind, Asked]] = []
        for number in range(min(each, _SET_UP) if own else each):
            here = kind.stage.apart()
            if kind.durable is not None:
                here.prepare(kind.durable.before)
            asked = here.asked(kind.write, number)
            # Made before the writers start, when the world still knows of none of the others.
            asked = replace(asked, key=f"{asked.key}.{kind.resource}.{uuid.uuid4().hex[:12]}")
            row.append((kind, _with_id(kind.stage.world, asked)))
        rows.append(row)
    longest = max(len(row) for row in rows)
    return [row[place] for place in range(longest) for row in rows if place < len(row)]


@dataclass
class _Writer:
    """One thread that writes, one request after another, until it is told to stop."""

    wire: Wire
    asked: list[Asked]
    stop: threading.Event
    done: list[tuple[Asked, Exchange]] = field(default_factory=list)

    def run(self) -> None:
        for one in self.asked:
            if self.stop.is_set():
                return
            exchange = self.wire.send(one.message, one.persona, "write")
            if exchange.answer is None:
                return
            self.done.append((one, exchange))


def _written(
    replica: Replica, ready: Sequence[Asked], least: int, wait: float
) -> tuple[list[tuple[Asked, Exchange]], float]:
    """What was answered before the target was killed, and when that was (UTC seconds).

    It is killed `wait` seconds after `least` writes have been answered.
    """
    world = replica.world
    stop = threading.Event()
    count = max(1, min(WRITERS, world.target.system.max_connections))
    writers = [
        _Writer(world.wire.apart(), list(ready[place::count]), stop) for place in range(count)
    ]
    threads = [threading.Thread(target=one.run, daemon=True) for one in writers]
    for thread in threads:
        thread.start()
    deadline, enough = time.monotonic() + _AT_MOST, 0.9 * len(ready)
    counted = False
    while time.monotonic() < deadline and all(thread.is_alive() for thread in threads):
        done = sum(len(one.done) for one in writers)
        if done > enough:
            break
        if done >= least and not counted:
            counted, deadline = True, time.monotonic() + wait
        time.sleep(0.01)
    killed = time.time()
    replica.server.kill()
    stop.set()
    for thread, writer in zip(threads, writers, strict=True):
        thread.join(world.target.system.timeout + 1)
        writer.wire.close()
    return [pair for one in writers for pair in list(one.done)], killed


def _acknowledged(
    world: World, done: Iterable[tuple[Asked, Exchange]], kind_of: Mapping[int, _Kind]
) -> Iterator[Acknowledged]:
    for asked, exchange in done:
        write = _acknowledgement(world, kind_of[id(asked)], asked, exchange)
        if write is not None:
            yield write


def _acknowledgement(
    world: World, kind: _Kind, asked: Asked, exchange: Exchange
) -> Acknowledged | None:
    """The write, if it was answered as done with an id; the world knows its record from here on."""
    world.asked[exchange.id] = asked.about
    read = world.read(exchange)
    if read.outcome is not Outcome.ALLOWED or exchange.answer is None:
        return None
    made = kind.stage.made(asked, exchange.answer)
    if made is None:
        return None
    world.mint.belongs(
        [one for one in asked.payload.carried if one in world.mint.planted], made.key
    )
    trail = world.target.audit
    header = trail.header.lower() if trail and trail.header else None
    given = (value for name, value in asked.message.headers if name.lower() == header)
    return Acknowledged(
        operation=(kind.resource, kind.operation),
        persona=asked.persona,
        tenant=kind.stage.tenant,
        id=made.id,
        at=exchange.started + exchange.seconds,
        markers=frozenset(made.markers),
        parents={name: one.id for name, one in made.lineage().items() if one is not made},
        correlation=next(given, None),
        name=kind.name,
        values=kind.stage.takes(asked, exchange.answer),
        exchange=exchange,
    )


# --- what is left -----------------------------------------------------------------------------


def read_back(
    world: World,
    writes: Sequence[Acknowledged],
    killed: float,
    readers: Mapping[tuple[str, str], Reader] | None = None,
) -> Survival:
    """Look for acknowledged writes after the target was killed at `killed` and is back.

    `readers` are known from before (`reader_for`); who is not is found by the oldest writes. What
    is not there, or not to be read, is looked for once more before anything follows from it.
    """
    ordered = sorted(writes, key=lambda one: one.at)
    known = dict(readers or {})
    for write in ordered:
        if write.operation not in known:
            found = _found_reader(
                world, [one for one in ordered if one.operation == write.operation]
            )
            if found is not None:
                known[write.operation] = found
    chosen = spread(ordered, READ_BACK)
    kept = _looked_for(world, chosen, known)
    # A target that is not quite awake may answer anything, so whatever is not there is asked again.
    again = [one.write for one in kept if not one.there and one.write.operation in known]
    if again:
        time.sleep(_AGAIN)
        second = {id(one.write): one for one in _looked_for(world, again, known)}
        kept = [second.get(id(one.write), one) for one in kept]
    there = [place for place, one in enumerate(kept) if one.there][-FOLLOWED:]
    after = _followed(world, [kept[place].write for place in there])
    for place, (lacking, exchanges) in zip(there, after, strict=True):
        if lacking:
            shown = (*kept[place].exchanges, *exchanges)
            kept[place] = replace(kept[place], lacking=lacking, exchanges=shown)
    return Survival(killed, len(ordered), tuple(kept))


def reader_for(world: World, instance: Instance) -> Reader:
    """Who reads the record back, shown on one that is there. Raises NotBuilt."""
    tried = 0
    for persona, name in _able(world, instance):
        if tried >= _TRIES:
            break
        tried += 1
        for read in _reads(world, persona, name, instance):
            answer = read.exchange.answer
            if read.outcome is not Outcome.ALLOWED or answer is None:
                continue
            by = _shown_by(answer, instance)
            if by is not None:
                return Reader(persona, name, by)
    raise NotBuilt(f"nobody reads {instance.resource} back by its id or by a list")


def _patient_reader(world: World, instance: Instance) -> Reader:
    """The same, with time for a target that shows what was made a moment later."""
    for patience in (0.3, _AGAIN):
        try:
            return reader_for(world, instance)
        except NotBuilt:
            time.sleep(patience)
    return reader_for(world, instance)


def _found_reader(world: World, writes: Sequence[Acknowledged]) -> Reader | None:
    for write in writes[:3]:
        try:
            return reader_for(world, _instance(write))
        except NotBuilt:
            continue
    return None


def _able(world: World, instance: Instance) -> Iterator[tuple[str, str]]:
    """Personas and operations that may show the record: its maker first, reads before lists."""
    target = world.target
    described = target.resources[instance.resource]
    reads = [
        name
        for name, operation in described.operations.items()
        if described.kind(name) == "read"
        and not target.batch(instance.resource, name)
        and target.object_of(instance.resource, name) == instance.resource
    ]
    reads.sort(key=lambda name: bool(described.operations[name].after))
    lists = [name for name in described.operations if described.kind(name) == "list"]
    for name in (*reads, *lists):
        roles = policy.roles_of(target, instance.creator) if instance.creator else ()
        if instance.creator and policy.grants(target, roles, instance.resource, name):
            yield instance.creator, name
        for persona, relation in world.candidates(instance.tenant, instance.resource, name):
            standing = relation is None or relation in world.relations(persona, instance)
            if standing and persona != instance.creator:
                yield persona, name


def _reads(world: World, persona: str, name: str, instance: Instance) -> list[Read]:
    """The record as the persona is shown it; a list page after page."""
    operation = world.target.operation(instance.resource, name)
    payload = world.payload(persona, instance.resource, instance.tenant, instance.lineage())
    about = (instance.resource, name)
    if operation.items:
        return walk(world, persona, instance.resource, name, payload, "read-back", instance.tenant)
    read = world.send(persona, operation, payload, "read-back", about)
    if read.outcome is Outcome.UNAUTHENTICATED:  # the target may have forgotten its sessions
        world.sessions[persona].renew()
        read = world.send(persona, operation, payload, "read-back", about)
    if world.waits(read):
        read = world.send(persona, operation, payload, "read-back", about)
    return [read]


def _shown_by(answer: Answer, instance: Instance) -> str | None:
    """By what the record is known in an answer: its id or a marker; None if it is not there."""
    if any(str(value) == str(instance.id) for _, value in leaves(parsed(answer))):
        return "id"
    text = answer.text.lower()
    return "marker" if any(marker in text for marker in instance.markers) else None


def _instance(write: Acknowledged) -> Instance:
    """The record of a write, whoever made it: known by its ids alone if the world does not know."""
    resource = write.operation[0]
    parents = dict(write.parents or {})
    others = {
        name: Instance(f"{name}/{found}", name, write.tenant, found, made=False)
        for name, found in parents.items()
    }
    return Instance(
        key=f"{resource}/{write.id}",
        resource=resource,
        tenant=write.tenant,
        id=write.id,
        others=others,
        creator=write.persona,
        markers=set(write.markers),
        made=False,
    )


def _looked_for(
    world: World, writes: Sequence[Acknowledged], readers: Mapping[tuple[str, str], Reader]
) -> list[Kept]:
    lists: dict[tuple[Any, ...], list[Read]] = {}
    return [_one(world, write, readers.get(write.operation), lists) for write in writes]


def _one(
    world: World,
    write: Acknowledged,
    reader: Reader | None,
    lists: dict[tuple[Any, ...], list[Read]],
) -> Kept:
    """Whether the record of a write is there."""
    own = (write.exchange,) if write.exchange is not None else ()
    if reader is None:
        return Kept(write, None, own, f"nobody is known to read {write.operation[0]} back")
    instance = _instance(write)
    listed = bool(world.target.operation(instance.resource, reader.name).items)
    key = (reader, tuple(sorted((write.parents or {}).items(), key=str)))
    if listed and key in lists:
        reads = lists[key]
    else:
        reads = _reads(world, reader.persona, reader.name, instance)
        if listed:
            lists[key] = reads
    exchanges = (*own, *(read.exchange for read in reads[-1:]))
    for read in reads:
        answer = read.exchange.answer
        if read.outcome is Outcome.ABSENT:
            return Kept(write, False, exchanges)
        if read.outcome is not Outcome.ALLOWED or answer is None:
            why = no_statement(read) or f"reading it back was refused ({read.status})"
            return Kept(write, None, exchanges, why)
        if _shown_by(answer, instance) is not None:
            return Kept(write, True, exchanges)
    return Kept(write, False, exchanges)


# --- what must follow -------------------------------------------------------------------------


Lacking = tuple[tuple[str, ...], tuple[Exchange, ...]]
"""What is not there, in words, and what shows it."""


def _followed(world: World, writes: Sequence[Acknowledged]) -> list[Lacking]:
    """What had to follow from each write and is not there, after a second look."""
    found = [_lacking(world, write) for write in writes]
    late = [place for place, (lacking, _) in enumerate(found) if lacking]
    if late:
        settles = (durable.settles for durable in world.target.durable.values())
        time.sleep(max(_AGAIN, *settles, 0))
        for place in late:
            found[place] = _lacking(world, writes[place])
    return found


def _lacking(world: World, write: Acknowledged) -> Lacking:
    durable = world.target.durable.get(write.name or "")
    lacking: list[str] = []
    exchanges: list[Exchange] = []
    for label, reading in (durable.follows if durable else {}).items():
        missing, seen = _misses(world, write, reading)
        if missing:
            lacking.append(f"{label} ({missing})")
            exchanges += seen
    entry = _no_entry(world, write)
    if entry is not None:
        lacking.append("entry in the audit trail")
        exchanges += entry
    return tuple(lacking), tuple(exchanges)


def _misses(
    world: World, write: Acknowledged, reading: Reading
) -> tuple[str | None, list[Exchange]]:
    """What is wrong with what is read, in words; None if it is as it must be."""
    taken = {name: value for name, value in (write.values or {}).items() if name != "id"}
    stage = Stage(world, write.tenant, values={**taken, "id": write.id})
    stage.records |= _instance(write).lineage()
    # In an operation {id} is that of the record which the operation is about.
    plain = replace(stage, values=taken)
    asked = (stage if reading.operation is None else plain).asked(reading)
    operation = asked.template
    if isinstance(operation, Operation) and operation.next is not None:
        reads = walk(world, asked.persona, *asked.about, asked.payload, "read-back")
    else:
        reads = [stage.send(asked, "read-back")]
    seen = [read.exchange for read in reads[-1:]]
    last = reads[-1]
    if reading.refused:
        return (None if last.outcome.refused else f"answered {last.status}"), seen
    if last.outcome is not Outcome.ALLOWED:
        return f"got {last.status}", seen
    path = stage.found_at(reading.find or "$")
    found = [
        value
        for read in reads
        if read.exchange.answer is not None
        for value in values(path, parsed(read.exchange.answer))
        if value is not None
    ]
    wanted = stage.filled(reading.equals)
    if isinstance(reading.count, int) and len(found) != reading.count:
        return f"{len(found)} instead of {reading.count}", seen
    if reading.equals is not None and not found:
        return "nothing found", seen
    if reading.equals is not None and any(str(one) != str(wanted) for one in found):
        return f"{found[0]!r} instead of {wanted!r}", seen
    if reading.distinct and len({str(one) for one in found}) < len(found):
        return "one thing twice", seen
    return None, seen


def _no_entry(world: World, write: Acknowledged) -> list[Exchange] | None:
    """The trail in which there is no entry of the write; None if there is one, or none is due."""
    trail = world.target.audit
    label = ".".join(write.operation)
    if trail is None or write.correlation is None or "allowed" not in trail.events:
        return None
    if label in trail.exempt:
        return None
    try:
        reader = reader_of(world, trail.read, write.tenant)
        entries, reads = find(world, trail_of(world).read, reader, write.correlation, write.at)
    except (NotBuilt, Unclaimed):
        return None
    if entries or not reads or reads[-1].outcome is not Outcome.ALLOWED:
        return None
    return [reads[-1].exchange]
