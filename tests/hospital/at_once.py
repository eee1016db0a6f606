"""Requests that overlap for certain: none commits before every other one acts, or waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from httpx import Response

    from .conftest import House

Ask = Callable[[], "Response"]
WAITING = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
LONGEST = 20  # seconds until a meeting that cannot take place is given up


class Meeting:
    """Where requests stop before they commit until all have come, or wait for one that is here."""

    def __init__(self, house: House, size: int) -> None:
        self.house = house
        self.size = size
        self.over = False
        self._come = 0
        self._turn = threading.Lock()

    def arrive(self) -> None:
        with self._turn:
            self._come += 1

    def come(self) -> int:
        """How many have arrived, or wait for a lock."""
        engine = self.house.hospital.engine
        assert engine is not None
        with engine.connect() as connection:
            return self._come + int(connection.execute(WAITING).scalar_one())

    def wait_for(self, number: int) -> None:
        until = time.monotonic() + LONGEST
        while not self.over and self.come() < number:
            assert time.monotonic() < until, "they never met"
            time.sleep(0.002)

    def stop(self) -> None:
        """Stop until all have come."""
        self.arrive()
        self.wait_for(self.size)
        self.over = True


def at_once(house: House, *requests: Ask) -> list[Response]:
    """The answers to requests, each sent when those before it have acted but not committed."""
    hospital = house.hospital
    meeting, sound = Meeting(house, len(requests)), hospital.add_to_audit

    def add(call: Any, row: Any) -> None:
        sound(call, row)
        if row["outcome"] == "done":
            meeting.stop()
        else:
            meeting.arrive()

    hospital.add_to_audit = add
    try:
        with ThreadPoolExecutor(len(requests)) as threads:
            sent = []
            for number, request in enumerate(requests):
                meeting.wait_for(number)
                sent.append(threads.submit(request))
            return [each.result() for each in sent]
    finally:
        hospital.add_to_audit = sound


def statuses(answers: Sequence[Response]) -> list[int]:
    return [answer.status_code for answer in answers]
