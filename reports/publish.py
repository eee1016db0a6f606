"""All reports of a run, written beside its ledger."""

import errno
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from reports.allure.executor import kept
from reports.allure.history import HistoryError, gather, lines, point
from reports.allure.results import Results, write_results
from reports.allure.site import AllureUnavailable, Site, default_cache, generate
from reports.gate import Gate, Level, judge, level_for
from reports.html import matrix_html, proofs_html, report_html
from reports.junit import junit_text
from reports.ledger import LEDGER_NAME, Run, read
from reports.markdown import markdown
from reports.matrix import Matrix, access_matrix
from reports.matrix_svg import matrix_svg
from reports.printable import one_line
from reports.sarif import sarif_text
from reports.summary import summary_text
from reports.verdict import Decision, decide
from reports.waivers import Waiver, of_plain, plain

REPORT = "report/index.html"
RESULTS = "allure-results"
WAIVERS = "waivers.json"
_FOLDERS = ("report", RESULTS)
# What a call that was killed left behind goes with the next one.
_UNDER_WAY = ".reports-in-the-making"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class ReportsError(Exception):
    """The reports could not be written; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was written, and the run, its decision and the gate that it was made from.

    `allure` is None if no Allure report was asked for or could be made. `allure_problem` says in
    one sentence why there is none, or what it lacks; all else stands without it.
    """

    run: Run
    decision: Decision
    gate: Gate
    summary: Path
    sarif: Path
    junit: Path
    markdown: Path
    report: Path
    matrix: Path
    allure_results: Path
    allure: Site | None
    allure_problem: str | None


def publish(
    folder: Path,
    *,
    waivers: Sequence[Waiver] | None = None,
    level: Level | None = None,
    today: date | None = None,
    allure: bool = True,
    allure_cache: Path | None = None,
    allure_history: Path | None = None,
    executor: Mapping[str, str | int] | None = None,
) -> Published:
    """Writes every report of the run in `folder` beside its ledger.

    `summary.json`, `summary.md`, `findings.sarif`, `junit.xml`, `report/index.html`,
    `report/access-matrix.svg` and `allure-results/`: the same ledger gives the same bytes, with
    the same waivers on the same day. `waivers` are kept in `waivers.json`, and taken from there
    if none are handed over; `level` is by default the one for the profile of the run, `today` the
    day on which the run ended.

    With `allure` also `report/allure/`, `report/allure.html` and a link to it, made by a program
    that is installed below `allure_cache` when first needed; `allure_history` is a file that
    gathers the outcomes of runs for its trends. `executor` is the build that made the run;
    without it, the one that earlier results in `folder` name stays.

    All is written elsewhere in the folder first and put in place at the end, so that a failure
    leaves the ledger and earlier reports as they were. Raises LedgerError if the ledger cannot be
    read, ReportsError if the waivers cannot or the reports cannot be written.
    """
    run = read(folder)
    if waivers is None:
        waivers = kept_waivers(folder)
    gate = judge(run, waivers, level or level_for(run.header.profile), today or _last_day(run))
    decision = gate.decision
    matrix = access_matrix(run, gate.accepted)
    site, problem = None, None
    with _explained(folder), _under_way(folder) as work:
        for name, text in _texts(run, decision, matrix, gate).items():
            _write(work / name, text)
        if waivers:
            _write(work / WAIVERS, json.dumps(plain(waivers), indent=1, ensure_ascii=False) + "\n")
        pages = {"Access matrix": matrix_html(run, matrix)}
        proofs = proofs_html(run)
        if proofs is not None:
            pages["Races, days, thresholds, load"] = proofs
        results = write_results(
            run,
            decision,
            pages,
            work / RESULTS,
            gate=gate,
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
                    title=_title(run, gate),
                    cache=allure_cache or default_cache(),
                    history=earlier,
                )
            except AllureUnavailable as unavailable:
                problem = str(unavailable)
            else:
                link = (site.single or site.folder / "index.html").relative_to(work / "report")
                page = report_html(run, decision, matrix, gate, allure=link.as_posix())
                _write(work / REPORT, page)
        _put_in_place(work, folder)
        if not waivers:
            (folder / WAIVERS).unlink(missing_ok=True)
    return Published(
        run=run,
        decision=decision,
        gate=gate,
        summary=folder / "summary.json",
        sarif=folder / "findings.sarif",
        junit=folder / "junit.xml",
        markdown=folder / "summary.md",
        report=folder / REPORT,
        matrix=folder / "report" / "access-matrix.svg",
        allure_results=folder / RESULTS,
        allure=_moved(site, work, folder) if site else None,
        allure_problem=problem,
    )


def rendered(run: Run, gate: Gate | None = None) -> dict[str, str]:
    """The texts of all reports but Allure's, by their names in the run's folder."""
    accepted = gate.accepted if gate else {}
    decision = gate.decision if gate else decide(run)
    return _texts(run, decision, access_matrix(run, accepted), gate)


def kept_waivers(folder: Path) -> tuple[Waiver, ...]:
    """The waivers that are kept with a run. Raises ReportsError if they cannot be read."""
    path = folder / WAIVERS
    try:
        return of_plain(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, RecursionError) as error:
        raise ReportsError(
            f"{path}: the accepted risks cannot be read ({one_line(str(error), 200)}); give them "
            "with --waivers, or remove the file to report without any"
        ) from None


def _title(run: Run, gate: Gate) -> str:
    """The verdict of the run, and what the gate makes of it where that is something else."""
    verdict = gate.decision.verdict
    beside = "" if gate.verdict == verdict else f", gate {gate.says}"
    return one_line(run.header.target.name, 60) + f": {verdict}{beside}"


def _last_day(run: Run) -> date:
    """The day on which the run ended, in UTC; without one it began, and without that, never."""
    for time in (run.end.finished if run.end else "", run.header.started):
        try:
            return datetime.fromisoformat(time).astimezone(UTC).date()
        except ValueError:
            continue
    return date.max


def _earlier(run: Run, results: Results, history: Path | None) -> str:
    """The runs before this one, as Allure reads them; this one is added to the file."""
    if history is None:
        return ""
    return lines(gather(history, point(run, results.outcomes, results.started)))


def _texts(run: Run, decision: Decision, matrix: Matrix, gate: Gate | None) -> dict[str, str]:
    return {
        "summary.json": summary_text(run, decision, gate),
        "summary.md": markdown(run, decision, gate),
        "findings.sarif": sarif_text(run, decision, gate),
        "junit.xml": junit_text(run, decision, gate),
        REPORT: report_html(run, decision, matrix, gate),
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
