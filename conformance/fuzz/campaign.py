"""A campaign under way: ids of the world go into the engine's requests, and each answer is judged
as it comes, so that only what a finding needs is kept.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit
from weakref import WeakKeyDictionary

from conformance import oracles, policy
from conformance.cases import of_persona
from conformance.fuzz import recipes
from conformance.fuzz.drafts import ABSENT, Draft, Enough
from conformance.fuzz.matching import Known, Slot, Way
from conformance.instances import Instance, NotBuilt
from conformance.login import Credentials, LoginFailed
from conformance.model import (
    Because,
    Case,
    Exchange,
    Expected,
    Message,
    Outcome,
    Read,
    Relation,
    Result,
    Trial,
    decode,
)
from conformance.outcomes import outcome_of
from conformance.target import ANONYMOUS, SAFE_KINDS
from conformance.template import Lookup, Unfilled, render
from conformance.trials.setting import needed, permitted
from conformance.visibility import sightings
from conformance.wire import Unreachable, Wire
from conformance.world import World

SILENCES = 5
"""No answers in a row after which a campaign ends."""

_RENEWALS = 3
_WAITS = 3
_LONGEST_WAIT = 5.0
_REMADE = 40
"""Records that are made anew within one campaign, because it removed or ended others."""
_STAND_IN = "wardproof-credential"
_TELLING = 6
"""An id of so many characters is met by accident nowhere else."""
_WORD = re.compile(r"[\w.@+-]{1,64}")
_STANDS = ("mine", "theirs", "foreign", "never")
_WEIGHTS = (66, 10, 14, 10)


@dataclass(frozen=True)
class Symbol:
    """What an id in a request means in any world: whose it is and how the persona stands to it."""

    resource: str
    stand: str
    operation: str
    value: str = "id"


@dataclass(frozen=True)
class Denied:
    """A write that had to be refused: which operation, and the request."""

    way: Way
    relation: Relation
    other: str | None
    draft: Draft
    allowed: bool
    suspected: bool = False


_NAMED: WeakKeyDictionary[World, set[str]] = WeakKeyDictionary()
"""Every word of the writes that a copy has served to any campaign."""


class Campaign:
    """Steers the engine for one persona, and watches what comes back."""

    def __init__(
        self,
        world: World,
        case: Case,
        operations: Sequence[Known],
        seed: int,
    ) -> None:
        assert case.persona is not None
        self.world, self.case, self.persona = world, case, case.persona
        self.target = world.target
        self.tenant = case.tenant or policy.sole_tenant(self.target)
        self.roles = policy.roles_of(self.target, self.persona)
        self.operations: dict[str, Known] = {}
        self.symbols: dict[str, tuple[Symbol, Instance]] = {}
        self.phases: Counter[str] = Counter()
        self.statuses: dict[str, Counter[str]] = defaultdict(Counter)
        self.requests = 0
        self.notes: list[str] = []
        self.ended: str | None = None
        self.spoilt = False
        self.spent: dict[str, Instance] = {}
        self.drafts: dict[str, Draft] = {}
        self.disclosed: dict[tuple[str, str, str], Exchange] = {}
        self.leaked: dict[tuple[str, str, str], Exchange] = {}
        self.denied: dict[tuple[str, str, bool], Denied] = {}
        self.good: dict[str, Draft] = {}
        self.silent: dict[str, tuple[Draft, Exchange]] = {}
        self.deadline = float("inf")
        self.until: int | None = None
        self._wire = _apart(world.wire)
        self.recent: list[Exchange] = []
        self._random = random.Random(f"{seed}|{self.persona}")
        self._stock: dict[tuple[str, str, str], Instance | None] = {}
        self._makers: dict[str, dict[str, Callable[[], str]]] = {}
        self._keys: set[str] = set()
        self._silences = self._renewals = self._waits = self._unanswered = 0
        self._said = 0.0
        self._others = [one for one in policy.tenants(self.target) if one != self.tenant] or [
            self.tenant
        ]
        self._patterns: list[tuple[str, re.Pattern[str], Known]] = []
        self.learn(operations)

    def learn(self, operations: Sequence[Known]) -> None:
        """What there is to try."""
        self.operations = {one.label: one for one in operations}
        self._patterns = [
            (one.method, _pattern(one.path), one)
            for one in sorted(operations, key=lambda each: each.path.count("{"))
        ]

    # --- credentials --------------------------------------------------------------------------

    def credentials(self) -> dict[str, str]:
        """Headers that stand for the persona's credentials, by names that the checks know."""
        shown = self._shown()
        found = {name: f"{_scheme(value)}{_STAND_IN}" for name, value in shown.headers.items()}
        if shown.cookies:
            found["Cookie"] = "; ".join(f"{name}={_STAND_IN}" for name in shown.cookies)
        return found

    def _shown(self) -> Credentials:
        return self.world.sessions[self.persona].shown()

    def _message(self, message: Message) -> Message:
        """The message with the credentials themselves, and what every request carries."""
        headers = dict(message.headers)
        signed = any(_STAND_IN in value for value in headers.values())
        if signed:
            shown = self._shown()
            real = {name.lower(): value for name, value in shown.headers.items()}
            for name, value in list(headers.items()):
                if _STAND_IN not in value:
                    continue
                if name.lower() == "cookie":
                    kept = [one for one in value.split("; ") if _STAND_IN not in one]
                    cookies = [f"{key}={one}" for key, one in shown.cookies.items()]
                    headers[name] = "; ".join((*kept, *cookies))
                else:
                    headers[name] = real.get(name.lower(), value)
        named = {name.lower() for name in headers}
        general = {**self.target.system.headers, **self.world.wire.headers}
        headers |= {key: value for key, value in general.items() if key.lower() not in named}
        return replace(message, headers=(*headers.items(), *self._tenancy(named)))

    def _tenancy(self, named: set[str]) -> list[tuple[str, str]]:
        lookup = self.world.tenancy(self.tenant)
        if lookup is None:
            return []
        wanted = dict(self.target.tenancy.header)
        if self.target.tenancy.host:
            wanted["Host"] = self.target.tenancy.host
        return [
            (name, str(render(text, lookup)))
            for name, text in wanted.items()
            if name.lower() not in named
        ]

    # --- sending ------------------------------------------------------------------------------

    def deliver(self, message: Message, draft: Draft, phase: str) -> Exchange:
        """Send, judge what comes back at once, and keep little of it."""
        if self.stopped():
            raise Enough
        signed = any(_STAND_IN in value for _name, value in message.headers)
        exchange = self._send(message)
        answer = exchange.answer
        if answer is not None and answer.status == 401 and signed and self._lost():
            exchange = self._send(message)
            answer = exchange.answer
        if answer is not None and answer.status == 429 and self._wait(answer.header("retry-after")):
            exchange = self._send(message)
            answer = exchange.answer
        self.requests += 1
        self.phases[phase] += 1
        self.statuses[draft.label][self.came_of(exchange)] += 1
        self._silences = 0 if answer is not None else self._silences + 1
        if answer is None:
            self.silent.setdefault(draft.label, (draft, exchange))
            self._unanswered += 1
        if self._silences >= SILENCES:
            self.ended = f"the target gave no answer {SILENCES} times in a row ({exchange.error})"
        elif self._unanswered >= 2 * SILENCES:
            self.ended = f"the target gave no answer {2 * SILENCES} times ({exchange.error})"
        if not signed:
            draft = replace(draft, stranger=True)
        if phase == "examples" and signed and answer is not None and answer.status < 300:
            self.good.setdefault(draft.label, draft)
        self._judge(exchange, draft, signed)
        self._say()
        return exchange

    def came_of(self, exchange: Exchange) -> str:
        """How an answer is counted."""
        return str(exchange.answer.status) if exchange.answer else "none"

    def outcome(self, about: tuple[str, str], exchange: Exchange) -> Outcome:
        """What an answer says happened."""
        return outcome_of(self.target, about, exchange, self.world.catch_all)

    def declined(self, label: str, exchange: Exchange) -> bool:
        """Whether the answer says that nothing was done, whatever its status."""
        operation = self.operations.get(label)
        ways = [way.about for way in operation.ways] if operation is not None else []
        said = {self.outcome(about, exchange) for about in ways or [("", "")]}
        return said.isdisjoint({Outcome.ALLOWED, Outcome.BROKEN})

    def written(self, draft: Draft) -> dict[str, Any]:
        """A draft as a step of a recipe."""
        return recipes.written(draft, self.symbol_of)

    def read(self, step: Mapping[str, Any]) -> Draft:
        """A step of a recipe as a draft, in this world. Raises ValueError and NotBuilt."""
        return recipes.read(step, self.value_of)

    def smaller(self, draft: Draft) -> Iterator[Draft]:
        """Drafts that say less."""
        return recipes.smaller(draft)

    def _send(self, message: Message) -> Exchange:
        exchange = self._wire.send(self._message(message), self.persona, "fuzz")
        self.recent.append(exchange)
        del self.recent[:-3]
        return exchange

    def stopped(self) -> bool:
        """Whether the campaign is over, or its time is, or enough was sent for now."""
        enough = self.until is not None and self.requests >= self.until
        return enough or self.ended is not None or time.monotonic() > self.deadline

    def _lost(self) -> bool:
        """Whether the session was lost and is there again; ends the campaign if it cannot be."""
        if self.persona == ANONYMOUS:
            return False
        session = self.world.sessions[self.persona]
        if self._renewals and self._alive():
            return False
        if self._renewals >= _RENEWALS:
            self._over(f"the session of {self.persona} was refused {_RENEWALS} times over")
            return False
        if not self._renewals and self._alive():
            return False
        self._renewals += 1
        try:
            session.renew()
        except (LoginFailed, Unreachable) as problem:
            self._over(f"{self.persona} can no longer log in: {problem}")
            return False
        return True

    def _over(self, why: str) -> None:
        """The persona's account or login is over; who comes next needs another copy."""
        self.ended, self.spoilt = why, True

    def _alive(self) -> bool:
        """Whether the credentials are still good, asked by what tells who one is."""
        session = self.world.sessions[self.persona]
        me = session.login.me
        if me is None:
            return False
        payload = self.world.payload(self.persona, "account", self.tenant, {})
        try:
            message = session.message(me, payload.lookup, self.world.tenancy(self.tenant))
        except (Unfilled, ValueError):
            return False
        answer = self._wire.send(message, self.persona, "fuzz").answer
        return answer is not None and answer.status < 400

    def _wait(self, told: str | None) -> bool:
        """Whether the target said for how long to wait, and that is over."""
        seconds = float(told) if told is not None and told.isdigit() else _LONGEST_WAIT + 1
        if seconds > _LONGEST_WAIT or self._waits >= _WAITS:
            return False
        self._waits += 1
        time.sleep(seconds + 0.1)
        return True

    def _say(self) -> None:
        now = time.monotonic()
        if now - self._said >= 0.5:
            self._said = now
            self.world.live(f"fuzzing as {self.persona}: {self.requests:,} requests")

    # --- judging ------------------------------------------------------------------------------

    def _judge(self, exchange: Exchange, draft: Draft, signed: bool) -> None:
        answer = exchange.answer
        if answer is None:
            return
        found = self.meant(exchange.request)
        ways = found.ways if found is not None else ()
        instance = self._instance_in(found, exchange.request) if found is not None else None
        about = self._about(ways)
        self.world.asked[exchange.id] = about
        label = found.label if found is not None else draft.label
        for rule, reason in self.given_away(exchange):
            where = self.disclosed if rule.startswith("disclosure") else self.leaked
            self._keep(where, (rule, label, reason), exchange, draft)
        if ways and found is not None:
            self._weigh(exchange, draft, ways, instance, signed)
        if found is not None and found.method != "GET" and self.came_of(exchange)[0] == "2":
            self._spend(exchange.request, ways, instance)
            remember(self.world, exchange.request)

    def _spend(self, message: Message, ways: Sequence[Way], instance: Instance | None) -> None:
        """Remember what a served write changed, and leave alone what it may have ended."""
        kinds = {self.kind(way) for way in ways}
        if kinds and kinds <= {"create", *SAFE_KINDS}:
            return
        changed = [] if instance is None else [instance]
        changed += [self.symbols[value][1] for value in _listed(message) if value in self.symbols]
        anew = kinds != {"update"} and len(self.spent) < _REMADE
        for one in changed:
            self.spent[one.key] = one
            for key, kept in list(self._stock.items()) if anew else ():
                if kept is not None and any(each is one for each in kept.lineage().values()):
                    del self._stock[key]
        if anew:
            self.world.spend(changed)

    def given_away(self, exchange: Exchange) -> set[tuple[str, str]]:
        """The rules that an answer breaks by what it holds, and why."""
        found = {
            (verdict.rule or "", verdict.reason)
            for verdict in oracles.leaks(exchange, sightings(self.world, exchange))
        }
        answer = exchange.answer
        if answer is not None and answer.status >= 400:
            about = self.world.asked.get(exchange.id, ("", ""))
            outcome = self.outcome(about, exchange)
            told = oracles.discreet(Trial(self.case, Read(exchange, outcome)))
            if told.result is Result.FAIL:
                found.add((told.rule or "", told.reason))
        return found

    def forget(self) -> None:
        """Have every record that comes next be one that nothing was done to."""
        known = [one for one in self._stock.values() if one is not None]
        self.world.spend([near for one in known for near in one.lineage().values()], again=True)
        self._stock.clear()

    def _keep(
        self,
        where: dict[tuple[str, str, str], Exchange],
        key: tuple[str, str, str],
        exchange: Exchange,
        draft: Draft,
    ) -> None:
        if key not in where:
            where[key] = exchange
            self.drafts[exchange.id] = draft

    def _weigh(
        self,
        exchange: Exchange,
        draft: Draft,
        ways: Sequence[Way],
        instance: Instance | None,
        signed: bool,
    ) -> None:
        """Remember writes that had to be refused, and what writes may have changed."""
        writes = [way for way in ways if self.kind(way) not in SAFE_KINDS]
        if not writes:
            return
        outcome = self.outcome(writes[0].about, exchange)
        may = self._may(ways, instance, signed)
        if may or may is None:
            return
        if not (outcome is Outcome.ALLOWED or outcome.refused):
            return
        relation, other = Relation.COLLECTION, None
        if instance is not None:
            foreign = instance.tenant != self.case.tenant
            relations = self.world.relations(self.persona, instance)
            relation = next(iter(sorted(relations)), Relation.SAME_TENANT)
            relation = Relation.OTHER_TENANT if foreign else relation
            other = instance.tenant if foreign else None
        key = (draft.label, relation.value, outcome is Outcome.ALLOWED)
        if key not in self.denied:
            self.denied[key] = Denied(writes[0], relation, other, draft, outcome is Outcome.ALLOWED)

    def kind(self, way: Way) -> str:
        """What the operation does to its resource."""
        return self.target.resources[way.resource].kind(way.operation)

    def granted(self, way: Way) -> bool:
        """Whether the persona is granted the operation at all."""
        return bool(policy.grants(self.target, self.roles, *way.about))

    def may_always(self, operation: Known) -> bool:
        """Whether the persona may do it to every record of its tenant."""
        return any(
            grant.covers(frozenset(), same_tenant=True)
            for way in operation.ways
            for grant in policy.grants(self.target, self.roles, *way.about)
        )

    def _may(self, ways: Sequence[Way], instance: Instance | None, signed: bool) -> bool | None:
        """Whether the policy lets the persona do this; None if it cannot be told."""
        roles = self.roles if signed else (ANONYMOUS,)
        relations = frozenset(
            self.world.relations(self.persona, instance) if instance is not None and signed else ()
        )
        unsure = False
        for way in ways:
            granted = policy.grants(self.target, roles, *way.about)
            if not granted:
                continue
            about = self.target.object_of(*way.about)
            if about is None:
                return True
            if instance is None:
                unsure = True
                continue
            near = instance.lineage().get(about, instance)
            if near.resource != about:
                unsure = True
                continue
            relations = frozenset(self.world.relations(self.persona, near)) if signed else relations
            same = near.tenant == self.case.tenant or self.persona == ANONYMOUS
            if any(grant.covers(relations, same_tenant=same) for grant in granted):
                return True
        return None if unsure else False

    def _about(self, ways: Sequence[Way]) -> tuple[str, str]:
        """The operation that answered, one that is granted if there is any."""
        for way in ways:
            if policy.grants(self.target, self.roles, *way.about):
                return way.about
        return ways[0].about if ways else ("", "")

    def meant(self, message: Message) -> Known | None:
        """The operation of the API document that a message is, whatever it was made for."""
        path = urlsplit(message.url).path
        return next(
            (
                one
                for method, pattern, one in self._patterns
                if method == message.method and pattern.fullmatch(path)
            ),
            None,
        )

    def _instance_in(self, operation: Known, message: Message) -> Instance | None:
        """The instance in the path that is furthest down, as far as it is one of ours."""
        match = _pattern(operation.path).fullmatch(urlsplit(message.url).path)
        found = None
        for value in match.groups() if match else ():
            known = self.symbols.get(value)
            if known is None:
                return None
            found = known[1]
        return found

    # --- values -------------------------------------------------------------------------------

    def stock(self, resource: str, stand: str, operation: str) -> Instance | None:
        """An instance of the world to which the persona stands so; None if there can be none."""
        key = (resource, stand, operation if stand == "mine" else "")
        if key not in self._stock:
            try:
                self._stock[key] = self._obtained(resource, stand, operation)
            except (NotBuilt, LoginFailed):
                self._stock[key] = None
            if time.monotonic() > self.deadline:
                return self._stock[key]
        return self._stock[key]

    def _obtained(self, resource: str, stand: str, operation: str) -> Instance:
        target, world = self.target, self.world
        if stand == "never":
            like = self.stock(resource, "theirs", operation)
            if like is None:
                raise NotBuilt("nothing to be like")
            return replace(like, id=world.never_existed(resource, like.id), made=False, key="")
        if stand == "foreign":
            return world.obtain(resource, self._others[0], {})
        need: dict[str, Relation] = {}
        if stand == "mine" and self.persona != ANONYMOUS:
            if operation in target.resources[resource].operations:
                with_grant = bool(policy.grants(target, self.roles, resource, operation))
                need = needed(world, self.persona, resource, operation) if with_grant else {}
            if not need:
                first = policy.relations_of(target, self.persona, resource)[0]
                need = {} if first is Relation.SAME_TENANT else {self.persona: first}
        try:
            return world.obtain(resource, self.tenant, need)
        except NotBuilt:
            return world.obtain(resource, self.tenant, {})

    def _value(
        self, slot: Slot, stand: str, operation: Known, lineage: Mapping[str, Instance]
    ) -> Any:
        """What goes into a slot, None to leave it as it is."""
        if slot.resource == "persona":
            try:
                return self.world.sessions[self.persona].fact(slot.value)
            except KeyError:
                return None
        if slot.resource == "tenant":
            return self.world.tenant_facts(self.tenant).get(slot.value)
        instance = lineage.get(slot.resource)
        name = operation.ways[0].operation if operation.ways else ""
        if instance is None:
            instance = self.stock(slot.resource, stand, name)
        if instance is None:
            return None
        value = instance.id if slot.value == "id" else instance.values.get(slot.value)
        if value is not None:
            symbol = Symbol(slot.resource, stand, name, slot.value)
            self.symbols.setdefault(str(value), (symbol, instance))
        return value

    def symbol_of(self, value: str) -> tuple[str, str, str, str] | None:
        """What a value in a request means in any world, if it is one of the world's."""
        known = self.symbols.get(value)
        symbol = known[0] if known is not None else self._told(value)
        if symbol is None:
            return None
        return symbol.resource, symbol.stand, symbol.operation, symbol.value

    def _told(self, value: str) -> Symbol | None:
        """What an id means that an answer told of, if it is that of a record of the world's."""
        if len(value) < _TELLING:
            return None
        for one in self.world.instances.values():
            if str(one.id) == value:
                near = self.world.relations(self.persona, one) - {Relation.SAME_TENANT}
                own = "mine" if near else "theirs"
                return Symbol(one.resource, own if one.tenant == self.tenant else "foreign", "")
        return None

    def value_of(self, symbol: tuple[str, str, str, str]) -> Any:
        """The other way round, in this world. Raises NotBuilt."""
        resource, stand, operation, value = symbol
        instance = self.stock(resource, stand, operation)
        if instance is None:
            raise NotBuilt(f"there is no {resource} like the one that was meant ({stand})")
        found = instance.id if value == "id" else instance.values.get(value)
        self.symbols.setdefault(str(found), (Symbol(resource, stand, operation, value), instance))
        return found

    def stocked(self, label: str) -> None:
        """Have what an answer of the operation may give away be there."""
        operation = self.operations.get(label)
        for resource in {slot.resource for slot in operation.slots} if operation else ():
            if resource in self.target.resources:
                self.stock(resource, "theirs", "")
                self.stock(resource, "foreign", "")

    def placed(self, draft: Draft, lineage: Mapping[str, Instance]) -> Draft:
        """The draft about other instances, those of `lineage`."""
        operation = self.operations[draft.label]
        path, body = dict(draft.path), draft.body
        for slot in operation.slots:
            instance = lineage.get(slot.resource)
            if instance is None:
                continue
            value = instance.id if slot.value == "id" else instance.values.get(slot.value)
            if value is not None and slot.place == "path" and slot.keys[0] in path:
                path[slot.keys[0]] = value
                self.symbols.setdefault(
                    str(value), (Symbol(slot.resource, "theirs", "", slot.value), instance)
                )
            elif value is not None and slot.place == "body" and body is not ABSENT:
                body = _put(body, slot.keys, value, only_alike=True)
        return replace(draft, path=path, body=body)

    def remarked(self, draft: Draft) -> Draft:
        """The draft with markers of its own, so that what it writes can be told from the rest."""
        return replace(draft, query=self._anew(dict(draft.query)), body=self._anew(draft.body))

    def _anew(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._anew(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._anew(item) for item in value]
        if not isinstance(value, str):
            return value
        mint = self.world.mint
        for marker, planted in mint.find(value).items():
            fresh = mint.number(planted) if marker.isdigit() else mint.token(planted)
            value = re.sub(re.escape(marker), fresh, value, flags=re.IGNORECASE)
        return value

    def reshape(self, draft: Draft, kept: frozenset[str]) -> Draft:
        """The draft with ids of the world where ids stand."""
        operation = self.operations.get(draft.label)
        if operation is None or not operation.slots:
            return draft
        stand = self._random.choices(_STANDS, _WEIGHTS)[0]
        return self.filled(draft, operation, stand, kept)

    def filled(
        self, draft: Draft, operation: Known, stand: str, kept: frozenset[str] = frozenset()
    ) -> Draft:
        """The draft with ids of instances to which the persona stands as `stand` says."""
        lineage: dict[str, Instance] = {}
        inner = [slot.resource for slot in operation.slots if slot.place == "path"]
        for resource in reversed(inner):
            if resource in lineage or resource in {"persona", "tenant"}:
                continue
            name = operation.ways[0].operation if operation.ways else ""
            found = self.stock(resource, stand, name)
            if found is not None:
                lineage = {**found.lineage(), **lineage, resource: found}
        path, query, body = dict(draft.path), dict(draft.query), draft.body
        for slot in operation.slots:
            if slot.place in kept and slot.place != "body":
                continue
            about = stand if slot.place == "path" or not inner else "mine"
            if slot.place == "path" and slot.keys[0] in path:
                value = self._value(slot, about, operation, lineage)
                path[slot.keys[0]] = path[slot.keys[0]] if value is None else value
            elif slot.place == "query" and slot.keys[0] in query:
                value = self._value(slot, about, operation, lineage)
                query[slot.keys[0]] = query[slot.keys[0]] if value is None else value
            elif slot.place == "body" and body is not ABSENT:
                value = self._value(slot, about, operation, lineage)
                if value is not None:
                    body = _put(body, slot.keys, value, only_alike="body" in kept)
        return replace(draft, path=path, query=query, body=body)

    # --- requests that are known to be right --------------------------------------------------

    def examples(self, label: str) -> Sequence[Draft]:
        """What the target file itself sends for the operation, for each of its names."""
        operation = self.operations.get(label)
        if operation is None or self.stopped():
            return ()
        found = []
        for way in operation.ways:
            draft = self._example(operation, way)
            if draft is not None:
                found.append(draft)
                # The same about somebody else's record, once for each operation.
                if len(found) == 1 and any(slot.place == "path" for slot in operation.slots):
                    found.append(self.filled(draft, operation, "foreign"))
        return found

    def example(self, label: str) -> Draft | None:
        """A request that is known to be right, about a record that is there for it alone."""
        operation = self.operations[label]
        way = next((one for one in operation.ways if self.granted(one)), None)
        return self._example(operation, way) if way is not None else None

    def renewed(self, draft: Draft) -> Draft:
        """The draft with headers of its own where the target file has each request make them anew.

        A key that was used before says that this is the same request once more.
        """
        anew = self._makers.get(draft.label, {})
        made = {
            name: anew[name]()
            for name, value in draft.headers.items()
            if name in anew and value in self._keys
        }
        self._keys |= set(made.values())
        return replace(draft, headers={**draft.headers, **made}) if made else draft

    def onto(self, draft: Draft, fresh: Draft) -> Draft:
        """`draft` about the record that `fresh` is about."""
        return replace(draft, path=fresh.path)

    def _example(self, operation: Known, way: Way) -> Draft | None:
        world, target = self.world, self.target
        template = target.operation(*way.about)
        case = replace(
            of_persona(target, self.persona, "", because=Because.GRANTED),
            resource=way.resource,
            operation=way.operation,
            kind=self.kind(way),
            expected=Expected.ALLOW,
        )
        lineage: dict[str, Instance] = {}
        instance: Instance | None = None
        granted = policy.grants(target, self.roles, *way.about)
        try:
            if granted and self.persona != ANONYMOUS:
                setting = permitted(world, case)
                lineage, instance = setting.lineage, setting.instance
            else:
                about = target.object_of(*way.about)
                instance = world.obtain(about, self.tenant, {}) if about else None
                lineage = world.around(way.resource, way.operation, self.tenant, instance)
            given: dict[str, Any] = {}
            if template.finds or "term" in template.placeholders:
                given["term"] = "wardproof"
            if target.batch(*way.about):
                given["ids"] = [instance.id] if instance else []
            if instance is not None:
                lineage = {**instance.lineage(), **lineage}
            payload = world.payload(self.persona, way.resource, self.tenant, lineage, **given)
            path = {name: render(f"{{{text}}}", payload.lookup) for name, text in way.path}
            query = render(dict(template.query), payload.lookup)
            source = template.json_ if template.json_ is not None else template.form
            body = render(source, payload.lookup) if source is not None else ABSENT
        except (NotBuilt, LoginFailed, Unfilled, KeyError) as problem:
            self.notes.append(f"{operation.label}: no example ({str(problem)[:160]})")
            return None
        self._learn(lineage, way)
        json_media = next((one for one in operation.media if "json" in one), None)
        form = next((one for one in operation.media if "form" in one), None)
        media = json_media if template.json_ is not None else form
        makers = {
            name: partial(_text, text, payload.lookup) for name, text in template.headers.items()
        }
        headers = {name: make() for name, make in makers.items()}
        self._makers[operation.label] = {
            name: make for name, make in makers.items() if make() != headers[name]
        }
        self._keys |= {headers[name] for name in self._makers[operation.label]}
        return Draft(
            label=operation.label,
            method=operation.method,
            path=path,
            query={name: value for name, value in query.items() if value is not None},
            headers=headers,
            body=body if media is not None else ABSENT,
            media_type=media if body is not ABSENT else None,
        )

    def _learn(self, lineage: Mapping[str, Instance], way: Way) -> None:
        for resource, one in lineage.items():
            symbol = Symbol(resource, "mine", way.operation)
            self.symbols.setdefault(str(one.id), (symbol, one))


def _text(template: str, lookup: Lookup) -> str:
    return str(render(template, lookup))


def altered(world: World) -> bool:
    """Whether this copy served writes to campaigns: they may have given roles and relations."""
    return world in _NAMED


def named(world: World, persona: str) -> bool:
    """Whether such a write named the persona, by what is true of its account alone.

    So it is taken to be where the persona can no longer log in.
    """
    others = [account for name, account in world.target.personas.items() if name != persona]
    shared = {str(value) for account in others for value in account.facts.values()}
    try:
        facts = {str(value) for value in world.sessions[persona].facts().values()}
    except (LoginFailed, Unreachable):
        return True
    return not (facts - shared).isdisjoint(_NAMED.get(world, ()))


def remember(world: World, served: Message) -> None:
    """Whom and what a write named that was served to a campaign on this copy."""
    text = unquote(f"{urlsplit(served.url).path} {decode(served.body)}")
    _NAMED.setdefault(world, set()).update(_WORD.findall(text))


def _apart(wire: Wire) -> Wire:
    """A wire whose exchanges nobody keeps."""
    other = wire.apart()
    other.watchers = []
    return other


def _listed(message: Message) -> set[str]:
    """What stands in the lists of a body: the ids of a batch, if it is one."""
    try:
        body = json.loads(message.body)
    except (ValueError, RecursionError):
        return set()
    lists = [body] if isinstance(body, list) else []
    lists += (
        [one for one in body.values() if isinstance(one, list)] if isinstance(body, dict) else []
    )
    return {str(item) for each in lists for item in each if isinstance(item, str | int)}


def _scheme(value: str) -> str:
    scheme, _, rest = value.partition(" ")
    return f"{scheme} " if rest and scheme.isalpha() else ""


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{[^{}]*\}", path)
    return re.compile("([^/]+)".join(re.escape(part) for part in parts))


def _put(body: Any, keys: tuple[str, ...], value: Any, *, only_alike: bool) -> Any:
    """The body with `value` at `keys`, where something stands there already."""
    if not keys:
        alike = type(body) is type(value) and len(str(body)) == len(str(value))
        return value if alike or not only_alike else body
    head, rest = keys[0], keys[1:]
    if head == "[]" and isinstance(body, list):
        return [_put(item, rest, value, only_alike=only_alike) for item in body[:1]] + body[1:]
    if isinstance(body, dict) and head in body:
        return {**body, head: _put(body[head], rest, value, only_alike=only_alike)}
    return body
