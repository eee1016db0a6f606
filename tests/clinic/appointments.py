"""Appointments: paged with a cursor, counted in a header, cancelled many at a time."""

from __future__ import annotations

import base64
import json
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response

from tests.clinic.records import Auth, Body, Records, Tenant

MOST = 4
"""Rows on a page."""
Rows = Annotated[int, Query(json_schema_extra={"minimum": 1})]


def _cursor(tenant: str, start: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([tenant, start]).encode()).decode()


def _read_cursor(cursor: str) -> tuple[str, int]:
    try:
        tenant, start = json.loads(base64.urlsafe_b64decode(cursor))
        return str(tenant), int(start)
    except (ValueError, TypeError):
        raise HTTPException(422, "no such cursor") from None


def routes(records: Records) -> APIRouter:
    """The operations on appointments."""
    router = APIRouter()
    faults, appointments = records.faults, records.appointments

    def mine(identity: object, tenant: str) -> Body:
        found = appointments.get(str(identity))
        if found is None or found["tenant"] != tenant:
            raise HTTPException(404, "not found")
        return found

    @router.post("/appointments", status_code=201)
    def book(
        body: Body, response: Response, authorization: Auth = None, x_tenant: Tenant = None
    ) -> Body:
        role, tenant = records.who(authorization, x_tenant)
        records.only(role, "clerk")
        patient = str(body.get("patient_id"))
        if "foreign-reference" not in faults or patient not in records.patients:
            records.patient(patient, tenant)
        identity = records.identity()
        made = {
            "id": identity,
            "tenant": tenant,
            "patient_id": patient,
            "reason": body.get("reason"),
            "state": "booked",
        }
        appointments[identity] = made
        token = (authorization or "").removeprefix("Bearer ")
        asked = f"?token={token}" if "token-in-location" in faults else ""
        response.headers["Location"] = f"/appointments/{identity}{asked}"
        return made

    @router.get("/appointments")
    def every(
        response: Response,
        limit: Rows = 50,
        cursor: str | None = None,
        authorization: Auth = None,
        x_tenant: Tenant = None,
    ) -> Body:
        _role, tenant = records.who(authorization, x_tenant)
        if "endless-page" not in faults:
            limit = min(limit, MOST)
        if limit < 1 and "minus-one" not in faults:
            raise HTTPException(422, "a page has rows")
        limit = len(appointments) if limit < 1 else limit
        start, whose = 0, tenant
        if cursor is not None:
            whose, start = _read_cursor(cursor)
            if whose != tenant and "loose-cursor" not in faults:
                raise HTTPException(422, "no such cursor")
        rows = records.of(appointments, whose)
        if "page-two" in faults and start:
            rows += [one for one in appointments.values() if one["tenant"] != whose]
        counted = appointments if "count-in-header" in faults else rows
        response.headers["X-Total-Count"] = str(len(counted))
        following = _cursor(whose, start + limit) if start + limit < len(rows) else None
        return {"items": rows[start : start + limit], "next": following}

    if "gone-route" not in faults:

        @router.get("/appointments/{identity}")
        def read(identity: str, authorization: Auth = None, x_tenant: Tenant = None) -> Body:
            _role, tenant = records.who(authorization, x_tenant)
            return mine(identity, tenant)

    @router.post("/appointments/cancel")
    def cancel(body: Body, authorization: Auth = None, x_tenant: Tenant = None) -> Body:
        role, tenant = records.who(authorization, x_tenant)
        records.only(role, "clerk")
        ids = body.get("ids")
        if not isinstance(ids, list) or not ids:
            raise HTTPException(422, "name the appointments")
        if "first-id-only" in faults:
            mine(ids[0], tenant)
            chosen = [appointments[str(one)] for one in ids if str(one) in appointments]
        else:
            chosen = [mine(one, tenant) for one in ids]
        for one in chosen:
            one["state"] = "cancelled"
        return {"cancelled": len(chosen)}

    return router
