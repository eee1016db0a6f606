"""A case on its way into the ledger: its exchanges numbered apart, and redacted once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.ledger_form import canonical
from conformance.redaction import Redactor

_CLOSED = frozenset(
    "case id rule suite persona role resource operation relation outcome kind word severity "
    "urgency noise defect exchanges seen hash role_in_case".split()
)
"""What holds names and words of ours: no secret, and a secret that reads alike must not blank it"""


def numbered(record: Mapping[str, Any], sign: str) -> dict[str, Any]:
    """The records of a case with ids of exchanges that nobody else uses: led by `sign`."""

    def of(exchange: str) -> str:
        return f"{sign}-{exchange}" if sign else exchange

    verdict = dict(record["verdict"])
    verdict["exchanges"] = [of(one["id"]) for one in record["exchanges"]]
    verdict["findings"] = [
        {**finding, "exchanges": [of(one) for one in finding["exchanges"]]}
        for finding in verdict["findings"]
    ]
    exchanges = [{**one, "id": of(one["id"])} for one in record["exchanges"]]
    return {"verdict": verdict, "exchanges": exchanges}


def redacted(record: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    """The records of a case without the secrets that only another process knew of.

    An exchange that held one has another hash now, also where its verdict names it.
    """
    hashes: dict[str, str] = {}
    exchanges = []
    for one in record["exchanges"]:
        again = _masked(one, redactor)
        if again != one:
            again["hash"] = hashes[one["hash"]] = canonical.exchange_hash(again)
        exchanges.append(again)
    verdict = _masked(record["verdict"], redactor)
    verdict["findings"] = [_masked(one, redactor) for one in record["verdict"]["findings"]]
    if isinstance(verdict.get("seen"), list):
        verdict["seen"] = [hashes.get(one, one) for one in verdict["seen"]]
    return {"verdict": verdict, "exchanges": exchanges}


def _masked(record: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    return {
        name: value if name in _CLOSED else _tree(value, redactor) for name, value in record.items()
    }


def _tree(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, dict):
        return {name: _tree(item, redactor) for name, item in value.items()}
    if isinstance(value, list):
        return [_tree(item, redactor) for item in value]
    return value
