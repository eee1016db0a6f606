"""The gate over TLS and HTTP/2: ciphertext and frames are held back."""

import contextlib
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from conformance import gate
from conformance.gate import Hold, release
from conformance.model import Message
from conformance.redaction import Redactor
from conformance.wire import Wire
from tests.engine.streams import streams
from tests.engine.targets import target
from tests.engine.turnstile import PATIENCE
from tests.runs.secured import certificate

BODY = b'{"bed": 1}'


def wire(base_url: str, pem: Path | None, **system: Any) -> Wire:
    data = {"name": "Ward", "base_url": base_url, "max_connections": 20, "timeout": 20, **system}
    if pem is not None:
        data["verify_tls"] = str(pem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a path of certificates, in httpx
        return Wire(target(system=data), base_url, Redactor())


def messages(sending: Wire, methods: list[str]) -> list[tuple[str, Message]]:
    return [
        (
            f"nurse{number}",
            Message(
                method,
                sending.url(f"/beds/{number}"),
                (("Content-Type", "application/json"), ("X-Key", f"key {number}")),
                BODY if method == "POST" else b"",
            ),
        )
        for number, method in enumerate(methods)
    ]


# --- HTTP/1.1 over TLS -----------------------------------------------------------------------


@dataclass
class Door:
    """What a server behind TLS had read when it let its last guest in."""

    base_url: str
    pem: Path
    heads: list[bytes] = field(default_factory=list)
    whole: list[bytes] = field(default_factory=list)
    whole_before: int | None = None


@contextlib.contextmanager
def door(folder: Path, guests: int) -> Iterator[Door]:
    """Shakes hands with the last of its guests only after it has the heads of all others."""
    pem = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with socket.create_server(("127.0.0.1", 0), backlog=32) as listening:
        seen = Door(f"https://127.0.0.1:{listening.getsockname()[1]}", pem)
        headed = threading.Semaphore(0)

        def guest(raw: socket.socket) -> None:
            with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as one:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += one.recv(1)
                seen.heads.append(head)
                headed.release()
                body = b""
                while len(body) < len(BODY):
                    body += one.recv(len(BODY) - len(body))
                seen.whole.append(body)
                one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        def serve() -> None:
            threads: list[threading.Thread] = []
            for number in range(guests):
                raw, _ = listening.accept()
                if number == guests - 1:
                    for _ in threads:
                        headed.acquire()
                    seen.whole_before = len(seen.whole)
                threads.append(threading.Thread(target=guest, args=(raw,)))
                threads[-1].start()
            for thread in threads:
                thread.join()

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield seen
        server.join(5)


@pytest.mark.parametrize("guests", [2, 8])
def test_ciphertext_is_held_back(tmp_path: Path, guests: int) -> None:
    with door(tmp_path, guests) as seen:
        sending = wire(seen.base_url, seen.pem)
        done = release(sending, messages(sending, ["POST"] * guests))
    assert seen.whole_before == 0
    assert seen.whole == [BODY] * guests
    assert [one.answer and one.answer.body for one in done.exchanges] == [b"{}"] * guests
    # The tickets of TLS 1.3 come before the release, and are no replies.
    assert (done.early, done.technique, done.stalled) == (0, "last byte", None)


@pytest.mark.parametrize("hold", ["head", "whole"])
def test_heads_are_held_back_over_tls(tmp_path: Path, hold: Hold) -> None:
    with door(tmp_path, 1) as seen:
        sending = wire(seen.base_url, seen.pem)
        done = release(sending, messages(sending, ["POST"]), hold=hold)
    assert done.exchanges[0].answer is not None
    assert done.emitted[0] is not None


def test_a_certificate_that_does_not_verify_ends_the_exchange(tmp_path: Path) -> None:
    with streams(tmp_path) as seen:
        sending = wire(seen.base_url, None)
        done = release(sending, messages(sending, ["GET"]), http2=True)
    assert "CERTIFICATE_VERIFY_FAILED" in (done.exchanges[0].error or "")
    assert seen.requests == []


# --- HTTP/2 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("secured", [True, False])
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("count", [1, 2, 20])
def test_all_streams_end_in_one_read(
    tmp_path: Path, count: int, method: str, secured: bool
) -> None:
    with streams(tmp_path if secured else None) as seen:
        sending = wire(seen.base_url, seen.pem)
        done = release(sending, messages(sending, [method] * count), http2=True)
    assert seen.ended == [count]
    assert seen.connections == 1
    assert [one.answer and one.answer.status for one in done.exchanges] == [200] * count
    assert len(set(done.emitted)) == 1
    assert None not in done.answered
    assert (done.technique, done.early, done.stalled) == ("last frames", 0, None)


@pytest.mark.parametrize("hold", ["head", "whole"])
def test_no_stream_begins_before_the_release_when_heads_are_held(hold: Hold) -> None:
    with streams() as seen:
        sending = wire(seen.base_url, None)
        done = release(sending, messages(sending, ["POST", "GET", "POST"]), http2=True, hold=hold)
    assert seen.began == seen.ended == [3]
    assert done.technique == {"head": "head", "whole": "barrier"}[hold]


def test_headers_are_decompressed_in_the_order_in_which_they_were_compressed() -> None:
    methods = ["POST", "GET", "POST", "GET", "DELETE", "POST"]
    with streams() as seen:
        sending = wire(seen.base_url, None)
        done = release(sending, messages(sending, methods), http2=True)
    assert all(one.answer for one in done.exchanges)
    assert sorted((one.path, one.method, one.body) for one in seen.requests) == [
        (f"/beds/{number}", method, BODY if method == "POST" else b"")
        for number, method in enumerate(methods)
    ]


def test_an_early_reply_over_http2_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "_SETTLING", PATIENCE)
    with streams(early="/beds/1") as seen:
        sending = wire(seen.base_url, None)
        done = release(sending, messages(sending, ["POST"] * 3), http2=True)
        again = release(sending, messages(sending, ["POST"] * 3), http2=True, hold=done.next_hold)
    assert (done.early, done.next_hold) == (1, "head")
    assert [moment is None for moment in done.emitted] == [False, True, False]
    assert (again.early, again.technique) == (0, "head")


def test_a_target_that_takes_fewer_streams_has_stalled() -> None:
    with streams(most=2) as seen:
        sending = wire(seen.base_url, None)
        done = release(sending, messages(sending, ["POST"] * 5), http2=True, timeout=0.3)
    assert "of 5 requests were not at the gate in 0.3 s" in (done.stalled or "")
    assert all(one.answer for one in done.exchanges)
    assert sum(moment is None for moment in done.emitted) >= 3


def test_who_does_not_speak_http2_is_sent_last_bytes(tmp_path: Path) -> None:
    with door(tmp_path, 3) as seen:
        sending = wire(seen.base_url, seen.pem)
        done = release(sending, messages(sending, ["POST"] * 3), http2=True)
    assert seen.whole_before == 0
    assert done.technique == "last byte"
    assert all(one.answer for one in done.exchanges)


def test_cookies_stay_with_the_exchange() -> None:
    with streams() as seen:
        sending = wire(seen.base_url, None)
        release(sending, messages(sending, ["POST"] * 2), http2=True)
        done = release(sending, messages(sending, ["POST"] * 2), http2=True)
    assert all(one.answer and one.answer.header("Set-Cookie") for one in done.exchanges)
    assert not any(name.lower() == "cookie" for name, _ in done.exchanges[0].request.headers)
