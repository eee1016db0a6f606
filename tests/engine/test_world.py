"""The world: who is a control, waiting for limits, and pages of a list. Nothing is sent."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from conformance.instances import Instance
from conformance.model import Case, Outcome, Read, Relation
from conformance.redaction import Redactor
from conformance.schema import Request
from conformance.session import Session
from conformance.target import Target
from conformance.trials import Listing, ids, matrix, pages, series
from conformance.trials.series import _strangers
from conformance.trials.setting import Setting
from conformance.wire import Wire
from conformance.world import World
from tests.engine.exchanges import CASE, ID, read, served
from tests.engine.targets import target

LIMITED = read(429, {}, {"Retry-After": "7"})


def described(**parts: Any) -> Target:
    everywhere = {
        "personas": {
            "nurse.north": {"role": "nurse", "tenant": "north", "badge": "b7"},
            "auditor.south": {"role": "auditor", "tenant": "south"},
            "clerk.west": {"role": "clerk", "tenant": "west"},
        },
        "policy": {
            "nurse": {"patient": {"read": "assigned"}},
            "auditor": {"patient": {"read": "global"}},
            "clerk": {"patient": {"read": "allow"}},
        },
    }
    return target(**{**everywhere, **parts})


class Sent(World):
    """A world that answers each request with the next of `answers`, and keeps what was sent."""

    def __init__(self, of: Target, *answers: Read) -> None:
        wire = Wire(of, of.system.base_url, Redactor())
        super().__init__(of, wire, {}, seed=1)
        self.answers = list(answers)
        self.requests: list[Request] = []

    def send(self, persona: str, template: Request, *rest: Any, **more: Any) -> Read:
        self.requests.append(template)
        return self.answers.pop(0)


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the world waited, which here take no time."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


# --- who ---------------------------------------------------------------------------------------


def test_whoever_is_granted_it_everywhere_is_a_control_in_every_tenant() -> None:
    world = Sent(described())
    found = list(world.candidates("north", "patient", "read"))
    assert found == [("nurse.north", Relation.ASSIGNED), ("auditor.south", None)]
    assert [who for who, _ in world.candidates("west", "patient", "read")] == [
        "clerk.west",
        "auditor.south",
    ]


def test_who_is_named_is_not_looked_for_elsewhere() -> None:
    found = Sent(described()).candidates("north", "patient", "read", only=["nurse"])
    assert "auditor.south" not in {who for who, _ in found}


def test_nobody_logs_in_for_a_fact_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    of = described()
    session = Session(Wire(of, of.system.base_url, Redactor()), "nurse.north")
    logins = []

    def log_in(*_: Any) -> None:
        logins.append(1)
        raise KeyError("user_id")

    monkeypatch.setattr(Session, "_shared", lambda *_, **__: log_in())
    assert session.fact("badge") == "b7"
    assert logins == []
    with pytest.raises(KeyError):
        session.fact("user_id")
    assert logins == [1]


# --- waiting -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answered", "waits"),
    [
        (LIMITED, True),
        (read(429, {}, {"Retry-After": "65"}), True),
        (read(429, {}, {"Retry-After": "66"}), False),
        (read(429, {}, {"Retry-After": "Mon, 01 Jan 2024 00:00:00 GMT"}), False),
        (read(429, {}), False),
        (read(503, {}, {"Retry-After": "1"}), False),
        (read(200, {}, {"Retry-After": "1"}), False),
    ],
)
def test_a_limit_is_waited_for_where_it_says_how_long(
    answered: Read, waits: bool, naps: list[float]
) -> None:
    assert Sent(described()).waits(answered) is waits
    assert len(naps) == waits


def setting(world: World, case: Case = CASE) -> Setting:
    """A nurse tries at a patient of the north; the auditor is the control and reads back."""
    made = Instance("patient#1", "patient", "north", ID)
    return Setting(
        case,
        "nurse.north",
        "patient",
        "read",
        world.target.operation("patient", "read"),
        "north",
        "patient",
        made,
        made.lineage(),
        control="auditor.south",
        reader="auditor.south",
        readback=("patient", "read"),
    )


@pytest.mark.parametrize("first", [LIMITED, None])
def test_attempts_and_controls_are_made_again_after_a_limit(
    first: Read | None, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = [first] if first else []
    world = Sent(described(), *limited, read(403, {}), *limited, served())
    monkeypatch.setattr(matrix, "set_up", setting)
    trial = matrix.attempt(world, CASE)
    assert trial.attempt.outcome is Outcome.DENIED
    assert trial.control is not None
    assert trial.control.outcome is Outcome.ALLOWED
    assert len(naps) == 2 * len(limited)


# --- reading back ------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [served(), served(seen="1")])
def test_what_differs_under_a_wrong_parent_is_read_back_again(
    after: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third reading shows what changes by itself."""
    case = replace(CASE, kind="update")
    again = served(seen="2")
    differs = after.exchange.answer != served().exchange.answer
    answers = [served(), read(403, {}), after, *([again] if differs else []), served()]
    world = Sent(described(), *answers)
    monkeypatch.setattr(ids, "set_up", lambda *of: replace(setting(*of), resource="note"))
    monkeypatch.setattr(ids, "mine_of", lambda world, case, fresh: setting(world).instance)
    trial = ids.wrong_parent(world, case)
    assert trial.after == (after,)
    assert trial.again == ((again,) if differs else ())
    assert world.answers == []


# --- what was made -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("$.items[0].id", 1),
        ("$.items[?@.name == '{sent.name}'].id", 7),
        ("$.items[?@.name == '{sent.name}'].url ~ /patients/([0-9]{1,9})$", "7"),
    ],
)
def test_an_id_that_no_answer_tells_is_looked_up_by_what_was_sent(place: str, found: Any) -> None:
    create = {
        "request": "POST /patients",
        "json": {"name": "{name}"},
        "lookup": {"request": "GET /patients", "take": {"id": place}},
    }
    rows = [
        {"id": 1, "name": "N1", "url": "/patients/1"},
        {"id": 7, "name": "N7", "url": "/patients/7"},
    ]
    world = Sent(described(resources__patient__create=create), read(200, {"items": rows}))
    payload = world.payload("clerk.west", "patient", "west", {})
    payload.fields["name"] = "N7"
    assert world._looked_up("patient", "create", "west", "clerk.west", payload, {}) == found


# --- pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "asked"), [(None, 100), (40, 40), (200, 100)])
def test_no_more_rows_are_asked_for_than_a_page_may_have(most: int | None, asked: int) -> None:
    paging: Mapping[str, Any] = {"param": "cursor", "cursor": "$.next", "size": "limit"}
    listed = {
        "request": "GET /patients",
        "items": "$.items[*]",
        "next": {**paging, "most": most} if most else paging,
    }
    first = read(200, {"items": [{}], "next": "c2"})
    world = Sent(described(resources__patient__list=listed), first, read(200, {"items": []}))
    payload = world.payload("nurse.north", "patient", "north", {})
    found = pages.walk(world, "nurse.north", "patient", "list", payload, "read-back")
    assert len(found) == 2
    assert [one.query["limit"] for one in world.requests] == [asked, asked]
    assert world.requests[1].query["cursor"] == "c2"


@pytest.mark.parametrize(
    ("paging", "rows", "asked"),
    [
        ({"param": "page", "start": 1}, 100, [(1, 100), (2, 100), (3, 100)]),
        ({"param": "page", "start": 1}, 2, [(1, 2), (2, 2), (3, 2)]),
        ({"param": "offset", "start": 0, "step": 50}, 100, [(0, 50), (50, 50), (100, 50)]),
        ({"param": "offset", "start": 0, "step": 50}, 2, [(0, 2), (2, 2), (4, 2)]),
        (
            {"param": "offset", "start": 0, "step": 50, "most": 20},
            100,
            [(0, 20), (20, 20), (40, 20)],
        ),
    ],
)
def test_pages_are_counted_and_rows_too(
    paging: Mapping[str, Any], rows: int, asked: list[tuple[int, int]]
) -> None:
    listed = {"request": "GET /patients", "items": "$[*]", "next": {**paging, "size": "limit"}}
    world = Sent(
        described(resources__patient__list=listed), read(200, [{}]), read(200, [{}]), read(200, [])
    )
    payload = world.payload("nurse.north", "patient", "north", {})
    pages.walk(world, "nurse.north", "patient", "list", payload, "attempt", rows=rows)
    queries = [one.query for one in world.requests]
    assert [(query[paging["param"]], query["limit"]) for query in queries] == asked


def test_whoever_is_given_more_rows_goes_on_after_them() -> None:
    paging = {"param": "offset", "start": 0, "step": 50, "size": "limit"}
    listed = {"request": "GET /patients", "items": "$[*]", "next": paging}
    world = Sent(described(resources__patient__list=listed), read(200, [{}] * 5), read(200, []))
    payload = world.payload("nurse.north", "patient", "north", {})
    pages.walk(world, "nurse.north", "patient", "list", payload, "attempt", rows=2)
    assert [one.query["offset"] for one in world.requests] == [0, 5]


# --- strangers in lists ------------------------------------------------------------------------


def row(name: str, tenant: str, identity: str, *assigned: str) -> Instance:
    related = {Relation.ASSIGNED: set(assigned)}
    return Instance(name, "patient", tenant, identity, related=related)


@pytest.mark.parametrize(
    ("effect", "strangers"),
    [
        ("assigned", {"unrelated-1": "leak.unrelated", "elsewhere-1": "leak.tenant"}),
        ("allow", {"elsewhere-1": "leak.tenant"}),
        ("global", {}),
    ],
)
def test_rows_are_known_by_their_ids(effect: str, strangers: dict[str, str]) -> None:
    policy = {"nurse": {"patient": {"list": effect}}}
    world = Sent(described(policy=policy))
    rows = [
        row("a", "north", "assigned-1", "nurse.north"),
        row("b", "north", "unrelated-1"),
        row("c", "south", "elsewhere-1"),
        row("d", "south", "not-shown-1"),
    ]
    world.instances |= {one.key: one for one in rows}
    case = replace(CASE, persona="nurse.north", roles=("nurse",), tenant="north", operation="list")
    found = Listing(case, (), 3, None, (), tuple(str(one.id) for one in rows[:3]), True)
    assert {one.id: one.rule for one in _strangers(world, case, found)} == strangers


@pytest.mark.parametrize(
    ("walks", "counts"),
    [
        # Each new record of the other tenant brings a row that was not there before.
        (("1", "12", "12", "123"), True),
        # One of ours has the same number.
        (("12", "12"), False),
        (("1", "1"), False),
    ],
)
def test_a_short_id_counts_if_new_strangers_come_along(
    monkeypatch: pytest.MonkeyPatch, walks: tuple[str, ...], counts: bool
) -> None:
    world = Sent(described(policy={"nurse": {"patient": {"list": "allow"}}}))
    world.instances["a"] = row("a", "south", "1")
    case = replace(CASE, persona="nurse.north", roles=("nurse",), tenant="north", operation="list")
    found = Listing(case, (), 1, None, (), ("1",), True)
    seen, made = iter(walks), iter("23")
    monkeypatch.setattr(series, "_listing", lambda *_: replace(found, shown=tuple(next(seen))))
    monkeypatch.setattr(world, "obtain", lambda *_, **__: row("new", "south", next(made)))
    assert [one.id for one in _strangers(world, case, found)] == (["1"] if counts else [])
