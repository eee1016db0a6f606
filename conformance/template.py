"""Templates: strings, lists and mappings with {placeholders}, filled from named values."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

# What a request template may name besides {resource.x}, {persona.x} and {tenant.x}.
NAMES = frozenset(
    {
        "id",
        "ids",
        "term",
        "canary",
        "text",
        "name",
        "phone",
        "email",
        "national_id",
        "date",
        "birth_date",
        "now",
        "today",
        "future",
        "int",
        "number",
        "uuid",
        "code",
    }
)

_PLACEHOLDER = re.compile(r"\{([a-z_][A-Za-z0-9_.-]*)(?::([^{}|]*))?((?:\|[a-z0-9_]+)*)\}")


def _moment(value: Any) -> datetime:
    return datetime.fromisoformat(str(value))


FILTERS: dict[str, Callable[[Any], Any]] = {
    "base64": lambda value: base64.b64encode(str(value).encode()).decode(),
    "lower": lambda value: str(value).lower(),
    "upper": lambda value: str(value).upper(),
    "digits": lambda value: re.sub(r"\D", "", str(value)),
    "int": int,
    "str": str,
    "json": json.dumps,
    "url": lambda value: quote(str(value), safe=""),
    "year": lambda value: _moment(value).year,
    "month": lambda value: _moment(value).month,
    "day": lambda value: _moment(value).day,
    "hour": lambda value: _moment(value).hour,
}

Lookup = Callable[[str, str | None, str], Any]
"""(name, argument after a colon, field being filled) -> value; KeyError if there is none."""


class Unfilled(Exception):
    """A placeholder has no value here; the message names it."""


def arguments_in(template: Any) -> Iterator[tuple[str, str]]:
    """Names that have an argument after a colon anywhere in a template, with it."""
    if isinstance(template, str):
        for match in _PLACEHOLDER.finditer(template):
            if match.group(2) is not None:
                yield match.group(1), match.group(2)
    elif isinstance(template, dict):
        for key, item in template.items():
            yield from arguments_in(key)
            yield from arguments_in(item)
    elif isinstance(template, list):
        for item in template:
            yield from arguments_in(item)


def render(template: Any, lookup: Lookup, field: str = "") -> Any:
    """`template` with every placeholder filled.

    A string that is one placeholder keeps the type of its value; inside longer strings values
    become text. `field` is the name of the innermost mapping key around a string.
    Raises Unfilled when a value is missing or a filter unknown.
    """
    if isinstance(template, str):
        return _render_string(template, lookup, field)
    if isinstance(template, dict):
        return {
            (_render_string(key, lookup, field) if isinstance(key, str) else key): render(
                item, lookup, str(key)
            )
            for key, item in template.items()
        }
    if isinstance(template, list):
        return [render(item, lookup, field) for item in template]
    return template


def _value(match: re.Match[str], lookup: Lookup, field: str) -> Any:
    name, argument, filters = match.group(1), match.group(2), match.group(3)
    try:
        value = lookup(name, argument, field)
    except KeyError as missing:
        raise Unfilled(
            f"{{{name}}} has no value here{_detail(missing)}; "
            "was it taken by an earlier step or given as a fact?"
        ) from None
    for filter_name in filters.split("|")[1:]:
        if filter_name not in FILTERS:
            raise Unfilled(f"{{{name}|{filter_name}}}: there is no filter {filter_name!r}")
        try:
            value = FILTERS[filter_name](value)
        except (TypeError, ValueError) as error:
            raise Unfilled(f"{{{name}|{filter_name}}}: {error}") from None
    return value


def _detail(missing: KeyError) -> str:
    text = str(missing.args[0]) if missing.args else ""
    return f" ({text})" if " " in text else ""


def _render_string(template: str, lookup: Lookup, field: str) -> Any:
    if "{" not in template:
        return template
    whole = _PLACEHOLDER.fullmatch(template)
    if whole:
        return _value(whole, lookup, field)
    return _PLACEHOLDER.sub(lambda match: str(_value(match, lookup, field)), template)


_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")


def render_jsonpath(template: str, lookup: Lookup) -> str:
    """A JSONPath with every placeholder filled: between quotes as text, elsewhere as a literal.

    A literal has the type of its value, so that a number is found among numbers (RFC 9535 section
    2.3.5.2.2 calls no number equal to a text). Raises Unfilled.
    """
    filled, at = [], 0
    for quoted in _QUOTED.finditer(template):
        filled.append(_literals(template[at : quoted.start()], lookup))
        filled.append(_within(quoted[0], lookup))
        at = quoted.end()
    return "".join([*filled, _literals(template[at:], lookup)])


def _literals(part: str, lookup: Lookup) -> str:
    return _PLACEHOLDER.sub(lambda match: json.dumps(_value(match, lookup, "")), part)


def _within(quoted: str, lookup: Lookup) -> str:
    """A text of a JSONPath, in which its own quotation marks and backslashes are escaped."""

    def one(match: re.Match[str]) -> str:
        text = str(_value(match, lookup, "")).replace("\\", "\\\\")
        return text.replace(quoted[0], f"\\{quoted[0]}")

    return _PLACEHOLDER.sub(one, quoted)


def render_path(template: str, lookup: Lookup) -> str:
    """A path template with every value percent-encoded, so an id cannot change the route."""

    def one(match: re.Match[str]) -> str:
        text = quote(str(_value(match, lookup, "")), safe="")
        # Dots alone would climb to another route (RFC 3986 section 5.2.4).
        return text.replace(".", "%2E") if set(text) == {"."} else text

    path = _PLACEHOLDER.sub(one, template)
    # A whole-path placeholder ({download_url}) is a link that the target gave; it stays as it is.
    whole = _PLACEHOLDER.fullmatch(template)
    return str(_value(whole, lookup, "")) if whole else path


def pairs(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values of a query or form as text: lists repeat, None is left out."""
    for key, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                yield key, "true" if one is True else "false" if one is False else str(one)
