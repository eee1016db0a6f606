"""Targets that are not well: listeners on the loopback that misbehave in one way each."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

Manner = Callable[[socket.socket, threading.Event], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def silent(_connection: socket.socket, ended: threading.Event) -> None:
    """Takes the request and never answers."""
    ended.wait()


def resetting(connection: socket.socket, _ended: threading.Event) -> None:
    """Reads, then resets the connection."""
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def babbling(connection: socket.socket, _ended: threading.Event) -> None:
    """Answers something that is no HTTP."""
    connection.recv(65536)
    connection.sendall(b"\x00\xffSSH-2.0-whatever\r\n\r\n")


def endless(connection: socket.socket, ended: threading.Event) -> None:
    """Answers with a body that has no end."""
    connection.recv(65536)
    connection.sendall(HEAD + b"\r\n")
    while not ended.is_set():
        connection.sendall(b"x" * 65536)


def dripping_body(connection: socket.socket, ended: threading.Event) -> None:
    """Sends one byte of the body now and then."""
    connection.recv(65536)
    connection.sendall(HEAD + b"\r\n")
    while not ended.wait(0.1):
        connection.sendall(b" ")


def dripping_headers(connection: socket.socket, ended: threading.Event) -> None:
    """Sends one byte of the headers now and then."""
    connection.recv(65536)
    connection.sendall(HEAD + b"X-Slow: ")
    while not ended.wait(0.1):
        connection.sendall(b"a")


def _answering(status: str, body: bytes, *headers: str) -> Manner:
    def manner(connection: socket.socket, _ended: threading.Event) -> None:
        connection.recv(65536)
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
        head = "\r\n".join([*lines, "Connection: close", "", ""])
        connection.sendall(head.encode() + body)

    return manner


failing = _answering("500 Internal Server Error", b'{"detail": "failed"}')
page = _answering("200 OK", b"<html><form>Log in</form></html>", "Content-Type: text/html")


def leading_to(origin: str) -> Manner:
    """Answers everything, the login too, with a redirect to another origin."""
    return _answering("307 Temporary Redirect", b"", f"Location: {origin}/elsewhere")


@contextlib.contextmanager
def listening(manner: Manner) -> Iterator[str]:
    """The base URL of a listener with that manner."""
    with _Listener(manner) as listener:
        yield listener.url


@contextlib.contextmanager
def overhearing() -> Iterator[tuple[str, list[bytes]]]:
    """The base URL of a listener, and all that anybody ever sent to it."""
    heard: list[bytes] = []

    def manner(connection: socket.socket, _ended: threading.Event) -> None:
        heard.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with _Listener(manner) as listener:
        yield listener.url, heard


class _Listener:
    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._ended = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> _Listener:
        self._threads[0].start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        deadline = time.monotonic() + 5
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _address = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=[connection], daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            self._manner(connection, self._ended)


def unused_url() -> str:
    """A base URL at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"
