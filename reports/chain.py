"""A ledger looked at line by line: is it whole, in order, canonical, and true to itself?

`reports.ledger` reads what a ledger means; this tells what was done to it. Every fault is a
sentence that says what and where, as a removed record, an altered one and a moved one are
different things to whoever has to ask about them.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from reports.canonical import encode, exchange_hash, plan_digest
from reports.ledger import Run

_FIRST = "0" * 64
_TOLD = 3


@dataclass(frozen=True, slots=True)
class Inspection:
    """The faults of a ledger by what they concern, gravest first; all empty if it is sound.

    `chain`: records removed, added, moved or altered. `form`: lines that are no canonical JSON.
    `plan`: planned cases that are not those of the digest. `exchanges`: requests and answers that
    are not those that were hashed. `words`: verdicts whose word does not go with their outcome.
    `plans` are the `plan` records, `exchange_lines` the lines of all exchanges as they stand.
    """

    records: int
    head: str
    chain: tuple[str, ...]
    form: tuple[str, ...]
    plan: tuple[str, ...]
    exchanges: tuple[str, ...]
    words: tuple[str, ...]
    plans: tuple[Mapping[str, Any], ...]
    exchange_lines: tuple[bytes, ...]


@dataclass(slots=True)
class _Read:
    """What one pass over the lines gathers."""

    form: list[str]
    links: list[tuple[Any, Any, str]]
    plans: list[Mapping[str, Any]]
    words: list[str]
    seen: dict[str, frozenset[str] | None]
    cited: dict[str, list[str]]
    hashes: dict[str, str]
    altered: list[str]
    exchange_lines: list[bytes]


def inspect(ledger: bytes) -> Inspection:
    """The faults of a ledger, given its bytes. Never raises for what stands in it."""
    read = _Read([], [], [], [], {}, {}, {}, [], [])
    for number, line in enumerate(_lines(ledger, read), start=1):
        record = _record(line, number, read)
        read.links.append((record.get("seq"), record.get("prev"), _sha256(line)))
        _gathered(record, line, read)
    return Inspection(
        records=len(read.links),
        head=read.links[-1][2] if read.links else _FIRST,
        chain=tuple(_broken(read.links)),
        form=tuple(read.form),
        plan=tuple(_misplanned(read)),
        exchanges=tuple(_changed(read)),
        words=tuple(read.words),
        plans=tuple(read.plans),
        exchange_lines=tuple(read.exchange_lines),
    )


def incomplete(run: Run) -> Iterator[str]:
    """What a run lacks of a whole one, and what it has too often, a sentence for each."""
    own = [case for case in run.cases if run.tries(case)]
    missing = [case.id for case in own if case.id not in run.verdicts]
    if missing:
        share = f"{len(missing):,} of {len(own):,}"
        yield f"{share} planned cases have no verdict: {_few(missing)}."
    if run.unplanned:
        yield f"Verdicts on cases that nobody planned: {_few(run.unplanned)}."
    if run.repeated:
        yield f"Cases with more than one verdict: {_few(run.repeated)}."
    if run.end is None:
        yield "The run did not come to its end: it was killed, or the end was cut off."
    elif run.end.interrupted:
        yield "The run was interrupted."


def _lines(ledger: bytes, read: _Read) -> Iterator[bytes]:
    at = 0
    while at < len(ledger):
        end = ledger.find(b"\n", at)
        if end < 0:
            read.form.append("The last line has no end: it was cut off.")
            end = len(ledger)
        yield ledger[at:end]
        at = end + 1


def _record(line: bytes, number: int, read: _Read) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
        if not isinstance(record, dict):
            raise ValueError("no object")
        canonical = encode(record) == line
    except (ValueError, RecursionError):
        read.form.append(f"Line {number} is no record that a run can have written.")
        return {}
    if not canonical:
        read.form.append(
            f"Line {number} is not written in the one canonical way: somebody else wrote it."
        )
    return record


def _gathered(record: Mapping[str, Any], line: bytes, read: _Read) -> None:
    match record.get("type"):
        case "plan" if isinstance(record.get("cases"), list):
            read.plans.append(record)
        case "verdict":
            case = str(record.get("case"))
            read.seen[case] = _listed(record.get("seen"))
            cited = record.get("exchanges")
            read.cited[case] = [str(one) for one in cited] if isinstance(cited, list) else []
            wrong = _odd_word(record)
            if wrong:
                read.words.append(wrong)
        case "exchange":
            read.exchange_lines.append(line)
            name, stated = str(record.get("id")), str(record.get("hash"))
            read.hashes[name] = stated
            if exchange_hash(record) != stated:
                read.altered.append(name)


def _listed(seen: object) -> frozenset[str] | None:
    """The hashes of what was said in a case; None if there were too many to list."""
    return frozenset(map(str, seen)) if isinstance(seen, list) else None


def _odd_word(record: Mapping[str, Any]) -> str | None:
    outcome, word = str(record.get("outcome")), str(record.get("word"))
    fitting = {
        "pass": {"conform-allow", "conform-deny"},
        "fail": {"bypass", "over-restriction"},
    }.get(outcome, {outcome.replace("_", "-")})
    if word in fitting and (outcome == "fail" or not record.get("findings")):
        return None
    if word in fitting:
        return f"The case {record.get('case')} is said to be {word}, yet has findings."
    return f"The case {record.get('case')} is said to be {word}, yet its outcome is {outcome}."


def _broken(links: list[tuple[Any, Any, str]]) -> Iterator[str]:
    """What was done to the chain, told from the numbers of the records and their links."""
    numbers = [number for number, _, _ in links]
    if numbers != list(range(len(links))):
        yield _misnumbered(numbers)
    former, whole = _FIRST, True
    for at, (number, previous, digest) in enumerate(links):
        if previous != former and whole:
            whole = False
            if numbers == list(range(len(links))):
                yield (
                    f"Record {at - 1} was altered: record {number} names another one before it."
                    if at
                    else "The first record names one before it: the beginning was removed."
                )
        former = digest


def _misnumbered(numbers: list[Any]) -> str:
    there = {number for number in numbers if isinstance(number, int)}
    last = max(there, default=-1)
    missing = list(islice((at for at in range(last + 1) if at not in there), _TOLD + 1))
    twice = [number for number, times in Counter(map(str, numbers)).items() if times > 1]
    if missing:
        return f"Records were removed: {_few([str(number) for number in missing])} missing."
    if twice:
        return f"Records were added: {_few(twice)} there more than once."
    return "Records were moved: all are there, but not in the order in which they were written."


def _misplanned(read: _Read) -> Iterator[str]:
    cases = [case for plan in read.plans for case in plan["cases"]]
    if any(not isinstance(case, dict) or "id" not in case for case in cases):
        yield "The plan holds something that is no case."
        return
    stated = {plan.get("digest") for plan in read.plans}
    if len(stated) > 1:
        yield f"The ledger holds {len(stated)} plans; a run has one."
    elif stated and stated != {plan_digest(cases)}:
        yield "The planned cases are not those that the digest of the plan was made of."
    twice = [
        name for name, times in Counter(str(case["id"]) for case in cases).items() if times > 1
    ]
    if twice:
        yield f"Planned more than once: {_few(twice)}."


def _changed(read: _Read) -> Iterator[str]:
    if read.altered:
        yield f"Exchanges that are not those that were hashed: {_few(read.altered)}."
    foreign = [
        f"{name} of {case}"
        for case, names in read.cited.items()
        if (seen := read.seen.get(case)) is not None
        for name in names
        if name in read.hashes and read.hashes[name] not in seen
    ]
    if foreign:
        yield f"Exchanges that did not take place in their case: {_few(foreign)}."
    lost = [
        f"{name} of {case}"
        for case, names in read.cited.items()
        for name in names
        if name not in read.hashes
    ]
    if lost:
        yield f"Exchanges that verdicts go by and the ledger does not hold: {_few(lost)}."


def _sha256(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _few(names: Sequence[str]) -> str:
    """The first names in words; texts of a ledger are cut, and shown without control characters."""
    shown = [
        name.encode("unicode_escape").decode() if not name.isprintable() else name for name in names
    ]
    told = ", ".join(name if len(name) <= 160 else f"{name[:160]}…" for name in shown[:_TOLD])
    return told + (f" and {len(names) - _TOLD:,} more" if len(names) > _TOLD else "")
