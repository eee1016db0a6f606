"""Requests that are right but for one value, by whoever was just served with the right one: a
value that the document rules out, or one that is odd.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from conformance.fuzz import odd, wrong
from conformance.fuzz.campaign import Campaign
from conformance.fuzz.drafts import Draft, Objection
from conformance.fuzz.driver import Driver, Told

_CHECK = "negative_data_rejection"
_MOST = 40
"""Wrong values that one operation is tried with."""
_ODD = 4
"""Odd values that one operation is tried with, one in a request."""
_REMADE = 3
_IN_THE_WAY = frozenset({404, 409, 410, 412, 423})


def beyond(campaign: Campaign, driver: Driver, labels: Sequence[str], told: Told) -> None:
    """Send one wrong value at a time; what is taken all the same is added to `told`."""
    driver.phase = "coverage"
    for label in labels:
        good, operation = campaign.good.get(label), campaign.operations[label]
        if good is None or campaign.target.fuzz.tolerates(_CHECK, label):
            continue
        remade = 0
        tried = wrong.drafts(good, operation.fields, operation.query)
        for number, one_wrong in enumerate(tried):
            draft = one_wrong
            if number >= _MOST or campaign.stopped():
                break
            exchange, found, invalid = driver.again(draft)
            status = exchange.answer.status if exchange and exchange.answer else 0
            if status in _IN_THE_WAY and operation.method != "GET" and remade < _REMADE:
                # The state was against it: what served the right request is used up.
                remade += 1
                fresh = campaign.example(label)
                if fresh is not None:
                    draft = campaign.onto(draft, fresh)
                    exchange, found, invalid = driver.again(draft)
                    status = exchange.answer.status if exchange and exchange.answer else 0
            for one in found:
                told.objections.setdefault((one.check, one.label, one.essence), one)
            part = "body" if draft.body != good.body else "query"
            if exchange is None or not 200 <= status < 300 or part not in invalid:
                continue
            if not campaign.declined(label, exchange):
                name = _differs(good.body, draft.body) or _differs(good.query, draft.query) or "?"
                told.objections.setdefault(
                    (_CHECK, label, name),
                    Objection(
                        check=_CHECK,
                        label=label,
                        reason=f"answered {status} to a request whose {name!r} the API document "
                        "rules out",
                        essence=hashlib.sha256(name.encode()).hexdigest()[:12],
                        draft=draft,
                        exchange=exchange,
                    ),
                )


def strangely(
    campaign: Campaign, driver: Driver, labels: Sequence[str], seed: int, told: Told
) -> None:
    """Send one odd value at a time; of what comes back only a failure is added to `told`.

    What becomes of such values is for the directed cases, which know what to read back.
    """
    driver.phase = "coverage"
    for label in labels:
        good = campaign.good.get(label)
        if good is None:
            continue
        drafts = list(_odd(good, campaign.operations[label].fields))
        # Draws of its own, so that what else is sent stays the same.
        chance = random.Random(f"{seed}|{campaign.persona}|{label}")
        for draft in chance.sample(drafts, min(_ODD, len(drafts))):
            if campaign.stopped():
                return
            _exchange, found, _invalid = driver.again(draft)
            for one in found:
                if one.check == "not_a_server_error":
                    told.objections.setdefault((one.check, one.label, one.essence), one)


def _odd(good: Draft, fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Draft]:
    """`good` with one odd value, for each field of its body that the document describes."""
    body = good.body
    if not isinstance(body, dict):
        return
    for name, schema in fields.items():
        for value in _fitting(schema) if name in body else ():
            yield replace(good, body={**body, name: value})


def _fitting(schema: Mapping[str, Any]) -> Iterator[Any]:
    kind = schema.get("type")
    if kind == "string" and "enum" not in schema:
        form = str(schema.get("format", ""))
        rows = odd.values("date") if form.startswith("date") else odd.values("text")
    elif kind in {"number", "integer"}:
        rows = odd.values("number")
    else:
        return
    yield from (row.value for row in rows if not row.long and _plain(row.value))


def _plain(value: Any) -> bool:
    """Whether a value can be written, and checked, as JSON."""
    if isinstance(value, odd.Numeral) or (isinstance(value, int) and abs(value) >= 2**53):
        return False
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError):
        return False
    return True


def _differs(good: object, other: object) -> str | None:
    """The name of the value in which two bodies differ."""
    if not isinstance(good, dict) or not isinstance(other, dict):
        return None
    return next((name for name in other if good.get(name) != other[name]), None)
