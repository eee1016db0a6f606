"""Connections to the target in Locust's process, and answers that are bounded in size and time."""

from __future__ import annotations

import contextlib
import ssl
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import gevent
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError

from conformance.workload.filling import Filled
from conformance.workload.plan import Plan

_CHUNK = _HEAD = 64 * 1024
_IDLE = 4.0
"""Seconds after which an idle connection is not used again: many servers close it after five."""


class Broken(Exception):
    """There is no whole answer; the message says why."""


class _Line:
    """A connection that gives up on an answer without end, in bytes or in time."""

    def __init__(self, inner: Any, most: int, timeout: float) -> None:
        self._inner, self._most, self._timeout = inner, most, timeout
        self._left, self._until, self._ends = most, 0.0, False
        self._used = time.monotonic()

    @property
    def fresh(self) -> bool:
        """Whether the target is unlikely to close it just now for having been idle."""
        return time.monotonic() - self._used < _IDLE

    def sendall(self, data: bytes) -> None:
        self._left, self._ends = self._most, False
        self._used = time.monotonic()
        self._until = self._used + self._timeout
        self._inner.sendall(data)

    def recv(self, size: int) -> bytes:
        # What is there already is read without a switch, so no timeout of gevent would stop it.
        if time.monotonic() > self._until:
            raise Broken(_too_long(self._timeout))
        data: bytes = self._inner.recv(size)
        self._left -= len(data)
        if self._left < 0:
            raise Broken(f"the answer is longer than {self._most} bytes")
        if not data and self._ends:
            raise Broken("the connection was closed before the answer had ended")
        self._ends = not data
        self._used = time.monotonic()
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _too_long(timeout: float) -> str:
    return f"no whole answer within {timeout:g} s"


def client(plan: Plan) -> HTTPClient:
    """A client with one connection."""
    options: dict[str, Any] = {}
    if plan.base_url.startswith("https"):
        options = {"insecure": plan.verify is False, "ssl_context_factory": _trusting(plan.verify)}
    client: HTTPClient = HTTPClient.from_url(
        plan.base_url,
        concurrency=1,
        connection_timeout=plan.timeout,
        network_timeout=plan.timeout,
        **options,
    )
    pool = client._connection_pool
    connect, alive = pool._create_socket, pool._is_socket_alive

    def bounded() -> Any:
        return _Line(connect(), plan.most_bytes + _HEAD, plan.timeout)

    def usable(line: Any) -> bool:
        return bool(line.fresh and alive(line))

    pool._create_socket = bounded  # type: ignore[method-assign]
    pool._is_socket_alive = usable  # type: ignore[method-assign,assignment]
    # What fails is to be counted, not tried again: it tries as often as the pool has connections.
    pool.size = -1
    return client


def _trusting(verify: bool | str) -> Callable[[], ssl.SSLContext]:
    def context() -> ssl.SSLContext:
        if verify is False:
            return ssl._create_unverified_context()  # noqa: S323 - the target file says so
        return ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)

    return context


@dataclass(frozen=True)
class Got:
    """What came back: status, headers and body, None and () without an answer, or what failed."""

    status: int | None
    headers: tuple[tuple[str, str], ...]
    body: bytes
    error: str | None


def ask(connection: HTTPClient, request: Filled, plan: Plan) -> Got:
    """Send a request and read its whole answer, as long as the plan permits."""
    try:
        with gevent.Timeout(plan.timeout, Broken(_too_long(plan.timeout))):
            response = connection.request(
                request.method, request.path, request.body, request.headers
            )
            body = bytearray()
            while chunk := response.read(_CHUNK):
                body += chunk
    except FAILURES as problem:
        return Got(None, (), b"", _worded(problem))
    headers = tuple(response.items())
    return Got(response.get_code(), headers, _plain(headers, body, plan.most_bytes), None)


def _plain(headers: Iterable[tuple[str, str]], body: bytearray, most: int) -> bytes:
    """The body uncompressed, as far as the limit goes."""
    coded = {value.lower() for name, value in headers if name.lower() == "content-encoding"}
    if coded & {"gzip", "x-gzip", "deflate"}:
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(47).decompress(body, most)
    return bytes(body)


FAILURES = (OSError, Broken, HTTPParseError, gevent.Timeout, ValueError)


def _worded(problem: BaseException) -> str:
    if isinstance(problem, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(problem, ConnectionResetError | BrokenPipeError | HTTPConnectionClosed):
        return "the connection was closed without an answer"
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    return str(problem) or type(problem).__name__
