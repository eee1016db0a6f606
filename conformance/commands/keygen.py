"""Make a pair of keys to sign bundles with."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from conformance.commands import CONFORMANT, WrongCall


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="where the private key goes; the public one goes beside it as FILE.pub",
    )


def run(options: argparse.Namespace) -> int:
    from reports.signing import generate, key_id

    private_path = Path(options.out)
    public_path = private_path.with_name(private_path.name + ".pub")
    for path in (private_path, public_path):
        if path.exists() or path.is_symlink():
            raise WrongCall(
                f"{path}: is there already, and no key is ever written over; name another file"
            )
    private, public = generate()
    _written(private_path, private, 0o600)
    _written(public_path, public, 0o644)
    print(f"private key  {private_path}  keep it secret; who has it signs in your name")
    print(f"public key   {public_path}  give it to whoever verifies your bundles")
    print(f"key id       {key_id(public)}")
    print(
        "Tell the key id over another channel than the bundles, by telephone or on your web page: "
        "a key that comes along with what it signs proves nothing.",
        file=sys.stderr,
    )
    return CONFORMANT


def _written(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
    except FileExistsError:
        raise WrongCall(f"{path}: is there already, and no key is ever written over") from None
    except OSError as error:
        raise WrongCall(
            f"{path}: cannot be written ({error.strerror}); name a file in a folder that is there"
        ) from None
