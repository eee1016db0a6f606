"""What an answer says happened: the target's own rules first, then the meaning of the status."""

from __future__ import annotations

import json
import re

from conformance.comparison import parsed
from conformance.extraction import values
from conformance.model import Answer, Exchange, Outcome, decode
from conformance.target import Operation, OutcomeRule, Target, When

# RFC 9110 section 15; RFC 6585 for 428 and 429.
_BY_STATUS = {
    400: Outcome.INVALID,
    401: Outcome.UNAUTHENTICATED,
    403: Outcome.DENIED,
    404: Outcome.ABSENT,
    405: Outcome.DENIED,
    409: Outcome.CONFLICT,
    410: Outcome.ABSENT,
    412: Outcome.CONFLICT,
    423: Outcome.CONFLICT,
    428: Outcome.CONFLICT,
    429: Outcome.LIMITED,
}


def outcome_of(
    target: Target, about: tuple[str, str], exchange: Exchange, catch_all: bytes | None = None
) -> Outcome:
    """The outcome of an exchange about (resource, operation); no answer is broken.

    `catch_all` is the body that the target gives with 2xx for a path that cannot exist, if it
    does: such a page says nothing about any operation.
    """
    answer = exchange.answer
    if answer is None:
        return Outcome.BROKEN
    described = target.resources.get(about[0])
    operation = described.operations.get(about[1]) if described else None
    rules: list[OutcomeRule] = [*(operation.outcomes if operation else ()), *target.outcomes]
    for rule in rules:
        if _holds(rule.when, answer):
            return Outcome(rule.then)
    if 200 <= answer.status < 300:
        empty_page = catch_all is not None and answer.body == catch_all
        lacking = operation is not None and _promises_json(operation) and parsed(answer) is None
        return Outcome.BROKEN if empty_page or lacking else Outcome.ALLOWED
    if 400 <= answer.status < 500:
        return _BY_STATUS.get(answer.status, Outcome.INVALID)
    return Outcome.BROKEN


def _promises_json(operation: Operation) -> bool:
    sources = (operation.items, operation.id, operation.total, *operation.take.values())
    return any(source is not None and source.startswith("$") for source in sources)


def _holds(when: When, answer: Answer) -> bool:
    if when.status is not None and answer.status not in when.status:
        return False
    if when.empty is not None and when.empty != (not answer.body.strip()):
        return False
    if when.header is not None:
        name, _, pattern = when.header.partition(" ~ ")
        value = answer.header(name.strip())
        if value is None or (pattern and not re.search(pattern, value)):
            return False
    if when.body is not None and not re.search(when.body, decode(answer.body)):
        return False
    if when.json_ is not None:
        found = values(when.json_, parsed(answer))
        if not found:
            return False
        if "equals" in when.model_fields_set and when.equals not in found:
            return False
        if when.matches is not None and not any(
            re.search(when.matches, one if isinstance(one, str) else json.dumps(one))
            for one in found
        ):
            return False
    return True
