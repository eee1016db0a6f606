"""Synthetic ledgers: a hospital's access matrix with defects, doubts and hostile answers."""

import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from reports.canonical import encode, exchange_hash, plan_digest

Record = dict[str, Any]

ROLES = (
    "patient",
    "receptionist",
    "nurse",
    "physician",
    "pharmacist",
    "lab_technician",
    "billing_clerk",
    "privacy_officer",
    "tenant_admin",
    "platform_operator",
    "integration_service",
)
TENANTS = {"north": {"timezone": "Asia/Dhaka"}, "south": {"timezone": "America/St_Johns"}}
RESOURCES = {
    "patient": ("create", "read", "list", "update", "merge", "export"),
    "encounter": ("create", "read", "list", "close"),
    "admission": ("create", "read", "discharge", "transfer"),
    "bed": ("read", "list", "assign"),
    "observation": ("create", "read", "list", "amend"),
    "note": ("create", "read", "list", "sign"),
    "order": ("create", "read", "list", "cancel"),
    "prescription": ("create", "read", "list", "verify", "dispense", "cancel"),
    "lab_result": ("create", "read", "list", "release"),
    "allergy": ("create", "read", "list", "update"),
    "invoice": ("create", "read", "list", "void"),
    "claim": ("create", "read", "submit"),
    "user": ("create", "read", "list", "disable"),
    "audit_event": ("read", "list", "export"),
    "consent": ("create", "read", "revoke"),
}
COLLECTION = ("create", "list", "export")
RELATIONS = ("own", "assigned", "same_tenant", "other_tenant", "none")
CHARGE_NURSE = "charge_nurse"  # a persona with two roles
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\x00\x1b[31mRED\x1b[0m\u202egnp.exe "
    "]]> {{ 7*7 }} [bold]rich[/bold] \ud800 \ufffe &amp; '\"`"
)


def chained(records: Iterable[Record]) -> Iterator[bytes]:
    """The records as ledger lines, numbered and chained."""
    prev = "0" * 64
    for seq, record in enumerate(records):
        line = encode(_holdable({**record, "seq": seq, "prev": prev}))
        prev = hashlib.sha256(line).hexdigest()
        yield line


def _holdable(value: Any) -> Any:
    """The same as the engine would write it: with halves of surrogate pairs replaced."""
    text = json.dumps(value)
    return json.loads(SURROGATE.sub(r"\\ufffd", text)) if "\\ud8" in text else value


SURROGATE = re.compile(r"\\ud[89a-f][0-9a-f]{2}")


def write(folder: Path, records: Iterable[Record]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evidence.jsonl").write_bytes(b"".join(line + b"\n" for line in chained(records)))
    return folder


def header(**changes: Any) -> Record:
    return {
        "type": "run",
        "schema": 2,
        "wardproof": "0.1.0",
        "target": {
            "name": "Reference Hospital",
            "version": "2.3.1",
            "base_url": "http://127.0.0.1:8600",
            "digest": "sha256:" + "ab" * 32,
        },
        "profile": "gate",
        "seed": 20261121,
        "suites": ["access_matrix", "object_scope"],
        "started": "2026-11-21T06:00:00Z",
        "platform": {"python": "3.11.7", "os": "Linux"},
        "tenants": TENANTS,
        "personas": [
            *(
                {"id": f"{role}.{tenant}", "roles": [role], "tenant": tenant}
                for role in ROLES
                for tenant in TENANTS
            ),
            {
                "id": "charge_nurse.north",
                "roles": ["nurse", "tenant_admin"],
                "tenant": "north",
            },
            {"id": "anonymous", "roles": ["anonymous"], "tenant": None},
        ],
        "resources": {
            resource: {
                operation: {
                    "request": f"{_method(operation)} /{resource}s"
                    + ("" if operation in COLLECTION else "/{id}"),
                    "kind": "read" if _method(operation) == "GET" else "write",
                }
                for operation in operations
            }
            for resource, operations in RESOURCES.items()
        },
        "policy": _policy(),
        "id": "5eed" * 8,
        "versions": {
            "suites": {"access_matrix": "a1" * 32, "object_scope": "a2" * 32},
            "policy": "b1" * 32,
            "target": "b2" * 32,
            "tables": {"rules.yaml": "c1" * 32},
            "tzdata": "2026b (system)",
        },
        "selection": {"suites": ["access_matrix", "object_scope"], "cases": [], "stop_after": None},
        "shard": None,
        **changes,
    }


def case(identifier: str, **changes: Any) -> Record:
    return {
        "id": identifier,
        "suite": "access_matrix",
        "property": "denied-means-refused",
        "sentence": "A nurse is refused the chart of a patient she has no part in.",
        "persona": "nurse.north",
        "roles": ["nurse"],
        "tenant": "north",
        "resource": "patient",
        "operation": "read",
        "relation": "same_tenant",
        "expected": "deny",
        "because": "unrelated",
        "variant": None,
        "other": None,
        "kind": "read",
        **changes,
    }


def plan(cases: list[Record]) -> Record:
    """The record of a whole plan."""
    return {"type": "plan", "digest": plan_digest(_holdable(cases)), "cases": cases}


def word(outcome: str, kind: str) -> str:
    """The word for a verdict of that kind, as the engine's table has it."""
    if outcome == "pass":
        return kind if kind == "conform-allow" else "conform-deny"
    if outcome == "fail":
        return kind if kind == "over-restriction" else "bypass"
    return outcome.replace("_", "-")


def verdict(identifier: str, outcome: str = "pass", **changes: Any) -> Record:
    kinds = {
        "pass": "conform-deny",
        "fail": "bypass",
        "not_claimed": "not-claimed",
        "not_tested": "not-tested",
    }
    kind = str(changes.get("kind", kinds.get(outcome, outcome)))
    return {
        "type": "verdict",
        "case": identifier,
        "outcome": outcome,
        "kind": kind,
        "word": word(outcome, kind),
        "seen": [hashlib.sha256(identifier.encode()).hexdigest()],
        "reason": "The answer was as the policy says.",
        "seconds": 0.012,
        "control": None,
        "exchanges": [],
        "findings": [],
        **changes,
    }


def finding(identifier: str, **changes: Any) -> Record:
    return {
        "id": "F-" + hashlib.sha256(identifier.encode()).hexdigest()[:10],
        "rule": "bola.read",
        "suite": "access_matrix",
        "case": identifier,
        "severity": "privacy_regulatory",
        "urgency": "now",
        "noise": "quiet",
        "title": "Records of other people's patients can be read",
        "message": "A nurse could read the record of a patient she has no part in.",
        "persona": "nurse.north",
        "role": "nurse",
        "resource": "patient",
        "operation": "read",
        "relation": "same_tenant",
        "expected": "refusal with 403 or 404",
        "observed": "200 with the canary WPC-north-patient-0007-note",
        "reproduction": 'curl -sS -X GET -H "Authorization: Bearer $NURSE_NORTH_TOKEN" '
        "'http://127.0.0.1:8600/patients/7'",
        "exchanges": [],
        "defect": "bola.read patient.read",
        "cwe": [639],
        "owasp": "API1:2023",
        **changes,
    }


def exchange(identifier: str, **changes: Any) -> Record:
    record = {
        "type": "exchange",
        "id": identifier,
        "persona": "nurse.north",
        "role_in_case": "attempt",
        "request": {
            "method": "GET",
            "url": "http://127.0.0.1:8600/patients/7",
            "headers": {"authorization": "Bearer [redacted]", "accept": "application/json"},
            "body": None,
        },
        "response": {
            "status": 200,
            "headers": {"content-type": "application/json"},
            "body": '{"id": 7, "name": "Amina Test", "note": "WPC-north-patient-0007-note"}',
        },
        "error": None,
        "started": "2026-11-21T06:00:03Z",
        "milliseconds": 3.1,
        "truncated": False,
        **changes,
    }
    return {**record, "hash": exchange_hash(_holdable(record))}


def clause(identifier: str, *properties: tuple[str, str], **changes: Any) -> Record:
    framework, ref = identifier.split(":", 1)
    return {
        "id": identifier,
        "framework": framework,
        "ref": ref,
        "title": "Access Enforcement",
        "meaning": "Approved authorizations are enforced on each access.",
        "evidence": "direct",
        "tier": "core",
        "verified": "primary",
        "properties": [list(of) for of in properties],
        **changes,
    }


def clauses(*found: Record) -> Record:
    names = dict.fromkeys(record["framework"] for record in found)
    return {
        "type": "clauses",
        "frameworks": [{"id": name, "name": f"The {name}", "version": "5"} for name in names],
        "clauses": list(found),
    }


def end(**changes: Any) -> Record:
    return {"type": "end", "finished": "2026-11-21T06:09:41Z", "interrupted": False, **changes}


def small(*outcomes: str, ended: bool = True) -> list[Record]:
    """A run of one case per outcome; failures bring a finding."""
    names = [f"access_matrix.case-{number}" for number in range(len(outcomes))]
    records = [header(), plan([case(name) for name in names])]
    for name, outcome in zip(names, outcomes, strict=True):
        findings = [finding(name)] if outcome == "fail" else []
        records.append(verdict(name, outcome, findings=findings))
    return [*records, end()] if ended else records


def hospital(*, at_least: int = 0, seed: int = 7) -> list[Record]:
    """The run of a whole hospital with defects; repeated as variants up to `at_least` cases."""
    cases, results = _hospital(random.Random(seed))
    rounds = 1
    all_cases, all_results = list(cases), list(results)
    while len(all_cases) < at_least:
        mark = f"v{rounds}"
        all_cases += [
            {**record, "id": f"{record['id']}.{mark}", "variant": mark} for record in cases
        ]
        all_results += [_renamed(record, mark) for record in results]
        rounds += 1
    suites = sorted({record["suite"] for record in all_cases})
    return [
        header(suites=suites),
        *(
            {**plan(all_cases), "cases": all_cases[at : at + 500]}
            for at in range(0, len(all_cases), 500)
        ),
        clauses(
            clause("law:1", ("object_scope", "denied-means-refused")),
            clause("law:2", ("concurrency", "one-bed-one-active-admission")),
            clause("law:3", ("clock", "leap-second-is-survived")),
            clause("law:4", evidence="attestation-only"),
            clause("norm:AC-3", ("access_matrix", "granted-means-served"), evidence="partial"),
        ),
        *_fitting(all_results),
        {
            "type": "left_over",
            "tenant": "south",
            "resource": "prescription",
            "id": "rx-0192",
            "reason": "DELETE /prescriptions/rx-0192 answered 409",
        },
        end(),
    ]


def _fitting(records: Iterable[Record]) -> Iterator[Record]:
    """The records with the hashes of their exchanges, each seen in the case that cites it."""
    hashes: dict[str, str] = {}
    for record in records:
        if record["type"] == "exchange":
            hashed = exchange_hash(_holdable(record))
            hashes[record["id"]] = hashed
            yield {**record, "hash": hashed}
        elif record["exchanges"]:
            yield {**record, "seen": [hashes[name] for name in record["exchanges"]]}
        else:
            yield record


def _hospital(chance: random.Random) -> tuple[list[Record], list[Record]]:
    policy = _policy()
    cases: list[Record] = []
    results: list[Record] = []
    for role in (*ROLES, "anonymous", CHARGE_NURSE):
        for resource, operations in RESOURCES.items():
            for operation in operations:
                if role == CHARGE_NURSE and resource not in ("patient", "bed", "user"):
                    continue
                relations = ("collection",) if operation in COLLECTION else RELATIONS
                granting = "tenant_admin" if resource == "user" else "nurse"
                grant = (
                    policy.get(granting if role == CHARGE_NURSE else role, {})
                    .get(resource, {})
                    .get(operation, "")
                )
                for relation in relations:
                    record = _cell(role, resource, operation, relation, grant)
                    cases.append(record)
                    results += _judged(record, chance, number=len(cases))
    wide = (
        ("concurrency", "one-bed-one-active-admission", "pass", "conform"),
        ("clock", "local-midnight-starts-the-day", "inconclusive", "inconclusive"),
        ("clock", "leap-second-is-survived", "not_claimed", "not-claimed"),
        ("audit", "every-read-leaves-a-trace", "not_tested", "not-tested"),
    )
    reasons = {
        "pass": "20 contenders in 30 rounds left exactly one active admission.",
        "inconclusive": "The clock could not be read back from the database.",
        "not_claimed": "The target file does not claim leap-second behaviour.",
        "not_tested": "No audit endpoint is described in the target file.",
    }
    for suite, prop, outcome, kind in wide:
        identifier = f"{suite}.{prop}"
        cases.append(
            case(
                identifier,
                suite=suite,
                property=prop,
                sentence=prop.replace("-", " ").capitalize() + ".",
                persona=None,
                roles=[],
                tenant=None,
                resource=None,
                operation=None,
                relation=None,
            )
        )
        results.append(verdict(identifier, outcome, kind=kind, reason=reasons[outcome]))
    return cases, results


def _cell(role: str, resource: str, operation: str, relation: str, grant: str) -> Record:
    granted = (
        (grant == "allow" and relation in ("own", "assigned", "same_tenant", "collection"))
        or (grant == "assigned" and relation in ("own", "assigned", "collection"))
        or (grant == "own" and relation == "own")
    )
    tenant = None if role == "anonymous" else "north"
    persona = "anonymous" if tenant is None else f"{role}.{tenant}"
    suite = {
        "same_tenant": "object_scope",
        "other_tenant": "tenant_isolation",
        "none": "tenant_isolation",
    }.get(relation, "access_matrix")
    prop = "granted-means-served" if granted else "denied-means-refused"
    return case(
        f"{suite}.{prop}.{persona}.{resource}.{operation}.{relation}",
        suite=suite,
        property=prop,
        sentence=f"{persona} is {'served' if granted else 'refused'} {resource}.{operation} on "
        f"{relation} records.",
        persona=persona,
        roles=["nurse", "tenant_admin"] if role == CHARGE_NURSE else [role],
        tenant=tenant,
        resource=resource,
        operation=operation,
        relation=relation,
        expected="allow" if granted else "deny",
    )


def _judged(record: Record, chance: random.Random, number: int) -> list[Record]:
    granted = record["expected"] == "allow"
    action, relation = f"{record['resource']}.{record['operation']}", record["relation"]
    role, name = record["roles"][0], record["id"]
    if not granted and _is_broken(action, relation, role):
        return _failed(record, number, "bypass", "bola.read")
    if not granted and action == "lab_result.list" and role in ("receptionist", "billing_clerk"):
        return _failed(record, number, "leak", "leak.list", status=200, body=HOSTILE)
    if relation == "none" and action == "patient.read" and role != "anonymous":
        return _failed(record, number, "distinguishable", "leak.existence", status=403)
    if granted and action == "prescription.verify" and role == "pharmacist":
        return _failed(record, number, "over-restriction", "over-restriction", status=403)
    if not granted and action == "invoice.void" and role == "receptionist":
        return _failed(record, number, "side-effect", "bfla.write", status=403)
    if action == "bed.assign" and relation == "same_tenant":
        return [
            exchange(f"e{number}", response=None, error="read timed out after 10 s"),
            verdict(
                name,
                "inconclusive",
                reason="The control did not succeed: physician.north got 503 on bed.assign.",
                exchanges=[f"e{number}"],
            ),
        ]
    if action == "claim.submit":
        return [verdict(name, "not_tested", reason="Destructive probes were not allowed.")]
    if action == "audit_event.export":
        return [verdict(name, "not_claimed", reason="The target does not claim exports.")]
    kind = "conform-allow" if granted else "conform-deny"
    return [verdict(name, kind=kind, seconds=round(chance.uniform(0.004, 0.03), 4))]


def _is_broken(action: str, relation: str, role: str) -> bool:
    if action in ("patient.read", "note.read") and relation == "same_tenant":
        return role in ("nurse", "physician", "pharmacist", "lab_technician")
    return action == "prescription.cancel" and relation == "other_tenant" and role == "physician"


def _failed(
    record: Record,
    number: int,
    kind: str,
    rule: str,
    *,
    status: int = 200,
    body: str = '{"id": 7, "note": "WPC-north-patient-0007-note", "x": "<b>bold</b>"}',
) -> list[Record]:
    action = f"{record['resource']}.{record['operation']}"
    texts = {
        "bypass": ("privacy_regulatory", f"Other people's records can be reached by {action}"),
        "leak": ("privacy_regulatory", f"{action} shows what the role must not see"),
        "distinguishable": ("operational", f"{action} tells which records exist"),
        "over-restriction": ("care_blocking", f"{action} is refused to who needs it"),
        "side-effect": ("data_integrity", f"{action} answers 403 and does it all the same"),
    }
    severity, title = texts[kind]
    told = finding(
        record["id"],
        rule=rule,
        suite=record["suite"],
        severity=severity,
        urgency="now" if kind in ("bypass", "over-restriction") else "same_day",
        title=title,
        message=f"A {record['roles'][0]} could use {action} on {record['relation']} records, "
        f"which the policy does not grant."
        if kind != "over-restriction"
        else f"A {record['roles'][0]} was refused {action}, which the policy grants.",
        persona=record["persona"],
        role=record["roles"][0],
        resource=record["resource"],
        operation=record["operation"],
        relation=record["relation"],
        observed=f"{status} with the canary WPC-north-patient-0007-note",
        exchanges=[f"e{number}", f"c{number}"],
        defect=f"{rule} {action}",
    )
    return [
        exchange(
            f"c{number}",
            persona="physician.north",
            role_in_case="control",
            response={"status": 200, "headers": {}, "body": '{"id": 7}'},
        ),
        exchange(
            f"e{number}",
            persona=record["persona"],
            response={
                "status": status,
                "headers": {"content-type": "application/json", "x-evil": HOSTILE},
                "body": body,
            },
        ),
        verdict(
            record["id"],
            "fail",
            kind=kind,
            reason=f"{title}.",
            exchanges=[f"e{number}", f"c{number}"],
            control={"persona": "physician.north", "outcome": "allowed"},
            findings=[told],
        ),
    ]


def _renamed(record: Record, variant: str) -> Record:
    """The record of the same thing in `variant`."""
    suffix = f".{variant}"
    if record["type"] == "exchange":
        return {**record, "id": record["id"] + suffix}
    renamed = {
        **record,
        "case": record["case"] + suffix,
        "exchanges": [name + suffix for name in record["exchanges"]],
    }
    renamed["findings"] = [
        {
            **told,
            "case": told["case"] + suffix,
            "id": "F-" + hashlib.sha256((told["case"] + suffix).encode()).hexdigest()[:10],
            "exchanges": [name + suffix for name in told["exchanges"]],
        }
        for told in record["findings"]
    ]
    return renamed


def _method(operation: str) -> str:
    return {"create": "POST", "read": "GET", "list": "GET", "export": "GET"}.get(
        operation, "PATCH" if operation in ("update", "amend") else "POST"
    )


def _policy() -> dict[str, dict[str, dict[str, str]]]:
    clinical = ("encounter", "observation", "note", "order", "allergy", "lab_result")
    return {
        "patient": {r: {"read": "own"} for r in (*clinical, "patient", "invoice", "consent")},
        "receptionist": {
            "patient": {"create": "allow", "read": "allow", "list": "allow", "update": "allow"},
            "admission": {"create": "allow", "read": "allow"},
            "bed": {"read": "allow", "list": "allow"},
        },
        "nurse": {
            **{r: {"create": "assigned", "read": "assigned", "list": "allow"} for r in clinical},
            "patient": {"read": "assigned", "list": "allow"},
            "bed": {"read": "allow", "list": "allow", "assign": "allow"},
        },
        "physician": {
            **{r: dict.fromkeys(RESOURCES[r], "assigned") for r in clinical},
            "patient": {"read": "assigned", "list": "allow"},
            "prescription": {"create": "assigned", "read": "assigned", "cancel": "assigned"},
            "admission": dict.fromkeys(RESOURCES["admission"], "assigned"),
        },
        "pharmacist": {
            "prescription": {
                "read": "allow",
                "list": "allow",
                "verify": "allow",
                "dispense": "allow",
            },
            "allergy": {"read": "assigned"},
        },
        "lab_technician": {"lab_result": dict.fromkeys(RESOURCES["lab_result"], "allow")},
        "billing_clerk": {
            "invoice": dict.fromkeys(RESOURCES["invoice"], "allow"),
            "claim": dict.fromkeys(RESOURCES["claim"], "allow"),
        },
        "privacy_officer": {"audit_event": dict.fromkeys(RESOURCES["audit_event"], "allow")},
        "tenant_admin": {"user": dict.fromkeys(RESOURCES["user"], "allow")},
        "integration_service": {"lab_result": {"create": "allow"}},
    }
