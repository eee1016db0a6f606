"""How far apart requests arrive that were released together, by technique.

    .venv/bin/python benchmarks/arrivals.py [--repeat N] [--hospital] [--write]

Starts a small server that stamps each request when its last byte has been read, sends it 2 and 20
requests at once in every way that is compared, in turn, and prints median and 95th percentile of
the spread from the first to the last arrival. Then it compares what `conformance.power` states
about windows on the buggy twin with the rounds in which such windows showed. `--hospital` races
for beds in a reference hospital that looks for a free bed and does not hold it (D-027), instead.
`--write` puts the tables into docs/gate.md and draws docs/images/arrivals.svg.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import h2.config
import h2.connection
import h2.events
import httpx
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from conformance import gate, power, run, twin  # noqa: E402
from conformance.loading import load  # noqa: E402
from conformance.model import Message  # noqa: E402
from conformance.redaction import Redactor  # noqa: E402
from conformance.target import ANONYMOUS, Target  # noqa: E402
from conformance.wire import Wire  # noqa: E402

GOALS = {("HTTP/1.1", 2): 300, ("HTTP/1.1", 20): 2000, ("HTTP/2", 2): 200, ("HTTP/2", 20): 500}
"""The 95th percentile of the spread that the gate is to stay below, in microseconds."""

ROUNDS = {2: 60, 20: 25}
HOLDS: tuple[gate.Hold, ...] = ("tail", "head", "whole")
BODY = b'{"bed": 1}'
HEADERS = {"Content-Type": "application/json"}
OUTPUT = ROOT / "docs" / "gate.md"
PLOT = ROOT / "docs" / "images" / "arrivals.svg"


# --- the server ------------------------------------------------------------------------------


class Stamp(asyncio.Protocol):
    """Answers each request with the moment in which its last byte had been read.

    The answers are written when everything that could be read has been read.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._data = b""
        self._h2: h2.connection.H2Connection | None = None

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        loop = asyncio.get_running_loop()
        if self._h2 is None and not self._data and data.startswith(b"PRI * "):
            self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
            self._h2.initiate_connection()
        if self._h2 is not None:
            for event in self._h2.receive_data(data):
                if isinstance(event, h2.events.StreamEnded):
                    # When this one is handed on, not when the packet with all of them was read.
                    loop.call_soon(self._answer_stream, event.stream_id, time.monotonic_ns())
            self._transport.write(self._h2.data_to_send())
            return
        self._data += data
        _head, end, body = self._data.partition(b"\r\n\r\n")
        if end and len(body) >= len(BODY):
            self._data = b""
            loop.call_soon(self._answer, now)

    def _answer(self, now: int) -> None:
        body = str(now).encode()
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def _answer_stream(self, stream: int, now: int) -> None:
        assert self._h2 is not None
        self._h2.send_headers(stream, [(":status", "200")])
        self._h2.send_data(stream, str(now).encode(), end_stream=True)
        self._transport.write(self._h2.data_to_send())


async def serve() -> None:
    """Serve until standard input ends."""
    server = await asyncio.get_running_loop().create_server(Stamp, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The base URL of a server in a process of its own."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().decode().strip()}"
        finally:
            process.stdin.close()


# --- the techniques --------------------------------------------------------------------------

Fire = Callable[[], list[int]]
"""Sends one volley and gives the arrivals, in nanoseconds."""


@contextlib.contextmanager
def gathered(url: str, count: int, warm: bool) -> Iterator[Fire]:
    """asyncio.gather over one httpx client, whose connections are open already if `warm`."""
    limits = httpx.Limits(max_connections=count, max_keepalive_connections=count)

    def client() -> httpx.AsyncClient:
        return httpx.AsyncClient(limits=limits, trust_env=False)

    async def volley(sending: httpx.AsyncClient) -> list[int]:
        asked = (sending.post(url, content=BODY, headers=HEADERS) for _ in range(count))
        return [int(answer.text) for answer in await asyncio.gather(*asked)]

    async def cold() -> list[int]:
        async with client() as sending:
            return await volley(sending)

    with asyncio.Runner() as runner:
        if not warm:
            yield lambda: runner.run(cold())
            return
        kept = client()
        try:
            runner.run(volley(kept))
            yield lambda: runner.run(volley(kept))
        finally:
            runner.run(kept.aclose())


@contextlib.contextmanager
def through_aiohttp(url: str, count: int) -> Iterator[Fire]:
    """asyncio.gather over one aiohttp session with open connections."""
    import aiohttp

    async def opened() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=count))

    async def one(session: aiohttp.ClientSession) -> int:
        async with session.post(url, data=BODY, headers=HEADERS) as answer:
            return int(await answer.text())

    async def volley(session: aiohttp.ClientSession) -> list[int]:
        return list(await asyncio.gather(*(one(session) for _ in range(count))))

    async def close(session: aiohttp.ClientSession) -> None:
        await session.close()

    with asyncio.Runner() as runner:
        session = runner.run(opened())
        try:
            runner.run(volley(session))
            yield lambda: runner.run(volley(session))
        finally:
            runner.run(close(session))


@contextlib.contextmanager
def threaded(url: str, count: int) -> Iterator[Fire]:
    """Threads that wait for each other at a barrier, each with an open connection."""
    start, end = threading.Barrier(count + 1), threading.Barrier(count + 1)
    arrivals = [0] * count
    over = False

    def contender(number: int) -> None:
        with httpx.Client(trust_env=False) as client:
            client.post(url, content=BODY, headers=HEADERS)
            while True:
                start.wait()
                if over:
                    return
                arrivals[number] = int(client.post(url, content=BODY, headers=HEADERS).text)
                end.wait()

    threads = [threading.Thread(target=contender, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()

    def volley() -> list[int]:
        start.wait()
        end.wait()
        return list(arrivals)

    try:
        yield volley
    finally:
        over = True
        start.wait()
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def gated(
    base_url: str, url: str, count: int, hold: gate.Hold, http2: bool, real_time: bool = True
) -> Iterator[Fire]:
    """The gate; without `real_time` as on a machine that refuses SCHED_FIFO."""
    target = Target.model_validate(
        {
            "system": {"name": "Stamp", "base_url": base_url, "max_connections": count},
            "login": {"key": {"send": {"X-Key": "-"}}},
            "personas": {"nurse": {"role": "nurse"}},
            "resources": {"bed": {"read": "GET /beds/{id}"}},
            "policy": {"nurse": {"bed": {"read": "allow"}}},
        }
    )
    wire = Wire(target, base_url, Redactor())
    message = Message("POST", url, tuple(HEADERS.items()), BODY)

    def volley() -> list[int]:
        done = gate.release(wire, [(ANONYMOUS, message)] * count, hold=hold, http2=http2)
        return [int(one.answer.body) for one in done.exchanges if one.answer is not None]

    with contextlib.closing(wire), contextlib.ExitStack() as stack:
        if not real_time:
            refused = mock.patch.object(os, "sched_setscheduler", side_effect=PermissionError)
            stack.enter_context(refused)
        yield volley


Way = Callable[[str, str, int], contextlib.AbstractContextManager[Fire]]


def ways() -> dict[str, Way]:
    """Every way that is compared, the naive ones first."""
    found: dict[str, Way] = {
        "httpx gather, warm": lambda _base, url, count: gathered(url, count, True),
        "httpx gather, cold": lambda _base, url, count: gathered(url, count, False),
        "threads and a barrier": lambda _base, url, count: threaded(url, count),
    }
    with contextlib.suppress(ImportError):
        import aiohttp  # noqa: F401

        found["aiohttp gather, warm"] = lambda _base, url, count: through_aiohttp(url, count)
    return found | {
        "gate, whole requests": lambda base, url, count: gated(base, url, count, "whole", False),
        "gate, last byte, no priority": lambda base, url, count: gated(
            base, url, count, "tail", False, False
        ),
        "gate, last byte": lambda base, url, count: gated(base, url, count, "tail", False),
        "gate, HTTP/2": lambda base, url, count: gated(base, url, count, "tail", True),
    }


# --- measuring -------------------------------------------------------------------------------


@dataclass
class Spreads:
    """The spreads of one way and number of contenders in microseconds, one list a repetition."""

    runs: list[list[float]] = field(default_factory=list)

    @property
    def every(self) -> list[float]:
        return [one for run in self.runs for one in run]

    @property
    def median(self) -> float:
        return power.median(self.every)

    @property
    def p95(self) -> float:
        return power.p95(self.every)

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest 95th percentile of a repetition."""
        found = [power.p95(run) for run in self.runs]
        return min(found), max(found)


def measure(repeat: int, console: Console) -> dict[tuple[str, int], Spreads]:
    """All ways, each repetition through all of them."""
    found: dict[tuple[str, int], Spreads] = {}
    with server() as base_url:
        url = base_url + "/beds/1"
        for number in range(repeat):
            console.print(f"repetition {number + 1} of {repeat}, load {os.getloadavg()[0]:.1f}")
            for count, rounds in ROUNDS.items():
                for name, way in ways().items():
                    with way(base_url, url, count) as fire:
                        fire()
                        run = [power.spread(fire()) for _ in range(rounds)]
                    found.setdefault((name, count), Spreads()).runs.append(run)
    return found


def stated(rounds: int = 40) -> list[tuple[int, int, float, float]]:
    """Contenders, the twin's window (µs), the share of rounds that showed it, and the chance that
    is stated for one round.

    The window is the wait that the twin is asked for. What it takes until its thread runs again
    is not counted, because others run then.
    """
    found = []
    for count in (2, 5, 20):
        calibration = twin.calibration(count)
        with twin.started(count) as wire:
            for window in (20, 50, 100, 200, 500, 1000, 2000):
                shown, chance = 0, 0.0
                for number in range(rounds):
                    done, told = twin.admit(wire, f"{window}-{number}", count, window=window)
                    shown += sum(one["inserted"] is not None for one in told) > 1
                    sent = tuple(moment for moment in done.emitted if moment is not None)
                    chance += power.chance(window, [power.Shot(sent)], calibration)
                found.append((count, window, shown / rounds, chance / rounds))
    return found


def admitted(rounds: int = 40) -> list[list[str]]:
    """Rows of contenders, what is held back, the share of single rounds in which two got the bed,
    and median and 95th percentile of the spread as the hospital tells it (µs).

    The bug has its natural window, from a query to an insert in PostgreSQL.
    """
    os.environ["HOSPITAL_DEFECT"] = "D-027"
    loaded = load(ROOT / "fixtures" / "targets" / "hospital")
    found = []
    with (
        tempfile.TemporaryDirectory() as folder,
        run.started(loaded, Path(folder) / "log") as place,
    ):
        opened = run.connect(loaded, place)
        world = run.harness(loaded, opened, 1, Path(folder) / "copy").world
        persona = "receptionist.north"
        fields = (
            *opened.sessions[persona].credentials().items(),
            ("Content-Type", "application/json"),
        )

        def round_of(count: int, hold: gate.Hold) -> gate.Release:
            bed = world.obtain("bed", "north", {}, fresh=True).id
            patients = [world.obtain("patient", "north", {}, fresh=True).id for _ in range(count)]
            bodies = [json.dumps({"patient_id": one, "bed_id": bed}).encode() for one in patients]
            url = opened.wire.url("/admissions")
            messages = [(persona, Message("POST", url, fields, body)) for body in bodies]
            return gate.release(opened.wire, messages, hold=hold)

        for count in (2, 5, 20):
            for hold in HOLDS:
                shown, spreads = 0, []
                for _ in range(rounds):
                    done = round_of(count, hold)
                    answers = [one.answer for one in done.exchanges if one.answer is not None]
                    shown += [one.status for one in answers].count(201) > 1
                    arrivals = [int(one.header("X-Arrived-At") or 0) for one in answers]
                    spreads.append(power.spread(arrivals))
                spread = f"{power.median(spreads):,.0f}", f"{power.p95(spreads):,.0f}"
                found.append([str(count), hold, f"{shown / rounds:.0%}", *spread])
    return found


# --- showing ---------------------------------------------------------------------------------


def rows(found: dict[tuple[str, int], Spreads]) -> list[list[str]]:
    """The table's cells, in microseconds."""
    lines = []
    for name in dict.fromkeys(name for name, _ in found):
        cells = [name]
        for count in ROUNDS:
            spreads = found[name, count]
            low, high = spreads.range
            cells += [f"{spreads.median:,.0f}", f"{spreads.p95:,.0f}", f"{low:,.0f}–{high:,.0f}"]
        lines.append(cells)
    return lines


HEADINGS = [
    "technique",
    *(f"{what} at {count}" for count in ROUNDS for what in ("median", "p95", "p95 by run")),
]


def markdown(headings: list[str], lines: list[list[str]]) -> str:
    """A table."""
    rule = ["---", *["--:"] * (len(headings) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [headings, rule, *lines])


def drawing(found: dict[tuple[str, int], Spreads]) -> str:
    """Median to 95th percentile of each way as SVG, on a logarithmic scale."""
    names = list(dict.fromkeys(name for name, _ in found))
    left, wide, step, top = 210, 330, 26, 74
    low, high = 0.6, 5.8

    def x(value: float, panel: int) -> float:
        share = (min(max(math.log10(value), low), high) - low) / (high - low)
        return left + panel * (wide + 40) + share * wide

    bottom = top + step * len(names)
    width = left + 2 * wide + 64
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + 48}" '
        f'width="{width}" height="{bottom + 48}" role="img" aria-labelledby="title desc">',
        '<title id="title">Spread of arrivals by technique</title>',
        '<desc id="desc">From the first to the last arrival, for 2 and for 20 contenders: a dot '
        "at the median, a line to the 95th percentile, and the goal for the gate.</desc>",
        "<style>text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;"
        "font-size:12.5px;fill:#1b222c}.card{fill:#fff}.head{font-size:14px;font-weight:650}"
        ".tick{font-size:11px;fill:#55606f;text-anchor:middle}.grid{stroke:#e3e7ec}"
        ".naive{stroke:#7c8794;fill:#7c8794}.gate{stroke:#0b6e99;fill:#0b6e99}"
        ".goal{stroke:#b3541e;stroke-width:1.6;stroke-dasharray:3 2}.note{fill:#b3541e}"
        "@media (prefers-color-scheme:dark){text{fill:#e7ebf0}.card{fill:#12161b}"
        ".tick{fill:#a2adbb}.grid{stroke:#29313b}.gate{stroke:#4fb3dc;fill:#4fb3dc}"
        ".goal{stroke:#e8935c}.note{fill:#e8935c}}</style>",
        f'<rect class="card" width="{width}" height="{bottom + 48}" rx="10"/>',
    ]
    for panel, count in enumerate(ROUNDS):
        parts.append(f'<text class="head" x="{x(10, panel):.0f}" y="28">{count} contenders</text>')
        for value, label in [
            (10, "10 µs"),
            (100, "100 µs"),
            (1e3, "1 ms"),
            (1e4, "10 ms"),
            (1e5, "100 ms"),
        ]:
            at = f"{x(value, panel):.1f}"
            parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{top - 16}" y2="{bottom}"/>')
            parts.append(f'<text class="tick" x="{at}" y="{bottom + 18}">{label}</text>')
        for row, name in enumerate(names):
            y = top + step * row
            spreads = found[name, count]
            kind = "gate" if name.startswith("gate") else "naive"
            start, stop = x(spreads.median, panel), x(spreads.p95, panel)
            if panel == 0:
                parts.append(f'<text x="16" y="{y + 4}">{name}</text>')
            parts.append(
                f'<line class="{kind}" stroke-width="3" x1="{start:.1f}" x2="{stop:.1f}" '
                f'y1="{y}" y2="{y}"/><circle class="{kind}" cx="{start:.1f}" cy="{y}" r="4.5"/>'
            )
            protocol = {"gate, last byte": "HTTP/1.1", "gate, HTTP/2": "HTTP/2"}.get(name)
            if protocol is not None:
                at = f"{x(GOALS[protocol, count], panel):.1f}"
                parts.append(f'<line class="goal" x1="{at}" x2="{at}" y1="{y - 9}" y2="{y + 9}"/>')
    parts.append(
        f'<text class="tick" x="{width / 2:.0f}" y="{bottom + 38}">from the first to the last '
        'arrival: dot = median, line to the 95th percentile, <tspan class="note">dashed = goal'
        "</tspan></text></svg>"
    )
    return "\n".join(parts) + "\n"


def write(tables: dict[str, str]) -> None:
    """Replace the tables between their marks in the document."""
    text = OUTPUT.read_text(encoding="utf-8")
    for name, table in tables.items():
        before, _, rest = text.partition(f"<!-- {name} -->\n")
        _, _, after = rest.partition(f"<!-- end {name} -->")
        text = f"{before}<!-- {name} -->\n{table}\n<!-- end {name} -->{after}"
    OUTPUT.write_text(text, encoding="utf-8")


def measured_at(load_before: float) -> str:
    """On what the figures were measured."""
    return (
        f"{os.cpu_count()} processors, load average {load_before:.1f} before and "
        f"{os.getloadavg()[0]:.1f} after. Microseconds.\n\n"
    )


def main(arguments: argparse.Namespace) -> None:
    """Measure, print, and write if asked."""
    console = Console()
    load_before = os.getloadavg()[0]
    if arguments.hospital:
        headings = ["contenders", "held back", "shown in one round", "spread, median", "p95"]
        lines = admitted()
        table = Table(*headings, title="One bed in the hospital (µs)", title_justify="left")
        for cells in lines:
            table.add_row(*cells)
        console.print(table)
        if arguments.write:
            write({"hospital": measured_at(load_before) + markdown(headings, lines)})
        return
    found = measure(arguments.repeat, console)
    table = Table(title="Spread of arrivals in µs", title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "technique" else "right")
    for cells in rows(found):
        table.add_row(*cells)
    console.print(table)
    for (protocol, count), goal in GOALS.items():
        name = "gate, last byte" if protocol == "HTTP/1.1" else "gate, HTTP/2"
        p95 = found[name, count].p95
        verdict = "met" if p95 <= goal else "MISSED"
        console.print(f"{protocol}, {count} contenders: p95 {p95:,.0f} µs, goal {goal}: {verdict}")
    claims = [
        [str(count), f"{window:,}", f"{share:.0%}", f"{chance:.0%}"]
        for count, window, share, chance in stated()
    ]
    headings = ["contenders", "window (µs)", "shown", "stated"]
    table = Table(*headings, title="One round on the buggy twin", title_justify="left")
    for cells in claims:
        table.add_row(*cells)
    console.print(table)
    if arguments.write:
        rounds = " and ".join(f"{ROUNDS[count]} of {count}" for count in ROUNDS)
        about = f"{arguments.repeat} repetitions with {rounds} contenders each. "
        write(
            {
                "arrivals": about + measured_at(load_before) + markdown(HEADINGS, rows(found)),
                "windows": markdown(headings, claims),
            }
        )
        PLOT.write_text(drawing(found), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="repetitions of everything")
    parser.add_argument("--hospital", action="store_true", help="race in the hospital instead")
    parser.add_argument("--write", action="store_true", help="write docs/gate.md and the plot")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve())
    else:
        main(given)
