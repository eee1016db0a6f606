"""All reports of a run, written beside its ledger."""

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from reports.allure.executor import kept
from reports.allure.history import HistoryError, gather, lines, point
from reports.allure.results import Results, write_results
from reports.allure.site import AllureUnavailable, Site, default_cache, generate
from reports.html import matrix_html, proofs_html, report_html
from reports.junit import junit_text
from reports.ledger import LEDGER_NAME, Run, read
from reports.matrix import Matrix, access_matrix
from reports.matrix_svg import matrix_svg
from reports.printable import one_line
from reports.sarif import sarif_text
from reports.summary import summary_text
from reports.verdict import Decision, decide

REPORT = "report/index.html"
RESULTS = "allure-results"
_FOLDERS = ("report", RESULTS)
# What a call that was killed left behind goes with the next one.
_UNDER_WAY = ".reports-in-the-making"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class ReportsError(Exception):
    """The reports could not be written; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was written, and the run and decision that it was made from.

    `allure` is None if no Allure report was asked for or could be made. `allure_problem` says in
    one sentence why there is none, or what it lacks; all else stands without it.
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
    executor: Mapping[str, str | int] | None = None,
) -> Published:
    """Writes every report of the run in `folder` beside its ledger.

    `summary.json`, `findings.sarif`, `junit.xml`, `report/index.html`, `report/access-matrix.svg`
    and `allure-results/`: the same ledger gives the same bytes. With `allure` also
    `report/allure/`, `report/allure.html` and a link to it, made by a program that is installed
    below `allure_cache` when first needed; `allure_history` is a file that gathers the outcomes
    of runs for its trends. `executor` is the build that made the run; without it, the one that
    earlier results in `folder` name stays.

    All is written elsewhere in the folder first and put in place at the end, so that a failure
    leaves the ledger and earlier reports as they were. Raises LedgerError if the ledger cannot be
    read, ReportsError if the reports cannot be written.
    """
    run = read(folder)
    decision = decide(run)
    matrix = access_matrix(run)
    site, problem = None, None
    with _explained(folder), _under_way(folder) as work:
        for name, text in _texts(run, decision, matrix).items():
            _write(work / name, text)
        pages = {"Access matrix": matrix_html(run, matrix)}
        proofs = proofs_html(run)
        if proofs is not None:
            pages["Races, days, thresholds, load"] = proofs
        results = write_results(
            run,
            decision,
            pages,
            work / RESULTS,
            executor=executor or kept(folder / RESULTS),
        )
        if allure:
            try:
                earlier = _earlier(run, results, allure_history)
            except HistoryError as error:
                earlier, problem = "", str(error)
            try:
                site = generate(
                    results.folder,
                    work / "report",
                    title=one_line(f"{run.header.target.name}: {decision.verdict}", 100),
                    cache=allure_cache or default_cache(),
                    history=earlier,
                )
            except AllureUnavailable as unavailable:
                problem = str(unavailable)
            else:
                link = (site.single or site.folder / "index.html").relative_to(work / "report")
                page = report_html(run, decision, matrix, allure=link.as_posix())
                _write(work / REPORT, page)
        _put_in_place(work, folder)
    return Published(
        run=run,
        decision=decision,
        summary=folder / "summary.json",
        sarif=folder / "findings.sarif",
        junit=folder / "junit.xml",
        report=folder / REPORT,
        matrix=folder / "report" / "access-matrix.svg",
        allure_results=folder / RESULTS,
        allure=_moved(site, work, folder) if site else None,
        allure_problem=problem,
    )


def rendered(run: Run) -> dict[str, str]:
    """The texts of all reports but Allure's, by their names in the run's folder."""
    return _texts(run, decide(run), access_matrix(run))


def _earlier(run: Run, results: Results, history: Path | None) -> str:
    """The runs before this one, as Allure reads them; this one is added to the file."""
    if history is None:
        return ""
    return lines(gather(history, point(run, results.outcomes, results.started)))


def _texts(run: Run, decision: Decision, matrix: Matrix) -> dict[str, str]:
    return {
        "summary.json": summary_text(run, decision),
        "findings.sarif": sarif_text(run, decision),
        "junit.xml": junit_text(run, decision),
        REPORT: report_html(run, decision, matrix),
        "report/access-matrix.svg": matrix_svg(run, decision, matrix),
    }


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            advice = "Free some space there, or copy the folder to where there is more"
        elif error.errno in _REFUSED:
            advice = "Make the folder writable, or copy it to where you may write"
        else:
            advice = "Mend that"
        raise ReportsError(
            f"{folder}: the reports could not be written ({error.strerror or error}). The evidence "
            f"in {LEDGER_NAME} is untouched, and reports that lay there before were left as they "
            f"were. {advice}, then say `wardproof report DIR`."
        ) from None


@contextmanager
def _under_way(folder: Path) -> Iterator[Path]:
    work = folder / _UNDER_WAY
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _put_in_place(work: Path, folder: Path) -> None:
    """Renames what was written; folders of an earlier call go with the working folder."""
    former = work / "former"
    former.mkdir()
    for name in _FOLDERS:
        if (folder / name).exists():
            (folder / name).rename(former / name)
        (work / name).rename(folder / name)
    for path in sorted(work.iterdir()):
        if path.is_file():
            path.replace(folder / path.name)


def _moved(site: Site, work: Path, folder: Path) -> Site:
    def place(path: Path) -> Path:
        return folder / path.relative_to(work)

    return replace(
        site, folder=place(site.folder), single=place(site.single) if site.single else None
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
