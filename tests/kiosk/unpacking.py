"""What happens to a body before the kiosk reads it: it is unpacked, measured, and misread."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

DEEPEST = 100


class TooLarge(Exception):
    """The body is longer than may be."""


class Unpacking:
    """ASGI middleware: bodies of at most `most` bytes, also where they come packed by gzip."""

    def __init__(self, app: Application, most: int, faults: frozenset[str]) -> None:
        self.app, self.most, self.faults = app, most, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        coding = headers.get(b"content-encoding", b"identity").decode("latin-1").lower()
        body, whole = await self._read(receive)
        if coding not in {"identity", "gzip"}:
            await _refuse(send, 415, "pack it with gzip")
            return
        try:
            if not whole:
                raise TooLarge
            body = self._unpacked(body) if coding == "gzip" else body
            body = self._misread(body, headers.get(b"content-type", b""))
        except zlib.error:
            status = 500 if "breaks-on-packing" in self.faults else 400
            await _refuse(send, status, "that is not packed by gzip")
            return
        except (RecursionError, ArithmeticError, ValueError):
            await _refuse(send, 500, "failed")
            return
        except TooLarge:
            await _refuse(send, 413, "that is too large")
            return

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, again, send)

    async def _read(self, receive: Receive) -> tuple[bytes, bool]:
        """The body, and whether all of it is there; what is too much is thrown away."""
        body = bytearray()
        while True:
            message = await receive()
            if len(body) <= self.most:
                body += message.get("body", b"")
            if not message.get("more_body"):
                return bytes(body), len(body) <= self.most

    def _unpacked(self, body: bytes) -> bytes:
        inflating = zlib.decompressobj(wbits=31)
        if "inflates" in self.faults:
            return inflating.decompress(body)
        found = inflating.decompress(body, self.most + 1)
        if len(found) > self.most:
            raise TooLarge
        return found

    def _misread(self, body: bytes, kind: bytes) -> bytes:
        """The body as faulty readers take it."""
        wrong = {"breaks-on-huge", "breaks-on-digits", "breaks-on-depth", "drops-comma"}
        wrong |= {"guesses-century", "takes-anything", "breaks-on-infinity"}
        if not self.faults & wrong or b"json" not in kind:
            return body
        if "breaks-on-depth" in self.faults and _depth(body) > DEEPEST:
            raise RecursionError
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            return body
        if not isinstance(data, dict):
            return body
        weight = data.get("weight")
        for value in data.values():
            if "breaks-on-huge" in self.faults and isinstance(value, int):
                math.sqrt(abs(value))  # raises OverflowError
            if "breaks-on-infinity" in self.faults and isinstance(value, float):
                int(value)  # raises OverflowError
            if "breaks-on-digits" in self.faults and isinstance(value, str) and value.isdigit():
                int(value)  # raises ValueError
        if "drops-comma" in self.faults and isinstance(weight, str):
            digits = weight.replace(",", "")
            data["weight"] = float(digits) if digits.isdecimal() and digits.isascii() else weight
        if "takes-anything" in self.faults and isinstance(weight, int | float) and weight < 0:
            data["weight"] = min(-weight, 500)
        born = data.get("born")
        if "guesses-century" in self.faults and isinstance(born, str):
            data["born"] = re.sub(r"^(\d\d)-(\d\d)-(\d\d)$", r"20\1-\2-\3", born)
        return json.dumps(data).encode()


def _depth(body: bytes) -> int:
    """How many levels a body has at most."""
    deepest = now = 0
    for sign in body:
        if sign in b"[{":
            now += 1
            deepest = max(deepest, now)
        elif sign in b"]}":
            now -= 1
    return deepest


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
