"""Stands before a target, and writes down and blurts out every byte that passes.

`python listening_in.py PORT CAPTURE COMMAND…`: starts COMMAND with {inner} replaced by a port, and
hands on what comes to PORT. The bytes from the target go into CAPTURE.answers, those to it into
CAPTURE.requests; both go to standard output, as the log of a careless target would have them.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

_LOG = threading.Lock()


def _handed_on(source: socket.socket, sink: socket.socket, kept: BinaryIO) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            with _LOG:
                kept.write(data)
                kept.flush()
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _connected(port: int) -> socket.socket | None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port))
        time.sleep(0.1)
    return None


def main(port: int, capture: Path, command: list[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        inner = int(probe.getsockname()[1])
    filled = [part.replace("{inner}", str(inner)) for part in command]
    with (
        subprocess.Popen(filled),
        capture.with_suffix(".requests").open("ab") as requests,
        capture.with_suffix(".answers").open("ab") as answers,
        socket.create_server(("127.0.0.1", port), backlog=128) as door,
    ):
        while True:
            client, _ = door.accept()
            server = _connected(inner)
            if server is None:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for ends in ((client, server, requests), (server, client, answers)):
                threading.Thread(target=_handed_on, args=ends, daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
