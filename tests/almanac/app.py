"""An almanac: a tiny hospital about nothing but which day it is.

`make(FAULT...)` is an ASGI application, in memory; its sound build keeps every promise of
`target.yaml`. In test mode its clock can be set.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import FastAPI, HTTPException, Request, Response

from tests.almanac.faults import checked

Body = dict[str, Any]
DAY = timedelta(days=1)


@dataclass
class Almanac:
    """What happened when, and what time it is."""

    faults: frozenset[str]
    test_mode: bool
    zone: str = "Asia/Dhaka"
    shift: timedelta = timedelta()
    bills: dict[str, datetime] = field(default_factory=dict)
    visits: dict[str, date] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    written: dict[str, date] = field(default_factory=dict)
    stays: dict[str, list[datetime]] = field(default_factory=dict)
    open: set[date] = field(default_factory=set)
    passes: dict[str, datetime] = field(default_factory=dict)
    counter: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def new(self) -> str:
        return f"r{next(self.counter)}"

    def now(self, request: Request) -> datetime:
        given = request.headers.get("x-clock")
        if given and (self.test_mode or "header-in-production" in self.faults):
            return datetime.fromisoformat(given)
        return datetime.now(UTC) + self.shift

    def day(self, instant: datetime, fault: str | None = None) -> date:
        if "always-wrong" in self.faults:
            return instant.astimezone(ZoneInfo(self.zone)).date() + DAY
        if "standard-offset" in self.faults:
            local = instant.astimezone(ZoneInfo(self.zone))
            return (local - (local.dst() or timedelta())).date()
        by_utc = {"utc-days", fault} & self.faults
        return instant.astimezone(UTC if by_utc else ZoneInfo(self.zone)).date()

    def wall(self, local: datetime, fold: int = 0) -> datetime:
        return local.replace(tzinfo=ZoneInfo(self.zone), fold=fold).astimezone(UTC)

    def on(self, instant: datetime, day: date) -> bool:
        """Whether the list of a day has what happened then."""
        start, end = (self.wall(datetime.combine(day + n * DAY, time())) for n in (0, 1))
        if "last-second" in self.faults:
            return start <= instant <= end - timedelta(seconds=1)
        if "inclusive" in self.faults:
            return start <= instant <= end
        return self.day(instant, "utc-list") == day


def make(*names: str, test_mode: bool = True) -> FastAPI:
    """The application; without faults it is sound."""
    almanac = Almanac(checked(names), test_mode)
    app = FastAPI(title="Almanac", openapi_url=None)
    for routes in (_clock, _bills, _visits, _people, _stays, _doses, _passes):
        routes(app, almanac)
    return app


def _clock(app: FastAPI, almanac: Almanac) -> None:
    def testing(*, fault: str | None = None) -> None:
        if not almanac.test_mode and fault not in almanac.faults:
            raise HTTPException(404)

    @app.get("/")
    def ready() -> Body:
        return {"up": True}

    @app.put("/clock")
    def set_clock(body: Body) -> Body:
        testing(fault="clock-in-production")
        almanac.shift = datetime.fromisoformat(body["now"]) - datetime.now(UTC)
        return {}

    @app.delete("/clock")
    def reset_clock() -> Body:
        testing(fault="clock-in-production")
        almanac.shift = timedelta()
        return {}

    @app.get("/clock")
    def read_clock(request: Request) -> Body:
        testing()
        behind = "database-behind" in almanac.faults
        database = datetime.now(UTC) if behind else almanac.now(request)
        return {"app": almanac.now(request).isoformat(), "db": database.timestamp()}

    @app.put("/zone")
    def move(body: Body) -> Body:
        testing()
        almanac.zone = body["zone"]
        return {}


def _bills(app: FastAPI, almanac: Almanac) -> None:
    def shown(id_: str) -> Body:
        day = almanac.day(almanac.bills[id_])
        year = f"{day:%G}" if "week-year" in almanac.faults else f"{day:%Y}"
        return {"id": id_, "day": str(day), "month": f"{day:%Y-%m}", "number": f"{year}-7"}

    @app.post("/bills", status_code=201)
    def create(request: Request) -> Body:
        id_ = almanac.new()
        almanac.bills[id_] = almanac.now(request)
        return shown(id_)

    @app.get("/bills/{id_}")
    def read(id_: str) -> Body:
        return shown(id_)

    @app.get("/days/{day}")
    def of_day(day: date, request: Request) -> Body:
        rows = [id_ for id_, at in almanac.bills.items() if almanac.on(at, day)]
        if "offset-of-now" in almanac.faults:
            offset = almanac.now(request).astimezone(ZoneInfo(almanac.zone)).utcoffset()
            assert offset is not None
            rows = [id_ for id_, at in almanac.bills.items() if (at + offset).date() == day]
        if "archives" in almanac.faults:
            oldest = almanac.now(request) - 90 * DAY
            rows = [id_ for id_ in rows if almanac.bills[id_] > oldest]
        counted = [at for at in almanac.bills.values() if almanac.day(at, "counts-utc") == day]
        return {"bills": rows, "count": len(counted)}

    @app.get("/months/{month}")
    def of_month(month: str) -> Body:
        return {
            "bills": [
                id_ for id_, at in almanac.bills.items() if f"{almanac.day(at):%Y-%m}" == month
            ]
        }

    @app.get("/export")
    def export(after: date = date.min, before: date = date.max) -> Response:
        rows = (
            f"{one},{almanac.day(at, 'utc-export')}"
            for one, at in almanac.bills.items()
            if after < almanac.day(at) < before
            if "export-drops" not in almanac.faults or at.date() == almanac.day(at)
        )
        return Response("\n".join(["id,day", *rows]), media_type="text/csv")


def _visits(app: FastAPI, almanac: Almanac) -> None:
    @app.put("/open-days/{day}")
    def open_(day: date, body: Body) -> Body:
        until = date.fromisoformat(body["until"])
        almanac.open |= {day + n * DAY for n in range((until - day).days)}
        return {}

    @app.post("/visits", status_code=201)
    def book(body: Body) -> Body:
        local = datetime.fromisoformat(body["local"])
        if body.get("opened") and local.date() not in almanac.open:
            raise HTTPException(422, "closed")
        first, second = almanac.wall(local, 0), almanac.wall(local, 1)
        back = first.astimezone(ZoneInfo(almanac.zone)).replace(tzinfo=None)
        if back != local and "gap-accepted" not in almanac.faults:
            raise HTTPException(422, "no such time")
        fold = body.get("fold")
        if back == local and first != second and fold is None:
            raise HTTPException(422, "which of the two?")
        at = second if fold and "first-of-two" not in almanac.faults else first
        id_ = almanac.new()
        almanac.visits[id_] = local.date()
        return {"id": id_, "at": at.isoformat()}

    @app.get("/visits")
    def of_day(which: str, request: Request) -> list[Body]:
        away = {"yesterday": -1, "today": 0, "tomorrow": 1}[which]
        now = almanac.now(request)
        day = almanac.day(now) + away * DAY
        if "tomorrow-24h" in almanac.faults:
            day = almanac.day(now + away * DAY)
        return [{"id": id_} for id_, at in almanac.visits.items() if at == day]


def _people(app: FastAPI, almanac: Almanac) -> None:
    def kept(text: str, fault: str) -> str:
        if fault not in almanac.faults:
            return text
        midnight = almanac.wall(datetime.combine(date.fromisoformat(text), time()))
        return str(midnight.date())

    @app.post("/people", status_code=201)
    def create(body: Body, request: Request) -> Body:
        id_ = almanac.new()
        almanac.people[id_] = kept(body["born"], "birth-shifted")
        almanac.written[id_] = almanac.day(almanac.now(request))
        return {"id": id_}

    @app.put("/people/{id_}")
    def change(id_: str, body: Body) -> Body:
        almanac.people[id_] = kept(body["born"], "birth-shifted-by-change")
        return {"id": id_}

    @app.post("/people/{id_}/touch")
    def touch(id_: str) -> Body:
        almanac.people[id_] = kept(almanac.people[id_], "birth-shifted-by-touch")
        return {"id": id_}

    @app.get("/people/{id_}")
    def read(id_: str, request: Request) -> Body:
        birth = date.fromisoformat(almanac.people[id_])
        today = almanac.day(almanac.now(request), "age-utc")
        if "age-stored" in almanac.faults:
            today = almanac.written[id_]
        years = today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))
        if "age-365" in almanac.faults:
            years = int((today - birth).days / 365.25)
        return {"born": str(birth), "years": years, "adult": years >= 18}


def _stays(app: FastAPI, almanac: Almanac) -> None:
    @app.post("/stays", status_code=201)
    def begin(request: Request) -> Body:
        id_ = almanac.new()
        almanac.stays[id_] = [almanac.now(request)]
        return {"id": id_}

    @app.post("/stays/{id_}/end")
    def end(id_: str, request: Request) -> Body:
        almanac.stays[id_].append(almanac.now(request))
        return {"id": id_}

    @app.get("/stays/{id_}")
    def read(id_: str) -> Body:
        since, until = almanac.stays[id_]
        first = almanac.day(since)
        nights = (almanac.day(until) - first).days
        if "stay-by-hours" in almanac.faults:
            nights = math.ceil((until - since) / DAY)
        return {"days": [str(first + n * DAY) for n in range(max(1, nights))]}


def _doses(app: FastAPI, almanac: Almanac) -> None:
    def every(now: datetime, hours: int, count: int) -> list[datetime]:
        steps = [n * timedelta(hours=hours) for n in range(count)]
        if "doses-by-wall" not in almanac.faults:
            return [now + step for step in steps]
        local = now.astimezone(ZoneInfo(almanac.zone)).replace(tzinfo=None)
        return [almanac.wall(local + step) for step in steps]

    def daily(now: datetime, at: str, count: int) -> list[datetime]:
        local = datetime.combine(almanac.day(now), time.fromisoformat(at))
        first = almanac.wall(local)
        if first < now:
            local, first = local + DAY, almanac.wall(local + DAY)
        if "doses-by-hours" in almanac.faults:
            return [first + n * DAY for n in range(count)]
        return [almanac.wall(local + n * DAY) for n in range(count)]

    @app.post("/doses", status_code=201)
    def schedule(body: Body, request: Request) -> Body:
        now, count = almanac.now(request), int(body["count"])
        make_: Callable[[], list[datetime]] = (
            (lambda: every(now, int(body["every"]), count))
            if "every" in body
            else (lambda: daily(now, str(body["at"]), count))
        )
        return {"due": [one.isoformat() for one in make_()]}


def _passes(app: FastAPI, almanac: Almanac) -> None:
    @app.post("/passes", status_code=201)
    def create(body: Body, request: Request) -> Body:
        id_, length = almanac.new(), timedelta(seconds=body["seconds"])
        ends = almanac.now(request) + length
        if "pass-by-wall" in almanac.faults:
            local = almanac.now(request).astimezone(ZoneInfo(almanac.zone)).replace(tzinfo=None)
            ends = almanac.wall(local + length)
        almanac.passes[id_] = ends
        return {"id": id_, "ends": ends.isoformat()}

    @app.get("/passes/{id_}")
    def use(id_: str, request: Request) -> Body:
        over = almanac.passes[id_] <= almanac.now(request)
        if over and "pass-for-ever" not in almanac.faults:
            raise HTTPException(404)
        return {"open": True}
