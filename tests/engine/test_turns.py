"""Turns: whoever is alone is alone, and the others share."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

from conformance.turns import turn


def test_cases_share_the_target(tmp_path: Path) -> None:
    together = Barrier(2)

    def take() -> int:
        with turn(tmp_path, alone=False):
            return together.wait(10)

    with ThreadPoolExecutor(2) as threads:
        assert {one.result() for one in [threads.submit(take), threads.submit(take)]} == {0, 1}


def test_whoever_is_alone_waits_and_is_waited_for(tmp_path: Path) -> None:
    order: list[str] = []
    begun, waiting = Event(), Event()

    def alone() -> None:
        begun.wait(10)
        waiting.set()
        with turn(tmp_path, alone=True):
            order.append("alone")

    def other() -> None:
        with turn(tmp_path, alone=False):
            order.append("next")

    with ThreadPoolExecutor(2) as threads:
        with turn(tmp_path, alone=False):
            first = threads.submit(alone)
            begun.set()
            waiting.wait(10)
            order.append("first")
        first.result(10)
        threads.submit(other).result(10)
    assert order == ["first", "alone", "next"]
