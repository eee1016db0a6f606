"""The buggy twin: a small application that checks, waits, and then inserts. Runs by itself.

    POST /beds/BED?window=MICROSECONDS[&sound]

admits to a bed: 201 for who got it, 409 for who did not. Without `sound` the check and the insert
are two steps with the window between them, so that two can get one bed. The answer tells what
nobody tells otherwise: when the request had arrived, was checked, and was inserted (nanoseconds
of the monotonic clock).

It is built as pooled applications are: one thread reads the connections (HTTP/1.1, and HTTP/2 by
prior knowledge), a pool of threads does the work, the window is a wait in which others may run, as
the way to a database is. It ends when its standard input does, at the latest after ten minutes.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ctypes
import json
import os
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

import h2.config
import h2.connection
import h2.events

_LIFETIME = 600.0
_POOL = 64
_PREFACE = b"PRI * HTTP/2.0"
_PR_SET_TIMERSLACK = 29


class Ward:
    """The beds, and who lies in them."""

    def __init__(self) -> None:
        self._admitted: dict[str, int] = {}
        self._lock = threading.Lock()

    def admit(self, bed: str, window: float, sound: bool, arrived: int) -> tuple[int, bytes]:
        """Status and body of the answer; `window` in microseconds."""
        with self._lock if sound else contextlib.nullcontext():
            checked = time.monotonic_ns()
            taken = bed in self._admitted
            inserted = None
            if not taken:
                if window:
                    time.sleep(window / 1e6)
                self._admitted[bed] = inserted = time.monotonic_ns()
        told = {"arrived": arrived, "checked": checked, "inserted": inserted}
        return (409 if taken else 201), json.dumps(told).encode()


class Connection(asyncio.Protocol):
    """A connection of either protocol; requests go to the pool."""

    def __init__(self, ward: Ward, pool: concurrent.futures.Executor) -> None:
        self._ward, self._pool = ward, pool
        self._loop = asyncio.get_running_loop()
        self._data = b""
        self._h2: h2.connection.H2Connection | None = None
        self._paths: dict[int, str] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._h2 is not None:
            self._frames(data)
            return
        self._data += data
        if self._data.startswith(_PREFACE):
            self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
            self._h2.initiate_connection()
            self._frames(self._data)
            return
        head, end, body = self._data.partition(b"\r\n\r\n")
        if end and len(body) >= _length(head):
            self._data = body[_length(head) :]
            self._work(head.split(b" ", 2)[1].decode("latin-1"), None)

    def _frames(self, data: bytes) -> None:
        assert self._h2 is not None
        for event in self._h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                fields = {bytes(name): bytes(value) for name, value in event.headers or []}
                self._paths[event.stream_id or 0] = fields[b":path"].decode("latin-1")
            elif isinstance(event, h2.events.StreamEnded):
                self._work(self._paths.pop(event.stream_id), event.stream_id)
            elif isinstance(event, h2.events.ConnectionTerminated):
                self._transport.close()
        self._transport.write(self._h2.data_to_send())

    def _work(self, path: str, stream: int | None) -> None:
        arrived = time.monotonic_ns()
        asked = parse_qs(urlsplit(path).query, keep_blank_values=True)
        window = float(asked.get("window", ["0"])[0])
        job = self._pool.submit(
            self._ward.admit, urlsplit(path).path, window, "sound" in asked, arrived
        )
        job.add_done_callback(
            lambda done: self._loop.call_soon_threadsafe(self._answer, stream, *done.result())
        )

    def _answer(self, stream: int | None, status: int, body: bytes) -> None:
        if self._h2 is None or stream is None:
            head = f"HTTP/1.1 {status} \r\nContent-Type: application/json\r\n"
            self._transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            return
        fields = [(":status", str(status)), ("content-type", "application/json")]
        self._h2.send_headers(stream, fields)
        self._h2.send_data(stream, body, end_stream=True)
        self._transport.write(self._h2.data_to_send())


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _end_with_parent() -> None:
    # The parent holds the other end: it closes however the parent ends.
    sys.stdin.buffer.read()
    os._exit(0)


async def main() -> None:
    """Serve, and say on which port."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    ward = Ward()
    with concurrent.futures.ThreadPoolExecutor(_POOL) as pool:
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(ward, pool), "127.0.0.1", 0, backlog=256
        )
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.sleep(_LIFETIME)
        os._exit(0)


if __name__ == "__main__":
    # Linux lets sleeps run 50 µs over, which is more than some windows.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1000)
    asyncio.run(main())
