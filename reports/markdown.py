"""What a run came to as Markdown, for a pull request or a job's summary.

Plain sentences are written plainly. Whatever else a target, or a waiver, may have put into a text
stands in a code span: no link, mention, reference, image or HTML comes of it.
"""

import re
from collections.abc import Iterable, Iterator

from reports.defects import SEVERITY_WORDS, URGENCY_WORDS, Defect, counted, gaps, roll_up
from reports.gate import Gate, State
from reports.ledger import Outcome, Run
from reports.printable import one_line, printable
from reports.verdict import Decision

LIMIT = 60_000
"""Characters at most; a comment on GitHub takes 65,536."""

_SHOWN = 20
_SIGNS: dict[State, str] = {"kept": "✅ yes", "broken": "❌ no", "open": "❔ unknown"}
_HEADINGS: dict[Outcome, str] = {
    "inconclusive": "Could not be concluded",
    "not_tested": "Not tested",
    "not_claimed": "Not claimed, so not tested",
}
# What could end a cell of a table, and what stands for it.
_BARS = str.maketrans({"|": "│", "\\": "⧵"})
_TICKS = re.compile("`+")
# Words, numbers and the marks between them, of which no reader of Markdown makes anything else.
_PLAIN = re.compile(
    r"(?:[A-Z][A-Za-z]*|[0-9]+(?:,[0-9]{3})*(?= [a-z]))"
    r"(?:[,;:.]? \(?[A-Za-z0-9][A-Za-z0-9'-]*(?:,[0-9]{3})*\)?)*[.]?"
)
_TAKEN = re.compile(r"\bwww\b|\b(?=[a-f]*\d)[0-9a-f]{7,}\b|\b[A-Za-z]+-\d", re.IGNORECASE)


def markdown(run: Run, decision: Decision, gate: Gate | None = None) -> str:
    """The summary, at most `LIMIT` characters long; what is left out is said at its end."""
    blocks = [*_head(run, decision, gate), *_gate(gate)]
    blocks += [*_defects(run, gate), *_risks(gate), *_open(run)]
    blocks.append(
        "This shows what was tried on the day of the run, and no more. The whole evidence is in "
        "the run's folder: `report/index.html` to read, `evidence.jsonl` to check."
    )
    return _bounded(blocks)


def code(text: str, limit: int = 300) -> str:
    """A text of whatever origin on one line, so that nothing in it is read as Markdown."""
    flat = one_line(printable(text), limit).translate(_BARS)
    if not flat:
        return "–"
    longest = max((len(ticks) for ticks in _TICKS.findall(flat)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{flat}{space}{fence}"


def prose(text: str, limit: int = 300) -> str:
    """A sentence as it is if it is nothing but words, else as code."""
    flat = one_line(printable(text), limit)
    is_plain = _PLAIN.fullmatch(flat) is not None and _TAKEN.search(flat) is None
    return flat if is_plain else code(flat, limit)


def _head(run: Run, decision: Decision, gate: Gate | None) -> Iterator[str]:
    verdict = decision.verdict if gate is None else gate.verdict
    sign = {"conformant": "✅", "not conformant": "❌", "inconclusive": "❔"}[verdict]
    yield f"## {sign} Wardproof: {verdict if gate is None else gate.headline}"
    target = run.header.target
    of = " ".join(filter(None, (target.name, target.version)))
    yield (
        f"{code(of, 120)}, profile {code(run.header.profile, 40)}, seed `{run.header.seed}`: "
        f"{decision.executed:,} of {counted(decision.planned, 'planned case')} executed, "
        f"{decision.counts.passed:,} passed, {decision.counts.failed:,} failed, "
        f"{decision.counts.inconclusive:,} inconclusive, {decision.counts.not_tested:,} not "
        f"tested, {decision.counts.not_claimed:,} not claimed."
    )
    reasons = decision.reasons if gate is None else gate.reasons
    yield "\n".join(f"- {prose(reason, 400)}" for reason in reasons[:_SHOWN])


def _gate(gate: Gate | None) -> Iterator[str]:
    if gate is None:
        return
    yield f"### Gate {code(gate.level.name, 40)}, as of {gate.today}"
    rows = [(check.name, _SIGNS[check.state], prose(check.says, 600)) for check in gate.checks]
    yield _table(("asked", "kept", "what came of it"), rows)
    yield f"The run by itself is {gate.decision.verdict}; no waiver changes that."


def _defects(run: Run, gate: Gate | None) -> Iterator[str]:
    defects = roll_up(run)
    if not defects:
        return
    yield f"### To mend: {counted(len(defects), 'thing')}"
    yield _table(
        ("how grave", "what", "for instance", "who can", "cases"),
        [_defect(defect, gate) for defect in defects[:_SHOWN]],
    )
    if len(defects) > _SHOWN:
        yield f"… and {len(defects) - _SHOWN:,} more; the report has all of them."


def _defect(defect: Defect, gate: Gate | None) -> tuple[str, ...]:
    accepted = gate.accepted if gate is not None else {}
    waived = sum(finding.id in accepted for finding in defect.findings)
    beside = f"<br>waived: {waived:,} of {len(defect.findings):,}" if waived else ""
    severity = f"**{SEVERITY_WORDS[defect.severity]}**<br>{URGENCY_WORDS[defect.urgency]}"
    example = defect.example
    could = f"<br>{prose(example.could)}" if example.could else ""
    roles = ", ".join(code(role, 40) for role in defect.roles[:6]) or "–"
    return (
        severity + beside,
        f"{prose(example.title, 160)}{could}",
        f"{code(example.id, 20)}<br>{prose(example.message)}",
        roles + (" …" if len(defect.roles) > 6 else ""),
        f"{defect.cases:,}",
    )


def _risks(gate: Gate | None) -> Iterator[str]:
    if gate is None or not gate.waivers:
        return
    yield f"### Accepted risks: {len(gate.waivers)}"
    yield _table(
        ("until", "what", "owner", "approved by", "ticket", "why"),
        [
            (
                str(one.expires),
                code(one.subject, 160),
                code(one.owner, 60),
                code(one.approver, 60),
                code(one.ticket, 60),
                prose(one.reason),
            )
            for one in gate.waivers[:_SHOWN]
        ],
    )
    if len(gate.waivers) > _SHOWN:
        yield f"… and {len(gate.waivers) - _SHOWN:,} more; the report has all of them."


def _open(run: Run) -> Iterator[str]:
    for outcome, heading in _HEADINGS.items():
        found = gaps(run, outcome)
        if not found:
            continue
        yield f"### {heading}: {counted(sum(len(gap.cases) for gap in found), 'case')}"
        yield "\n".join(
            f"- {code(gap.suite, 40)}, {counted(len(gap.cases), 'case')}: {prose(gap.reason)}"
            for gap in found[:_SHOWN]
        )
        if len(found) > _SHOWN:
            yield f"… and {counted(len(found) - _SHOWN, 'more reason')}; the report has them."


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _bounded(blocks: list[str]) -> str:
    """The blocks, the last of which always stays, as long as there is room for them."""
    last, note = blocks.pop(), "… The rest did not fit here; the report has it."
    room = LIMIT - len(last) - len(note) - 6
    kept, length = [], 0
    for block in blocks:
        length += len(block) + 2
        if length > room:
            kept.append(note)
            break
        kept.append(block)
    return "\n\n".join([*kept, last]) + "\n"
