"""Going on with a run: its call is made again as it was, where that still can be."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from conformance import __version__, evidence, planning, suite, versions
from conformance.cases import Profile
from conformance.document import InvalidDocument
from conformance.ledger_form import canonical
from conformance.loading import load
from conformance.resuming import Past, past


def call(options: argparse.Namespace, shipped: Mapping[str, Path]) -> argparse.Namespace:
    """The options of a run that goes on with `options.resume`.

    Raises InvalidDocument if that run cannot be continued, or not as the options say.
    """
    folder = options.resume.absolute()
    before = past(folder)
    header = before.header
    _agrees(options, header, folder)
    selection = header["selection"]
    files = _files(options.suite, selection["suites"], shipped)
    loaded = load(options.target, secrets_required=False)
    system = loaded.target.system
    now = {
        "wardproof": __version__,
        "profile": header["profile"],
        "target": {"name": system.name, "version": system.version},
        "versions": versions.of(loaded, files),
    }
    if differing := before.differing(now):
        raise InvalidDocument(
            f"{folder}: this run cannot be continued, as it would be another one by now: "
            f"{'; '.join(differing)}. Run again with another --out"
        )
    profile = Profile(header["profile"])
    found = planning.select(planning.planned(loaded.target, files, profile), selection["cases"])
    _has_more(before, found, folder)
    shard = header.get("shard")
    return argparse.Namespace(
        **{
            **vars(options),
            "out": folder,
            "suite": [str(path) for path in files],
            "profile": profile.value,
            "case": list(selection["cases"]),
            "seed": header["seed"],
            "shard": f"{shard['number']}/{shard['of']}" if shard else None,
        }
    )


def _agrees(options: argparse.Namespace, header: Mapping[str, Any], folder: Path) -> None:
    """Whoever says again what the run was started with has to say the same."""
    shard = header.get("shard")
    was = {
        "out": folder,
        "profile": header["profile"],
        "case": list(header["selection"]["cases"]),
        "seed": header["seed"],
        "shard": f"{shard['number']}/{shard['of']}" if shard else None,
    }
    for name, value in was.items():
        given = getattr(options, name)
        given = given.absolute() if isinstance(given, Path) else given
        if given not in (None, [], value):
            raise InvalidDocument(
                f"--{name}: the run in {folder} was started with {value!r}; leave it out, or begin "
                "another run with another --out and without --resume"
            )


def _files(given: Iterable[str], names: Iterable[str], shipped: Mapping[str, Path]) -> list[Path]:
    own = {path.stem.removeprefix("test_"): path for path in map(Path, given) if path.exists()}
    found = {**shipped, **own}
    names = list(names)
    if missing := [name for name in names if name not in found]:
        raise InvalidDocument(
            f"the run tried the suite {missing[0]!r}, which is not shipped: give its file again "
            "with --suite"
        )
    if more := sorted({*own, *(one for one in given if one in shipped)} - set(names)):
        raise InvalidDocument(f"--suite {more[0]}: the run did not try that suite when it began")
    return [found[name].absolute() for name in names]


def _has_more(before: Past, found: Iterable[planning.Planned], folder: Path) -> None:
    found = list(found)
    records = [
        evidence.holdable(evidence.case_record(one.case, everywhere=suite.is_everywhere(one.test)))
        for one in found
    ]
    if before.plan not in {None, canonical.plan_digest(records)}:
        raise InvalidDocument(
            f"{folder}: other cases were planned when this run began than would be now; run again "
            "with another --out"
        )
    if before.finished and before.done.issuperset(one.case.id for one in found):
        raise InvalidDocument(
            f"{folder}: this run came to its end, and every case has its verdict; there is nothing "
            "to go on with"
        )
