"""What stands in an answer under load: markers that its reader may not see, found fast.

Every answer is searched as bytes; only what has not been seen before is looked at in full. The
scan errs on the side of suspicion: whoever has the policy judges the exchanges that it hands out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

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
        shared: dict[tuple[str, Sight], _Reader] = {}

        def reader(tenant: str, sight: Sight) -> _Reader:
            if (tenant, sight) not in shared:
                shared[tenant, sight] = _Reader(tenant, sight, plan.tenants, mint)
            return shared[tenant, sight]

        self._readers = {
            actor.name: (
                reader(actor.tenant, Sight(actor.sees, actor.everywhere, actor.hidden)),
                {about: reader(actor.tenant, plan.sights[n]) for about, n in actor.sights.items()},
            )
            for actor in plan.actors
        }

    def suspicious(
        self,
        actor: str,
        head: bytes,
        body: bytes,
        carried: Iterable[str] = (),
        about: tuple[str, str] = ("", ""),
    ) -> str:
        """The kind of the first marker in an answer that `actor` may not see; empty if none.

        `head` are its header values, and `about` is the (resource, operation) that was asked for;
        what the request `carried` does not count.
        """
        usual, at = self._readers[actor]
        reader = at.get(".".join(about), usual)
        # Under load the same bytes come again and again.
        known = hash(body)
        found = self._markers_in(reader, head if known in reader.clean else head + b"\n" + body)
        suspicion = self._first(reader, found, carried) if found else ""
        if not suspicion and not (found and carried):
            if len(reader.clean) > _MOST_KNOWN:
                reader.clean.clear()
            reader.clean.add(known)
        return suspicion

    def _markers_in(self, reader: _Reader, text: bytes) -> set[bytes]:
        lower = text.lower()
        found = {*reader.tokens.findall(lower), *_NUMBER.findall(lower)}
        if self._literal is not None:
            found.update(self._literal.findall(lower))
        return found - reader.fine

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


class _Reader:
    """Those of a tenant who may see the same, with the markers and bodies that were seen rightly.

    `tokens` finds markers in lower-case bytes. Where the place of a marker alone says whether it
    may be seen, those that may be are never even looked at: they are nearly all that there are.
    """

    def __init__(self, tenant: str, sight: Sight, tenants: Iterable[str], mint: Mint) -> None:
        self.tenant = tenant
        self.sees, self.everywhere = frozenset(sight.sees), frozenset(sight.everywhere)
        self.hidden = frozenset(text.lower().encode() for text in sight.hidden)
        self.fine: set[bytes] = set()
        self.clean: set[int] = set()
        seen = {tenant: self.sees | self.everywhere}
        seen |= {other: self.everywhere for other in tenants if other != tenant}
        self.tokens = _TOKEN if self.hidden else _tokens_but(mint, seen)

    def may_see(self, marker: bytes, planted: Planted) -> bool:
        name = f"{planted.resource}.{planted.field}"
        if name in self.everywhere:
            return True
        return planted.tenant == self.tenant and name in self.sees and marker not in self.hidden


def _tokens_but(mint: Mint, seen: Mapping[str, Iterable[str]]) -> re.Pattern[bytes]:
    """Tokens of all places but these, given as `resource.field` by tenant."""
    places = []
    for tenant, names in seen.items():
        both = [mint.place(tenant, name) for name in sorted(names)]
        if both:
            places.append(f"{both[0][:2]}(?:{'|'.join(place[2:] for place in both)})")
    if not places:
        return _TOKEN
    return re.compile(f"wq(?!{'|'.join(places)})[{LETTERS}]{{16}}".encode())
