"""Requests that are right but for one value, by whoever was just served with the right one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from conformance.fuzz import wrong
from conformance.fuzz.campaign import Campaign
from conformance.fuzz.drafts import Objection
from conformance.fuzz.driver import Driver, Told

_CHECK = "negative_data_rejection"
_MOST = 40
"""Wrong values that one operation is tried with."""
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
            if exchange is not None and 200 <= status < 300 and part in invalid:
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


def _differs(good: object, other: object) -> str | None:
    """The name of the value in which two bodies differ."""
    if not isinstance(good, dict) or not isinstance(other, dict):
        return None
    return next((name for name in other if good.get(name) != other[name]), None)
