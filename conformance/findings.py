"""Findings: a failed verdict in words, with severity and a request that reproduces it."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml

from conformance import policy, triage
from conformance.home import HOME
from conformance.model import Because, Case, Exchange, Expected, Relation, Verdict, decode
from conformance.redaction import MASKED, Redactor
from conformance.target import ANONYMOUS, Target
from conformance.world import World


@lru_cache
def rules() -> Mapping[str, Mapping[str, Any]]:
    """The rules of fixtures/tables/rules.yaml by id; a rule a.b falls back to its family a."""
    path = HOME / "fixtures" / "tables" / "rules.yaml"
    data: Mapping[str, Mapping[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))[
        "rules"
    ]
    return data


def rule(name: str) -> Mapping[str, Any]:
    """What is known of a rule: title, severity, urgency, noise, cwe, owasp, says."""
    known = rules()
    return known.get(name) or known[name.split(".", maxsplit=1)[0]]


_WHOSE = {
    Relation.OWN: "their own {r}",
    Relation.ASSIGNED: "{a} {r} assigned to them",
    Relation.SAME_TENANT: "{a} {r} of the same tenant that is not theirs",
    Relation.OTHER_TENANT: "{a} {r} of tenant {o}",
    Relation.NONE: "{a} {r} that never existed",
    Relation.COLLECTION: "{r} records",
}
_DOES = {
    "read": "read",
    "list": "list",
    "search": "search",
    "create": "create",
    "update": "change",
    "delete": "delete",
}


def _words(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")


def _who(persona: str | None, roles: tuple[str, ...], tenant: str | None) -> str:
    if persona is None:
        return "The target"
    if persona == ANONYMOUS:
        return "Anybody without a login"
    of = f" of {tenant}" if tenant and tenant != "default" else ""
    who = " and ".join(_words(role) for role in roles)
    return f"{_article(who).capitalize()} {who}{of}"


def _article(word: str) -> str:
    return "an" if word[:1].lower() in "aeio" else "a"


def _what(target: Target, case: Case) -> str:
    resource = _words(case.resource or "record")
    about = resource
    if case.resource and case.operation:
        about = _words(target.object_of(case.resource, case.operation) or case.resource)
    whose = _WHOSE[case.relation].format(r=about, o=case.other, a=_article(about))
    anybodys = case.relation is Relation.SAME_TENANT and case.because is Because.ROLE
    if anybodys or (case.persona == ANONYMOUS and case.relation is not Relation.COLLECTION):
        whose = f"{_article(about)} {about}"
    verb = _DOES.get(case.operation or "")
    if about != resource:
        thing = f"{_article(resource)} {resource}"
        return f"{verb} {thing} of {whose}" if verb else _does(case, resource, whose)
    return f"{verb} {whose}" if verb else _does(case, None, whose)


def _does(case: Case, resource: str | None, whose: str) -> str:
    name = _words(case.operation or "it")
    return f"do '{resource}: {name}' on {whose}" if resource else f"do '{name}' on {whose}"


def finding(world: World, case: Case, verdict: Verdict) -> dict[str, Any]:
    """One finding, JSON-ready, redacted. Its id is stable: made from rule and case."""
    redactor = world.wire.redactor
    tried, case = case, verdict.about or case
    detail = verdict.detail or {}
    recipe = detail.get("recipe") if detail.get("kind") == "recipe" else None
    name = verdict.rule or verdict.kind
    known = rule(name)
    first = verdict.exchanges[0] if verdict.exchanges else None
    persona = first.persona if first else case.persona
    resource, operation = _place(world, case, first)
    unknown = detail.get("label") if recipe is not None and resource is None else None
    could = "could" if case.expected is Expected.DENY else "could not"
    roles = policy.roles_of(world.target, persona) if persona else ()
    tenant = policy.tenant_of(world.target, persona) if persona else None
    who = _who(persona, roles, tenant)
    told = {
        "who": who,
        "whom": who[:1].lower() + who[1:],
        "what": _what(world.target, case),
        "could": could,
        "reason": verdict.reason,
        "operation": unknown or _words(operation or ""),
        "resource": "the target" if unknown else _words(resource or ""),
    }
    message = re.sub(r"\s+", " ", str(known["says"]).format(**told)).strip()
    symptom = triage.symptom(world, case, verdict, name, (resource, operation))
    rating = triage.rate(symptom, known)
    fill = _filling(case, told, resource, operation, roles)
    by_reason = name.startswith(("leak", "disclosure"))
    which = detail.get("key", "") if recipe is not None else verdict.reason if by_reason else ""
    key = f"{name}|{tried.id}|{which}"
    return {
        "id": "F-" + hashlib.sha256(key.encode()).hexdigest()[:10],
        "rule": name,
        "suite": tried.suite,
        "case": tried.id,
        "severity": rating.severity,
        "urgency": rating.urgency,
        "noise": rating.noise,
        "affects_data": rating.affects_data,
        "affects_workflow": rating.affects_workflow,
        "affected": redactor.text(rating.affected.format(**fill)),
        "could": redactor.text(_sentence(rating.could.format(**fill))),
        "title": known["title"],
        "message": redactor.text(message),
        "persona": persona,
        "role": "/".join(roles) or None,
        "resource": resource,
        "operation": operation,
        "relation": case.relation.value,
        "expected": f"{case.expected.value} ({case.because.value})",
        "observed": redactor.text(verdict.reason),
        "reproduction": curl(first, redactor) if first else "",
        "exchanges": [exchange.id for exchange in verdict.exchanges],
        "defect": f"{name} {unknown}" if unknown else _defect(name, known, resource, operation),
        "cwe": list(known.get("cwe", ())),
        "owasp": known.get("owasp"),
        **({"recipe": redactor.tree(recipe)} if recipe is not None else {}),
    }


def _filling(
    case: Case,
    told: dict[str, str],
    resource: str | None,
    operation: str | None,
    roles: tuple[str, ...],
) -> dict[str, str]:
    """What the templates of triage.yaml are filled with."""
    about = _words(resource) if resource else "patient"
    role = " and ".join(_words(one) for one in roles) or "person"
    own = case.tenant if case.tenant not in {None, "default"} else None
    return {
        "who": told["who"],
        "whom": told["whom"],
        "role": "whoever" if ANONYMOUS in roles else f"every {role}",
        "resource": about,
        "records": f"{about} records",
        "operation": _words(operation or "it"),
        "tenant": f"the organisation {own}" if own else "the organisation",
        "other": f"the organisation {case.other}" if case.other else "another organisation",
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _defect(
    name: str, known: Mapping[str, Any], resource: str | None, operation: str | None
) -> str:
    """What findings of one cause share: the rule alone where no operation is to be mended."""
    if known.get("systemic"):
        return ".".join(name.split(".")[:2])
    return f"{name} {resource or 'target'}.{operation or '*'}"


def _place(world: World, case: Case, exchange: Exchange | None) -> tuple[str | None, str | None]:
    """The operation to mend: the one that answered, which is not always the one of the case."""
    if exchange is not None and exchange.id in world.asked:
        resource, operation = world.asked[exchange.id]
        described = world.target.resources.get(resource)
        if described is not None and operation in described.operations:
            return resource, operation
    return case.resource, case.operation


def curl(exchange: Exchange, redactor: Redactor) -> str:
    """A curl line that sends the request again; credentials are shell variables."""
    request = exchange.request
    variable = re.sub(r"\W+", "_", exchange.persona).upper()
    parts = ["curl", "-sS", "-i", "-X", request.method]
    for name, value in request.headers:
        shown = redactor.headers([(name, value)])[name]
        if MASKED in shown:
            secret = f"${{{variable}_{re.sub(r'[^A-Za-z]+', '_', name).upper()}}}"
            quoted = f'"{name}: {shown.replace(MASKED, secret)}"'
        elif name.lower() == "accept" and value == "*/*":
            continue
        else:
            quoted = shlex.quote(f"{name}: {shown}")
        parts += ["-H", quoted]
    if request.body:
        parts += ["--data-binary", shlex.quote(redactor.text(decode(request.body)))]
    parts.append(shlex.quote(redactor.text(request.url)))
    return " ".join(parts)
