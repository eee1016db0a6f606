"""Certify a run for a profile, or say everything that it lacks."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from conformance.commands import CONFORMANT, INCONCLUSIVE, NOT_CONFORMANT, WrongCall
from conformance.commands.bundle import add_key, day, key
from conformance.commands.gate import waivers_of, written
from conformance.commands.verify import public_key

if TYPE_CHECKING:
    from reports.certification import Assessment, Gap
    from reports.chain import Inspection
    from reports.ledger import Run
    from reports.waivers import Waiver

_SHOWN = 12


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments."""
    parser.epilog = (
        "Exit codes: 0 certified; 1 refused, as something failed or an acceptance does not hold; "
        "2 refused, as something was not shown or is not attested; 3 the call or a file is wrong."
    )
    parser.add_argument("run", type=Path, metavar="DIR|BUNDLE", help="a run's folder or bundle")
    parser.add_argument(
        "--profile",
        metavar="NAME[@VERSION]",
        help="access, clinical or operational (docs/certification.md)",
    )
    parser.add_argument(
        "--check",
        type=Path,
        metavar="CERTIFICATE",
        help="make none, but say whether this one follows from the run (--trust: who signed it)",
    )
    parser.add_argument(
        "--attestations", type=Path, metavar="FILE", help="what people state by name"
    )
    parser.add_argument(
        "--waivers",
        type=Path,
        metavar="FILE",
        help="the accepted risks, or the target's folder (default: those kept with the run)",
    )
    add_key(parser)
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="PUB",
        help="a public key that must have signed the bundle (with --check: the certificate): its "
        ".pub file or its id",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where the certificate goes, as JSON, and beside it as a page (default: beside the "
        "run)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what is lacking there")
    parser.add_argument(
        "--at", type=day, metavar="YYYY-MM-DD", help="as of that day (default: today, UTC)"
    )


def run(options: argparse.Namespace) -> int:
    """0 if the certificate was written."""
    from conformance.attestations import load
    from reports.certification import CertificationError, assess, profile

    private = key(options.key)
    today = options.at or datetime.now(UTC).date()
    if options.check is not None:
        return _check(options, today)
    if options.profile is None:
        raise WrongCall("--profile: name access, clinical or operational")
    try:
        asked = profile(options.profile)
    except CertificationError as error:
        raise WrongCall(str(error)) from None
    given = load(options.attestations) if options.attestations else None
    source = read(options.run, options.trust, today)
    waivers = waivers_of(options.waivers) if options.waivers else source.waivers
    assessed = assess(
        source.run, source.inspection, asked, given, waivers, today=today, before=source.gaps
    )
    if options.json:
        written(options.json, json.dumps(_plain(assessed), indent=2, ensure_ascii=False) + "\n")
    console = Console(highlight=False)
    if assessed.gaps:
        _refused(source.run, assessed, console)
        return assessed.exit_code
    from reports.certificate import certificate

    body = certificate(source.run, assessed, given, bundle=source.bundle)
    out = options.out or _beside(options.run, asked.name)
    _issue(body, private, out, console)
    return CONFORMANT


@dataclass(frozen=True)
class Source:
    """What a run is read from: itself, its waivers, its ledger's faults and its bundle's."""

    run: Run
    inspection: Inspection
    waivers: tuple[Waiver, ...]
    bundle: str | None
    gaps: tuple[Gap, ...] = ()


def read(path: Path, trusted: list[str], today: date) -> Source:
    """The run in a folder, or in a bundle that is verified first. Raises WrongCall."""
    from reports.bundle import BundleError
    from reports.bundle import opened as bundle_of
    from reports.chain import inspect
    from reports.ledger import LEDGER_NAME, LedgerError

    if not path.is_file():
        from conformance.commands.gate import opened

        if trusted:
            raise WrongCall(f"--trust is about bundles, and {path} is a folder")
        found, waivers = opened(path)
        return Source(found, inspect((path / LEDGER_NAME).read_bytes()), waivers, None)
    try:
        gaps = tuple(_of_bundle(path, trusted, today))
        with bundle_of(path) as bundle:
            run = bundle.run()
            inspection = inspect(bundle.read(LEDGER_NAME))
            return Source(run, inspection, bundle.waivers(), bundle.digest, gaps)
    except (BundleError, LedgerError) as error:
        raise WrongCall(str(error)) from None


def _of_bundle(path: Path, trusted: list[str], today: date) -> list[Gap]:
    from reports.certification import Gap
    from reports.verifying import verify

    found = verify(path, [public_key(one) for one in trusted], today)
    do = "ask whoever handed it over for the bundle as it was made"
    gaps = [
        Gap("bundle", check.words.rstrip("."), do)
        for check in found.checks
        if check.state == "contradicted"
    ]
    if trusted and not any(signer.trusted for signer in found.signers):
        says = "nobody signed it whose key was named with --trust"
        gaps.append(Gap("bundle", says, do))
    return gaps


def _beside(run: Path, name: str) -> Path:
    if run.is_dir():
        return run / f"certificate-{name}.json"
    return run.with_name(f"{run.stem}.certificate-{name}.json")


def _issue(body: dict[str, object], private: bytes | None, out: Path, console: Console) -> None:
    from reports.canonical import encode
    from reports.certificate import PAYLOAD_TYPE, page
    from reports.signing import public_of, sign, unsigned

    payload = encode(body)
    signer = public_of(private) if private else None
    envelope = sign(PAYLOAD_TYPE, payload, private) if private else unsigned(PAYLOAD_TYPE, payload)
    html = out.with_suffix(".html")
    if html == out:
        raise WrongCall(f"--out {out}: name the JSON file; the page is put beside it as .html")
    written(out, encode(envelope).decode())
    written(html, page(body, signers=(signer,) if signer else ()))
    console.print(Text(f"Certified: {body['id']}", style="bold green"))
    console.print(Text(str(body["says"])), soft_wrap=True)
    console.print(Text(f"Holds until {body['expires']}. Certificate: {out}, as a page: {html}"))
    if not signer:
        console.print(Text("UNSIGNED: anybody can change all of it; sign it with --key."))


def _check(options: argparse.Namespace, today: date) -> int:
    """0 if the certificate follows from the run, somebody trusted signed it, and it still holds."""
    from reports import signing
    from reports.certificate import body_of, certificate, differing, said
    from reports.certification import CertificationError, assess, profile

    trusted = [public_key(one) for one in options.trust]
    try:
        envelope = json.loads(options.check.read_bytes())
        body = body_of(envelope)
        signers = signing.signers(envelope)
        keys = trusted or [one.encode() for one in signers]
        holding = signing.check(envelope, keys)
        name = f"{body['profile']['name']}@{body['profile']['version']}"
        issued, expires = (date.fromisoformat(body[one]) for one in ("issued", "expires"))
        asked = profile(name)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WrongCall(f"{options.check}: {error}") from None
    except CertificationError as error:
        raise WrongCall(str(error)) from None
    source = read(options.run, [], issued)
    waivers = waivers_of(options.waivers) if options.waivers else source.waivers
    given = said(body)
    assessed = assess(
        source.run, source.inspection, asked, given, waivers, today=issued, before=source.gaps
    )
    console = Console(highlight=False)
    console.print(Text(f"Certificate {body['id']}: {asked.id}, issued {issued}"))
    if assessed.gaps:
        console.print(Text("It does not follow from this run, which lacks:", style="bold red"))
        _refused(source.run, assessed, console)
        return NOT_CONFORMANT
    found = differing(body, certificate(source.run, assessed, given, bundle=source.bundle))
    if found:
        console.print(
            Text(f"It does not follow from this run: {', '.join(found)} differ.", style="bold red")
        )
        return NOT_CONFORMANT
    console.print(Text("It follows from this run, part by part."))
    doubts = []
    if not signers:
        doubts.append("Nobody signed it: anybody can have made it.")
    elif len(holding) < len(keys):
        doubts.append("It is not signed by every key that was named, or a signature is false.")
    elif not trusted:
        doubts.append(f"It is signed by {', '.join(holding)}; name who you trust with --trust.")
    if today > expires:
        doubts.append(f"It held until {expires}, and that is over.")
    for doubt in doubts:
        console.print(Text(doubt, style="yellow"))
    console.print(Text("What people attest in it rests on their word; ask for the documents."))
    return INCONCLUSIVE if doubts else CONFORMANT


def _refused(run: Run, assessed: Assessment, console: Console) -> None:
    from reports.certification import KIND_WORDS, by_kind
    from reports.defects import counted

    asked = assessed.profile
    console.print(
        Text(
            f"Not certified for {asked.name} {asked.version}: {counted(len(assessed.gaps), 'gap')}",
            style="bold red",
        )
    )
    target = run.header.target
    console.print(Text(f"{target.name} {target.version or ''}, run of {run.header.started}"))
    for kind, gaps in by_kind(assessed.gaps).items():
        console.print()
        console.print(Text(f"{KIND_WORDS[kind]} ({len(gaps)})", style="bold"))
        for gap in gaps[:_SHOWN]:
            console.print(Padding(Text(f"- {gap.says}"), (0, 0, 0, 2)))
            console.print(Padding(Text(f"→ {gap.do}", style="dim"), (0, 0, 0, 4)))
        if len(gaps) > _SHOWN:
            console.print(f"  … and {len(gaps) - _SHOWN} more; --json FILE has them all")


def _plain(assessed: Assessment) -> dict[str, object]:
    return {
        "schema": 1,
        "profile": assessed.profile.id,
        "at": assessed.today.isoformat(),
        "certified": not assessed.gaps,
        "gaps": [{"kind": gap.kind, "says": gap.says, "do": gap.do} for gap in assessed.gaps],
    }
