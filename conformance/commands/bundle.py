"""Put a run into one file that others can verify, signed if you have a key."""

from __future__ import annotations

import argparse
import stat
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.commands import CONFORMANT, WrongCall
from conformance.commands.gate import waivers_of

if TYPE_CHECKING:
    from reports.waivers import Waiver


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="what a run wrote with --out")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the bundle")
    add_key(parser)
    parser.add_argument(
        "--waivers",
        type=Path,
        metavar="FILE",
        help="accepted risks (default: those that are kept with the run)",
    )
    parser.add_argument("--level", metavar="NAME", help="of the gate (default: by the profile)")
    parser.add_argument(
        "--at",
        type=day,
        metavar="YYYY-MM-DD",
        help="the day for which the gate is asked (default: today, UTC)",
    )
    parser.add_argument(
        "--oscal", action="store_true", help="with OSCAL assessment results, for GRC tools"
    )


def add_key(parser: argparse.ArgumentParser) -> None:
    """Describes --key as whatever signs has it."""
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="a private key that `wardproof keygen` made; without one the bundle is unsigned",
    )


def day(text: str) -> date:
    """A day as the command line gives it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write it as 2026-11-21") from None


def run(options: argparse.Namespace) -> int:
    """0 when the bundle is written; whether the run passed is for `verify` and `gate` to say."""
    private = key(options.key)
    accepted = waivers_of(options.waivers) if options.waivers is not None else None
    make(
        options.folder,
        options.out,
        private,
        options.at,
        level=options.level,
        oscal=options.oscal,
        waivers=accepted,
    )
    return CONFORMANT


def key(path: Path | None) -> bytes | None:
    """The private key in that file; None without a file. Raises WrongCall if it is none."""
    from reports.signing import SigningError, public_of

    if path is None:
        return None
    try:
        private = path.read_bytes()
        mode = path.stat().st_mode
        public_of(private)
    except OSError as error:
        raise WrongCall(f"--key {path}: cannot be read ({error.strerror})") from None
    except SigningError as error:
        raise WrongCall(f"--key {path}: {error}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        print(f"--key {path}: others may read it; say chmod 600 {path}", file=sys.stderr)
    return private


def free(out: Path) -> None:
    """Raises WrongCall if no bundle can be written there."""
    if out.exists():
        raise WrongCall(f"{out}: is there already, and no bundle is written over; name another")
    if not out.absolute().parent.is_dir():
        raise WrongCall(f"{out}: there is no folder {out.absolute().parent}; make it first")


def make(
    folder: Path,
    out: Path,
    private: bytes | None,
    at: date | None,
    *,
    level: str | None = None,
    oscal: bool = False,
    waivers: Sequence[Waiver] | None = None,
) -> None:
    """Writes the bundle and says what it is. Raises WrongCall if none can be made."""
    from reports.bundle import BundleError, opened, write
    from reports.gate import levels
    from reports.ledger import LedgerError

    if level is not None and level not in levels():
        raise WrongCall(f"--level {level}: there is none; there are {', '.join(levels())}")
    free(out)
    try:
        write(
            folder,
            out,
            private,
            at or datetime.now(UTC).date(),
            level=level,
            oscal=oscal,
            waivers=waivers,
        )
        with opened(out) as bundle:
            signer, files, digest = bundle.manifest["signer"], bundle.archive.names, bundle.digest
    except (BundleError, LedgerError) as error:
        raise WrongCall(str(error)) from None
    print(f"Bundle   {out} ({len(files)} files, {out.stat().st_size:,} bytes)")
    print(f"SHA-256  {digest}")
    if signer:
        print(f"Signed   {signer}")
    else:
        print("UNSIGNED: it does not say who made it, and anybody can change all of it (--key).")
