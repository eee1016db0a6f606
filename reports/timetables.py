"""Days under a pinned clock and rows of decision tables, ordered for a page."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from reports.ledger import Case, Outcome, Run
from reports.proofs import Days, Place, Race, Row, Table


@dataclass(frozen=True, slots=True)
class ShownRace:
    """A race with the verdict on it."""

    case: Case
    outcome: Outcome
    reason: str
    race: Race

    @property
    def power(self) -> str:
        """The power of the verdict in a sentence."""
        power = self.race.power
        seen = (
            ""
            if power.spread_us is None
            else (
                f", spread {power.spread_us.median:,.0f} µs (95 %: {power.spread_us.p95:,.0f} µs)"
            )
        )
        if self.outcome == "fail":
            window = "one of them is enough"
        elif power.window_us is None:
            window = "what window would have shown is not known"
        else:
            window = f"a window of {power.window_us:,.0f} µs would have shown with 99 %"
        return (
            f"{power.rounds} rounds of {power.contenders} by {self.race.technique}, "
            f"{power.overlapped:.0%} overlapped{seen}; {window}."
        )


@dataclass(frozen=True, slots=True)
class Pin:
    """A column of a calendar: one pinned instant."""

    id: str
    zone: str
    local: str
    utc: str
    why: str
    exposes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Calendar:
    """What one ledger of the target showed under every pin; `rows` are its places by name.

    Pins under which a place was on a wrong day come first.
    """

    name: str
    pins: tuple[Pin, ...]
    rows: dict[str, dict[str, Place]]
    outcomes: dict[str, Outcome]
    read_back: dict[str, tuple[str, ...]]
    tzdata: str
    adapter: str

    @property
    def wrong(self) -> int:
        """Places that were on another day than they have to be."""
        return sum(not place.ok for places in self.rows.values() for place in places.values())


@dataclass(frozen=True, slots=True)
class Walked:
    """All rows of one table that were walked, the wrong ones first."""

    name: str
    source: str
    rows: tuple[Row, ...]

    @property
    def wrong(self) -> tuple[Row, ...]:
        """Rows on which the target and the table disagree."""
        return tuple(row for row in self.rows if not row.ok)


def races(run: Run) -> tuple[ShownRace, ...]:
    """Every race of the run, violated ones first."""
    found = [
        ShownRace(case, verdict.outcome, verdict.reason, verdict.detail)
        for case, verdict in run.judged()
        if isinstance(verdict.detail, Race)
    ]
    order = {"fail": 0, "inconclusive": 1}
    return tuple(sorted(found, key=lambda one: order.get(one.outcome, 2)))


def calendars(run: Run) -> tuple[Calendar, ...]:
    """What the ledgers of the target showed, one calendar for each property and ledger."""
    by_name: dict[str, list[tuple[Case, Outcome, Days]]] = {}
    for case, verdict in run.judged():
        if isinstance(verdict.detail, Days):
            name = _ledger(case, verdict.detail)
            by_name.setdefault(name, []).append((case, verdict.outcome, verdict.detail))
    return tuple(_calendar(name, found) for name, found in by_name.items())


def _ledger(case: Case, days: Days) -> str:
    """The case's variant without its pin: what a calendar is about."""
    words = [word for word in (case.variant or case.property).split(".") if word != days.pin]
    return " ".join(words).replace("_", " ") or case.property


def _calendar(name: str, found: list[tuple[Case, Outcome, Days]]) -> Calendar:
    rows: dict[str, dict[str, Place]] = {}
    pins = {}
    for _, _, days in sorted(found, key=lambda one: all(place.ok for place in one[2].rows)):
        pins[days.pin] = Pin(days.pin, days.zone, days.local, days.utc, days.why, days.exposes)
        for place in days.rows:
            rows.setdefault(place.place, {})[days.pin] = place
    read = {
        days.pin: tuple(
            f"{which} {said}"
            for which, said in (
                ("application", days.read_back.application),
                ("database", days.read_back.database),
            )
            if said
        )
        for _, _, days in found
    }
    return Calendar(
        name=name,
        pins=tuple(pins.values()),
        rows=rows,
        outcomes={days.pin: outcome for _, outcome, days in found},
        read_back=read,
        tzdata=found[0][2].tzdata,
        adapter=found[0][2].adapter,
    )


def tables(run: Run) -> tuple[Walked, ...]:
    """Every decision table that was walked."""
    by_name: dict[str, list[Table]] = {}
    for _, verdict in run.judged():
        if isinstance(verdict.detail, Table):
            by_name.setdefault(verdict.detail.table, []).append(verdict.detail)
    return tuple(
        Walked(
            name,
            next((one.source for one in found if one.source), ""),
            tuple(sorted((row for one in found for row in one.rows), key=lambda row: row.ok)),
        )
        for name, found in by_name.items()
    )


def in_words(values: dict[str, Any]) -> str:
    """Inputs or outputs in one line; what is nested is flattened."""
    return ", ".join(f"{name} {_said(value)}" for name, value in _flat(values))


def _flat(values: dict[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _said(value: Any) -> str:
    return "missing" if value is None else str(value)
