"""The ledger of a run, read back: `DIR/evidence.jsonl`, one canonical JSON record per line.

Each record names the SHA-256 of the line before it, so a changed, added or removed line shows.
A run that was killed leaves a readable beginning, perhaps with a last line cut off.
"""

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import TypeAdapter, ValidationError

from reports.printable import may_be_unsafe, one_line, printable_json
from reports.proofs import Detail
from reports.shards import shard_of

Outcome = Literal["pass", "fail", "inconclusive", "not_claimed", "not_tested"]
Severity = Literal[
    "care_blocking", "data_integrity", "privacy_regulatory", "operational", "inconvenience"
]
Urgency = Literal["now", "same_day", "scheduled"]
Word = Literal[
    "conform-allow",
    "conform-deny",
    "bypass",
    "over-restriction",
    "inconclusive",
    "not-claimed",
    "not-tested",
]
"""What a verdict says, in one of seven words."""

SCHEMA = 2

LEDGER_NAME = "evidence.jsonl"
_FIRST = "0" * 64


class LedgerError(Exception):
    """The ledger cannot be read; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    base_url: str
    version: str | None = None
    digest: str | None = None
    file: str = "target.yaml"


@dataclass(frozen=True, slots=True)
class Tenant:
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Persona:
    id: str
    roles: tuple[str, ...]
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    request: str
    kind: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Versions:
    """What a run went by: SHA-256 of files by name, and the time zone database."""

    suites: dict[str, str] = field(default_factory=dict)
    policy: str = ""
    target: str = ""
    tables: dict[str, str] = field(default_factory=dict)
    tzdata: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a plan was asked for; `cases` are patterns, none means all."""

    suites: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    stop_after: int | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """Which part of a run this is: the `number`-th `of` so many."""

    number: int
    of: int


@dataclass(frozen=True, slots=True)
class Seen:
    """More exchanges than are listed one by one: how many, and the SHA-256 of all their hashes."""

    count: int
    digest: str


@dataclass(frozen=True, slots=True)
class Header:
    """The first record: what was tested, how, and for whom."""

    schema: int
    wardproof: str
    target: Target
    profile: str
    seed: int
    suites: tuple[str, ...]
    started: str
    platform: dict[str, str] = field(default_factory=dict)
    tenants: dict[str, Tenant] = field(default_factory=dict)
    personas: tuple[Persona, ...] = ()
    resources: dict[str, dict[str, Operation]] = field(default_factory=dict)
    policy: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    id: str = ""
    versions: Versions = field(default_factory=Versions)
    selection: Selection = field(default_factory=Selection)
    shard: Shard | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One planned check. Suite-wide cases have no persona, resource or operation.

    `other` is the tenant of the instance when it is not the persona's, `kind` what the operation
    does (read, list, create …). A case that is tried `everywhere` judges what was done before it,
    so every shard tries it.
    """

    id: str
    suite: str
    property: str
    sentence: str
    persona: str | None = None
    roles: tuple[str, ...] = ()
    tenant: str | None = None
    resource: str | None = None
    operation: str | None = None
    relation: str | None = None
    expected: str | None = None
    variant: str | None = None
    because: str | None = None
    other: str | None = None
    kind: str | None = None
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    id: str
    request: Request
    persona: str | None = None
    role_in_case: str = "attempt"
    response: Response | None = None
    error: str | None = None
    started: str | None = None
    milliseconds: float | None = None
    truncated: bool = False
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A failed promise, in a product owner's words, with what proves and repeats it.

    `defect` groups the findings that one mend would cure. `marks` are the parts of a response
    that prove the finding, if the engine named them. `affected` says who is, `could` what could
    happen, in a sentence.
    """

    id: str
    rule: str
    suite: str
    case: str
    severity: Severity
    urgency: Urgency
    title: str
    message: str
    noise: str = ""
    persona: str | None = None
    role: str | None = None
    resource: str | None = None
    operation: str | None = None
    relation: str | None = None
    expected: str = ""
    observed: str = ""
    reproduction: str = ""
    exchanges: tuple[str, ...] = ()
    defect: str = ""
    cwe: tuple[int, ...] = ()
    owasp: str | None = None
    marks: tuple[str, ...] = ()
    affects_data: bool = False
    affects_workflow: bool = False
    affected: str = ""
    could: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    persona: str | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a case. `seen` are the hashes of all its exchanges, kept or not."""

    case: str
    outcome: Outcome
    kind: str
    word: Word
    reason: str = ""
    seconds: float = 0.0
    control: Control | None = None
    exchanges: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    detail: Detail = None
    seen: tuple[str, ...] | Seen = ()


@dataclass(frozen=True, slots=True)
class LeftOver:
    """Something that the run created in the target and could not remove."""

    resource: str
    id: str
    reason: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    cases: tuple[Case, ...]
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Framework:
    """A law, a standard or a list of risks."""

    id: str
    name: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Clause:
    """What a framework asks for, in our words, and which planned properties give evidence for it.

    `properties` are pairs of suite and property. `evidence` says how far a run can show it:
    direct, partial or attestation-only. `verified` says how its reference was checked.
    """

    id: str
    framework: str
    ref: str
    title: str
    evidence: str
    tier: str
    meaning: str = ""
    verified: str = ""
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Clauses:
    frameworks: tuple[Framework, ...]
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class End:
    finished: str
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Resumed:
    """When a run that was killed or interrupted went on, and how much of a cut line was lost."""

    at: str
    part: int = 1
    lost_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One of the ledgers that were joined: its run, which shard, the SHA-256 of its last line."""

    id: str
    shard: Shard
    head: str
    records: int
    started: str
    finished: str | None = None
    platform: dict[str, str] = field(default_factory=dict)
    resumed: int = 0


@dataclass(frozen=True, slots=True)
class Merged:
    """The ledgers that a run's ledger was joined from, by number of their shard."""

    parts: tuple[Part, ...]


class Exchanges(Mapping[str, Exchange]):
    """The exchanges of a run by their ids, packed: one is only unpacked when it is looked at."""

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}

    def keep(self, identifier: str, line: bytes) -> None:
        """Adds the exchange that a line of the ledger holds."""
        self._packed[identifier] = zlib.compress(line, 1)

    def __getitem__(self, identifier: str) -> Exchange:
        record = _read_line(zlib.decompress(self._packed[identifier]))
        found: Exchange = _ADAPTERS["exchange"].validate_python(record)
        return found

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


@dataclass(frozen=True, slots=True)
class Run:
    """A whole run as its ledger tells it. All text in it is printable.

    `verdicts` maps case ids to verdicts; `missing(case)` cases have none. `cut` means that the
    last line was incomplete, `broken_at` is the `seq` of the first record that does not
    follow from the one before it, `head` the SHA-256 of the last whole line.
    `unplanned` are verdicts without a planned case, `repeated` cases with more than one verdict.
    `frameworks` and `clauses` are empty if the ledger does not tell of any. `resumed` says how
    often the run went on after it had been cut short, `merged` which parts it was joined from.
    """

    header: Header
    cases: tuple[Case, ...]
    verdicts: Mapping[str, Verdict]
    exchanges: Mapping[str, Exchange]
    left_overs: tuple[LeftOver, ...]
    end: End | None
    cut: bool
    broken_at: int | None
    records: int
    head: str
    plan_digests: tuple[str, ...] = ()
    unplanned: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    frameworks: tuple[Framework, ...] = ()
    clauses: tuple[Clause, ...] = ()
    resumed: tuple[Resumed, ...] = ()
    merged: tuple[Part, ...] = ()

    def verdict(self, case: Case) -> Verdict:
        """The verdict on `case`; "not tested" if the run did not come to it, or a shard has it."""
        return self.verdicts.get(case.id) or Verdict(
            case=case.id,
            outcome="not_tested",
            kind="no-verdict" if self.tries(case) else "other-shard",
            word="not-tested",
            reason="The run ended before this case had a verdict."
            if self.tries(case)
            else "Another shard of the run tries this case.",
        )

    def tries(self, case: Case) -> bool:
        """Whether the case belongs to this run, which may be one shard of a greater one."""
        shard = self.header.shard
        return shard is None or case.everywhere or shard_of(case.id, shard.of) == shard.number

    def judged(self) -> Iterator[tuple[Case, Verdict]]:
        """Every planned case with its verdict, in the order of the plan."""
        return ((case, self.verdict(case)) for case in self.cases)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of the plan, then those of unplanned cases."""
        order = [case.id for case in self.cases] + list(self.unplanned)
        return tuple(
            finding
            for case in order
            if case in self.verdicts
            for finding in self.verdicts[case].findings
        )


_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    "run": TypeAdapter(Header),
    "plan": TypeAdapter(Plan),
    "clauses": TypeAdapter(Clauses),
    "verdict": TypeAdapter(Verdict),
    "exchange": TypeAdapter(Exchange),
    "left_over": TypeAdapter(LeftOver),
    "end": TypeAdapter(End),
    "resumed": TypeAdapter(Resumed),
    "merged": TypeAdapter(Merged),
}


def read(folder: Path) -> Run:
    """The run whose ledger lies in `folder`.

    A last line without its line end that is no JSON counts as cut, not as an error. Record types
    that this version does not know are skipped. Raises LedgerError, naming file and line, if there
    is no ledger, a line is garbage, or the first record is not a `run` record of schema 2.
    """
    path = folder / LEDGER_NAME
    try:
        source = path.open("rb")
    except OSError as error:
        raise LedgerError(
            f"{path}: cannot be read ({error.strerror}); give the folder that a run wrote "
            "with --out"
        ) from None
    with source:
        return read_from(source, str(path))


def read_from(source: BinaryIO, path: str) -> Run:
    """The same as `read` for a ledger that lies anywhere; `path` says where, for messages."""
    header: Header | None = None
    cases: dict[str, Case] = {}
    digests: list[str] = []
    verdicts: dict[str, Verdict] = {}
    times_judged: Counter[tuple[str, int]] = Counter()
    resumed: list[Resumed] = []
    merged: tuple[Part, ...] = ()
    exchanges = Exchanges()
    left_overs: list[LeftOver] = []
    clauses = Clauses((), ())
    end: End | None = None
    broken_at: int | None = None
    cut = False
    expected_prev = _FIRST
    records = 0

    for number, ended in enumerate(source, start=1):
        line = ended.removesuffix(b"\n")
        record = _record(path, number, line, may_be_cut=len(line) == len(ended))
        if record is None:
            cut = True
            break
        if broken_at is None and (record.get("seq"), record.get("prev")) != (
            records,
            expected_prev,
        ):
            broken_at = records
        expected_prev = hashlib.sha256(line).hexdigest()
        records += 1
        match entry := _entry(path, number, record):
            case Header():
                header = _only(header, entry, f"{path}:{number}")
            case _ if header is None:
                raise LedgerError(f"{path}:{number}: the first record must be a `run` record")
            case Plan():
                cases |= {case.id: case for case in entry.cases}
                digests += [entry.digest] if entry.digest else []
            case Clauses():
                clauses = entry
            case Verdict():
                times_judged[entry.case, len(resumed)] += 1
                verdicts[entry.case] = _graver(verdicts.get(entry.case), entry)
            case Exchange():
                exchanges.keep(entry.id, line)
            case LeftOver():
                left_overs.append(entry)
            case End():
                end = entry
            case Resumed():
                resumed.append(entry)
                end = None
            case Merged():
                merged = entry.parts
    if header is None:
        raise LedgerError(
            f"{path}: holds no whole `run` record; the run ended before it began, so run it again"
        )
    return Run(
        header=header,
        cases=tuple(cases.values()),
        verdicts=verdicts,
        exchanges=exchanges,
        left_overs=tuple(left_overs),
        end=end,
        cut=cut,
        broken_at=broken_at,
        records=records,
        head=expected_prev,
        plan_digests=tuple(dict.fromkeys(digests)),
        unplanned=tuple(case for case in verdicts if case not in cases),
        repeated=_repeated(times_judged, cases),
        frameworks=clauses.frameworks,
        clauses=clauses.clauses,
        resumed=tuple(resumed),
        merged=merged,
    )


def _only(former: Header | None, header: Header, place: str) -> Header:
    if former is not None:
        raise LedgerError(f"{place}: a second `run` record; one run, one ledger")
    return header


def _repeated(times: Mapping[tuple[str, int], int], cases: Mapping[str, Case]) -> tuple[str, ...]:
    """Cases that were judged too often: those that judge a whole part are judged once in each."""
    parts = Counter(case for case, _ in times)
    twice = {case for (case, _), number in times.items() if number > 1}
    return tuple(
        case
        for case in parts
        if (parts[case] > 1 and not (case in cases and cases[case].everywhere)) or case in twice
    )


def _record(path: str, number: int, line: bytes, *, may_be_cut: bool) -> dict[str, Any] | None:
    try:
        record = _read_line(line)
    except (ValueError, RecursionError) as error:
        if may_be_cut:
            return None
        raise LedgerError(
            f"{path}:{number}: not JSON ({one_line(str(error), 80)}); the ledger was edited or "
            "damaged, so restore it or run again"
        ) from None
    if not isinstance(record, dict) or not isinstance(record.get("type"), str):
        raise LedgerError(f"{path}:{number}: a record must be an object with a `type`")
    return record


def _read_line(line: bytes) -> Any:
    text = line.decode("utf-8", errors="replace")
    record = json.loads(text)
    return printable_json(record) if may_be_unsafe(text) else record


def _entry(path: str, number: int, record: dict[str, Any]) -> object:
    kind = record["type"]
    if kind not in _ADAPTERS:
        return None
    if kind == "run" and record.get("schema") != SCHEMA:
        raise LedgerError(
            f"{path}:{number}: schema {record.get('schema')!r} is not known here (only 2 is); "
            "make the report with the Wardproof that made the run"
        )
    try:
        return _ADAPTERS[kind].validate_python(record)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LedgerError(f"{path}:{number}: {kind}.{where}: {first['msg']}") from None


def _graver(former: Verdict | None, latter: Verdict) -> Verdict:
    """Of two verdicts on one case a failure stands; otherwise the later one."""
    return former if former is not None and former.outcome == "fail" else latter
