"""What the load generator costs and hides: the search for canaries, and coordinated omission.

    .venv/bin/python benchmarks/load.py [--seconds N] [--rounds N]

Users repeat one request as fast as they are answered, against a server on the other core that
answers at once with lists of twenty patients, a hundred different ones or never the same. Every
round measures with and without the search, one after the other, in requests for each second of
Locust's processor time, so that what else the machine does counts for both. Then a server stalls
once for two seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import uvloop

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from conformance.canary import Mint, Planted  # noqa: E402
from conformance.workload import driving  # noqa: E402
from conformance.workload.plan import Actor, Flood, Plan, Segment, Step, Workflow  # noqa: E402
from conformance.workload.samples import Samples, quantile  # noqa: E402

FIELDS = (("patient", "name"), ("patient", "note"))
ROWS = 20


def answer(number: int = 0) -> bytes:
    """A whole HTTP answer with a list of patients, two canaries in each."""
    mint = Mint(["north", "south"], FIELDS, number * 1000)

    def token(field: str) -> str:
        return mint.token(Planted("north", "patient", field, None))

    rows = [
        {
            "id": number,
            "name": f"Ada {token('name').title()}",
            "note": f"Seen on the ward today; to be seen again in a week. {token('note')}",
            "phone": "+4930123456",
            "born": "1970-01-01",
        }
        for number in range(ROWS)
    ]
    body = json.dumps(rows).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class Answering(asyncio.Protocol):
    """Answers with one of many lists; all wait while there is a stall."""

    lists: tuple[bytes, ...] = ()
    stall = 0.0
    after = 0
    served = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            Answering.served += 1
            if Answering.served == self.after:
                time.sleep(self.stall)
            self.transport.write(self.lists[Answering.served % len(self.lists)])


def serve(pipe: Connection, lists: int, stall: float, after: int) -> None:
    """Serve on a free port, which goes down the pipe first."""
    Answering.lists = tuple(map(answer, range(lists)))
    Answering.stall, Answering.after = stall, after

    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(forever())


@contextlib.contextmanager
def serving(lists: int = 100, stall: float = 0.0, after: int = 0) -> Iterator[str]:
    """The address of a server that stalls for so many seconds at its request number `after`."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(theirs, lists, stall, after), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()


def planned(url: str, **changes: object) -> Plan:
    actor = Actor("nurse", "north", sees=tuple(".".join(field) for field in FIELDS))
    step = Step("list", "GET", "/patients", about=("patient", "list"))
    plan = Plan(
        base_url=url,
        actors=(actor,),
        workflows=(Workflow("list", 0.0, {"nurse": 1}, (step,)),),
        segments=(),
        users=0,
        seed=1,
        tenants={"north": "UTC", "south": "UTC"},
        fields=FIELDS,
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


def run(plan: Plan) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        found = driving.run(plan, Path(folder), means=driving.Means())
    assert {one.status for one in found.requests} == {200}
    return found


def cost(lists: int, seconds: float, rounds: int) -> None:
    """Print throughput with and without the search, where there are so many different answers."""
    kept: dict[bool, list[float]] = {True: [], False: []}
    shares = []
    with serving(lists) as url:
        for turn in range(rounds):
            for scan in (True, False) if turn % 2 else (False, True):
                flood = Flood("list", ("nurse",), 10)
                segments = (Segment("flood", seconds, 1.0, (flood,)),)
                found = run(planned(url, segments=segments, scan=scan))
                busy = sum(node.busy_seconds for node in found.nodes)
                kept[scan].append(len(found.requests) / busy)
                shares += [found.scan_share] if scan else []
    searched, not_searched = statistics.median(kept[True]), statistics.median(kept[False])
    print(
        f"{lists:6} different answers: {searched:5.0f} requests for each second of Locust's "
        f"processor time with the search, {not_searched:5.0f} without, "
        f"cost {1 - searched / not_searched:5.1%} (timed within: {statistics.median(shares):.1%})"
    )


def omission() -> None:
    """Print the latency around a stall, from the intended instant and from that of sending."""
    stall, rate, seconds = 2.0, 50.0, 10.0
    with serving(stall=stall, after=100) as url:
        plan = planned(url, segments=(Segment("steady", seconds),), users=20)
        workflows = (replace(plan.workflows[0], rate=rate),)
        found = run(replace(plan, workflows=workflows))
    sent = [one.at + one.seconds - one.sent for one in found.requests if one.sent is not None]
    intended = [one.seconds for one in found.requests]
    print(f"a stall of {stall:g} s in {seconds:g} s at {rate:g} requests a second, 20 users:")
    for share in (0.5, 0.8, 0.95, 0.99):
        ours, theirs = quantile(intended, share), quantile(sent, share)
        assert ours is not None
        assert theirs is not None
        print(
            f"  p{share * 100:<3.0f} {ours:6.3f} s from when intended, {theirs:6.3f} from when sent"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"answers of {len(answer())} bytes with {2 * ROWS} canaries, 10 users")
    for lists in (100, 20_000):
        cost(lists, options.seconds, options.rounds)
    omission()


if __name__ == "__main__":
    main()
