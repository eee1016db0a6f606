"""Bundles to test with, and what somebody could do to them."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from reports import archive, signing
from reports.attestation import LEDGER, MANIFEST, PAYLOAD_TYPE
from reports.bundle import ATTESTATION, contents, opened, write
from reports.canonical import encode, exchange_hash, plan_digest
from reports.ledger import Finding, Run, read
from reports.waivers import Waiver, accepted_of, plain, waiver_id
from tests.reports import sample
from tests.reports.sample import Record

PRIVATE, PUBLIC = signing.generate()
STRANGER, STRANGER_PUBLIC = signing.generate()
DAY = date(2026, 11, 21)
"""On which the sample run took place, and its bundles are made."""


def records(*outcomes: str, run: str = "5eed" * 8) -> list[Record]:
    """A run of one case per outcome in which everything fits; failures keep their exchange."""
    found: list[Record] = []
    for record in sample.small(*outcomes):
        if record.get("outcome") == "fail":
            name = f"e{len(found)}"
            exchange = sample.exchange(name)
            found.append(exchange)
            findings = [{**one, "exchanges": [name]} for one in record["findings"]]
            cited = {"exchanges": [name], "seen": [exchange_hash(exchange)]}
            found.append({**record, **cited, "findings": findings})
        else:
            found.append({**record, "id": run} if record["type"] == "run" else record)
    found.insert(
        2, sample.clauses(sample.clause("nist:AC-3", ("access_matrix", "denied-means-refused")))
    )
    return found


def folder(path: Path, *outcomes: str, waived: bool = False, run: str = "5eed" * 8) -> Path:
    """The folder of such a run; `waived` adds a waiver of every finding."""
    sample.write(path, records(*outcomes, run=run))
    if waived:
        (path / "waivers.json").write_text(json.dumps(plain(waivers(path))), encoding="utf-8")
    return path


def waivers(path: Path, granted: date = DAY) -> tuple[Waiver, ...]:
    """A waiver of every finding of the run in that folder."""
    run = read(path)
    return accepting(run, run.findings, granted)


def accepting(run: Run, findings: Iterable[Finding], granted: date = DAY) -> tuple[Waiver, ...]:
    """A waiver of each of these findings of the run."""
    cases = {case.id: case for case in run.cases}
    return tuple(
        Waiver(
            id=waiver_id(finding.id),
            finding=finding.id,
            case=None,
            rule=finding.rule,
            accepted=accepted_of(run, cases[finding.case], finding),
            reason="The device is replaced in January.",
            owner="Ward IT",
            approver="Privacy officer",
            ticket="SEC-12",
            granted=granted,
            expires=date(2027, 1, 31),
            place="waivers.yaml:3",
        )
        for finding in findings
    )


def made(path: Path, *outcomes: str, key: bytes | None = PRIVATE, waived: bool = False) -> Path:
    """A bundle of such a run."""
    path.mkdir(parents=True, exist_ok=True)
    run = folder(path / "run", *outcomes, waived=waived)
    return write(run, path / "run.zip", key, DAY)


def members(bundle: Path) -> dict[str, bytes]:
    """The bytes of everything in a bundle."""
    with opened(bundle) as found:
        return {name: found.archive.read(name) for name in found.archive.names}


def zipped(path: Path, found: Mapping[str, bytes]) -> Path:
    """A zip of these members, in the form of a bundle."""
    with path.open("wb") as file:
        archive.write(file, found)
    return path


def listed(found: Mapping[str, bytes], **changes: Any) -> dict[str, bytes]:
    """The members with a manifest made anew, so that it fits them: the work of a forger."""
    manifest = json.loads(found[MANIFEST])
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name, data in sorted(found.items())
        if name not in {MANIFEST, ATTESTATION} and not name.startswith("countersign/")
    }
    lines = found[LEDGER].splitlines()
    manifest["ledger"] |= {
        "head": hashlib.sha256(lines[-1]).hexdigest(),
        "records": len(lines),
    }
    return {**found, MANIFEST: encode({**manifest, **changes})}


def signed(found: Mapping[str, bytes], key: bytes | None) -> dict[str, bytes]:
    """The members with an attestation made anew for the manifest that is there."""
    statement = json.loads(signing.opened(json.loads(found[ATTESTATION]))[1])
    for subject in statement["subject"]:
        if subject["name"] in {MANIFEST, LEDGER}:
            subject["digest"]["sha256"] = hashlib.sha256(found[subject["name"]]).hexdigest()
    payload = encode(statement)
    envelope = (
        signing.unsigned(PAYLOAD_TYPE, payload)
        if key is None
        else signing.sign(PAYLOAD_TYPE, payload, key)
    )
    return {**found, ATTESTATION: encode(envelope)}


def rewritten(
    found: Mapping[str, bytes],
    change: Callable[[list[Record]], list[Record]],
    *,
    chained: bool = True,
    planned: bool = False,
) -> dict[str, bytes]:
    """The members with other records in the ledger: chained anew, or left as they lay."""
    before = [json.loads(line) for line in found[LEDGER].splitlines()]
    after = change(before)
    if planned:
        for record in after:
            if record["type"] == "plan":
                record["digest"] = plan_digest(record["cases"])
    if chained:
        bare = [{k: v for k, v in one.items() if k not in {"seq", "prev"}} for one in after]
        lines = list(sample.chained(bare))
    else:
        lines = [encode(record) for record in after]
    return {**found, LEDGER: b"".join(line + b"\n" for line in lines)}


def everything_anew(found: Mapping[str, bytes], key: bytes | None) -> dict[str, bytes]:
    """All that follows from ledger and waivers made anew: a forger who knows every rule."""
    from reports.waivers import of_plain

    manifest = json.loads(found[MANIFEST])
    again = contents(
        found[LEDGER],
        of_plain(json.loads(found["waivers.json"])),
        manifest["gate"]["level"],
        date.fromisoformat(manifest["gate"]["as_of"]),
        signer=signing.public_of(key) if key else None,
        oscal=False,
    )
    payload = encode(again.statement)
    envelope = (
        signing.sign(PAYLOAD_TYPE, payload, key) if key else signing.unsigned(PAYLOAD_TYPE, payload)
    )
    return {**again.files, MANIFEST: encode(again.manifest), ATTESTATION: encode(envelope)}
