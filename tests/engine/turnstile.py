"""A server that notes how requests come in, for the tests of the gate."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

PATIENCE = 0.5
"""Seconds in which an early reply surely comes, also beside other busy processes."""

Manner = Literal["sound", "early", "shut", "silent", "drip"]


@dataclass
class _Coming:
    """A connection and what came over it."""

    connection: socket.socket
    data: bytes = b""
    answered: bool = False
    gone: bool = False

    @property
    def head(self) -> bytes | None:
        head, end, _ = self.data.partition(b"\r\n\r\n")
        return head + end if end else None

    @property
    def whole(self) -> bool:
        if self.head is None:
            return False
        fields = self.head.lower()
        length = 0
        if b"content-length:" in fields:
            length = int(fields.split(b"content-length:")[1].split(b"\r\n")[0])
        return len(self.data) >= len(self.head) + length


@dataclass
class Turnstile:
    """What the server saw.

    `together` is, for the moment in which the first request was whole, how many bytes had come
    from each of those that had connected by then; `most` how many were connected at once;
    `requests` the whole requests in the order in which they became so.
    """

    base_url: str
    manner: Callable[[bytes], Manner]
    together: list[int] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    most: int = 0
    stopping: bool = False


@contextlib.contextmanager
def turnstile(
    manner: Callable[[bytes], Manner] | Manner = "sound", version: str = "HTTP/1.1"
) -> Iterator[Turnstile]:
    """A server on the loopback while the block lasts; `manner` may look at the head of a request.

    `sound` answers whole requests, `early` as soon as it has the head, `shut` hangs up when it
    has anything, `silent` never answers, `drip` sends a head and never the rest.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        listening.setblocking(False)
        seen = Turnstile(
            f"http://127.0.0.1:{listening.getsockname()[1]}",
            (lambda _head: manner) if isinstance(manner, str) else manner,
        )
        thread = threading.Thread(target=_serve, args=(listening, seen, version), daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            seen.stopping = True
            thread.join(5)


def _serve(listening: socket.socket, seen: Turnstile, version: str) -> None:
    everybody: list[_Coming] = []
    with selectors.DefaultSelector() as selector:
        selector.register(listening, selectors.EVENT_READ)
        while not seen.stopping:
            for key, _ in selector.select(0.02):
                if key.data is None:
                    _accept(listening, selector, everybody)
                else:
                    key.data.gone = not _read(key.data)
            if any(one.whole for one in everybody) and not seen.together:
                # What lies in the kernel has come as well, though nobody has read it.
                _accept(listening, selector, everybody)
                seen.together = sorted(len(one.data) for one in everybody if _read(one))
            seen.most = max(seen.most, len(everybody))
            for one in list(everybody):
                _answer(one, seen, version)
                if one.gone:
                    selector.unregister(one.connection)
                    one.connection.close()
                    everybody.remove(one)
    for one in everybody:
        one.connection.close()


def _accept(
    listening: socket.socket, selector: selectors.BaseSelector, everybody: list[_Coming]
) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            connection, _ = listening.accept()
            connection.setblocking(False)
            one = _Coming(connection)
            everybody.append(one)
            selector.register(connection, selectors.EVENT_READ, one)


def _read(one: _Coming) -> bool:
    """Take in what has come; whether the connection still stands."""
    with contextlib.suppress(BlockingIOError):
        while True:
            try:
                data = one.connection.recv(65536)
            except ConnectionError:
                return False
            if not data:
                return False
            one.data += data
    return True


def _answer(one: _Coming, seen: Turnstile, version: str) -> None:
    manner = seen.manner(one.data)
    if manner == "shut" and one.data and not one.whole:
        one.gone = True
    if one.answered or not (one.whole or (manner == "early" and one.head)):
        return
    one.answered = True
    if one.whole:
        seen.requests.append(one.data)
    answer = f"{version} 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
    said = {"silent": b"", "drip": answer.encode()}.get(manner, answer.encode() + b"{}")
    with contextlib.suppress(OSError):
        one.connection.sendall(said)
