"""The clinic's audit trail: an entry for every request, read by clerks, changed by nobody."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI, HTTPException, Request, Response

from tests.clinic.records import Auth, Body, Records

Next = Callable[[Request], Awaitable[Response]]
HEADER = "X-Request-Id"
PAGE = 40
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}")
_ID = r"[0-9a-f]{8}-[0-9a-f-]{27}"
_WORDS = {"POST": "create", "PATCH": "change", "DELETE": "delete"}


def record(app: FastAPI, records: Records) -> None:
    """Have every request to `app` leave an entry, and serve the trail at /audit."""
    faults = records.faults
    rows: list[Body] = []
    patients: dict[str, str] = {}

    def shown(tenant: str | None, asked: dict[str, str]) -> Body:
        """A page of a trail, oldest first."""
        found = [row for row in rows if row["tenant"] == tenant or "foreign-trail" in faults]
        if "correlation" in asked:
            found = [row for row in found if row["correlation"] == asked["correlation"]]
        if "since" in asked:
            found = [row for row in found if row["at"] >= asked["since"].rstrip("Z")]
        start = int(asked.get("start", 0))
        following = start + PAGE if start + PAGE < len(found) else None
        return {"rows": found[start : start + PAGE], "next": following}

    @app.get("/audit", include_in_schema=False)
    def read(request: Request, authorization: Auth = None) -> Body:
        role, tenant = records.who(authorization)
        if "open-trail" not in faults:
            records.only(role, "clerk")
        return shown(tenant, dict(request.query_params))

    @app.get("/audit-of-nobody", include_in_schema=False)
    def read_of_nobody(request: Request, authorization: Auth = None) -> Body:
        role, _tenant = records.who(authorization)
        records.only(role, "clerk")
        return shown(None, dict(request.query_params))

    if "addable" in faults:

        @app.post("/audit", status_code=201, include_in_schema=False)
        def add(body: Body, authorization: Auth = None) -> Body:
            records.who(authorization)
            rows.append(body)
            return body

    if "removable" in faults:

        @app.delete("/audit/{identity}", status_code=204, include_in_schema=False)
        def remove(identity: str, authorization: Auth = None) -> None:
            records.who(authorization)
            rows[:] = [row for row in rows if row["id"] != identity]

    if "editable" in faults:

        @app.patch("/audit/{identity}", include_in_schema=False)
        def edit(identity: str, body: Body, authorization: Auth = None) -> Body:
            records.who(authorization)
            found = next((row for row in rows if row["id"] == identity), None)
            if found is None:
                raise HTTPException(404, "not found")
            found["actor"] = body.get("actor")
            return found

    @app.middleware("http")
    async def around(request: Request, proceed: Next) -> Response:
        given = request.headers.get(HEADER)
        raw = "raw-id" in faults
        kept = given if given and (_WELL_FORMED.fullmatch(given) or raw) else uuid.uuid4().hex
        body = await request.body()
        answer = await proceed(request)
        content = b"".join([part async for part in answer.body_iterator])  # type: ignore[attr-defined]
        replied = Response(content, answer.status_code)
        replied.raw_headers = [
            *answer.raw_headers,
            (HEADER.lower().encode(), kept.encode("latin-1")),
        ]
        enter(request, kept, body.decode("utf-8", "replace"), replied)
        return replied

    def enter(request: Request, kept: str, body: str, answer: Response) -> None:
        row = entry(request, kept, body, answer)
        reads = request.method == "GET" and request.url.path.startswith("/patients")
        if "unrecorded-read" in faults and reads and answer.status_code == 200:
            return
        if "unrecorded-refusal" in faults and answer.status_code == 403:
            return
        if "one-entry-per-id" in faults:
            rows[:] = [one for one in rows if one["correlation"] != kept]
        rows.append(row)
        if "recorded-twice" in faults and request.method == "PATCH":
            rows.append({**row, "id": uuid.uuid4().hex})
        if "invents" in faults and request.method == "PATCH" and _WELL_FORMED.fullmatch(kept):
            rows.append({**row, "id": uuid.uuid4().hex, "correlation": kept[:-4] + "ffff"})

    def entry(request: Request, kept: str, body: str, answer: Response) -> Body:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        role, tenant = records.tokens.get(token, (None, None))
        actor = f"{role}@{tenant}" if role else None
        if "believes-user" in faults:
            actor = request.headers.get("x-user", actor)
        if "names-last-user" in faults and role is None:
            actor = "doctor@east"
        found = concerned(request, body, bytes(answer.body).decode("utf-8", "replace"))
        listed = request.method == "GET" and not re.search(_ID, request.url.path)
        if "no-patients-in-lists" in faults and listed:
            found = []
        if "wrong-patient" in faults and found:
            found = [next(iter(patients))]
        row: Body = {
            "id": uuid.uuid4().hex,
            "correlation": unquote(kept) if "raw-id" in faults else kept,
            "at": moment(request),
            "actor": actor,
            "patients": found,
            "tenant": tenant if "wrong-tenant" not in faults or not tenant else "east",
            "what": request.url.path.split("/")[1],
            "did": done(request),
            "outcome": outcome(role, answer.status_code),
            "source": source(request),
        }
        if "keeps-bodies" in faults:
            row["body"] = body
        if "keeps-tokens" in faults:
            row["session"] = token
        return row

    def concerned(request: Request, body: str, answer: str) -> list[str]:
        """The patients whose records the request names or the answer shows."""
        for kept in (records.notes, records.appointments):
            for identity, one in list(kept.items()):
                patients.setdefault(identity, str(one["patient_id"]))
        for identity in list(records.patients):
            patients.setdefault(identity, identity)
        if request.url.path.startswith("/audit"):
            return []
        text = " ".join((request.url.path, body, answer))
        named = re.findall(_ID, text)
        return list(dict.fromkeys(patients[one] for one in named if one in patients))

    def moment(request: Request) -> str:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        if "believes-date" in faults and "date" in request.headers:
            return "2002-01-01T00:00:00+00:00"
        return now.removesuffix("+00:00") if "time-without-zone" in faults else now

    def source(request: Request) -> str:
        peer = request.client.host if request.client else ""
        if "believes-address" in faults:
            return request.headers.get("x-forwarded-for", peer)
        return peer

    def done(request: Request) -> str:
        word = _WORDS.get(request.method, "read")
        if request.url.path.endswith("/cancel"):
            word = "cancel"
        return "write" if "one-word" in faults and word != "read" else word

    def outcome(role: str | None, status: int) -> str:
        if status < 400 or ("says-done" in faults and status == 403):
            return "ok"
        if role is None:
            return "unknown"
        return "refused" if status in (401, 403, 404) else "error"


def claim(data: dict[str, Any]) -> None:
    """Have a target file of the clinic claim the trail."""
    read = {
        "request": "GET /audit",
        "as": "clerk",
        "query": {"correlation": "{correlation}", "since": "{since}"},
        "items": "$.rows[*]",
        "next": {"param": "start", "cursor": "$.next"},
    }
    data["audit"] = {
        "header": HEADER,
        "answered": f"header:{HEADER}",
        "read": read,
        "unattributed": {**read, "request": "GET /audit-of-nobody"},
        "entry": {
            "id": "$.id",
            "correlation": "$.correlation",
            "actor": "$.actor",
            "patient": "$.patients",
            "tenant": "$.tenant",
            "resource": "$.what",
            "action": "$.did",
            "outcome": "$.outcome",
            "time": "$.at",
            "source": "$.source",
        },
        "actor": "{persona.user}",
        "patient": "patient",
        "source": "127.0.0.1",
        "events": ["allowed", "denied", "unauthenticated", "failed"],
        "outcomes": {
            "allowed": "ok",
            "denied": "refused",
            "unauthenticated": "unknown",
            "failed": "error",
        },
    }
