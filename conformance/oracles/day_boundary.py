"""Whether what happened at a pinned instant is where it belongs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance.instants import written
from conformance.model import Case, Outcome, Read, Verdict
from conformance.pins import Pin
from conformance.verdicts import failed, no_statement, passed, unknown


@dataclass(frozen=True)
class Row:
    """What one place shows: what it must show and does, and the rule that is broken otherwise.

    `trouble` says why it cannot be told; `absent` that this is because the event is not there,
    which is a finding (`day.lost`) where the same place shows what happens at an ordinary hour.
    """

    place: str
    rule: str
    expected: str
    observed: str
    reads: tuple[Read, ...] = ()
    trouble: str | None = None
    absent: bool = False

    @property
    def right(self) -> bool:
        return self.trouble is None and self.expected == self.observed


@dataclass(frozen=True)
class Happening:
    """What was done at a pin, and what all the places of its ledger showed then.

    `what` is the event in words, `said` what the target's clocks said, `off` why its clock was
    not where it had to be. `control` are the same places for what happened at an ordinary hour.
    `tzdata` is the version of the rules by which local dates were worked out.
    """

    case: Case
    pin: Pin
    adapter: str
    what: str
    events: tuple[Read, ...]
    rows: tuple[Row, ...] = ()
    said: Mapping[str, str] | None = None
    off: str | None = None
    control: tuple[Row, ...] = ()
    tzdata: str = "unknown"


def on_its_day(happening: Happening) -> Verdict:
    """Every place shows what it must; a place that is wrong at an ordinary hour is set aside.

    That is judged once, by the case of the ordinary hour itself.
    """
    drawn = detail(happening)
    if happening.off:
        return unknown(
            f"the clock was not where it had to be: {happening.off}",
            *happening.events[-1:],
            detail=drawn,
        )
    for read in happening.events:
        if read.outcome is not Outcome.ALLOWED:
            reason = no_statement(read) or f"refused ({read.status})"
            return unknown(f"{happening.what}: {reason}", read, detail=drawn)
    usual = {row.place: row.right for row in happening.control}
    judged = [row for row in happening.rows if usual.get(row.place, True)]
    wrong = [
        _lost(row) if row.absent else row
        for row in judged
        if not row.right and (row.trouble is None or (row.absent and usual.get(row.place)))
    ]
    if wrong:
        return failed(
            "wrong-day",
            wrong[0].rule,
            f"{_when(happening)}, {happening.what}; {_told(wrong)}",
            *happening.events[-1:],
            *(read for row in wrong for read in row.reads[:3]),
            detail=drawn,
        )
    troubled = [row for row in judged if row.trouble]
    if troubled:
        row = troubled[0]
        return unknown(f"{row.place}: {row.trouble}", *row.reads[-2:], detail=drawn)
    aside = [row.place for row in happening.rows if row not in judged]
    if aside:
        reason = f"{', '.join(aside)}: wrong at an ordinary hour too, see the case of that hour"
        return unknown(reason, *happening.events[-1:], detail=drawn)
    if not happening.rows:
        return unknown("no place showed anything", *happening.events[-1:], detail=drawn)
    places = ", ".join(dict.fromkeys(row.place for row in happening.rows))
    return passed("conform-allow", f"{_when(happening)}: right in {places}", drawn)


def _lost(row: Row) -> Row:
    return replace(row, rule="day.lost", observed="nothing of it")


def _when(happening: Happening) -> str:
    pin = happening.pin
    local = pin.local.isoformat(
        sep=" ", timespec="milliseconds" if pin.local.microsecond else "minutes"
    )
    second = " (the second one)" if pin.local.fold else ""
    return f"at {local}{second} in {pin.zone}, {pin.why}"


def _told(rows: list[Row]) -> str:
    return "; ".join(f"{row.place} shows {row.observed}, not {row.expected}" for row in rows)


def detail(happening: Happening) -> dict[str, Any]:
    """What the report draws of it."""
    pin = happening.pin
    return {
        "kind": "clock",
        "pin": pin.id,
        "zone": pin.zone,
        "local": pin.local.isoformat() + (" (second)" if pin.local.fold else ""),
        "utc": written(pin.instant),
        "local_date": pin.date.isoformat(),
        "tzdata": happening.tzdata,
        "why": pin.why,
        "adapter": happening.adapter,
        "read_back": dict(happening.said or {}),
        "exposes": list(pin.exposes),
        "rows": [
            {
                "place": row.place,
                "expected": row.expected,
                "observed": row.trouble or row.observed,
                "ok": row.right,
            }
            for row in happening.rows
        ],
    }


@dataclass(frozen=True)
class Tampering:
    """Attempts to pin the clock outside test mode, and what the target's time was afterwards.

    `moved` says what showed that an attempt had an effect, `proved` that the same attempt has one
    in test mode. `unproved` says why no effect could have been seen.
    """

    case: Case
    attempts: tuple[Read, ...]
    moved: str | None = None
    shown: Read | None = None
    proved: bool = False
    unproved: str | None = None
    ignored_is_right: bool = False


def refused_in_production(tampering: Tampering) -> Verdict:
    """Nobody pins the clock outside test mode: the attempt is refused, or without effect."""
    attempts = tampering.attempts
    shown = (tampering.shown,) if tampering.shown else ()
    if tampering.moved:
        return failed(
            "clock",
            "clock.settable",
            f"outside test mode {tampering.moved}",
            *attempts[-1:],
            *shown,
        )
    let_through = [read for read in attempts if read.outcome is Outcome.ALLOWED]
    if let_through and not tampering.ignored_is_right:
        return failed(
            "clock",
            "clock.settable",
            f"outside test mode {let_through[0].exchange.persona} was answered "
            f"{let_through[0].status}, as in test mode",
            let_through[0],
            *shown,
        )
    if not tampering.proved:
        reason = tampering.unproved or "it was not shown to work in test mode either"
        return unknown(f"nothing is proved: {reason}", *attempts[-1:], *shown)
    for read in attempts:
        if read.outcome is Outcome.BROKEN and read.exchange.answer is None:
            return unknown(f"an attempt had no answer: {no_statement(read)}", read)
    if tampering.ignored_is_right:
        return passed("conform-deny", "it is ignored outside test mode, and works in test mode")
    statuses = ", ".join(sorted({read.status for read in attempts}))
    return passed("conform-deny", f"refused ({statuses}) outside test mode, and works in it")
