"""Requests that are right but for one value that the API document rules out, far enough beyond
the limit that no rounding and no off-by-one explains it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from conformance.fuzz.drafts import Draft

_LONGEST = 5_000
_TEXTS: Mapping[str, str] = {
    "date": "2023-02-30",
    "date-time": "2023-02-30T25:61:00Z",
    "uuid": "no-uuid-at-all",
    "email": "nobody",
    "ipv4": "256.1.1.1",
    "time": "25:61:00Z",
}


def values(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Values that a schema rules out; none where it rules out nothing."""
    kind = schema.get("type")
    if "enum" in schema or "const" in schema:
        yield "wardproof-unknown" if kind in {None, "string"} else -987_654
    if kind in {"integer", "number"}:
        yield from _numbers(schema)
        yield "wardproof"
    elif kind == "string":
        yield from _texts(schema)
        yield {"wardproof": True}
    elif kind == "boolean":
        yield "perhaps"
    elif kind == "array":
        yield {"wardproof": True}
        most = schema.get("maxItems")
        if isinstance(most, int) and most <= 200 and "example" in schema:
            yield [schema["example"]] * (most + 1)


def _numbers(schema: Mapping[str, Any]) -> Iterator[Any]:
    for name in ("minimum", "exclusiveMinimum"):
        least = schema.get(name)
        if isinstance(least, int | float) and not isinstance(least, bool):
            yield -1 if least >= 0 else least - 1
            yield least - 1_000
    for name in ("maximum", "exclusiveMaximum"):
        most = schema.get(name)
        if isinstance(most, int | float) and not isinstance(most, bool):
            yield most + 1
            yield most * 10 + 1_000_000


def _texts(schema: Mapping[str, Any]) -> Iterator[str]:
    most = schema.get("maxLength")
    if isinstance(most, int) and most <= _LONGEST:
        yield "x" * (most + 1)
    least = schema.get("minLength")
    if isinstance(least, int) and least >= 1:
        yield ""
    odd = _TEXTS.get(str(schema.get("format")))
    if odd is not None:
        yield odd
    if "pattern" in schema:
        yield "\N{SECTION SIGN}"


def drafts(
    draft: Draft, fields: Mapping[str, Mapping[str, Any]], query: Mapping[str, Mapping[str, Any]]
) -> Iterator[Draft]:
    """`draft` with one value wrong, for each field of its body and each query parameter."""
    if isinstance(draft.body, dict):
        for name, schema in fields.items():
            for value in values(schema):
                yield replace(draft, body={**draft.body, name: value})
        for name, value in draft.body.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield replace(draft, body={**draft.body, name: str(value)})
        yield replace(draft, body={**draft.body, "wardproof": "unknown"})
    for name, schema in query.items():
        for value in values(schema):
            if isinstance(value, str | int | float):
                yield replace(draft, query={**draft.query, name: value})
