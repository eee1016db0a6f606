"""The wheel: what is in it, and that it runs away from the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = ("suites", "personas", "fixtures", "reports")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def members(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the unpacked wheel, as site-packages would hold it."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run_installed(
    site: Path, tmp_path: Path, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env=env | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )


def test_claims_one_name_in_site_packages(members: list[str]) -> None:
    assert {name.split("/")[0] for name in members} == {
        "conformance",
        "wardproof-0.1.0.dist-info",
    }


def test_holds_every_file_that_git_knows(members: list[str]) -> None:
    ask = ["git", "-c", "safe.directory=*", "ls-files", "--", "conformance", "conftest.py", *DATA]
    listed = subprocess.run(ask, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = [name for name in listed.splitlines() if (ROOT / name).is_file()]
    assert "conformance/home.py" in tracked
    expected = {
        name if name.startswith("conformance/") else f"conformance/_home/{name}" for name in tracked
    }
    assert expected - set(members) == set()


def test_holds_nothing_that_was_generated(members: list[str]) -> None:
    generated = ("__pycache__/", "node_modules/", "reports/runs/", ".pyc", ".sqlite", ".log")
    assert [name for name in members if any(part in name for part in generated)] == []


def test_finds_its_own_home(site: Path, tmp_path: Path) -> None:
    program = (
        "from conformance import home\n"
        "home.activate()\n"
        "import reports, suites\n"
        "print(home.HOME)\n"
        "print(*reports.__path__)\n"
        f"print(*[name for name in {DATA} if not (home.HOME / name).is_dir()])\n"
    )
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "__init__.py").write_text("raise SystemExit('someone else')")
    done = run_installed(site, tmp_path, "-c", program)
    home = site / "conformance" / "_home"
    assert done.stdout.splitlines() == [str(home), str(home / "reports"), ""], done.stderr


def test_checkout_is_its_own_home() -> None:
    from conformance import home

    assert home.HOME == ROOT


def test_activating_twice_puts_home_first_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from conformance import home

    monkeypatch.setattr(sys, "path", ["elsewhere", str(ROOT)])
    home.activate()
    home.activate()
    assert sys.path == [str(ROOT), "elsewhere"]


def test_command_starts_away_from_the_checkout(site: Path, tmp_path: Path) -> None:
    done = run_installed(site, tmp_path, "-m", "conformance", "--help")
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout


def test_entry_point_names_a_function(site: Path, tmp_path: Path) -> None:
    program = (
        "from importlib.metadata import distribution\n"
        "(entry,) = distribution('wardproof').entry_points.select(group='console_scripts')\n"
        "print(entry.name, callable(entry.load()))\n"
    )
    done = run_installed(site, tmp_path, "-c", program)
    assert done.stdout == "wardproof True\n", done.stderr
