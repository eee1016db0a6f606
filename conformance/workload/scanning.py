"""What stands in an answer under load: markers that its reader may not see, found fast.

Every answer is searched as bytes; only what has not been seen before is looked at in full. The
scan errs on the side of suspicion: whoever has the policy judges the exchanges that it hands out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from conformance.canary import LETTERS, Mint, Planted
from conformance.workload.plan import Actor, Plan

_MOST_KNOWN = 50_000
_TOKEN = re.compile(rb"wq[%b]{16}" % LETTERS.encode())
_NUMBER = re.compile(rb"9707\d{8}")


class Scan:
    """Searches answers for what an actor of the plan may not see."""

    def __init__(self, plan: Plan, mint: Mint) -> None:
        self._mint = mint
        self._markers = {
            text.lower().encode(): Planted(tenant, resource, field, None)
            for text, (tenant, resource, field) in plan.markers.items()
        }
        literals = sorted(
            (text for text in self._markers if not _NUMBER.fullmatch(text)), key=len, reverse=True
        )
        self._literal = re.compile(b"|".join(map(re.escape, literals))) if literals else None
        self._readers = {actor.name: _Reader(actor) for actor in plan.actors}

    def suspicious(self, actor: str, answer: bytes, carried: Iterable[str] = ()) -> str:
        """The kind of the first marker in `answer` that `actor` may not see; empty if none.

        `answer` is the headers and body as received; what the request `carried` does not count.
        """
        reader = self._readers[actor]
        lower = answer.lower()
        found = set(_TOKEN.findall(lower))
        if b"9707" in lower:
            found.update(_NUMBER.findall(lower))
        if self._literal is not None:
            found.update(self._literal.findall(lower))
        found -= reader.fine
        return self._first(reader, found, carried) if found else ""

    def _first(self, reader: _Reader, found: set[bytes], carried: Iterable[str]) -> str:
        own = {text.lower().encode() for text in carried}
        for marker in sorted(found):
            planted = self._planted(marker)
            if planted is not None and marker in own:
                continue
            if planted is not None and not reader.may_see(marker, planted):
                return f"leak {planted.tenant} {planted.resource}.{planted.field}"
            if len(reader.fine) > _MOST_KNOWN:
                reader.fine.clear()
            reader.fine.add(marker)
        return ""

    def _planted(self, marker: bytes) -> Planted | None:
        if marker in self._markers:
            return self._markers[marker]
        return self._mint.find(marker.decode()).get(marker.decode())


class _Reader:
    """One actor, what it may see, and the markers that it has seen rightly."""

    def __init__(self, actor: Actor) -> None:
        self.tenant = actor.tenant
        self.sees, self.everywhere = frozenset(actor.sees), frozenset(actor.everywhere)
        self.hidden = frozenset(text.lower().encode() for text in actor.hidden)
        self.fine: set[bytes] = set()

    def may_see(self, marker: bytes, planted: Planted) -> bool:
        name = f"{planted.resource}.{planted.field}"
        if name in self.everywhere:
            return True
        return planted.tenant == self.tenant and name in self.sees and marker not in self.hidden
