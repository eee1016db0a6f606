"""`summary.json`: what a run came to, for other programs. Its schema is `summary.schema.json`.

Keys (schema 1): `verdict`, `exit_code` and `reasons`; `target`, `profile`, `seed`, `started`,
`finished` (null if the run did not end) and `interrupted`; `planned` and `executed` cases;
`counts` over all and per suite in `suites`; `findings` and `defects`, gravest first; `open`, the
cases not passed or failed by reason; `clauses`, how far the run gives evidence for each clause of
laws and standards (empty if the ledger does not tell of any); `left_overs`; `ledger`, what the
evidence itself is worth; `gate`, whether the run may pass given the accepted risks (null where
nobody asked). `verdict` and `exit_code` are those of the run by itself, whatever is accepted.
"""

import json
from dataclasses import asdict
from typing import Any

from reports.clauses import Coverage, coverage
from reports.defects import Defect, gaps, ranked, roll_up
from reports.gate import Gate
from reports.ledger import Finding, Run
from reports.verdict import Decision
from reports.waivers import Waiver

SCHEMA = 1


def summary(run: Run, decision: Decision, gate: Gate | None = None) -> dict[str, Any]:
    """The summary as a JSON value."""
    header = run.header
    return {
        "schema": SCHEMA,
        "wardproof": header.wardproof,
        "verdict": decision.verdict,
        "exit_code": decision.exit_code,
        "reasons": list(decision.reasons),
        "target": asdict(header.target),
        "profile": header.profile,
        "seed": header.seed,
        "started": header.started,
        "finished": run.end.finished if run.end else None,
        "interrupted": run.end is None or run.end.interrupted,
        "planned": decision.planned,
        "executed": decision.executed,
        "counts": asdict(decision.counts),
        "suites": {suite: asdict(counts) for suite, counts in decision.suites.items()},
        "findings": [_finding(finding) for finding in ranked(run.findings)],
        "defects": [_defect(defect) for defect in roll_up(run)],
        "open": [
            {
                "outcome": gap.outcome,
                "suite": gap.suite,
                "reason": gap.reason,
                "cases": list(gap.cases),
            }
            for outcome in ("inconclusive", "not_tested", "not_claimed")
            for gap in gaps(run, outcome)
        ],
        "clauses": [_clause(one) for one in coverage(run)],
        "left_overs": [asdict(left_over) for left_over in run.left_overs],
        "ledger": {
            "records": run.records,
            "head": run.head,
            "broken_at": run.broken_at,
            "cut": run.cut,
            "plan_digests": list(run.plan_digests),
        },
        "gate": _gate(gate) if gate is not None else None,
    }


def summary_text(run: Run, decision: Decision, gate: Gate | None = None) -> str:
    """The summary as the text of its file."""
    return json.dumps(summary(run, decision, gate), indent=2, ensure_ascii=False) + "\n"


def _gate(gate: Gate) -> dict[str, Any]:
    return {
        "level": gate.level.name,
        "at": gate.today.isoformat(),
        "verdict": gate.verdict,
        "exit_code": gate.exit_code,
        "reasons": list(gate.reasons),
        "checks": [asdict(check) for check in gate.checks],
        "accepted": [_waiver(one, None) for one in gate.waivers],
        **{
            name: [_waiver(one, gate.why[one.id]) for one in getattr(gate, name)]
            for name in ("expired", "unused", "widened", "refused")
        },
        "idle": [_waiver(one, None) for one in gate.idle],
    }


def _waiver(waiver: Waiver, why: str | None) -> dict[str, Any]:
    return {
        "id": waiver.id,
        "subject": waiver.subject,
        "owner": waiver.owner,
        "approver": waiver.approver,
        "ticket": waiver.ticket,
        "reason": waiver.reason,
        "granted": waiver.granted.isoformat(),
        "expires": waiver.expires.isoformat(),
        **({"why": why} if why is not None else {}),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "rule": finding.rule,
        "case": finding.case,
        "suite": finding.suite,
        "severity": finding.severity,
        "urgency": finding.urgency,
        "title": finding.title,
        "message": finding.message,
        "expected": finding.expected,
        "observed": finding.observed,
        "reproduction": finding.reproduction,
        "defect": finding.defect,
        "persona": finding.persona,
        "role": finding.role,
        "resource": finding.resource,
        "operation": finding.operation,
        "relation": finding.relation,
        "cwe": list(finding.cwe),
        "owasp": finding.owasp,
        "noise": finding.noise,
        "affects_data": finding.affects_data,
        "affects_workflow": finding.affects_workflow,
        "affected": finding.affected,
        "could": finding.could,
    }


def _clause(one: Coverage) -> dict[str, Any]:
    clause = one.clause
    return {
        "id": clause.id,
        "framework": clause.framework,
        "title": clause.title,
        "tier": clause.tier,
        "evidence": clause.evidence,
        "verified": clause.verified,
        "state": one.state,
        "against": one.against,
        "reason": one.reason,
        "properties": [
            {"suite": citing.suite, "property": citing.property, **asdict(citing.counts)}
            for citing in one.citing
        ],
    }


def _defect(defect: Defect) -> dict[str, Any]:
    return {
        "defect": defect.key,
        "rule": defect.example.rule,
        "title": defect.example.title,
        "severity": defect.severity,
        "urgency": defect.urgency,
        "personas": list(defect.personas),
        "roles": list(defect.roles),
        "relations": list(defect.relations),
        "cases": defect.cases,
        "example": defect.example.id,
    }
