"""The static report: one page on which to decide, without scripts and without a network."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.clauses import Coverage, tallies
from reports.comparison import Sign, pairs
from reports.defects import (
    RELATION_WORDS,
    SEVERITY_WORDS,
    URGENCY_WORDS,
    Defect,
    Gap,
    counted,
    gaps,
    roll_up,
)
from reports.evidence import shown
from reports.explorations import campaigns, coverage
from reports.front import (
    RISK_WORDS,
    accepted_of,
    left_open,
    notices,
    reasons,
    risks,
    scope,
    sentence,
    unaccepted,
)
from reports.gate import Gate
from reports.glyphs import stylesheet, symbols
from reports.ledger import Clause, Exchange, Finding, Outcome, Run
from reports.load_svg import STYLE as LOAD_STYLE
from reports.load_svg import load_svg, spark_svg
from reports.loads import duration, leaks_in_words, loads
from reports.matrix import (
    ACCEPTABLE,
    FAILURES,
    STATE_WORDS,
    Matrix,
    described,
    free_slots,
    in_order,
    rows_to_show,
)
from reports.printable import one_line
from reports.properties import Property, by_suite, properties
from reports.race_svg import STYLE as RACE_STYLE
from reports.race_svg import race_svg
from reports.timetables import calendars, in_words, races, tables
from reports.verdict import Counts, Decision

_TEMPLATES = Path(__file__).parent / "templates"

# A page that a browser opens at once, whatever the run: so much is told in full, so much in a row
# of a table, and of the rest the page says how much it is and which file has it.
_BOUNDS = {
    "front_defects": 5,
    "front_open": 4,
    "listed_reasons": 8,
    "listed_risks": 200,
    "told_defects": 40,
    "listed_defects": 200,
    "told_per_defect": 3,
    "listed_per_defect": 50,
    "told_exchanges": 6,
    "listed_gaps": 60,
    "listed_cases": 20,
    "most_cells": 6_000,
}
_TOLD_TESTS = 300
_CASES_PER_TEST = 5
_TOLD_PROOFS = 40

_OUTCOME_WORDS: dict[Outcome, str] = {
    "pass": "held",
    "fail": "violated",
    "inconclusive": "inconclusive",
    "not_tested": "not tested",
    "not_claimed": "not claimed",
}
_COUNT_WORDS = {
    "passed": "passed",
    "failed": "failed",
    "inconclusive": "inconclusive",
    "not_tested": "not tested",
    "not_claimed": "not claimed",
}
_SIGNS: dict[Sign, str] = {"same": " ", "left": "−", "right": "+", "skipped": "⋮"}
_NO_ANCHOR = re.compile(r"[^A-Za-z0-9._-]+")


def report_html(
    run: Run,
    decision: Decision,
    matrix: Matrix,
    gate: Gate | None = None,
    *,
    allure: str | None = None,
) -> str:
    """The report as HTML.

    With `gate` the page tells what the gate says and which risks are accepted, beside the verdict
    of the run itself. `allure` is a relative link to the Allure report, if there is one. The size
    of the page is bounded: see _BOUNDS.
    """
    defects = roll_up(run)
    open_gaps: dict[Outcome, tuple[Gap, ...]] = {
        "inconclusive": gaps(run, "inconclusive"),
        "not_tested": gaps(run, "not_tested"),
        "not_claimed": gaps(run, "not_claimed"),
    }
    page = _environment().get_template("report.html.j2")
    return page.render(
        run=run,
        header=run.header,
        decision=decision,
        gate=gate,
        sentence=sentence(decision, gate),
        reasons=reasons(decision, gate),
        notices=notices(run),
        scope=scope(run, decision, matrix),
        counts=_counts(decision.counts),
        defects=defects,
        failed_defects=unaccepted(defects, gate),
        accepted_of=lambda defect: accepted_of(defect, gate),
        risks=(all_risks := risks(run, gate)),
        risk_anchors=_anchors("risk", (risk.waiver.id for risk in all_risks)),
        risk_words=RISK_WORDS,
        anchors=_finding_anchors(defects),
        defect_anchors=_anchors("mend", (defect.key for defect in defects)),
        open_gaps=open_gaps,
        front_gaps=left_open((*open_gaps["inconclusive"], *open_gaps["not_tested"]), run, gate),
        frameworks=tallies(run),
        **_linked(run, _finding_anchors(defects)),
        **_proofs(run),
        duration=_duration(run),
        matrix=matrix,
        style=_style(),
        symbols=symbols(),
        allure=allure,
        signs=_SIGNS,
        exchanges_of=lambda finding: _exchanges(run, finding),
        **_BOUNDS,
    )


def _linked(run: Run, finding_anchors: Mapping[str, str]) -> dict[str, Any]:
    """What leads from clauses to tests to cases to findings, and back."""
    found = properties(run, _CASES_PER_TEST)
    told = sorted(found, key=lambda one: one.is_calm)[:_TOLD_TESTS]
    kept = dict.fromkeys((one.suite, one.name) for one in told)
    suites = by_suite(tuple(one for one in found if (one.suite, one.name) in kept))
    clauses = {(one.suite, one.name): one.clauses for one in found}
    names = _anchors("test", (f"{suite}.{name}" for suite, name in kept))
    test_of = {case.id: (case.suite, case.property) for case in run.cases}

    def clauses_of(finding: Finding) -> tuple[Clause, ...]:
        return clauses.get(test_of.get(finding.case, ("", "")), ())

    return {
        "suites": suites,
        "suite_anchors": _anchors("suite", suites),
        "test_anchors": {(suite, name): names[f"{suite}.{name}"] for suite, name in kept},
        "test_of": test_of,
        "untold_tests": len(found) - len(told),
        "clause_anchors": _anchors("clause", (clause.id for clause in run.clauses)),
        "framework_names": {one.id: one.name for one in run.frameworks},
        "clauses_of": clauses_of,
        "findings_of": _findings_of(found, finding_anchors),
    }


def _findings_of(
    found: Iterable[Property], anchors: Mapping[str, str]
) -> Callable[[Coverage], list[Finding]]:
    by_test: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for one in found:
        by_test[one.suite, one.name] += [
            finding
            for judged in one.failed
            for finding in judged.verdict.findings
            if finding.id in anchors
        ]

    def findings_of(clause: Coverage) -> list[Finding]:
        """A few findings that speak against a clause, of each test one before a second."""
        rows = [by_test[citing.suite, citing.property] for citing in clause.citing]
        turns = [row[place] for place in range(3) for row in rows if place < len(row)]
        return list({finding.id: finding for finding in turns}.values())[:3]

    return findings_of


def _anchors(kind: str, names: Iterable[str]) -> dict[str, str]:
    """An id on the page for each name: readable, valid in a link, and no two the same."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        if name in found:
            continue
        short = f"{kind}-{_NO_ANCHOR.sub('-', name).strip('-')[:80]}"
        anchor, number = short, 1
        while anchor in taken:
            number += 1
            anchor = f"{short}-{number}"
        taken.add(anchor)
        found[name] = anchor
    return found


def matrix_html(run: Run, matrix: Matrix) -> str:
    """The access matrix alone, as a page to attach to other reports."""
    return (
        _environment()
        .get_template("matrix.html.j2")
        .render(
            header=run.header,
            matrix=matrix,
            most_cells=_BOUNDS["most_cells"],
            style=_style(),
            symbols=symbols(),
        )
    )


def proofs_html(run: Run) -> str | None:
    """What verdicts show beside their sentences, as a page to attach; None if nothing."""
    found = _proofs(run)
    if not any(found[name] for name in found["untold"]):
        return None
    page = _environment().get_template("proofs.html.j2")
    return page.render(header=run.header, style=_style(), **found)


def _proofs(run: Run) -> dict[str, Any]:
    """What is drawn beside verdicts, and how many of each kind are not."""
    found: dict[str, tuple[object, ...]] = {
        "races": races(run),
        "calendars": calendars(run),
        "tables": tables(run),
        "loads": loads(run),
        "campaigns": campaigns(run),
    }
    told = {name: some[:_TOLD_PROOFS] for name, some in found.items()}
    return {**told, "untold": {name: len(found[name]) - len(told[name]) for name in found}}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        one_line=one_line,
        shown=shown,
        counted=counted,
        told=_told,
        pairs=pairs,
        lowered=_lowered,
        ended=_ended,
        described=described,
        race_svg=race_svg,
        load_svg=load_svg,
        spark_svg=spark_svg,
        duration=duration,
        leaks_in_words=leaks_in_words,
        coverage=coverage,
        in_words=in_words,
        in_order=in_order,
        rows_to_show=rows_to_show,
        free_slots=free_slots,
    )
    environment.globals.update(
        severity_words=SEVERITY_WORDS,
        urgency_words=URGENCY_WORDS,
        relation_words=RELATION_WORDS,
        state_words=STATE_WORDS,
        count_words=_COUNT_WORDS,
        outcome_words=_OUTCOME_WORDS,
        failures=FAILURES,
        acceptable=ACCEPTABLE,
    )
    return environment


def _style() -> str:
    return (
        (_TEMPLATES / "report.css").read_text(encoding="utf-8")
        + stylesheet()
        + RACE_STYLE
        + LOAD_STYLE
    )


def _counts(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in _COUNT_WORDS}


def _told(counts: Counts) -> str:
    """The counts that are not zero, in words."""
    return ", ".join(f"{n:,} {_COUNT_WORDS[name]}" for name, n in _counts(counts).items() if n)


def _ended(words: str) -> str:
    """The words as a sentence: a capital first, a full stop last if they end without a sign."""
    told = words[:1].upper() + words[1:]
    return told if not told or told[-1] in ".!?…" else f"{told}."


def _lowered(words: str) -> str:
    return words[:1].lower() + words[1:]


def _finding_anchors(defects: tuple[Defect, ...]) -> dict[str, str]:
    """Where on the page each finding is told; those too many to list are told with their defect."""
    told = defects[: _BOUNDS["told_defects"]]
    listed = _BOUNDS["told_per_defect"] + _BOUNDS["listed_per_defect"]
    names = [finding.id for defect in told for finding in defect.findings[:listed]]
    anchors = {name: _NO_ANCHOR.sub("-", name) for name in names}
    for number, defect in enumerate(told, start=1):
        anchors |= {finding.id: f"d{number}" for finding in defect.findings[listed:]}
    rows = defects[len(told) : len(told) + _BOUNDS["listed_defects"]]
    places = _anchors("mend", (defect.key for defect in defects))
    return anchors | {
        finding.id: places[defect.key] for defect in rows for finding in defect.findings
    }


def _exchanges(run: Run, finding: Finding) -> list[Exchange]:
    """The exchanges of a finding, the attempt first."""
    found = [run.exchanges[name] for name in finding.exchanges if name in run.exchanges]
    return sorted(found, key=lambda exchange: exchange.role_in_case != "attempt")


def _duration(run: Run) -> str:
    """How long the run took, or "" if its times cannot be read."""
    if run.end is None:
        return ""
    try:
        began, ended = (
            datetime.fromisoformat(time) for time in (run.header.started, run.end.finished)
        )
        seconds = int((ended - began).total_seconds())
    except (ValueError, TypeError):
        return ""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
