"""The gate: requests that reach one origin at the same instant.

Each contender's request is sent but for its end, and waits. When all have come to the gate, the
ends leave in one tight loop, so that nobody has to wake up between the first and the last. What is
kept back decides what is raced:

- `tail`: the last byte of each request over HTTP/1.1 (the head's, if there is no body), or the
  frames that end each stream over HTTP/2, which then leave in one send. A server that starts the
  application at the end of the head may have authenticated by then.
- `head`: the last byte of each head and all behind it, which races authentication as well.
- `whole`: all of each request. It works everywhere, also where a proxy or server answers or hangs
  up before a request is whole, but the target reads each request after the release, so that the
  spread on arrival at what is raced for is larger: the least power of the three.

TLS lies above what is kept, so the kept byte is ciphertext and costs nothing at the release; as a
server reads nothing of a record that is not whole, the last record is what is raced there.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import select
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpcore
import httpx

from conformance.model import Answer, Exchange, Message
from conformance.wire import FAILURES, Wire, answer_of, failure, grow, header_fields

Hold = Literal["tail", "head", "whole"]
Technique = Literal["last byte", "last frames", "head", "barrier"]

_WEAKER: dict[Hold, Hold] = {"tail": "head", "head": "whole", "whole": "whole"}
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _END_STREAM = 0, 1, 1
_FRAME_HEADER = 9
_READ = 65536
# Seconds for the target to take in what was sent before the release: without them it would still
# be parsing heads when the first end comes.
_SETTLING, _SETTLING_EACH = 0.002, 0.001

_contender: contextvars.ContextVar[int] = contextvars.ContextVar("contender")


@dataclass(frozen=True)
class Release:
    """What became of requests that were released together, each in the order of the contenders.

    `emitted` is when the end of a request left, `answered` when the first bytes of its answer
    came (nanoseconds of the monotonic clock); None if the request was not released with the
    others, or not answered. `early` were answered before the release: their answers are no part
    of the race, and never a win. `technique` says how it was done; `barrier` has the least power.
    `stalled` says in words that the target did not take, or did not answer, all of them in time;
    None if it did. `next_hold` is what to keep back in the next round against this target: less
    power, but more certain, where it could not be done this way.
    """

    exchanges: tuple[Exchange, ...]
    emitted: tuple[int | None, ...]
    answered: tuple[int | None, ...]
    early: int
    technique: Technique
    stalled: str | None
    next_hold: Hold


def release(
    wire: Wire,
    messages: Sequence[tuple[str, Message]],
    *,
    hold: Hold = "tail",
    http2: bool = False,
    timeout: float | None = None,
    purpose: str = "race",
) -> Release:
    """Send the messages, each with its persona, so that all reach the target at one instant.

    Every exchange is announced, numbered and watched as if `wire` had sent it. Connections are
    opened for the occasion and closed after it, one for each contender over HTTP/1.1, one for all
    over HTTP/2 (by ALPN; without TLS by prior knowledge). `timeout` seconds are allowed until all
    are at the gate, the target's own timeout unless said; each answer has the target's own.

    Raises ValueError for no contender, or more than the target's `system.max_connections`.
    """
    if not messages:
        raise ValueError("nobody to release: a race needs contenders")
    limit = wire.target.system.max_connections
    if len(messages) > limit:
        raise ValueError(
            f"{len(messages)} contenders, but system.max_connections permits {limit} at once"
        )
    wire.hang_up()
    announced = [(persona, wire.announced(message, persona)) for persona, message in messages]
    own = wire.target.system.timeout
    gate = _Gate(len(announced), hold, own if timeout is None else timeout, own)
    try:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(_contest(wire, gate, [message for _, message in announced], http2))
    finally:
        exchanges = tuple(
            wire.noted(message, persona, purpose, lane.result, lane.started, lane.seconds)
            for (persona, message), lane in zip(announced, gate.lanes, strict=True)
            if lane.started
        )
    unready = any(lane.unready for lane in gate.lanes)
    return Release(
        exchanges,
        tuple(None if lane.ended_before else lane.emitted for lane in gate.lanes),
        tuple(lane.answered for lane in gate.lanes),
        sum(lane.early for lane in gate.lanes),
        gate.technique,
        _stalled(gate, limit),
        _WEAKER[hold] if unready else hold,
    )


def _stalled(gate: _Gate, limit: int) -> str | None:
    late = sum(lane.late for lane in gate.lanes)
    count = len(gate.lanes)
    if gate.missing:
        what = f"{gate.missing} of {count} requests were not at the gate in {gate.patience:g} s"
    elif late:
        what = f"{late} of {count} requests that were released together got no answer in time"
    else:
        return None
    return f"the target stalled: {what}; does it take {limit} at once (system.max_connections)?"


# --- the contest -----------------------------------------------------------------------------


@dataclass
class _Lane:
    """One contender on the way."""

    arrived: bool = False
    ended_before: bool = False
    early: bool = False
    unready: bool = False
    late: bool = False
    emitted: int | None = None
    answered: int | None = None
    started: float = 0.0
    seconds: float = 0.0
    result: Answer | str = "it was not sent to its end"


class _Gate:
    """Where the ends of requests wait until all have come, or somebody gives up.

    `patience` seconds are allowed until all are here, `timeout` from the release to each answer.
    """

    def __init__(self, count: int, hold: Hold, patience: float, timeout: float) -> None:
        self.hold = hold
        self.patience, self.timeout = patience, timeout
        self.lanes = [_Lane() for _ in range(count)]
        self.streams: list[_Stream] = []
        self.limits: list[asyncio.Timeout] = []
        self.is_open = False
        self.missing = 0
        self._complete = asyncio.Event()

    @property
    def technique(self) -> Technique:
        if self.hold == "whole":
            return "barrier"
        if self.hold == "head":
            return "head"
        framed = any(stream.framed for stream in self.streams)
        return "last frames" if framed else "last byte"

    def arrive(self, number: int) -> None:
        self.lanes[number].arrived = True
        self._look()

    def leave(self, number: int) -> None:
        """A contender has its answer, or never will: nobody has to wait for it."""
        self.lanes[number].ended_before = not self.is_open
        self._look()

    def _look(self) -> None:
        if all(lane.arrived or lane.ended_before for lane in self.lanes):
            self._complete.set()

    async def complete(self) -> None:
        """Return when all are here and the target has had time to take in what was sent."""
        try:
            async with asyncio.timeout(self.patience):
                await self._complete.wait()
        except TimeoutError:
            self.missing = sum(not (one.arrived or one.ended_before) for one in self.lanes)
        else:
            await asyncio.sleep(_SETTLING + _SETTLING_EACH * len(self.lanes))

    def open(self) -> None:
        """Let everything go."""
        self.is_open = True
        ends = [(stream, stream.end()) for stream in self.streams]
        with _real_time():
            left = [(stream, stream.let_go(end), time.monotonic_ns()) for stream, end in ends]
        for stream, whole, moment in left:
            if not whole:
                stream.flush()
            for number in stream.contenders:
                if self.lanes[number].arrived:
                    self.lanes[number].emitted = moment
        over = asyncio.get_running_loop().time() + self.timeout
        for limit in self.limits:
            limit.reschedule(over)


@contextlib.contextmanager
def _real_time() -> Iterator[None]:
    """Nobody is given this processor while the block lasts, where that is permitted.

    Else a target that the first byte wakes could run before the last byte has left.
    """
    try:
        before = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except (AttributeError, OSError):
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


async def _contest(wire: Wire, gate: _Gate, messages: Sequence[Message], http2: bool) -> None:
    transport = _GatedTransport(gate, wire, http2)
    async with httpx.AsyncClient(
        transport=transport, timeout=httpx.Timeout(None), follow_redirects=False, trust_env=False
    ) as client:
        tasks = [
            asyncio.create_task(_contend(client, gate, number, message))
            for number, message in enumerate(messages)
        ]
        try:
            try:
                await gate.complete()
            finally:
                gate.open()
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for stream in gate.streams:
                await stream.aclose()


async def _contend(client: httpx.AsyncClient, gate: _Gate, number: int, message: Message) -> None:
    """Send one message and read its answer."""
    lane = gate.lanes[number]
    _contender.set(number)

    async def trace(event: str, _info: Any) -> None:
        if event.endswith(".send_request_body.complete"):
            gate.arrive(number)

    lane.started, begun = time.time(), time.monotonic_ns()
    try:
        async with _limit(gate):
            lane.result = await _answer(client, gate, lane, message, trace)
    except FAILURES as problem:
        lane.result = failure(problem, gate.timeout)
        lane.unready = lane.arrived and not gate.is_open
        lane.late = isinstance(problem, TimeoutError)
    finally:
        gate.leave(number)
        since = begun if lane.emitted is None or lane.ended_before else lane.emitted
        lane.started += (since - begun) / 1e9
        lane.seconds = (time.monotonic_ns() - since) / 1e9


@contextlib.asynccontextmanager
async def _limit(gate: _Gate) -> AsyncIterator[None]:
    """The time for an answer, which is counted from the release."""
    async with asyncio.timeout(None) as limit:
        gate.limits.append(limit)
        try:
            yield
        finally:
            gate.limits.remove(limit)


async def _answer(
    client: httpx.AsyncClient, gate: _Gate, lane: _Lane, message: Message, trace: Any
) -> Answer:
    request = client.build_request(
        message.method,
        message.url,
        headers=header_fields(message),
        content=message.body or None,
        extensions={"trace": trace},
    )
    response = await client.send(request, stream=True)
    try:
        lane.early = lane.unready = not gate.is_open
        stream = response.extensions["network_stream"]
        if isinstance(stream, _Stream):
            lane.answered = stream.heard
        body = bytearray()
        async for chunk in response.aiter_bytes():
            grow(body, chunk)
        return answer_of(response, body)
    finally:
        await response.aclose()


# --- the transport ---------------------------------------------------------------------------


class _GatedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport over a pool whose connections keep back the ends of requests."""

    def __init__(self, gate: _Gate, wire: Wire, http2: bool) -> None:
        super().__init__(verify=wire.tls, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=wire.tls,
            max_connections=len(gate.lanes),
            # Without TLS nothing negotiates: both sides have to know (RFC 9113, section 3.3).
            http1=not http2 or wire.base_url.startswith("https:"),
            http2=http2,
            network_backend=_Backend(gate, framed=http2 and wire.base_url.startswith("http:")),
        )


class _Backend(httpcore.AsyncNetworkBackend):
    """Opens the connections of one contest."""

    def __init__(self, gate: _Gate, *, framed: bool) -> None:
        self._gate, self._framed = gate, framed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        problem: OSError | None = None
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            found, problem = [], error
        for family, kind, protocol, _name, address in found:
            connection = socket.socket(family, kind, protocol)
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                await loop.sock_connect(connection, address)
            except OSError as error:
                connection.close()
                problem = error
            except BaseException:
                connection.close()
                raise
            else:
                return _Stream(connection, self._gate, framed=self._framed)
        raise httpcore.ConnectError(str(problem))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that keeps back the ends of the requests written to it until the gate opens.

    `framed` says that HTTP/2 is spoken. `contenders` are those whose ends are kept; `heard` is
    when something was last read.
    """

    def __init__(self, connection: socket.socket, gate: _Gate, *, framed: bool) -> None:
        self.framed = framed
        self.contenders: set[int] = set()
        self.heard: int | None = None
        self._socket, self._gate = connection, gate
        self._loop = asyncio.get_running_loop()
        self._kept = bytearray()
        self._headers_kept = False
        self._rest: asyncio.Task[None] | None = None
        self._reading: asyncio.Future[None] | None = None
        self._unsent = b""
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        gate.streams.append(self)

    # Keeping back ...

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._gate.is_open:
            data = self._sealed(buffer)
        else:
            self.contenders.add(_contender.get())
            # Whole frames are kept, whose seal has to follow the order in which they leave.
            data = self._sealed(self._frames(buffer)) if self.framed else self._bytes(buffer)
        if self._rest is not None:
            await self._rest
        if data:
            await self._send(data)

    def _sealed(self, data: bytes) -> bytes:
        if self._tls is None or not data:
            return data
        self._tls.write(data)
        return self._outgoing.read()

    def _bytes(self, data: bytes) -> bytes:
        """What may leave of a part of a request over HTTP/1.1; the first part is the head."""
        first = not self._kept
        self._kept += self._sealed(data)
        if self._gate.hold == "whole" or (self._gate.hold == "head" and not first):
            return b""
        leaves = bytes(self._kept[:-1])
        del self._kept[:-1]
        return leaves

    def _frames(self, data: bytes) -> bytes:
        """What may leave of frames of HTTP/2 (RFC 9113, section 4.1).

        All that belongs to streams stays behind a HEADERS frame that is kept: header compression
        has one state for the whole connection, so its order must not change.
        """
        leaves = bytearray()
        if data.startswith(_PREFACE):
            leaves += _PREFACE
            data = data[len(_PREFACE) :]
        while data:
            length = _FRAME_HEADER + int.from_bytes(data[:3], "big")
            frame, data = data[:length], data[length:]
            kind, flags = frame[3], frame[4]
            ends = kind in (_DATA, _HEADERS) and flags & _END_STREAM
            whole = kind == _HEADERS and self._gate.hold != "tail"
            of_stream = any(frame[5:9])
            if ends or whole or (of_stream and self._headers_kept):
                self._kept += frame
                self._headers_kept |= kind == _HEADERS
            else:
                leaves += frame
        return bytes(leaves)

    # ... and letting go

    def end(self) -> bytes:
        """The kept bytes as they have to leave."""
        kept = bytes(self._kept)
        self._kept.clear()
        return self._sealed(kept) if self.framed else kept

    def let_go(self, end: bytes) -> bool:
        """Send the end at once; False if the connection did not take all of it."""
        try:
            sent = self._socket.send(end) if end else 0
        except BlockingIOError:
            sent = 0
        except OSError:  # the peer is gone, which whoever reads will see
            sent = len(end)
        self._unsent = end[sent:]
        return not self._unsent

    def flush(self) -> None:
        """Send what the connection did not take at once as soon as it can."""
        self._rest = asyncio.create_task(self._send(self._unsent))

    async def _send(self, data: bytes) -> None:
        try:
            await self._loop.sock_sendall(self._socket, data)
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    # Reading

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._tls is None:
            return await self._receive(max_bytes)
        while True:
            try:
                return self._tls.read(max_bytes)
            except ssl.SSLWantReadError:
                await self._take_in()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                raise httpcore.ReadError(str(error)) from error

    async def _take_in(self) -> None:
        data = await self._receive(_READ)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _receive(self, max_bytes: int) -> bytes:
        """What can be read next, its moment taken before others that are ready have their turn."""
        ready = self._reading = self._loop.create_future()

        def readable() -> None:
            self.heard = time.monotonic_ns()
            self._loop.remove_reader(self._socket)
            if not ready.done():
                ready.set_result(None)

        self._loop.add_reader(self._socket, readable)
        try:
            await ready
            return self._socket.recv(max_bytes)
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        finally:
            if self._socket.fileno() >= 0:
                self._loop.remove_reader(self._socket)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        tls = ssl_context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        shaken = False
        while not shaken:
            try:
                tls.do_handshake()
                shaken = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                raise httpcore.ConnectError(str(error)) from error
            said = self._outgoing.read()
            if said:
                await self._send(said)
            if not shaken:
                await self._take_in()
        self._tls = tls
        self.framed = tls.selected_alpn_protocol() == "h2"
        return self

    # The rest of a connection

    async def aclose(self) -> None:
        if self._socket.fileno() < 0:
            return
        if self._rest is not None:
            self._rest.cancel()
        if self._reading is not None and not self._reading.done():
            self._reading.set_exception(httpcore.ReadError("the connection was closed"))
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "socket":
            return self._socket
        if info == "ssl_object":
            return self._tls
        if info == "is_readable":
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            return bool(poll.poll(0))
        return None
