"""Probes per second of a logged-in session, as a ratio to raw sockets on the same target.

    .venv/bin/python benchmarks/probes.py [SECONDS]

Starts the clinic of the tests, reads one record again and again over one connection, and prints
for each way how many requests it made in a second and how that compares with bare sockets, which
are the most that this target and machine can do with one connection.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from conformance import run  # noqa: E402
from conformance.loading import load  # noqa: E402


def rate(send: Callable[[], None], seconds: float) -> float:
    """How often `send` ran in a second, after a short warm-up."""
    for _ in range(50):
        send()
    count, end = 0, time.perf_counter() + seconds
    started = time.perf_counter()
    while time.perf_counter() < end:
        send()
        count += 1
    return count / (time.perf_counter() - started)


def raw(url: str, token: str) -> tuple[Callable[[], None], socket.socket]:
    """A keep-alive request over a bare socket, its answer read to the end."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 80))
    request = (
        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: {token}\r\n\r\n"
    ).encode()

    def send() -> None:
        connection.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)

    return send, connection


def main(seconds: float) -> None:
    """Measure and print."""
    loaded = load(ROOT / "tests" / "clinic")
    with (
        tempfile.TemporaryDirectory() as folder,
        run.started(loaded, Path(folder) / "log") as place,
    ):
        opened = run.connect(loaded, place)
        harness = run.harness(loaded, opened, 1, Path(folder) / "log")
        world = harness.world
        patient = world.obtain("patient", "east", {})
        session = opened.sessions["doctor.east"]
        token = session.credentials()["Authorization"]
        url = f"{place.base_url}/patients/{patient.id}"
        template = loaded.target.operation("patient", "read")
        payload = world.payload("doctor.east", "patient", "east", {"patient": patient})

        def probe() -> None:
            world.send("doctor.east", template, payload, "attempt", ("patient", "read"))

        bare, connection = raw(url, token)
        with connection, httpx.Client(trust_env=False) as client:
            ways: dict[str, Callable[[], None]] = {
                "bare socket": bare,
                "probe (template, session, wire, outcome)": probe,
                "httpx.Client": lambda: _get(client, url, token),
            }
            results = {name: rate(send, seconds) for name, send in ways.items()}
        _httpx2(url, token, seconds, results)
    table = Table(title="Requests per second over one connection", title_justify="left")
    for name in ("way", "per second", "ratio to bare socket"):
        table.add_column(name, justify="left" if name == "way" else "right")
    for name, value in results.items():
        table.add_row(name, f"{value:,.0f}", f"{value / results['bare socket']:.2f}")
    Console().print(table)


def _get(client: httpx.Client, url: str, token: str) -> None:
    client.get(url, headers={"Authorization": token}).read()


def _httpx2(url: str, token: str, seconds: float, results: dict[str, float]) -> None:
    """httpx2 beside httpx, where somebody has installed it to compare."""
    try:
        import httpx2  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return
    with httpx2.Client(trust_env=False) as client:
        results["httpx2.Client"] = rate(
            lambda: client.get(url, headers={"Authorization": token}).read(), seconds
        )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
