"""A lodge: a tiny system about nothing but books that balance and outlive a crash.

`make(PATH, FAULT...)` is an ASGI application whose books are a SQLite file; its sound build keeps
every promise of `target.yaml`. What a fault puts off is written `LATER` seconds afterwards, so that
a crash always comes before some of it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException

from tests.lodge.faults import checked

Body = dict[str, Any]
Key = Annotated[str | None, Header(alias="X-Key")]
Request = Annotated[str | None, Header(alias="X-Request")]
LATER = 0.4
_PAGE = 50
_COLUMNS = {
    "guest": "id text, house text, name text",
    "stay": "id text, house text, guest text, room text",
    "bill": "id text, house text, guest text, amount text",
    "chore": "id text, house text, stay text",
    "entry": "id text, house text, who text, what text",
}
_TABLES = "".join(
    f"create table if not exists {name} ({columns}, at integer primary key);"
    for name, columns in _COLUMNS.items()
)


@dataclass(frozen=True)
class Row:
    """A row to be written, and the fault that puts it off."""

    table: str
    values: tuple[Any, ...]
    later: str | None = None


@dataclass
class Books:
    """The books, one write at a time, and what is still to be written into them."""

    path: Path
    faults: frozenset[str]
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: deque[tuple[float, Row]] = field(default_factory=deque)
    asked: int = 0
    lagging: int = 0

    def __post_init__(self) -> None:
        self.connection = sqlite3.connect(self.path, check_same_thread=False)
        self.connection.executescript(_TABLES)
        threading.Thread(target=self._catch_up, daemon=True).start()

    def _catch_up(self) -> None:
        while True:
            time.sleep(0.02)
            now = time.monotonic()
            while self.waiting and self.waiting[0][0] <= now:
                self._insert([self.waiting.popleft()[1]])

    def write(self, *rows: Row) -> None:
        """All rows in one transaction, but for those that a fault puts off."""
        self._insert([row for row in rows if row.later not in self.faults])
        for row in rows:
            if row.later in self.faults:
                self.waiting.append((time.monotonic() + LATER, row))

    def _insert(self, rows: list[Row]) -> None:
        with self.lock, self.connection as books:
            for row in rows:
                marks = ", ".join("?" for _ in row.values)
                books.execute(f"insert into {row.table} values ({marks}, null)", row.values)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.lock:
            return self.connection.execute(query, values).fetchall()

    def one(self, query: str, *values: Any) -> tuple[Any, ...]:
        found = self.rows(query, *values)
        if not found:
            raise HTTPException(404)
        return found[0]


def house_of(key: str | None) -> str:
    """The house of whoever has the key."""
    if key not in {"keeper.lake", "keeper.hill"}:
        raise HTTPException(401)
    return key.partition(".")[2]


def make(path: Path, *names: str) -> FastAPI:
    """The application; without faults it is sound."""
    books = Books(path, checked(names))
    app = FastAPI(title="Lodge", openapi_url=None)

    @app.get("/")
    def ready() -> Body:
        return {"up": True}

    _guests(app, books)
    _bills(app, books)
    _report(app, books)
    return app


def _entry(request: str | None, house: str, what: str) -> Row:
    return Row("entry", (request or "-", house, f"keeper.{house}", what), later="entries-later")


def _guests(app: FastAPI, books: Books) -> None:
    @app.post("/guests", status_code=201)
    def create(body: Body, x_key: Key = None, x_request: Request = None) -> Body:
        house, id_ = house_of(x_key), uuid.uuid4().hex
        entry = _entry(x_request, house, "guest.create")
        books.write(Row("guest", (id_, house, body["name"])), entry)
        return {"id": id_, "name": body["name"]}

    @app.get("/guests/{id_}")
    def read(id_: str, x_key: Key = None) -> Body:
        query = "select id, name from guest where id = ? and house = ?"
        return dict(zip(("id", "name"), books.one(query, id_, house_of(x_key)), strict=True))

    @app.post("/stays", status_code=201)
    def begin(body: Body, x_key: Key = None, x_request: Request = None) -> Body:
        house, id_, guest = house_of(x_key), uuid.uuid4().hex, str(body["guest"])
        if "orphans" in books.faults:
            guest = uuid.uuid4().hex
        room = f"room {id_}"
        books.write(
            Row("stay", (id_, house, guest, room)),
            Row("chore", (uuid.uuid4().hex, house, id_), later="tells-later"),
            _entry(x_request, house, "stay.create"),
        )
        return {"id": id_, "guest": guest, "room": room}

    @app.get("/stays/{id_}")
    def stay(id_: str, x_key: Key = None) -> Body:
        query = "select id, guest, room from stay where id = ? and house = ?"
        found = books.one(query, id_, house_of(x_key))
        return dict(zip(("id", "guest", "room"), found, strict=True))

    @app.get("/stays")
    def stays(after: int = 0, x_key: Key = None) -> Body:
        query = (
            "select id, guest, room, at from stay where house = ? and at > ? order by at limit ?"
        )
        rows = books.rows(query, house_of(x_key), after, _PAGE)
        crowded = "crowded" in books.faults
        shown = [
            {"id": one, "guest": guest, "room": "room 1" if crowded else room}
            for one, guest, room, _ in rows
        ]
        return {"rows": shown, "next": rows[-1][3] if len(rows) == _PAGE else None}

    @app.get("/chores")
    def chores(stay: str, x_key: Key = None) -> Body:
        query = "select id from chore where stay = ? and house = ?"
        return {"rows": [{"id": one} for (one,) in books.rows(query, stay, house_of(x_key))]}

    @app.get("/trail")
    def trail(request: str | None = None, x_key: Key = None) -> Body:
        query = "select id, who, what, at from entry where house = ? and (? is null or id = ?)"
        rows = books.rows(query, house_of(x_key), request, request)
        names = ("request", "who", "what", "id")
        return {"rows": [dict(zip(names, row, strict=True)) for row in rows]}


def _bills(app: FastAPI, books: Books) -> None:
    @app.post("/bills", status_code=201)
    def create(body: Body, x_key: Key = None, x_request: Request = None) -> Body:
        house, id_ = house_of(x_key), uuid.uuid4().hex
        amount = f"{Decimal(str(body['amount'])) / 10:.2f}"
        bill = Row("bill", (id_, house, str(body["guest"]), amount), later="answers-first")
        books.write(bill, _entry(x_request, house, "bill.create"))
        return {"id": id_, "amount": amount}

    @app.get("/bills/{id_}")
    def read(id_: str, x_key: Key = None) -> Body:
        query = "select id, amount from bill where id = ? and house = ?"
        return dict(zip(("id", "amount"), books.one(query, id_, house_of(x_key)), strict=True))

    @app.get("/bills")
    def bills(after: int = 0, x_key: Key = None) -> Body:
        query = "select id, amount, at from bill where house = ? and at > ? order by at limit ?"
        rows = books.rows(query, house_of(x_key), after, _PAGE)
        shown = [{"id": one, "amount": amount} for one, amount, _ in rows]
        return {"rows": shown, "next": rows[-1][2] if len(rows) == _PAGE else None}


def _report(app: FastAPI, books: Books) -> None:
    @app.get("/report")
    def report(x_key: Key = None) -> Body:
        house = house_of(x_key)
        query = "select amount from bill where house = ? order by at"
        amounts = [amount for (amount,) in books.rows(query, house)]
        if "report-skips" in books.faults:
            amounts = amounts[1:]
        billed: Any = f"{sum(map(Decimal, amounts), Decimal(0)):.2f}"
        if "report-rounds" in books.faults:
            billed = sum(map(float, amounts)) + 0.001 * bool(amounts)
        counted = len(amounts)
        if "count-lags" in books.faults:
            counted, books.lagging = books.lagging, counted
        books.asked += 1
        if "restless" in books.faults:
            counted += books.asked
        stays = len(books.rows("select id from stay where house = ?", house))
        return {"bills": counted, "billed": billed, "stays": stays}
