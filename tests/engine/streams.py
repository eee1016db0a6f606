"""A server that speaks HTTP/2 and notes in which reads requests begin and end."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.settings

from tests.runs.secured import certificate


@dataclass
class Request:
    """One request as it came."""

    method: str = ""
    path: str = ""
    body: bytes = b""


@dataclass
class Streams:
    """What the server saw: how many streams began and ended in each read, and every request."""

    base_url: str
    pem: Path | None
    early: str | None = None
    most: int | None = None
    began: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0


class _Connection(asyncio.Protocol):
    def __init__(self, seen: Streams) -> None:
        self._seen = seen
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self._requests: dict[int, Request] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._seen.connections += 1
        if self._seen.most is not None:
            limit = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self._seen.most}
            self._h2.local_settings = h2.settings.Settings(client=False, initial_values=limit)
        self._h2.initiate_connection()
        transport.write(self._h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        events = self._h2.receive_data(data)
        began = [one for one in events if isinstance(one, h2.events.RequestReceived)]
        ended = [one for one in events if isinstance(one, h2.events.StreamEnded)]
        if began:
            self._seen.began.append(len(began))
        if ended:
            self._seen.ended.append(len(ended))
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                fields = {bytes(name): bytes(value) for name, value in event.headers or []}
                request = Request(fields[b":method"].decode(), fields[b":path"].decode())
                self._requests[event.stream_id or 0] = request
                if request.path == self._seen.early:
                    self._answer(event.stream_id or 0)
            elif isinstance(event, h2.events.DataReceived):
                self._requests[event.stream_id or 0].body += event.data or b""
            elif isinstance(event, h2.events.StreamEnded):
                request = self._requests[event.stream_id]
                self._seen.requests.append(request)
                if request.path != self._seen.early:
                    self._answer(event.stream_id)
        self._transport.write(self._h2.data_to_send())

    def _answer(self, stream: int) -> None:
        self._h2.send_headers(stream, [(":status", "200"), ("set-cookie", "s=1")])
        self._h2.send_data(stream, b"{}", end_stream=True)


@contextlib.contextmanager
def streams(
    folder: Path | None = None, *, early: str | None = None, most: int | None = None
) -> Iterator[Streams]:
    """The server while the block lasts, behind TLS if it gets a folder for its certificate.

    It answers the path `early` when its head has come, and takes `most` streams at once.
    """
    loop = asyncio.new_event_loop()
    pem = certificate(folder) if folder is not None else None
    context = None
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        context.set_alpn_protocols(["h2"])
    seen = Streams("", pem, early, most)
    server = loop.run_until_complete(
        loop.create_server(lambda: _Connection(seen), "127.0.0.1", 0, ssl=context)
    )
    port = server.sockets[0].getsockname()[1]
    seen.base_url = f"{'https' if pem else 'http'}://127.0.0.1:{port}"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        server.close()
        loop.close()
