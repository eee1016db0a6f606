"""Sign a bundle as well, after running a sample of its cases again with the same outcome."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from conformance.commands import CONFORMANT, WrongCall
from conformance.commands.bundle import add_key, free, key
from conformance.commands.rerun import KEPT, ledger, show

if TYPE_CHECKING:
    from reports.sampling import Asked


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments."""
    parser.epilog = (
        "Exit codes: 0 countersigned; 1 refused, as a case came out otherwise; 2 refused, as the "
        "re-run is not enough to sign for; 3 the call or a file is wrong."
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle, as you got it")
    parser.add_argument(
        "--rerun",
        type=Path,
        required=True,
        metavar="DIR",
        help="what `wardproof rerun BUNDLE --out DIR` wrote",
    )
    add_key(parser)
    parser.add_argument(
        "--least",
        type=int,
        default=20,
        metavar="N",
        help="how many cases must have been run again (default 20, or all if there are fewer)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the countersigned bundle (default: beside it)"
    )


def run(options: argparse.Namespace) -> int:
    """0 if the bundle was countersigned."""
    from reports.bundle import BundleError, countersigned, opened
    from reports.canonical import encode
    from reports.ledger import LedgerError
    from reports.sampling import compare, draw, statement
    from reports.signing import SigningError

    private = key(options.key)
    if private is None:
        raise WrongCall("--key FILE: name your private key; `wardproof keygen` makes one")
    out = options.out or options.bundle.with_name(f"{options.bundle.stem}.countersigned.zip")
    free(out)
    again = ledger(options.rerun)
    wanted = _asked(options.rerun / KEPT)
    try:
        with opened(options.bundle) as bundle:
            found = bundle.run()
            digest, manifest = bundle.digest, bundle.manifest_digest
            if wanted.evidence != manifest:
                raise WrongCall(
                    f"{options.rerun}: is a re-run of other evidence than {options.bundle}; run "
                    f"`wardproof rerun {options.bundle}`"
                )
            # Drawn and compared anew: what the re-run says of itself is not believed.
            sample = draw(
                found,
                wanted.size,
                evidence=manifest,
                nonce=wanted.nonce,
                without=wanted.without,
            )
            compared = compare(found, again, sample)
            said = statement(found, again, compared, bundle=digest, manifest=manifest)
        console = Console(highlight=False)
        show(compared, console)
        if not compared.agrees:
            console.print(Text("Not countersigned: the re-run does not agree with the bundle."))
            return compared.exit_code
        least = min(options.least, sample.population)
        if len(compared.rows) < least:
            console.print(Text(f"Not countersigned: {least} cases are the least (--least)."))
            return 2
        countersigned(options.bundle, out, private, encode(said))
    except (BundleError, LedgerError) as error:
        raise WrongCall(str(error)) from None
    except SigningError as error:
        raise WrongCall(f"{options.bundle}: {error}") from None
    console.print(Text(f"Countersigned: {out}", style="bold green"))
    return CONFORMANT


def _asked(path: Path) -> Asked:
    from reports.sampling import asked

    try:
        return asked(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise WrongCall(
            f"{path}: cannot be read ({error}); name the folder that `wardproof rerun` wrote"
        ) from None
