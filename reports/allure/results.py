"""Allure 2 results (`allure-results/`), written directly from the ledger.

One result per suite and operation, its cases as steps; one more per finding, with its exchanges
and its command attached. Ids follow from the ledger, so the same run gives the same files, and
`historyId` stays the same across runs.
"""

import hashlib
import json
import shutil
import uuid
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from reports.defects import RELATION_WORDS, counted, ranked
from reports.evidence import as_text
from reports.ledger import Case, Finding, Run, Severity, Verdict
from reports.matrix import STATE_WORDS, State, state_of
from reports.printable import one_line
from reports.verdict import Decision

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


def write_results(run: Run, decision: Decision, pages: Mapping[str, str], folder: Path) -> Path:
    """Writes the results into `folder`, replacing what was there, and returns it.

    `pages`, HTML by title, are attached to the report as a whole.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = _epoch_milliseconds(run.header.started)
    groups: dict[tuple[str, str, str], list[tuple[Case, Verdict]]] = defaultdict(list)
    for case, verdict in run.judged():
        groups[_group_key(case)].append((case, verdict))
    offset = 0
    for key, judged in groups.items():
        result = _operation_result(run, key, judged, started + offset)
        offset = result["stop"] - started
        _write_result(folder, result)
    stories = {case.id: case.property for case in run.cases}
    for finding in ranked(run.findings):
        story = stories.get(finding.case, finding.rule)
        _write_result(folder, _finding_result(run, finding, story, folder, started))
    _write_frame(run, decision, pages, folder, started)
    return folder


def _operation_result(
    run: Run, key: tuple[str, str, str], judged: list[tuple[Case, Verdict]], start: int
) -> dict[str, Any]:
    suite, resource, name = key
    states = [state_of(case, verdict) for case, verdict in judged]
    worst = min(states, key=_GRAVITY.index)
    steps: list[dict[str, Any]] = []
    at = start
    for (case, verdict), state in zip(judged, states, strict=True):
        stop = at + round(verdict.seconds * 1000)
        steps.append(_step(case, verdict, state, at, stop))
        at = stop
    properties = sorted({case.property for case, _ in judged})
    return {
        **_identity(run, f"{suite}/{name}"),
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
            *_labels(run, suite, resource),
            *(_label("story", story) for story in properties),
            _label("kind", worst),
        ],
    }


def _step(case: Case, verdict: Verdict, state: State, start: int, stop: int) -> dict[str, Any]:
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
    step: dict[str, Any] = {
        "name": f"{what}: {STATE_WORDS[state] if who else verdict.outcome.replace('_', ' ')}",
        "status": _STATUSES[state],
        "stage": "finished",
        "start": start,
        "stop": stop,
    }
    if verdict.outcome != "pass":
        step["statusDetails"] = {"message": one_line(verdict.reason, 500)}
    return step


def _finding_result(
    run: Run, finding: Finding, story: str, folder: Path, start: int
) -> dict[str, Any]:
    identity = _identity(run, f"finding/{finding.id}/{finding.case}")
    action = ".".join(part for part in (finding.resource, finding.operation) if part)
    verdict = run.verdicts[finding.case]
    state = _state_of_finding(verdict)
    texts = [("Command that repeats it", f"{finding.reproduction}\n")]
    texts += [
        (
            f"{exchange.role_in_case} as {exchange.persona or 'nobody'}",
            as_text(exchange, finding),
        )
        for name in finding.exchanges
        if (exchange := run.exchanges.get(name))
    ]
    attachments = []
    for number, (title, text) in enumerate(texts):
        source = f"{uuid.uuid5(_NAMESPACE, identity['uuid'] + str(number))}-attachment.txt"
        (folder / source).write_text(text, encoding="utf-8", newline="\n")
        attachments.append({"name": title, "source": source, "type": "text/plain"})
    tags = [finding.rule, finding.urgency, finding.owasp]
    return {
        **identity,
        "name": f"{finding.id} {one_line(finding.title, 160)} ({finding.persona or 'suite-wide'})",
        "fullName": f"findings.{finding.case}.{finding.rule}",
        "titlePath": [finding.suite, "findings"],
        "status": "failed",
        "statusDetails": {
            "message": f"{_CATEGORIES[state]}: {one_line(finding.message, 800)}",
            "trace": f"expected: {finding.expected}\nobserved: {finding.observed}",
        },
        "stage": "finished",
        "start": start,
        "stop": start + round(verdict.seconds * 1000),
        "steps": [],
        "attachments": attachments,
        "parameters": [
            {"name": name, "value": value}
            for name, value in (
                ("persona", finding.persona),
                ("operation", action),
                ("relation", finding.relation),
                ("defect", finding.defect),
                ("case", finding.case),
            )
            if value
        ],
        "labels": [
            *_labels(run, finding.suite, "findings"),
            _label("story", story),
            _label("severity", _SEVERITIES[finding.severity]),
            *(_label("tag", tag) for tag in tags if tag),
            *(_label("cwe", f"CWE-{number}") for number in finding.cwe),
            _label("kind", state),
        ],
    }


def _write_frame(
    run: Run, decision: Decision, pages: Mapping[str, str], folder: Path, started: int
) -> None:
    """What belongs to the report as a whole."""
    attachments = []
    for title, page in pages.items():
        source = f"{uuid.uuid5(_NAMESPACE, run.head + title)}-attachment.html"
        (folder / source).write_text(page, encoding="utf-8", newline="\n")
        attachments.append(
            {"name": title, "source": source, "type": "text/html", "timestamp": started}
        )
    _write_json(
        folder / f"{uuid.uuid5(_NAMESPACE, run.head + 'globals')}-globals.json",
        {
            "attachments": attachments,
            "errors": [],
        },
    )
    _write_json(folder / "categories.json", categories())
    _write_json(folder / "executor.json", {"name": "Wardproof", "type": "wardproof"})
    header = run.header
    environment = {
        "Verdict": decision.verdict,
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
    (folder / "environment.properties").write_text(
        "".join(f"{_key(name)} = {_value(value)}\n" for name, value in environment.items()),
        encoding="utf-8",
        newline="\n",
    )


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


def _label(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": one_line(value, 120)}


def _identity(run: Run, key: str) -> dict[str, str]:
    history = hashlib.sha256(f"{run.header.target.name}/{key}".encode()).hexdigest()[:32]
    return {
        "uuid": str(uuid.uuid5(_NAMESPACE, f"{run.head}/{key}")),
        "historyId": history,
        "testCaseId": history,
    }


def _write_result(folder: Path, result: dict[str, Any]) -> None:
    _write_json(folder / f"{result['uuid']}-result.json", result)


def _write_json(path: Path, value: object) -> None:
    path.write_text(
        json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
    )


def _epoch_milliseconds(time: str) -> int:
    try:
        return int(datetime.fromisoformat(time).timestamp() * 1000)
    except ValueError:
        return 0


def _key(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)


def _value(text: str) -> str:
    return one_line(text, 300).replace("\\", "\\\\")
