"""Check a bundle, and say what it proves and what it does not."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from conformance.commands import WrongCall
from conformance.commands.bundle import day

if TYPE_CHECKING:
    from reports.verifying import Verification

_MARKS = {
    "holds": ("✓ holds", "green"),
    "contradicted": ("✗ CONTRADICTED", "bold red"),
    "failed": ("✗ fails", "bold red"),
    "open": ("? open", "yellow"),
    "noted": ("· noted", "cyan"),
}


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments."""
    parser.epilog = (
        "Exit codes: 0 everything holds, a key that you named has signed, and the run is "
        "conformant; 1 the bundle contradicts itself, or it is sound and the run is not "
        "conformant (the first line says which); 2 it holds but is unsigned, signed by a key that "
        "you did not name, or inconclusive; 3 the file is no bundle."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a bundle")
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="PUB",
        help="a public key that you trust: its .pub file or its id (may be repeated)",
    )
    parser.add_argument(
        "--at",
        type=day,
        metavar="YYYY-MM-DD",
        help="judge accepted risks as of that day (default: today, UTC)",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the result there, for other programs"
    )


def run(options: argparse.Namespace) -> int:
    """The exit code of the verification."""
    from reports.verifying import as_json, verify

    keys = [public_key(text) for text in options.key]
    found = verify(options.file, keys, options.at or datetime.now(UTC).date())
    if options.json is not None:
        text = json.dumps(as_json(found), indent=1, ensure_ascii=False) + "\n"
        try:
            options.json.write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise WrongCall(
                f"--json {options.json}: cannot be written ({error.strerror})"
            ) from None
    show(found, Console(highlight=False))
    return found.exit_code


def public_key(text: str) -> bytes:
    """The public key that a `--key` names, by file or by id. Raises WrongCall if it is none."""
    from reports.signing import SigningError, key_id

    try:
        data = text.encode() if text.startswith("ed25519:") else Path(text).read_bytes()
        key_id(data)
    except OSError as error:
        raise WrongCall(f"--key {text}: cannot be read ({error.strerror})") from None
    except SigningError as error:
        raise WrongCall(f"--key {text}: {error}") from None
    return data


def show(found: Verification, console: Console) -> None:
    """Prints the verification for somebody who is no programmer."""
    colour = {0: "green", 1: "red"}.get(found.exit_code, "yellow")
    console.print()
    console.print(Text(found.headline, style=f"bold {colour}"))
    console.print(Text(f"{found.path}  ({found.answer}, exit code {found.exit_code})"))
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=True)
    table.add_column("Looked at", no_wrap=True)
    table.add_column("Result", no_wrap=True)
    table.add_column("In words", overflow="fold")
    for check in found.checks:
        mark, style = _MARKS[check.state]
        table.add_row(Text(check.name), Text(mark, style=style), Text(check.words))
    console.print(table)
    for title, sentences in (
        ("What this proves", found.proves),
        ("What this does not prove", found.does_not_prove),
    ):
        if sentences:
            console.print()
            console.print(Text(title, style="bold"))
        for sentence in sentences:
            console.print(Padding(Text(f"- {sentence}"), (0, 0, 0, 2)))
