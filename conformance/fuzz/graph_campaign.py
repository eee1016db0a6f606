"""A campaign over a GraphQL endpoint: every query and mutation, with ids of the world in the
arguments that take one, and each answer judged as it comes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import graphql

from conformance import oracles
from conformance.cases import of_persona
from conformance.comparison import parsed
from conformance.fuzz import graph, odd, recipes
from conformance.fuzz.campaign import Campaign, Symbol
from conformance.fuzz.drafts import Draft, Objection
from conformance.fuzz.driver import Driver, Told
from conformance.fuzz.graph_driver import errors, served
from conformance.fuzz.matching import Known, Way
from conformance.instances import Instance, NotBuilt
from conformance.login import LoginFailed
from conformance.model import (
    Because,
    Exchange,
    Expected,
    Message,
    Outcome,
    Read,
    Result,
    Trial,
)
from conformance.template import Unfilled, render
from conformance.trials.setting import permitted

_STANDS = ("mine", "theirs", "foreign", "never")
_ODD = 6
"""Odd values that one argument is tried with."""
_INTEGERS = (0, -1, 2_147_483_647, -2_147_483_648)


class GraphCampaign(Campaign):
    """Steers the engine over a GraphQL schema, and watches what comes back."""

    schema: graphql.GraphQLSchema
    depth = graph.SELECTED[0]

    def introspected(self, url: str) -> Exchange:
        """What the endpoint says of its schema."""
        body = {"query": graphql.get_introspection_query(descriptions=False)}
        headers = {"Content-Type": "application/json", **self.credentials()}
        return self._send(Message("POST", url, tuple(headers.items()), json.dumps(body).encode()))

    # --- values -------------------------------------------------------------------------------

    def fill(self, stand: str, like: str = "") -> graph.Fill:
        """Ids of instances to which the persona stands so."""
        lineage: dict[str, Instance] = {}

        def value(place: graph.Place) -> Any:
            if place.resource is None:
                return None
            found = lineage.get(place.resource) or self._laden(place.resource, stand, like)
            if found is None:
                return None
            lineage.update({**found.lineage(), **lineage, place.resource: found})
            self._meaning(found.id, place.resource, stand, like, found)
            return found.id

        return value

    def _laden(self, resource: str, stand: str, like: str) -> Instance | None:
        """An instance with something below it, so that there is something to give away."""
        for child, described in self.target.resources.items():
            one = None
            if described.parent == resource and stand != "never":
                one = self.stock(child, stand, "")
            above = one.lineage().get(resource) if one is not None else None
            if above is not None:
                return above
        return self.stock(resource, stand, like)

    def reshape(self, draft: Draft, _kept: frozenset[str]) -> Draft:
        stand = self._random.choices(_STANDS, (50, 15, 25, 10))[0]
        return self._reshaped(draft, self.fill(stand))

    def _reshaped(self, draft: Draft, fill: graph.Fill) -> Draft:
        if not isinstance(draft.body, str):
            return draft
        text = graph.filled(self.target, self.schema, draft.body, fill)
        return draft if text == draft.body else replace(draft, body=text)

    def value_of(self, symbol: tuple[str, str, str, str]) -> Any:
        resource, stand, operation, _value = symbol
        found = self._laden(resource, stand, operation)
        if found is None:
            raise NotBuilt(f"there is no {resource} like the one that was meant ({stand})")
        self._meaning(found.id, resource, stand, operation, found)
        return found.id

    def stocked(self, _label: str) -> None:
        for resource in self.target.resources:
            for stand in ("theirs", "foreign"):
                self.stock(resource, stand, "")

    def placed(self, draft: Draft, lineage: Mapping[str, Instance]) -> Draft:
        def value(place: graph.Place) -> Any:
            found = lineage.get(place.resource or "")
            if found is not None:
                self._meaning(found.id, found.resource, "theirs", "", found)
            return found.id if found is not None else None

        return self._reshaped(draft, value)

    def remarked(self, draft: Draft) -> Draft:
        if not isinstance(draft.body, str):
            return draft
        return replace(draft, body=graph.replaced(draft.body, lambda one: str(self._anew(one))))

    def smaller(self, draft: Draft) -> Iterator[Draft]:
        if isinstance(draft.body, str):
            for text in graph.smaller(draft.body):
                yield replace(draft, body=text)

    def written(self, draft: Draft) -> dict[str, Any]:
        means = self.symbols.__contains__
        return recipes.written(
            replace(draft, body=graph.portable(draft.body, means)), self.symbol_of
        )

    def read(self, step: Mapping[str, Any]) -> Draft:
        draft = super().read(step)
        return replace(draft, body=graph.local(draft.body))

    # --- requests -----------------------------------------------------------------------------

    def drafted(self, label: str, text: str) -> Draft:
        """A query as a draft."""
        return Draft(label, "POST", body=text, media_type="application/json")

    def examples(self, label: str) -> Sequence[Draft]:
        """What the target file sends itself, and all that an operation shows, of everybody's."""
        operation = self.operations.get(label)
        if operation is None or self.stopped():
            return ()
        found = []
        for way in operation.ways:
            draft = self._example(operation, way)
            if draft is not None:
                found += [draft, self._reshaped(draft, self.fill("foreign"))]
        takes_ids = any(
            place.resource for _top, place in graph.places(self.target, self.schema, label)
        )
        for stand in _STANDS[1:] if takes_ids else ():
            text = self.query(label, self.fill(stand))
            if text is not None:
                found.append(self.drafted(label, text))
        return found

    def query(
        self, label: str, fill: graph.Fill, only: str | None = None, *, valid: bool = True
    ) -> str | None:
        """A query for all that an operation shows, as deep as the target lets one ask."""
        target, schema = self.target, self.schema
        return graph.written(target, schema, label, self.depth, fill, only, valid=valid)

    def wrong(self, label: str) -> Iterator[Draft]:
        """An otherwise right request with one value of another type, for each argument in turn."""
        own = self.fill("mine")
        for top, place in graph.places(self.target, self.schema, label):
            value = "wardproof" if place.type in {"Int", "Float", "Boolean"} else True

            def fill(one: graph.Place, place: graph.Place = place, value: Any = value) -> Any:
                return value if one == place else own(one)

            text = self.query(label, fill, top, valid=False)
            if text is not None and not graph.is_valid(self.schema, text):
                yield self.drafted(label, text)

    def odd(self, label: str) -> Iterator[Draft]:
        """An otherwise right request with one odd value, for each argument in turn."""
        texts = [one.value for one in odd.values("text") if not one.long or one.first]
        dates = [one.value for one in odd.values("date") if isinstance(one.value, str)]
        own = self.fill("mine")
        seen: set[tuple[str, str]] = set()
        for top, place in graph.places(self.target, self.schema, label):
            kind = place.type.lower()
            if (top, place.name) in seen or kind in {"boolean", "float"}:
                continue
            seen.add((top, place.name))
            values: list[Any] = []
            if kind == "int":
                values = list(_INTEGERS)
            elif kind in {"string", "id"}:
                # The empty text is odd everywhere.
                values = ["", *self._random.sample(texts, min(_ODD, len(texts)))]
            elif "date" in kind or "time" in kind:
                values = self._random.sample(dates, min(_ODD, len(dates)))
            for value in values:

                def fill(one: graph.Place, place: graph.Place = place, value: Any = value) -> Any:
                    return value if one == place else own(one)

                text = self.query(label, fill, top)
                if text is not None:
                    yield self.drafted(label, text)

    def _example(self, operation: Known, way: Way) -> Draft | None:
        template = self.target.operation(*way.about)
        case = replace(
            of_persona(self.target, self.persona, "", because=Because.GRANTED),
            resource=way.resource,
            operation=way.operation,
            kind=self.kind(way),
            expected=Expected.ALLOW,
        )
        if not self.granted(way):
            return None
        try:
            setting = permitted(self.world, case)
            lineage = dict(setting.lineage)
            if setting.instance is not None:
                lineage = {**setting.instance.lineage(), **lineage}
            payload = self.world.payload(self.persona, way.resource, self.tenant, lineage)
            body = render(template.json_, payload.lookup)
        except (NotBuilt, LoginFailed, Unfilled, KeyError) as problem:
            self.notes.append(f"{operation.label}: no example ({str(problem)[:160]})")
            return None
        for resource, one in lineage.items():
            self._meaning(one.id, resource, "mine", way.operation, one)
        text, given = str(body.get("query")), body.get("variables")
        if isinstance(given, dict):
            text = graph.literally(self.schema, text, given)
        return self.drafted(operation.label, text)

    def _meaning(
        self, value: Any, resource: str, stand: str, operation: str, instance: Instance
    ) -> None:
        self.symbols.setdefault(str(value), (Symbol(resource, stand, operation), instance))

    # --- judging ------------------------------------------------------------------------------

    def outcome(self, about: tuple[str, str], exchange: Exchange) -> Outcome:
        found = super().outcome(about, exchange)
        if found is Outcome.ALLOWED and not served(exchange):
            return Outcome.DENIED
        return found

    def came_of(self, exchange: Exchange) -> str:
        """An answer of 200 that lists errors is counted apart."""
        answer = exchange.answer
        if answer is not None and answer.status < 300 and errors(exchange):
            return "errors"
        return super().came_of(exchange)

    def given_away(self, exchange: Exchange) -> set[tuple[str, str]]:
        found = super().given_away(exchange)
        answer, listed = exchange.answer, errors(exchange)
        if answer is not None and answer.status < 400 and listed:
            alone = replace(answer, body=json.dumps({"errors": listed}).encode())
            told = oracles.discreet(
                Trial(self.case, Read(replace(exchange, answer=alone), Outcome.DENIED))
            )
            if told.result is Result.FAIL:
                found.add((told.rule or "", told.reason))
        return found

    def meant(self, message: Message) -> Known | None:
        for label in graph.labels(_query(message)):
            if label in self.operations:
                return self.operations[label]
        return None

    def _about(self, _ways: Sequence[Way]) -> tuple[str, str]:
        """A query may ask for much at once, so whatever lets its records be read counts."""
        return "", ""

    def _instance_in(self, _operation: Known, message: Message) -> Instance | None:
        """The instance that a query is about, the last one that is ours."""
        found = None
        for value in graph.values(_query(message)):
            known = self.symbols.get(value)
            found = known[1] if known is not None else found
        return found


def _query(message: Message) -> str:
    try:
        body = json.loads(message.body)
    except (ValueError, RecursionError):
        return ""
    text = body.get("query") if isinstance(body, dict) else None
    return text if isinstance(text, str) else ""


def probed(campaign: GraphCampaign, driver: Driver, labels: Sequence[str], told: Told) -> None:
    """Send for each operation what is right, of everybody's, and then one odd value at a time."""
    for label in labels:
        driver.phase = "examples"
        for depth in graph.SELECTED:
            campaign.depth = depth
            text = campaign.query(label, campaign.fill("mine"))
            if text is None or campaign.stopped():
                break
            if not too_deep(_tried(driver, campaign.drafted(label, text), told)):
                break
        for draft in campaign.examples(label):
            if campaign.stopped():
                return
            exchange = _tried(driver, draft, told)
            if exchange is not None and served(exchange):
                campaign.good.setdefault(label, draft)
        driver.phase = "coverage"
        for draft in campaign.odd(label):
            if campaign.stopped():
                return
            _tried(driver, draft, told)
        for draft in campaign.wrong(label):
            if campaign.stopped():
                return
            exchange = _tried(driver, draft, told)
            if exchange is not None and served(exchange):
                one = _taken(draft, exchange)
                told.objections.setdefault((one.check, one.label, one.essence), one)


def _taken(draft: Draft, exchange: Exchange) -> Objection:
    return Objection(
        check="negative_data_rejection",
        label=draft.label,
        reason="answered without an error to a query that the schema rules out",
        essence="taken",
        draft=draft,
        exchange=exchange,
    )


def _tried(driver: Driver, draft: Draft, told: Told) -> Exchange | None:
    exchange, found, _invalid = driver.again(draft)
    for one in found:
        told.objections.setdefault((one.check, one.label, one.essence), one)
    return exchange


def too_deep(exchange: Exchange | None) -> bool:
    """Whether a query was refused before anything of it was looked up."""
    if exchange is None or exchange.answer is None or exchange.answer.status >= 500:
        return False
    data = parsed(exchange.answer)
    nothing = not isinstance(data, dict) or data.get("data") is None
    return nothing and any("path" not in one for one in errors(exchange) if isinstance(one, dict))
