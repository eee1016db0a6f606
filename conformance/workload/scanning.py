"""What stands in an answer under load: markers that its reader may not see, found fast.

Every answer is searched as bytes; only what has not been seen before is looked at in full. The
scan errs on the side of suspicion: whoever has the policy judges the exchanges that it hands out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from conformance.canary import LETTERS, Mint, Planted
from conformance.workload.plan import Plan, Sight

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
        self._known: dict[bytes, Planted | None] = {}
        sights = [_Sight(one) for one in plan.sights]
        shared: dict[tuple[str, int], _Reader] = {}
        self._readers = {}
        for actor in plan.actors:
            at = {
                about: shared.setdefault((actor.tenant, one), _Reader(actor.tenant, sights[one]))
                for about, one in actor.sights.items()
            }
            usual = _Sight(Sight(actor.sees, actor.everywhere, actor.hidden))
            self._readers[actor.name] = (_Reader(actor.tenant, usual), at)

    def suspicious(
        self,
        actor: str,
        answer: bytes,
        carried: Iterable[str] = (),
        about: tuple[str, str] = ("", ""),
    ) -> str:
        """The kind of the first marker in `answer` that `actor` may not see; empty if none.

        `answer` is the headers and body as received, to a request about (resource, operation);
        what the request `carried` does not count.
        """
        usual, at = self._readers[actor]
        reader = at.get(".".join(about), usual)
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
        if marker not in self._known:
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            self._known[marker] = self._mint.find(marker.decode()).get(marker.decode())
        return self._known[marker]


class _Sight:
    """What may be seen, to be looked up fast."""

    def __init__(self, sight: Sight) -> None:
        self.sees, self.everywhere = frozenset(sight.sees), frozenset(sight.everywhere)
        self.hidden = frozenset(text.lower().encode() for text in sight.hidden)


class _Reader:
    """Those of a tenant who may see the same, and the markers that they have seen rightly."""

    def __init__(self, tenant: str, sight: _Sight) -> None:
        self.tenant, self.sight = tenant, sight
        self.fine: set[bytes] = set()

    def may_see(self, marker: bytes, planted: Planted) -> bool:
        name, sight = f"{planted.resource}.{planted.field}", self.sight
        if name in sight.everywhere:
            return True
        return planted.tenant == self.tenant and name in sight.sees and marker not in sight.hidden
