"""The static report: one page on which to decide, without scripts and without a network."""

from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.clauses import tallies
from reports.defects import (
    RELATION_WORDS,
    SEVERITY_WORDS,
    URGENCY_WORDS,
    Defect,
    counted,
    gaps,
    roll_up,
)
from reports.evidence import shown
from reports.explorations import campaigns, coverage
from reports.glyphs import stylesheet, symbols
from reports.ledger import Exchange, Finding, Run
from reports.load_svg import STYLE as LOAD_STYLE
from reports.load_svg import load_svg, spark_svg
from reports.loads import duration, leaks_in_words, loads
from reports.matrix import FAILURES, STATE_WORDS, Matrix, described, in_order
from reports.printable import one_line
from reports.race_svg import STYLE as RACE_STYLE
from reports.race_svg import race_svg
from reports.timetables import calendars, in_words, races, tables
from reports.verdict import Counts, Decision

_TEMPLATES = Path(__file__).parent / "templates"

# A page that a browser can still open: what is left out here stands in summary.json.
_TOLD_PER_DEFECT = 3
_LISTED_PER_DEFECT = 100
_LISTED_CASES = 50

_VERDICT_SENTENCES = {
    "conformant": "Every planned case that the target claims was tried, and none failed.",
    "not conformant": "The target broke at least one promise about who may see and do what.",
    "inconclusive": "Nothing was shown to fail, but not enough was shown to call it conformant.",
}
_OUTCOME_WORDS = {
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


def report_html(run: Run, decision: Decision, matrix: Matrix, *, allure: str | None = None) -> str:
    """The report as HTML; `allure` is a relative link to the Allure report, if there is one."""
    defects = roll_up(run)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            header=run.header,
            decision=decision,
            sentence=_VERDICT_SENTENCES[decision.verdict],
            counts=_counts(decision.counts),
            defects=defects,
            anchors=_anchors(defects),
            open_gaps={
                "inconclusive": gaps(run, "inconclusive"),
                "not_tested": gaps(run, "not_tested"),
                "not_claimed": gaps(run, "not_claimed"),
            },
            frameworks=tallies(run),
            **_proofs(run),
            duration=_duration(run),
            matrix=matrix,
            style=_style(),
            symbols=symbols(),
            allure=allure,
            told_per_defect=_TOLD_PER_DEFECT,
            listed_per_defect=_LISTED_PER_DEFECT,
            listed_cases=_LISTED_CASES,
            exchanges_of=lambda finding: _exchanges(run, finding),
        )
    )


def matrix_html(run: Run, matrix: Matrix) -> str:
    """The access matrix alone, as a page to attach to other reports."""
    return (
        _environment()
        .get_template("matrix.html.j2")
        .render(
            header=run.header,
            matrix=matrix,
            style=_style(),
            symbols=symbols(),
        )
    )


def proofs_html(run: Run) -> str | None:
    """What verdicts show beside their sentences, as a page to attach; None if nothing."""
    found = _proofs(run)
    if not any(found.values()):
        return None
    page = _environment().get_template("proofs.html.j2")
    return page.render(header=run.header, style=_style(), **found)


def _proofs(run: Run) -> dict[str, tuple[object, ...]]:
    return {
        "races": races(run),
        "calendars": calendars(run),
        "tables": tables(run),
        "loads": loads(run),
        "campaigns": campaigns(run),
    }


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
        described=described,
        race_svg=race_svg,
        load_svg=load_svg,
        spark_svg=spark_svg,
        duration=duration,
        leaks_in_words=leaks_in_words,
        coverage=coverage,
        in_words=in_words,
        in_order=in_order,
    )
    environment.globals.update(
        severity_words=SEVERITY_WORDS,
        urgency_words=URGENCY_WORDS,
        relation_words=RELATION_WORDS,
        state_words=STATE_WORDS,
        count_words=_COUNT_WORDS,
        outcome_words=_OUTCOME_WORDS,
        failures=FAILURES,
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


def _anchors(defects: tuple[Defect, ...]) -> dict[str, str]:
    """Where on the page each finding is told; those too many to list are told with their defect."""
    listed = _TOLD_PER_DEFECT + _LISTED_PER_DEFECT
    return {
        finding.id: finding.id if place < listed else f"d{number}"
        for number, defect in enumerate(defects, start=1)
        for place, finding in enumerate(defect.findings)
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
