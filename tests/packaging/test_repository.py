"""What may not be in the repository, and that the lock file fits pyproject.toml."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"


def output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.stdout if done.returncode == 0 else ""


@cache
def texts() -> dict[str, str]:
    """The text files that are, or are about to be, in the repository."""
    ask = ("git", "-c", "safe.directory=*", "ls-files", "-z", "-c", "-o", "--exclude-standard")
    found = {}
    for name in output(*ask).split("\0"):
        path = ROOT / name
        if name and path.is_file():
            try:
                found[name] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
    return found


def hosts_in(settings: str) -> set[str]:
    urls = re.findall(r"(?:https?|file)://[^\s'\",\]]+", settings)
    hosts = {urlsplit(url).hostname or urlsplit(url).path for url in urls}
    return {host for host in hosts if host not in ("", "/", "localhost", "127.0.0.1", "::1")}


@cache
def package_indexes() -> frozenset[str]:
    """The hosts, or folders, that the package clients of this machine install from."""
    settings = "\n".join(
        value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "npm_"))
    )
    if find_spec("pip"):
        defaults = (
            "from pip._internal.models.index import PyPI as p; print(p.url);"
            "print('https://' + p.file_storage_domain)"
        )
        settings += output(sys.executable, "-m", "pip", "config", "list")
        settings += "\n" + output(sys.executable, "-c", defaults)
    if shutil.which("npm"):
        settings += "\n" + output("npm", "config", "get", "registry")
    return frozenset(hosts_in(settings))


def naming(parts: set[str] | frozenset[str]) -> set[str]:
    return {
        f"{name} names {part}" for name, text in texts().items() for part in parts if part in text
    }


def test_repository_was_read() -> None:
    assert {"wardproof", "pyproject.toml", "requirements.lock"} <= set(texts())


def test_no_file_names_a_package_index() -> None:
    if not package_indexes():
        pytest.skip("no package client here tells where it installs from")
    assert naming(package_indexes()) == set()


def test_lock_files_name_no_address() -> None:
    locks = [name for name in texts() if Path(name).name.endswith((".lock", "-lock.json"))]
    assert "requirements.lock" in locks
    for name in locks:
        if name.endswith(".json"):
            packages = json.loads(texts()[name]).get("packages", {})
            assert [key for key, entry in packages.items() if "resolved" in entry] == [], name
        else:
            assert "://" not in texts()[name], name


def test_no_file_names_a_folder_of_this_machine() -> None:
    folders = {f"{ROOT}/", f"{Path(sys.prefix)}/"}
    home = os.environ.get("HOME", "")
    if len(Path(home).parts) > 1:
        folders.add(f"{home}/")
    assert naming(folders) == set()


def test_home_folders_are_not_named() -> None:
    pattern = re.compile(r"(?<![\w.~}/-])/(?:home|Users)/[a-z]\w+/")
    assert {
        name: pattern.findall(text) for name, text in texts().items() if pattern.search(text)
    } == {}


@cache
def locked() -> dict[str, str]:
    """The locked version of each package."""
    lines = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) == len(dict(lines)), "a package is locked twice"
    return dict(lines)


def test_every_locked_package_has_a_hash() -> None:
    entries = re.split(r"^(?=[A-Za-z0-9])", LOCK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [entry for entry in entries[1:] if "--hash=sha256:" not in entry] == []


def test_lock_fits_pyproject() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [
        *settings["project"]["dependencies"],
        *settings["project"]["optional-dependencies"]["allure"],
        *settings["dependency-groups"]["dev"],
    ]
    unmet = [
        text
        for text in wanted
        for requirement in [Requirement(text)]
        if locked().get(canonicalize_name(requirement.name), "0") not in requirement.specifier
    ]
    assert unmet == [], "run `./wardproof lock`"


def test_the_lock_installs_one_http_stack() -> None:
    """niquests replaces urllib3 in place, which would change every other client."""
    assert "niquests" not in locked()
    assert "urllib3-future" not in locked()


def test_version_is_the_same_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    told = re.findall(r"^__version__ = \"(.*)\"", "\n".join(texts().values()), re.MULTILINE)
    assert set(told) <= {version}
