"""How grave a finding is, whom it affects and what could happen: the rows of triage.yaml, applied.

The rows judge only what is in front of them: the rule, the case, and facts that are seen in the
answers which prove the finding. What cannot be seen is not taken for harmless.
"""

from __future__ import annotations

import difflib
import json
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import yaml

from conformance import policy
from conformance.home import HOME
from conformance.model import Case, Verdict, decode
from conformance.redaction import MASKED
from conformance.target import ANONYMOUS, SAFE_KINDS, Target
from conformance.visibility import sightings
from conformance.world import World

SEVERITIES = (
    "care_blocking",
    "data_integrity",
    "privacy_regulatory",
    "operational",
    "inconvenience",
)
URGENCIES = ("now", "same_day", "scheduled")
_SCALES = {"severity": SEVERITIES, "urgency": URGENCIES}
"""From the gravest to the least."""

FACTS = frozenset(
    {
        "marker", "forbidden", "foreign", "secret", "in_error", "technical", "echo", "scalar",
        "personal", "label", "clinical", "swapped", "report", "others", "one_tenant", "grows",
        "fails",
    }
)  # fmt: skip
CONDITIONS = frozenset(
    {
        "rule", "does", "resource", "no_resource", "relation", "expected", "outcome", "observed",
        "shows", "unless", "most",
    }
)  # fmt: skip
EFFECTS = frozenset(
    {"severity", "urgency", "noise", "raise", "lower", "affects", "affected", "could"}
)

_WORSE = 1.5
"""By so much a later third is slower than the first one where something grows, or one tenant."""
_EVEN = frozenset({"steady", "soak"})
"""Phases of load with one rate from beginning to end."""
_ALIKE = 0.75
_FILLER = frozenset({"id", "ids", "at", "ms", "s", "seconds", "count", "number", "no", "time"})
_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.){1,200})\"|'((?:[^'\\]|\\.){1,200})'")
_UNEXPECTED = re.compile(r"\(([^()]{1,400}) (?:was|were) unexpected\)")
_PROPERTY = re.compile(r"/properties/([^/:\s]{1,100})(?=:|\s|$)")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+")


@dataclass(frozen=True)
class Symptom:
    """What is known of a failed verdict when it is rated.

    `facts` and `numbers` are explained in triage.yaml; a fact that is not there was not seen.
    """

    rule: str
    does: str | None = None
    resource: str | None = None
    operation: str | None = None
    relation: str | None = None
    expected: str | None = None
    outcome: str = ""
    observed: str = ""
    facts: frozenset[str] = frozenset()
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Rating:
    """How grave it is, in the words of triage.yaml; `affected` and `could` are templates."""

    severity: str
    urgency: str
    noise: str
    affects_data: bool = False
    affects_workflow: bool = False
    affected: str = ""
    could: str = ""


@lru_cache
def table() -> Mapping[str, Any]:
    """fixtures/tables/triage.yaml: `rows` in order, `words` by list."""
    path = HOME / "fixtures" / "tables" / "triage.yaml"
    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    data["words"] = {name: frozenset(words) for name, words in data["words"].items()}
    return data


def rate(symptom: Symptom, known: Mapping[str, Any]) -> Rating:
    """The rating that the rows come to, starting with what is `known` of the rule."""
    rating = Rating(known["severity"], known["urgency"], known["noise"])
    for row in table()["rows"]:
        if applies(row, symptom):
            rating = _changed(rating, row)
    return rating


def applies(row: Mapping[str, Any], symptom: Symptom) -> bool:
    """Whether all conditions of a row hold."""
    return (
        any(_within(symptom.rule, rule) for rule in _list(row["rule"]))
        and all(
            getattr(symptom, name) in _list(row[name])
            for name in ("does", "relation", "expected", "outcome")
            if name in row
        )
        and ("resource" not in row or bool(_words_of(symptom) & _known(row["resource"])))
        and ("no_resource" not in row or not _words_of(symptom) & _known(row["no_resource"]))
        and ("observed" not in row or re.search(row["observed"], symptom.observed) is not None)
        and symptom.facts.issuperset(row.get("shows", ()))
        and symptom.facts.isdisjoint(row.get("unless", ()))
        and all(
            name in symptom.numbers and symptom.numbers[name] <= most
            for name, most in row.get("most", {}).items()
        )
    )


def _changed(rating: Rating, row: Mapping[str, Any]) -> Rating:
    changes: dict[str, Any] = {
        name: row[name]
        for name in ("severity", "urgency", "noise", "affected", "could")
        if name in row
    }
    for effect, is_more in (("raise", -1), ("lower", 1)):
        for name, value in row.get(effect, {}).items():
            scale = _SCALES[name]
            further = scale.index(value) - scale.index(getattr(rating, name))
            if further * is_more > 0:
                changes[name] = value
    if "affects" in row:
        changes["affects_data"] = "data" in row["affects"]
        changes["affects_workflow"] = "workflow" in row["affects"]
    return replace(rating, **changes)


def _within(rule: str, family: str) -> bool:
    return rule == family or rule.startswith(family + ".")


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _known(name: str) -> frozenset[str]:
    known: frozenset[str] = table()["words"][name]
    return known


def _words_of(symptom: Symptom) -> set[str]:
    return words(symptom.resource or "") | words(symptom.operation or "")


def words(name: str) -> set[str]:
    """The words of a name or text in small letters, with and without a plural's s."""
    found = {one.lower() for one in _WORD.findall(name)}
    return found | {one[:-1] for one in found if len(one) > 3 and one.endswith("s")}


# --- what is seen ----------------------------------------------------------------------------


def symptom(
    world: World,
    case: Case,
    verdict: Verdict,
    rule: str,
    place: tuple[str | None, str | None],
) -> Symptom:
    """What a failed verdict shows; `place` is the resource and operation that are to be mended."""
    resource, operation = place
    detail = verdict.detail or {}
    facts = {
        *_of_answers(world, verdict),
        *_of_field(verdict, rule),
        *(_of_load(world.target, detail) if detail.get("kind") == "load" else ()),
    }
    return Symptom(
        rule=rule,
        does=_does(world.target, resource, operation) or case.kind,
        resource=resource,
        operation=operation,
        relation=case.relation.value,
        expected=case.expected.value,
        outcome=verdict.kind,
        observed=verdict.reason,
        facts=frozenset(facts),
        numbers=_numbers(detail) if detail.get("kind") == "load" else {},
    )


def _does(target: Target, resource: str | None, operation: str | None) -> str | None:
    described = target.resources.get(resource or "")
    if described is None or operation is None or operation not in described.operations:
        return None
    return described.kind(operation)


def _of_answers(world: World, verdict: Verdict) -> Iterator[str]:
    """Facts about content that turned up in an answer.

    Where a field is in question, a record's content counts as seen if it stands in that field.
    """
    fields = _named(verdict.reason)
    for exchange in verdict.exchanges:
        answer = exchange.answer
        if answer is None or exchange.purpose == "login":
            continue
        if answer.status >= 400:
            yield "in_error"
        sent = exchange.request.text.lower()
        content = _json(answer.body) if fields else None
        inside = None
        if content is not None:
            inside = str([list(_values(content, name)) for name in fields]).lower()
        for seen in sightings(world, exchange):
            if seen.marker.lower() in sent:
                continue
            if inside is None or seen.marker.lower() in inside:
                yield "marker"
            if seen.why is not None:
                yield "forbidden"
                if _is_foreign(world.target, exchange.persona, seen.tenant):
                    yield "foreign"
        # Whoever logs in is given a token; whoever reads, or is refused, is given none.
        if answer.status >= 400 or exchange.request.method in {"GET", "HEAD"}:
            body = decode(answer.body)
            if world.wire.redactor.text(body).count(MASKED) > body.count(MASKED):
                yield "secret"


def _is_foreign(target: Target, persona: str, tenant: str) -> bool:
    return persona == ANONYMOUS or policy.tenant_of(target, persona) != tenant


def _unexpected(observed: str) -> list[str]:
    """The fields that the API document does not know."""
    return [
        name for found in _UNEXPECTED.findall(observed) for name in re.findall(r"'([^']+)'", found)
    ]


def _named(observed: str) -> list[str]:
    """The fields in question."""
    return _unexpected(observed) or _PROPERTY.findall(observed)[-1:]


def _of_field(verdict: Verdict, rule: str) -> Iterator[str]:
    """Facts about the field that an answer has wrongly."""
    observed = verdict.reason
    unexpected, named = _unexpected(observed), _named(observed)
    parts = [words(name) for name in named]
    if parts and all(
        one & _known("technical") and one <= _known("technical") | _FILLER for one in parts
    ):
        yield "technical"
    if any(one & _known("personal") for one in parts):
        yield "personal"
    if _within(rule, "contract.wording") and not parts:
        parts = [words(observed)]
    if any(one & _known("labels") for one in parts):
        yield "label"
    bodies = [one.answer for one in verdict.exchanges if one.answer is not None]
    if unexpected:
        values = [
            value
            for answer in bodies
            for name in unexpected
            for value in _values(_json(answer.body), name)
        ]
        if values and not any(isinstance(value, dict | list) for value in values):
            yield "scalar"
            said = "\n".join(
                [one.request.text for one in verdict.exchanges]
                + [value for answer in bodies for _, value in answer.headers]
            )
            texts = [str(value) for value in values]
            if all(len(text) >= 4 and text in said for text in texts):
                yield "echo"
        return
    yield from _of_wording(observed, named, [_json(answer.body) for answer in bodies])


def _of_wording(observed: str, named: Sequence[str], bodies: Sequence[Any]) -> Iterator[str]:
    """Whether a wrong text is a slip of the pen, or says something else."""
    quoted = [one or other for one, other in _QUOTED.findall(observed)]
    if not quoted:
        return
    got, right = quoted[0], quoted[1:]
    if not right and "was expected" in observed:
        # Only the one right text is told; what stands there instead is in the answer.
        there = [value for body in bodies for name in named for value in _values(body, name)]
        wrong = [value for value in there if isinstance(value, str) and value != got]
        got, right = (wrong or quoted)[0], quoted
    near = max(right, key=lambda one: _likeness(got, one), default="")
    if words(got) & _known("clinical") - words(near):
        yield "clinical"
    if near and _likeness(got, near) >= _ALIKE:
        return
    meant = words(got)
    names = {name for body in bodies for name in _keys(body)}
    if meant and any(words(name) == meant and words(name) != words(near) for name in names):
        yield "swapped"


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.casefold(), other.casefold()).ratio()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of a JSON value with what stands under it, however deep."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            for name, inner in current.items():
                yield str(name), inner
                waiting.append(inner)
        elif isinstance(current, list):
            waiting.extend(current)


def _values(value: Any, name: str) -> Iterator[Any]:
    return (inner for key, inner in _walk(value) if key == name)


def _keys(value: Any) -> Iterator[str]:
    return (key for key, _ in _walk(value))


# --- load ------------------------------------------------------------------------------------


def _suffering(detail: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in detail.get("workflows", ()) if one.get("outcome") == "fail"]


def _numbers(detail: Mapping[str, Any]) -> dict[str, float]:
    found = _suffering(detail)
    ratios = [
        float(one[name]) / float(one["slo"][name])
        for one in found
        for name in ("p95", "p99")
        if one.get(name) and one.get("slo", {}).get(name)
    ]
    return {"workflows": float(len(found)), **({"slower": max(ratios)} if ratios else {})}


def _of_load(target: Target, detail: Mapping[str, Any]) -> Iterator[str]:
    found = _suffering(detail)
    if len(found) != 1:
        yield "others"
    if found and all(_only_reports(target, str(one.get("name"))) for one in found):
        yield "report"
    if any(one.get("errors") for one in found):
        yield "fails"
    if any(_grows(detail, one.get("name")) for one in found):
        yield "grows"
    if _one_tenant(target, detail):
        yield "one_tenant"


def _only_reports(target: Target, workflow: str) -> bool:
    described = target.workflows.get(workflow)
    return described is not None and all(
        _reports(target, step.do, step.request) for step in described.steps
    )


def _reports(target: Target, do: str | None, request: str | None) -> bool:
    if do is None:
        path = (request or "").split("?", 1)[0]
        return path.startswith("GET ") and bool(words(path) & _known("reports"))
    resource, _, operation = do.partition(".")
    reads = _does(target, resource, operation) in SAFE_KINDS
    return reads and bool((words(resource) | words(operation)) & _known("reports"))


def _grows(detail: Mapping[str, Any], workflow: Any) -> bool:
    """Whether it takes longer the longer it goes on, where nothing else becomes more."""
    if detail.get("phase") not in _EVEN:
        return False
    for one in detail.get("series", ()):
        if one.get("workflow") == workflow:
            taken = [float(point["p95"]) for point in one.get("points", ()) if point.get("p95")]
            third = len(taken) // 3
            if third >= 2:
                first, last = taken[:third], taken[-third:]
                return statistics.median(last) > _WORSE * statistics.median(first)
    return False


def _one_tenant(target: Target, detail: Mapping[str, Any]) -> bool:
    """Whether of those who run what suffers one tenant's wait longer than anybody else's."""
    taken: dict[str | None, list[float]] = {}
    running = [target.workflows.get(str(one.get("name"))) for one in _suffering(detail)]
    cast = {name for one in running if one is not None for name in one.as_}
    for one in detail.get("personas", ()):
        name = str(one.get("persona"))
        if not one.get("p95") or name not in target.personas:
            continue
        if None in running or cast & {name, *policy.roles_of(target, name)}:
            taken.setdefault(policy.tenant_of(target, name), []).append(float(one["p95"]))
    medians = sorted(statistics.median(some) for some in taken.values())
    return len(medians) > 1 and medians[-1] > _WORSE * medians[-2]
