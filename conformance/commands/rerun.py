"""Run a sample of a run's cases again, and compare the verdicts case by case."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from conformance.commands import UNREACHABLE, WRONG_CALL, WrongCall
from conformance.commands.gate import written
from conformance.home import HOME

if TYPE_CHECKING:
    from reports.ledger import Run
    from reports.sampling import Comparison, Sample

KEPT = "rerun.json"
_SHOWN = 40


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments."""
    parser.epilog = (
        "Exit codes: 0 every case came out as before; 1 a case came out otherwise; 2 a case had no "
        "verdict, or the two runs cannot be compared; 3 the call or a file is wrong; 4 the target "
        "could not be reached."
    )
    parser.add_argument("run", type=Path, metavar="DIR|BUNDLE", help="what is to be run again")
    parser.add_argument("--target", type=Path, required=True, metavar="DIR")
    parser.add_argument("--base-url", metavar="URL", help="a target that already runs there")
    parser.add_argument(
        "--sample", type=int, default=50, metavar="N", help="how many cases (default 50)"
    )
    parser.add_argument(
        "--seed",
        metavar="TEXT",
        help="your own part of the seed, which nobody else must know before (default: made up)",
    )
    parser.add_argument(
        "--with-load", action="store_true", help="draw from the suite load as well; it takes long"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")


def run(options: argparse.Namespace) -> int:
    """0 if all verdicts of the sample are the same."""
    from reports.sampling import LEFT_OUT, compare, draw, plain

    if options.sample < 1:
        raise WrongCall("--sample takes a number from 1 on")
    if options.out.exists() and any(options.out.iterdir()):
        raise WrongCall(f"--out {options.out}: is not empty; name a new folder")
    found, evidence = source(options.run)
    sample = draw(
        found,
        options.sample,
        evidence=evidence,
        nonce=options.seed or secrets.token_hex(16),
        without=frozenset() if options.with_load else LEFT_OUT,
    )
    if not sample.cases:
        raise WrongCall(f"{options.run}: holds no case that could be run again")
    console = Console(highlight=False)
    _announce(sample, console)
    code = _tried(found, sample, options)
    if code in {WRONG_CALL, UNREACHABLE}:
        return code
    again = ledger(options.out)
    compared = compare(found, again, sample)
    text = json.dumps(plain(found, again, compared), indent=2, ensure_ascii=False)
    written(options.out / KEPT, text + "\n")
    show(compared, console)
    return compared.exit_code


def source(path: Path) -> tuple[Run, str]:
    """The run in a folder or a bundle, and the digest that a draw from it goes by."""
    from reports.bundle import BundleError, opened
    from reports.ledger import LedgerError

    if not path.is_file():
        found = ledger(path)
        return found, found.head
    try:
        with opened(path) as bundle:
            return bundle.run(), bundle.manifest_digest
    except (BundleError, LedgerError) as error:
        raise WrongCall(str(error)) from None


def ledger(folder: Path) -> Run:
    """The run in a folder. Raises WrongCall."""
    from reports.ledger import LedgerError, read

    try:
        return read(folder)
    except LedgerError as error:
        raise WrongCall(str(error)) from None


def _announce(sample: Sample, console: Console) -> None:
    console.print(
        Text(
            f"Drawn: {len(sample.cases):,} of {sample.population:,} cases ({sample.failing:,} that "
            f"failed, then {sample.strata:,} groups of suite, role and word in turns)."
        ),
        soft_wrap=True,
    )
    if sample.without:
        console.print(Text(f"Not drawn from: {', '.join(sample.without)}."))
    console.print(Text(f"Evidence {sample.evidence}\nYour seed {sample.nonce}"), soft_wrap=True)


def _tried(found: Run, sample: Sample, options: argparse.Namespace) -> int:
    """The exit code of a run of those cases, in a process of its own."""
    chosen = set(sample.cases)
    suites = sorted({case.suite for case in found.cases if case.id in chosen})
    call = ["run", "--target", str(options.target), "--out", str(options.out), "--no-allure"]
    call += ["--profile", found.header.profile, "--seed", str(int(sample.seed[:7], 16))]
    call += [f"--suite={suite}" for suite in suites]
    call += [f"--case={case}" for case in sample.cases]
    if options.base_url:
        call += ["--base-url", options.base_url]
    paths = [str(HOME), os.environ.get("PYTHONPATH", "")]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    # What it says of itself is about the sample only; the comparison says what that is worth.
    quiet = subprocess.DEVNULL
    whole = [sys.executable, "-m", "conformance", *call]
    with subprocess.Popen(whole, env=environ, stdout=quiet) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # Ctrl-C reached the run as well, which ends the target and then itself.
                continue


def show(compared: Comparison, console: Console) -> None:
    """Prints what came out otherwise, and the outcome in one sentence."""
    from reports.sampling import AGREEMENT_WORDS

    console.print()
    told = [row for row in compared.rows if row.agreement != "agrees"]
    for row in told[:_SHOWN]:
        console.print(Text(row.case, style="bold"), soft_wrap=True)
        words = f"{AGREEMENT_WORDS[row.agreement]}: was {row.before}, is {row.again}"
        reason = f" ({row.reason})" if row.reason else ""
        console.print(Padding(Text(words + reason), (0, 0, 0, 2)))
    if len(told) > _SHOWN:
        console.print(Text(f"… and {len(told) - _SHOWN} more in {KEPT}"))
    for said in (*compared.objections, *compared.notes):
        console.print(Text(said), soft_wrap=True)
    console.print(Text(compared.sentence, style="bold"), soft_wrap=True)
