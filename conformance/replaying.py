"""Trying one case again, with everything that was said shown."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from conformance.document import InvalidDocument
from conformance.home import HOME


@dataclass(frozen=True)
class Found:
    """What is to be tried again: a case or, of a case that tries many things, one `recipe`."""

    case: str
    target: Path | None
    recipe: Mapping[str, Any] | None = None


def find(what: str, run: Path | None, target: Path | None) -> Found:
    """The case of a finding (from the newest run, or the one given), or the case of that id.

    Raises InvalidDocument when no run holds the finding.
    """
    if not what.startswith("F-"):
        return Found(what, target)
    base = HOME if (HOME / "pyproject.toml").exists() else Path.cwd()
    runs = [run] if run else sorted((base / "reports" / "runs").glob("*"), reverse=True)
    for folder in runs:
        summary = folder / "summary.json"
        if not summary.exists():
            continue
        for finding in json.loads(summary.read_text(encoding="utf-8"))["findings"]:
            if finding["id"] == what:
                return Found(str(finding["case"]), target, _recipe(folder, what))
    raise InvalidDocument(
        f"no run here holds the finding {what}; name its folder with --run DIR, "
        "or give the id of the case"
    )


def _recipe(run: Path, finding: str) -> Mapping[str, Any] | None:
    """What has to be sent to see a finding again, where its case tries many things."""
    for line in (run / "evidence.jsonl").read_bytes().splitlines():
        if finding.encode() not in line:
            continue
        for one in json.loads(line).get("findings", ()):
            if one["id"] == finding:
                recipe: Mapping[str, Any] | None = one.get("recipe")
                return recipe
    return None


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A private folder for the evidence of a replay."""
    with tempfile.TemporaryDirectory(prefix="wardproof-replay-") as made:
        yield Path(made)


def show(out: Path, case: str, console: Console) -> int:
    """Print the verdict of the replayed case and its exchanges; the exit code it stands for."""
    code = 2
    for line in (out / "evidence.jsonl").read_bytes().splitlines():
        record = json.loads(line)
        if record["type"] == "exchange":
            console.print(_exchange(record))
        elif record["type"] == "verdict":
            code = {"pass": 0, "fail": 1}.get(record["outcome"], 2)
            console.print(Text(f"{record['outcome']}: {record['reason']}", style="bold"))
            for finding in record["findings"]:
                console.print(Text(f"{finding['id']} {finding['rule']}: {finding['message']}"))
                console.print(Text(finding["reproduction"]), soft_wrap=True)
    if code == 2:
        console.print(Text(f"{case}: no verdict"))
    return code


def _exchange(record: dict[str, object]) -> Text:
    request = record["request"]
    answer = record["response"]
    assert isinstance(request, dict)
    text = Text(
        f"\n{record['role_in_case']} as {record['persona']}: "
        f"{request['method']} {request['url']}\n",
        style="bold",
    )
    if request["body"]:
        text.append(f"  {_plain(request['body'])}\n", style="not bold")
    if isinstance(answer, dict):
        body = _plain(answer["body"] or "")
        text.append(f"  -> {answer['status']} {body[:600]}\n", style="not bold")
    else:
        text.append(f"  -> {record['error']}\n", style="not bold")
    return text


def _plain(text: object) -> str:
    return "".join(
        sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in str(text)
    )
