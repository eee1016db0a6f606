"""What became of odd values: kept, refused, altered; or something broke. Pure."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from conformance.comparison import parsed
from conformance.model import Answer, Case, Outcome, Read, Verdict, decode
from conformance.verdicts import failed, no_statement, passed, unknown

_SHOWN = 60
_CLOSE = Decimal("0.000001")
"""By how much a number may be rounded, as a share of it."""
_APART = dt.timedelta(hours=15)
"""How far two writings of an instant may be apart whose zones are not known."""


def settled(text: str) -> str:
    """A text as two of the same writing share it: NFC, one kind of line end, no outer white space.

    That is all in which a system may change what it was given (Unicode UAX 15).
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", lines).strip()


def says_the_same(kind: str, sent: Any, back: Any) -> bool:
    """Whether a number or a date is there as it was sent; what is neither is not judged."""
    if sent is None or str(sent) == str(back):
        return sent is not None
    if kind == "number":
        one, other = _number(sent), _number(back)
        if other is None:
            return False
        if one is None or one.is_nan() or other.is_nan():
            return False
        return abs(one - other) <= abs(one) * _CLOSE
    one_day, other_day = _day(sent), _day(back)
    if one_day is None or other_day is None:
        return False
    return abs(one_day - other_day) <= _APART


def _number(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _day(value: Any) -> dt.datetime | None:
    """A date or an instant without its zone."""
    try:
        return dt.datetime.fromisoformat(str(value)).replace(tzinfo=None)
    except ValueError:
        return None


@dataclass(frozen=True)
class Returned:
    """A value that was accepted, and what was read in its place afterwards.

    `values` are the names of the odd values in it; `back` is None where nothing was there; `means`
    is what else may be there.
    """

    place: str
    values: tuple[str, ...]
    sent: Any
    back: Any
    write: Read
    read: Read
    kind: str = "text"
    means: Any = None

    @property
    def kept(self) -> bool:
        """Whether it is there as it was sent: a text perhaps with something around it."""
        if self.kind == "text":
            return isinstance(self.back, str) and settled(self.sent) in settled(self.back)
        return self.back is None or any(
            says_the_same(self.kind, one, self.back) for one in (self.sent, self.means)
        )


@dataclass(frozen=True)
class Broken:
    """A request with odd values that was answered by a failure, or not at all, twice.

    `control` is the same request with ordinary values.
    """

    place: str
    values: tuple[str, ...]
    first: Read
    again: Read
    control: Read


@dataclass(frozen=True)
class TurnedAway:
    """A value that was refused twice, and one that differs in nothing else and was taken.

    `value` is odd in a name or `longest` characters long, which the API document allows.
    """

    place: str
    value: str
    read: Read
    control: Read
    longest: int | None = None


@dataclass(frozen=True)
class Opened:
    """What shows records, before odd values were accepted and afterwards.

    `culprit` is the value that shut it, where it could be told from the others.
    """

    says: str
    before: Read
    after: Read
    culprit: str = ""


@dataclass(frozen=True)
class Listing:
    """A list after odd values were accepted.

    `plain` says whether it holds the ordinary record, `missing` which values are in records that it
    does not hold.
    """

    says: str
    read: Read
    plain: bool
    missing: tuple[str, ...]
    write: Read


@dataclass(frozen=True)
class Odds:
    """All that came of one operation's odd values.

    `plain` is the operation with ordinary values; `refused` names what was refused, `left` counts
    what was left out.
    """

    case: Case
    plain: Read
    returned: tuple[Returned, ...] = ()
    broken: tuple[Broken, ...] = ()
    opened: tuple[Opened, ...] = ()
    accepted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    sent: int = 0
    left: int = 0
    note: str = ""
    listing: Listing | None = None
    away: tuple[TurnedAway, ...] = ()


def comes_back(odds: Odds) -> Verdict:
    """What was accepted is there as it was sent, up to Unicode normalisation."""
    wrong = [one for one in odds.returned if not one.kept]
    if wrong:
        said = "; ".join(_altered(one) for one in _first_of_each(wrong)[:4])
        first = wrong[0]
        return failed("altered", "fuzz.altered", said, first.write, first.read)
    if odds.plain.outcome is not Outcome.ALLOWED and not odds.returned:
        reason = no_statement(odds.plain) or f"the answer was {odds.plain.status}"
        return unknown(f"ordinary values were not accepted either: {reason}", odds.plain)
    return passed("conform-allow", _summary(odds))


def breaks_nothing(odds: Odds) -> Verdict:
    """No odd value meets a failure: it is accepted, or refused with a 4xx."""
    for one in odds.broken:
        if failed_to_answer(one.control):
            return unknown(
                f"{_of(one.place, one.values)}: {_failure(one.again)}, and so were ordinary values",
                one.again,
                one.control,
            )
    if odds.broken:
        said = "; ".join(
            f"{_of(one.place, one.values)}: {_failure(one.again)}" for one in odds.broken[:4]
        )
        first = odds.broken[0]
        return failed(
            "server-error", "fuzz.server_error", said, first.first, first.again, first.control
        )
    if not odds.sent:
        return unknown("nothing could be sent", odds.plain)
    return passed("conform-deny", _summary(odds))


def stays_open(odds: Odds) -> Verdict:
    """Lists and records can be read after odd values were accepted, as before."""
    shut = [one for one in odds.opened if failed_to_answer(one.after) or _unreadable(one)]
    told = [one for one in shut if one.before.outcome is Outcome.ALLOWED]
    if told and told[0].after.exchange.answer is None:
        says, after = told[0].says, told[0].after
        return unknown(f"{says} worked, and in the end: {_failure(after)}", after)
    if told:
        first = told[0]
        accepted = first.culprit or ", ".join(odds.accepted[:6]) or "an odd value"
        return failed(
            "poisoned",
            "fuzz.poisoned",
            f"{first.says} worked, and after {accepted} had been accepted: {_failure(first.after)}",
            first.before,
            first.after,
        )
    listing = odds.listing
    if listing is not None and listing.plain and listing.missing:
        return failed(
            "unlisted",
            "fuzz.unlisted",
            f"{listing.says} shows the ordinary record, and not the one that was accepted with "
            f"{', '.join(listing.missing[:4])}",
            listing.write,
            listing.read,
        )
    return passed("conform-allow", _summary(odds))


def takes_what_people_write(odds: Odds) -> Verdict:
    """Names that people have are taken, and texts as long as the API document allows."""
    names = [one for one in odds.away if one.longest is None]
    if names:
        said = "; ".join(f"{one.value} in {one.place}" for one in names[:6])
        reason = f"{said}: {names[0].read.status}, and the same in plain letters is taken"
        return failed("refused", "fuzz.refused_name", reason, names[0].control, names[0].read)
    if odds.away:
        said = "; ".join(f"{one.value} in {one.place}" for one in odds.away[:6])
        first = odds.away[0]
        reason = f"{said}, as the API document allows: {first.read.status}"
        return failed("refused", "fuzz.refused", reason, first.control, first.read)
    return passed("conform-allow", _summary(odds))


# --- exports ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exported:
    """An export, and the formulas that were typed in before: what and where, and the text."""

    case: Case
    read: Read
    planted: tuple[tuple[str, str], ...]


def holds_no_formulas(exported: Exported) -> Verdict:
    """What was typed in as a formula is no formula in the table that is exported (CWE-1236)."""
    answer = exported.read.exchange.answer
    if answer is None or exported.read.outcome is not Outcome.ALLOWED:
        return unknown(no_statement(exported.read) or "there was no export", exported.read)
    if not exported.planted:
        return passed("conform-deny", "no formula could be typed in anywhere: all were refused")
    if exported.case.operation is not None and parsed(answer) is not None:
        return passed("conform-allow", "what it shows is no table as text")
    cells = list(_cells(answer, decode(answer.body)))
    held = {
        says: cell
        for says, sent in exported.planted
        for cell in cells
        if settled(sent) in settled(cell)
    }
    if not held:
        return unknown(
            f"the export holds none of the {len(exported.planted)} formulas that were typed in, "
            "or is no table as text",
            exported.read,
        )
    live = [says for says, cell in held.items() if cell.lstrip().startswith(("=", "+", "-", "@"))]
    if live:
        more = f" and {len(live) - 3} more" if len(live) > 3 else ""
        return failed(
            "formula",
            "export.formula",
            f"the export has {', '.join(live[:3])}{more} as it was typed in",
            exported.read,
        )
    return passed("conform-deny", f"{len(held)} formulas are in the export, as texts")


def _cells(answer: Answer, text: str) -> Iterator[str]:
    """The cells of a table as text, whatever parts them; nothing of JSON and pages."""
    if parsed(answer) is not None or text.lstrip().startswith("<"):
        return
    tables = [_table(text, delimiter) for delimiter in ",;\t|"]
    for row in max(tables, key=_alike):
        yield from row


def _table(text: str, delimiter: str) -> list[list[str]]:
    """The rows of a table whose cells are parted so; those before the first that is none."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        rows.extend(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    return [row for row in rows if len(row) > 1]


def _alike(rows: list[list[str]]) -> tuple[int, int]:
    """How many rows are of the commonest width, and that width: highest for what parts a table."""
    return max(((n, width) for width, n in Counter(map(len, rows)).items()), default=(0, 0))


def _unreadable(one: Opened) -> bool:
    """Whether what was shown before is refused now, or is no longer what was promised."""
    return one.before.outcome is Outcome.ALLOWED and one.after.outcome is Outcome.BROKEN


def failed_to_answer(read: Read) -> bool:
    """Whether there is no answer, or one that says that the target failed."""
    answer = read.exchange.answer
    return answer is None or answer.status >= 500


def _failure(read: Read) -> str:
    answer = read.exchange.answer
    if answer is None:
        return f"no answer ({read.exchange.error})"
    return f"answered {answer.status}" if answer.status >= 500 else "no readable answer"


def _of(place: str, names: Sequence[str]) -> str:
    said = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{said} in {place}"


def _altered(one: Returned) -> str:
    where = _of(one.place, one.values)
    if one.kind != "text" or not isinstance(one.back, str):
        return f"{where} was accepted and came back as {_shown(one.back)}"
    sent, back = settled(one.sent), settled(one.back)
    if len(back) < len(sent) and sent.startswith(back):
        return f"{where} was cut from {len(sent)} to {len(back)} characters without a word"
    at = next(
        (index for index, (a, b) in enumerate(zip(sent, back, strict=False)) if a != b),
        min(len(sent), len(back)),
    )
    here = max(at - 8, 0)
    return (
        f"{where} came back altered: {_shown(sent[here : at + 16])} was sent, "
        f"{_shown(back[here : at + 16])} is there"
    )


def _shown(value: Any) -> str:
    """A value in ASCII, since nobody sees what is odd about it otherwise."""
    said = ascii(value)
    return said if len(said) <= _SHOWN else said[:_SHOWN] + "…"


def _first_of_each(wrong: Sequence[Returned]) -> list[Returned]:
    """One for each place and value, those with the fewest values first."""
    found: dict[tuple[str, tuple[str, ...]], Returned] = {}
    for one in sorted(wrong, key=lambda one: len(one.values)):
        found.setdefault((one.place, one.values), one)
    return list(found.values())


def _summary(odds: Odds) -> str:
    return ", ".join(_counts(odds)) + (f"; {odds.note}" if odds.note else "")


def _counts(odds: Odds) -> Iterator[str]:
    yield f"{odds.sent} requests with odd values"
    if odds.returned:
        kept = sum(len(one.values) for one in odds.returned if one.kept)
        yield f"{kept} values came back as they were sent"
    if odds.refused:
        yield f"{len(odds.refused)} were refused"
    if odds.left:
        yield f"{odds.left} more were left out"
