"""Findings as SARIF 2.1.0, for code-scanning dashboards.

Only findings are results: SARIF has no place for what passed. A result's place is the target
file, where it describes the operation that misbehaved, and, logically, that operation. Its
fingerprints are the same in every run that shows it. A waiver is a suppression: the result stays
what it is.

GitHub takes up to 25,000 results and 10 MB (gzip) and shows 5,000 of them, and 10 tags of a rule:
so many of the gravest are written here, their texts cut, and how many are left out is said.
"""

import hashlib
import json
from typing import Any
from urllib.parse import quote

from reports.defects import ranked
from reports.gate import Gate
from reports.ledger import Finding, Run, Severity
from reports.printable import one_line
from reports.verdict import Decision
from reports.waivers import Waiver, fingerprint

MOST_RESULTS = 5_000
_MOST_TAGS = 10
_TEXT = 1_000

_LEVELS: dict[Severity, str] = {
    "care_blocking": "error",
    "data_integrity": "error",
    "privacy_regulatory": "error",
    "operational": "warning",
    "inconvenience": "note",
}
# Dashboards sort by a CVSS-like number; only its bands (critical, high, medium, low) carry meaning.
_SECURITY_SEVERITY: dict[Severity, str] = {
    "care_blocking": "9.5",
    "data_integrity": "8.5",
    "privacy_regulatory": "8.0",
    "operational": "5.0",
    "inconvenience": "2.0",
}


def sarif(run: Run, decision: Decision, gate: Gate | None = None) -> dict[str, Any]:
    """The SARIF log as a JSON value; with the gate, its waivers are suppressions."""
    findings = ranked(run.findings)
    kept = findings[:MOST_RESULTS]
    rules: dict[str, Finding] = {}
    for finding in kept:
        rules.setdefault(finding.rule, finding)
    indices = {rule: index for index, rule in enumerate(rules)}
    accepted = gate.accepted if gate is not None else {}
    invocation: dict[str, Any] = {
        "executionSuccessful": run.end is not None and not run.end.interrupted,
        "exitCode": gate.exit_code if gate is not None else decision.exit_code,
        "exitCodeDescription": gate.headline if gate is not None else decision.verdict,
        "startTimeUtc": run.header.started,
    }
    if run.end:
        invocation["endTimeUtc"] = run.end.finished
    left_out = len(findings) - len(kept)
    if left_out:
        invocation["toolExecutionNotifications"] = [
            {
                "level": "warning",
                "message": {
                    "text": f"{left_out:,} of {len(findings):,} findings are left out here, the "
                    "least grave; summary.json has all of them."
                },
            }
        ]
    results = []
    for finding in kept:
        result = _result(run, finding, indices[finding.rule])
        if accepted:
            waiver = accepted.get(finding.id)
            result["suppressions"] = [_suppression(waiver)] if waiver is not None else []
        results.append(result)
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "Wardproof",
                        "semanticVersion": run.header.wardproof,
                        "rules": [_rule(finding) for finding in rules.values()],
                    }
                },
                "automationDetails": {"id": f"wardproof/{run.header.target.name}/"},
                "columnKind": "unicodeCodePoints",
                "invocations": [invocation],
                "results": results,
                "properties": {
                    "verdict": decision.verdict,
                    "planned": decision.planned,
                    "executed": decision.executed,
                    "findings": len(findings),
                },
            }
        ],
    }


def sarif_text(run: Run, decision: Decision, gate: Gate | None = None) -> str:
    """The SARIF log as the text of its file."""
    return json.dumps(sarif(run, decision, gate), indent=1, ensure_ascii=False) + "\n"


def _suppression(waiver: Waiver) -> dict[str, Any]:
    return {
        "kind": "external",
        "status": "accepted",
        "justification": one_line(
            f"{waiver.reason} (accepted by {waiver.approver} until {waiver.expires}, "
            f"{waiver.owner} sees to it: {waiver.ticket})",
            _TEXT,
        ),
        "properties": {"waiver": waiver.id, "expires": waiver.expires.isoformat()},
    }


def _rule(finding: Finding) -> dict[str, Any]:
    tags = ["security", *(f"external/cwe/cwe-{number:03d}" for number in finding.cwe)]
    if finding.owasp:
        tags.append(f"external/owasp/{finding.owasp}")
    return {
        "id": finding.rule,
        "shortDescription": {"text": finding.title},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
        "properties": {
            "tags": tags[:_MOST_TAGS],
            "security-severity": _SECURITY_SEVERITY[finding.severity],
        },
    }


def _result(run: Run, finding: Finding, rule_index: int) -> dict[str, Any]:
    operations = run.header.resources.get(finding.resource or "", {})
    operation = operations.get(finding.operation or "")
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(run.header.target.file)},
            "region": {"startLine": (operation.line if operation else None) or 1},
        }
    }
    if finding.resource and finding.operation:
        location["logicalLocations"] = [
            {
                "name": finding.operation,
                "fullyQualifiedName": f"{finding.resource}.{finding.operation}",
                "kind": "function",
            }
        ]
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": _LEVELS[finding.severity],
        "message": {"text": one_line(finding.message or finding.title, _TEXT)},
        "locations": [location],
        # GitHub tells alerts apart by the first one alone, and would else make one of all findings
        # of a rule, because they share a place.
        "partialFingerprints": {
            "primaryLocationLineHash": _line_hash(finding),
            "wardproofFinding/v1": finding.id,
            "wardproofCase/v1": finding.case,
            "wardproofSubject/v1": fingerprint(finding),
        },
        "properties": {
            "finding": finding.id,
            "case": finding.case,
            "suite": finding.suite,
            "defect": finding.defect,
            "severity": finding.severity,
            "urgency": finding.urgency,
            "persona": finding.persona,
            "relation": finding.relation,
            "expected": finding.expected,
            "observed": one_line(finding.observed, _TEXT),
            "reproduction": one_line(finding.reproduction, _TEXT),
            "affectsData": finding.affects_data,
            "affectsWorkflow": finding.affects_workflow,
            "affected": one_line(finding.affected, _TEXT),
            "could": one_line(finding.could, _TEXT),
        },
    }


def _line_hash(finding: Finding) -> str:
    """In the form of a line's hash: 16 hex digits and the number of their occurrence."""
    return f"{hashlib.sha256(finding.id.encode()).hexdigest()[:16]}:1"
