"""All reports of a run, written beside its ledger."""

from dataclasses import dataclass
from pathlib import Path

from reports.allure.results import write_results
from reports.allure.site import AllureUnavailable, Site, default_cache, discard, generate
from reports.html import matrix_html, proofs_html, report_html
from reports.junit import junit_text
from reports.ledger import Run, read
from reports.matrix import access_matrix
from reports.matrix_svg import matrix_svg
from reports.printable import one_line
from reports.sarif import sarif_text
from reports.summary import summary_text
from reports.verdict import Decision, decide


@dataclass(frozen=True, slots=True)
class Published:
    """What was written, and the run and decision that it was made from.

    `allure` is None if no Allure report was asked for, or if `allure_problem` says in one sentence
    why there is none; all else stands without it.
    """

    run: Run
    decision: Decision
    summary: Path
    sarif: Path
    junit: Path
    report: Path
    matrix: Path
    allure_results: Path
    allure: Site | None
    allure_problem: str | None


def publish(
    folder: Path,
    *,
    allure: bool = True,
    allure_cache: Path | None = None,
    allure_history: Path | None = None,
) -> Published:
    """Writes every report of the run in `folder` beside its ledger.

    `summary.json`, `findings.sarif`, `junit.xml`, `report/index.html`, `report/access-matrix.svg`
    and `allure-results/`: the same ledger gives the same bytes. With `allure` also
    `report/allure/`, `report/allure.html` and a link to it, made by a program that is installed
    below `allure_cache` when first needed; `allure_history` is a file that gathers the outcomes
    of runs for its trends. Raises LedgerError if the ledger cannot be read.
    """
    run = read(folder)
    decision = decide(run)
    matrix = access_matrix(run)
    report = folder / "report"
    discard(report)
    page = _written(report / "index.html", report_html(run, decision, matrix))
    picture = _written(report / "access-matrix.svg", matrix_svg(run, decision, matrix))
    summary = _written(folder / "summary.json", summary_text(run, decision))
    sarif = _written(folder / "findings.sarif", sarif_text(run, decision))
    junit = _written(folder / "junit.xml", junit_text(run, decision))
    pages = {"Access matrix": matrix_html(run, matrix)}
    proofs = proofs_html(run)
    if proofs is not None:
        pages["Races, days, thresholds, load"] = proofs
    results = write_results(run, decision, pages, folder / "allure-results")
    site, problem = None, None
    if allure:
        try:
            site = generate(
                results,
                report,
                title=one_line(f"{run.header.target.name}: {decision.verdict}", 100),
                cache=allure_cache or default_cache(),
                history=allure_history,
            )
            link = (site.single or site.folder / "index.html").relative_to(report).as_posix()
            _written(page, report_html(run, decision, matrix, allure=link))
        except AllureUnavailable as unavailable:
            problem = str(unavailable)
    return Published(
        run=run,
        decision=decision,
        summary=summary,
        sarif=sarif,
        junit=junit,
        report=page,
        matrix=picture,
        allure_results=results,
        allure=site,
        allure_problem=problem,
    )


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
