"""Samples over time, and reading the lines that a process of Locust wrote."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from conformance.workload import reading
from conformance.workload.samples import Node, Sample, Samples, quantile, series


def sample(at: float, seconds: float, **changes: object) -> Sample:
    given = {
        "at": at, "sent": at, "seconds": seconds, "workflow": "w", "number": 0, "step": "s",
        "actor": "a", "status": 200, "error": None, "bytes": 1, "flood": False, "free": True,
        "flag": "",
    }  # fmt: skip
    return Sample(**{**given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None), ([3.0], 0.99, 3.0), ([4.0, 1.0, 2.0, 3.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.95, 95.0), ([1.0, 2.0], 0.0, 1.0),
    ],
)  # fmt: skip
def test_quantiles_are_values_that_were_seen(
    values: list[float], share: float, expected: float | None
) -> None:
    assert quantile(values, share) == expected


def test_series_counts_by_the_intended_instant() -> None:
    found = series(
        [sample(0.1, 0.2), sample(0.2, 2.0), sample(1.5, 0.1, error="answered 500"),
         sample(9.0, 1.0)], 3, 1.0,
    )  # fmt: skip
    assert [(point.at, point.count, point.errors) for point in found] == [
        (0, 2, 0), (1, 1, 1), (2, 0, 0),
    ]  # fmt: skip
    assert found[0].p50 == 0.2
    assert found[0].p99 == 2.0
    assert found[2].p95 is None
    assert [point.running for point in found] == [2, 2, 1]


def test_connections_refused_at_once_have_no_latency() -> None:
    refused = {"status": None, "error": "the connection was refused"}
    late = {"status": None, "error": "no answer in time"}
    before, down, after = series(
        [sample(0.1, 0.4), sample(0.2, 0.6), sample(0.3, 0.3, **refused),
         sample(1.1, 0.001, **refused), sample(1.2, 10.0, **late), sample(1.3, 0.002, **refused),
         sample(2.1, 0.5), sample(2.2, 0.05, status=503, error="answered 503")], 3, 1.0,
    )  # fmt: skip
    assert (before.count, before.errors, before.p50) == (3, 1, 0.4)
    assert (down.count, down.errors, down.p50, down.p99) == (3, 3, 10.0, 10.0)
    assert (after.errors, after.p50, after.p99) == (1, 0.5, 0.5)
    nothing, *_ = series([sample(0.5, 0.01, **refused)], 1, 1.0)
    assert (nothing.count, nothing.errors, nothing.p95) == (1, 1, None)


def test_what_was_never_sent_was_never_running() -> None:
    assert series([sample(0.5, 5, sent=None)], 1, 1)[0].running == 0


def test_the_lag_is_of_free_users_or_of_the_process() -> None:
    waited = [sample(number, 0.1, sent=number + 5.0, free=False) for number in range(9)]
    late = [sample(number, 0.1, sent=number + 0.25) for number in range(9)]
    assert Samples(0, tuple(waited)).lag == 0
    assert Samples(0, tuple(waited + late)).lag == pytest.approx(0.25)
    node = Node("n", 1, 10, 0.1, 2.0, 0.5, done=True)
    found = Samples(0, tuple(late), nodes=(node, node))
    assert (found.lag, found.responses, found.scan_share) == (0.5, 20, 0.05)


def test_reading_passes_over_a_line_that_was_cut_off(tmp_path: Path) -> None:
    row = list(vars(sample(1, 2)).values())
    arrival = [1.0, 2.0, "w", 0, "a", None, False]
    lines = [json.dumps(["r", *row]), json.dumps(["a", *arrival]), '["r", 1.0, 2']
    (tmp_path / reading.SAMPLES).write_text("\n".join(lines))
    kept = {
        "why": "suspect", "kind": "leak", "actor": "a", "workflow": "w", "step": "s",
        "about": ["patient", "read"], "error": None, "at": 1.0, "seconds": 0.5, "carried": ["x"],
        "request": {"method": "GET", "url": "http://x/", "headers": [["A", "b"]], "body": ""},
        "answer": {"status": 200, "headers": [["C", "d"]],
                   "body": base64.b64encode(b"\x00{").decode()},
    }  # fmt: skip
    (tmp_path / reading.KEPT).write_text(json.dumps(kept) + "\n")
    (tmp_path / reading.STARTED).write_text('{"started": 12.5}\n')
    found = reading.read(tmp_path)
    assert found.started == 12.5
    assert found.requests == (sample(1, 2),)
    assert len(found.arrivals) == 1
    (one,) = found.of("suspect")
    assert one.answer is not None
    assert (one.about, one.answer.body) == (("patient", "read"), b"\x00{")
    assert one.request.headers == (("A", "b"),)
    assert found.writes == ()
