"""What a target claims about its clock, and the ledgers that put what happens on a local day.

A ledger is one event and every place in which its day, month or year shows. Further kinds say how
stays are counted, when what is scheduled is due, when people come of age, how dates and wall times
come back, and how long what is given out lasts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from conformance.races import Action, Asked
from conformance.schema import (
    Extraction,
    JsonPath,
    Statuses,
    Strict,
    as_list,
    placeholders_in,
)

Adapter = Literal["endpoint", "header", "faketime"]
Period = Literal["day", "month", "year"]
Relative = Literal["yesterday", "today", "tomorrow"]
SHIFTS: dict[str, int] = {"yesterday": -1, "today": 0, "tomorrow": 1}
_CLOCK = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$")

INSTANT = frozenset({"instant", "epoch", "epoch_ms", "offset"})
"""What requests and headers of the clock may name: RFC 3339 in UTC, UTC seconds, milliseconds,
and seconds from the real time."""

DAYS = frozenset(
    f"{name}{suffix}" for name in ("day", "month", "year") for suffix in ("", "_before", "_after")
) | {"relative"}
"""What a ledger's requests may name: the local day, month and year that the event belongs to."""

Asks = Annotated[
    list[Asked], BeforeValidator(as_list, json_schema_input_type=str | Action | list[str | Action])
]


class Clock(Strict):
    """How the target's clock is pinned, in a copy that is started for it if there can be one."""

    adapter: Adapter
    environment: dict[str, str] = Field(
        default={}, description="of a copy whose clock can be pinned; {data} is its own folder"
    )
    set: Asked | None = Field(
        default=None, description="pins the clock: {instant}, {epoch}, {epoch_ms} or {offset}"
    )
    reset: Asked | None = Field(default=None, description="gives the real time back")
    header: dict[str, str] = Field(default={}, description="pins the clock for one request")
    read: Asked | None = Field(
        default=None, description="takes 'application', 'database' or both, in RFC 3339 or seconds"
    )
    zone: Asked | None = Field(default=None, description="moves a tenant to {zone}")
    tolerance: float = Field(default=2, gt=0, le=60, description="seconds that a clock may be off")

    @model_validator(mode="after")
    def _complete(self) -> Clock:
        if self.adapter == "endpoint" and (self.set is None or self.reset is None):
            raise ValueError("the adapter 'endpoint' needs 'set' and 'reset'")
        if self.adapter == "header" and not self.header:
            raise ValueError(
                "the adapter 'header' needs 'header', like {X-Test-Clock: '{instant}'}"
            )
        if self.read is not None and not {"application", "database"} & set(self.read.take):
            raise ValueError("'read' takes 'application', 'database' or both")
        return self


class Place(Strict):
    """One place in which the event shows: a label, a row in a list of that day, or a count."""

    read: Asks = Field(
        default=[], description="requests, the last shows it; the event's own answer if none"
    )
    value: Extraction | None = Field(
        default=None, description="a date, month, year or instant; may name {id} and what was taken"
    )
    is_: Literal["day", "month", "year", "instant"] | None = Field(
        default=None, alias="is", description="what 'value' is; the ledger's period unless said"
    )
    format: str | None = Field(default=None, description="how a label is written, as strftime does")
    holds: JsonPath | None = Field(
        default=None, description="ids of the rows of the day, month or year that is asked for"
    )
    count: Extraction | None = Field(
        default=None, description="how many there are on the day, month or year that is asked for"
    )
    lasts: bool = Field(
        default=False, description="true: what began on a day is in the lists of later days too"
    )
    later: float = Field(
        default=0, ge=0, le=2400, description="hours after the event at which it is read"
    )
    find: str = Field(default="{id}", description="what 'holds' must have of the event")
    relative: dict[str, int] = Field(
        default=dict(SHIFTS), description="words for {relative}, and how many days they are away"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Place:
        if sum(one is not None for one in (self.value, self.holds, self.count)) != 1:
            raise ValueError("a place says one of 'value', 'holds' and 'count'")
        if self.value is None and not self.period:
            raise ValueError(
                "'holds' and 'count' need a read that asks for a {day}, {month}, {year} or "
                "{relative}"
            )
        return self

    @property
    def relative_to_now(self) -> bool:
        """Whether its reads ask for a day by how far away it is."""
        return any("relative" in placeholders_of(read) for read in self.read)

    @property
    def read_again(self) -> bool:
        """Whether it shows the same however much later it is read."""
        return bool(self.read) and not self.relative_to_now

    @property
    def period(self) -> Period | None:
        """The length of the buckets that the reads ask for; None if they ask for none."""
        named = {name for read in self.read for name in placeholders_of(read)}
        for period in ("day", "month", "year"):
            if any(name.startswith(period) for name in named & DAYS):
                return period
        return "day" if "relative" in named else None


class _Ledger(Strict):
    says: str | None = Field(default=None, description="what happens, in a few words")
    tenant: str | None = Field(default=None, description="where; the first one unless said")
    before: Asks = Field(default=[], description="what is done shortly before")


class DayLedger(_Ledger):
    """What happens at an instant is on that local day, in all of its places."""

    kind: Literal["day"] = "day"
    event: Asked
    about: Relative = Field(
        default="today", description="the day it is entered for, seen from when it happens"
    )
    period: Period = "day"
    places: dict[str, Place] = Field(min_length=1)


class StayPlace(Strict):
    """Where the days of a stay are counted."""

    read: Asks = Field(min_length=1)
    days: JsonPath | None = Field(default=None, description="the dates that are counted")
    count: Extraction | None = Field(default=None, description="how many they are")

    @model_validator(mode="after")
    def _one(self) -> StayPlace:
        if (self.days is None) == (self.count is None):
            raise ValueError("say either 'days' or 'count'")
        return self


class StayLedger(_Ledger):
    """A stay counts for the local days that the rule says, however long these are."""

    kind: Literal["stay"]
    event: Asked = Field(description="begins the stay")
    ends: Asked
    rule: Literal["midnights", "calendar_days"] = Field(
        default="midnights",
        description="midnights: days at whose end it lasts, at least the first; or each day of it",
    )
    places: dict[str, StayPlace] = Field(min_length=1)


Clocktime = Annotated[str, Field(pattern=_CLOCK.pattern)]


class ScheduleLedger(_Ledger):
    """What is scheduled by elapsed hours or by the wall clock is due just then."""

    kind: Literal["schedule"]
    event: Asked
    every_hours: float | None = Field(default=None, gt=0)
    at: list[Clocktime] = Field(default=[], description="wall times, like 08:00")
    count: int = Field(ge=1, le=200, description="how often, all in all")
    due: JsonPath
    read: Asks = Field(default=[], description="where it is read; the event's answer if nowhere")

    @model_validator(mode="after")
    def _one_rule(self) -> ScheduleLedger:
        if (self.every_hours is None) == (not self.at):
            raise ValueError("say either 'every_hours' or 'at'")
        return self


class AgePlace(Strict):
    """Where an age shows: in years, or as whether somebody is of age."""

    read: Asks = Field(default=[])
    years: Extraction | None = None
    adult: Extraction | None = None

    @model_validator(mode="after")
    def _one(self) -> AgePlace:
        if (self.years is None) == (self.adult is None):
            raise ValueError("say either 'years' or 'adult'")
        return self


class AgeLedger(_Ledger):
    """People come of age at the local midnight of their birthday."""

    kind: Literal["age"]
    event: Asked = Field(description="makes somebody born on {birth_date}")
    majority: int = Field(default=18, ge=1, le=120)
    leapling: Literal["march_1", "february_28"] = Field(
        default="march_1", description="when 29 February is in other years"
    )
    places: dict[str, AgePlace] = Field(min_length=1)


class DatePlace(Strict):
    """Where a date shows that was written."""

    read: Asks = Field(default=[])
    value: Extraction


class DateLedger(_Ledger):
    """A date without a time comes back as it was written, whatever the zone."""

    kind: Literal["date"]
    event: Asked = Field(description="writes {birth_date}")
    change: Asked | None = Field(default=None, description="writes another {birth_date}")
    touch: Asked | None = Field(default=None, description="changes something else of the record")
    places: dict[str, DatePlace] = Field(min_length=1)


class LocalTimeLedger(_Ledger):
    """Wall times that never come are refused or moved; those that come twice are told apart."""

    kind: Literal["local_time"]
    event: Asked = Field(description="names a wall time: {local}, like 2026-03-08T02:30")
    with_fold: Asked | None = Field(
        default=None, description="names {fold} as well: 0 the first of two, 1 the second"
    )
    by_instant: Asked | None = Field(
        default=None, description="names an {instant} instead, which must come back as it was"
    )
    value: Extraction = Field(description="the instant that it became")
    read: Asks = Field(default=[])
    missing: Literal["refused", "moved"] = Field(
        default="refused", description="what becomes of a time that the clock is put forward past"
    )
    twice: Literal["refused", "first", "second"] = Field(
        default="refused", description="what becomes of a time that happens twice, without a fold"
    )
    refusals: Statuses | None = Field(default=None, description="the statuses of those refusals")


class LifetimeLedger(_Ledger):
    """What is given out for a while lasts that long, whatever the wall clock does meanwhile."""

    kind: Literal["lifetime"]
    event: Asked | None = Field(default=None, description="gives it out; a login if not given")
    seconds: float = Field(gt=0)
    expires: Extraction | None = Field(default=None, description="when it ends, in its answer")
    use: Asked
    keeps: Literal["session", "login", "none"] = Field(
        default="login",
        description="session: used with the session it was made in; login: with a new one; "
        "none: without any",
    )
    alive: float | None = Field(
        default=None, gt=0, description="seconds after which it is used again, lest it idle"
    )
    renews: bool = Field(
        default=False, description="true: its tokens are renewed meanwhile, as the login says"
    )
    idle: bool = Field(default=False, description="true: it lasts that long after the last use")
    polls: Asked | None = Field(
        default=None, description="what a page left open asks for by itself, which is no use"
    )
    margin: float = Field(default=5, gt=0, description="seconds that it may end sooner or later")


def _kind(value: Any) -> str:
    given = value.get("kind", "day") if isinstance(value, dict) else getattr(value, "kind", "day")
    return f"[{given}]"


Ledger = Annotated[
    Annotated[DayLedger, Tag("[day]")]
    | Annotated[StayLedger, Tag("[stay]")]
    | Annotated[ScheduleLedger, Tag("[schedule]")]
    | Annotated[AgeLedger, Tag("[age]")]
    | Annotated[DateLedger, Tag("[date]")]
    | Annotated[LocalTimeLedger, Tag("[local_time]")]
    | Annotated[LifetimeLedger, Tag("[lifetime]")],
    Discriminator(
        _kind,
        custom_error_type="ledger_kind",
        custom_error_message=(
            "a ledger's 'kind' is day, stay, schedule, age, date, local_time or lifetime"
        ),
    ),
]

AnyLedger = (
    DayLedger
    | StayLedger
    | ScheduleLedger
    | AgeLedger
    | DateLedger
    | LocalTimeLedger
    | LifetimeLedger
)


def placeholders_of(action: Action) -> set[str]:
    """What the parts of an action name that the target file's operation does not."""
    parts = (action.request, action.json_, action.form, action.body, action.query, action.headers)
    return {name for part in parts for name in placeholders_in(part)}


def acts(ledger: AnyLedger) -> Iterator[tuple[tuple[str | int, ...], Action]]:
    """Every request of a ledger with its place below it, in the order in which they are sent."""
    yield from (((("before", index)), act) for index, act in enumerate(ledger.before))
    for key in ("event", "with_fold", "by_instant", "change", "touch", "ends"):
        act = getattr(ledger, key, None)
        if act is not None:
            yield (key,), act
    yield from ((("read", index), act) for index, act in enumerate(getattr(ledger, "read", ())))
    for key in ("use", "polls"):
        act = getattr(ledger, key, None)
        if act is not None:
            yield (key,), act
    for name, place in getattr(ledger, "places", {}).items():
        yield from ((("places", name, "read", index), act) for index, act in enumerate(place.read))
