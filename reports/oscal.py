"""A run as OSCAL assessment results (version 1.1.2), for tools of governance, risk and compliance.

What OSCAL calls a finding is its word on one objective, so each clause that the run says something
about is one; what Wardproof calls a finding is an observation behind it, and a risk. Clauses that
nothing was shown about are in no finding: not tested is neither satisfied nor not satisfied.
All identifiers are made from the ledger, so that the same run gives the same document.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID, uuid5

from reports.clauses import Coverage, coverage
from reports.defects import Defect, roll_up
from reports.gate import Gate
from reports.ledger import Clause, Run
from reports.printable import one_line

OSCAL_VERSION = "1.1.2"
NAMESPACE = "https://wardproof.invalid/ns/oscal"
"""Names our properties; nothing answers there."""
_ROOT = UUID("6f6e7a52-3b0e-5c61-9d2e-0c9c1f2f9a11")


_Places = Mapping[str, frozenset[tuple[str, str]]]
"""Where each defect showed: the suites and properties of their cases."""


def oscal_text(run: Run, gate: Gate) -> str:
    """The document as the text of its file."""
    return json.dumps(oscal(run, gate), indent=1, ensure_ascii=False) + "\n"


def oscal(run: Run, gate: Gate) -> dict[str, Any]:
    """The document as a JSON value. Times that are missing are those of the run's start."""
    header = run.header
    ended = run.end.finished if run.end else header.started
    defects = roll_up(run)
    places = _places(run, defects)
    clauses = [one for one in coverage(run) if one.state != "untouched"]
    target = f"{header.target.name} {header.target.version or ''}".strip()
    result: dict[str, Any] = {
        "uuid": _id(run, "result"),
        "title": _line(f"Wardproof run {header.id} against {target}"),
        "description": " ".join(gate.decision.reasons) or "No reason was stated.",
        "start": header.started,
        "end": ended,
        "props": [
            _prop("verdict", gate.decision.verdict),
            _prop("gate", gate.verdict),
            _prop("gate-level", gate.level.name),
            _prop("gate-as-of", gate.today.isoformat()),
            _prop("profile", header.profile),
            _prop("planned", str(gate.decision.planned)),
            _prop("executed", str(gate.decision.executed)),
            _prop("ledger-head", run.head),
        ],
        "local-definitions": {"components": [_component(run, target)]},
        "reviewed-controls": {"control-selections": [_selection(clauses)]},
        "observations": [
            *(_clause_observation(run, one, ended) for one in clauses),
            *(_defect_observation(run, defect, ended) for defect in defects),
        ],
        "risks": [_risk(run, gate, defect) for defect in defects],
        "findings": [_finding(run, one, places) for one in clauses],
    }
    # The schema wants one entry at least where there is a list.
    for name in ("observations", "risks", "findings"):
        if not result[name]:
            del result[name]
    return {
        "assessment-results": {
            "uuid": _id(run, "document"),
            "metadata": {
                "title": _line(f"Assessment results of {target}"),
                "last-modified": ended,
                "version": header.id or run.head[:16],
                "oscal-version": OSCAL_VERSION,
            },
            "import-ap": {"href": f"#{_id(run, 'plan')}"},
            "results": [result],
            "back-matter": {
                "resources": [
                    _resource(run, "plan", "The plan of the run", "plan.json"),
                    _resource(run, "ledger", "The ledger of the run", "evidence.jsonl"),
                ]
            },
        }
    }


def control_id(clause: Clause) -> str:
    """The clause as a token: for NIST SP 800-53 that of OSCAL's own catalog (`ac-3.7` for
    `AC-3(7)`), else framework and reference.
    """
    nist = re.fullmatch(r"([A-Z]{2}-\d+)(?:\((\d+)\))?", clause.ref)
    if nist and clause.framework.startswith("nist-800-53"):
        return nist[1].lower() + (f".{nist[2]}" if nist[2] else "")
    token = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{clause.framework}-{clause.ref}").strip("-.")
    return token if re.match("[A-Za-z_]", token) else f"_{token}"


def _selection(clauses: list[Coverage]) -> dict[str, Any]:
    if not clauses:
        return {"description": "No clause of the ledger was touched.", "include-all": {}}
    ids = dict.fromkeys(control_id(one.clause) for one in clauses)
    return {"include-controls": [{"control-id": identifier} for identifier in ids]}


def _component(run: Run, target: str) -> dict[str, Any]:
    return {
        "uuid": _id(run, "target"),
        "type": "software",
        "title": _line(target),
        "description": _line(f"The system that was tested, at {run.header.target.base_url}."),
        "status": {"state": "operational"},
    }


def _clause_observation(run: Run, one: Coverage, collected: str) -> dict[str, Any]:
    cited = ", ".join(f"{citing.suite}.{citing.property}" for citing in one.citing)
    return {
        "uuid": _id(run, "clause", one.clause.id),
        "title": _line(f"{one.clause.ref} {one.clause.title}"),
        "description": _line(f"{one.reason} Shown by: {cited}.", 2000),
        "methods": ["TEST"],
        "types": ["control-objective"],
        "subjects": [_subject(run)],
        "relevant-evidence": [_evidence(run)],
        "collected": collected,
    }


def _defect_observation(run: Run, defect: Defect, collected: str) -> dict[str, Any]:
    example = defect.example
    return {
        "uuid": _id(run, "defect", defect.key),
        "title": _line(example.title),
        "description": _line(
            f"{example.message or example.title} Expected: {example.expected}. Observed: "
            f"{example.observed}. Case: {example.case}.",
            2000,
        ),
        "methods": ["TEST"],
        "types": ["finding"],
        "subjects": [_subject(run)],
        "relevant-evidence": [_evidence(run)],
        "collected": collected,
    }


def _risk(run: Run, gate: Gate, defect: Defect) -> dict[str, Any]:
    accepted = all(finding.id in gate.accepted for finding in defect.findings)
    return {
        "uuid": _id(run, "risk", defect.key),
        "title": _line(defect.example.title),
        "description": _line(defect.example.message or defect.example.title, 2000),
        "statement": _line(defect.example.could or defect.example.title, 2000),
        "props": [_prop("severity", defect.severity), _prop("urgency", defect.urgency)],
        "status": "deviation-approved" if accepted else "open",
        "related-observations": [{"observation-uuid": _id(run, "defect", defect.key)}],
    }


def _finding(run: Run, one: Coverage, defects: _Places) -> dict[str, Any]:
    satisfied = one.state == "covered" and not one.against
    return {
        "uuid": _id(run, "finding", one.clause.id),
        "title": _line(f"{one.clause.ref} {one.clause.title}"),
        "description": _line(one.reason, 2000),
        "target": {
            "type": "objective-id",
            "target-id": control_id(one.clause),
            "status": {
                "state": "satisfied" if satisfied else "not-satisfied",
                "reason": "pass" if satisfied else "fail" if one.against else "other",
                "remarks": _line(
                    "What a run can show of this clause; no statement of compliance. "
                    f"{one.gap or one.reason}",
                    2000,
                ),
            },
        },
        "related-observations": [
            {"observation-uuid": identifier} for identifier in _behind(run, one, defects)
        ],
    }


def _places(run: Run, defects: tuple[Defect, ...]) -> _Places:
    of_case = {case.id: (case.suite, case.property) for case in run.cases}
    return {
        defect.key: frozenset(
            of_case[finding.case] for finding in defect.findings if finding.case in of_case
        )
        for defect in defects
    }


def _behind(run: Run, one: Coverage, defects: _Places) -> Iterator[str]:
    """The observations behind what is said about a clause."""
    yield _id(run, "clause", one.clause.id)
    cited = {(citing.suite, citing.property) for citing in one.citing}
    for defect, places in defects.items():
        if places & cited:
            yield _id(run, "defect", defect)


def _subject(run: Run) -> dict[str, Any]:
    return {"subject-uuid": _id(run, "target"), "type": "component"}


def _evidence(run: Run) -> dict[str, Any]:
    return {
        "href": f"#{_id(run, 'ledger')}",
        "description": "The ledger of the run holds the exchanges by which it was decided.",
    }


def _resource(run: Run, name: str, title: str, file: str) -> dict[str, Any]:
    return {"uuid": _id(run, name), "title": title, "rlinks": [{"href": file}]}


def _prop(name: str, value: str) -> dict[str, str]:
    return {"name": name, "ns": NAMESPACE, "value": _line(value)}


def _line(text: str, most: int = 300) -> str:
    return one_line(text, most) or "(nothing)"


def _id(run: Run, *parts: str) -> str:
    """The identifier of a part: made from the ledger and the part's name."""
    return str(uuid5(uuid5(_ROOT, run.head), "\x1f".join(parts)))
