"""`waivers.yaml` beside `target.yaml`: the risks that somebody has accepted, each by name."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import Field, StringConstraints

from conformance.document import Document, InvalidDocument, Problem
from conformance.schema import Strict

if TYPE_CHECKING:
    from reports.waivers import Waiver

NAME = "waivers.yaml"
MOST_DAYS = 366
"""The longest time for which anything is accepted, whatever a level allows."""

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Accepted(Strict):
    """What was looked at when a waiver was granted; `wardproof waive` writes it."""

    word: Literal["bypass", "over-restriction", "inconclusive", "not-tested"]
    profile: Literal["smoke", "gate", "full"]
    case: _Name | None = None
    rule: _Name | None = None
    fingerprint: Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")] | None = None
    findings: list[Annotated[str, StringConstraints(pattern="^F-[0-9a-f]{10}$")]] | None = None
    severity: (
        Literal[
            "care_blocking", "data_integrity", "privacy_regulatory", "operational", "inconvenience"
        ]
        | None
    ) = None
    urgency: Literal["now", "same_day", "scheduled"] | None = None
    affects_data: bool | None = None
    affects_workflow: bool | None = None


class Row(Strict):
    """One acceptance."""

    finding: Annotated[str, StringConstraints(pattern="^F-[0-9a-f]{10}$")] | None = Field(
        default=None, description="the id of one finding"
    )
    case: Annotated[str, StringConstraints(pattern="^[A-Za-z0-9._-]+$")] | None = Field(
        default=None, description="the id of one case"
    )
    reason: _Text = Field(description="why this can be lived with until then")
    owner: _Name = Field(description="who sees to it that it is mended")
    approver: _Name = Field(description="who has accepted it, somebody else than the owner")
    ticket: _Name = Field(description="where the mending is planned")
    granted: dt.date
    expires: dt.date
    accepted: Accepted


class File(Strict):
    """The whole file."""

    waivers: list[Row] | None = None


def load(path: Path) -> tuple[Waiver, ...]:
    """The waivers of a target's folder, or of a file; none where there is no such file.

    Raises InvalidDocument with everything wrong in it, each with file:line:column.
    """
    if path.is_dir():
        path /= NAME
        if not path.exists():
            return ()
    document = Document(path)
    if document.data is None:
        return ()
    file, problems = document.problems(File)
    if file is not None:
        problems += _problems(file)
    problems = [_helped(problem) for problem in problems]
    if problems or file is None:
        raise document.report(problems)
    return tuple(
        _waiver(row, f"{path.name}:{document.place(('waivers', number))[0]}")
        for number, row in enumerate(file.waivers or ())
    )


def beside(target: Path) -> Path:
    """Where the waivers of the target at that folder, or file, are written."""
    return (target if target.is_dir() else target.parent) / NAME


def _problems(file: File) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for number, row in enumerate(file.waivers or ()):
        at = ("waivers", number)
        subject = row.finding or row.case
        if (row.finding is None) == (row.case is None):
            yield Problem(at, "a waiver names either a finding or a case, and just one of them")
        elif subject in seen:
            says = f"{subject} already has a waiver, the {_nth(seen[subject] + 1)} of this file"
            yield Problem((*at, "finding" if row.finding else "case"), says)
        seen.setdefault(subject or "", number)
        if _same(row.owner, row.approver):
            yield Problem(
                (*at, "approver"),
                f"{row.approver} is the owner too: somebody else has to accept the risk",
            )
        days = (row.expires - row.granted).days
        if days < 0:
            yield Problem((*at, "expires"), f"that is before it was granted ({row.granted})")
        elif days > MOST_DAYS:
            yield Problem(
                (*at, "expires"),
                f"{days} days after it was granted: at most {MOST_DAYS} are allowed, so name a "
                f"day until {row.granted + dt.timedelta(MOST_DAYS)}",
            )
        wanted = {"finding": ("case", "rule", "fingerprint", "severity"), "case": ("findings",)}
        for name in wanted["finding" if row.finding else "case"]:
            if getattr(row.accepted, name) is None:
                yield Problem((*at, "accepted"), f"{name!r} is not there")


def _helped(problem: Problem) -> Problem:
    """The problem, with how to get it right where nobody would write that by hand."""
    if "accepted" in problem.loc and "unknown key" not in problem.message:
        says = f"{problem.message}; let `wardproof waive` write what was accepted"
        return Problem(problem.loc, says)
    if (
        problem.loc
        and problem.loc[-1] in {"granted", "expires"}
        and "valid date" in problem.message
    ):
        return Problem(problem.loc, "that is no day of the calendar; write 2026-12-31")
    if problem.loc and problem.loc[-1] in {"finding", "case"} and "pattern" in problem.message:
        says = "a waiver names one finding (F-0123456789) or one case, exactly and without globs"
        return Problem(problem.loc, says)
    return problem


def _waiver(row: Row, place: str) -> Waiver:
    from reports.waivers import Waiver, shown, waiver_id

    return Waiver(
        id=waiver_id(row.finding or row.case or ""),
        finding=row.finding,
        case=row.case,
        rule=row.accepted.rule,
        accepted=row.accepted.model_dump(exclude_none=True),
        reason=shown(row.reason),
        owner=shown(row.owner),
        approver=shown(row.approver),
        ticket=shown(row.ticket),
        expires=row.expires,
        granted=row.granted,
        place=place,
    )


def _same(one: str, other: str) -> bool:
    return " ".join(one.casefold().split()) == " ".join(other.casefold().split())


def _nth(number: int) -> str:
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")


# --- writing ---------------------------------------------------------------------------------


def add(path: Path, waiver: Waiver) -> Waiver:
    """Write one more waiver at the end of the file, leaving all else in it as it is.

    Returns it as the file has it. Raises InvalidDocument, without writing, if the file is wrong,
    has a waiver of the same finding or case, or is laid out so that none can be put after the last.
    """
    there = load(path) if path.exists() else ()
    for one in there:
        if one.subject == waiver.subject:
            raise InvalidDocument(
                f"{path}: {one.subject} already has a waiver ({one.place}); change that one, or "
                "take it out first"
            )
    text = _appended(path, _row(waiver), is_first=not there)
    draft = path.with_name(f".{path.name}.new")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
        try:
            found = load(draft)
        except InvalidDocument as error:
            if "not valid YAML" in str(error):
                raise InvalidDocument(f"{path}: {_NO_ROOM}") from None
            raise InvalidDocument(str(error).replace(str(draft), str(path))) from None
        if found[:-1] != there or found[-1].subject != waiver.subject:
            raise InvalidDocument(f"{path}: {_NO_ROOM}")
        draft.replace(path)
    except OSError as error:
        raise InvalidDocument(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
    return load(path)[-1]


_NO_ROOM = (
    "a waiver cannot be put after the last one; write the list as block lines that start with "
    "'- ', and nothing after it"
)


def _appended(path: Path, row: Mapping[str, Any], *, is_first: bool) -> str:
    before = ""
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            before = file.read()
    end = "\r\n" if "\r\n" in before else "\n"
    lines = before.splitlines()
    if is_first:
        # An empty list gives way to one that can be added to.
        comments = [found["comment"] for line in lines if (found := _EMPTY.match(line))]
        lines = [line for line in lines if not _EMPTY.match(line)]
        lines.append("  ".join(["waivers:", *filter(None, comments)]))
        indent = "  "
    else:
        line, column = Document(path).place(("waivers", 0))
        indent = " " * max(lines[line - 1].rfind("-", 0, column - 1), 0)
    block = yaml.safe_dump([dict(row)], sort_keys=False, allow_unicode=True, width=96)
    return end.join([*lines, *(indent + one for one in block.splitlines())]) + end


_EMPTY = re.compile(r"waivers:\s*(\[\s*\]|~|null)?\s*(?P<comment>#.*)?$")


def _row(waiver: Waiver) -> dict[str, Any]:
    about = {"finding": waiver.finding} if waiver.finding else {"case": waiver.case}
    return {
        **about,
        "reason": waiver.reason,
        "owner": waiver.owner,
        "approver": waiver.approver,
        "ticket": waiver.ticket,
        "granted": waiver.granted,
        "expires": waiver.expires,
        "accepted": dict(waiver.accepted),
    }
