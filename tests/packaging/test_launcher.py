"""The launcher: what it installs when, where, and what it says when it cannot."""

import ast
import fcntl
import os
import subprocess
import sys
import zipfile
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

LAUNCHER = Path(__file__).parents[2] / "wardproof"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout, in a folder with a space, whose program prints what it was started with."""
    root = tmp_path / "a checkout"
    (root / "conformance").mkdir(parents=True)
    (root / "wardproof").write_bytes(LAUNCHER.read_bytes())
    (root / "wardproof").chmod(0o755)
    (root / "conformance" / "__init__.py").touch()
    (root / "conformance" / "__main__.py").write_text(
        "import os, sys, tiny\nprint(sys.argv[1:], os.getcwd(), tiny.__file__)\nsys.exit(7)\n"
    )
    (root / "requirements.lock").write_text("tiny==1.0 --hash=sha256:0\n")
    return root


@pytest.fixture
def launcher(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The launcher as a module, set up for `checkout`."""
    loader = SourceFileLoader("launcher", str(LAUNCHER))
    spec = spec_from_loader("launcher", loader)
    assert spec is not None
    module = module_from_spec(spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", checkout)
    monkeypatch.setattr(module, "LOCK", checkout / "requirements.lock")
    monkeypatch.setattr(module, "end_on_sigterm", lambda: None)
    monkeypatch.setattr(module, "can_make_venvs", lambda: True)
    monkeypatch.setenv("PATH", str(checkout.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(checkout.parent / "cache"))
    return module


class Installer:
    """Stands in for venv and pip: makes the folder's Python, and counts."""

    def __init__(self, failure: str = "", error: BaseException | None = None) -> None:
        self.runs = 0
        self._failure, self._error = failure, error

    def __call__(self, commands: list[list[str]], keep_open: list[int]) -> str:
        self.runs += 1
        python = Path(commands[-1][0])
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        if self._error:
            raise self._error
        return self._failure


def test_installs_once_for_one_lock(
    launcher: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer = Installer()
    monkeypatch.setattr(launcher, "run_quietly", installer)
    assert [launcher.environment() for _ in range(2)] == [checkout / ".venv"] * 2
    assert installer.runs == 1


def test_says_nothing_when_there_is_nothing_to_do(
    launcher: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launcher, "run_quietly", Installer())
    launcher.environment()
    printed, progress = capfd.readouterr()
    assert printed == ""
    assert progress.startswith("Setting up Wardproof")
    launcher.environment()
    assert capfd.readouterr() == ("", "")


def test_changed_lock_installs_anew_and_leaves_no_stale_package(
    launcher: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer = Installer()
    monkeypatch.setattr(launcher, "run_quietly", installer)
    launcher.environment()
    (checkout / ".venv" / "stale").touch()
    (checkout / "requirements.lock").write_text("tiny==2.0\n")
    launcher.environment()
    assert installer.runs == 2
    assert not (checkout / ".venv" / "stale").exists()


def test_other_python_version_installs_anew(
    launcher: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "run_quietly", Installer())
    launcher.environment()
    wanted = launcher.stamp()
    other = wanted.replace(str(sys.implementation.cache_tag), "cpython-399")
    assert launcher.is_ready(checkout / ".venv", wanted)
    assert not launcher.is_ready(checkout / ".venv", other)


def test_python_that_was_removed_installs_anew(
    launcher: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer = Installer()
    monkeypatch.setattr(launcher, "run_quietly", installer)
    launcher.environment()
    (checkout / ".venv" / "bin" / "python").unlink()
    launcher.environment()
    assert installer.runs == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)], ids=["ctrl-c", "sigterm"])
def test_interrupted_installation_is_not_taken_for_ready(
    launcher: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(launcher, "run_quietly", Installer(error=error))
    with pytest.raises(type(error)):
        launcher.environment()
    assert (checkout / ".venv" / "bin" / "python").exists()
    assert not launcher.is_ready(checkout / ".venv", launcher.stamp())
    monkeypatch.setattr(launcher, "run_quietly", Installer())
    launcher.environment()
    assert launcher.is_ready(checkout / ".venv", launcher.stamp())


def test_failed_reinstallation_does_not_leave_the_old_stamp(
    launcher: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "run_quietly", Installer())
    launcher.environment()
    lock = checkout / "requirements.lock"
    before = lock.read_text()
    lock.write_text("tiny==2.0\n")
    monkeypatch.setattr(launcher, "run_quietly", Installer(failure="boom"))
    with pytest.raises(launcher.SetupError):
        launcher.environment()
    lock.write_text(before)
    assert not launcher.is_ready(checkout / ".venv", launcher.stamp())


def test_second_starter_waits_and_does_not_install_again(
    launcher: ModuleType,
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    installer = Installer()
    monkeypatch.setattr(launcher, "run_quietly", installer)
    folder = checkout / ".venv"
    asked = []

    def flock(file: object, operation: int) -> None:
        """Another process holds the lock; by the time it lets go, it has installed."""
        asked.append(operation)
        if operation & fcntl.LOCK_NB:
            raise BlockingIOError
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").symlink_to(sys.executable)
        (folder / launcher.STAMP).write_text(launcher.stamp())

    monkeypatch.setattr(fcntl, "flock", flock)
    assert launcher.environment() == folder
    assert asked == [fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_EX]
    assert "waiting" in capfd.readouterr().err
    assert installer.runs == 0


def test_lock_outlives_a_killed_launcher_as_long_as_its_installer_runs(
    launcher: ModuleType, tmp_path: Path
) -> None:
    lock = tmp_path / "lock"
    other = f"import fcntl; fcntl.flock(open({str(lock)!r}), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # What the launcher's installer inherits is enough to hold the lock by itself.
        inherited = f"import fcntl; fcntl.flock({file.fileno()}, fcntl.LOCK_EX | fcntl.LOCK_NB)"
        assert launcher.run_quietly([[sys.executable, "-c", inherited]], [file.fileno()]) == ""
        assert "BlockingIOError" in launcher.run_quietly([[sys.executable, "-c", other]], [])
    assert launcher.run_quietly([[sys.executable, "-c", other]], []) == ""


def test_unwritable_checkout_installs_into_the_cache(
    launcher: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer = Installer()
    monkeypatch.setattr(launcher, "run_quietly", installer)
    monkeypatch.setattr(launcher, "is_writable", lambda folder: checkout not in folder.parents)
    first = launcher.environment()
    assert first.parent == checkout.parent / "cache" / "wardproof"
    assert first == launcher.environment()
    assert installer.runs == 1
    (checkout / "requirements.lock").write_text("tiny==2.0\n")
    assert launcher.environment() != first


def test_nowhere_to_write_names_both_folders_and_the_way_out(
    launcher: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "is_writable", lambda folder: False)
    with pytest.raises(launcher.SetupError) as caught:
        launcher.environment()
    for part in (str(checkout / ".venv"), str(checkout.parent / "cache"), "XDG_CACHE_HOME"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("printed", "advice"),
    [
        ("ERROR: [Errno 28] No space left on device: 'x'", "disk is full"),
        ("NewConnectionError('…: Failed to establish …')\nNo matching distribution", "network"),
        ("Temporary failure in name resolution", "network"),
        ("SSLCertVerificationError: certificate verify failed", "PIP_CERT"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "requirements.lock"),
        ("[Errno 30] Read-only file system: '/x'", "XDG_CACHE_HOME"),
        ("ERROR: No matching distribution found for gevent==1", "Python 3.12"),
    ],
)
def test_failed_installation_shows_the_last_words_and_the_remedy(
    launcher: ModuleType, tmp_path: Path, printed: str, advice: str
) -> None:
    text = launcher.explain("noise\n" * 50 + printed, tmp_path)
    assert printed.splitlines()[-1] in text
    assert advice in text
    assert len(text.splitlines()) <= 10


def test_unknown_failure_is_shown_without_advice(launcher: ModuleType, tmp_path: Path) -> None:
    text = launcher.explain("boom {x}", tmp_path)
    assert text.endswith("    boom {x}")


def test_failing_command_ends_the_installation_with_its_output(launcher: ModuleType) -> None:
    fails = [sys.executable, "-c", "import sys; print('out of luck'); sys.exit(3)"]
    never = [sys.executable, "-c", "raise SystemExit('was run')"]
    assert launcher.run_quietly([fails, never], []) == "out of luck"


def test_missing_venv_module_names_the_package(
    launcher: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "can_make_venvs", lambda: False)
    with pytest.raises(launcher.SetupError, match="python3-venv"):
        launcher.environment()


@pytest.mark.parametrize("version", [(3, 6, 8), (3, 10, 14)])
def test_old_python_is_told_what_to_install(
    launcher: ModuleType, version: tuple[int, int, int]
) -> None:
    text = launcher.too_old(version)
    assert f"this is {version[0]}.{version[1]}." in text
    assert "3.11 or newer" in text
    assert "apt-get install" in text


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 14, 1), (4, 0, 0)])
def test_recent_python_will_do(launcher: ModuleType, version: tuple[int, int, int]) -> None:
    assert launcher.too_old(version) == ""


def test_old_python_can_read_the_launcher() -> None:
    ast.parse(LAUNCHER.read_text(encoding="utf-8"), feature_version=(3, 7))


def test_only_the_standard_library_is_imported() -> None:
    tree = ast.parse(LAUNCHER.read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
    }
    assert imported <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("broken", "code"), [("", 0), ("ruff check", 1), ("mypy", 1), ("pytest", 5)]
)
def test_selftest_fails_if_any_check_fails_and_runs_pytest_last(
    launcher: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    broken: str,
    code: int,
) -> None:
    ran = []

    def call(command: list[str], env: dict[str, str]) -> int:
        ran.append(" ".join(command[2:]))
        return 5 if broken and ran[-1].startswith(broken) else 0

    monkeypatch.setattr(launcher, "call", call)
    assert launcher.selftest(Path("python"), ["-k", "wheel"]) == code
    assert [each.split()[0] for each in ran] == ["ruff", "ruff", "mypy", "pytest"]
    assert ran[-1].endswith("-k wheel")
    assert capfd.readouterr().out.rstrip().endswith("pytest")


def tiny_wheel(folder: Path) -> str:
    """Write the wheel of a package `tiny` into `folder`; its SHA-256."""
    wheel = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr(
            "tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
        )
        archive.writestr(
            "tiny-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    return sha256(wheel.read_bytes()).hexdigest()


@pytest.mark.skipif(find_spec("ensurepip") is None, reason="this Python has no ensurepip")
def test_real_start_in_a_folder_with_a_space_through_a_symlink(
    checkout: Path, tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    digest = tiny_wheel(wheels)
    (checkout / "requirements.lock").write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    link = tmp_path / "ward"
    link.symlink_to(checkout / "wardproof")
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    # No network is needed: the wheel comes from the folder.
    base = Path(sys.base_prefix, "bin", "python{}.{}".format(*sys.version_info))
    env = {
        "PATH": os.defpath,
        "HOME": str(tmp_path),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PYTHONPATH": "/nowhere",
        "PIP_TARGET": str(elsewhere),
    }

    def start() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [base, link, "run", "--target", "a b"],
            cwd=elsewhere,
            env=env,
            capture_output=True,
            text=True,
        )

    first, second = start(), start()
    assert first.returncode == second.returncode == 7, first.stderr
    assert first.stdout == second.stdout
    assert f"['run', '--target', 'a b'] {elsewhere} {checkout / '.venv'}" in first.stdout
    assert first.stderr.startswith("Setting up Wardproof")
    assert second.stderr == ""


def test_wrong_hash_is_refused(checkout: Path, tmp_path: Path) -> None:
    if find_spec("ensurepip") is None:
        pytest.skip("this Python has no ensurepip")
    tiny_wheel(tmp_path)
    (checkout / "requirements.lock").write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n")
    base = Path(sys.base_prefix, "bin", "python{}.{}".format(*sys.version_info))
    env = {
        "PATH": os.defpath,
        "HOME": str(tmp_path),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
    }
    done = subprocess.run(
        [base, checkout / "wardproof", "run"], env=env, capture_output=True, text=True
    )
    assert done.returncode == 3
    assert "is not the one that requirements.lock names" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (checkout / ".venv" / "wardproof-stamp").exists()
