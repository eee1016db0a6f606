"""Reading what Locust's processes wrote: lines of samples, acknowledged writes, whole exchanges."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance.model import Answer, Message
from conformance.workload.plan import built
from conformance.workload.samples import Arrival, Kept, Node, Sample, Samples, Write

OUT = "WARDPROOF_LOAD"
"""The variable of the environment that names a run's folder."""
PLAN, ORDERS = "plan.json", "orders.jsonl"
SAMPLES, WRITES, KEPT, NODES, STARTED = (
    "samples.jsonl",
    "writes.jsonl",
    "kept.jsonl",
    "nodes.jsonl",
    "started.json",
)


def read(folder: Path) -> Samples:
    """What the run left in `folder`. A last line that was cut off is passed over."""
    requests: list[Sample] = []
    arrivals: list[Arrival] = []
    for row in _lines(folder / SAMPLES):
        (requests.append(Sample(*row[1:])) if row[0] == "r" else arrivals.append(Arrival(*row[1:])))
    started = folder / STARTED
    return Samples(
        started=json.loads(started.read_text())["started"] if started.exists() else 0.0,
        requests=tuple(requests),
        arrivals=tuple(arrivals),
        writes=tuple(built(Write, row) for row in _lines(folder / WRITES)),
        kept=tuple(_kept(row) for row in _lines(folder / KEPT)),
        nodes=tuple(built(Node, row) for row in _lines(folder / NODES)),
    )


def _lines(path: Path) -> Iterator[Any]:
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)


def _kept(row: dict[str, Any]) -> Kept:
    request, answer = row.pop("request"), row.pop("answer")
    message = Message(
        request["method"],
        request["url"],
        tuple((name, value) for name, value in request["headers"]),
        base64.b64decode(request["body"]),
    )
    received = answer and Answer(
        answer["status"],
        tuple((name, value) for name, value in answer["headers"]),
        base64.b64decode(answer["body"]),
    )
    row["about"], row["carried"] = tuple(row["about"]), tuple(row["carried"])
    return Kept(request=message, answer=received, **row)
