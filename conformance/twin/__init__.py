"""The buggy twin: what a release of requests finds on this machine, measured in the same run.

The twin (`server`) has the bug that races look for, and tells when each request made its check.
It resembles an application that reads with one thread, works with a pool and waits for a database
between check and insert. It cannot resemble what lies before the check in a target (logging in,
other queries), several processes, a proxy, a network, nor a lock that the target takes on the way.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from conformance.gate import Hold, Release, release
from conformance.model import Answer, Message
from conformance.power import Calibration, Sample, gap
from conformance.redaction import Redactor
from conformance.target import ANONYMOUS, Target
from conformance.wire import Wire

WINDOW = 10_000
"""The twin's window while it is measured, in microseconds: wider ones are not told apart."""

_ROUNDS, _SECONDS = 60, 2.0
_PATIENCE = 10.0


class NoTwin(Exception):
    """The twin could not be started, or does not answer; the message says what it said."""


@contextlib.contextmanager
def started(contenders: int) -> Iterator[Wire]:
    """A wire to a twin of its own, which ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-I", str(Path(__file__).with_name("server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip().decode()
        if not port.isdigit():
            raise NoTwin("the twin that measures the power of races did not start")
        wire = _wire(f"http://127.0.0.1:{port}", contenders)
        with contextlib.closing(wire):
            yield wire
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wire(base_url: str, contenders: int) -> Wire:
    system = {
        "name": "Twin",
        "base_url": base_url,
        "timeout": _PATIENCE,
        "max_connections": contenders,
    }
    target = Target.model_validate(
        {
            "system": system,
            "login": {"key": {"send": {"X-Key": "twin"}}},
            "personas": {"nurse": {"role": "nurse"}},
            "resources": {"bed": {"read": "GET /beds/{id}"}},
            "policy": {"nurse": {"bed": {"read": "allow"}}},
        }
    )
    return Wire(target, base_url, Redactor())


def admit(
    wire: Wire,
    bed: str,
    contenders: int,
    *,
    window: float = WINDOW,
    sound: bool = False,
    hold: Hold = "tail",
    http2: bool = False,
) -> tuple[Release, list[dict[str, Any]]]:
    """One round: so many admissions to one bed; with what the twin tells of each.

    `window` is in microseconds. Raises NoTwin when one of them is not answered.
    """
    url = wire.url(f"/beds/{bed}?window={window}" + ("&sound" if sound else ""))
    message = Message("POST", url, (("Content-Type", "application/json"),), b"{}")
    done = release(wire, [(ANONYMOUS, message)] * contenders, hold=hold, http2=http2)
    told = []
    for exchange in done.exchanges:
        if exchange.answer is None:
            raise NoTwin(f"the twin that measures the power of races fails: {exchange.error}")
        told.append({"status": exchange.answer.status, **_read(exchange.answer)})
    return done, told


def _read(answer: Answer) -> dict[str, Any]:
    found = json.loads(answer.body)
    assert isinstance(found, dict)
    return found


@cache
def calibration(contenders: int, hold: Hold = "tail", http2: bool = False) -> Calibration:
    """What rounds of so many contenders, released like that, show on the twin.

    At most 60 rounds in two seconds; measured once in a process. TLS makes no difference that
    could be measured: what is kept back is encrypted before the release. Raises NoTwin.
    """
    samples: list[Sample] = []
    with started(contenders) as wire:
        over = time.monotonic() + _SECONDS
        while len(samples) < _ROUNDS and time.monotonic() < over:
            done, told = admit(wire, str(len(samples)), contenders, hold=hold, http2=http2)
            sent = [moment for moment in done.emitted if moment is not None]
            if len(sent) < contenders:
                continue
            critical = gap([one["checked"] for one in told])
            samples.append(
                Sample(
                    gap(sent),
                    gap([one["arrived"] for one in told]),
                    critical if critical < WINDOW * 1000 else None,
                )
            )
    return Calibration(contenders, tuple(samples))
