"""Exchanges as text, with the part that proves a finding marked."""

import re
from dataclasses import dataclass

from reports.ledger import Exchange, Finding

BODY_LIMIT = 4000
_BEFORE_MARK = 400
_QUOTED = re.compile(r"'([^']{4,200})'|\"([^\"]{4,200})\"|“([^”]{4,200})”|`([^`]{4,200})`")
_WORD = re.compile(r"[^\s,;()\"'`“”]{8,}")
# How the engine writes its planted markers: consonants only, or a telephone number of no country.
_CANARY = re.compile(r"wq[bcdfghjkmnpqrstvwxz]{16}|9707\d{8}", re.IGNORECASE)
_STATUS = re.compile(r"\b[1-5]\d\d\b")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text, marked or not."""

    text: str
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """An exchange made ready to be shown: what it is, its request, its response."""

    title: str
    request: str
    response: tuple[Piece, ...]


def telling_parts(finding: Finding) -> tuple[str, ...]:
    """The strings that prove a finding where they occur in a response, the longest first.

    They are the engine's `marks`; without these, what the observation quotes, and its words that
    hold a digit, as canaries and identifiers do.
    """
    if finding.marks:
        parts = set(finding.marks)
    else:
        parts = {
            next(group for group in match.groups() if group)
            for match in _QUOTED.finditer(finding.observed)
        }
        words = (word.strip(".:") for word in _WORD.findall(finding.observed))
        parts |= {word for word in words if any(letter.isdigit() for letter in word)}
    return _longest_first(parts)


def shown(exchange: Exchange, finding: Finding) -> Shown:
    """The exchange as text; long bodies are cut around the first telling part."""
    request = exchange.request
    who = exchange.persona or "nobody"
    took = "" if exchange.milliseconds is None else f", {exchange.milliseconds:.1f} ms"
    return Shown(
        title=f"{exchange.role_in_case} as {who} ({exchange.id}{took})",
        request=_message(
            f"{request.method} {request.url}", request.headers, _cut(request.body or "", ())
        ),
        response=_response(exchange, finding),
    )


def as_text(exchange: Exchange, finding: Finding) -> str:
    """The exchange as plain text, the telling parts between ⟦ and ⟧."""
    view = shown(exchange, finding)
    response = "".join(f"⟦{piece.text}⟧" if piece.marked else piece.text for piece in view.response)
    return f"# {view.title}\n\n{view.request}\n\n{response}\n"


def _response(exchange: Exchange, finding: Finding) -> tuple[Piece, ...]:
    response = exchange.response
    if response is None:
        return (Piece(f"No answer: {exchange.error or 'the connection ended'}", marked=True),)
    is_attempt = exchange.role_in_case == "attempt"
    is_telling = is_attempt and str(response.status) in _STATUS.findall(finding.observed)
    parts = _longest_first({*telling_parts(finding), *_canaries(exchange)}) if is_attempt else ()
    body = _cut(response.body or "", parts)
    if exchange.truncated:
        body += "\n[cut by the harness]"
    rest = _message("", response.headers, body)
    return (Piece(str(response.status), marked=is_telling), *_split(rest, parts))


def _canaries(exchange: Exchange) -> set[str]:
    """The markers in an answer that its own request did not carry."""
    request, response = exchange.request, exchange.response
    if response is None:
        return set()
    carried = f"{request.url} {request.body or ''}".lower()
    answered = " ".join([*response.headers.values(), response.body or ""])
    return {found for found in _CANARY.findall(answered) if found.lower() not in carried}


def _longest_first(parts: set[str]) -> tuple[str, ...]:
    return tuple(sorted((part for part in parts if part), key=lambda part: (-len(part), part)))


def _message(start: str, headers: dict[str, str], body: str) -> str:
    lines = [start, *(f"{name}: {value}" for name, value in headers.items())]
    return "\n".join(lines) + (f"\n\n{body}" if body else "")


def _cut(body: str, parts: tuple[str, ...]) -> str:
    if len(body) <= BODY_LIMIT:
        return body
    places = [place for part in parts if (place := body.find(part)) >= 0]
    first = min(places, default=0)
    start = 0 if first < BODY_LIMIT - _BEFORE_MARK else first - _BEFORE_MARK
    end = min(start + BODY_LIMIT, len(body))
    before = f"[… {start:,} characters]\n" if start else ""
    after = f"\n[… {len(body) - end:,} more characters]" if end < len(body) else ""
    return before + body[start:end] + after


def _split(text: str, parts: tuple[str, ...]) -> tuple[Piece, ...]:
    if not parts:
        return (Piece(text),)
    pattern = re.compile("(" + "|".join(re.escape(part) for part in parts) + ")")
    return tuple(
        Piece(piece, marked=place % 2 == 1)
        for place, piece in enumerate(pattern.split(text))
        if piece
    )
