"""A bundle: everything that a run has left, in one file that can be checked by somebody else.

All of it follows from three things: the ledger, the waivers, and the day and level for which the
gate was asked. Whoever opens a bundle makes the rest anew from these and compares.
"""

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from reports import archive, chain, signing
from reports.archive import Archive, ArchiveError, Damaged
from reports.attestation import LEDGER, MANIFEST, PAYLOAD_TYPE, statement
from reports.canonical import encode
from reports.clauses import coverage
from reports.gate import Gate, judge, level_for, levels
from reports.ledger import LedgerError, Run, read_from
from reports.oscal import oscal_text
from reports.publish import rendered
from reports.waivers import Waiver, of_plain, plain

SCHEMA = 1
ATTESTATION = "attestation.dsse.json"
WAIVERS = "waivers.json"
VERDICT = "verdict.json"
PLAN = "plan.json"
EXCHANGES = "exchanges.jsonl"
CLAUSES = "clauses.json"
README = "readme.txt"
OSCAL = "assessment-results.oscal.json"
COUNTERSIGNATURE_TYPE = "application/vnd.wardproof.countersignature+json"

_COUNTERSIGN = re.compile(r"countersign/[0-9a-f]{64}\.dsse\.json")
_ALWAYS = frozenset(
    {MANIFEST, ATTESTATION, LEDGER, WAIVERS, VERDICT, PLAN, EXCHANGES, CLAUSES, README}
)
_PAGES = frozenset({"report/index.html", "junit.xml", "findings.sarif", "summary.json"})
_MAYBE = frozenset({OSCAL, "report/access-matrix.svg", "summary.md"})
_MOST_OF_MANIFEST = 1 << 22
_MOST_OF_LEDGER = 1 << 29
_MOST_OF_LINE = 1 << 25


class BundleError(Exception):
    """The file is no bundle, or none can be made; the message says why and what to do."""


class Contradicted(BundleError):
    """Something in a bundle is not what another part of it says; the message says what."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a ledger, its waivers, a day and a level come to: the files of a bundle by their names,
    without manifest and attestation, and those two as JSON values.

    `pages` names the files that are made for people by templates and renderers: another version
    may write them differently.
    """

    run: Run
    gate: Gate
    inspection: chain.Inspection
    files: Mapping[str, bytes]
    pages: frozenset[str]
    manifest: Mapping[str, Any]
    statement: Mapping[str, Any]


def contents(
    ledger: bytes,
    waivers: tuple[Waiver, ...],
    level: str | None,
    as_of: date,
    *,
    signer: str | None,
    oscal: bool,
) -> Contents:
    """Everything that a bundle holds, made from what it rests on.

    Without a `level` it is the one that goes with the profile of the run. Raises LedgerError if
    the ledger cannot be read, KeyError if there is no such level.
    """
    run = read_from(io.BytesIO(ledger), LEDGER)
    inspection = chain.inspect(ledger)
    asked = levels()[level] if level is not None else level_for(run.header.profile)
    gate = judge(run, waivers, asked, as_of)
    pages = {name: text.encode() for name, text in rendered(run, gate).items()}
    if oscal:
        pages[OSCAL] = oscal_text(run, gate).encode()
    files = {
        LEDGER: ledger,
        WAIVERS: _text(plain(waivers)),
        PLAN: encode(_plan(inspection)),
        EXCHANGES: b"".join(line + b"\n" for line in inspection.exchange_lines),
        VERDICT: _text(verdict(run, gate)),
        CLAUSES: _text(_clauses(run)),
        README: _readme(run, gate, signer).encode(),
        **pages,
    }
    manifest = _manifest(run, gate, inspection, files, signer)
    return Contents(
        run=run,
        gate=gate,
        inspection=inspection,
        files=files,
        pages=frozenset(pages),
        manifest=manifest,
        statement=statement(
            run,
            gate,
            manifest=hashlib.sha256(encode(manifest)).hexdigest(),
            ledger=hashlib.sha256(ledger).hexdigest(),
        ),
    )


# --- writing ---------------------------------------------------------------------------------


def write(
    folder: Path,
    out: Path,
    private_key: bytes | None,
    today: date,
    *,
    level: str | None = None,
    oscal: bool = False,
    waivers: Sequence[Waiver] | None = None,
) -> Path:
    """Writes the bundle of the run in `folder` as `out`, judged by the gate as of `today`.

    Without `waivers` they are those that are kept with the run, in its `waivers.json`.
    Without a private key (PEM) it is unsigned, and says so. The same folder, key and day give the
    same bytes. Raises BundleError if there is nothing to bundle or `out` is there already,
    LedgerError if the ledger cannot be read, SigningError if the key is none.
    """
    signer = signing.public_of(private_key) if private_key is not None else None
    ledger = _ledger_of(folder)
    made = contents(
        ledger,
        _waivers_of(folder) if waivers is None else tuple(waivers),
        level,
        today,
        signer=signer,
        oscal=oscal,
    )
    if made.inspection.chain or made.inspection.form:
        fault = (*made.inspection.chain, *made.inspection.form)[0]
        raise BundleError(
            f"{folder}: its ledger was changed or cut ({fault}), and a bundle of it would prove "
            "nothing; take the folder as the run left it, or resume the run"
        )
    payload = encode(made.statement)
    if private_key is None:
        envelope = signing.unsigned(PAYLOAD_TYPE, payload)
    else:
        envelope = signing.sign(PAYLOAD_TYPE, payload, private_key)
    members = {
        **made.files,
        MANIFEST: encode(made.manifest),
        ATTESTATION: encode(envelope),
    }
    return _zipped(members, out)


def countersigned(path: Path, out: Path, private_key: bytes, said: bytes) -> Path:
    """Writes `out`: the bundle `path` with one more signature on what it attests.

    `said` is what the second signer has done and found, as a JSON object with at least `sentence`,
    which is shown to whoever verifies, and `manifest.sha256`, the digest of the manifest that it is
    about; it is kept in an envelope of its own, signed by the same key. Raises BundleError if
    `path` is no bundle or an unsigned one.
    """
    signer = signing.public_of(private_key)
    with opened(path) as bundle:
        if not bundle.signers:
            raise BundleError(f"{path}: is unsigned, so there is nothing to countersign")
        members = {name: bundle.archive.read(name) for name in bundle.archive.names}
        members[ATTESTATION] = encode(signing.countersign(bundle.envelope, private_key))
        members[countersignature_name(signer)] = encode(
            signing.sign(COUNTERSIGNATURE_TYPE, said, private_key)
        )
    return _zipped(members, out)


def countersignature_name(key_id: str) -> str:
    """Under which name a bundle holds what the owner of that key has said about it."""
    return f"countersign/{key_id.removeprefix('ed25519:')}.dsse.json"


def _zipped(members: Mapping[str, bytes], out: Path) -> Path:
    """Writes the zip beside `out` first, so that there is a whole one or none."""
    if out.exists():
        raise BundleError(f"{out}: is there already, and no bundle is written over; name another")
    work = out.with_name(f".{out.name}.{uuid4().hex[:8]}")
    try:
        with work.open("xb") as file:
            archive.write(file, members)
        work.rename(out)
    except OSError as error:
        raise BundleError(f"{out}: cannot be written ({error.strerror or error})") from None
    finally:
        work.unlink(missing_ok=True)
    return out


def _ledger_of(folder: Path) -> bytes:
    try:
        return (folder / LEDGER).read_bytes()
    except OSError as error:
        raise BundleError(
            f"{folder / LEDGER}: cannot be read ({error.strerror}); give the folder that a run "
            "wrote with --out"
        ) from None


def _waivers_of(folder: Path) -> tuple[Waiver, ...]:
    path = folder / WAIVERS
    if not path.exists():
        return ()
    try:
        return of_plain(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(
            f"{path}: cannot be read ({error}); let `wardproof gate {folder}` write it anew"
        ) from None


# --- what is in it ---------------------------------------------------------------------------


def verdict(run: Run, gate: Gate) -> dict[str, Any]:
    """`verdict.json`: the verdict of the run, that of the gate, and the counts behind them."""
    words: dict[str, int] = {}
    for _, judged in run.judged():
        words[judged.word] = words.get(judged.word, 0) + 1
    decision = gate.decision
    return {
        "schema": SCHEMA,
        "run": run.header.id,
        "verdict": decision.verdict,
        "reasons": list(decision.reasons),
        "planned": decision.planned,
        "executed": decision.executed,
        "words": dict(sorted(words.items())),
        "counts": asdict(decision.counts),
        "suites": {name: asdict(counts) for name, counts in decision.suites.items()},
        "findings": len(run.findings),
        "gate": {
            "as_of": gate.today.isoformat(),
            "level": gate.level.name,
            "verdict": gate.verdict,
            "exit_code": gate.exit_code,
            "reasons": list(gate.reasons),
            "accepted": {name: one.id for name, one in sorted(gate.accepted.items())},
            "expired": [one.id for one in gate.expired],
            "unused": [one.id for one in gate.unused],
            "widened": [one.id for one in gate.widened],
            "refused": [one.id for one in gate.refused],
        },
    }


def _plan(inspection: chain.Inspection) -> dict[str, Any]:
    plans = inspection.plans
    return {
        "schema": SCHEMA,
        "digest": plans[0].get("digest") if plans else None,
        "cases": [case for plan in plans for case in plan["cases"]],
    }


def _clauses(run: Run) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "frameworks": [asdict(one) for one in run.frameworks],
        "clauses": [
            {
                "id": one.clause.id,
                "title": one.clause.title,
                "evidence": one.clause.evidence,
                "state": one.state,
                "against": one.against,
                "reason": one.reason,
                "properties": [
                    {"suite": citing.suite, "property": citing.property, **asdict(citing.counts)}
                    for citing in one.citing
                ],
            }
            for one in coverage(run)
        ],
    }


def _manifest(
    run: Run,
    gate: Gate,
    inspection: chain.Inspection,
    files: Mapping[str, bytes],
    signer: str | None,
) -> dict[str, Any]:
    header = run.header
    return {
        "schema": SCHEMA,
        "signer": signer,
        "run": {
            "id": header.id,
            "wardproof": header.wardproof,
            "profile": header.profile,
            "seed": header.seed,
            "suites": list(header.suites),
            "selection": asdict(header.selection),
            "shard": asdict(header.shard) if header.shard else None,
            "started": header.started,
            "finished": run.end.finished if run.end else None,
        },
        "target": {
            "name": header.target.name,
            "version": header.target.version,
            "digest": header.target.digest,
            "base_url": header.target.base_url,
        },
        "versions": {
            **asdict(header.versions),
            "frameworks": {one.id: one.version for one in run.frameworks},
        },
        "ledger": {
            "head": inspection.head,
            "records": inspection.records,
            "plan": [plan.get("digest") for plan in inspection.plans][:1],
        },
        "gate": {"as_of": gate.today.isoformat(), "level": gate.level.name},
        "renderer": renderer(),
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in sorted(files.items())
        },
    }


@cache
def renderer() -> str:
    """The SHA-256 of what makes the pages: code, templates, data, and the version of Jinja."""
    here = Path(__file__).parent
    digest = hashlib.sha256(version("jinja2").encode())
    for path in sorted(here.rglob("*")):
        parts = path.relative_to(here).parts
        if path.is_file() and not {"__pycache__", "runs", "node_modules"}.intersection(parts):
            digest.update(b"\0" + "/".join(parts).encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _readme(run: Run, gate: Gate, signer: str | None) -> str:
    header = run.header
    signed = (
        f"SIGNED with the key {signer}.\nWhose key that is nothing in here can tell: ask its owner "
        "over another channel.\n"
        if signer
        else "UNSIGNED. Anybody can have made or changed this file; it proves nothing about who.\n"
    )
    target = f"{header.target.name} {header.target.version or ''}".strip()
    return (
        f"A Wardproof bundle: the evidence of one run against {target}.\n\n{signed}\n"
        f"Run {header.id}, profile {header.profile}, seed {header.seed}, begun {header.started}.\n"
        f"Verdict of the run: {gate.decision.verdict}.\n"
        f"Gate (level {gate.level.name}) as of {gate.today}: {gate.verdict}.\n\n"
        "Do not trust these lines, verify them: wardproof verify FILE --key PUBLIC-KEY\n"
        "To read: report/index.html. What each file is: docs/evidence.md of Wardproof.\n"
    )


def _text(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")


# --- reading ---------------------------------------------------------------------------------


class Bundle:
    """An opened bundle. Members are read into memory on demand, never unpacked to a disk.

    `manifest` and `envelope` are as they stand; `read` and what is built on it raise Contradicted
    for a member that is not the one that the manifest lists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.archive = Archive(path)
        except ArchiveError as error:
            raise BundleError(f"{path}: {error}") from None
        try:
            self._admitted()
            self.manifest_digest = ""
            self.manifest = self._manifest()
            self.envelope: Mapping[str, Any] = self._envelope()
        except BaseException:
            self.archive.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.archive.close()

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the whole file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def signers(self) -> list[str]:
        """The key ids of the signatures on what the bundle attests; none of them is checked."""
        return signing.signers(self.envelope)

    @property
    def as_of(self) -> date:
        """The day for which the gate was asked."""
        return date.fromisoformat(self.manifest["gate"]["as_of"])

    @property
    def level(self) -> str:
        """The level at which the gate was asked."""
        return str(self.manifest["gate"]["level"])

    def read(self, name: str) -> bytes:
        """A member that the manifest lists; raises Contradicted if it is another."""
        listed = self.manifest["files"].get(name)
        if listed is None or name not in self.archive.names:
            raise Contradicted(f"{self.path}: {name} is not in it, or not in its manifest")
        data = self._raw(name)
        self.matched(name, data)
        return data

    def matched(self, name: str, data: bytes) -> None:
        """Raises Contradicted if `data` is not the member that the manifest lists."""
        listed = self.manifest["files"][name]
        if len(data) != listed["size"] or hashlib.sha256(data).hexdigest() != listed["sha256"]:
            raise Contradicted(f"{self.path}: {name} is not the file that the manifest lists")

    def bounded(self, ledger: bytes) -> None:
        """Raises Contradicted for lines so long that reading them would be the attack."""
        at = 0
        while at < len(ledger):
            end = ledger.find(b"\n", at)
            end = len(ledger) if end < 0 else end
            if end - at > _MOST_OF_LINE:
                raise Contradicted(
                    f"{self.path}: {LEDGER} has a line of {end - at:,} bytes, as no run writes"
                )
            at = end + 1

    def run(self) -> Run:
        """The run that the bundle is about; raises Contradicted if its ledger cannot be read."""
        ledger = self.read(LEDGER)
        self.bounded(ledger)
        try:
            return read_from(io.BytesIO(ledger), f"{self.path}/{LEDGER}")
        except LedgerError as error:
            raise Contradicted(str(error)) from None

    def waivers(self) -> tuple[Waiver, ...]:
        """The waivers that its gate was given."""
        try:
            return of_plain(json.loads(self.read(WAIVERS)))
        except (ValueError, RecursionError) as error:
            raise Contradicted(f"{self.path}: {WAIVERS} cannot be read ({error})") from None

    def countersignature(self, key_id: str) -> Mapping[str, Any] | None:
        """The envelope with what the owner of that key has said, None if there is none."""
        name = countersignature_name(key_id)
        if name not in self.archive.names:
            return None
        return self._json(name, self._raw(name))

    def _admitted(self) -> None:
        """Raises BundleError for members that no bundle has, or too large ones."""
        names = self.archive.names
        for name in names:
            if name not in _ALWAYS | _PAGES | _MAYBE and not _COUNTERSIGN.fullmatch(name):
                raise BundleError(f"{self.path}: holds {name}, which no bundle does")
        missing = sorted((_ALWAYS | _PAGES - {ATTESTATION}) - set(names))
        if MANIFEST in missing or LEDGER in missing:
            raise BundleError(f"{self.path}: is a zip without {missing[0]}, so no bundle")
        for name, most in ((MANIFEST, _MOST_OF_MANIFEST), (LEDGER, _MOST_OF_LEDGER)):
            if self.archive.size(name) > most:
                raise BundleError(f"{self.path}: its {name} is larger than {most >> 20} MiB")

    def _manifest(self) -> dict[str, Any]:
        data = self._raw(MANIFEST)
        self.manifest_digest = hashlib.sha256(data).hexdigest()
        value = self._json(MANIFEST, data)
        if value.get("schema") != SCHEMA:
            raise BundleError(
                f"{self.path}: is of schema {value.get('schema')!r:.20}; this Wardproof knows "
                f"{SCHEMA} only"
            )
        try:
            signer = value["signer"]
            sound = (
                (signer is None or signing.key_id(str(signer).encode()) == signer)
                and date.fromisoformat(value["gate"]["as_of"]) is not None
                and isinstance(value["gate"]["level"], str)
                and all(
                    re.fullmatch("[0-9a-f]{64}", one["sha256"]) and isinstance(one["size"], int)
                    for one in value["files"].values()
                )
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            sound = False
        if not sound:
            raise BundleError(f"{self.path}: its {MANIFEST} is none that Wardproof wrote")
        return value

    def _envelope(self) -> Mapping[str, Any]:
        if ATTESTATION not in self.archive.names:
            return {"payloadType": PAYLOAD_TYPE, "payload": "", "signatures": []}
        envelope = self._json(ATTESTATION, self._raw(ATTESTATION))
        try:
            signing.opened(envelope)
        except signing.SigningError as error:
            raise Contradicted(f"{self.path}: {ATTESTATION} {error}") from None
        return envelope

    def _json(self, name: str, data: bytes) -> dict[str, Any]:
        """A member as JSON, and only if it is written in the one canonical way."""
        try:
            value = json.loads(data)
            if not isinstance(value, dict) or encode(value) != data:
                raise ValueError("it is not written in the one canonical way")
        except (ValueError, RecursionError) as error:
            raise Contradicted(f"{self.path}: {name} cannot be read ({error})") from None
        return value

    def _raw(self, name: str) -> bytes:
        try:
            return self.archive.read(name)
        except Damaged as error:
            raise Contradicted(f"{self.path}: {error}") from None
        except OSError as error:
            raise BundleError(f"{self.path}: cannot be read ({error.strerror})") from None


def opened(path: Path) -> Bundle:
    """The bundle in that file, to be used in a `with` statement.

    Raises BundleError if it is none, Contradicted if manifest or attestation were damaged.
    """
    return Bundle(path)
