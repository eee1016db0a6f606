"""How the clinic's answers travel: caching, content, origins, and where credentials are taken."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request, Response
from starlette.datastructures import Headers

PORTAL = "https://portal.clinic.example"
COOKIE = "clinic"


def taken(scope: MutableMapping[str, Any], faults: frozenset[str]) -> None:
    """Take the credential from the session cookie where no header has it."""
    headers = Headers(scope=scope)
    if "authorization" in headers:
        return
    cookies = dict(one.strip().partition("=")[::2] for one in headers.get("cookie", "").split(";"))
    found = cookies.get(COOKIE)
    if "query-token" in faults:
        asked = parse_qs(scope["query_string"].decode())
        found = found or next((asked[name][0] for name in ("access_token",) if name in asked), None)
    if found:
        scope["headers"] = [*scope["headers"], (b"authorization", f"Bearer {found}".encode())]


def session_cookie(token: str, faults: frozenset[str]) -> str:
    """The cookie that a browser's login sets."""
    attributes = {
        "HttpOnly": "script-cookie",
        "Secure": "plain-cookie",
        "SameSite=Strict": "cross-site-cookie",
    }
    kept = [name for name, fault in attributes.items() if fault not in faults]
    return "; ".join([f"{COOKIE}={token}", "Path=/", *kept])


async def conditional(request: Request, answer: Response) -> Response:
    """The answer with a validator, or 304 to whoever has this one already."""
    if request.method != "GET" or answer.status_code != 200:
        return answer
    body = b"".join([part async for part in answer.body_iterator])  # type: ignore[attr-defined]
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {**dict(answer.headers), "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        headers.pop("content-length", None)
        return Response(status_code=304, headers=headers)
    return Response(body, answer.status_code, headers)


def preflight(request: Request) -> bool:
    """Whether a browser asks what a page may do."""
    asked = request.headers.get("access-control-request-method")
    return request.method == "OPTIONS" and asked is not None


def dress(request: Request, answer: Response, faults: frozenset[str]) -> None:
    """Put on the answer what browsers and caches must know."""
    fields = answer.headers
    path = request.url.path
    fields["Cache-Control"] = "no-store"
    if "stored" in faults and path.startswith("/patients/"):
        fields["Cache-Control"] = "private, max-age=60"
        fields["Vary"] = "Authorization, Cookie"
    if "shared-cache" in faults and path == "/appointments":
        fields["Cache-Control"] = "public, max-age=60"
    if "sniffable" not in faults or answer.status_code != 404:
        fields["X-Content-Type-Options"] = "nosniff"
    if "json-as-page" in faults and path == "/patients":
        fields["Content-Type"] = "text/html"
    if "token-in-link" in faults and path == "/appointments":
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        fields["Link"] = f"</appointments?token={token}>; rel=next"
    _cross_origin(request, answer, faults)


def _cross_origin(request: Request, answer: Response, faults: frozenset[str]) -> None:
    origin = request.headers.get("origin")
    allowed = origin == PORTAL and "closed-origin" not in faults
    if origin is not None:
        allowed |= "any-origin" in faults
        allowed |= "null-origin" in faults and origin == "null"
        allowed |= "origin-by-ending" in faults and origin.endswith("portal.clinic.example")
    if allowed and origin is not None:
        answer.headers["Access-Control-Allow-Origin"] = origin
        answer.headers["Access-Control-Allow-Credentials"] = "true"
        if preflight(request):
            answer.headers["Access-Control-Allow-Methods"] = "GET, POST, PATCH, DELETE"
            answer.headers["Access-Control-Allow-Headers"] = "authorization"
    if "unvaried-origin" not in faults:
        answer.headers.append("Vary", "Origin")
