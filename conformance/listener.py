"""A listener on the loopback that shows whether a target fetches what it was told to fetch."""

from __future__ import annotations

import datetime as dt
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

_PATIENCE = 5.0
_MOST_BODY = 1 << 20


@dataclass(frozen=True)
class Received:
    """One request: `path` as it was sent, the sender's address, and when it came (UTC)."""

    method: str
    path: str
    peer: str
    at: dt.datetime


@dataclass(frozen=True)
class Listener:
    """Where it listens, what it serves by path (may be added to), and what it received so far."""

    url: str
    documents: dict[str, bytes] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)

    def asked(self, path: str) -> bool:
        """Whether anybody asked for `path`, with whatever query."""
        return any(one.path.split("?")[0] == path for one in self.received)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    # A sender who keeps its connection open must not hold up the end.
    block_on_close = False
    listener: Listener

    def handle_error(self, request: object, client_address: object) -> None:
        """Senders that go away in the middle are none of our business."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE
    server: _Server

    def _answer(self) -> None:
        listener = self.server.listener
        listener.received.append(
            Received(self.command, self.path, str(self.client_address[0]), dt.datetime.now(dt.UTC))
        )
        length = self.headers.get("Content-Length", "0")
        self.rfile.read(min(int(length) if length.isdecimal() else 0, _MOST_BODY))
        path = self.path.split("?")[0]
        body = listener.documents.get(path)
        self.send_response(404 if body is None else 200)
        kind = "application/json" if path.endswith(".json") else "application/octet-stream"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        if body is not None and self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal: what was received is in `received`."""


@contextmanager
def listening(documents: Mapping[str, bytes] | None = None) -> Iterator[Listener]:
    """Serve `documents` (path to body) on a free port of 127.0.0.1 until the block ends.

    Every request is recorded before it is answered; what is not among the documents gets 404.
    """
    with _Server(("127.0.0.1", 0), _Handler) as server:
        port = server.server_address[1]
        server.listener = Listener(f"http://127.0.0.1:{port}", dict(documents or {}))
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        thread.start()
        try:
            yield server.listener
        finally:
            server.shutdown()
            thread.join()
