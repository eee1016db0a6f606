"""After a campaign: findings made small, and writes that had to be refused tried on records of
their own, read back by somebody who may see them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from conformance.fuzz.campaign import Campaign, Denied
from conformance.fuzz.drafts import Draft, Objection
from conformance.fuzz.driver import Driver
from conformance.fuzz.history import Effect, Suspicion, Tried
from conformance.instances import NotBuilt
from conformance.login import LoginFailed
from conformance.model import Because, Case, Exchange, Expected, Read, Relation, Trial
from conformance.target import ANONYMOUS, Target
from conformance.trials.setting import differ, read_back, set_up, subject, unproved_by
from conformance.wire import Unreachable

RULES: Mapping[str, str] = {
    "not_a_server_error": "fuzz.server_error",
    "status_code_conformance": "contract.status",
    "content_type_conformance": "contract.content_type",
    "response_headers_conformance": "contract.headers",
    "response_schema_conformance": "contract.schema",
    "negative_data_rejection": "fuzz.accepted",
    "positive_data_acceptance": "fuzz.refused",
    "missing_required_header": "fuzz.accepted",
    "unsupported_method": "contract.method",
    "allow_header_conformance": "contract.method",
    "use_after_free": "fuzz.use_after_free",
    "ensure_resource_availability": "fuzz.not_there",
    "ignored_auth": "unauthenticated.action",
    "object_level_authorization": "bola.read",
}
"""The rule that each of Schemathesis' checks stands for."""

_ALONE = frozenset(
    {
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    }
)
_JUDGED = frozenset(
    {"fuzz.server_error", *(rule for rule in RULES.values() if rule.startswith("contract."))}
    - {"contract.method"}
)
_BY_STATUS = frozenset(RULES.values()) - _JUDGED
"""What an engine's check alone can tell: tried by itself, the answer has to be the same."""

_SHRINKING = 40
"""Requests that making one finding small may take."""
_ALL_SHRINKING = 240
_ALONE_MOST = 12
_INVALID = frozenset({400, 405, 415, 422})
_DENIED_DONE = 12
_SILENT = 3
_DENIED = 3

Holds = Callable[[Draft], Exchange | None]
"""Sends a draft; the exchange if it shows the same again, None if it does not."""


class Aftermath:
    """Looks once more at what a campaign found."""

    def __init__(self, campaign: Campaign, driver: Driver) -> None:
        self._campaign, self._driver = campaign, driver
        self._world = campaign.world
        self._left = _ALL_SHRINKING

    def suspicions(self, objections: Mapping[tuple[str, str, str], Objection]) -> list[Suspicion]:
        """What the checks said and what the answers gave away, once for each cause."""
        found: dict[tuple[str, str, str], Suspicion] = {}
        for one in objections.values():
            rule = RULES.get(one.check, "fuzz")
            if (rule, one.label, one.essence) in found or not self._stands(one):
                continue
            taken = rule == "fuzz.accepted" and not one.reason.startswith("answered")
            if taken and any(key[:2] == (rule, one.label) for key in found):
                continue  # one wrong value that is taken says it more plainly
            if one.check == "positive_data_acceptance":
                for alone in self._refused_alone(one):
                    key = (rule, one.label, alone.essence)
                    found.setdefault(key, self._of_check(rule, alone))
            else:
                found[rule, one.label, one.essence] = self._of_check(rule, one)
        given_away = {**self._campaign.disclosed, **self._campaign.leaked}
        for (rule, label, reason), exchange in given_away.items():
            draft = self._campaign.drafts[exchange.id]
            again = self._shows(rule, reason)
            found[rule, label, reason] = self._made_small(
                rule, label, reason, reason, draft, exchange, again
            )
        return [*found.values(), *self._silent()]

    def _silent(self) -> Iterator[Suspicion]:
        """Requests that get no answer, twice, while others do."""
        campaign = self._campaign
        if campaign.ended:
            return
        for label, (draft, first) in list(campaign.silent.items())[:_SILENT]:
            control = next((one for one in campaign.good.values() if one.method == "GET"), None)
            exchange, _found, _invalid = self._driver.again(draft)
            if exchange is None or exchange.answer is not None:
                continue
            other = self._driver.again(control)[0] if control is not None else None
            if other is None or other.answer is None:
                continue
            reason = f"{first.error}, twice, while {control.label if control else ''} was answered"
            recipe = self._recipe("fuzz.no_answer", label, "", [draft], reason=reason)
            case = self.case_of("fuzz.no_answer", label)
            yield Suspicion(
                case, "fuzz.no_answer", label, reason, (first, exchange, other), "", recipe
            )

    def _stands(self, objection: Objection) -> bool:
        """Whether an objection holds for this persona, who may be refused what others are not."""
        if self._campaign.target.fuzz.tolerates(objection.check, objection.label):
            return False
        if objection.check != "ensure_resource_availability":
            return True
        operation = self._campaign.operations.get(objection.label)
        return operation is not None and self._campaign.may_always(operation)

    def _of_check(self, rule: str, one: Objection) -> Suspicion:
        holds: Holds | None = None
        if not one.before and one.check in _ALONE:
            holds = self._objected(one)
        elif not one.before and one.check in {
            "negative_data_rejection",
            "positive_data_acceptance",
        }:
            holds = self._as_valid_as(one)
        return self._made_small(
            rule, one.label, one.reason, one.essence, one.draft, one.exchange, holds, one.before
        )

    def _refused_alone(self, one: Objection) -> Iterator[Objection]:
        """The single values for which an otherwise right request is refused.

        A document that describes each value says nothing of what they must be together, nor which
        ids and cursors there are: those are left as in the request that was served.
        """
        campaign = self._campaign
        good, operation = campaign.good.get(one.label), campaign.operations.get(one.label)
        status = one.exchange.answer.status if one.exchange.answer is not None else 0
        if good is None or operation is None or status not in _INVALID:
            return
        kept = {slot.keys[0] for slot in operation.slots} | _cursors(campaign.target)
        tried = 0
        for part, name in _differing(good, one.draft, kept):
            if tried >= _ALONE_MOST or self._left <= 0:
                return
            tried += 1
            self._left -= 1
            # What there may be once only, a login name or a key, has to be another one each time.
            fresh = campaign.example(one.label) if operation.method != "GET" else None
            draft = _with_one(fresh or good, one.draft, part, name)
            exchange, _found, invalid = self._driver.again(draft)
            answer = exchange.answer if exchange is not None else None
            if exchange is None or answer is None or invalid or answer.status != status:
                continue
            if fresh is not None and not self._served(campaign.example(one.label)):
                return
            yield replace(
                one,
                reason=f"answered {status} to a request that was served before, for a {name!r} "
                f"({part}) that the API document allows",
                essence=f"{part}.{name}",
                draft=draft,
                exchange=exchange,
            )

    def _served(self, right: Draft | None) -> bool:
        """Whether a request that should be right is served."""
        exchange = self._driver.again(right)[0] if right is not None else None
        if right is None or exchange is None or exchange.answer is None:
            return False
        declined = self._campaign.declined(right.label, exchange)
        return 200 <= exchange.answer.status < 300 and not declined

    # --- smaller ------------------------------------------------------------------------------

    def _made_small(
        self,
        rule: str,
        label: str,
        reason: str,
        essence: str,
        draft: Draft,
        exchange: Exchange,
        holds: Holds | None,
        before: tuple[Draft, ...] = (),
    ) -> Suspicion:
        if holds is not None and self._left > 0:
            draft, exchange = self._shrunk(draft, exchange, holds)
        status = exchange.answer.status if exchange.answer is not None else None
        recipe = self._recipe(rule, label, essence, [*before, draft], reason=reason, status=status)
        return Suspicion(
            self.case_of(rule, label), rule, label, reason, (exchange,), essence, recipe
        )

    def _recipe(
        self, rule: str, label: str, essence: str, drafts: Sequence[Draft], **more: Any
    ) -> dict[str, Any]:
        return {
            "rule": rule,
            "essence": essence,
            "label": label,
            "persona": self._campaign.persona,
            "steps": [self._written(one) for one in drafts],
            **more,
        }

    def _shrunk(self, draft: Draft, exchange: Exchange, holds: Holds) -> tuple[Draft, Exchange]:
        """The smallest draft found that shows the same, with its exchange."""
        budget = min(_SHRINKING, self._left)
        smaller = True
        while smaller and budget > 0:
            smaller = False
            for candidate in self._campaign.smaller(draft):
                if budget <= 0 or self._campaign.ended:
                    break
                budget -= 1
                self._left -= 1
                seen = holds(candidate)
                if seen is not None:
                    draft, exchange, smaller = candidate, seen, True
                    break
        return draft, exchange

    def _objected(self, one: Objection) -> Holds:
        def holds(draft: Draft) -> Exchange | None:
            exchange, found, _valid = self._driver.again(draft)
            same = any(each.check == one.check and each.essence == one.essence for each in found)
            return exchange if same else None

        return holds

    def _as_valid_as(self, one: Objection) -> Holds:
        wanted = one.check == "positive_data_acceptance"
        came_of = self._campaign.came_of(one.exchange)

        wrong = self._driver.invalid(one.draft)
        # A header may be written otherwise than its schema says and mean the same.
        wrong = wrong - {"headers"} or wrong

        def holds(draft: Draft) -> Exchange | None:
            exchange, _found, invalid = self._driver.again(draft)
            alike = not invalid if wanted else bool(invalid & wrong)
            if not alike or exchange is None or exchange.answer is None:
                return None
            return exchange if self._campaign.came_of(exchange) == came_of else None

        return holds

    def _shows(self, rule: str, reason: str) -> Holds:
        def holds(draft: Draft) -> Exchange | None:
            exchange, _found, _invalid = self._driver.again(draft)
            if exchange is None or exchange.answer is None:
                return None
            return exchange if (rule, reason) in self._campaign.given_away(exchange) else None

        return holds

    def _written(self, draft: Draft) -> dict[str, Any]:
        return self._campaign.written(draft)

    def case_of(self, rule: str, label: str) -> Case:
        """What was tried, in the words of the target file."""
        campaign = self._campaign
        operation = campaign.operations.get(label)
        case = replace(campaign.case, expected=Expected.DENY, because=Because.MISSING)
        if operation is None or not operation.ways:
            return case
        way = next((one for one in operation.ways if campaign.granted(one)), operation.ways[0])
        if rule.startswith("unauthenticated"):
            case = replace(case, because=Because.UNAUTHENTICATED)
        return replace(
            case, resource=way.resource, operation=way.operation, kind=campaign.kind(way)
        )

    # --- effects ------------------------------------------------------------------------------

    def effects(self) -> list[Effect]:
        """Writes that had to be refused, each on a record of its own, read back."""
        ranked = sorted(self._campaign.denied.values(), key=lambda one: not one.allowed)
        done = [one for one in ranked if one.allowed][:_DENIED_DONE]
        refused = [one for one in ranked if not one.allowed]
        refused.sort(key=lambda one: not one.suspected)
        found = []
        for one in (*done, *refused[:_DENIED]):
            if self._campaign.ended:
                break
            trial = self._tried(one)
            if trial is not None:
                recipe = self._recipe(
                    "effect",
                    one.draft.label,
                    "",
                    [one.draft],
                    relation=one.relation.value,
                    other=one.other,
                    way=list(one.way.about),
                )
                found.append(Effect(trial, one.draft.label, recipe))
        return found

    def effect_again(self, recipe: Mapping[str, Any], draft: Draft) -> Effect:
        """A write that had to be refused, once more. Raises NotBuilt."""
        operation = self._campaign.operations.get(draft.label)
        ways = operation.ways if operation is not None else ()
        way = next((one for one in ways if list(one.about) == recipe.get("way")), None)
        if way is None:
            raise NotBuilt(f"the target file has no operation for {draft.label}")
        other = recipe.get("other")
        denied = Denied(way, Relation(recipe["relation"]), other, draft, allowed=False)
        trial = self._tried(denied)
        if trial is None:
            raise NotBuilt(f"{draft.label} could not be tried again")
        return Effect(trial, draft.label, recipe)

    def _tried(self, denied: Denied) -> Trial | None:
        campaign, world = self._campaign, self._world
        because = Because.ROLE
        if campaign.persona == ANONYMOUS or denied.draft.stranger:
            because = Because.UNAUTHENTICATED
        elif denied.other is not None:
            because = Because.OTHER_TENANT
        elif campaign.granted(denied.way):
            because = Because.UNRELATED
        persona = ANONYMOUS if denied.draft.stranger else campaign.persona
        case = replace(
            campaign.case,
            persona=persona,
            resource=denied.way.resource,
            operation=denied.way.operation,
            kind=campaign.kind(denied.way),
            relation=denied.relation,
            other=denied.other,
            expected=Expected.DENY,
            because=because,
        )
        try:
            setting = set_up(world, case)
            draft = campaign.remarked(campaign.placed(denied.draft, setting.lineage))
            before = read_back(world, setting)
            exchange, _found, _invalid = self._driver.again(draft)
            if exchange is None or exchange.answer is None:
                return None
            after = read_back(world, setting)
            again = read_back(world, setting) if differ(before, after) else ()
        except (NotBuilt, LoginFailed, Unreachable):
            return None
        outcome = campaign.outcome(denied.way.about, exchange)
        carried = frozenset(world.mint.find(exchange.request.text))
        return Trial(
            case=case,
            attempt=Read(exchange, outcome),
            before=before,
            after=after,
            again=again,
            subject=subject(setting),
            carried=carried,
            unproved=unproved_by(setting),
            shows_change=setting.operation.shows_change,
        )


def _cursors(target: Target) -> set[str]:
    """Parameters whose values come from the target alone."""
    found = {"cursor", "page_token", "pageToken", "continuation", "after", "before"}
    for described in target.resources.values():
        for operation in described.operations.values():
            if operation.next is not None and operation.next.param is not None:
                found.add(operation.next.param)
    return found


def _differing(good: Draft, other: Draft, kept: set[str]) -> Iterator[tuple[str, str]]:
    """The values in which `other` differs from `good`: where each stands, and its name."""
    for name, value in other.query.items():
        if name not in kept and good.query.get(name) != value:
            yield "query", name
    if isinstance(good.body, dict) and isinstance(other.body, dict):
        for name, value in other.body.items():
            if name not in kept and good.body.get(name) != value:
                yield "body", name


def _with_one(good: Draft, other: Draft, part: str, name: str) -> Draft:
    """`good` with one value of `other`."""
    if part == "query":
        return replace(good, query={**good.query, name: other.query[name]})
    body = good.body if isinstance(good.body, dict) else {}
    return replace(good, body={**body, name: other.body[name]})


def cooked(
    campaign: Campaign, driver: Driver, recipe: Mapping[str, Any]
) -> Suspicion | Effect | Tried:
    """A recipe once more, in this world: it shows the same again, or it does not.

    Raises NotBuilt when this world has no record like the one that was meant.
    """
    aftermath = Aftermath(campaign, driver)
    try:
        drafts = [campaign.read(one) for one in recipe["steps"]]
    except ValueError as problem:
        raise NotBuilt(str(problem)) from None
    *before, last = drafts
    campaign.stocked(last.label)
    if recipe["rule"] == "effect":
        return aftermath.effect_again(recipe, last)
    for draft in before:
        driver.again(draft)
    exchange, found, invalid = driver.again(last)
    if exchange is None:
        raise NotBuilt(f"{last.label} cannot be sent here")
    rule, essence, label = str(recipe["rule"]), str(recipe["essence"]), str(recipe["label"])
    shown = any(RULES.get(one.check) == rule and one.essence == essence for one in found) or (
        rule,
        essence,
    ) in campaign.given_away(exchange)
    answer = exchange.answer
    if rule == "fuzz.no_answer":
        shown = answer is None
    elif answer is not None and rule == "fuzz.accepted":
        taken = 200 <= answer.status < 300 and not campaign.declined(last.label, exchange)
        shown = bool(invalid) and taken
    elif answer is not None and rule == "fuzz.refused":
        shown = not invalid and answer.status in _INVALID
    elif answer is not None and rule in _BY_STATUS:
        shown = f"{answer.status}" == str(recipe.get("status"))
    reason = str(recipe.get("reason", essence))
    if shown:
        case = aftermath.case_of(rule, label)
        return Suspicion(case, rule, label, reason, (exchange,), essence, recipe)
    return Tried(campaign.case, label, reason, (exchange,))
