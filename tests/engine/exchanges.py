"""What oracles look at, in a few words: answers, reads and trials."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from conformance.model import (
    Answer,
    Because,
    Case,
    Exchange,
    Expected,
    Message,
    Outcome,
    Read,
    Relation,
    Subject,
    Trial,
)

ID = "5107"
"""The id of the record that cases are about."""

MADE_UP = ("7777001", "7777002")
"""Ids that never existed."""

MARKER = "wqbcdfghjkmnpqr"
"""A marker that stands in the record."""

CARRIED = "wqzzzzzzzzzzzzz"
"""A marker of the attempt's own payload."""

_ids = itertools.count(1)
_BY_STATUS = {
    400: Outcome.INVALID,
    401: Outcome.UNAUTHENTICATED,
    403: Outcome.DENIED,
    404: Outcome.ABSENT,
    409: Outcome.CONFLICT,
    422: Outcome.INVALID,
    429: Outcome.LIMITED,
}


def answer(status: int = 200, body: Any = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """An answer; a body that is neither bytes nor text is sent as JSON."""
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return Answer(status, tuple((headers or {}).items()), body)


def exchange(
    response: Answer | None,
    *,
    persona: str = "nurse.north",
    url: str = f"http://127.0.0.1/patients/{ID}",
    method: str = "GET",
    sent: str = "",
    headers: Mapping[str, str] | None = None,
    error: str | None = None,
    purpose: str = "attempt",
) -> Exchange:
    """An exchange; without a response it says why there was none."""
    if response is None:
        error = error or "no answer within 10 s"
    request = Message(method, url, tuple((headers or {}).items()), sent.encode())
    return Exchange(f"e{next(_ids)}", persona, purpose, request, response, error, 0.0, 0.01)


def read(
    status: int = 200,
    body: Any = b"",
    headers: Mapping[str, str] | None = None,
    outcome: Outcome | None = None,
    **asked: Any,
) -> Read:
    """An exchange that was answered, with the outcome that its status has unless said."""
    if outcome is None:
        usual = Outcome.ALLOWED if status < 300 else Outcome.BROKEN
        outcome = _BY_STATUS.get(status, usual)
    return Read(exchange(answer(status, body, headers), **asked), outcome)


def unanswered(error: str = "no answer within 10 s") -> Read:
    """A request without an answer."""
    return Read(exchange(None, error=error), Outcome.BROKEN)


def record(**fields: Any) -> dict[str, Any]:
    """The record's content, as its readers get it."""
    return {"id": ID, "name": f"Ann {MARKER}", "ward": "pediatrics", **fields}


def served(**fields: Any) -> Read:
    """The record, given to somebody who may read it."""
    return read(200, record(**fields), persona="doctor.north")


CASE = Case(
    id="suite.property.nurse",
    suite="suite",
    property="property",
    sentence="A sentence.",
    persona="nurse.north",
    roles=("nurse",),
    tenant="north",
    resource="patient",
    operation="read",
    kind="read",
    relation=Relation.SAME_TENANT,
    expected=Expected.DENY,
    because=Because.UNRELATED,
)

SUBJECT = Subject("patient", "north", (ID,), frozenset({MARKER}))


def trial(attempt: Read, *, case: Case = CASE, kind: str | None = None, **seen: Any) -> Trial:
    """A trial about the record; `kind` is that of its operation, `read` unless said."""
    if kind is not None:
        case = replace(case, kind=kind, operation=kind)
    return Trial(**{"case": case, "attempt": attempt, "subject": SUBJECT, **seen})
