"""A very small clinic with two tenants, and faults that tests can switch on.

`python -m tests.clinic PORT [FAULT...]` serves it; in memory, no dependencies but FastAPI and
uvicorn. Its sound build keeps every promise of `target.yaml`.
"""

from __future__ import annotations

import asyncio
import base64
import os
import traceback
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from tests.clinic import appointments, hidden, notes, patients, trail, travelling
from tests.clinic.faults import checked
from tests.clinic.records import PASSWORD, RESETS, ROLES, Auth, Body, Records

Next = Callable[[Request], Awaitable[Response]]
PATIENCE = 50
PAUSE = 0.03
ELSEWHERE = "http://127.0.0.1:9"
REFUSED: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "Refused",
        "content": {"application/json": {"schema": {"required": ["detail"]}}},
    }
}


def make(
    *names: str, elsewhere: str = ELSEWHERE, password: str = PASSWORD, recorded: bool = False
) -> FastAPI:
    """The application; without faults it is sound. Redirects lead to the origin `elsewhere`.

    If `recorded` it keeps an audit trail.
    """
    faults = checked(names)
    records = Records(faults, password)
    app = FastAPI(title="Clinic", responses=REFUSED)
    app.state.records = records

    @app.post("/login")
    def login(body: Body) -> Body:
        return {"token": records.log_in(body)}

    @app.post("/reset", status_code=202, include_in_schema=False)
    def reset(body: Body) -> Body:
        user = str(body.get("user"))
        known = user.partition("@")[0] in ROLES
        if known or "resets-unlimited" not in faults:
            records.limit(f"reset {user}", RESETS)
        return {}

    @app.post("/desk", include_in_schema=False)
    def desk(body: Body, response: Response) -> Body:
        cookie = travelling.session_cookie(records.log_in(body), faults)
        response.headers["Set-Cookie"] = cookie
        return {}

    app.include_router(hidden.routes(records))
    app.include_router(patients.routes(records))
    app.include_router(notes.routes(records))
    app.include_router(appointments.routes(records))
    if "new-route" in faults:

        @app.get("/payroll")
        def payroll(authorization: Auth = None) -> Body:
            records.who(authorization)
            return {}

    _errors(app, faults)
    _manners(app, faults, elsewhere)
    if recorded:
        trail.record(app, records)
    return app


def _errors(app: FastAPI, faults: frozenset[str]) -> None:
    """How errors are answered."""

    def told(error: Exception) -> str:
        return "".join(traceback.format_exception(error))

    @app.exception_handler(Exception)
    def failed(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": told(error) if "crash-trace" in faults else "failed"}, 500)

    @app.exception_handler(RequestValidationError)
    def rejected(_request: Request, _error: RequestValidationError) -> JSONResponse:
        try:
            raise ValueError("body")
        except ValueError as error:
            shown = told(error) if "stack-trace" in faults else "the request is wrong"
        return JSONResponse({"detail": shown}, 422)

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> JSONResponse:
        if "echoes" in faults:
            return JSONResponse({"detail": _echo(request)}, error.status_code)
        if "errors-as-200" in faults:
            return JSONResponse({"error": {"code": error.status_code, "says": error.detail}}, 200)
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)


def _echo(request: Request) -> list[str]:
    """The credential of a request in the spellings in which a careless log might keep it."""
    sent = request.headers.get("authorization", "")
    encoded = base64.b64encode(sent.encode()).decode()
    return [sent, encoded, quote(sent), sent.encode().hex()]


def _manners(app: FastAPI, faults: frozenset[str], elsewhere: str) -> None:
    """What happens to every request and answer, whatever it is about."""
    requests = count(1)
    tags: set[str | None] = set()

    @app.middleware("http")
    async def around(request: Request, proceed: Next) -> Response:
        if request.url.path in {"/login", "/desk"}:
            return await proceed(request)
        if "forgetful" in faults and next(requests) > PATIENCE:
            os._exit(1)
        if "slow" in faults:
            await asyncio.sleep(PAUSE)
        if "always-500" in faults:
            return JSONResponse({"detail": "failed"}, 500)
        if "redirects" in faults:
            return RedirectResponse(elsewhere + request.url.path, 302)
        if "login-page" in faults:
            return HTMLResponse("<html><form>Log in</form></html>")
        if travelling.preflight(request):
            answer = Response(status_code=204)
            travelling.dress(request, answer, faults)
            return answer
        held = request.headers.get("if-none-match")
        if "asked-first" in faults and held and held in tags:
            return Response(status_code=304)
        travelling.taken(request.scope, faults)
        answer = await travelling.conditional(request, await proceed(request))
        tags.add(answer.headers.get("etag"))
        travelling.dress(request, answer, faults)
        if "server-version" in faults:
            answer.headers["Server"] = "clinicd/1.2.3"
        return answer
