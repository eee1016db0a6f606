"""The ledger, and the request that reproduces a finding: complete, chained, without secrets."""

import base64
import errno
import gzip
import hashlib
import io
import json
import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.evidence import (
    KEPT_BODY,
    Ledger,
    Unwritable,
    case_record,
    exchange_record,
    seen,
    timestamp,
)
from conformance.findings import curl
from conformance.model import Answer
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


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe" + SECRET.encode() + b"\x00\x80 rest",
        b'{"name": "J\xf8rgen", "key": "' + SECRET.encode() + b'"}',
        b"\x00" * 300 + b"\xc3(" + SECRET.encode(),
    ],
)
def test_a_body_that_is_no_utf_8_is_kept_as_bytes_without_secrets(body: bytes) -> None:
    given = replace(exchange(answer(200)), answer=Answer(200, (), body))
    response = exchange_record(given, Redactor([SECRET]))["response"]
    kept = base64.b64decode(response["body_base64"])
    assert kept == body.replace(SECRET.encode(), MASKED.encode())
    assert SECRET not in response["body"]
    assert "body_sha256" not in response


def test_packed_bodies_are_withheld_with_a_reason_and_their_digest() -> None:
    body = gzip.compress(SECRET.encode(), mtime=0)
    given = replace(exchange(answer(200)), answer=Answer(200, (), body))
    response = exchange_record(given, Redactor([SECRET]))["response"]
    assert "packed (gzip)" in response["body_withheld"]
    assert "body_base64" not in response
    assert response["body_sha256"] == hashlib.sha256(body).hexdigest()


def test_of_a_body_that_was_cut_the_whole_has_a_size_and_a_digest() -> None:
    body = "x" * (KEPT_BODY + 10)
    response = exchange_record(exchange(answer(200, body)), Redactor())["response"]
    assert response["body_size"] == KEPT_BODY + 10
    assert response["body_sha256"] == hashlib.sha256(body.encode()).hexdigest()


@pytest.mark.parametrize(
    "body",
    [
        "nul \x00 and bell \x07",
        '{"n": 1e999, "m": NaN}',
        f'{{"n": {10**400}}}',
        "\u2028\ufeff\U0010ffff",
    ],
)
def test_odd_bodies_are_kept_as_they_are(body: str, tmp_path: Path) -> None:
    record = exchange_record(exchange(answer(200, body)), Redactor())
    ledger = Ledger(tmp_path)
    ledger.append("exchange", record)
    ledger.close()
    kept = json.loads(ledger.path.read_bytes())
    assert kept["response"]["body"] == body
    assert kept["hash"] == exchange_hash(kept)


class Failing(io.RawIOBase):
    """A file of a disk that is full after so many bytes."""

    def __init__(self, path: Path, room: int, *, half: bool = True) -> None:
        self._file = path.open("ab", buffering=0)
        self._room, self._half = room, half

    def write(self, data: Any) -> int:
        place = self._room if self._half else 0
        if len(data) > self._room:
            if place:
                self._room = 0
                return self._file.write(bytes(data[:place]))
            raise OSError(errno.ENOSPC, "No space left on device")
        self._room -= len(data)
        return self._file.write(data)

    def truncate(self, size: int | None = None) -> int:
        return self._file.truncate(size)

    def fileno(self) -> int:
        return self._file.fileno()


@pytest.mark.parametrize("room", [150, 220, 300, 301, 302, 600])
@pytest.mark.parametrize("half", [False, True])
def test_a_full_disk_leaves_whole_lines_and_is_said(room: int, half: bool, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, opened=lambda path: Failing(path, room, half=half))  # type: ignore[arg-type,return-value]
    written = 0
    said = ""
    while not said:
        try:
            ledger.append("note", {"number": written})
            written += 1
        except Unwritable as problem:
            said = str(problem)
    assert "No space left" in said
    assert "make room" in said
    assert str(tmp_path) in said
    lines = ledger.path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line)["seq"] for line in lines] == list(range(written))


def test_evidence_is_on_the_disk_at_the_latest_after_so_many_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    ledger = Ledger(tmp_path / "a", seconds=0)
    ledger.append("note", {})
    ledger.append("note", {})
    assert len(synced) == 2
    ledger.close()
    slow = Ledger(tmp_path / "b", seconds=1e9)
    slow.append("note", {})
    assert len(synced) == 2
    slow.sync()
    assert len(synced) == 3
    slow.close()


def test_the_evidence_of_an_earlier_run_is_not_destroyed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append("run", {})
    ledger.close()
    before = ledger.path.read_bytes()
    with pytest.raises(Unwritable, match=r"another folder with --out, or continue .* --resume"):
        Ledger(tmp_path)
    assert ledger.path.read_bytes() == before


def test_a_ledger_that_never_began_is_begun(tmp_path: Path) -> None:
    (tmp_path / "evidence.jsonl").touch()
    ledger = Ledger(tmp_path)
    ledger.append("run", {})
    ledger.close()
    assert json.loads(ledger.path.read_bytes())["seq"] == 0


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unwritable, match=r"nothing can be written there .*--out"):
        Ledger(tmp_path / "file" / "out")


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
