"""What lies behind the gate: patients and their teams, links, emergency access, orders."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import Any

from fastapi import APIRouter, HTTPException, Request

from tests.gatehouse.house import Caller, House

Body = dict[str, Any]
YEAR = 31_536_000


def routes(house: House) -> APIRouter:
    """The operations on records."""
    router = APIRouter()
    faults = house.faults
    patients: dict[str, Body] = {}
    glasses: dict[str, Body] = {}
    orders: dict[str, Body] = {}
    links: dict[str, tuple[Caller, str | None]] = {}

    def patient(identity: object, tenant: str) -> Body:
        found = patients.get(str(identity))
        if found is None or found["tenant"] != tenant:
            raise HTTPException(404, "not found")
        return found

    def broken(caller: Caller, found: Body) -> bool:
        """Whether emergency access to the record is open to the caller."""
        for glass in glasses.values():
            held = {
                "glass-for-all": glass["patient"] == found["id"],
                "glass-lasts": glass["until"] > time.time(),
                "glass-outlives": house.sessions[glass["session"]].open,
            }
            mine = glass["by"] == caller.account.name
            if mine and all(kept or fault in faults for fault, kept in held.items()):
                return "glass-shut" not in faults
        return False

    def may_read(caller: Caller, found: Body) -> bool:
        roles = caller.roles[:1] if "first-role-wins" in faults else caller.roles
        if "chief" in roles:
            return "glass-for-everybody" in faults and broken(caller, found)
        if "clerk" in roles and found["tenant"] == caller.tenant:
            return True
        return caller.account.id in found["team"] or broken(caller, found)

    # --- patients and their teams -------------------------------------------------------------

    @router.post("/patients", status_code=201)
    def create(body: Body, request: Request) -> Body:
        caller = house.who(request)
        caller.only("clerk")
        made: Body = {"id": str(uuid.uuid4()), "name": body.get("name"), "tenant": caller.tenant}
        patients[made["id"]] = {**made, "team": [], "former": []}
        return made

    @router.get("/patients/{identity}")
    def read(identity: str, request: Request) -> Body:
        caller = house.who(request)
        found = patients.get(identity)
        border = found is None or found["tenant"] != caller.tenant
        if (
            found is None
            or (border and "glass-across" not in faults)
            or not may_read(caller, found)
        ):
            raise HTTPException(404, "not found")
        return {"id": identity, "name": found["name"]}

    @router.get("/patients")
    def mine(request: Request) -> Body:
        caller = house.who(request)
        caller.only("nurse")
        lists = ("team", "former") if "lists-former" in faults else ("team",)
        rows = [
            {"id": one["id"], "name": one["name"]}
            for one in patients.values()
            if any(caller.account.id in one[kept] for kept in lists)
        ]
        return {"items": rows}

    @router.patch("/patients/{identity}")
    def update(identity: str, body: Body, request: Request) -> Body:
        caller = house.who(request)
        caller.only("nurse")
        found = patient(identity, caller.tenant)
        broke = "glass-writes" in faults and broken(caller, found)
        if caller.account.id not in found["team"] and not broke:
            raise HTTPException(404, "not found")
        found["name"] = body.get("name")
        return {"id": identity, "name": found["name"]}

    @router.post("/patients/{identity}/team/{member}", status_code=204)
    def join(identity: str, member: str, request: Request) -> None:
        caller = house.who(request)
        caller.only("clerk")
        patient(identity, caller.tenant)["team"].append(member)

    @router.delete("/patients/{identity}/team/{member}", status_code=204)
    def leave(identity: str, member: str, request: Request) -> None:
        caller = house.who(request)
        caller.only("clerk")
        team = patient(identity, caller.tenant)["team"]
        patient(identity, caller.tenant)["former"].append(member)
        if "team-for-ever" not in faults:
            team[:] = [one for one in team if one != member]

    # --- what only some roles may see ---------------------------------------------------------

    def rota(caller: Caller) -> Body:
        return {"items": [{"shift": "night shift", "by": caller.account.name}]}

    @router.get("/rota")
    def nurses(request: Request) -> Body:
        caller = house.who(request)
        caller.only("nurse")
        return rota(caller)

    @router.get("/books")
    def clerks(request: Request) -> Body:
        caller = house.who(request)
        caller.only("clerk")
        return {"items": [{"page": "accounts receivable", "by": caller.account.name}]}

    @router.post("/links", status_code=201)
    def link(body: Body, request: Request) -> Body:
        caller = house.who(request)
        caller.only("nurse")
        about = body.get("patient")
        if about is not None and not may_read(caller, patient(about, caller.tenant)):
            raise HTTPException(404, "not found")
        made = secrets.token_urlsafe(24)
        links[made] = (caller, about)
        return {"url": f"/links/{made}"}

    @router.get("/links/{token}")
    def follow(token: str) -> Body:
        if token not in links:
            raise HTTPException(404, "not found")
        maker, about = links[token]
        account = maker.account
        now = Caller(account, maker.session, account.roles, account.tenant)
        right = not account.disabled and "nurse" in account.roles
        right &= about is None or may_read(now, patients[about])
        if not right and "link-goes-on" not in faults:
            raise HTTPException(404, "not found")
        return rota(maker) if about is None else {"name": patients[about]["name"]}

    # --- emergencies --------------------------------------------------------------------------

    @router.post("/glass", status_code=201)
    def break_glass(body: Body, request: Request) -> Body:
        caller = house.who(request)
        if "glass-for-everybody" not in faults:
            caller.only("nurse")
        reasoned = bool(str(body.get("why") or "").strip())
        if not reasoned and "glass-without-reason" not in faults:
            raise HTTPException(422, "say why")
        found = patients.get(str(body.get("patient")))
        if found is None or (found["tenant"] != caller.tenant and "glass-across" not in faults):
            raise HTTPException(404, "not found")
        lasts = YEAR if "glass-long" in faults else min(float(body.get("seconds", 900)), 3600)
        made = {"id": uuid.uuid4().hex, "patient": found["id"], "until": time.time() + lasts}
        glasses[made["id"]] = {
            **made,
            "by": caller.account.name,
            "session": caller.session,
            "tenant": caller.tenant,
        }
        return made

    @router.get("/glass")
    def review(request: Request) -> Body:
        caller = house.who(request)
        caller.only("chief")
        shown = [one for one in glasses.values() if one["tenant"] == caller.tenant]
        return {"items": [] if "glass-unseen" in faults else shown}

    @router.delete("/glass/{identity}", status_code=204)
    def mend(identity: str, request: Request) -> None:
        caller = house.who(request)
        if glasses.get(identity, {}).get("by") != caller.account.name:
            raise HTTPException(404, "not found")
        if "glass-stays" not in faults:
            del glasses[identity]

    # --- two pairs of eyes --------------------------------------------------------------------

    @router.post("/orders", status_code=201)
    def order(body: Body, request: Request) -> Body:
        caller = house.who(request)
        caller.only("nurse")
        made: Body = {"id": str(uuid.uuid4()), "text": body.get("text")}
        orders[made["id"]] = {**made, "by": caller.account.id, "session": caller.session}
        return made

    @router.post("/orders/{identity}/sign")
    def sign(identity: str, request: Request) -> Body:
        caller = house.who(request)
        caller.only("nurse")
        found = orders.get(identity)
        if found is None:
            raise HTTPException(404, "not found")
        same = found["by"] == caller.account.id
        if "signs-elsewhere" in faults:
            same = found["session"] == caller.session
        if same and "signs-own" not in faults:
            raise HTTPException(409, "the same person")
        return {"id": identity, "signed": True}

    return router
