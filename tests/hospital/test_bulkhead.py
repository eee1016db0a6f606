"""A tenant that floods the hospital waits for itself; the others keep their share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from fixtures.hospital.bulkhead import Bulkhead
from fixtures.hospital.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from .conftest import House

NORTH, SOUTH = "receptionist.north", "receptionist.south"


def run(body: Callable[[], Awaitable[None]]) -> None:
    anyio.run(body)


def test_whoever_is_alone_has_more_places() -> None:
    async def body() -> None:
        bulkhead = Bulkhead(alone=2, shared=1, waiting=0)
        async with bulkhead.place("north"), bulkhead.place("north"):
            with pytest.raises(Refusal) as refused:
                async with bulkhead.place("north"):
                    raise AssertionError("there were two places")
            assert (refused.value.status, refused.value.retry_after) == (429, 1)
            async with bulkhead.place("south"):
                pass
        async with bulkhead.place("north"):  # south is still about
            with pytest.raises(Refusal):
                async with bulkhead.place("north"):
                    raise AssertionError("beside others there is one place")

    run(body)


def test_whoever_waits_is_served_in_turn() -> None:
    async def body() -> None:
        bulkhead = Bulkhead(alone=1, shared=1, waiting=2)
        served: list[int] = []

        async def ask(number: int) -> None:
            async with bulkhead.place("north"):
                served.append(number)

        async with anyio.create_task_group() as tasks, AsyncExitStack() as held:
            await held.enter_async_context(bulkhead.place("north"))
            for number in (1, 2):
                tasks.start_soon(ask, number)
                await anyio.wait_all_tasks_blocked()
            assert served == []
            with pytest.raises(Refusal):
                await ask(3)
            await held.aclose()
        assert served == [1, 2]

    run(body)


def test_whoever_goes_away_gives_the_place_back() -> None:
    async def body() -> None:
        bulkhead = Bulkhead(alone=1, shared=1, waiting=1)

        async def ask() -> None:
            async with bulkhead.place("north"):
                raise AssertionError("it went away before")

        async with anyio.create_task_group() as tasks, bulkhead.place("north"):
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        async with bulkhead.place("north"):
            pass

    run(body)


@contextmanager
def held(house: House, username: str) -> Iterator[None]:
    """Keep one request of `username` in progress."""
    sound, there, end = house.hospital.add_to_audit, threading.Event(), threading.Event()

    def add(call: Any, row: Any) -> None:
        sound(call, row)
        if row["actor"] == username:
            there.set()
            assert end.wait(20)

    house.hospital.add_to_audit = add
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(house.get, username, "/me")
        try:
            assert there.wait(20)
            yield
        finally:
            house.hospital.add_to_audit = sound
            end.set()
            assert answer.result().status_code == 200


def test_one_request_too_many_is_told_when_to_come_again(sound: House) -> None:
    usual = sound.hospital.bulkhead
    try:
        sound.hospital.bulkhead = Bulkhead(alone=1, shared=1, waiting=0)
        for username in (NORTH, SOUTH):
            assert sound.get(username, "/me").status_code == 200
        with held(sound, NORTH):
            refused = sound.get(NORTH, "/patients")
            served = sound.get(SOUTH, "/patients")
    finally:
        sound.hospital.bulkhead = usual
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "busy")
    assert refused.headers["retry-after"] == "1"
    assert served.status_code == 200
