"""Canonical JSON (RFC 8785, JCS): one value, one sequence of bytes.

Digests, the chain of a ledger and signatures are made of these bytes, by whoever writes and by
whoever checks.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from json.encoder import encode_basestring
from typing import Any

GREATEST = 2**53 - 1
"""The greatest whole number that every reader of JSON takes for what it is (RFC 7493, 2.2)."""

_PLAIN_FLOATS = (1e-4, 1e16)
"""Between them Python writes a number as ECMAScript does, unless it is whole."""


def encode(value: Any) -> bytes:
    """`value` as canonical JSON.

    Mappings, lists, tuples, texts, numbers, booleans and None can be held. Raises ValueError for
    what JSON cannot hold: not-a-number and infinity, whole numbers beyond 2**53 - 1, halves of
    surrogate pairs, keys that are no text, other types, nesting without end.
    """
    try:
        if _is_plain(value):
            text = json.dumps(
                value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
            )
        else:
            text = "".join(_written(value))
    except RecursionError:
        raise ValueError("nested too deeply for JSON") from None
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start]
        raise ValueError(f"half of a surrogate pair (U+{ord(half):04X}) in a text") from None


def digest(value: Any) -> str:
    """The SHA-256 of `value` as canonical JSON, in hex digits."""
    return hashlib.sha256(encode(value)).hexdigest()


def plan_digest(cases: Iterable[Mapping[str, Any]]) -> str:
    """The SHA-256 of a plan: of the records of its cases in the order of their ids."""
    return digest(sorted(cases, key=lambda case: str(case["id"])))


_OF_THE_MOMENT = frozenset({"id", "started", "milliseconds", "hash", "type", "seq", "prev"})


def exchange_hash(record: Mapping[str, Any]) -> str:
    """The SHA-256 of what was said in an exchange, and not of when and under which number.

    `record` is an exchange as the ledger holds it, or is to hold it: redacted.
    """
    return digest({name: value for name, value in record.items() if name not in _OF_THE_MOMENT})


def _is_plain(value: Any) -> bool:
    """Whether the encoder of the standard library writes `value` canonically."""
    if value is None or isinstance(value, str | bool):
        return True
    if isinstance(value, int):
        return -GREATEST <= value <= GREATEST
    if isinstance(value, float):
        return _PLAIN_FLOATS[0] <= abs(value) < _PLAIN_FLOATS[1] and not value.is_integer()
    if isinstance(value, dict):
        return all(isinstance(key, str) and key.isascii() for key in value) and all(
            map(_is_plain, value.values())
        )
    return isinstance(value, list | tuple) and all(map(_is_plain, value))


def _written(value: Any) -> Iterator[str]:
    if value is None:
        yield "null"
    elif isinstance(value, str):
        yield encode_basestring(value)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, int | float):
        yield _number(value)
    elif isinstance(value, Mapping):
        yield from _object(value)
    elif isinstance(value, list | tuple):
        yield "["
        for place, item in enumerate(value):
            yield "," if place else ""
            yield from _written(item)
        yield "]"
    else:
        raise ValueError(f"JSON holds no {type(value).__name__}")


def _object(value: Mapping[Any, Any]) -> Iterator[str]:
    for key in value:
        if not isinstance(key, str):
            raise ValueError(f"a key of JSON is a text, and {key!r} is none")
    yield "{"
    for place, key in enumerate(sorted(value, key=_code_units)):
        yield f"{',' if place else ''}{encode_basestring(key)}:"
        yield from _written(value[key])
    yield "}"


def _code_units(key: str) -> bytes:
    """What RFC 8785 (3.2.3) sorts keys by: their UTF-16 code units."""
    return key.encode("utf-16-be", "surrogatepass")


def _number(value: float) -> str:
    """A number as ECMAScript writes it (RFC 8785, 3.2.2.3)."""
    if isinstance(value, int):
        if not -GREATEST <= value <= GREATEST:
            raise ValueError(f"{len(str(abs(value)))} digits are more than a number of JSON holds")
        return int.__repr__(value)
    if not math.isfinite(value):
        raise ValueError(f"JSON holds no {value}")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = fraction if fraction != "0" else ""
    # 0.d1d2… times ten to the `point`.
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0)
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    return sign + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    if 0 < point <= 21:
        if len(digits) <= point:
            return digits.ljust(point, "0")
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    power = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return f"{digits[0]}{'.' + digits[1:] if len(digits) > 1 else ''}{power}"
