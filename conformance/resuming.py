"""What an interrupted run has left: how far it came, and whether it may be continued."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.document import InvalidDocument
from conformance.evidence import LEDGER, SCHEMA, Tail


@dataclass(frozen=True)
class Past:
    """A ledger that is to be continued.

    `done` are the cases with a verdict, `types` the types of record that it holds, `part` the
    number of times that it will have been continued. `lost` are the bytes of a line that was cut.
    """

    header: Mapping[str, Any]
    plan: str | None
    done: frozenset[str]
    types: frozenset[str]
    part: int
    lost: int
    tail: Tail
    finished: bool

    def differing(self, now: Mapping[str, Any]) -> list[str]:
        """What is not as it was when the run began, in words; `now` is a header made now."""
        then = self.header
        found = [
            f"{says} was {then.get(key)!r} and is {now.get(key)!r}"
            for key, says in (("wardproof", "the version of Wardproof"), ("profile", "the profile"))
            if then.get(key) != now.get(key)
        ]
        for key, says in (("name", "the target"), ("version", "the target's version")):
            was, is_ = then["target"].get(key), now["target"].get(key)
            if was != is_:
                found.append(f"{says} was {was!r} and is {is_!r}")
        return found + changed(then.get("versions", {}), now["versions"])


def changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Which of the files that a run goes by are other ones by now, in words."""
    found = []
    if then.get("target") != now.get("target"):
        found.append("the target file has been changed")
    if then.get("policy") != now.get("policy") and then.get("policy") != then.get("target"):
        found.append("the policy has been changed")
    for key, says in (("suites", "the suite"), ("tables", "the table")):
        was, is_ = then.get(key, {}), now.get(key, {})
        for name in sorted({*was, *is_}):
            if was.get(name) != is_.get(name):
                how = "changed" if name in was and name in is_ else "added or left out"
                found.append(f"{says} {name} has been {how}")
    if then.get("tzdata") != now.get("tzdata"):
        found.append(f"the time zone database was {then.get('tzdata')} and is {now.get('tzdata')}")
    return found


def past(folder: Path) -> Past:
    """What the run in `folder` has left. Raises InvalidDocument where it cannot be continued."""
    path = folder / LEDGER
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidDocument(
            f"{path}: cannot be read ({error.strerror}); --resume takes the folder that the run "
            "was given as --out"
        ) from None
    header: dict[str, Any] = {}
    plan: str | None = None
    types: set[str] = set()
    done: set[str] = set()
    part, number, size, previous, finished = 1, 0, 0, "0" * 64, False
    for number, (line, record) in enumerate(_records(path, data), start=1):
        if (record.get("seq"), record.get("prev")) != (number - 1, previous):
            raise InvalidDocument(
                f"{path}:{number}: does not follow from the line before it; evidence that was "
                "altered is not continued, so run again with another --out"
            )
        previous, size = hashlib.sha256(line).hexdigest(), size + len(line) + 1
        types.add(str(record["type"]))
        match record["type"]:
            case "run":
                header = record
            case "plan":
                plan = record.get("digest")
            case "verdict":
                done.add(str(record["case"]))
            case "resumed":
                part, finished = part + 1, False
            case "merged":
                raise InvalidDocument(
                    f"{path}: was merged from parts; resume the part that is not whole, and merge "
                    "again"
                )
            case "end":
                finished = not record.get("interrupted")
    if header.get("schema") != SCHEMA:
        raise InvalidDocument(
            f"{path}: holds no run of this version of Wardproof to be continued; run again with "
            "another --out"
        )
    tail = Tail(number, previous, size)
    kept, known = frozenset(done), frozenset(types)
    return Past(header, plan, kept, known, part, len(data) - size, tail, finished)


def _records(path: Path, data: bytes) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Whole lines with their records; what follows the last line end was cut off."""
    lines = data.split(b"\n")[:-1]
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict) or not isinstance(record.get("type"), str):
            raise InvalidDocument(
                f"{path}:{number}: is no record of a ledger; evidence that was damaged is not "
                "continued, so run again with another --out"
            )
        yield line, record
