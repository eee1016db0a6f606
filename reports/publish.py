"""All reports of a run, written beside its ledger."""

from dataclasses import dataclass
from pathlib import Path

from reports.html import report_html
from reports.junit import junit_text
from reports.ledger import Run, read
from reports.matrix import access_matrix
from reports.matrix_svg import matrix_svg
from reports.sarif import sarif_text
from reports.summary import summary_text
from reports.verdict import Decision, decide


@dataclass(frozen=True, slots=True)
class Published:
    """What was written, and the run and decision that it was made from."""

    run: Run
    decision: Decision
    summary: Path
    sarif: Path
    junit: Path
    report: Path
    matrix: Path


def publish(folder: Path, *, allure: bool = True) -> Published:
    """Writes every report of the run in `folder` beside its ledger.

    The same ledger gives the same bytes. Raises LedgerError if the ledger cannot be read.
    """
    run = read(folder)
    decision = decide(run)
    matrix = access_matrix(run)
    return Published(
        run=run,
        decision=decision,
        summary=_written(folder / "summary.json", summary_text(run, decision)),
        sarif=_written(folder / "findings.sarif", sarif_text(run, decision)),
        junit=_written(folder / "junit.xml", junit_text(run, decision)),
        report=_written(folder / "report" / "index.html", report_html(run, decision, matrix)),
        matrix=_written(
            folder / "report" / "access-matrix.svg", matrix_svg(run, decision, matrix)
        ),
    )


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
