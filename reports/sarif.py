"""Findings as SARIF 2.1.0, for code-scanning dashboards.

Only findings are results: SARIF has no place for what passed. A result's place is the target
file, and, logically, the operation that misbehaved.
"""

import json
from typing import Any

from reports.defects import ranked
from reports.ledger import Finding, Run, Severity
from reports.verdict import Decision

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


def sarif(run: Run, decision: Decision) -> dict[str, Any]:
    """The SARIF log as a JSON value."""
    findings = ranked(run.findings)
    rules: dict[str, Finding] = {}
    for finding in findings:
        rules.setdefault(finding.rule, finding)
    indices = {rule: index for index, rule in enumerate(rules)}
    invocation: dict[str, Any] = {
        "executionSuccessful": run.end is not None and not run.end.interrupted,
        "exitCode": decision.exit_code,
        "exitCodeDescription": decision.verdict,
        "startTimeUtc": run.header.started,
    }
    if run.end:
        invocation["endTimeUtc"] = run.end.finished
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
                "results": [_result(finding, indices[finding.rule]) for finding in findings],
                "properties": {
                    "verdict": decision.verdict,
                    "planned": decision.planned,
                    "executed": decision.executed,
                },
            }
        ],
    }


def sarif_text(run: Run, decision: Decision) -> str:
    """The SARIF log as the text of its file."""
    return json.dumps(sarif(run, decision), indent=1, ensure_ascii=False) + "\n"


def _rule(finding: Finding) -> dict[str, Any]:
    tags = ["security", *(f"external/cwe/cwe-{number:03d}" for number in finding.cwe)]
    if finding.owasp:
        tags.append(f"external/owasp/{finding.owasp}")
    return {
        "id": finding.rule,
        "shortDescription": {"text": finding.title},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
        "properties": {"tags": tags, "security-severity": _SECURITY_SEVERITY[finding.severity]},
    }


def _result(finding: Finding, rule_index: int) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": "target.yaml"},
            "region": {"startLine": 1},
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
        "message": {"text": finding.message or finding.title},
        "locations": [location],
        "partialFingerprints": {"wardproofCase/v1": finding.case},
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
            "observed": finding.observed,
            "reproduction": finding.reproduction,
        },
    }
