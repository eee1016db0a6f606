"""Allure 2 results (`allure-results/`), written directly from the ledger.

One result per suite and operation, its cases as steps, each with what it has to show; one more
per finding, with its evidence attached. Ids follow from the ledger, so the same run gives the same
files, and `historyId` stays the same across runs. A waiver changes no status: what failed is shown
as failed, with the waiver beside it.
"""

import hashlib
import json
import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from reports.allure.executor import NAME as EXECUTOR
from reports.allure.executor import NO_BUILD
from reports.allure.history import Entry
from reports.allure.pages import evidence_page, open_page
from reports.defects import RELATION_WORDS, SEVERITIES, counted, ranked
from reports.gate import Gate
from reports.html import proofs_html
from reports.ledger import (
    LEDGER_NAME,
    Case,
    Exchange,
    Finding,
    Outcome,
    Run,
    Severity,
    Verdict,
)
from reports.matrix import ACCEPTABLE, STATE_WORDS, State, state_of
from reports.printable import one_line
from reports.verdict import Decision
from reports.waivers import Waiver

_NAMESPACE = uuid.UUID("6f0c3c3e-6f2b-5d5a-9b0e-6a5b1f6f7a10")

_SEVERITIES: dict[Severity, str] = {
    "care_blocking": "blocker",
    "data_integrity": "critical",
    "privacy_regulatory": "critical",
    "operational": "normal",
    "inconvenience": "minor",
}
_CATEGORIES: dict[State, str] = {
    "bypass": "Bypass",
    "leak": "Leak",
    "over-restriction": "Over-restriction",
    "failure": "Other failure",
    "inconclusive": "Inconclusive",
    "not-tested": "Not tested",
    "not-claimed": "Not claimed",
}
_STATUSES: dict[State, str] = {
    "bypass": "failed",
    "leak": "failed",
    "over-restriction": "failed",
    "failure": "failed",
    "inconclusive": "broken",
    "not-tested": "skipped",
    "granted": "passed",
    "denied": "passed",
    "not-claimed": "skipped",
}
_DETAILS: dict[str, str] = {
    "race": "Race on its time line",
    "clock": "Days under the pinned clock",
    "table": "Thresholds, row by row",
    "load": "Load over time",
    "fuzz": "What the fuzzer reached",
}
_EXCHANGES = "What was sent and answered"
# A report that a browser can still open, and that is made in seconds.
_PAGES_PER_DEFECT = 25
_PAGES = 2_000
_COMPARED_PER_DEFECT = 3
_RISKS = 20
_OUTCOMES: dict[Outcome, str] = {
    "pass": "held",
    "fail": "violated",
    "inconclusive": "inconclusive",
    "not_claimed": "not claimed",
    "not_tested": "not tested",
}
# Gravest first. A result with an untested case is not shown as passed; one that only has some
# cases that the target does not claim is.
_GRAVITY: tuple[State, ...] = (
    "bypass",
    "leak",
    "over-restriction",
    "failure",
    "inconclusive",
    "not-tested",
    "granted",
    "denied",
    "not-claimed",
)


def categories() -> list[dict[str, Any]]:
    """Allure's categories: how a result differs from what was promised."""
    return [
        {
            "name": name,
            "matchedStatuses": [_STATUSES[state]],
            "messageRegex": f"^{name}: [\\s\\S]*$",
        }
        for state, name in _CATEGORIES.items()
    ]


@dataclass(frozen=True, slots=True)
class Results:
    """What was written into `folder`; `started` is when the run began, in Unix milliseconds."""

    folder: Path
    started: int
    outcomes: tuple[Entry, ...]


@dataclass(slots=True)
class _Told:
    """What all results of a run have in common: where they are written, and what the gate says.

    `clauses` are the ids of the clauses that a property of a suite gives evidence for. `evidence`
    are the files that hold the evidence of a case, by case; `pages` the findings of a defect
    that have a page, of which there are `made` in all.
    """

    run: Run
    folder: Path
    started: int
    gate: Gate | None
    clauses: Mapping[tuple[str, str], tuple[str, ...]]
    evidence: dict[str, list[dict[str, str]]] = field(default_factory=lambda: defaultdict(list))
    pages: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    made: int = 0


def write_results(
    run: Run,
    decision: Decision,
    pages: Mapping[str, str],
    folder: Path,
    *,
    gate: Gate | None = None,
    executor: Mapping[str, str | int] | None = None,
) -> Results:
    """Writes the results into `folder`, replacing what was there.

    `pages`, HTML by title, are attached to the report as a whole. With `gate` the report tells
    what the gate says, and the results which waivers stand beside them. `executor` is the build
    that made the run, if one did.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = _epoch_milliseconds(run.header.started)
    told = _Told(run, folder, started, gate, _clauses(run))
    outcomes = []
    stories = {case.id: case.property for case in run.cases}
    for finding in ranked(run.findings):
        story = stories.get(finding.case, finding.rule)
        outcomes.append(_written(folder, _finding_result(told, finding, story)))
    groups: dict[tuple[str, str, str], list[tuple[Case, Verdict]]] = defaultdict(list)
    for case, verdict in run.judged():
        groups[_group_key(case)].append((case, verdict))
    offset = 0
    for key, judged in groups.items():
        outcome = _written(folder, _operation_result(told, key, judged, started + offset))
        offset = outcome.stop - started
        outcomes.append(outcome)
    _write_frame(run, decision, gate, pages, folder, started)
    _write_json(folder / EXECUTOR, dict(executor or NO_BUILD))
    return Results(folder, started, tuple(outcomes))


def _operation_result(
    told: _Told, key: tuple[str, str, str], judged: list[tuple[Case, Verdict]], start: int
) -> dict[str, Any]:
    suite, resource, name = key
    states = [state_of(case, verdict) for case, verdict in judged]
    worst = min(states, key=_GRAVITY.index)
    steps: list[dict[str, Any]] = []
    at = start
    for (case, verdict), state in zip(judged, states, strict=True):
        stop = at + round(verdict.seconds * 1000)
        steps.append(_step(told, case, verdict, state, at, stop))
        at = stop
    properties = sorted({case.property for case, _ in judged})
    findings = [finding for _, verdict in judged for finding in verdict.findings]
    waivers = [
        _waiver(told, case, verdict)
        for (case, verdict), state in zip(judged, states, strict=True)
        if state in ACCEPTABLE
    ]
    return {
        **_identity(told.run, f"{suite}/{name}"),
        "name": name,
        "fullName": f"{suite}.{name}",
        "titlePath": [part for part in (suite, resource) if part],
        "status": _STATUSES[worst],
        "statusDetails": _details(worst, judged, states),
        "stage": "finished",
        "start": start,
        "stop": at,
        "steps": steps,
        "labels": [
            *_labels(told.run, suite, resource),
            *(_label("story", story) for story in properties),
            _label("severity", _severity(findings)),
            *_waiver_labels(_distinct(waivers), whole=all(waivers)),
            *_clause_labels(told, suite, properties),
            _label("kind", worst),
        ],
    }


def _severity(findings: Iterable[Finding]) -> str:
    """That of the gravest finding; Allure's middle one where nothing was found."""
    gravest = min((SEVERITIES.index(finding.severity) for finding in findings), default=None)
    return "normal" if gravest is None else _SEVERITIES[SEVERITIES[gravest]]


def _step(
    told: _Told, case: Case, verdict: Verdict, state: State, start: int, stop: int
) -> dict[str, Any]:
    who = [
        part
        for part in (
            case.persona,
            RELATION_WORDS.get(case.relation, case.relation) if case.relation else None,
            case.variant,
        )
        if part
    ]
    what = ", ".join(who) or one_line(case.sentence, 200)
    about_access = bool(who) and verdict.detail is None
    came = STATE_WORDS[state] if about_access else _OUTCOMES[verdict.outcome]
    waiver = _waiver(told, case, verdict) if state in ACCEPTABLE else None
    beside = f" (waived until {waiver.expires})" if waiver is not None else ""
    step: dict[str, Any] = {
        "name": f"{what}: {came}{beside}",
        "status": _STATUSES[state],
        "stage": "finished",
        "start": start,
        "stop": stop,
    }
    if verdict.outcome != "pass":
        step["statusDetails"] = {"message": _with_risk(one_line(verdict.reason, 500), waiver)}
    shown = _shown(told, case, verdict)
    if shown:
        step["attachments"] = shown
    return step


def _shown(told: _Told, case: Case, verdict: Verdict) -> list[dict[str, str]]:
    """What a case has to show: its picture or table, and the evidence of what did not hold."""
    found = []
    if verdict.detail is not None:
        page = proofs_html(replace(told.run, cases=(case,)))
        if page is not None:
            title = _DETAILS.get(verdict.detail.kind, "Details")
            found.append(_attached(told, f"{case.id}/detail", title, page))
    found += told.evidence.get(case.id, [])
    if not verdict.findings and verdict.outcome != "pass":
        exchanges = _exchanges(told.run, verdict.exchanges)
        if exchanges:
            page = open_page(_unfound(case, verdict), exchanges)
            found.append(_attached(told, f"{case.id}/exchanges", _EXCHANGES, page))
    return found


def _unfound(case: Case, verdict: Verdict) -> Finding:
    """What was observed, for a case without a finding."""
    return Finding(
        id="",
        rule="",
        suite=case.suite,
        case=case.id,
        severity="operational",
        urgency="scheduled",
        title="",
        message="",
        observed=verdict.reason,
    )


def _finding_result(told: _Told, finding: Finding, story: str) -> dict[str, Any]:
    run = told.run
    identity = _identity(run, f"finding/{finding.id}/{finding.case}")
    action = ".".join(part for part in (finding.resource, finding.operation) if part)
    verdict = run.verdicts[finding.case]
    state = _state_of_finding(verdict)
    attachments, where = _evidence(told, finding)
    tags = [finding.rule, finding.urgency, finding.owasp]
    accepted = told.gate.accepted if told.gate is not None else {}
    waiver = accepted.get(finding.case) or accepted.get(finding.id)
    message = f"{_CATEGORIES[state]}: {one_line(finding.message, 800)}"
    return {
        **identity,
        "name": f"{finding.id} {one_line(finding.title, 160)} ({finding.persona or 'suite-wide'})",
        "fullName": f"findings.{finding.case}.{finding.rule}",
        "titlePath": [finding.suite, "findings"],
        "status": "failed",
        "statusDetails": {
            "message": _with_risk(message, waiver),
            "trace": f"expected: {finding.expected}\nobserved: {finding.observed}\n"
            f"repeat with: {finding.reproduction}\n"
            f"evidence: {where}",
        },
        "stage": "finished",
        "start": told.started,
        "stop": told.started + round(verdict.seconds * 1000),
        "steps": [],
        "attachments": attachments,
        "parameters": [
            # Excluded from what tells one result from another: the identity is the finding's.
            {"name": name, "value": value, "excluded": True}
            for name, value in (
                ("persona", finding.persona),
                ("operation", action),
                ("relation", finding.relation),
                ("defect", finding.defect),
                ("case", finding.case),
                ("accepted because", one_line(waiver.reason, 400) if waiver else None),
            )
            if value
        ],
        "labels": [
            *_labels(run, finding.suite, "findings"),
            _label("story", story),
            _label("severity", _SEVERITIES[finding.severity]),
            *_waiver_labels([waiver] if waiver is not None else [], whole=True),
            *_clause_labels(told, finding.suite, (story,)),
            *(_label("tag", tag) for tag in tags if tag),
            *(_label("cwe", f"CWE-{number}") for number in finding.cwe),
            _label("kind", state),
        ],
    }


def _evidence(told: _Told, finding: Finding) -> tuple[list[dict[str, str]], str]:
    """The page with the evidence of a finding, and where else it lies, in words.

    Where a defect has so many findings that nobody would read them all, only the first have one.
    """
    where = f"{', '.join(finding.exchanges) or 'no exchange'} in {LEDGER_NAME}"
    pages = told.pages[finding.defect or finding.id]
    if pages and (len(pages) >= _PAGES_PER_DEFECT or told.made >= _PAGES):
        return [], f"{where}; shown in full at {pages[0]}, which is of the same defect"
    exchanges = _exchanges(told.run, finding.exchanges)
    page = evidence_page(finding, exchanges, compare=len(pages) < _COMPARED_PER_DEFECT)
    key = f"{finding.id}/{finding.case}"
    # Allure shows a file in one place only, so the case gets one of its own.
    told.evidence[finding.case].append(
        _attached(told, f"{key}/case", f"{_EXCHANGES} ({finding.id})", page)
    )
    pages.append(finding.id)
    told.made += 1
    return [_attached(told, key, _EXCHANGES, page)], where


def _exchanges(run: Run, names: Iterable[str]) -> list[Exchange]:
    """The exchanges that the ledger holds, the attempt first."""
    found = [run.exchanges[name] for name in names if name in run.exchanges]
    return sorted(found, key=lambda exchange: exchange.role_in_case != "attempt")


def _attached(told: _Told, key: str, title: str, page: str) -> dict[str, str]:
    source = f"{uuid.uuid5(_NAMESPACE, f'{told.run.head}/{key}')}-attachment.html"
    _write_text(told.folder / source, page)
    return {"name": title, "source": source, "type": "text/html"}


def _clauses(run: Run) -> dict[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for clause in run.clauses:
        for of in clause.properties:
            found[of].setdefault(clause.id)
    return {of: tuple(clauses) for of, clauses in found.items()}


def _clause_labels(told: _Told, suite: str, properties: Iterable[str]) -> list[dict[str, str]]:
    found = {
        clause: None for story in properties for clause in told.clauses.get((suite, story), ())
    }
    return [_label("clause", clause) for clause in found]


def _waiver(told: _Told, case: Case, verdict: Verdict) -> Waiver | None:
    return told.gate.waiver_of(case, verdict) if told.gate is not None else None


def _distinct(waivers: Iterable[Waiver | None]) -> list[Waiver]:
    return list({waiver.id: waiver for waiver in waivers if waiver is not None}.values())


def _with_risk(message: str, waiver: Waiver | None) -> str:
    """The message, and after it the acceptance that stands beside it."""
    return message if waiver is None else f"{message} [{_risk(waiver)}]"


def _risk(waiver: Waiver) -> str:
    return one_line(
        f"waived until {waiver.expires}: {waiver.ticket}, owner {waiver.owner}, accepted by"
        f" {waiver.approver}",
        300,
    )


def _waiver_labels(waivers: Iterable[Waiver], *, whole: bool) -> Iterator[dict[str, str]]:
    """Who answers for what was accepted, where and until when; `whole` if that is all there is."""
    found = list(waivers)
    if found and whole:
        yield _label("tag", "waived")
    for name, values in (
        ("owner", (waiver.owner for waiver in found)),
        ("ticket", (waiver.ticket for waiver in found)),
        ("waived until", (str(waiver.expires) for waiver in found)),
    ):
        yield from (_label(name, value) for value in dict.fromkeys(values))


def _write_frame(
    run: Run,
    decision: Decision,
    gate: Gate | None,
    pages: Mapping[str, str],
    folder: Path,
    started: int,
) -> None:
    """What belongs to the report as a whole; what the gate did not let pass is an error of it."""
    attachments = []
    for title, page in pages.items():
        source = f"{uuid.uuid5(_NAMESPACE, run.head + title)}-attachment.html"
        _write_text(folder / source, page)
        attachments.append(
            {"name": title, "source": source, "type": "text/html", "timestamp": started}
        )
    _write_json(
        folder / f"{uuid.uuid5(_NAMESPACE, run.head + 'globals')}-globals.json",
        {
            "attachments": attachments,
            "errors": [
                {"message": f"Gate: {one_line(reason, 600)}", "timestamp": started}
                for reason in (gate.reasons if gate is not None and gate.exit_code else ())
            ],
        },
    )
    _write_json(folder / "categories.json", categories())
    header = run.header
    environment = {
        "Verdict": decision.verdict,
        **_gate_words(gate),
        "Target": f"{header.target.name} {header.target.version or ''}".strip(),
        "Address": header.target.base_url,
        "Target.digest": header.target.digest or "none",
        "Profile": header.profile,
        "Seed": str(header.seed),
        "Planned": str(decision.planned),
        "Executed": str(decision.executed),
        "Evidence.head": run.head,
        "Wardproof": header.wardproof,
        **{f"Platform.{name}": value for name, value in sorted(header.platform.items())},
    }
    _write_text(
        folder / "environment.properties",
        "".join(f"{_key(name)} = {_value(value)}\n" for name, value in environment.items()),
    )


def _gate_words(gate: Gate | None) -> dict[str, str]:
    if gate is None:
        return {}
    risks = {
        f"Accepted_risk.{one.id}": f"{_risk(one)}; {one.subject}" for one in gate.waivers[:_RISKS]
    }
    return {
        "Gate": f"{gate.says} (level {gate.level.name}, as of {gate.today})",
        **({"Accepted_risks": str(len(gate.waivers))} if risks else {}),
        **risks,
    }


def _group_key(case: Case) -> tuple[str, str, str]:
    if case.resource and case.operation:
        return case.suite, case.resource, f"{case.resource}.{case.operation}"
    return case.suite, "", case.property


def _details(
    worst: State, judged: list[tuple[Case, Verdict]], states: list[State]
) -> dict[str, str]:
    if worst in ("granted", "denied"):
        return {}
    number = states.count(worst)
    reason = judged[states.index(worst)][1].reason
    return {
        "message": f"{_CATEGORIES[worst]}: {number} of {counted(len(states), 'case')}."
        f" {one_line(reason, 500)}"
    }


def _state_of_finding(verdict: Verdict) -> State:
    state = state_of(Case(id=verdict.case, suite="", property="", sentence=""), verdict)
    return state if _STATUSES[state] == "failed" else "failure"


def _labels(run: Run, suite: str, sub_suite: str) -> list[dict[str, str]]:
    target = run.header.target.name
    labels = [
        _label("epic", target),
        _label("feature", suite),
        _label("parentSuite", target),
        _label("suite", suite),
        _label("framework", "wardproof"),
        _label("layer", "api"),
    ]
    return [*labels, _label("subSuite", sub_suite)] if sub_suite else labels


@lru_cache(maxsize=10_000)
def _label(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": one_line(value, 120)}


def _identity(run: Run, key: str) -> dict[str, str]:
    history = hashlib.sha256(f"{run.header.target.name}/{key}".encode()).hexdigest()[:32]
    return {
        "uuid": str(uuid.uuid5(_NAMESPACE, f"{run.head}/{key}")),
        "historyId": history,
        "testCaseId": history,
    }


def _written(folder: Path, result: dict[str, Any]) -> Entry:
    _write_json(folder / f"{result['uuid']}-result.json", result)
    return Entry(
        uuid=result["uuid"],
        test_case=result["testCaseId"],
        name=result["name"],
        full_name=result["fullName"],
        status=result["status"],
        start=result["start"],
        stop=result["stop"],
    )


def _write_json(path: Path, value: object) -> None:
    _write_text(path, json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def _write_text(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


def _epoch_milliseconds(time: str) -> int:
    try:
        return int(datetime.fromisoformat(time).timestamp() * 1000)
    except ValueError:
        return 0


def _key(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)


def _value(text: str) -> str:
    return one_line(text, 300).replace("\\", "\\\\")
