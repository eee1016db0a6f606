"""The live display of a run: what is tried, how far it is, what was found so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from conformance import live


class _Overseen(Progress):
    """A progress bar with what long trials say below it."""

    def __init__(self, *columns: ProgressColumn, folder: Path, console: Console) -> None:
        self._folder = folder
        super().__init__(*columns, console=console, transient=True, disable=not console.is_terminal)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        for line in live.lines(self._folder):
            yield Text(f"  {line}", style="dim", no_wrap=True, overflow="ellipsis")


class Display:
    """A pytest plugin that replaces the terminal reporter of `wardproof run`.

    `folder` is where the run writes its evidence.
    """

    def __init__(self, console: Console, folder: Path) -> None:
        self.console = console
        self.problems: list[str] = []
        self._folder = folder
        self._counts: Counter[str] = Counter()
        live.silence(folder)
        self._progress = _Overseen(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[found]}"),
            folder=folder,
            console=console,
        )
        self._task: TaskID | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        if not hasattr(config, "workerinput"):
            config.pluginmanager.unregister(name="terminalreporter")
            self._progress.start()
            self._task = self._progress.add_task("setting up the target", total=None, found="")

    def _total(self, count: int) -> None:
        if self._task is not None:
            self._progress.update(self._task, total=count, description="trying")
        if not self.console.is_terminal:
            self.console.print(Text(f"trying {count:,} cases"))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if session.items:
            self._total(len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        if self._task is not None and self._progress.tasks[0].total is None:
            self._total(len(ids))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.problems.append(str(report.longrepr))

    def pytest_internalerror(self, excrepr: object) -> None:
        self.problems.append(str(excrepr))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and not (report.when == "setup" and not report.passed):
            return
        self._counts[report.outcome] += 1
        if self._task is None:
            return
        suite = report.nodeid.split("::")[0].rsplit("/", 1)[-1].removesuffix(".py")
        bad = self._counts["failed"]
        self._progress.update(
            self._task,
            advance=1,
            description=f"trying {suite.removeprefix('test_'):<17}",
            found=f"[red]{bad} not conformant[/red]" if bad else "",
        )

    def pytest_unconfigure(self) -> None:
        self._progress.stop()
        live.silence(self._folder)
