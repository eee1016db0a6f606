"""The gate: requests are held back, leave together, and are always let go."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from conformance import gate
from conformance.gate import Hold, release
from conformance.model import Exchange, Message
from conformance.redaction import Redactor
from conformance.wire import Wire
from tests.engine.targets import target
from tests.engine.turnstile import PATIENCE, Turnstile, turnstile


@pytest.fixture
def server() -> Iterator[Turnstile]:
    with turnstile() as seen:
        yield seen


def wire(base_url: str, **system: Any) -> Wire:
    data = {"name": "Ward", "base_url": base_url, "max_connections": 20, "timeout": 20, **system}
    return Wire(target(system=data), base_url, Redactor())


def messages(sending: Wire, count: int, *, method: str = "POST") -> list[tuple[str, Message]]:
    """Messages that differ, each from a persona of its own."""
    body = b'{"bed": 1}' if method == "POST" else b""
    headers = (("Content-Type", "application/json"), ("X-Key", "nurse"))
    return [
        (f"nurse{number}", Message(method, sending.url(f"/beds/{number:03}"), headers, body))
        for number in range(count)
    ]


@pytest.mark.parametrize("hold", ["tail", "head", "whole"])
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("count", [1, 2, 20])
def test_nobody_is_through_before_all_have_come(
    server: Turnstile, count: int, method: str, hold: Hold
) -> None:
    sending = wire(server.base_url)
    done = release(sending, messages(sending, count, method=method), hold=hold)
    assert len(server.together) == count
    assert len(server.requests) == count
    size = len(server.requests[0])
    body = len(b'{"bed": 1}') if method == "POST" else 0
    kept = {"tail": 1, "head": 1 + body, "whole": size}[hold]
    assert all(came in (size - kept, size) for came in server.together)
    assert [one.answer and one.answer.status for one in done.exchanges] == [200] * count
    assert (done.early, done.stalled, done.next_hold) == (0, None, hold)
    assert done.technique == {"tail": "last byte", "head": "head", "whole": "barrier"}[hold]


def test_an_old_server_is_no_hindrance() -> None:
    with turnstile(version="HTTP/1.0") as server:
        sending = wire(server.base_url)
        done = release(sending, messages(sending, 5))
    assert {one.answer.status for one in done.exchanges if one.answer} == {200}
    assert len(server.together) == 5
    assert done.next_hold == "tail"


def test_exchanges_are_those_of_the_wire(server: Turnstile) -> None:
    sending = wire(server.base_url)
    watched: list[Exchange] = []
    sending.watchers.append(watched.append)
    sent = messages(sending, 3)
    before = sending.send(sent[0][1], "clerk", "setup")
    done = release(sending, sent, purpose="rounds")
    assert watched == [before, *done.exchanges]
    assert [one.id for one in watched] == ["e1", "e2", "e3", "e4"]
    assert [one.persona for one in done.exchanges] == [persona for persona, _ in sent]
    assert [one.request for one in done.exchanges] == [message for _, message in sent]
    assert {one.purpose for one in done.exchanges} == {"rounds"}
    assert sending.sent == 4
    for emitted, answered, one in zip(done.emitted, done.answered, done.exchanges, strict=True):
        assert emitted is not None
        assert answered is not None
        assert emitted < answered
        assert one.seconds >= (answered - emitted) / 1e9


def test_no_more_connections_than_the_target_takes(server: Turnstile) -> None:
    sending = wire(server.base_url, max_connections=4)
    sending.send(messages(sending, 1)[0][1], "clerk", "setup")
    release(sending, messages(sending, 4))
    assert server.most <= 4
    with pytest.raises(ValueError, match=r"5 contenders, but system\.max_connections permits 4"):
        release(sending, messages(sending, 5))


def test_a_race_needs_contenders(server: Turnstile) -> None:
    with pytest.raises(ValueError, match="needs contenders"):
        release(wire(server.base_url), [])


def test_large_bodies_are_sent_to_their_end(server: Turnstile) -> None:
    """More than a connection takes at once, so that the release has to be finished later."""
    sending = wire(server.base_url)
    url = sending.url("/beds/1")
    message = Message("POST", url, (), b"x" * 8_000_000)
    done = release(sending, [("nurse", message)] * 2, hold="whole")
    assert [one.answer and one.answer.status for one in done.exchanges] == [200, 200]
    assert all(request.endswith(b"x" * 1000) for request in server.requests)


def test_early_replies_are_counted_and_the_next_round_holds_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "_SETTLING", PATIENCE)
    with turnstile(lambda head: "early" if b"/beds/000" in head else "sound") as server:
        sending = wire(server.base_url)
        done = release(sending, messages(sending, 3))
        assert (done.early, done.next_hold) == (1, "head")
        assert [moment is None for moment in done.emitted] == [True, False, False]
        assert all(one.answer for one in done.exchanges)
        assert done.stalled is None
        again = release(sending, messages(sending, 3), hold=done.next_hold)
    assert (again.early, again.technique, again.next_hold) == (0, "head", "head")
    assert None not in again.emitted


def test_whoever_hangs_up_on_half_a_request_is_sent_whole_ones() -> None:
    with turnstile("shut") as server:
        sending = wire(server.base_url)
        done = release(sending, messages(sending, 3))
        assert not any(one.answer for one in done.exchanges)
        assert done.emitted == (None, None, None)
        assert (done.early, done.stalled, done.next_hold) == (0, None, "head")
        done = release(sending, messages(sending, 3), hold=done.next_hold)
        done = release(sending, messages(sending, 3), hold=done.next_hold)
        assert all(one.answer for one in done.exchanges)
    assert (done.technique, done.next_hold) == ("barrier", "whole")


def test_a_target_that_is_not_there_is_an_error_of_each_exchange() -> None:
    with turnstile() as server:
        pass
    sending = wire(server.base_url)
    done = release(sending, messages(sending, 2))
    assert all("could not connect" in (one.error or "") for one in done.exchanges)
    assert (done.emitted, done.early, done.stalled) == ((None, None), 0, None)


@pytest.mark.parametrize("manner", ["silent", "drip"])
def test_a_target_that_never_answers_has_stalled(manner: Any) -> None:
    with turnstile(manner) as server:
        sending = wire(server.base_url, timeout=0.2)
        done = release(sending, messages(sending, 3), timeout=20)
    assert done.stalled is not None
    assert "3 of 3 requests that were released together got no answer in time" in done.stalled
    assert {one.error for one in done.exchanges} == {"no answer within 0.2 s"}
    assert None not in done.emitted


def test_requests_that_did_not_come_in_time_are_named_and_all_are_let_go(
    server: Turnstile,
) -> None:
    sending = wire(server.base_url)
    done = release(sending, messages(sending, 3), timeout=0)
    assert done.stalled is not None
    assert "3 of 3 requests were not at the gate in 0 s" in done.stalled
    assert "system.max_connections" in done.stalled
    assert [one.answer and one.answer.status for one in done.exchanges] == [200, 200, 200]
    assert done.emitted == (None, None, None)


def test_a_target_that_accepts_no_more_has_stalled() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        sending = wire(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=0.2)
        done = release(sending, messages(sending, 5))
    assert "were not at the gate in 0.2 s" in (done.stalled or "")
    assert {one.error for one in done.exchanges} == {"no answer within 0.2 s"}


def test_priority_is_given_back(server: Turnstile) -> None:
    before = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    sending = wire(server.base_url)
    release(sending, messages(sending, 2))
    assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) == before


def test_without_the_right_to_a_priority_it_goes_on(
    server: Turnstile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    sending = wire(server.base_url)
    assert all(one.answer for one in release(sending, messages(sending, 2)).exchanges)


def test_an_abort_lets_everybody_go(server: Turnstile, monkeypatch: pytest.MonkeyPatch) -> None:
    sending = wire(server.base_url)
    watched: list[Exchange] = []
    sending.watchers.append(watched.append)

    async def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("conformance.gate.asyncio.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        release(sending, messages(sending, 3))
    monkeypatch.undo()
    assert [one.persona for one in watched] == ["nurse0", "nurse1", "nurse2"]
    sending.send(messages(sending, 1)[0][1], "clerk", "afterwards")
    assert len(server.requests) == 4
    sending.close()
