"""Runs that several tests look at; workers of xdist share them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import pytest

from tests.clinic.app import make
from tests.clinic.serving import served
from tests.runs.calling import SEED, Called, Run, run
from tests.runs.forking import Forker


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this session share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base


def once(folder: Path, make_run: Callable[[Path], Run]) -> Run:
    """The run in `folder`, made by whichever worker comes first."""
    said = folder.with_suffix(".said")
    with filelock.FileLock(f"{folder}.lock"):
        if not said.exists():
            made = make_run(folder)
            said.write_text(f"{made.code}\n{made.called.said}", encoding="utf-8")
            return made
        code, _, text = said.read_text(encoding="utf-8").partition("\n")
        return Run(Called(int(code), text, ""), folder)


@pytest.fixture(scope="session")
def sound(shared: Path) -> Run:
    """The sound clinic, started by the harness itself."""
    return once(shared / "sound", lambda out: run(out, "--seed", SEED))


@pytest.fixture(scope="session")
def masked(shared: Path) -> Run:
    """The clinic with one fault, so that there are findings to look at."""
    suite = ("--suite", "role_access", "--seed", SEED)

    def make_run(out: Path) -> Run:
        with served(make("unmasked")) as url:
            return run(out, *suite, "--base-url", url)

    return once(shared / "masked", make_run)


@pytest.fixture
def clinic() -> Iterator[str]:
    """A sound clinic that already runs: its base URL."""
    with served(make()) as url:
        yield url


@pytest.fixture(scope="session")
def forker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    """A process that makes calls quickly."""
    made = Forker(tmp_path_factory.mktemp("forker"))
    yield made
    made.end()
