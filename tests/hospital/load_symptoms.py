"""Symptoms of defects that show under load, or when the hospital is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event, select

from fixtures.hospital.defects import d_061, d_062, h_092, later
from fixtures.hospital.records import STOCK
from fixtures.hospital.sessions import ENTER_TENANT

from .at_once import WAITING
from .symptoms import shows

if TYPE_CHECKING:
    from httpx import Response

    from .conftest import House

NORTH, SOUTH = "receptionist.north", "receptionist.south"
NURSE, PHYSICIAN, PHARMACIST = "nurse.north", "physician.north", "pharmacist.north"
LONGEST = 20  # seconds until what cannot happen is given up


def until(happened: Callable[[], object]) -> None:
    """Wait for something that is bound to happen."""
    end = time.monotonic() + LONGEST
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.002)


@contextmanager
def set_to(owner: object, name: str, value: Any) -> Iterator[None]:
    """Have an attribute be another value for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, value)
        yield


def meanwhile(
    house: House, seam: str, stops: Callable[..., bool], first: Callable[[], Response], then: Any
) -> Response:
    """The answer to `first`, which stops behind a seam of the hospital until `then` is done."""
    hospital = house.hospital
    sound, there, on = getattr(hospital, seam), threading.Event(), threading.Event()

    def stopping(*given: Any) -> Any:
        result = sound(*given)
        if not there.is_set() and stops(*given):
            there.set()
            assert on.wait(LONGEST)
        return result

    with ThreadPoolExecutor(1) as threads, set_to(hospital, seam, stopping):
        answer = threads.submit(first)
        try:
            assert there.wait(LONGEST)
            then()
        finally:
            on.set()
        return answer.result()


def by(username: str) -> Callable[..., bool]:
    return lambda call, *_: call.identified and call.caller.username == username


def found(house: House, username: str, name: str) -> Response:
    return house.get(username, "/patients/search", params={"q": name})


# --- the context of a request


@shows("D-060")
def the_tenant_of_whoever_came_last(house: House) -> bool:
    name = f"Zz{uuid4().hex}"
    house.patient("south", name=name)
    house.user(SOUTH)
    for username in (SOUTH, NORTH):
        house.get(username, "/me")
    assert name not in found(house, NORTH, name).text
    answer = meanwhile(
        house,
        "enter",
        by(NORTH),
        lambda: found(house, NORTH, name),
        lambda: house.get(SOUTH, "/me"),
    )
    assert answer.status_code == 200
    return name in answer.text


@shows("D-060.error")
def the_tenant_of_a_request_that_failed(house: House) -> bool:
    name = f"Zz{uuid4().hex}"
    house.patient("south", name=name)
    house.get(SOUTH, "/me")
    assert name not in found(house, NORTH, name).text
    assert house.post(SOUTH, "/patients", {"sex": 1}).status_code == 422
    return name in found(house, NORTH, name).text


@shows("D-060.actor")
def the_trail_names_whoever_came_last(house: House) -> bool:
    house.user(SOUTH)
    mark = {"X-Correlation-Id": uuid4().hex}
    meanwhile(
        house,
        "enter",
        by(NORTH),
        lambda: house.get(NORTH, "/patients", headers=mark),
        lambda: house.get(SOUTH, "/me"),
    )
    asked = {"correlation_id": mark["X-Correlation-Id"]}
    rows = house.get("privacy_officer.north", "/audit", params=asked).json()["items"]
    assert [row["tenant"] for row in rows] == ["north"]
    return [row["actor"] for row in rows] == [SOUTH]


# --- the state of a connection


@shows("D-061")
def a_connection_keeps_the_tenant(house: House) -> bool:
    name = f"Zz{uuid4().hex}"
    house.patient("south", name=name)

    def ask(username: str) -> Response:
        return house.get(username, "/patients", params={"limit": 200})

    assert name not in ask(NORTH).text
    answer = meanwhile(house, "check_csrf", by(NORTH), lambda: ask(NORTH), lambda: ask(SOUTH))
    assert answer.status_code == 200
    return name in answer.text


@shows("D-061.reply")
def an_answer_belongs_to_the_question_before(house: House) -> bool:
    there, other = house.patient("south", name="There"), house.patient(name="Here")
    on, look = threading.Event(), d_061.Line.look

    def held(*given: Any) -> Any:
        assert on.wait(LONGEST)
        return look(*given)

    with set_to(d_061.Line, "look", held):
        assert house.get(SOUTH, f"/patients/{there}").json()["name"] == "There"
        on.set()
        with set_to(d_061, "PATIENCE", LONGEST):
            shown = house.get(NORTH, f"/patients/{other}").json()
    return bool(shown["name"] == "There")


# --- answers that are shared


def joined(house: House, path: str, leader: str, follower: str) -> Response:
    """The answer to `follower`, who asks for what `leader` is being told."""
    flights = getattr(
        getattr(house.hospital.operations["list_patients"].run, "func", None), "__self__", None
    )
    before = flights.joined if isinstance(flights, d_062.Flights) else 0
    answers: list[Future[Response]] = []

    with ThreadPoolExecutor(1) as threads:

        def follow() -> None:
            answers.append(threads.submit(house.get, follower, path))
            until(
                lambda: (
                    answers[0].done()
                    or (isinstance(flights, d_062.Flights) and flights.joined > before)
                )
            )

        meanwhile(house, "local_date", lambda *_: True, lambda: house.get(leader, path), follow)
        return answers[0].result()


@shows("D-062")
def an_answer_for_another_tenant(house: House) -> bool:
    name = f"Zz{uuid4().hex}"
    house.patient("south", name=name)
    house.patient()
    house.token(NORTH)
    return name in joined(house, "/patients?limit=200", SOUTH, NORTH).text


@shows("D-062.role")
def an_answer_for_another_role(house: House) -> bool:
    note, foreign = f"Zz{uuid4().hex}", house.patient("south", name=f"Zz{uuid4().hex}")
    house.patient("north", NURSE, note=note)
    house.token(NORTH)
    assert foreign not in joined(house, "/patients?limit=200", SOUTH, NORTH).text
    assert note not in house.get(NORTH, "/patients?limit=200").text
    return note in joined(house, "/patients?limit=200", NURSE, NORTH).text


@shows("D-062.user")
def an_answer_for_another_person(house: House) -> bool:
    name = f"Zz{uuid4().hex}"
    house.patient("north", NURSE, "nurse2.north", name="Both")
    house.patient("north", NURSE, name=name)
    house.patient()
    for username in (NORTH, "nurse2.north"):
        house.token(username)
    assert name in joined(house, "/patients?limit=200", NORTH, NURSE).text
    return name in joined(house, "/patients?limit=200", NURSE, "nurse2.north").text


# --- statements for each row


def statements(house: House, username: str, path: str) -> int:
    """How many statements an answer takes."""
    taken: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        taken.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert house.get(username, path).status_code == 200
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return len(taken)


def growth(house: House, username: str, path: str, more: Callable[[], object]) -> int:
    """How many statements an answer takes more when there are five rows more."""
    house.get(username, "/me")
    before = statements(house, username, path)
    for _ in range(5):
        more()
    return statements(house, username, path) - before


@shows("D-063")
def a_list_looks_around_each_patient(house: House) -> bool:
    more = growth(house, NURSE, "/patients?limit=200", lambda: house.patient("north", NURSE))
    return more >= 5


@shows("D-063.mask")
def a_masked_list_looks_around_each_patient(house: House) -> bool:
    unmasked, masked = (
        growth(house, username, "/patients?limit=200", lambda: house.patient("north", NURSE))
        for username in (NURSE, NORTH)
    )
    return unmasked < 5 <= masked


@shows("D-063.board")
def a_board_looks_around_each_bed(house: House) -> bool:
    ward = house.get("tenant_admin.north", "/wards").json()["items"][0]["id"]
    return growth(house, NURSE, f"/wards/{ward}/board", house.bed) >= 5


# --- many at once


@contextmanager
def in_progress(house: House, number: int) -> Iterator[None]:
    """Keep so many requests of one tenant in progress, whether they run or wait."""
    for username in (NORTH, SOUTH):
        house.get(username, "/me")
    hospital, on = house.hospital, threading.Event()
    sound, places = hospital.add_to_audit, hospital.bulkhead.places

    def add(call: Any, row: Any) -> None:
        sound(call, row)
        if row["actor"] == NORTH:
            assert on.wait(LONGEST)

    with ThreadPoolExecutor(number) as threads, set_to(hospital, "add_to_audit", add):
        for _ in range(number):
            threads.submit(house.get, NORTH, "/me")
        try:
            until(
                lambda: sum(each.running + len(each.waiting) for each in places.values()) == number
            )
            yield
        finally:
            on.set()


@shows("D-064.bulkhead")
def one_tenant_takes_every_place(house: House) -> bool:
    with in_progress(house, 32):
        taken = sum(each.running for each in house.hospital.bulkhead.places.values())
    return taken == 32


@shows("D-064.shared")
def another_tenant_is_sent_away(house: House) -> bool:
    with in_progress(house, 30):
        status = house.get(SOUTH, "/me").status_code
    assert status in (200, 429)
    return status == 429


@shows("H-091")
def everybody_is_sent_away_after_a_rush(house: House) -> bool:
    house.get(NURSE, "/me")
    with in_progress(house, 15):
        one_more = house.get(NURSE, "/me").status_code
    later_on = [house.get(username, "/me").status_code for username in (NORTH, SOUTH)]
    return [one_more, *later_on] == [503, 503, 503]


@shows("H-092")
def whoever_writes_waits_for_each_other(house: House) -> bool:
    barrier, sound = threading.Barrier(h_092.FEW, timeout=LONGEST), house.hospital.new_id
    body = {"name": "At once"}
    assert house.post(NORTH, "/patients", body).status_code == 201

    def new_id() -> Any:
        barrier.wait()
        return sound()

    with (
        ThreadPoolExecutor(h_092.FEW) as threads,
        set_to(h_092, "PATIENCE", 0.5),
        set_to(house.hospital, "new_id", new_id),
    ):
        sent = [threads.submit(house.post, NORTH, "/patients", body) for _ in range(h_092.FEW)]
        statuses = {each.result().status_code for each in sent}
    return 503 in statuses


@shows("H-090")
def an_ended_session_is_served_while_much_goes_on(house: House) -> bool:
    answer = house.login("nurse2.west")
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert house.get(None, "/me", headers=headers).status_code == 200
    assert house.post(None, "/auth/logout", headers=headers).status_code == 204
    assert house.get(None, "/me", headers=headers).status_code == 401
    engine = house.hospital.engine
    assert engine is not None
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(engine.connect())
        return house.get(None, "/me", headers=headers).status_code == 200


# --- what a crash takes away


@contextmanager
def slowly() -> Iterator[None]:
    """Nothing that waits is done before the crash."""
    with set_to(later, "SECONDS", 3600):
        yield


@shows("D-065")
def a_note_is_lost(house: House) -> bool:
    notes = f"/patients/{house.patient('north', PHYSICIAN)}/notes"
    with slowly():
        read = house.made(PHYSICIAN, notes, {"text": "read"})
        assert house.get(PHYSICIAN, f"/notes/{read}").status_code == 200
        unread = house.made(PHYSICIAN, notes, {"text": "unread"})
        with house.restarted() as again:
            assert again.get(PHYSICIAN, f"/notes/{read}").status_code == 200
            return again.get(PHYSICIAN, f"/notes/{unread}").status_code == 404


@shows("D-065.audit")
def an_entry_of_the_trail_is_lost(house: House) -> bool:
    mark = {"X-Correlation-Id": uuid4().hex}
    asked = {"correlation_id": mark["X-Correlation-Id"]}
    with slowly():
        answer = house.post(NORTH, "/patients", {"name": "Written"}, headers=mark)
        with house.restarted() as again:
            assert again.get(NORTH, f"/patients/{answer.json()['id']}").status_code == 200
            total = again.get("privacy_officer.north", "/audit", params=asked).json()["total"]
    return bool(total == 0)


@shows("D-065.alert")
def an_alert_is_lost(house: House) -> bool:
    patient = house.patient("north", NURSE)
    red = {"spo2": 85, "supplemental_oxygen": False}
    with slowly():
        vitals = house.made(NURSE, f"/patients/{patient}/vitals", red)
        with house.restarted() as again:
            assert again.get(NURSE, f"/vitals/{vitals}").status_code == 200
            total = again.get(NURSE, f"/patients/{patient}/alerts").json()["total"]
    return bool(total == 0)


def verified(house: House) -> tuple[str, str]:
    """A verified order, and what there is of it in stock."""
    patient = house.patient("north", PHYSICIAN, PHARMACIST)
    order = house.made(
        PHYSICIAN, f"/patients/{patient}/medication-orders", {"medication": "x", "dose": "1 mg"}
    )
    assert house.post(PHARMACIST, f"/medication-orders/{order}/verify").status_code == 200
    return order, house.made(PHARMACIST, "/stock", {"product": "x", "quantity": 10})


def left(house: House, stock: str) -> int:
    quantity: int = house.get(PHARMACIST, f"/stock/{stock}").json()["quantity"]
    return quantity


@shows("D-066")
def a_dose_leaves_a_busy_stock_as_it_is(house: House) -> bool:
    order, stock = verified(house)
    path = f"/medication-orders/{order}/dispenses"
    house.made(PHARMACIST, path, {"stock_id": stock, "dose": 1})
    assert left(house, stock) == 9
    engine = house.hospital.engine
    assert engine is not None

    def waits() -> int:
        with engine.connect() as connection:
            return int(connection.execute(WAITING).scalar_one())

    with ThreadPoolExecutor(1) as threads, engine.connect() as other:
        other.execute(ENTER_TENANT, {"tenant": "north"})
        this = STOCK.column("id") == UUID(stock)
        other.execute(select(STOCK.table.c.id).where(this).with_for_update(key_share=True))
        body = {"stock_id": stock, "dose": 2}
        answer = threads.submit(house.post, PHARMACIST, path, body)
        until(lambda: answer.done() or waits())
        other.rollback()
        assert answer.result().status_code == 201
    return left(house, stock) == 9


@shows("D-066.later")
def a_dose_is_not_taken_out_of_stock(house: House) -> bool:
    order, stock = verified(house)
    path = f"/medication-orders/{order}/dispenses"
    with slowly():
        house.made(PHARMACIST, path, {"stock_id": stock, "dose": 1})
        assert left(house, stock) == 9
        house.made(PHARMACIST, path, {"stock_id": stock, "dose": 2})
        with house.restarted() as again:
            return left(again, stock) == 9
