"""The outcome of a run on a terminal, readable at 80 columns and without colour.

Text from the target is never read as markup: it only goes into `Text`, not into strings that
rich would parse.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reports.clauses import Tally, tallies
from reports.defects import (
    RELATION_WORDS,
    SEVERITY_WORDS,
    URGENCY_WORDS,
    Defect,
    counted,
    gaps,
    roll_up,
)
from reports.front import accepted_of, unaccepted
from reports.gate import Gate
from reports.ledger import LeftOver, Outcome, Run
from reports.printable import one_line
from reports.verdict import Counts, Decision

_STYLES = {"conformant": "bold green", "not conformant": "bold red", "inconclusive": "bold yellow"}
_SHOWN_DEFECTS = 12
_SHOWN_GAPS = 4
_SHOWN_LEFT_OVERS = 5


def show(
    run: Run,
    decision: Decision,
    report: Path | None,
    console: Console,
    *,
    gate: Gate | None = None,
    limit: int = 5,
) -> None:
    """Prints the outcome of a run.

    At most `limit` findings are told in words, one of each defect; `report` is named in the last
    line. Commands are not wrapped, so that they can be copied in one piece. With `gate`, what is
    waived is marked; it is listed all the same.
    """
    console.print(outcome(run, decision, report, gate=gate, limit=limit), crop=False)


def outcome(
    run: Run,
    decision: Decision,
    report: Path | None,
    *,
    gate: Gate | None = None,
    limit: int = 5,
) -> Group:
    """Everything that `show` prints."""
    defects = roll_up(run)
    parts: list[RenderableType] = [_heading(run), Text(), suites_table(decision)]
    if defects:
        parts += [Text(), defects_table(defects, gate), *_findings(run, defects, gate, limit)]
    parts += _clauses(tallies(run), report)
    parts += _gaps(run)
    parts += _left_overs(run.left_overs)
    parts += [Text(), *verdict_lines(decision, report, gate)]
    return Group(*parts)


def suites_table(decision: Decision) -> Table:
    """One row per suite with its cases by outcome, and their sums."""
    table = _table("Suites")
    table.add_column("suite", overflow="fold")
    for name in ("passed", "failed", "inconclusive", "not claimed", "not tested"):
        table.add_column(name, justify="right", min_width=6)
    for suite, counts in decision.suites.items():
        table.add_row(Text(one_line(suite, 40)), *_cells(counts))
    if len(decision.suites) != 1:
        table.add_section()
        table.add_row(Text("all", style="bold"), *_cells(decision.counts))
    return table


def defects_table(defects: tuple[Defect, ...], gate: Gate | None = None) -> Table:
    """One row per thing to mend: how grave, what, who reaches it, in how many cases."""
    waived = len(defects) - len(unaccepted(defects, gate))
    beside = f", {waived:,} waived" if waived else ""
    table = _table(f"To mend: {counted(len(defects), 'defect')}{beside}")
    table.expand = True
    table.leading = 1
    table.add_column("severity", width=13, overflow="fold")
    table.add_column("what", ratio=3, overflow="fold")
    table.add_column("reached by", ratio=2, overflow="fold")
    table.add_column("cases", justify="right", width=6)
    for defect in defects[:_SHOWN_DEFECTS]:
        severity = Text(SEVERITY_WORDS[defect.severity], style="bold")
        severity.append(f"\n{URGENCY_WORDS[defect.urgency]}", style="not bold dim")
        beside = _waived(defect, gate)
        if beside:
            severity.append(f"\n{beside}", style="not bold")
        what = Text(one_line(defect.example.title, 120))
        what.append(f"\n{one_line(defect.key, 80)}", style="dim")
        table.add_row(severity, what, _reach(defect), f"{defect.cases:,}")
    if len(defects) > _SHOWN_DEFECTS:
        table.add_row("", f"… and {len(defects) - _SHOWN_DEFECTS} more, see the report", "", "")
    return table


def clauses_table(found: tuple[Tally, ...]) -> Table:
    """One row per framework with its clauses by how far this run gives evidence for them."""
    table = _table("Clauses, by the evidence of this run")
    table.add_column("framework", overflow="fold")
    for name in ("covered", "partly", "untouched", "against"):
        table.add_column(name, justify="right", min_width=7)
    for tally in found:
        table.add_row(
            Text(one_line(tally.framework.name, 40)),
            _cell(tally.covered),
            _cell(tally.partly),
            _cell(tally.untouched),
            _cell(tally.against, "bold red"),
        )
    return table


def verdict_lines(
    decision: Decision, report: Path | None, gate: Gate | None = None
) -> Iterator[Text]:
    """The reasons, then the verdict with the path of the report.

    The exit code is told with it unless it is for `gate` to tell.
    """
    for reason in decision.reasons:
        yield Text(f"- {reason}")
    line = Text()
    line.append(decision.verdict.upper(), style=_STYLES[decision.verdict])
    code = f"exit code {decision.exit_code}" if gate is None else "by itself"
    line.append(f" ({code}; {decision.executed:,} of {decision.planned:,} planned cases executed)")
    yield line
    if report is not None:
        yield Text(f"Report: {report}", no_wrap=True, overflow="ignore")


def _heading(run: Run) -> Text:
    target = run.header.target
    version = f" {target.version}" if target.version else ""
    heading = Text("Wardproof", style="bold")
    heading.append(f" {one_line(run.header.wardproof, 20)}", style="not bold")
    heading.append(
        f" · {one_line(target.name + version, 60)} · {one_line(target.base_url, 60)}"
        f" · profile {one_line(run.header.profile, 20)} · seed {run.header.seed}",
        style="not bold",
    )
    return heading


def _findings(
    run: Run, defects: tuple[Defect, ...], gate: Gate | None, limit: int
) -> Iterator[RenderableType]:
    for defect in defects[:limit]:
        finding = defect.example
        title = Text("\n")
        title.append(f"{one_line(finding.id, 20)} ", style="bold")
        title.append(one_line(finding.title, 200), style="bold")
        yield title
        yield _indented(one_line(finding.message, 600))
        if finding.affected:
            yield _indented(f"Affected: {one_line(finding.affected, 140)}")
        for waiver in accepted_of(defect, gate)[:1]:
            yield _indented(
                f"{_waived(defect, gate).capitalize()}: {one_line(waiver.ticket, 60)}, owner "
                f"{one_line(waiver.owner, 60)}"
            )
        if finding.reproduction:
            yield Text(f"  {one_line(finding.reproduction)}", no_wrap=True, overflow="ignore")
    more = len(run.findings) - min(limit, len(defects))
    if more > 0:
        yield Text(f"\n… and {counted(more, 'more finding')}, see the report")


def _waived(defect: Defect, gate: Gate | None) -> str:
    """How much of a defect is waived and, where all of it is, until when; "" if nothing is."""
    waivers = accepted_of(defect, gate)
    if not waivers or gate is None:
        return ""
    if not unaccepted((defect,), gate):
        return f"waived until {waivers[0].expires}"
    accepted = gate.accepted
    number = sum(one.id in accepted or one.case in accepted for one in defect.findings)
    return f"{number:,} of {len(defect.findings):,} waived"


def _indented(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, 2))


def _clauses(found: tuple[Tally, ...], report: Path | None) -> Iterator[RenderableType]:
    if not found:
        return
    yield Text()
    yield clauses_table(found)
    if any(tally.against for tally in found):
        yield Text("against: cases of so many of these clauses failed", style="dim")
    if report is not None:
        where = f"Each clause, its state and why: {report}#clauses"
        yield Text(where, no_wrap=True, overflow="ignore")


def _gaps(run: Run) -> Iterator[Text]:
    headings: dict[Outcome, str] = {
        "inconclusive": "Inconclusive",
        "not_tested": "Not tested",
        "not_claimed": "Not claimed",
    }
    for outcome_, heading in headings.items():
        found = gaps(run, outcome_)
        if not found:
            continue
        yield Text(f"\n{heading}", style="bold")
        for gap in found[:_SHOWN_GAPS]:
            yield Text(
                f"- {one_line(gap.suite, 40)}, {counted(len(gap.cases), 'case')}:"
                f" {one_line(gap.reason, 240)}"
            )
        if len(found) > _SHOWN_GAPS:
            yield Text(f"… and {counted(len(found) - _SHOWN_GAPS, 'more reason')}, see the report")


def _left_overs(left_overs: tuple[LeftOver, ...]) -> Iterator[Text]:
    if not left_overs:
        return
    yield Text(f"\nLeft over in the target: {len(left_overs):,}", style="bold")
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for left in left_overs:
        groups[left.tenant or "no tenant", left.resource, left.reason].append(left.id)
    for (tenant, resource, reason), ids in list(groups.items())[:_SHOWN_LEFT_OVERS]:
        which = one_line(ids[0], 60) if len(ids) == 1 else f"× {len(ids):,}"
        yield Text(
            f"- {one_line(tenant, 40)}: {one_line(resource, 40)} {which}: {one_line(reason, 160)}"
        )
    if len(groups) > _SHOWN_LEFT_OVERS:
        yield Text("… and more, see the report")


def _reach(defect: Defect) -> Text:
    roles = ", ".join(one_line(role, 30) for role in defect.roles) or "everyone"
    reach = Text(one_line(roles, 90))
    if defect.relations:
        on = ", ".join(RELATION_WORDS.get(name, name) for name in defect.relations)
        reach.append(f"\non: {one_line(on, 90)}", style="dim")
    return reach


def _cells(counts: Counts) -> list[Text]:
    styles = ("", "bold red", "bold yellow", "", "yellow")
    values = (
        counts.passed,
        counts.failed,
        counts.inconclusive,
        counts.not_claimed,
        counts.not_tested,
    )
    return [_cell(value, style) for value, style in zip(values, styles, strict=True)]


def _cell(value: int, style: str = "") -> Text:
    return Text(f"{value:,}", style=style) if value else Text("-", style="dim")


def _table(title: str) -> Table:
    return Table(
        title=Text(title, style="bold"),
        title_justify="left",
        title_style="",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        header_style="dim",
        pad_edge=False,
        expand=False,
    )
