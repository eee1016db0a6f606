"""A kiosk: a tiny system that keeps the cards of two towns, with an API document that is true.

`make(FAULT...)` is an ASGI application, in memory; its sound build keeps every promise of
`target.yaml` and of its document.
"""

import csv
import html
import io
import itertools
import json
import re
import threading
import traceback
import unicodedata
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, HTTPException, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.security import APIKeyHeader
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from tests.kiosk.faults import checked
from tests.kiosk.unpacking import Unpacking

Row = dict[str, Any]
PEOPLE = {f"{role}.{town}" for role in ("clerk", "guard") for town in ("east", "west")}
LARGEST = 256 * 1024
"""Bytes of a body, after it was unpacked."""
LONGEST_STALL = 30.0
METHODS = {
    "/cards": "GET, POST",
    "/cards/{}": "DELETE, GET, PATCH",
    "/cards/{}/remarks": "GET, POST",
    "/exports": "POST",
    "/imports": "POST",
}


def _written(value: str) -> str:
    value.encode()  # raises ValueError for lone surrogates
    return value


def _day(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("is no date")
    date.fromisoformat(value)
    return value


def _digits(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,4}", value):
        raise ValueError("is no number")
    return value


Text = Annotated[str, AfterValidator(_written)]
Day = Annotated[str, AfterValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Weight = Annotated[float, Field(gt=0, le=500, allow_inf_nan=False)]


class Given(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class NewCard(Given):
    name: Annotated[Text, Field(min_length=1, max_length=200)]
    note: Annotated[Text, Field(max_length=20_000)] = ""
    weight: Weight
    born: Day
    tags: Annotated[list[Annotated[Text, Field(max_length=40)]], Field(max_length=10)] = []


class Change(Given):
    note: Annotated[Text, Field(max_length=20_000)] = ""
    weight: Weight


class NewRemark(Given):
    text: Annotated[Text, Field(min_length=1, max_length=20_000)]


class Card(Given):
    id: str
    name: str
    note: str
    weight: float
    born: str
    tags: list[str]


class Cards(Given):
    items: list[Card]
    total: int


class Remark(Given):
    id: str
    card: str
    text: str


class Remarks(Given):
    items: list[Remark]


class File(Given):
    id: str


class Refusal(Given):
    detail: str


KEY = APIKeyHeader(name="X-Key", auto_error=False)


@dataclass
class Kiosk:
    """What is kept, and the faults."""

    faults: frozenset[str]
    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    cards: dict[str, Row] = field(default_factory=dict)
    remarks: dict[str, Row] = field(default_factory=dict)
    files: dict[str, Row] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def kept(self, text: str) -> str:
        """A text as it is kept."""
        if "breaks-on-nul" in self.faults and "\0" in text:
            raise RuntimeError("there is a NUL")
        for fault, change in TEXTS.items():
            if fault in self.faults:
                text = change(text)
        return text

    def card(self, key: str, number: str) -> Row:
        """The card, if it is of the town of `key`. Raises HTTPException."""
        found = self.cards.get(number)
        strange = found is not None and found["town"] != town_of(key)
        if found is None or (strange and "other-town" not in self.faults):
            raise HTTPException(404, "there is no such card")
        return found

    def new_card(self, key: str, body: NewCard) -> Row:
        if "crashes" in self.faults and body.weight > 400:
            raise RuntimeError("nobody is that heavy")
        if "refuses-long" in self.faults and len(body.note) > 5000:
            raise HTTPException(422, "write less")
        if "refuses-apostrophes" in self.faults and re.search("['’]", body.name):
            raise HTTPException(422, "that is no name")
        if "refuses-single-letters" in self.faults and len(body.name) < 2:
            raise HTTPException(422, "that is no name")
        row: Row = {**body.model_dump(), "id": f"c{next(self.ids)}", "town": town_of(key)}
        row["name"], row["note"] = self.kept(body.name), self.kept(body.note)
        if "counts-names" in self.faults and row["name"].isdecimal():
            row["name"] = str(int(row["name"]))
        if "late" in self.faults:
            threading.Timer(0.5, self.cards.setdefault, (row["id"], row)).start()
        else:
            self.cards[row["id"]] = row
        return row

    def shown(self, row: Row) -> Row:
        """A card without its town."""
        shown = {name: value for name, value in row.items() if name != "town"}
        if "null-for-list" in self.faults and not shown["tags"]:
            shown["tags"] = None
        return shown


TEXTS: dict[str, Callable[[str], str]] = {
    "cuts": lambda text: text[:255],
    "cuts-at-the-edge": lambda text: text[:19_999],
    "drops-marks": lambda text: "".join(one for one in text if not unicodedata.combining(one)),
    "swallows-pipes": lambda text: re.sub(r"[|^~]", "", text),
    "first-segment": lambda text: text.split("\r")[0],
    "unescapes": html.unescape,
    "strips-tags": lambda text: re.sub(r"<[^>]*>", "", text),
    "three-bytes": lambda text: "".join(one for one in text if ord(one) < 0x10000),
}


def town_of(key: str) -> str:
    return key.partition(".")[2]


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Refusal} for status in (400, 401, 403, 413, 415, 422, *statuses)}


def _refused(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)


def make(*names: str) -> Any:
    """The application; without faults it is sound."""
    kiosk = Kiosk(checked(names))
    faults = kiosk.faults
    app = FastAPI(title="Kiosk", docs_url=None, redoc_url=None)
    app.state.kiosk = kiosk
    app.add_middleware(Unpacking, most=LARGEST, faults=faults)

    def anybody(key: Annotated[str | None, Security(KEY)]) -> str:
        if "breaks-on-keys" in faults and not (key or "").isascii():
            raise UnicodeError("what is that key?")
        if key not in PEOPLE or key in kiosk.gone:
            raise HTTPException(401, "who are you?")
        return key

    def clerk(key: Annotated[str, Depends(anybody)]) -> str:
        if not key.startswith("clerk."):
            raise HTTPException(403, "not you")
        return key

    def changer(request: Request, key: Annotated[str, Depends(anybody)]) -> str:
        return key if "done-and-denied" in faults else clerk(key)

    def writer(key: Annotated[str, Depends(anybody)]) -> str:
        names = {row["name"] for row in kiosk.cards.values()}
        named = ("namesake" in faults and key in names) or ("eponym" in faults and "Guard" in names)
        return key if "any-role" in faults or named else clerk(key)

    link = {"operationId": "read_card", "parameters": {"card": "$response.body#/id"}}

    @app.exception_handler(405)
    def other_method(request: Request, _problem: Exception) -> Response:
        shape = re.sub(r"^/(cards|exports)/[^/]+", r"/\1/{}", request.url.path)
        allowed = {"Allow": METHODS.get(shape, "GET")}
        return JSONResponse({"detail": "there is no such method"}, 405, headers=allowed)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, problem: Exception) -> Response:
        if "tells-inside" in faults and request.method == "PATCH":
            return _refused(422, "".join(traceback.format_exception(problem)))
        if "tells-another" in faults and request.method == "PATCH":
            own = town_of(request.headers.get("X-Key", ""))
            others = [row for row in kiosk.cards.values() if row["town"] != own]
            return _refused(422, json.dumps(others[:1]))
        return _refused(422, "that is not as the document says")

    @app.post(
        "/cards",
        status_code=201,
        operation_id="create_card",
        responses={201: {"model": Card, "links": {"read": link}}, **_refusals()},
    )
    def create(body: NewCard, key: Annotated[str, Depends(clerk)]) -> Response:
        with kiosk.lock:
            return JSONResponse(kiosk.shown(kiosk.new_card(key, body)), 201)

    @app.get("/cards", operation_id="list_cards", responses={200: {"model": Cards}, **_refusals()})
    def cards(
        key: Annotated[str, Depends(anybody)],
        limit: Annotated[int, Query(ge=1, le=100), BeforeValidator(_digits)] = 50,
        q: Annotated[str, Query(max_length=2000)] = "",
        month: Annotated[str, Query(pattern=r"^([0-9]{4}-[0-9]{2})?$")] = "",
    ) -> Response:
        if "stalls" in faults and limit == 1:
            kiosk.ended.wait(LONGEST_STALL)
        if "logs-out" in faults and limit == 100:
            kiosk.gone.add(key)
        if "breaks-on-marks" in faults and any(map(unicodedata.combining, q)):
            raise RuntimeError("what is that above the letter?")
        if month and "breaks-on-months" in faults:
            date.fromisoformat(f"{month}-01")
        with kiosk.lock:
            mine = [row for row in kiosk.cards.values() if row["town"] == town_of(key)]
        mine = [row for row in mine if row["born"].startswith(month)]
        rows = [kiosk.shown(row) for row in mine if q in row["name"]]
        if "hides" in faults:
            rows = [row for row in rows if not re.search("[\u200e\u200f]", row["note"])]
        if "shuts-list" in faults and any("\u2028" in row["name"] for row in rows):
            raise RuntimeError("a line in a line")
        if "shuts-list-by-date" in faults and any(row["born"] == "9999-12-31" for row in rows):
            raise OverflowError("there is no tomorrow")
        if "number-as-text" in faults:
            rows = [{**row, "weight": str(row["weight"])} for row in rows]
        return JSONResponse({"items": rows[-limit:], "total": len(rows)})

    @app.get(
        "/cards/{card}",
        operation_id="read_card",
        responses={200: {"model": Card}, **_refusals(404)},
    )
    def read(card: str, key: Annotated[str, Depends(anybody)]) -> Response:
        shown = kiosk.shown(kiosk.card(key, card))
        if "drifts" in faults:
            shown["remark"] = shown.pop("note")
        if "other-type" in faults:
            return PlainTextResponse(json.dumps(shown))
        return JSONResponse(shown)

    @app.patch(
        "/cards/{card}",
        operation_id="change_card",
        responses={200: {"model": Card}, **_refusals(404)},
    )
    def change(card: str, body: Change, key: Annotated[str, Depends(changer)]) -> Response:
        with kiosk.lock:
            row = kiosk.card(key, card)
            row["note"], row["weight"] = kiosk.kept(body.note), body.weight
            clerk(key)
            return JSONResponse(kiosk.shown(row))

    @app.delete(
        "/cards/{card}", operation_id="remove_card", status_code=204, responses=_refusals(404)
    )
    def remove(card: str, key: Annotated[str, Depends(clerk)]) -> Response:
        with kiosk.lock:
            kiosk.card(key, card)
            del kiosk.cards[card]
        return Response(status_code=202 if "other-status" in faults else 204)

    @app.post(
        "/cards/{card}/remarks",
        status_code=201,
        operation_id="write_remark",
        responses={201: {"model": Remark}, **_refusals(404)},
    )
    def remark(card: str, body: NewRemark, key: Annotated[str, Depends(writer)]) -> Response:
        with kiosk.lock:
            kiosk.card(key, card)
            row = {"id": f"r{next(kiosk.ids)}", "card": card, "text": kiosk.kept(body.text)}
            kiosk.remarks[row["id"]] = row
            return JSONResponse(row, 201)

    @app.get(
        "/cards/{card}/remarks",
        operation_id="list_remarks",
        responses={200: {"model": Remarks}, **_refusals(404)},
    )
    def remarks(card: str, key: Annotated[str, Depends(clerk)]) -> Response:
        with kiosk.lock:
            kiosk.card(key, card)
            rows = [row for row in kiosk.remarks.values() if row["card"] == card]
            return JSONResponse({"items": rows})

    @app.post(
        "/exports",
        status_code=201,
        operation_id="create_export",
        responses={201: {"model": File}, **_refusals()},
    )
    def export(key: Annotated[str, Depends(clerk)]) -> Response:
        with kiosk.lock:
            mine = [row for row in kiosk.cards.values() if row["town"] == town_of(key)]
            number = f"f{next(kiosk.ids)}"
            kiosk.files[number] = {"town": town_of(key), "text": _table(mine, faults)}
            return JSONResponse({"id": number}, 201)

    @app.get(
        "/exports/{file}",
        operation_id="read_export",
        response_class=Response,
        responses={
            200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
            **_refusals(404),
        },
    )
    def download(file: str, key: Annotated[str, Depends(clerk)]) -> Response:
        found = kiosk.files.get(file)
        if found is None or found["town"] != town_of(key):
            raise HTTPException(404, "there is no such file")
        return Response(found["text"].encode(), media_type="text/csv")

    @app.post(
        "/imports",
        status_code=201,
        operation_id="import_card",
        responses={201: {"model": Card}, **_refusals()},
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/xml": {"schema": {"type": "string"}}},
            }
        },
    )
    def take_in(
        key: Annotated[str, Depends(clerk)],
        document: Annotated[bytes, Body(media_type="application/xml", include_in_schema=False)],
    ) -> Response:
        try:
            found = {one.tag: one.text or "" for one in _parsed(document, faults)}
            body = NewCard(
                name=found["name"],
                note=found.get("note", ""),
                weight=float(found["weight"]),
                born=found["born"],
            )
        except (ValueError, KeyError, ET.ParseError):
            return _refused(422, "that is no card")
        with kiosk.lock:
            shown = kiosk.shown(kiosk.new_card(key, body))
        return JSONResponse({"id": shown["id"]} if "reads-files" in faults else shown, 201)

    if "any-method" in faults:

        @app.put("/cards/{card}", include_in_schema=False)
        def anything(card: str, key: Annotated[str, Depends(anybody)]) -> Response:
            return JSONResponse({"card": card})

    return app


def _parsed(document: bytes, faults: frozenset[str]) -> ET.Element:
    """The document; one that declares entities is refused."""
    text = document.decode()
    if "<!DOCTYPE" in text:
        if not faults & {"expands", "fetches", "reads-files"}:
            raise ValueError("declares entities")
        text = _expanded(text, faults)
    return ET.fromstring(text)


def _expanded(text: str, faults: frozenset[str]) -> str:
    """The document with its entities replaced, as a careless parser does it."""
    outside = re.findall(r'<!ENTITY\s+(\w+)\s+SYSTEM\s+"([^"]*)"', text)
    inside = dict(re.findall(r'<!ENTITY\s+(\w+)\s+"([^"]*)"', text))
    text = re.sub(r"<!DOCTYPE.*?\]>", "", text, count=1, flags=re.DOTALL)
    if faults & {"fetches", "reads-files"}:
        schemes = ("file:",) if "reads-files" in faults else ("file:", "http:")
        for name, url in outside:
            if not url.startswith(schemes):
                continue
            with urllib.request.urlopen(url, timeout=2) as answer:
                inside[name] = html.escape(answer.read().decode("utf-8", "replace"))
    for _ in range(20):
        longer = re.sub(r"&(\w+);", lambda one: inside.get(one[1], one[0]), text)
        if longer == text or len(longer) > 1_000_000:
            text = longer
            break
        text = longer
    if len(text) > 1_000_000:
        raise MemoryError if "expands" in faults else ValueError
    return text


def _table(rows: list[Row], faults: frozenset[str]) -> str:
    """Cards as CSV; what a spreadsheet would calculate is marked as text."""
    out = io.StringIO()
    writer = csv.writer(out)
    names = ("id", "name", "note", "weight", "born")
    writer.writerow(names)
    for row in rows:
        cells = [str(row[name]) for name in names]
        if "live-formulas" not in faults:
            blank = "" if "formulas-after-blanks" in faults else r"\s*"
            cells = [f"'{one}" if re.match(rf"{blank}[=+\-@]", one) else one for one in cells]
        writer.writerow(cells)
    return out.getvalue()
