"""A ward: a tiny system about nothing but what several want at one instant.

`make(FAULT...)` is an ASGI application, in memory; its sound build keeps every promise of
`target.yaml`. A fault that needs two at one instant waits between check and write until a second
one has checked, so that it shows in every round whatever the machine.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Response

from tests.ward.faults import checked

Body = dict[str, Any]
Key = Annotated[str | None, Header(alias="X-Key")]
Once = Annotated[str | None, Header(alias="Request-Key")]
Match = Annotated[str | None, Header(alias="If-Match")]
PEOPLE = {f"{role}.{ward}" for role in ("nurse", "nurse2", "clerk") for ward in ("red", "blue")}
PATIENCE = 0.25
"""Seconds for which a faulty check waits for a second one."""
DECIDING = 0.05
"""Seconds until it is decided who of those who asked gets it."""


class Meeting:
    """Where two meet who have checked and not yet written."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._present: dict[str, int] = {}

    def wait(self, place: str) -> bool:
        """Whether a second one came to the place in time."""
        with self._changed:
            self._present[place] = self._present.get(place, 0) + 1
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._present[place] > 1, PATIENCE)


@dataclass
class Ward:
    """What there is, and a lock that makes each operation one step."""

    faults: frozenset[str]
    lock: threading.Lock = field(default_factory=threading.Lock)
    numbering: threading.Lock = field(default_factory=threading.Lock)
    meeting: Meeting = field(default_factory=Meeting)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    beds: dict[str, list[str]] = field(default_factory=dict)
    orders: dict[str, Body] = field(default_factory=dict)
    bills: dict[str, Body] = field(default_factory=dict)
    keys: dict[tuple[str, ...], tuple[str, Body]] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    listed: dict[str, set[str]] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)

    def new(self, kind: str) -> str:
        return f"{kind}{next(self.ids)}"

    @contextlib.contextmanager
    def one_step(self, fault: str) -> Iterator[None]:
        """One after another; with the fault two can be between check and write."""
        if fault in self.faults:
            yield
        else:
            with self.lock:
                yield

    def checked(self, place: str, fault: str) -> bool:
        """Between check and write: with the fault, whether a second one has checked as well."""
        return fault in self.faults and self.meeting.wait(place)


def who(key: str | None) -> str:
    if key not in PEOPLE:
        raise HTTPException(401, "who is it?")
    return key


def make(*names: str) -> FastAPI:
    """The application; without faults it is sound."""
    ward = Ward(checked(names))
    app = FastAPI(title="Ward", openapi_url=None)
    _beds(app, ward)
    _orders(app, ward)
    _bills(app, ward)
    _codes(app, ward)
    _lists(app, ward)
    return app


def _beds(app: FastAPI, ward: Ward) -> None:
    faults = ward.faults

    @app.post("/beds", status_code=201)
    def bed(x_key: Key = None) -> Body:
        who(x_key)
        bed = ward.new("bed")
        ward.beds[bed] = []
        return {"id": bed}

    @app.get("/beds/{bed}")
    def read(bed: str, x_key: Key = None) -> Body:
        who(x_key)
        return {"id": bed, "stays": [{"id": one} for one in ward.beds[bed]]}

    @app.post("/stays", status_code=201)
    def stay(body: Body, x_key: Key = None) -> Body:
        who(x_key)
        return {"id": _lie_down(ward, body["bed"], ward.new("stay"))}

    @app.post("/wishes", status_code=202)
    def wish(body: Body, x_key: Key = None) -> Body:
        who(x_key)
        threading.Timer(DECIDING, _decide, (ward, body["bed"], ward.new("stay"))).start()
        return {"state": "pending"}

    @app.post("/stays/{stay}/move")
    def move(stay: str, body: Body, x_key: Key = None) -> Body:
        who(x_key)
        if "moves-unchecked" in faults:
            ward.beds[body["bed"]].append(stay)
        else:
            _lie_down(ward, body["bed"], stay)
        return {"id": stay}


def _decide(ward: Ward, bed: str, stay: str) -> None:
    """Who asked and was told to wait lies down if the bed is free."""
    with ward.lock:
        if not ward.beds[bed] or "wishes-unchecked" in ward.faults:
            ward.beds[bed].append(stay)


def _lie_down(ward: Ward, bed: str, stay: str) -> str:
    """The stay, when it has the bed; 409 if somebody else does."""
    faults, lies = ward.faults, ward.beds[bed]
    racing = {"checks-first", "told-twice", "nobody", "busy"} & faults
    fault = next(iter(racing), "")
    with ward.one_step(fault):
        taken = bool(lies)
        second = not taken and ward.checked(bed, fault)
        if fault == "nobody" and second:
            raise HTTPException(409, "try again")
        if fault == "busy" and second:
            raise HTTPException(503, "try again")
        if taken:
            if "in-silence" in faults:
                lies.append(stay)
            if "breaks" in faults:
                raise HTTPException(500, "duplicate key")
            raise HTTPException(400 if "other-words" in faults else 409, "taken")
        if fault == "told-twice":
            lies[:] = [stay]
        else:
            lies.append("somebody" if "mistakes" in faults else stay)
    return stay


def _orders(app: FastAPI, ward: Ward) -> None:
    faults = ward.faults

    @app.post("/orders", status_code=201)
    def order(x_key: Key = None) -> Body:
        who(x_key)
        order = ward.new("order")
        ward.orders[order] = {"id": order, "dose": "", "version": 1, "state": "open"}
        return ward.orders[order]

    @app.get("/orders/{order}")
    def read(order: str, response: Response, x_key: Key = None) -> Body:
        who(x_key)
        response.headers["ETag"] = f'"{ward.orders[order]["version"]}"'
        return ward.orders[order]

    @app.put("/orders/{order}")
    def change(order: str, body: Body, if_match: Match = None, x_key: Key = None) -> Body:
        who(x_key)
        found = ward.orders[order]
        if if_match is None and "any-version" not in faults:
            raise HTTPException(428, "which version?")
        with ward.one_step("last-writer"):
            if if_match is not None and if_match != f'"{found["version"]}"':
                raise HTTPException(412, "changed")
            ward.checked(order, "last-writer")
            found |= {"dose": body["dose"], "version": found["version"] + 1}
        return {**found}

    @app.post("/orders/{order}/remarks", status_code=204)
    def remark(order: str, x_key: Key = None) -> None:
        who(x_key)
        if "old-version" not in faults:
            ward.orders[order]["version"] += 1

    @app.post("/orders/{order}/give")
    def give(order: str, x_key: Key = None) -> Body:
        who(x_key)
        late = "given-late" in faults
        return _ends(ward, order, "given", ("open", "stopped") if late else ("open",))

    @app.post("/orders/{order}/stop")
    def stop(order: str, x_key: Key = None) -> Body:
        who(x_key)
        return _ends(ward, order, "stopped", ("open",))


def _ends(ward: Ward, order: str, state: str, before: tuple[str, ...]) -> Body:
    found = ward.orders[order]
    with ward.one_step("given-and-stopped"):
        if found["state"] not in before:
            raise HTTPException(409, found["state"])
        ward.checked(order, "given-and-stopped")
        found["state"] = state
    return {**found}


def _bills(app: FastAPI, ward: Ward) -> None:
    @app.post("/orders/{order}/bills", status_code=201)
    def bill(order: str, body: Body, request_key: Once = None, x_key: Key = None) -> Body:
        person = who(x_key)
        if request_key is None:
            return _bill(ward, person, order, body)
        return _once(ward, person, order, request_key, body)

    @app.get("/orders/{order}/bills")
    def bills(order: str, x_key: Key = None) -> Body:
        who(x_key)
        return {"items": [one for one in list(ward.bills.values()) if one["order"] == order]}


def _once(ward: Ward, person: str, order: str, key: str, body: Body) -> Body:
    faults = ward.faults
    if "key-ignored" in faults:
        return _bill(ward, person, order, body)
    scope = (
        "" if "key-of-ward" in faults else person,
        "" if "key-any-order" in faults else order,
        key,
    )
    with ward.one_step("key-late"):
        kept = ward.keys.get(scope)
        if kept is not None:
            if kept[0] != str(body) and "key-any-body" not in faults:
                raise HTTPException(422, "another body")
            if "burnt-by-retries" in faults:
                _number(ward, person)
            return kept[1]
        ward.checked(key, "key-late")
        made = _bill(ward, person, order, body)
        ward.keys[scope] = (str(body), made)
        return made


def _bill(ward: Ward, person: str, order: str, body: Body) -> Body:
    if not body["text"]:
        if "burnt-by-refusals" in ward.faults:
            _number(ward, person)
        raise HTTPException(422, "for what?")
    number = _number(ward, person)
    made = {"id": ward.new("bill"), "order": order, "text": body["text"], "number": number}
    ward.bills[made["id"]] = made
    return made


def _number(ward: Ward, person: str) -> str:
    series = "" if "shared" in ward.faults else person.rpartition(".")[2]
    last = ward.last.get(series, 0)
    if ward.checked(f"{series} after {last}", "counted"):
        ward.last[series] = last + 1
        return f"B-{last + 1:05d}"
    with ward.numbering:
        last = ward.last.get(series, 0) + (2 if "leaves-out" in ward.faults else 1)
        ward.last[series] = last
        return f"B-{last:05d}"


def _codes(app: FastAPI, ward: Ward) -> None:
    @app.post("/codes", status_code=201)
    def code(x_key: Key = None) -> Body:
        who(x_key)
        code = ward.new("code")
        ward.codes[code] = 1
        return {"code": code}

    @app.post("/codes/use")
    def use(body: Body) -> Body:
        code = body["code"]
        with ward.one_step("spent-twice"):
            if not ward.codes.get(code):
                raise HTTPException(410, "spent")
            ward.checked(code, "spent-twice")
            ward.codes[code] = 0
        return {"welcome": True}


def _lists(app: FastAPI, ward: Ward) -> None:
    @app.post("/lists", status_code=201)
    def make_list(body: Body, x_key: Key = None) -> Body:
        made = ward.new("list")
        ward.listed[made] = {who(x_key), body["whose"]}
        return {"id": made}

    @app.get("/lists/{name}")
    def read(name: str, x_key: Key = None) -> Body:
        if who(x_key) not in ward.listed[name]:
            raise HTTPException(403, "not yours")
        return {"id": name}

    @app.delete("/lists/{name}/people/{person}", status_code=204)
    def take_off(name: str, person: str, x_key: Key = None) -> None:
        who(x_key)
        if person not in ward.listed[name]:
            raise HTTPException(404, "not there")
        if "looks-on" not in ward.faults:
            ward.listed[name].discard(person)
