"""The channel: Schemathesis' requests become messages of ours, and answers its responses.

Nothing is sent here; whoever makes a channel says how.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import requests
from schemathesis.core import SCHEMATHESIS_TEST_CASE_HEADER
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from schemathesis.generation.overrides import Override
from schemathesis.transport.requests import REQUESTS_TRANSPORT, RequestsTransport

from conformance.model import Exchange, Message

Deliver = Callable[[Message, Case[Any]], Exchange]
"""Sends a message made for a case."""

_OWN_HEADERS = frozenset(
    {
        SCHEMATHESIS_TEST_CASE_HEADER.lower(),
        "user-agent",
        "accept-encoding",
        "content-length",
        "connection",
    }
)
_UNSENDABLE = re.compile(r"[^\x20-\x7e\x80-\xff\t]")


class Channel(RequestsTransport):
    """A transport of Schemathesis that hands every request to `deliver`."""

    def __init__(self, deliver: Deliver, timeout: float) -> None:
        super().__init__()
        self._copy_serializers_from(REQUESTS_TRANSPORT)
        self._deliver = deliver
        self._timeout = timeout

    def send(
        self, case: Case[Any], *, session: requests.Session | None = None, **kwargs: Any
    ) -> Response:
        """The response to a case. Raises requests' exceptions where there is no answer."""
        if session is not None and session.headers:
            headers = dict(kwargs.get("headers") or {})
            for name, value in session.headers.items():
                headers.setdefault(name, value)
            kwargs["headers"] = headers
        data = self._build_request_data(case, kwargs)
        names = ("method", "url", "headers", "params", "data", "json", "files", "cookies", "auth")
        prepared = requests.Request(
            **{name: data[name] for name in names if data.get(name) is not None}
        ).prepare()
        exchange = self._deliver(message_of(prepared), case)
        if exchange.answer is None:
            told = exchange.error or "no answer"
            if told.startswith("no answer within"):
                seconds = f"Read timed out. (read timeout={self._timeout:g})"
                raise requests.ReadTimeout(TimeoutError(seconds), request=prepared)
            broken = ConnectionError("Connection broken", told)
            raise requests.exceptions.ChunkedEncodingError(broken, request=prepared)
        return _response(exchange, prepared, Override.from_send_kwargs(kwargs))


def message_of(prepared: requests.PreparedRequest) -> Message:
    """A prepared request as one of our nouns, without what Schemathesis says of itself."""
    headers = tuple(
        (_text(name), _UNSENDABLE.sub("?", _text(value)).strip())
        for name, value in prepared.headers.items()
        if _text(name).lower() not in _OWN_HEADERS
    )
    body = prepared.body
    if body is None:
        content = b""
    elif isinstance(body, str):
        content = body.encode("utf-8", "surrogatepass")
    elif isinstance(body, bytes | bytearray):
        content = bytes(body)
    else:
        parts: Any = body
        content = b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    return Message(prepared.method or "GET", prepared.url or "", headers, content)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _response(
    exchange: Exchange, prepared: requests.PreparedRequest, override: Override | None
) -> Response:
    answer = exchange.answer
    assert answer is not None
    headers: dict[str, list[str]] = {}
    for name, value in answer.headers:
        headers.setdefault(name.lower(), []).append(value)
    return Response(
        status_code=answer.status,
        headers=headers,
        content=answer.body,
        request=prepared,
        elapsed=exchange.seconds,
        verify=True,
        message=_phrase(answer.status),
        http_version="1.1",
        _override=override,
    )


def _phrase(status: int) -> str:
    with contextlib.suppress(ValueError):
        return HTTPStatus(status).phrase
    return "Unknown"
