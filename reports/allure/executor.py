"""Which build made a run, for Allure's `executor.json`: GitHub Actions, GitLab CI, or none."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from reports.printable import one_line, printable

NAME = "executor.json"
NO_BUILD: Mapping[str, str | int] = {"name": "Wardproof", "type": "wardproof"}
_TEXTS = ("name", "type", "buildName", "buildUrl")
_MOST = 100_000


def executor(environment: Mapping[str, str]) -> dict[str, str | int] | None:
    """The build that `environment` tells of by the variables that GitHub and GitLab document.

    None if there is no such build.
    """
    told = environment.get
    if told("GITHUB_ACTIONS") == "true":
        server, repository = told("GITHUB_SERVER_URL", ""), told("GITHUB_REPOSITORY", "")
        run = told("GITHUB_RUN_ID", "")
        url = f"{server}/{repository}/actions/runs/{run}" if repository and run else ""
        found = _build("GitHub Actions", "github", told("GITHUB_WORKFLOW", ""), url)
        return _numbered(found, told("GITHUB_RUN_NUMBER", ""))
    if told("GITLAB_CI") == "true":
        found = _build("GitLab CI", "gitlab", told("CI_JOB_NAME", ""), told("CI_JOB_URL", ""))
        return _numbered(found, told("CI_PIPELINE_IID", ""))
    return None


def kept(folder: Path) -> dict[str, str | int] | None:
    """The build that Allure results in `folder` name; None if they name none that can be read."""
    try:
        with (folder / NAME).open(encoding="utf-8") as file:
            told = json.loads(file.read(_MOST))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("type") not in ("github", "gitlab"):
        return None
    name, kind, build, url = (str(told.get(key, "")) for key in _TEXTS)
    order = told.get("buildOrder", "")
    found = _build(name, kind, build, url)
    return found | ({"buildOrder": order} if isinstance(order, int) else {})


def _build(name: str, kind: str, what: str, url: str) -> dict[str, str | int]:
    found: dict[str, str | int] = {"name": one_line(printable(name), 60), "type": kind}
    if what:
        found["buildName"] = one_line(printable(what), 120)
    address = _address(url)
    return found | ({"buildUrl": address} if address else {})


def _numbered(found: dict[str, str | int], number: str) -> dict[str, str | int]:
    if not re.fullmatch(r"[0-9]{1,15}", number):
        return found
    name = f"{found.get('buildName', 'build')} #{number}"
    return found | {"buildName": name, "buildOrder": int(number)}


def _address(url: str) -> str:
    """`url` without what could be a credential; "" if a browser had better not follow it."""
    try:
        parts = urlsplit(printable(url))
        host = parts.hostname or ""
        place = f"{host}:{parts.port}" if parts.port else host
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not re.fullmatch(r"[A-Za-z0-9.-]+", host):
        return ""
    path = re.sub(r"[^A-Za-z0-9._~/%@+-]", "", parts.path)
    return urlunsplit((parts.scheme, place, path, "", ""))
