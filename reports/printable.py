"""Text from a hostile target, made safe to show.

Control characters move cursors, retitle terminals and end XML documents; bidirectional overrides
make a line read as something else; unpaired surrogates cannot be encoded. All of them are replaced
by a visible sign, so that a reader sees that they were there.
"""

import re
from typing import Any

_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ud800-\udfff\ufdd0-\ufdef\ufff9-\ufffc\ufffe\uffff\U000e0000-\U000e007f]"
)
_ESCAPED = re.compile(r"\\[ubf]")
_SPACE = re.compile(r"\s+")


def printable(text: str) -> str:
    """`text` with every character that a reader could not see or a format could not hold replaced.

    The escape character becomes `‹U+001B›`, and so on. Tabs and line ends are kept; a carriage
    return becomes a line end.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNSAFE.sub(_sign, text)


def one_line(text: str, limit: int | None = None) -> str:
    """`text` on one line, at most `limit` characters long, the last one an ellipsis if cut."""
    flat = _SPACE.sub(" ", text).strip()
    return flat if limit is None or len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def may_be_unsafe(line: str) -> bool:
    """Whether a line of JSON could hold a character that `printable` replaces."""
    return _UNSAFE.search(line) is not None or _ESCAPED.search(line) is not None or "\\r" in line


def printable_json(value: Any) -> Any:
    """A JSON value with `printable` applied to every string in it, keys included."""
    match value:
        case str():
            return printable(value)
        case list():
            return [printable_json(item) for item in value]
        case dict():
            return {printable(key): printable_json(item) for key, item in value.items()}
        case _:
            return value


def _sign(match: re.Match[str]) -> str:
    return f"‹U+{ord(match.group()):04X}›"
