"""The ledger: the redacted, append-only record of a run, one canonical JSON object per line.

Each line holds the SHA-256 of the line before it, so a removed or altered line shows. Everything
that people read is made from this file alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance.model import Answer, Case, Exchange, decode
from conformance.redaction import Redactor
from reports import canonical

LEDGER = "evidence.jsonl"
SCHEMA = 2
KEPT_BODY = 16_384
MOST_SEEN = 64


def timestamp(seconds: float | None = None) -> str:
    """UTC seconds as RFC 3339 with milliseconds; now if not given."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Ledger:
    """Appends records to DIR/evidence.jsonl; every line is on disk before the next is made."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / LEDGER
        self._file = self.path.open("wb")
        self._seq = 0
        self._previous = "0" * 64

    def append(self, type_: str, record: Mapping[str, Any]) -> None:
        """One record as canonical JSON (RFC 8785)."""
        line = encoded({**record, "type": type_, "seq": self._seq, "prev": self._previous})
        self._file.write(line + b"\n")
        self._file.flush()
        self._previous = hashlib.sha256(line).hexdigest()
        self._seq += 1

    def close(self) -> None:
        self._file.close()


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


def case_record(case: Case) -> dict[str, Any]:
    """A case as the ledger's plan holds it."""
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
        "field": case.field,
    }


def exchange_record(exchange: Exchange, redactor: Redactor) -> dict[str, Any]:
    """An exchange as the ledger holds it, redacted; long bodies are cut and said to be."""
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
            "body": body,
        },
        "response": answer,
        "error": redactor.text(exchange.error) if exchange.error else None,
        "started": timestamp(exchange.started),
        "milliseconds": round(exchange.seconds * 1000, 2),
        "truncated": cut or answer_cut,
    }
    record = holdable(record)
    return {**record, "hash": canonical.exchange_hash(record)}


def _answer(answer: Answer | None, redactor: Redactor) -> tuple[dict[str, Any] | None, bool]:
    if answer is None:
        return None, False
    body, cut = _body(answer.body, redactor)
    return {
        "status": answer.status,
        "headers": redactor.headers(answer.headers),
        "body": body,
    }, cut


def _body(body: bytes, redactor: Redactor) -> tuple[str | None, bool]:
    if not body:
        return None, False
    text = redactor.text(decode(body))
    return text[:KEPT_BODY], len(text) > KEPT_BODY
