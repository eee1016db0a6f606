"""The outcomes of runs, gathered in one file, so that a report can show how they change.

One JSON line per run, the oldest first: the run, and what Allure calls a history data point. A
run has one line, however often its report is made. Runs of other targets, profiles or suites may
share the file; a report shows those that can be compared with its own.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from reports.ledger import Run

_KEPT_RUNS = 100
_SHOWN_RUNS = 20
_KEPT_BYTES = 64_000_000
_WAIT_SECONDS = 30
# Of the results of one run; the trend of a run beyond it would be of these.
_KEPT_RESULTS = 20_000

Point = dict[str, Any]


class HistoryError(Exception):
    """The file cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One Allure result, as far as later runs are compared with it. Times are Unix milliseconds."""

    uuid: str
    test_case: str
    name: str
    full_name: str
    status: str
    start: int
    stop: int


def point(run: Run, outcomes: Sequence[Entry], started: int) -> Point:
    """The line of `run`. Nothing that a target answered is in it, so the file may be passed on."""
    header = run.header
    results = {_history_id(one): _result(one) for one in outcomes[:_KEPT_RESULTS]}
    return {
        "wardproof": {
            "run": run.head,
            "target": header.target.name,
            "profile": header.profile,
            "suites": sorted(header.suites),
        },
        "uuid": run.head[:32],
        "name": header.started,
        "timestamp": started,
        "knownTestCaseIds": [identifier.split(".")[0] for identifier in results],
        "testResults": results,
        "metrics": {},
        "url": "",
    }


def gather(path: Path, latest: Point) -> tuple[Point, ...]:
    """Puts `latest` into the file and returns the runs before it that compare with it.

    Raises HistoryError if the file cannot be read or written, or is no such file; it is left as
    it was then.
    """
    try:
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=_WAIT_SECONDS):
            known = [one for one in _read(path) if _run_of(one) != _run_of(latest)]
            known = sorted([*known, latest], key=lambda one: (one["timestamp"], one["uuid"]))
            _write(path, known)
    except Timeout:
        raise HistoryError(
            f"The history {path} is in use by another run; make this report again later."
        ) from None
    except OSError as error:
        raise HistoryError(
            f"The history {path} cannot be kept ({error.strerror or error}), so trends are missing;"
            " name a file that can be written with --history."
        ) from None
    earlier = [
        one
        for one in known
        if _kind(one) == _kind(latest)
        and (one["timestamp"], one["uuid"]) < (latest["timestamp"], latest["uuid"])
    ]
    return tuple(earlier[-_SHOWN_RUNS:])


def lines(points: Iterable[Point]) -> str:
    """The points as the file that Allure reads."""
    return "".join(_line(one) for one in points)


def _read(path: Path) -> list[Point]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise _not_a_history(path, 1) from None
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line:
            found.append(_checked(path, number, line))
    return found


def _checked(path: Path, number: int, line: str) -> Point:
    try:
        one = json.loads(line)
        said = one["wardproof"]
        fits = (
            isinstance(said["run"], str)
            and isinstance(one["uuid"], str)
            and isinstance(one["timestamp"], int)
            and isinstance(one["testResults"], dict)
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        fits = False
    if not fits:
        raise _not_a_history(path, number)
    known: Point = one
    return known


def _not_a_history(path: Path, number: int) -> HistoryError:
    return HistoryError(
        f"{path}:{number}: not a history of runs, so it was left alone and trends are missing; "
        "name another file with --history, or remove that line."
    )


def _write(path: Path, points: Sequence[Point]) -> None:
    kept: list[str] = []
    size = 0
    for one in reversed(points[-_KEPT_RUNS:]):
        line = _line(one)
        size += len(line)
        if kept and size > _KEPT_BYTES:
            break
        kept.append(line)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(reversed(kept))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _line(one: Point) -> str:
    return json.dumps(one, ensure_ascii=False, separators=(",", ":"), sort_keys=True) + "\n"


def _run_of(one: Point) -> object:
    return one["wardproof"]["run"]


def _kind(one: Point) -> tuple[object, ...]:
    said = one["wardproof"]
    return said.get("target"), said.get("profile"), said.get("suites")


def _result(one: Entry) -> dict[str, Any]:
    return {
        "id": _md5(one.uuid),
        "name": one.name,
        "fullName": one.full_name,
        "environment": "default",
        "status": one.status,
        "start": one.start,
        "stop": one.stop,
        "duration": one.stop - one.start,
        "labels": [],
        "url": "",
        "historyId": _history_id(one),
        "reportLinks": [],
    }


def _history_id(one: Entry) -> str:
    """As Allure computes it from a result whose parameters are all `excluded`."""
    return f"{_md5(one.test_case)}.{_md5('')}"


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
