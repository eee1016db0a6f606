"""The ledger: the redacted, append-only record of a run, one canonical JSON object per line.

Each line holds the SHA-256 of the line before it, so a removed or altered line shows. Everything
that people read is made from this file alone.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from conformance.ledger_form import canonical
from conformance.model import Answer, Case, Exchange, decode
from conformance.redaction import Redactor

LEDGER = "evidence.jsonl"
SCHEMA = 2
KEPT_BODY = 16_384
MOST_SEEN = 64


@dataclass(frozen=True)
class Tail:
    """The end of a ledger that is to be continued: its whole records, and their bytes.

    `head` is the SHA-256 of the last whole line. What lies behind `size` is cut off and lost.
    """

    records: int
    head: str
    size: int


def timestamp(seconds: float | None = None) -> str:
    """UTC seconds as RFC 3339 with milliseconds; now if not given."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Unwritable(Exception):
    """Evidence cannot be written (any more); the message says why, and what to do."""


def place(folder: Path) -> Path:
    """Where the ledger of a new run is to be; the folder is made.

    Raises Unwritable if the evidence of an earlier run lies there: it is never destroyed.
    """
    path = folder / LEDGER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size:
            raise Unwritable(
                f"{folder} holds the evidence of an earlier run, which is not destroyed: give "
                f"another folder with --out, or continue that run with --resume {folder}"
            )
    except OSError as error:
        raise _unwritable(folder, error) from None
    return path


def _unwritable(path: Path, error: OSError) -> Unwritable:
    return Unwritable(
        f"{path}: nothing can be written there ({error.strerror or error}); make room or give a "
        "folder that can be written to with --out"
    )


class Ledger:
    """Appends records to DIR/evidence.jsonl, beginning a new one or going on with `tail`.

    Every line is handed to the system before the next is made, so that no crash of ours loses one;
    it is on the disk after `sync`, which is done by itself every few seconds. Raises Unwritable.
    """

    def __init__(
        self,
        folder: Path,
        tail: Tail | None = None,
        *,
        opened: Callable[[Path], BinaryIO] | None = None,
        seconds: float = 5.0,
    ) -> None:
        self.path = place(folder) if tail is None else folder / LEDGER
        self._seconds = seconds
        self._seq = tail.records if tail else 0
        self._previous = tail.head if tail else "0" * 64
        self._size = tail.size if tail else 0
        self._synced = time.monotonic()
        try:
            self._file = (opened or _opened)(self.path)
            self._file.truncate(self._size)
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def append(self, type_: str, record: Mapping[str, Any]) -> None:
        """One record as canonical JSON (RFC 8785)."""
        line = encoded({**record, "type": type_, "seq": self._seq, "prev": self._previous})
        try:
            self._write(line + b"\n")
            if time.monotonic() - self._synced >= self._seconds:
                self.sync()
        except OSError as error:
            # What was written of the line is taken away, so that the ledger ends with a whole one.
            with contextlib.suppress(OSError):
                self._file.truncate(self._size)
            self.close()
            raise _unwritable(self.path, error) from None
        self._size += len(line) + 1
        self._previous = hashlib.sha256(line).hexdigest()
        self._seq += 1

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[self._file.write(rest) :]

    def sync(self) -> None:
        """Return when all that was appended is on the disk. Raises OSError."""
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(OSError):
            self._file.close()


def _opened(path: Path) -> BinaryIO:
    return path.open("ab", buffering=0)


def encoded(value: Any) -> bytes:
    """Canonical JSON of anything: what JSON cannot hold is written as a text that says what it was.

    Targets answer with numbers of 400 digits, and readers of their JSON make infinity of them.
    """
    try:
        return canonical.encode(value)
    except ValueError:
        return canonical.encode(holdable(value))


def holdable(value: Any, depth: int = 200) -> Any:
    """The nearest to `value` that canonical JSON can hold."""
    if depth == 0:
        return "(nested too deeply to be kept)"
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= canonical.GREATEST else f"{value:#x}"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {holdable(str(key)): holdable(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [holdable(item, depth - 1) for item in value]
    return holdable(str(value))


def seen(hashes: Sequence[str]) -> list[str] | dict[str, Any]:
    """The hashes of what was said in a case; of more than 64 their count and a digest of all."""
    if len(hashes) <= MOST_SEEN:
        return list(hashes)
    return {"count": len(hashes), "digest": canonical.digest(list(hashes))}


def case_record(case: Case, *, everywhere: bool = False) -> dict[str, Any]:
    """A case as the ledger's plan holds it; `everywhere` says that every shard tries it."""
    return {
        "id": case.id,
        "suite": case.suite,
        "property": case.property,
        "sentence": case.sentence,
        "persona": case.persona,
        "roles": list(case.roles),
        "tenant": case.tenant,
        "resource": case.resource,
        "operation": case.operation,
        "relation": case.relation.value,
        "expected": case.expected.value,
        "because": case.because.value,
        "variant": case.variant,
        "other": case.other,
        "kind": case.kind,
        "everywhere": everywhere,
    }


def exchange_record(exchange: Exchange, redactor: Redactor) -> dict[str, Any]:
    """An exchange as the ledger holds it, redacted.

    Of a long body the beginning is kept, with the size and SHA-256 of the whole; one that is no
    UTF-8 is kept as bytes too (`body_base64`), or it is said why not (`body_withheld`).
    """
    request = exchange.request
    body, cut = _body(request.body, redactor)
    answer, answer_cut = _answer(exchange.answer, redactor)
    record = {
        "id": exchange.id,
        "persona": exchange.persona,
        "role_in_case": exchange.purpose,
        "request": {
            "method": request.method,
            "url": redactor.text(request.url),
            "headers": redactor.headers(request.headers),
            **body,
        },
        "response": answer,
        "error": redactor.text(exchange.error) if exchange.error else None,
        "started": timestamp(exchange.started),
        "milliseconds": round(exchange.seconds * 1000, 2),
        "truncated": cut or answer_cut,
    }
    try:
        return {**record, "hash": canonical.exchange_hash(record)}
    except ValueError:
        record = holdable(record)
        return {**record, "hash": canonical.exchange_hash(record)}


def _answer(answer: Answer | None, redactor: Redactor) -> tuple[dict[str, Any] | None, bool]:
    if answer is None:
        return None, False
    body, cut = _body(answer.body, redactor)
    return {
        "status": answer.status,
        "headers": redactor.headers(answer.headers),
        **body,
    }, cut


def _body(body: bytes, redactor: Redactor) -> tuple[dict[str, Any], bool]:
    if not body:
        return {"body": None}, False
    masked = redactor.binary(body)
    text = redactor.text(decode(masked))
    kept: dict[str, Any] = {"body": text[:KEPT_BODY]}
    cut = len(text) > KEPT_BODY
    if not _is_utf8(masked):
        packed = next((says for start, says in _PACKED.items() if masked.startswith(start)), None)
        if packed is None:
            kept["body_base64"] = base64.b64encode(masked[:KEPT_BODY]).decode()
        else:
            kept["body_withheld"] = f"{packed}: secrets in it could not be found and taken out"
        cut = cut or len(masked) > KEPT_BODY
    if cut or "body_withheld" in kept:
        kept["body_size"] = len(masked)
        kept["body_sha256"] = hashlib.sha256(masked).hexdigest()
    return kept, cut


_PACKED = {
    b"\x1f\x8b": "packed (gzip)",
    b"PK\x03\x04": "packed (zip)",
    b"BZh": "packed (bzip2)",
    b"\xfd7zXZ": "packed (xz)",
    b"\x28\xb5\x2f\xfd": "packed (zstandard)",
    b"7z\xbc\xaf": "packed (7z)",
    b"%PDF-": "packed (PDF)",
}


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
