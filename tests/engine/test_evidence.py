"""The ledger, and the request that reproduces a finding: complete, chained, without secrets."""

import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from conformance.evidence import KEPT_BODY, Ledger, case_record, exchange_record, seen, timestamp
from conformance.findings import curl
from conformance.redaction import MASKED, Redactor
from reports.canonical import encode, exchange_hash, plan_digest
from tests.engine.exchanges import CASE, answer, exchange

SECRET = "s3cret-token-of-nurse"
HEADERS = {"Authorization": f"Bearer {SECRET}", "Accept": "*/*", "X-Note": "it's"}


def test_a_changed_or_missing_line_shows(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for number in range(4):
        ledger.append("note", {"number": number, "text": "ü"})
    ledger.close()
    lines = ledger.path.read_bytes().splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["seq"] for record in records] == [0, 1, 2, 3]
    assert records[0]["prev"] == "0" * 64
    for before, after in zip(lines, records[1:], strict=False):
        assert after["prev"] == hashlib.sha256(before).hexdigest()


def test_a_record_is_one_line_of_canonical_json(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    odd = "one\u2028two\u2029three\x85four\r\nfive\x0bsix\x00"
    ledger.append("note", {"text": odd, "a": 2.0})
    ledger.close()
    (line,) = ledger.path.read_bytes().removesuffix(b"\n").split(b"\n")
    assert json.loads(line)["text"] == odd
    assert line == encode(json.loads(line))


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (10**400, f"{10**400:#x}"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ("a\ud800b", "a\ufffd\ufffd\ufffdb"),
        ({1: {"\udc00"}}, {"1": ["\ufffd\ufffd\ufffd"]}),
        (Path("x"), "x"),
    ],
)
def test_what_json_cannot_hold_is_said_in_a_text(value: Any, kept: Any, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append("note", {"value": value, "other": 1.5})
    ledger.close()
    record = json.loads(ledger.path.read_bytes())
    assert (record["value"], record["other"]) == (kept, 1.5)


def test_nesting_without_end_is_cut_and_said(tmp_path: Path) -> None:
    deep: Any = 10**400
    for _ in range(100_000):
        deep = [deep]
    ledger = Ledger(tmp_path)
    ledger.append("note", {"deep": deep})
    ledger.close()
    assert b"nested too deeply" in ledger.path.read_bytes()


def test_a_line_is_there_before_the_next_is_made(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "a" / "b")
    ledger.append("run", {"text": "one\ntwo \ud800"})
    assert len(ledger.path.read_bytes().splitlines()) == 1
    ledger.close()


def test_an_exchange_is_recorded_without_secrets() -> None:
    given = exchange(
        answer(200, {"token": SECRET}, {"Set-Cookie": f"session={SECRET}"}),
        headers=HEADERS,
        url=f"http://127.0.0.1/x?key={SECRET}",
        method="POST",
        sent=json.dumps({"password": SECRET}),
    )
    record = exchange_record(given, Redactor([SECRET]))
    text = json.dumps(record)
    assert SECRET not in text
    assert record["request"]["headers"]["Authorization"] == f"Bearer {MASKED}"
    assert record["response"]["status"] == 200
    assert not record["truncated"]


def test_an_exchange_without_an_answer_says_why() -> None:
    record = exchange_record(exchange(None, error=f"no {SECRET} within 10 s"), Redactor([SECRET]))
    assert record["response"] is None
    assert record["error"] == f"no {MASKED} within 10 s"


def test_long_bodies_are_cut_after_redaction_and_said_to_be() -> None:
    body = "x" * (KEPT_BODY - 10) + SECRET + "y" * 100
    record = exchange_record(exchange(answer(200, body)), Redactor([SECRET]))
    assert record["truncated"]
    assert len(record["response"]["body"]) == KEPT_BODY
    assert "s3cret" not in record["response"]["body"]


def test_times_are_utc_with_milliseconds() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1_830_000_000.25) == "2027-12-28T13:20:00.250Z"


def test_a_plan_has_the_same_digest_in_any_order() -> None:
    cases = [{**case_record(CASE), "id": name} for name in "abc"]
    assert plan_digest(cases) == plan_digest(cases[::-1])
    assert plan_digest(cases) != plan_digest(cases[:2])
    assert plan_digest(cases) != plan_digest([*cases[:2], {**cases[2], "expected": "allow"}])


def test_the_same_said_at_another_time_has_the_same_hash() -> None:
    first = exchange_record(exchange(answer(200, "a"), headers=HEADERS), Redactor([SECRET]))
    again = {**first, "id": "gw1-e9", "started": timestamp(5), "milliseconds": 7.25}
    assert exchange_hash(again) == first["hash"]
    assert exchange_hash({**again, "persona": "somebody.else"}) != first["hash"]
    assert exchange_hash({**again, "type": "exchange", "seq": 7, "prev": "0"}) == first["hash"]


def test_many_exchanges_are_counted_and_have_one_digest() -> None:
    assert seen(["a"] * 64) == ["a"] * 64
    many = seen(["a"] * 65)
    assert isinstance(many, dict)
    assert many["count"] == 65
    assert many != seen(["a"] * 64 + ["b"])


def test_a_request_can_be_sent_again_with_ones_own_credential() -> None:
    given = exchange(
        answer(200),
        headers=HEADERS,
        method="PATCH",
        url="http://127.0.0.1/patients/a b?x=1&y='",
        sent='{"name": "O\'Brien $HOME `id`"}',
    )
    line = curl(given, Redactor([SECRET]))
    assert SECRET not in line
    assert shlex.split(line) == [
        "curl",
        "-sS",
        "-i",
        "-X",
        "PATCH",
        "-H",
        "Authorization: Bearer ${NURSE_NORTH_AUTHORIZATION}",
        "-H",
        "X-Note: it's",
        "--data-binary",
        '{"name": "O\'Brien $HOME `id`"}',
        "http://127.0.0.1/patients/a b?x=1&y='",
    ]
