"""Properties of records: shown, asked for, filtered and sorted by, set (OWASP API3:2023). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from conformance.fields import Record, Sight, plain, same, secrets, surplus, value_of
from conformance.model import Case, Outcome, Read, Verdict
from conformance.verdicts import failed, no_statement, passed, unknown, worst

_NAMED = 6

# --- shown -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """An answer with the records in it; `says` is how it was asked for."""

    says: str
    read: Read
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Masked:
    """What a masked reader was shown; `plain` was asked as the target file says.

    `whole` is the planted record as somebody without a mask reads it, None if nobody does.
    """

    case: Case
    sight: Sight
    plain: Shown
    asked: tuple[Shown, ...] = ()
    whole: Record | None = None


def absent(masked: Masked) -> Verdict:
    """What a mask hides is not in the answer: no such name, not even empty, and no such value."""
    served = _served(masked)
    if served is not None:
        return served
    found = _given(masked, masked.plain, "property.shown")
    if found is not None:
        return found
    if not masked.plain.records and masked.whole is None:
        return passed("conform-deny", "the answer holds no object, and no marker of a masked field")
    unseen = _misnamed(masked)
    if unseen:
        return unknown(
            f"the mask hides {', '.join(unseen)}, which nobody sees of such a record: is the name "
            "right?",
            masked.plain.read,
        )
    hidden = [name for name in masked.whole or () if not masked.sight.shows(name)]
    told = f"not shown: {', '.join(hidden)}" if hidden else "it shows what the mask names"
    return passed("conform-deny", told, _fields("see", closed=hidden))


def _fields(act: str, open_: Iterable[str] = (), closed: Iterable[str] = ()) -> Mapping[str, Any]:
    """Which fields were seen or set, and which were kept back, for reports to compare."""
    return {"kind": "fields", "act": act, "open": sorted(open_), "closed": sorted(closed)}


def _misnamed(masked: Masked) -> list[str]:
    """What the mask says it hides and the whole record does not have."""
    if masked.whole is None or masked.sight.hidden is None:
        return []
    there = {plain(name) for name in masked.whole}
    return sorted(name for name in masked.sight.hidden if plain(name) not in there)


def asking_changes_nothing(masked: Masked) -> Verdict:
    """Asking for what a mask hides does not show it."""
    served = _served(masked)
    if served is not None:
        return served
    if _given(masked, masked.plain, "property.shown") is not None:
        return passed("conform-deny", "it is shown without asking; see the plain answer")
    for shown in masked.asked:
        found = _given(masked, shown, "property.asked")
        if found is not None:
            return found
    answered = [one for one in masked.asked if one.read.exchange.answer is not None]
    if not masked.asked:
        return passed("conform-deny", "nothing can be asked for")
    if not answered:
        return unknown("nothing was answered", masked.plain.read)
    ways = ", ".join(one.says for one in answered)
    return passed("conform-deny", f"asked for in {len(answered)} ways, and not given: {ways}")


def _served(masked: Masked) -> Verdict | None:
    """Why nothing can be said, None if the plain request was served."""
    read = masked.plain.read
    if read.outcome is Outcome.ALLOWED:
        return None
    reason = no_statement(read) or f"it was refused ({read.status})"
    return unknown(f"granted, but {reason}", read)


def _given(masked: Masked, shown: Shown, rule: str) -> Verdict | None:
    """What an answer gives that the mask hides, None if nothing."""
    answer = shown.read.exchange.answer
    if shown.read.outcome is not Outcome.ALLOWED or answer is None:
        return None
    for record in shown.records:
        names = surplus(record, masked.sight)
        full = [name for name in names if record[name] is not None]
        if names:
            told = f"{shown.says} shows {', '.join(full or names)}"
            if full:
                seen = _fields("see", full)
                reason = f"{told}, which the mask does not name"
                return failed("leak", rule, reason, shown.read, detail=seen)
            reason = f"{told} as null; a masked field has to be absent"
            return failed("leak", "property.null", reason, shown.read)
    asked, text = shown.read.exchange.request.text.lower(), answer.text.lower()
    for name, value in secrets(masked.whole or {}, masked.sight).items():
        if value in text and value not in asked:
            reason = f"{shown.says} shows the value of {name} under another name"
            return failed("leak", rule, reason, shown.read, detail=_fields("see", [name]))
    return None


# --- filtered and sorted by --------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """One page of a list: the ids in their order, and the count that it claims."""

    read: Read
    ids: tuple[str, ...]
    total: str | None = None


@dataclass(frozen=True)
class Filtering:
    """The same list asked for with a planted record's hidden value and with nobody's, twice."""

    says: str
    rounds: tuple[tuple[Rows, Rows], ...]
    mine: tuple[str, ...]

    @property
    def tells(self) -> bool:
        """Whether each round found more by the planted value than by nobody's."""
        return bool(self.rounds) and all(self._differ(*one) for one in self.rounds)

    def _differ(self, theirs: Rows, nobodys: Rows) -> bool:
        served = {theirs.read.outcome, nobodys.read.outcome} == {Outcome.ALLOWED}
        found = [one for one in self.mine if one in theirs.ids and one not in nobodys.ids]
        emptied = bool(theirs.ids) and not nobodys.ids
        uncounted = nobodys.total == "0" and theirs.total not in {None, "0"}
        return served and (bool(found) or emptied or uncounted)


@dataclass(frozen=True)
class Sorting:
    """A list sorted by a hidden field, up and down in turns, and the same by no field at all."""

    says: str
    rounds: tuple[tuple[Rows, Rows], ...]
    nothing: tuple[tuple[Rows, Rows], ...]
    mine: tuple[str, ...]

    @property
    def tells(self) -> bool:
        """Whether planted rows change places with the direction, for this field alone."""
        return _turned(self.rounds, self.mine) and not _turned(self.nothing, self.mine)

    @property
    def suspicious(self) -> bool:
        """Whether planted rows changed places, so that it is worth to look again."""
        return _turned(self.rounds, self.mine)


def _turned(rounds: Sequence[tuple[Rows, Rows]], mine: Sequence[str]) -> bool:
    return bool(rounds) and all(
        up.read.outcome is Outcome.ALLOWED
        and down.read.outcome is Outcome.ALLOWED
        and (_reversed(up, down, mine) or _apart(up, down))
        for up, down in rounds
    )


def _reversed(up: Rows, down: Rows, mine: Sequence[str]) -> bool:
    """Whether two planted rows stand the other way round; what others add cannot do that."""
    both = [one for one in mine if one in up.ids and one in down.ids]
    return any(
        (up.ids.index(one) < up.ids.index(other)) != (down.ids.index(one) < down.ids.index(other))
        for one, other in combinations(both, 2)
    )


def _apart(up: Rows, down: Rows) -> bool:
    """Whether the pages are from opposite ends of a long list: they share no row."""
    return bool(up.ids) and bool(down.ids) and not set(up.ids) & set(down.ids)


@dataclass(frozen=True)
class Told:
    """What a masked reader could find out by filters and sorting; `plain` asks without either."""

    case: Case
    plain: Rows
    fields: tuple[str, ...]
    filters: tuple[Filtering, ...]
    sorts: tuple[Sorting, ...]


def tells_nothing(told: Told) -> Verdict:
    """Whether a hidden value is asked for or nobody's, the same rows come, in the same order."""
    read = told.plain.read
    if read.outcome is not Outcome.ALLOWED:
        reason = no_statement(read) or f"it was refused ({read.status})"
        return unknown(f"granted, but {reason}", read)
    if not told.fields:
        return unknown("nobody sees a value in a masked field, so none could be asked for", read)
    for one in told.filters:
        if one.tells:
            reads = [rows.read for pair in one.rounds for rows in pair]
            reason = f"{one.says} finds other rows for a record's hidden value than for nobody's"
            return failed("leak", "property.filter", reason, *reads)
    for another in told.sorts:
        if another.tells:
            reads = [rows.read for pair in another.rounds for rows in pair]
            reason = f"{another.says} puts planted rows in another order for each direction"
            return failed("leak", "property.sort", reason, *reads)
    named = ", ".join(told.fields)
    return passed("conform-deny", f"neither filter nor sorting tells anything of {named}")


# --- set -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Write:
    """One write that carried properties which are not its sender's to set.

    `after` is the record as somebody sees it who may, read after the write; None if it was not
    read then. `elsewhere` says where the record was found instead, if it had gone.
    """

    says: str
    tried: Mapping[str, Any]
    read: Read
    before: Record
    after: Record | None = None
    proof: tuple[Read, ...] = ()
    elsewhere: str | None = None


@dataclass(frozen=True)
class Assignment:
    """All writes of a case; `control` is the same write without anything beyond the template.

    `unproved` says why nobody could read back what became of them.
    """

    case: Case
    control: Read | None
    writes: tuple[Write, ...]
    names: tuple[str, ...]
    unproved: str | None = None


def landed(write: Write) -> list[str]:
    """The names of what a write set although it may not, by the value that was tried."""
    if write.after is None:
        return []
    found = []
    for name, value in write.tried.items():
        before, after = value_of(write.before, name), value_of(write.after, name)
        if same(after, value) and not same(before, value):
            found.append(name)
    return found


def not_set(assignment: Assignment) -> Verdict:
    """No write sets what its sender may not set, whatever it answers."""
    verdicts = [_not_set(one) for one in assignment.writes]
    failures = [one for one in verdicts if one is not None]
    if failures:
        return worst(failures)
    accepted = [one for one in assignment.writes if one.read.outcome is Outcome.ALLOWED]
    control = assignment.control
    if not assignment.names:
        return passed("conform-deny", "there is no property that it may not set")
    if not accepted and (control is None or control.outcome is not Outcome.ALLOWED):
        status = control.status if control else "not sent"
        return unknown(
            f"the same write without further properties was not served either ({status})",
            *([control] if control else [one.read for one in assignment.writes[:1]]),
        )
    if accepted and assignment.unproved:
        return unknown(
            f"further properties were accepted, and {assignment.unproved}", accepted[0].read
        )
    unread = [one for one in accepted if one.after is None and one.elsewhere is None]
    if unread and len(unread) == len(accepted):
        return unknown(f"{unread[0].says}: accepted, and not read back", unread[0].read)
    named = ", ".join(assignment.names)
    kept = _fields("set", closed=assignment.names)
    return passed("conform-deny", f"tried and not set: {named}", kept)


def _not_set(write: Write) -> Verdict | None:
    names = landed(write)
    if names:
        shown = ", ".join(f"{name} to {write.tried[name]}" for name in names[:_NAMED])
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return failed(
            "bypass",
            "property.set",
            f"{write.says} set {shown}{more} (answered {write.read.status})",
            write.read,
            *write.proof,
            detail=_fields("set", names),
        )
    if write.elsewhere is not None:
        return failed(
            "bypass",
            "property.set",
            f"{write.says}: after {', '.join(write.tried)} the record {write.elsewhere}",
            write.read,
            *write.proof,
        )
    return None
