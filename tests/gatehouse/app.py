"""A gatehouse: a tiny hospital about nothing but who comes in, and for how long.

`make(FAULT...)` is an ASGI application, in memory; its sound build keeps every promise of
`target.yaml`. The clinic beside it is about records.
"""

from __future__ import annotations

import secrets
from typing import Any

import pyotp
from fastapi import FastAPI, HTTPException, Request, Response

from tests.gatehouse import records, tokens
from tests.gatehouse.faults import checked
from tests.gatehouse.house import COOKIE, House

Body = dict[str, Any]


def make(*names: str) -> FastAPI:
    """The application; without faults it is sound."""
    faults = checked(names)
    house = House(faults)
    app = FastAPI(title="Gatehouse", openapi_url=None)
    app.include_router(records.routes(house))
    _logins(app, house)
    _accounts(app, house)
    return app


def _logins(app: FastAPI, house: House) -> None:
    """Logging in, staying in, going out."""
    faults = house.faults

    @app.post("/login")
    def login(body: Body, request: Request) -> Body:
        account = house.password(body, request)
        return house.half(account) if account.totp else house.give(house.session(account), account)

    @app.post("/code")
    def code(body: Body) -> Body:
        account = house.halves.get(str(body.get("half")))
        if account is None:
            raise HTTPException(401, "wrong")
        house.code(account, body.get("code"))
        return house.give(house.session(account), account)

    @app.post("/desk")
    def desk(body: Body, request: Request, response: Response) -> Body:
        account = house.password(body, request)
        if account.totp and "desk-without-code" not in faults:
            house.code(account, body.get("code"))
        brought = request.cookies.get(COOKIE)
        session = house.session(account)
        cookie = brought if brought and "adopts-cookie" in faults else session
        house.cookies[cookie] = session
        house.pages[session] = secrets.token_urlsafe(24)
        response.set_cookie(COOKIE, cookie, httponly=True, secure=True, samesite="strict")
        return {"page": house.pages[session]}

    @app.post("/refresh")
    def refresh(body: Body, request: Request) -> Body:
        return house.renew(str(body.get("refresh_token")), house.told(request))

    @app.post("/logout", status_code=204)
    def logout(request: Request) -> None:
        caller = house.who(request)
        if "logout-does-nothing" not in faults:
            house.sessions[caller.session].open = False

    @app.get("/keys")
    def keys() -> Body:
        return tokens.published()

    @app.get("/me")
    def me(request: Request) -> Body:
        caller = house.who(request)
        return {"id": caller.account.id, "user": caller.account.name, "tenant": caller.tenant}


def _accounts(app: FastAPI, house: House) -> None:
    """How accounts come, change and end."""
    faults = house.faults

    @app.post("/users", status_code=201)
    def create(body: Body, request: Request) -> Body:
        caller = house.who(request)
        caller.only("chief")
        roles = list(body["roles"])
        totp = pyotp.random_base32() if "chief" in roles else None
        made = house.add(str(body["user"]), str(body["password"]), caller.tenant, roles, totp)
        return {"id": made.id, "totp": totp}

    @app.put("/users/{identity}/roles", status_code=204)
    def change(identity: str, body: Body, request: Request) -> None:
        house.who(request).only("chief")
        house.by_id(identity).roles = list(body["roles"])

    @app.post("/users/{identity}/disable", status_code=204)
    def disable(identity: str, request: Request) -> None:
        house.who(request).only("chief")
        house.by_id(identity).disabled = True

    @app.post("/password", status_code=204)
    def password(body: Body, request: Request) -> None:
        account = house.who(request).account
        if body.get("old") not in account.passwords:
            raise HTTPException(403, "wrong")
        kept = account.passwords if "old-password-works" in faults else []
        account.passwords = [*kept, str(body["new"])]
        if "password-keeps-sessions" not in faults:
            house.end_all(account)

    @app.post("/reset", status_code=202)
    def reset(body: Body) -> Body:
        if "resets-told" in faults and str(body.get("user")) not in house.accounts:
            raise HTTPException(404, "nobody has that name")
        return {}

    @app.post("/join", status_code=202)
    def join(body: Body) -> Body:
        if "joins-told" in faults and str(body.get("user")) in house.accounts:
            raise HTTPException(409, "somebody has that name")
        return {}
