"""Joining the ledgers of the shards of one run into the ledger of the whole run.

The joined ledger is chained anew; which ledgers it was made from, it says. The same parts give the
same bytes, in whatever order they are named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.canonical import digest, encode
from reports.ledger import LEDGER_NAME, LedgerError, Run, read

_FIRST = "0" * 64
_GRAVITY = ("fail", "inconclusive", "not_tested", "not_claimed", "pass")
_Record = dict[str, Any]


class MergeError(Exception):
    """The parts cannot be joined; the message says which, why, and what to do."""


@dataclass(frozen=True)
class _Shard:
    """One part: its folder, what its ledger means, and its records as they stand."""

    folder: Path
    run: Run
    records: Sequence[_Record]

    @property
    def number(self) -> int:
        assert self.run.header.shard is not None
        return self.run.header.shard.number

    def first(self, kind: str) -> _Record:
        return next((one for one in self.records if one["type"] == kind), {})


def merge(folders: Sequence[Path], out: Path, *, incomplete: bool = False) -> Path:
    """Write the ledger of the whole run to `out`/evidence.jsonl and return its path.

    `incomplete` takes parts that were killed or interrupted as well: the whole run is then not
    complete either. Raises MergeError if the parts are not all shards of one run, LedgerError if
    one cannot be read.
    """
    shards = sorted((_read(folder) for folder in folders), key=lambda shard: shard.number)
    _all_of_one(shards)
    for shard in shards:
        _sound(shard)
        if not incomplete:
            _whole(shard)
    return _written(out, _joined(shards))


def _read(folder: Path) -> _Shard:
    run = read(folder)
    if run.header.shard is None:
        raise MergeError(
            f"{folder}: is no shard, but a whole run; parts are made with run --shard K/N"
        )
    with (folder / LEDGER_NAME).open("rb") as lines:
        # `read` has looked at every line; only one that was cut off is left out.
        records = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return _Shard(folder, run, records)


def _sound(shard: _Shard) -> None:
    if shard.run.broken_at is not None:
        raise MergeError(
            f"{shard.folder}: its ledger was altered (its chain breaks at record "
            f"{shard.run.broken_at}), so it is not joined; run shard {shard.number} again"
        )
    planned = {record["digest"] for record in shard.records if record["type"] == "plan"}
    if not planned:
        raise MergeError(
            f"{shard.folder}: ended before it had a plan; run shard {shard.number} again"
        )


def _whole(shard: _Shard) -> None:
    run, missing = shard.run, 0
    missing = sum(run.tries(case) and case.id not in run.verdicts for case in run.cases)
    if run.end is None or run.end.interrupted or run.cut or missing:
        how = "was interrupted" if run.end is not None and run.end.interrupted else "was cut short"
        how = f"lacks {missing:,} verdicts" if run.end is not None and missing else how
        raise MergeError(
            f"{shard.folder}: shard {shard.number} {how}; go on with it (run --resume "
            f"{shard.folder}) and join again, or join it as it is with --incomplete"
        )


# --- whether they are parts of one run -----------------------------------------------------------


def _all_of_one(shards: Sequence[_Shard]) -> None:
    if not shards:
        raise MergeError("there is nothing to join: name the folders of all shards")
    model = shards[0]
    for shard in shards[1:]:
        for says, then, now in _compared(model, shard):
            if then != now:
                raise MergeError(
                    f"{shard.folder} and {model.folder} are no parts of one run: {says} differs "
                    f"({_short(then)} in the one, {_short(now)} in the other); join only shards of "
                    "the same call"
                )
    assert model.run.header.shard is not None
    of = model.run.header.shard.of
    there: dict[int, _Shard] = {}
    for shard in shards:
        if shard.number in there:
            raise MergeError(
                f"shard {shard.number} of {of} is there twice: {there[shard.number].folder} and "
                f"{shard.folder}; name the one that counts"
            )
        there[shard.number] = shard
    if missing := [str(number) for number in range(1, of + 1) if number not in there]:
        raise MergeError(
            f"shard{'s' * (len(missing) > 1)} {', '.join(missing)} of {of} "
            f"{'are' if len(missing) > 1 else 'is'} missing: name the folders of all {of}"
        )


def _compared(left: _Shard, right: _Shard) -> Iterator[tuple[str, Any, Any]]:
    """What has to be the same in all parts, in words, and as it is in these two."""
    then, now = left.run.header, right.run.header
    yield "the number of shards", then.shard and then.shard.of, now.shard and now.shard.of
    yield "the target", then.target.name, now.target.name
    yield "the target's version", then.target.version, now.target.version
    yield "the version of Wardproof", then.wardproof, now.wardproof
    yield "the profile", then.profile, now.profile
    yield "the seed", then.seed, now.seed
    yield "the list of suites", then.suites, now.suites
    yield "the selection of cases", then.selection.cases, now.selection.cases
    yield "the target file", then.versions.target, now.versions.target
    yield "the policy", then.versions.policy, now.versions.policy
    yield from _by_name("the suite", then.versions.suites, now.versions.suites)
    yield from _by_name("the table", then.versions.tables, now.versions.tables)
    yield "the time zone database", then.versions.tzdata, now.versions.tzdata
    yield "the plan", left.run.plan_digests, right.run.plan_digests


def _by_name(
    says: str, then: Mapping[str, str], now: Mapping[str, str]
) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted({*then, *now}):
        yield f"{says} {name}", then.get(name), now.get(name)


def _short(value: Any) -> str:
    if isinstance(value, tuple) and all(isinstance(one, str) for one in value):
        value = ", ".join(value) or "none"
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:12]}…"


# --- joining -------------------------------------------------------------------------------------


def _joined(shards: Sequence[_Shard]) -> Iterator[_Record]:
    model = shards[0]
    parts = [_part(shard) for shard in shards]
    yield {
        **model.first("run"),
        "id": digest(parts)[:32],
        "shard": None,
        "started": min(shard.run.header.started for shard in shards),
    }
    yield {"type": "merged", "parts": parts}
    yield from (one for one in model.records if one["type"] in {"plan", "clauses"})
    everywhere = {case.id for case in model.run.cases if case.everywhere}
    shared: dict[str, list[tuple[int, _Record]]] = {}
    for shard in shards:
        for record in shard.records:
            if record["type"] == "exchange":
                yield {**record, "id": _of(shard.number, record["id"])}
            elif record["type"] == "verdict":
                verdict = _renumbered(record, shard.number)
                if verdict["case"] in everywhere:
                    shared.setdefault(verdict["case"], []).append((shard.number, verdict))
                else:
                    yield verdict
            elif record["type"] == "left_over":
                yield record
    for verdicts in shared.values():
        yield _gravest(verdicts)
    if all(shard.run.end for shard in shards):
        ends = [shard.run.end for shard in shards if shard.run.end]
        yield {
            "type": "end",
            "finished": max(end.finished for end in ends),
            "interrupted": any(end.interrupted for end in ends),
        }


def _part(shard: _Shard) -> _Record:
    run = shard.run
    return {
        "id": run.header.id,
        "shard": shard.first("run")["shard"],
        "head": run.head,
        "records": run.records,
        "started": run.header.started,
        "finished": run.end.finished if run.end else None,
        "platform": dict(run.header.platform),
        "base_url": run.header.target.base_url,
        "resumed": len(run.resumed),
    }


def _of(number: int, exchange: str) -> str:
    return f"p{number}-{exchange}"


def _renumbered(verdict: _Record, number: int) -> _Record:
    return {
        **verdict,
        "exchanges": [_of(number, one) for one in verdict["exchanges"]],
        "findings": [
            {**finding, "exchanges": [_of(number, one) for one in finding["exchanges"]]}
            for finding in verdict["findings"]
        ],
    }


def _gravest(verdicts: Sequence[tuple[int, _Record]]) -> _Record:
    """One verdict for a case that every part judged: the gravest, with what the others said.

    Findings and exchanges are those of all parts.
    """
    number, verdict = min(verdicts, key=lambda one: (_GRAVITY.index(one[1]["outcome"]), one[0]))
    findings = {one["id"]: one for _, each in verdicts for one in each["findings"]}
    return {
        **verdict,
        "exchanges": [one for _, each in verdicts for one in each["exchanges"]],
        "findings": list(findings.values()),
        "seen": _seen([each.get("seen", []) for _, each in verdicts]),
        "also": [
            {
                "shard": of,
                "outcome": each["outcome"],
                "word": each["word"],
                "reason": each["reason"],
            }
            for of, each in verdicts
            if each is not verdict
        ],
        "judged_by": number,
    }


def _seen(all_seen: Sequence[Any]) -> Any:
    """What was seen in all parts, as one list, or their number and one digest."""
    if all(isinstance(one, list) for one in all_seen):
        listed = [each for one in all_seen for each in one]
        if len(listed) <= 64:
            return listed
    count = sum(len(one) if isinstance(one, list) else int(one["count"]) for one in all_seen)
    return {"count": count, "digest": digest(list(all_seen))}


def _written(out: Path, records: Iterator[_Record]) -> Path:
    path = out / LEDGER_NAME
    try:
        out.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise MergeError(
                f"{out} holds evidence already, which is not destroyed; name another --out"
            )
        draft = path.with_name(f".{path.name}")
        previous = _FIRST
        with draft.open("wb") as file:
            for number, record in enumerate(records):
                line = encode({**record, "seq": number, "prev": previous})
                file.write(line + b"\n")
                previous = hashlib.sha256(line).hexdigest()
        draft.replace(path)
    except OSError as error:
        raise MergeError(
            f"{out}: cannot be written to ({error.strerror or error}); name another --out"
        ) from None
    return path


__all__ = ["LedgerError", "MergeError", "merge"]
