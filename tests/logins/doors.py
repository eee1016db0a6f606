"""Systems that one can log in to: one small application per kind of login, which keeps count.

`GET /me` answers who is logged in, or 401. Each application remembers in `app.state.seen` how
often every path was asked for, and in `app.state.sessions` whose tokens are good.
"""

from __future__ import annotations

import base64
import secrets
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

import pyotp
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

USER, PASSWORD = "ada", "correct-horse-battery"
API_KEY = "key-5b1d77e0c3a94f52"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
Body = dict[str, Any]


class Refused(HTTPException):
    """An answer that lets nobody in."""


def application() -> FastAPI:
    """An application that counts what it is asked for."""
    app = FastAPI()
    app.state.seen = Counter()
    app.state.sessions = {}
    app.state.heard = []

    @app.middleware("http")
    async def counting(request: Request, proceed: Any) -> Any:
        app.state.seen[request.url.path] += 1
        app.state.heard.append(
            {"path": request.url.path, "query": request.url.query, "headers": request.headers}
        )
        return await proceed(request)

    return app


def token_of(app: FastAPI, user: str = USER) -> str:
    """A new token that opens `/me` for the user."""
    token = secrets.token_urlsafe(24)
    app.state.sessions[token] = user
    return token


def knows(app: FastAPI, token: str | None) -> Body:
    """Who it is that holds the token; 401 if nobody does."""
    user = app.state.sessions.get(token)
    if user is None:
        raise Refused(401, "log in first")
    return {"user": user}


def checked(user: object, password: object) -> None:
    """401 unless that is the account."""
    if (user, password) != (USER, PASSWORD):
        raise Refused(401, "wrong")


async def form(request: Request) -> dict[str, str]:
    """The fields of a posted form; 415 for any other body."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise Refused(415, "a form, please")
    fields = parse_qs((await request.body()).decode(), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def basic_pair(request: Request) -> tuple[str, str]:
    """User and password of HTTP Basic; two empty strings if there are none."""
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    if kind != "Basic":
        return "", ""
    user, _, password = base64.b64decode(encoded).decode().partition(":")
    return user, password


def _bearer_me(app: FastAPI) -> None:
    @app.get("/me")
    def me(request: Request) -> Body:
        return knows(app, request.headers.get("authorization", "").removeprefix("Bearer "))


def json_to_bearer() -> FastAPI:
    """POST /login with JSON gives a token."""
    app = application()
    _bearer_me(app)

    @app.post("/login")
    def login(body: Body) -> Body:
        checked(body.get("user"), body.get("password"))
        return {"auth": {"token": token_of(app)}}

    return app


def expiring() -> FastAPI:
    """POST /token with a form gives a token that is soon over, and one to refresh it with once."""
    app = application()
    _bearer_me(app)
    app.state.refreshes = set()
    app.state.lifetime = 3600
    app.state.refresh_status = 200

    def given() -> Body:
        refresh = "refresh-" + secrets.token_urlsafe(18)
        app.state.refreshes.add(refresh)
        return {
            "access_token": token_of(app),
            "expires_in": app.state.lifetime,
            "refresh_token": refresh,
        }

    @app.post("/token")
    async def token(request: Request) -> Body:
        fields = await form(request)
        checked(fields.get("username"), fields.get("password"))
        return given()

    @app.post("/refresh")
    def refresh(body: Body) -> Body:
        if app.state.refresh_status != 200:
            raise Refused(app.state.refresh_status, "not now")
        if body.get("refresh_token") not in app.state.refreshes:
            raise Refused(401, "this refresh token is used up")
        app.state.refreshes.remove(body["refresh_token"])
        return given()

    return app


def http_basic() -> FastAPI:
    """HTTP Basic with every request (RFC 7617)."""
    app = application()

    @app.get("/me")
    def me(request: Request) -> Body:
        user, password = basic_pair(request)
        checked(user, password)
        return {"user": user}

    return app


def api_key() -> FastAPI:
    """A key in a header of every request."""
    app = application()

    @app.get("/me")
    def me(request: Request) -> Body:
        if request.headers.get("x-clinic-key") != API_KEY:
            raise Refused(401, "which key?")
        return {"user": USER, "key": request.headers["x-clinic-key"]}

    return app


def cookie_with_csrf() -> FastAPI:
    """A form with a hidden field, a session cookie, and a CSRF cookie that writes must repeat."""
    app = application()
    app.state.fields = {}

    @app.get("/login")
    def page() -> Response:
        visit, field = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
        app.state.fields[visit] = field
        answer = HTMLResponse(
            f'<form method="post"><input type="hidden" name="csrf_token" value="{field}"></form>'
        )
        answer.set_cookie("visit", visit, httponly=True)
        return answer

    @app.post("/login")
    async def login(request: Request) -> Response:
        fields = await form(request)
        if fields.get("csrf_token") != app.state.fields.get(request.cookies.get("visit")):
            raise Refused(403, "CSRF")
        checked(fields.get("user"), fields.get("password"))
        session, csrf = token_of(app), secrets.token_urlsafe(18)
        app.state.sessions[csrf] = session
        answer = JSONResponse({}, 200)
        answer.set_cookie("session", session, httponly=True)
        answer.set_cookie("csrf", csrf)
        return answer

    @app.get("/me")
    def me(request: Request) -> Body:
        return knows(app, request.cookies.get("session"))

    @app.post("/change")
    def change(request: Request, response: Response) -> Body:
        session = request.cookies.get("session")
        found = knows(app, session)
        if app.state.sessions.get(request.headers.get("x-csrf-token")) != session:
            raise Refused(403, "CSRF")
        # A new value each time, as careful frameworks do it.
        csrf = secrets.token_urlsafe(18)
        del app.state.sessions[request.headers["x-csrf-token"]]
        app.state.sessions[csrf] = session
        response.set_cookie("csrf", csrf)
        return found

    return app


def oauth2() -> FastAPI:
    """A token endpoint with the grants client_credentials and password (RFC 6749)."""
    app = application()
    _bearer_me(app)
    app.state.asked = []
    app.state.lifetime = 3600

    @app.post("/oauth/token")
    async def token(request: Request) -> Response:
        fields = await form(request)
        app.state.asked.append(fields)
        client = basic_pair(request)
        if client == ("", ""):
            client = (fields.get("client_id", ""), fields.get("client_secret", ""))
        if client != ("robot", PASSWORD):
            return JSONResponse({"error": "invalid_client"}, 401)
        user = "robot"
        if fields["grant_type"] == "password":
            if (fields["username"], fields["password"]) != (USER, PASSWORD):
                return JSONResponse(
                    {"error": "invalid_grant", "error_description": "no such account"}, 400
                )
            user = USER
        return JSONResponse(
            {
                "access_token": token_of(app, user),
                "token_type": "Bearer",
                "expires_in": app.state.lifetime,
            }
        )

    return app


def two_steps() -> FastAPI:
    """The password opens a challenge, the current code of a one-time generator a session."""
    app = application()
    _bearer_me(app)
    app.state.challenges = set()

    @app.post("/login")
    def login(body: Body) -> Body:
        checked(body.get("user"), body.get("password"))
        challenge = secrets.token_urlsafe(18)
        app.state.challenges.add(challenge)
        return {"challenge": challenge}

    @app.post("/login/totp")
    def second(body: Body) -> Body:
        good = pyotp.TOTP(SEED).verify(str(body.get("code")), valid_window=1)
        if body.get("challenge") not in app.state.challenges or not good:
            raise Refused(401, "wrong code")
        app.state.challenges.remove(body["challenge"])
        return {"token": token_of(app)}

    return app


def derived_session() -> FastAPI:
    """An RPC login answers an id and a key, out of which the client makes its header."""
    app = application()
    app.state.lifetime = None

    @app.post("/rpc")
    def rpc(body: Body) -> Body:
        user, password = body["params"]
        checked(user, password)
        key = secrets.token_hex(6)
        app.state.sessions[f"{user}:7:{key}"] = user
        return {"result": [7, key]}

    @app.get("/me")
    def me(request: Request) -> Body:
        kind, _, encoded = request.headers.get("x-session", "").partition(" ")
        if kind != "Session":
            raise Refused(401, "log in first")
        return knows(app, base64.b64decode(encoded).decode())

    return app
