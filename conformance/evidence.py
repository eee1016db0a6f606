"""The ledger: the redacted, append-only record of a run, one JSON object per line.

Each line holds the SHA-256 of the line before it, so a removed or altered line shows. Everything
that people read is made from this file alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance.model import Answer, Case, Exchange, decode
from conformance.redaction import Redactor

LEDGER = "evidence.jsonl"
SCHEMA = 1
KEPT_BODY = 16_384

_LINE_ENDS = {ord(sign): f"\\u{ord(sign):04x}" for sign in "\x85\u2028\u2029"}
"""What ends a line to some readers of text, and not to JSON."""


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
        """One record as canonical JSON (sorted keys, no spaces)."""
        text = json.dumps(
            {**record, "type": type_, "seq": self._seq, "prev": self._previous},
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )
        line = text.translate(_LINE_ENDS).encode("utf-8", "replace")
        self._file.write(line + b"\n")
        self._file.flush()
        self._previous = hashlib.sha256(line).hexdigest()
        self._seq += 1

    def close(self) -> None:
        self._file.close()


def digest(cases: list[dict[str, Any]]) -> str:
    """The SHA-256 of a plan: of its cases in the order of their ids."""
    ordered = sorted(cases, key=lambda case: str(case["id"]))
    return hashlib.sha256(json.dumps(ordered, sort_keys=True).encode()).hexdigest()


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
    }


def exchange_record(exchange: Exchange, redactor: Redactor) -> dict[str, Any]:
    """An exchange as the ledger holds it, redacted; long bodies are cut and said to be."""
    request = exchange.request
    body, cut = _body(request.body, redactor)
    answer, answer_cut = _answer(exchange.answer, redactor)
    return {
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
