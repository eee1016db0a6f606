"""Sending what unfolds: packed bodies, many levels, entities of XML. All of it is bounded."""

from __future__ import annotations

import gzip
import io
import json
import re
import secrets
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from conformance.instances import Instance, NotBuilt
from conformance.listener import Listener, listening
from conformance.model import Case, Exchange, Outcome, Read
from conformance.oracles.bombs import Bomb, Bombs
from conformance.oracles.odd import Broken, Odds, failed_to_answer
from conformance.schema import changed
from conformance.sources.odd import is_free
from conformance.template import Unfilled, render
from conformance.trials.odd import apart, looked_up
from conformance.trials.setting import Setting, permitted, remember, send
from conformance.wire import build
from conformance.world import World

UNFOLDED = 16 * 1024 * 1024
"""Bytes that a bomb becomes."""
LEVELS = 20_000
_TENS = 7
_MOST_PLACES = 4
_KEPT = 2000
_LARGE = 1_000_000


def bombs(world: World, case: Case) -> Bombs:
    """All bombs of the kind that the case names, thrown at its operation."""
    place = apart(world)
    kinds = {"packed": _packed, "levels": _levels, "entities": _entities, "archive": _archive}
    return kinds[(case.variant or "").split(".")[0]](place, case)


# --- ordinary requests around a bomb ---------------------------------------------------------


@dataclass
class _Door:
    """An operation that takes bodies: ordinary ones, and bombs in their place."""

    world: World
    case: Case
    setting: Setting
    made: Instance | None = None

    def ordinary(self) -> Read:
        """The operation with an ordinary body, on a record of its own if need be."""
        read, payload = send(self.world, self.setting, self.setting.persona, "control")
        if read.outcome is Outcome.CONFLICT:
            self.setting = permitted(self.world, self.case)
            read, payload = send(self.world, self.setting, self.setting.persona, "control")
        self._known(read, payload)
        return read

    def body(self) -> bytes:
        """An ordinary body, as it would be sent."""
        payload = self._payload()
        try:
            return build(self.world.wire, self.setting.operation, payload.lookup).body
        except Unfilled as missing:
            raise NotBuilt(f"{self.setting.resource}.{self.setting.name}: {missing}") from None

    def filled(self, template: str) -> str:
        """A text with its placeholders filled."""
        return str(render(template, self._payload().lookup))

    def send(self, body: bytes, kind: str, **headers: str) -> Read:
        """The operation with another body."""
        sender = self.world.sessions[self.setting.persona]
        shown = sender.shown()
        payload = self._payload()
        empty = changed(self.setting.operation, {"json_": None, "form": None, "body": None})
        message = build(
            self.world.wire,
            empty,
            payload.lookup,
            headers={**shown.headers, "Content-Type": kind, **headers},
            cookies=shown.cookies,
            tenant=self.world.tenancy(self.case.tenant),
        )
        message = replace(message, body=body)
        exchange = self.world.wire.send(message, self.setting.persona, "attempt")
        self.world.asked[exchange.id] = (self.setting.resource, self.setting.name)
        read = self.world.read(exchange)
        self._known(read, payload)
        return replace(read, exchange=_short(read.exchange))

    def _payload(self) -> Any:
        ids = [self.setting.instance.id] if self.setting.instance else []
        return self.world.payload(
            self.setting.persona,
            self.setting.resource,
            self.setting.tenant,
            self.setting.lineage,
            ids=ids,
        )

    def _known(self, read: Read, payload: Any) -> None:
        self.made = None
        if self.case.kind == "create" and read.outcome is Outcome.ALLOWED and read.exchange.answer:
            sender = self.setting.persona
            self.made = remember(self.world, self.setting, sender, read.exchange, payload)

    def shows(self, sign: str) -> Read | None:
        """Where a text is that a reader of the last record is shown, None if it is nowhere."""
        for read in looked_up(self.world, self.case, self.setting, self.made):
            answer = read.exchange.answer
            if answer is not None and sign in answer.text:
                return read
        return None

    def tried(self, says: str, before: Read, body: bytes, kind: str, **headers: str) -> Bomb:
        """A bomb, once more if the target failed, and an ordinary request afterwards."""
        bomb = self.send(body, kind, **headers)
        again = self.send(body, kind, **headers) if failed_to_answer(bomb) else None
        made = self.made
        after = self.afterwards()
        self.made = made
        return Bomb(self.case, says, before, bomb, again, after)

    def afterwards(self) -> Read:
        """An ordinary request; a second one where the first one fails."""
        read = self.ordinary()
        return self.ordinary() if failed_to_answer(read) else read


def _short(exchange: Exchange) -> Exchange:
    """The exchange as evidence: nobody needs megabytes of it."""
    body = exchange.request.body
    if len(body) <= _KEPT * 10:
        return exchange
    cut = body[:_KEPT] + b" ... %d bytes in all" % len(body)
    return replace(exchange, request=replace(exchange.request, body=cut))


def _opened(world: World, case: Case) -> _Door:
    return _Door(world, case, permitted(world, case))


# --- JSON ------------------------------------------------------------------------------------


def _packed(world: World, case: Case) -> Bombs:
    """A body that gzip makes a thousand times smaller, and the same in full."""
    door = _opened(world, case)
    before = door.ordinary()
    if before.outcome is not Outcome.ALLOWED:
        return Bombs(case, before, ())
    small = door.tried(
        "an ordinary body in gzip",
        before,
        gzip.compress(door.body()),
        "application/json",
        **{"Content-Encoding": "gzip"},
    )
    if small.bomb.outcome is not Outcome.ALLOWED:
        note = f"bodies packed by gzip are not taken ({small.bomb.status})"
        return Bombs(case, before, (small,), note)
    large = _padded(door.body())
    packed = gzip.compress(large)
    bomb = door.tried(
        f"{len(packed) // 1024} KiB in gzip that become {UNFOLDED // 2**20} MiB",
        before,
        packed,
        "application/json",
        **{"Content-Encoding": "gzip"},
    )
    full = door.send(_padded(door.body()), "application/json")
    bomb = replace(bomb, open=full)
    note = ""
    if bomb.bomb.outcome is Outcome.ALLOWED and full.outcome is Outcome.ALLOWED:
        note = f"bodies of {UNFOLDED // 2**20} MiB are taken in full as well"
    return Bombs(case, before, (small, bomb), note)


def _padded(body: bytes) -> bytes:
    """A JSON object with white space inside, so that it means the same."""
    return body[:1] + b" " * (UNFOLDED - len(body)) + body[1:]


def _levels(world: World, case: Case) -> Bombs:
    """A body of many levels, as a whole and in a field."""
    door = _opened(world, case)
    before = door.ordinary()
    if before.outcome is not Outcome.ALLOWED:
        return Bombs(case, before, ())
    lists = "[" * LEVELS + "]" * LEVELS
    objects = '{"a":' * LEVELS + "1" + "}" * LEVELS
    body = json.loads(door.body())
    field = next(iter(body)) if isinstance(body, dict) and body else "a"
    inside = json.dumps({**body, field: "wardproof"}) if isinstance(body, dict) else '"wardproof"'
    return Bombs(
        case,
        before,
        tuple(
            door.tried(says, before, text.encode(), "application/json")
            for says, text in (
                (f"a list of {LEVELS:,} levels", lists),
                (f"an object of {LEVELS:,} levels", objects),
                (
                    f"{LEVELS:,} levels in a field that nobody closes",
                    inside.replace('"wardproof"', "[" * LEVELS),
                ),
                (f"{LEVELS:,} levels in {field}", inside.replace('"wardproof"', lists)),
            )
        ),
    )


# --- what cannot be unpacked ------------------------------------------------------------------


def unpackable(world: World, case: Case) -> Odds:
    """Bodies that are not packed as they say, one at a time."""
    place = apart(world)
    door = _opened(place, case)
    before = door.ordinary()
    if before.outcome is not Outcome.ALLOWED:
        return Odds(case, before)
    kind = door.setting.operation.content_type or "application/json"
    broken: list[Broken] = []
    tried = list(_unpackable(door.body()))
    for says, body, coding in tried:
        read = door.send(body, kind, **{"Content-Encoding": coding})
        if _failed(read):
            again = door.send(body, kind, **{"Content-Encoding": coding})
            if again.exchange.answer is None:  # the failure may have closed the connection
                again = door.send(body, kind, **{"Content-Encoding": coding})
            if _failed(again):
                control = door.afterwards()
                broken.append(Broken("the body", (says,), read, again, control))
    return Odds(case, before, broken=tuple(broken), sent=len(tried))


def _failed(read: Read) -> bool:
    """Whether the target says that it failed; it may hang up on what it cannot read."""
    answer = read.exchange.answer
    return answer is not None and answer.status >= 500


def _unpackable(body: bytes) -> Iterator[tuple[str, bytes, str]]:
    """What is sent: (says, body, Content-Encoding), RFC 9110 section 8.4."""
    packed = gzip.compress(body)
    yield "gzip that ends in the middle", packed[: len(packed) // 2], "gzip"
    yield "gzip without its checksum", packed[:-8], "gzip"
    yield "gzip with a wrong checksum", packed[:-8] + b"\0\0\0\0" + packed[-4:], "gzip"
    yield "gzip with a wrong beginning", packed[:10] + b"\xff" * 40, "gzip"
    yield "a body that is not packed, called gzip", body, "gzip"
    yield "random bytes, called gzip", secrets.token_bytes(200), "gzip"
    yield "nothing, called gzip", b"", "gzip"
    yield "gzip with something behind it", packed + b"wardproof", "gzip"
    yield "gzip, called gzip twice", packed, "gzip, gzip"
    yield "a body that is not packed, called deflate", body, "deflate"
    yield "a body that is not packed, called br", body, "br"
    yield "an encoding that does not exist", body, "wardproof"


# --- XML -------------------------------------------------------------------------------------


def _entities(world: World, case: Case) -> Bombs:
    """Entities that expand to megabytes, and entities that name what is elsewhere."""
    door = _opened(world, case)
    template = door.setting.operation.body or ""
    kind = door.setting.operation.content_type or "application/xml"
    before = door.ordinary()
    if before.outcome is not Outcome.ALLOWED:
        return Bombs(case, before, ())
    found: list[Bomb] = []
    for says, declared, reference in _expanding():
        body = _with(door, template, declared, reference)
        bomb = door.tried(says, before, body, kind)
        answer = bomb.bomb.exchange.answer
        if answer is not None and len(answer.body) > _LARGE:
            bomb = replace(bomb, taken=f"the answer has {len(answer.body) // 2**20} MiB")
        found.append(bomb)
    with listening() as listener, _file() as (path, secret):
        for says, declared, reference, sign in _outside(listener, secret):
            bomb = door.tried(says, before, _with(door, template, declared, reference), kind)
            if listener.asked(sign):
                bomb = replace(bomb, fetched="a URL of ours")
            found.append(bomb)
        declared = f'[<!ENTITY x SYSTEM "{path.as_uri()}">]'
        for at in range(min(max(len(_texts_in(template)), 1), _MOST_PLACES)):
            body = _with(door, template, declared, "&x;", at)
            bomb = door.tried("an entity that is a file", before, body, kind)
            answer = bomb.bomb.exchange.answer
            shown = None
            if answer is not None and bomb.bomb.outcome is Outcome.ALLOWED:
                shown = bomb.bomb if secret in answer.text else door.shows(secret)
            elif answer is not None and secret in answer.text:
                shown = bomb.bomb
            if shown is not None:
                fetched = "a file of its own" + (
                    "" if shown is bomb.bomb else ", which its readers are shown"
                )
                bomb = replace(bomb, fetched=fetched, shown=shown)
            found.append(bomb)
            if shown is not None:
                break
    return Bombs(case, before, tuple(found))


def _with(door: _Door, template: str, declared: str, reference: str, place: int = 0) -> bytes:
    """The document with entities declared, and one of them used in one of its texts."""
    prolog = re.match(r"\s*<\?xml.*?\?>", template, re.DOTALL)
    head = prolog.group(0) if prolog else ""
    text = re.sub(r"^\s*<!DOCTYPE[^>]*>", "", template[len(head) :])
    root = re.match(r"\s*<([\w:.-]+)", text)
    name = root.group(1) if root else "wardproof"
    places = _texts_in(text)
    if places:
        end = places[place].end() - 1
        text = text[:end] + reference + text[end:]
    return f"{door.filled(head)}<!DOCTYPE {name} {declared}>{door.filled(text)}".encode()


def _texts_in(template: str) -> list[re.Match[str]]:
    """The texts of a document: those that are free if there are any, else the first."""
    found = list(re.finditer(r">([^<>]*[^<>\s][^<>]*)<", template))
    return [one for one in found if is_free(one[1])] or found[:1]


def _expanding() -> Iterator[tuple[str, str, str]]:
    """Entities inside entities, and one long entity many times: (says, declaration, reference)."""
    lines = ['<!ENTITY a0 "ha">']
    lines += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, _TENS + 1)]
    yield f"entities that become {2 * 10**_TENS // 10**6} MB", f"[{''.join(lines)}]", f"&a{_TENS};"
    long = "x" * 20_000
    yield "one long entity, a thousand times", f'[<!ENTITY x "{long}">]', "&x;" * 1000


def _outside(listener: Listener, secret: str) -> Iterator[tuple[str, str, str, str]]:
    """Entities that name what is elsewhere: (says, declaration, reference, path asked for)."""
    sign = f"/{secret}"
    url = f"{listener.url}{sign}"
    yield "an external entity", f'[<!ENTITY x SYSTEM "{url}">]', "&x;", sign
    yield "an external parameter entity", f'[<!ENTITY % x SYSTEM "{url}p"> %x;]', "", f"{sign}p"
    yield "an external document type", f'SYSTEM "{url}d"', "", f"{sign}d"


@contextmanager
def _file() -> Iterator[tuple[Path, str]]:
    """A file that everybody on this machine may read, and what it holds."""
    secret = f"wq-{secrets.token_hex(8)}"
    with tempfile.TemporaryDirectory(prefix="wardproof-") as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "entity.txt"
        path.write_text(secret, encoding="utf-8")
        path.chmod(0o644)
        yield path, secret


# --- archives --------------------------------------------------------------------------------


def _archive(world: World, case: Case) -> Bombs:
    """An archive whose file becomes megabytes, where archives are taken."""
    door = _opened(world, case)
    kind = door.setting.operation.content_type or "application/zip"
    before = door.send(_zipped(1000), kind)
    bomb = door.tried(
        f"an archive that becomes {UNFOLDED // 2**20} MiB", before, _zipped(UNFOLDED), kind
    )
    return Bombs(case, replace(before, outcome=Outcome.ALLOWED), (bomb,))


def _zipped(size: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("wardproof.txt", b" " * size)
    return out.getvalue()
