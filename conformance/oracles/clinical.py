"""Decision tables: what a target makes of inputs, everywhere it shows, and who is told. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from conformance.applied import Alerts, Applied, Shown
from conformance.boundaries import Row
from conformance.decision import Decision, agrees, holds
from conformance.extraction import values
from conformance.model import Case, Outcome, Read, Verdict
from conformance.oracles.odd import says_the_same
from conformance.tables import Table
from conformance.verdicts import failed, no_statement, passed, unknown, worst

Outputs = Mapping[str, Any]

_REFUSING = frozenset({Outcome.INVALID, Outcome.CONFLICT})
_SPOKEN = 3


@dataclass(frozen=True)
class Sight:
    """Another place that shows a record: the answer, and the record in it (None: not there)."""

    says: str
    read: Read
    record: Any
    outputs: Mapping[str, Shown]


@dataclass(frozen=True)
class Alert:
    """A row of the list of alerts about a record."""

    row: Any
    ended: bool


@dataclass(frozen=True)
class Tried:
    """A row of a table as it was tried: what was answered, where it shows, what alerts there are.

    `record` is the record in the operation's own answer, None if that does not show the outputs;
    `id` is the new record's. `alerts` is None where no alerts are claimed.
    """

    row: Row
    read: Read
    record: Any = None
    id: str | None = None
    sights: tuple[Sight, ...] = ()
    alerts: tuple[Alert, ...] | None = None


@dataclass(frozen=True)
class Sheeted:
    """All rows of a sheet as tried, with an ordinary set as the control of all of them.

    `strays` are records that a list shows and that no accepted request made.
    """

    case: Case
    applied: Applied
    table: Table
    kind: str
    ordinary: Tried
    tried: tuple[Tried, ...]
    strays: tuple[str, ...] = ()
    told: Read | None = None


@dataclass(frozen=True)
class Corrected:
    """A record and what it was corrected to; `kept` is the wrong one as it shows afterwards."""

    case: Case
    applied: Applied
    table: Table
    before: Tried
    after: Tried
    kept: Tried
    told: Read | None = None


# --- what is shown --------------------------------------------------------------------------------


def observed(record: Any, outputs: Mapping[str, Shown]) -> dict[str, Any]:
    """The outputs of a record in the table's words; None where nothing stands."""
    found = {}
    for name, shown in outputs.items():
        value = next(iter(values(shown.at, record)), None)
        found[name] = _word(shown, value)
    return found


def _word(shown: Shown, value: Any) -> Any:
    for word, written in shown.values.items():
        if value == written and isinstance(value, bool) == isinstance(written, bool):
            return {"true": True, "false": False, "null": None}.get(word.lower(), word)
    return value


def _differences(
    table: Table, accepts: Sequence[Decision], seen: Outputs
) -> dict[str, tuple[Any, Any]]:
    """The outputs that are not as expected, of the acceptable decision that comes nearest."""
    found: list[dict[str, tuple[Any, Any]]] = []
    for decision in accepts:
        if decision.refused:
            continue
        wrong = {
            name: (decision.output(name), value)
            for name, value in seen.items()
            if not agrees(table, name, decision.output(name), value)
        }
        found.append(wrong)
    return min(found, key=len, default={"accepted": ("refused", "accepted")})


def _says(wrong: Mapping[str, tuple[Any, Any]]) -> str:
    shown = [
        f"{name} {_plain(told)} instead of {_plain(right)}" for name, (right, told) in wrong.items()
    ]
    rest = len(shown) - _SPOKEN
    return ", ".join(shown[:_SPOKEN]) + (f" and {rest} more" if rest > 0 else "")


def _plain(value: Any) -> str:
    if value is None:
        return "nothing"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def detail(table: Table, applied: Applied, tried: Sequence[Tried]) -> dict[str, Any]:
    """The rows with what was expected and observed, for the report."""
    rows = []
    for one in tried:
        expected = one.row.expected
        accepted = one.read.outcome is Outcome.ALLOWED
        seen = _seen(applied, one) if accepted else {}
        wanted: dict[str, Any] = (
            {"accepted": False}
            if expected.refused
            else {name: _json(expected.output(name)) for name in applied.outputs}
        )
        told = {name: seen.get(name) for name in wanted} if accepted else {"accepted": False}
        if accepted and expected.refused:
            told = {"accepted": True, **seen}
        rows.append(
            {
                "inputs": {name: _json(value) for name, value in one.row.given.items()},
                "expected": wanted,
                "observed": told,
                "ok": _is_right(table, applied, one),
                "why": one.row.why,
            }
        )
    return {"kind": "table", "table": table.title, "source": table.cited, "rows": rows}


def _seen(applied: Applied, one: Tried) -> dict[str, Any]:
    if one.record is not None or not one.sights:
        return observed(one.record, applied.outputs)
    return observed(one.sights[0].record, one.sights[0].outputs)


def _is_right(table: Table, applied: Applied, one: Tried) -> bool:
    if one.read.outcome is not Outcome.ALLOWED:
        return any(decision.refused for decision in one.row.accepts) and (
            one.read.outcome in _REFUSING
        )
    return not one.row.refused and not _differences(table, one.row.accepts, _seen(applied, one))


# --- the ordinary set -----------------------------------------------------------------------------


def _no_control(sheet: Sheeted) -> Verdict | None:
    """Why nothing can be said because the ordinary set did not go through, None if it did."""
    return _unserved(sheet.applied, sheet.ordinary)


def _unserved(applied: Applied, one: Tried) -> Verdict | None:
    if one.read.outcome is not Outcome.ALLOWED:
        why = no_statement(one.read) or f"the answer was {one.read.status}"
        return unknown(f"{one.row.why} was not accepted, so nothing is shown: {why}", one.read)
    seen = _seen(applied, one)
    if seen and all(value is None for value in seen.values()):
        places = ", ".join(shown.at for shown in applied.outputs.values())
        return unknown(
            f"the answer to {one.row.why} shows nothing at {places}: are the places right?",
            one.read,
        )
    return None


# --- judged ---------------------------------------------------------------------------------------


_RULES = {"missing": "table.missing", "precision": "table.precision"}


def follows(sheet: Sheeted) -> Verdict:
    """Accepted inputs come to what the table says; what has to be refused is refused."""
    control = _no_control(sheet)
    if control is not None:
        return control
    shown = detail(sheet.table, sheet.applied, (sheet.ordinary, *sheet.tried))
    judged = (_judged(sheet, row) for row in (sheet.ordinary, *sheet.tried))
    found = [one for one in judged if one is not None]
    if sheet.strays and not found:
        found = [_stray(sheet)]
    if found:
        decided = worst(found)
        more = sum(1 for one in found if one.result is decided.result) - 1
        told = decided.reason + (f"; and {more} more rows" if more else "")
        return _with(decided, told, shown)
    count = len(sheet.tried)
    return passed(
        "conform-table", f"{count} of {count} rows of {sheet.table.title} came out right", shown
    )


def _with(verdict: Verdict, reason: str, shown: Mapping[str, Any]) -> Verdict:
    return Verdict(
        verdict.result, verdict.kind, reason, verdict.rule, verdict.exchanges, detail=shown
    )


def _judged(sheet: Sheeted, one: Tried) -> Verdict | None:
    """What is wrong with one row, None if nothing is."""
    row, came = one.row, one.read.outcome
    if came is not Outcome.ALLOWED:
        if came not in _REFUSING:
            return unknown(f"{row.why}: {no_statement(one.read) or one.read.status}", one.read)
        if not any(decision.refused for decision in row.accepts):
            return failed(
                "valid-refused",
                "table.valid",
                f"{row.why}: refused with {one.read.status}, although it is plausible",
                one.read,
            )
        return _refused_as_declared(sheet, one)
    if row.refused:
        why = next(iter(row.expected.refused.values()))
        rule = _RULES.get(sheet.kind, "table.refused")
        seen = _seen(sheet.applied, one)
        told = ", ".join(f"{name} {_plain(value)}" for name, value in list(seen.items())[:_SPOKEN])
        return failed(
            "wrong-accepted",
            rule,
            f"{row.why}: accepted ({one.read.status}: {told}), although {why}",
            one.read,
            sheet.ordinary.read,
        )
    wrong = _differences(sheet.table, row.accepts, _seen(sheet.applied, one))
    if not wrong:
        return None
    return failed("wrong-result", _rule(sheet, wrong), f"{row.why}: {_says(wrong)}", one.read)


def _refused_as_declared(sheet: Sheeted, one: Tried) -> Verdict | None:
    answer = one.read.exchange.answer
    declared = sheet.applied.refused
    if answer is None or answer.status in declared:
        return None
    if answer.status < 300 and one.read.outcome is Outcome.INVALID:
        return None  # it says so by its body, as `outcomes` declares
    return failed(
        "wrong-refusal",
        "table.refusal",
        f"{one.row.why}: refused with {answer.status}, declared is {', '.join(map(str, declared))}",
        one.read,
    )


def _rule(sheet: Sheeted, wrong: Mapping[str, Any]) -> str:
    if sheet.kind in _RULES:
        return _RULES[sheet.kind]
    only_lines = all(
        name in sheet.table.results and sheet.table.results[name].first for name in wrong
    )
    return "table.response" if only_lines else "table.score"


def _stray(sheet: Sheeted) -> Verdict:
    refused = [one for one in sheet.tried if one.read.outcome is not Outcome.ALLOWED]
    return failed(
        "refused-but-kept",
        "table.refused",
        f"{len(sheet.strays)} records show that no accepted request made: a refused one was kept",
        *[one.read for one in refused[:_SPOKEN]],
    )


def everywhere(sheet: Sheeted) -> Verdict:
    """Every place that shows a record shows the same."""
    control = _no_control(sheet)
    if control is not None:
        return control
    unknowns: list[Verdict] = []
    compared = 0
    for one in (sheet.ordinary, *sheet.tried):
        if one.read.outcome is not Outcome.ALLOWED or one.row.refused:
            continue
        own = one.record is not None and _seen(sheet.applied, one)
        for sight in one.sights:
            if sight.read.outcome is not Outcome.ALLOWED or sight.record is None:
                why = no_statement(sight.read) or "the record is not in it"
                unknowns.append(unknown(f"{sight.says} shows nothing: {why}", sight.read))
                continue
            compared += 1
            seen = observed(sight.record, sight.outputs)
            wrong = _differences(sheet.table, one.row.accepts, seen)
            if wrong and not (own and _differences(sheet.table, one.row.accepts, own)):
                return failed(
                    "place-differs",
                    "table.place",
                    f"{one.row.why}: {sight.says} shows {_says(wrong)}",
                    sight.read,
                    one.read,
                )
    if unknowns:
        return unknowns[0]
    return passed("conform-places", f"{compared} further places show the same")


# --- the inputs -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kept:
    """What a place shows under the names of the inputs, beside what was sent."""

    one: Tried
    place: str
    read: Read
    sent: Mapping[str, Any]
    shown: Mapping[str, Any]

    def holds(self, name: str, other: str) -> bool:
        """Whether what was sent as `other` stands under `name`."""
        return says_the_same("number", self.sent[other], self.shown[name])

    def swapped(self, name: str) -> str | None:
        """The input whose value stands here, while this one's stands there."""
        return next(
            (
                other
                for other in self.shown
                if self.holds(name, other)
                and self.holds(other, name)
                and not self.holds(name, name)
            ),
            None,
        )


def _kept(sheet: Sheeted) -> Iterator[_Kept]:
    for one in (sheet.ordinary, *sheet.tried):
        if one.read.outcome is not Outcome.ALLOWED or one.row.refused:
            continue
        sent = {
            taken.field: taken.written(one.row.given[word])
            for word, taken in sheet.applied.inputs.items()
            if taken.operation is None and one.row.given.get(word) is not None
        }
        places = [(sheet.applied.operation, one.read, one.record)]
        places += [(sight.says, sight.read, sight.record) for sight in one.sights]
        for place, read, record in places:
            found = {name: _under(record, name) for name in sent}
            shown = {name: value for name, value in found.items() if value is not None}
            yield _Kept(one, place, read, sent, shown)


def _under(record: Any, name: str) -> Any:
    for part in name.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record


def _shown_by_name(kept: Sequence[_Kept]) -> frozenset[str]:
    """The inputs that some place shows as they were sent, whatever that was."""
    found = set()
    for place in {one.place for one in kept}:
        here = [one for one in kept if one.place == place]
        for name in {name for one in here for name in one.shown}:
            having = [one for one in here if name in one.shown]
            several = len({str(one.sent[name]) for one in having}) > 1
            if several and all(one.holds(name, name) for one in having):
                found.add(name)
    return frozenset(found)


def stands_right(sheet: Sheeted) -> Verdict:
    """Whatever place shows what was entered shows it under its own name.

    An input is judged where some place shows it as it was sent in every row, so that its name is
    known to mean that there; and where it has changed places with another one.
    """
    control = _no_control(sheet)
    if control is not None:
        return control
    kept = list(_kept(sheet))
    known = _shown_by_name(kept)
    compared = 0
    for one in kept:
        for name, value in one.shown.items():
            other = one.swapped(name)
            if other is None and name not in known:
                continue
            compared += 1
            if one.holds(name, name):
                continue
            also = f": it has changed places with {other}" if other is not None else ""
            return failed(
                "place-differs",
                "table.value",
                f"{one.one.row.why}: {one.place} shows {_plain(value)} as {name}, and "
                f"{_plain(one.sent[name])} was entered{also}",
                one.read,
                one.one.read,
            )
    return passed("conform-places", f"{compared} values stand under their names")


# --- alerts ---------------------------------------------------------------------------------------


def wanted(alerts: Alerts, decision: Decision) -> bool:
    """Whether somebody has to be told of a decision."""
    return any(
        all(holds(condition, decision.output(name)) for name, condition in when.items())
        for when in alerts.when
    )


def told(sheet: Sheeted) -> Verdict:
    """Exactly one alert for what somebody has to be told, none for the rest."""
    control = _no_control(sheet)
    if control is not None:
        return control
    rows = [
        one
        for one in (sheet.ordinary, *sheet.tried)
        if one.alerts is not None and one.read.outcome is Outcome.ALLOWED and not one.row.refused
    ]
    if sheet.applied.alerts is None:
        return passed("conform-alerts", "no alerts are claimed")
    if sheet.told is None or sheet.told.outcome is not Outcome.ALLOWED:
        reads = (sheet.told,) if sheet.told else ()
        return unknown("the alerts could not be listed", *reads)
    found = [one for one in (_alerted(sheet, row) for row in rows) if one is not None]
    if found:
        return worst(found)
    due = sum(1 for row in rows if _due(sheet, row))
    return passed("conform-alerts", f"{due} of {len(rows)} rows have one alert, the others none")


def _due(sheet: Sheeted, one: Tried) -> bool:
    assert sheet.applied.alerts is not None
    fitting = next((each for each in one.row.accepts if not each.refused), one.row.expected)
    return wanted(sheet.applied.alerts, fitting)


def _alerted(sheet: Sheeted, one: Tried) -> Verdict | None:
    assert sheet.told is not None
    return _alerts(sheet.applied, sheet.table, one, _due(sheet, one), sheet.told)


def _alerts(applied: Applied, table: Table, one: Tried, due: bool, read: Read) -> Verdict | None:
    """What is wrong with the alerts about one record, None if nothing is."""
    assert applied.alerts is not None
    live = [alert for alert in one.alerts or () if not alert.ended]
    if due and not live:
        return failed(
            "nobody-told", "table.alert", f"{one.row.why}: no alert shows", read, one.read
        )
    if len(live) > due:
        says = "an alert shows without a reason" if not due else f"{len(live)} alerts show for it"
        return failed(
            "told-too-often", "table.alert-noise", f"{one.row.why}: {says}", read, one.read
        )
    if due and applied.alerts.shows:
        seen = observed(live[0].row, applied.alerts.shows)
        expected = next(each for each in one.row.accepts if not each.refused)
        wrong = {
            name: (expected.output(name), value)
            for name, value in seen.items()
            if expected.output(name) is not None
            and not agrees(table, name, expected.output(name), value)
        }
        if wrong:
            says = f"{one.row.why}: its alert says {_says(wrong)}"
            return failed("told-otherwise", "table.alert", says, read, one.read)
    return None


# --- corrections ----------------------------------------------------------------------------------


def recomputed(corrected: Corrected) -> Verdict:
    """A correction is decided anew; the wrong record keeps what it was, and its alert ends."""
    applied, table = corrected.applied, corrected.table
    before, after = corrected.before, corrected.after
    control = _unserved(applied, before)
    if control is not None:
        return control
    shown = detail(table, applied, (before, after))
    if after.read.outcome is not Outcome.ALLOWED:
        why = no_statement(after.read) or f"the answer was {after.read.status}"
        return unknown(f"the correction was not accepted: {why}", after.read)
    wrong = _differences(table, before.row.accepts, _seen(applied, before))
    if wrong:
        return unknown(f"the record was wrong before its correction: {_says(wrong)}", before.read)
    for found in _of_correction(corrected):
        return _with(found, found.reason, shown)
    return passed(
        "conform-correction", "the correction was decided anew, and the wrong record is kept", shown
    )


def _of_correction(corrected: Corrected) -> Iterator[Verdict]:
    applied, table, after = corrected.applied, corrected.table, corrected.after
    rule = "table.correction"
    shows = [("its answer", after.read, _seen(applied, after))] if after.record is not None else []
    shows += [
        (sight.says, sight.read, observed(sight.record, sight.outputs))
        for sight in after.sights
        if sight.record is not None
    ]
    for says, read, seen in shows:
        wrong = _differences(table, after.row.accepts, seen)
        if wrong:
            told = f"corrected from {corrected.before.row.why} to {after.row.why}, {says} shows "
            yield failed("not-recomputed", rule, told + _says(wrong), read, after.read)
    if applied.alerts is None or corrected.told is None:
        return
    if corrected.told.outcome is not Outcome.ALLOWED:
        yield unknown("the alerts could not be listed", corrected.told)
        return
    if corrected.kept.id != after.id and any(
        not alert.ended for alert in corrected.kept.alerts or ()
    ):
        says = "the alert of the wrong record still counts after its correction"
        yield failed("alert-stays", rule, says, corrected.told, after.read)
    due = wanted(applied.alerts, after.row.expected)
    found = _alerts(applied, table, after, due, corrected.told)
    if found is not None:
        yield failed(
            found.kind,
            rule if due else "table.alert-noise",
            found.reason,
            corrected.told,
            after.read,
        )
