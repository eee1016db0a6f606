"""An apothecary: a tiny system that advises doses of a made-up drug, by a table of its own.

`make(FAULT...)` is an ASGI application, in memory; its sound build keeps every promise of
`target.yaml`. Its doctors are called a moment after the answer, as by a system that sends messages.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation
from itertools import count
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException

from tests.apothecary.faults import checked

Body = dict[str, Any]
Key = Annotated[str | None, Header(alias="X-Key")]
WAYS = {"PO": "mouth", "IV": "vein", "skin": "skin"}
WORDS = {4: "none at all", 3: "less", 2: "less", 1: "less", 0: "as usual"}
DELAY = 0.1


@dataclass
class Shop:
    """What is kept: patients, requests, calls, and the faults."""

    faults: frozenset[str]
    numbers: count[int] = field(default_factory=lambda: count(1))
    patients: dict[int, Body] = field(default_factory=dict)
    requests: dict[int, Body] = field(default_factory=dict)
    calls: list[Body] = field(default_factory=list)

    # --- what is given

    def number(self, given: Any, name: str, step: str, low: int, high: int) -> Decimal:
        """A number on its grid, or a refusal."""
        if isinstance(given, bool) or given is None:
            raise HTTPException(400, f"{name} is missing")
        if "crashes" in self.faults and name == "weight" and isinstance(given, str):
            raise RuntimeError(name)
        if name == "weight" and isinstance(given, str):
            raise HTTPException(400, f"{name} is no number")
        if not re.fullmatch(r"-?\d+(\.\d+)?", str(given)):
            raise HTTPException(400, f"{name} is no number")
        value = Decimal(str(given))
        if not low <= value <= high and not ("anything" in self.faults and name == "clearance"):
            raise HTTPException(400, f"{name} cannot be")
        how = ROUND_DOWN if "cut-off" in self.faults else ROUND_HALF_UP
        return (value / Decimal(step)).quantize(Decimal(1), rounding=how) * Decimal(step)

    def advised(self, body: Body) -> Body:
        """Concern and advice for what is given. Raises HTTPException."""
        clearance = self.number(body.get("kidney", {}).get("clearance"), "clearance", "1", 0, 200)
        way = WAYS.get(str(body.get("way")))
        if way is None:
            raise HTTPException(400, "which way?")
        kg = body.get("kg")
        if kg is None and "assumes" in self.faults:
            kg = 70
        weight = self.number(kg, "weight", "0.5", 30, 150 if "too-strict" in self.faults else 200)
        concern = self.concern(clearance, "mouth" if "ways-alike" in self.faults else way, weight)
        words = {**WORDS, 1: "as usual"} if "word-wrong" in self.faults else WORDS
        return {"concern": concern, "advice": words[min(concern, 4)]}

    def concern(self, clearance: Decimal, way: str, weight: Decimal) -> int:
        """The larger of what the kidneys and the weight give."""
        if way == "mouth":
            severe = clearance <= 15 if "edge" in self.faults else clearance < 15
            kidney = 4 if severe else 2 if clearance < 30 else 1 if clearance < 60 else 0
        else:
            kidney = 4 if clearance <= 15 else 3 if clearance <= 30 else 0
        build = 1 if weight < 50 and "weight-forgotten" not in self.faults else 0
        return kidney + build if "added-up" in self.faults else max(kidney, build)

    # --- what is kept

    def call(self, request: Body) -> None:
        """Have a doctor called if the drug has to be stopped."""
        for one in self.calls:
            one["over"] = one["over"] or one["request"] == request["number"]
        due = request["advice"] == "none at all"
        if "silent" in self.faults or not (due or "calls-all" in self.faults):
            return
        new = {"request": request["number"], "patient": request["patient"], "over": False}
        for _ in range(2 if "calls-twice" in self.faults else 1):
            self.calls.append({**new, "at": time.monotonic() + DELAY})


def make(*names: str) -> FastAPI:
    """The application; without faults it is sound."""
    shop = Shop(checked(names))
    app = FastAPI(title="Apothecary")

    def only(key: str | None, *roles: str) -> None:
        if key not in ("nurse", "doctor"):
            raise HTTPException(401, "who are you?")
        if key not in roles:
            raise HTTPException(403, "not you")

    def known(records: dict[int, Body], number: str) -> Body:
        found = records.get(int(number)) if number.isdigit() else None
        if found is None:
            raise HTTPException(404, "there is none")
        return found

    @app.post("/patients", status_code=201)
    def create(body: Body, key: Key = None) -> Body:
        only(key, "nurse")
        patient: Body = {"id": next(shop.numbers), "name": str(body.get("name"))}
        shop.patients[patient["id"]] = patient
        return patient

    @app.get("/patients/{number}")
    def read(number: str, key: Key = None) -> Body:
        only(key, "nurse", "doctor")
        return known(shop.patients, number)

    @app.post("/patients/{number}/requests", status_code=201)
    def ask(number: str, body: Body, key: Key = None) -> Body:
        only(key, "nurse")
        patient = known(shop.patients, number)
        new = {"number": next(shop.numbers), "patient": patient["id"]}
        given = {name: body.get(name) for name in ("note", "kidney", "kg")}
        request: Body = {**new, **given}
        try:
            request |= shop.advised(body)
        except HTTPException:
            if "kept" in shop.faults:
                shop.requests[request["number"]] = {**request, "concern": None, "advice": None}
            raise
        shop.requests[request["number"]] = request
        shop.call(request)
        return {"asked": request}

    @app.put("/requests/{number}")
    def change(number: str, body: Body, key: Key = None) -> Body:
        only(key, "nurse")
        request = known(shop.requests, number)
        try:
            advised = shop.advised(body)
        except (InvalidOperation, ArithmeticError):
            raise HTTPException(400, "what?") from None
        if "keeps-advice" not in shop.faults:
            request |= {**advised, "kidney": body.get("kidney"), "kg": body.get("kg")}
        shop.call(request)
        return {"asked": request}

    @app.get("/requests/{number}")
    def read_request(number: str, key: Key = None) -> Body:
        only(key, "nurse")
        return {"data": known(shop.requests, number)}

    @app.get("/patients/{number}/requests")
    def list_requests(number: str, key: Key = None) -> Body:
        only(key, "nurse")
        patient = known(shop.patients, number)["id"]
        rows = [one for one in shop.requests.values() if one["patient"] == patient]
        if "list-stale" in shop.faults and rows:
            rows = [{**one, "concern": rows[0]["concern"]} for one in rows]
        if "oldest-first" not in shop.faults:
            rows.sort(key=lambda one: (-(one["concern"] or 0), one["number"]))
        if "columns-swapped" in shop.faults:
            kidneys = [{"clearance": one["kg"]} for one in rows]
            weights = [one["kidney"]["clearance"] for one in rows]
            both = zip(rows, kidneys, weights, strict=True)
            rows = [{**one, "kidney": kidney, "kg": weight} for one, kidney, weight in both]
        return {"rows": rows}

    @app.get("/patients/{number}/calls")
    def list_calls(number: str, key: Key = None) -> list[Body]:
        only(key, "doctor")
        patient = known(shop.patients, number)["id"]
        now = time.monotonic()
        mine = (one for one in shop.calls if one["patient"] == patient and one["at"] <= now)
        return [{name: value for name, value in one.items() if name != "at"} for one in mine]

    return app
