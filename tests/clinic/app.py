"""A very small clinic with two tenants, and faults that tests can switch on.

`python app.py PORT [FAULT...]` serves it; in memory, no dependencies but FastAPI and uvicorn.
"""

from __future__ import annotations

import secrets
import sys
import uuid
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse

PASSWORD = "clinic-password"
ROLES = ("doctor", "clerk")
TENANTS = ("east", "west")
Body = dict[str, Any]
Auth = Annotated[str | None, Header(alias="authorization")]


def make(*faults: str) -> FastAPI:
    """The application; without faults it is sound."""
    app = FastAPI(title="Clinic")
    tokens: dict[str, tuple[str, str]] = {}
    patients: dict[str, Body] = {}
    notes: dict[str, Body] = {}

    def who(authorization: str | None) -> tuple[str, str]:
        found = tokens.get((authorization or "").removeprefix("Bearer "))
        if found is None:
            raise HTTPException(401, "log in first")
        return found

    def patient(identity: str, tenant: str) -> Body:
        found = patients.get(identity)
        if found is None:
            raise HTTPException(404, "not found")
        if found["tenant"] != tenant and "foreign-read" not in faults:
            raise HTTPException(403 if "told-apart" in faults else 404, "not found")
        return found

    def only(role: str, wanted: str) -> None:
        if role != wanted:
            raise HTTPException(403, "your role may not")

    @app.post("/login")
    def login(body: Body) -> Body:
        role, _, tenant = str(body.get("user")).partition("@")
        if role not in ROLES or tenant not in TENANTS or body.get("password") != PASSWORD:
            raise HTTPException(401, "wrong")
        token = secrets.token_urlsafe(24)
        tokens[token] = (role, tenant)
        return {"token": token}

    @app.post("/patients", status_code=201)
    def create(body: Body, authorization: Auth = None) -> Body:
        role, tenant = who(authorization)
        only(role, "clerk")
        made = {**body, "id": str(uuid.uuid4()), "tenant": tenant}
        patients[made["id"]] = made
        return made

    @app.get("/patients")
    def every(authorization: Auth = None) -> Body:
        _role, tenant = who(authorization)
        rows = [one for one in patients.values() if one["tenant"] == tenant]
        total = len(patients) if "count" in faults else len(rows)
        if "foreign-list" in faults:
            rows = list(patients.values())
        return {"items": rows, "total": total}

    @app.get("/patients/{identity}")
    def read(identity: str, authorization: Auth = None) -> Body:
        role, tenant = ("", "") if "unguarded" in faults else who(authorization)
        if "unguarded" in faults and identity in patients:
            return patients[identity]
        found = patient(identity, tenant)
        if role == "clerk" and "unmasked" not in faults:
            return {key: value for key, value in found.items() if key != "alert"}
        return found

    @app.patch("/patients/{identity}")
    def update(identity: str, body: Body, authorization: Auth = None) -> Body:
        role, tenant = who(authorization)
        if "anyone-writes" not in faults:
            if role != "clerk" and "done-and-denied" in faults and identity in patients:
                patients[identity].update(body)
            only(role, "clerk")
        found = patient(identity, tenant)
        if "ignored-write" not in faults:
            found.update(body)
        return found

    @app.delete("/patients/{identity}", status_code=204)
    def delete(identity: str, authorization: Auth = None) -> None:
        role, tenant = who(authorization)
        only(role, "clerk")
        patient(identity, tenant)
        del patients[identity]

    @app.post("/patients/{identity}/notes", status_code=201)
    def write(identity: str, body: Body, authorization: Auth = None) -> Body:
        role, tenant = who(authorization)
        only(role, "doctor")
        patient(identity, tenant)
        if "id-in-body" in faults and body.get("id") in notes:
            notes[body["id"]].update(body)
            return notes[body["id"]]
        made = {"text": body.get("text"), "id": str(uuid.uuid4()), "patient_id": identity}
        notes[made["id"]] = made
        return made

    @app.get("/patients/{identity}/notes/{note}")
    def read_note(identity: str, note: str, authorization: Auth = None) -> Body:
        role, tenant = who(authorization)
        only(role, "doctor")
        patient(identity, tenant)
        found = notes.get(note)
        bound = found is not None and found["patient_id"] == identity
        if found is None or not (bound or "loose-child" in faults):
            raise HTTPException(404, "not found")
        return found

    @app.exception_handler(Exception)
    def failed(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "failed"}, 500)

    if "always-500" in faults or "login-page" in faults or "redirects" in faults:

        @app.middleware("http")
        async def instead(request: Request, call_next: Any) -> Any:
            if request.url.path == "/login":
                return await call_next(request)
            if "always-500" in faults:
                return JSONResponse({"detail": "failed"}, 500)
            if "redirects" in faults:
                return RedirectResponse("http://127.0.0.1:9/elsewhere", 302)
            return PlainTextResponse("<html><form>Log in</form></html>", media_type="text/html")

    return app


if __name__ == "__main__":
    uvicorn.run(make(*sys.argv[2:]), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
