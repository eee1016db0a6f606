"""What the gate says, on a terminal: readable at 80 columns and without colour."""

from collections.abc import Iterator

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from reports.gate import Gate, State
from reports.ledger import Run
from reports.printable import one_line
from reports.waivers import Waiver

_WORDS: dict[State, tuple[str, str]] = {
    "kept": ("yes", "green"),
    "broken": ("NO", "bold red"),
    "open": ("unknown", "bold yellow"),
}
_STYLES = {"conformant": "bold green", "not conformant": "bold red", "inconclusive": "bold yellow"}
_SHOWN = 12


def show(run: Run, gate: Gate, console: Console) -> None:
    """Prints what was asked, what came of it, the accepted risks, and whether the run may pass."""
    console.print(table(run, gate), crop=False)


def table(run: Run, gate: Gate) -> Group:
    """Everything that `show` prints."""
    heading = Text("Gate", style="bold")
    heading.append(
        f" · {one_line(run.header.target.name, 60)} · as of {gate.today} · level "
        f"{gate.level.name}: {gate.level.says}",
        style="not bold",
    )
    asked = _table()
    asked.add_column("asked", ratio=2, overflow="fold")
    asked.add_column("kept?", width=7)
    asked.add_column("what came of it", ratio=4, overflow="fold")
    for check in gate.checks:
        word, style = _WORDS[check.state]
        asked.add_row(Text(check.name), Text(word, style=style), Text(one_line(check.says, 1500)))
    parts: list[RenderableType] = [heading, Text(), asked, *_risks(gate.waivers), Text()]
    raw = gate.decision.verdict
    parts.append(Text(f"- The run by itself is {raw}; no waiver changes that."))
    told = {f"{check.name}: {check.says}" for check in gate.checks}
    parts += [Text(f"- {one_line(one, 600)}") for one in gate.reasons if one not in told]
    line = Text("GATE: ")
    line.append(gate.says.upper(), style=_STYLES[gate.verdict])
    line.append(f" (exit code {gate.exit_code})")
    return Group(*parts, line)


def _risks(waivers: tuple[Waiver, ...]) -> Iterator[RenderableType]:
    if not waivers:
        return
    yield Text(f"\nAccepted risks: {len(waivers)}", style="bold")
    risks = _table()
    risks.add_column("until", width=10)
    for name, ratio in (("what", 4), ("owner, approver", 2), ("ticket", 2), ("why", 3)):
        risks.add_column(name, overflow="fold", ratio=ratio)
    for one in waivers[:_SHOWN]:
        risks.add_row(
            str(one.expires),
            Text(one_line(one.subject, 120)),
            Text(f"{one_line(one.owner, 60)}, {one_line(one.approver, 60)}"),
            Text(one_line(one.ticket, 60)),
            Text(one_line(one.reason, 200)),
        )
    yield risks
    if len(waivers) > _SHOWN:
        yield Text(f"… and {len(waivers) - _SHOWN} more, see the report")


def _table() -> Table:
    return Table(
        box=box.SIMPLE_HEAD, show_edge=False, header_style="dim", pad_edge=False, expand=True
    )
