"""The journal of a run: what it stamps, what it takes for an operation, what must be on record."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.journal import Journal
from conformance.model import Exchange, Message
from conformance.target import ANONYMOUS, Target
from tests.engine.exchanges import answer
from tests.engine.targets import target

BASE = "http://127.0.0.1:8000/api"
HEADER = "X-Correlation-Id"
CLAIM: dict[str, Any] = {
    "header": HEADER,
    "read": {"request": "GET /audit", "items": "$[*]"},
    "entry": {"correlation": "$.id"},
}


def ward(**claimed: Any) -> Target:
    return target(
        audit={**CLAIM, **claimed},
        resources__patient__search={"request": "GET /patients/search", "query": {"q": "{term}"}},
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(ward(), tmp_path, BASE)
    yield made
    made.close()


def ask(path: str, method: str = "GET", **headers: str) -> Message:
    return Message(method, BASE + path, tuple(headers.items()), b"")


def exchange(
    journal: Journal,
    path: str = "/patients/7",
    status: int | None = 200,
    *,
    persona: str = "nurse.north",
    told: str | None = None,
    **headers: str,
) -> None:
    """Send a request and note what came of it."""
    message = journal.sending(ask(path, **headers), persona)
    given = {} if told is None else {HEADER: told}
    replied = None if status is None else answer(status, b"", given)
    journal.sent(Exchange("e1", persona, "attempt", message, replied, None, 0.0, 0.0))


def test_every_request_gets_an_id_of_its_own(journal: Journal) -> None:
    ids = [dict(journal.sending(ask("/x"), ANONYMOUS).headers)[HEADER] for _ in range(3)]
    assert len(set(ids)) == 3
    for one in ids:
        assert uuid.UUID(one).version == 8
        assert uuid.UUID(one).variant == uuid.RFC_4122
        assert journal.is_ours(one)


def test_an_id_of_the_attempts_own_is_left_alone(journal: Journal) -> None:
    sent = journal.sending(ask("/x", **{HEADER.lower(): "mine"}), ANONYMOUS)
    assert sent.headers == ((HEADER.lower(), "mine"),)
    assert journal.keys() == {"mine"}
    assert not journal.is_ours("mine")


def test_a_target_that_gives_ids_itself_is_sent_none(tmp_path: Path) -> None:
    journal = Journal(ward(header=None, answered=f"header:{HEADER}"), tmp_path, BASE)
    assert journal.sending(ask("/x"), ANONYMOUS).headers == ()
    exchange(journal, told="theirs")
    ((one,), ids) = journal.every()
    assert (one.key, one.due, ids) == ("theirs", True, set())
    journal.close()


def test_processes_share_one_run_and_one_journal(tmp_path: Path) -> None:
    first, second = (Journal(ward(), tmp_path, BASE) for _ in range(2))
    exchange(first)
    exchange(second)
    for one in (first, second):
        found, ids = one.every()
        assert len(found) == len(ids) == 2
        assert all(one.is_ours(key) for key in ids)
        one.planned = frozenset({"a", "b", "c"})
    assert first.since == second.since
    first.finished("a")
    second.finished("b")
    assert first.unfinished() == second.unfinished() == {"c"}
    stopping = [second.stopping]
    first.stop()
    stopping.append(second.stopping)
    assert stopping == [False, True]
    first.close()
    second.close()


def test_another_run_has_other_ids(journal: Journal, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    another = Journal(ward(), other, BASE)
    assert not journal.is_ours(another.new_id())
    another.close()


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/patients", "patient.list"),
        ("POST", "/patients", "patient.create"),
        ("GET", "/patients/7?x=1", "patient.read"),
        ("GET", "/patients/search?q=a", "patient.search"),
        ("GET", "/patients/7/notes/9", "note.read"),
        ("GET", "/patients/%25%22", "patient.read"),
        ("GET", "/patients/", None),
        ("DELETE", "/patients/7", None),
        ("GET", "/nowhere", None),
        ("GET", "/patients/7/notes/9/more", None),
    ],
)
def test_requests_are_known_by_method_and_path(
    method: str, path: str, operation: str | None, journal: Journal
) -> None:
    assert journal.operation_of(ask(path, method)) == operation


@pytest.mark.parametrize(
    ("status", "event", "due"),
    [
        (200, "allowed", True),
        (403, "denied", True),
        (404, "denied", True),
        (405, "denied", False),
        (401, "unauthenticated", False),
        (422, "failed", False),
        (None, None, False),
    ],
)
def test_only_what_is_claimed_must_be_on_record(
    status: int | None, event: str | None, due: bool, journal: Journal
) -> None:
    exchange(journal, status=status)
    ((one,), _) = journal.every()
    assert (one.event, one.due, one.tenant) == (event, due, "north")


def test_what_is_no_operation_need_not_be_on_record(journal: Journal) -> None:
    exchange(journal, "/nowhere")
    ((one,), _) = journal.every()
    assert (one.operation, one.due) == (None, False)


def test_public_and_exempt_operations_need_not_be_on_record(tmp_path: Path) -> None:
    granted = {**ward().policy, "anonymous": {"patient": {"list": ["allow"]}}}
    audit = {**CLAIM, "exempt": ["patient.read"]}
    journal = Journal(target(policy=granted, audit=audit), tmp_path, BASE)
    for path in ("/patients", "/patients/7", "/patients/7/notes/9"):
        exchange(journal, path)
    assert [one.due for one in journal.every()[0]] == [False, False, True]
    journal.close()


def test_what_the_door_rejected_need_not_be_on_record(tmp_path: Path) -> None:
    """Where every answer of the application names its id, one without is not the application's."""
    claimed = ward(answered=f"header:{HEADER}", events=["allowed", "denied", "failed"])
    journal = Journal(claimed, tmp_path, BASE)
    exchange(journal, status=400)
    exchange(journal, status=400, told="c1")
    exchange(journal, status=403)
    assert [(one.event, one.due) for one in journal.every()[0]] == [
        ("failed", False),
        ("failed", True),
        ("denied", True),
    ]
    journal.close()


def test_a_line_that_is_being_written_is_left_for_later(journal: Journal, tmp_path: Path) -> None:
    exchange(journal)
    half = tmp_path / "journal" / "half.jsonl"
    half.write_bytes(b'["sending", "x')
    assert len(journal.every()[0]) == 1


def test_an_intention_is_written_before_it_is_sent(journal: Journal) -> None:
    sent = journal.sending(ask("/patients/7"), "nurse.north")
    found, ids = journal.every()
    assert found == []
    assert ids == {dict(sent.headers)[HEADER]}
