"""Certification profiles, and what a run lacks for one.

A profile is data with a name and a version: the properties that must have been tried and must
have held, what may be left out and why, and what somebody must attest because no run can show it.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

import yaml

from reports.attestations import Attestations, Item, lacking
from reports.chain import Inspection, incomplete
from reports.defects import SEVERITIES, SEVERITY_WORDS, counted
from reports.gate import Gate, Level, judge
from reports.ledger import Case, Outcome, Run, Severity, Verdict
from reports.waivers import Waiver

FOLDER = Path(__file__).with_name("data") / "certification"
RELEASED = "released.yaml"

NotClaimed = Literal["refused", "some", "stated"]
Kind = Literal[
    "bundle",
    "ledger",
    "scope",
    "suite",
    "property",
    "control",
    "failed",
    "inconclusive",
    "not tested",
    "not claimed",
    "waiver",
    "attestation",
]

KIND_WORDS: dict[Kind, str] = {
    "bundle": "The bundle",
    "ledger": "The evidence",
    "scope": "What was run",
    "suite": "Suites that were not run",
    "property": "Properties of which nothing was shown",
    "control": "Refusals without a control",
    "failed": "Failures",
    "inconclusive": "Not concluded",
    "not tested": "Not tested",
    "not claimed": "Not claimed",
    "waiver": "Accepted risks",
    "attestation": "What somebody has to attest",
}
_BREACHES: frozenset[Kind] = frozenset({"bundle", "failed", "waiver"})


class CertificationError(Exception):
    """There is no such profile, or it cannot be relied on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What is asked about one property.

    `instead` is a property that is as good. `none` says what it means if no case was planned; if
    it is empty, that is a gap. `control` asks for a permitted subject beside every refusal.
    """

    suite: str
    name: str
    instead: str = ""
    none: str = ""
    control: bool = False
    not_claimed: NotClaimed = "refused"
    why: str = ""

    @property
    def words(self) -> str:
        """`suite: property`, for people."""
        return f"{self.suite}: {self.name}"


@dataclass(frozen=True, slots=True)
class Profile:
    """A certification profile with all that it extends.

    `digests` maps the files that it is made of, as `name@version`, to their SHA-256.
    """

    name: str
    version: str
    title: str
    says: str
    does_not_say: tuple[str, ...]
    run_profiles: tuple[str, ...]
    oldest_run_days: int
    valid_days: int
    never_waived: tuple[Severity, ...]
    most_waivers: int
    longest_waiver_days: int
    requirements: tuple[Requirement, ...]
    items: tuple[Item, ...]
    oldest_attestation_days: int
    digests: Mapping[str, str]

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites that it asks for, in its order."""
        return tuple(dict.fromkeys(one.suite for one in self.requirements))


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that stands between a run and a certificate: what, and what to do about it."""

    kind: Kind
    says: str
    do: str


# --- profiles -------------------------------------------------------------------------------------


def profile(name: str, folder: Path = FOLDER) -> Profile:
    """The released profile `name` in its newest version, or `name@version`.

    Raises CertificationError if there is none, if it was not released, or if its file is not the
    one that was.
    """
    released = released_digests(folder)
    wanted = name if "@" in name else _newest(name, released)
    if wanted is None or wanted not in released:
        there = ", ".join(released) or "none"
        raise CertificationError(
            f"there is no released certification profile {name!r}; there are: {there}"
        )
    found = read(wanted, folder)
    for part, digest in found.digests.items():
        if released.get(part) != digest:
            raise CertificationError(
                f"the certification profile {part} is not the one that was released: its file was "
                "changed. Install Wardproof again, or give what was changed a version of its own"
            )
    return found


def _newest(name: str, released: Iterable[str]) -> str | None:
    versions = [one for one in released if one.partition("@")[0] == name]
    return max(
        versions,
        key=lambda one: [int(part) for part in one.partition("@")[2].split(".")],
        default=None,
    )


def released_digests(folder: Path = FOLDER) -> Mapping[str, str]:
    """The SHA-256 of every released profile by `name@version`."""
    data = yaml.safe_load((folder / RELEASED).read_text(encoding="utf-8"))
    return MappingProxyType({str(name): str(digest) for name, digest in data["released"].items()})


@lru_cache
def read(wanted: str, folder: Path = FOLDER) -> Profile:
    """The profile `name@version`, released or not. Raises CertificationError if it is not sound."""
    name, _, version = wanted.partition("@")
    path = folder / f"{name}-{version}.yaml"
    try:
        data = path.read_bytes()
        row: Any = yaml.safe_load(data)
        own = _profile(row, hashlib.sha256(data).hexdigest())
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CertificationError(f"{path}: is no certification profile ({error!r})") from None
    if own.id != wanted:
        raise CertificationError(f"{path}: says that it is {own.id}")
    if not row.get("extends"):
        return own
    base = read(str(row["extends"]), folder)
    return replace(
        own,
        requirements=(*base.requirements, *own.requirements),
        items=(*base.items, *own.items),
        digests=MappingProxyType({**base.digests, **own.digests}),
    )


def _profile(row: Mapping[str, Any], digest: str) -> Profile:
    if row["schema"] != 1:
        raise ValueError("its schema is not 1")
    waivers = row["waivers"]
    return Profile(
        name=row["name"],
        version=row["version"],
        title=row["title"],
        says=row["says"].strip(),
        does_not_say=tuple(row["does_not_say"]),
        run_profiles=tuple(row["run_profiles"]),
        oldest_run_days=int(row["oldest_run_days"]),
        valid_days=int(row["valid_days"]),
        never_waived=tuple(_known(one, SEVERITIES) for one in waivers["never"]),
        most_waivers=int(waivers["most"]),
        longest_waiver_days=int(waivers["longest_days"]),
        requirements=tuple(
            _requirement(suite, name, asked)
            for suite, properties in row["suites"].items()
            for name, asked in properties.items()
        ),
        items=tuple(_item(name, asked) for name, asked in row["attestations"].items()),
        oldest_attestation_days=int(row["oldest_attestation_days"]),
        digests=MappingProxyType({f"{row['name']}@{row['version']}": digest}),
    )


def _requirement(suite: str, name: str, asked: Mapping[str, Any]) -> Requirement:
    _only(asked, {"or", "none", "control", "not_claimed", "why"})
    return Requirement(
        suite=suite,
        name=name,
        instead=asked.get("or", ""),
        none=asked.get("none", ""),
        control=bool(asked.get("control", False)),
        not_claimed=_known(asked.get("not_claimed", "refused"), get_args(NotClaimed)),
        why=asked.get("why", ""),
    )


def _item(name: str, asked: Mapping[str, Any]) -> Item:
    _only(asked, {"asks", "clauses", "document"})
    return Item(name, asked["asks"], tuple(asked["clauses"]), asked.get("document", ""))


def _only(row: Mapping[str, Any], known: set[str]) -> None:
    unknown = set(row) - known
    if unknown:
        raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}")


def _known(value: Any, known: Sequence[Any]) -> Any:
    if value not in known:
        raise ValueError(f"{value!r} is none of {', '.join(map(str, known))}")
    return value


# --- what is lacking ------------------------------------------------------------------------------

Judged = tuple[Case, Verdict]


@dataclass(frozen=True, slots=True)
class Held:
    """How one requirement came out: the cases of it, and why it is left out if it is."""

    requirement: Requirement
    cases: int
    passed: int
    waived: int
    sentence: str
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a run comes to for a profile: what held, what is lacking, what the waivers cover.

    `outside` counts the cases of suites that the profile does not ask for, by suite and outcome.
    """

    profile: Profile
    held: tuple[Held, ...]
    gaps: tuple[Gap, ...]
    gate: Gate
    outside: Mapping[str, Mapping[Outcome, int]]
    today: date

    @property
    def exit_code(self) -> int:
        """0 if nothing is lacking, 1 if something failed, else 2."""
        if any(gap.kind in _BREACHES for gap in self.gaps):
            return 1
        return 2 if self.gaps else 0


def assess(
    run: Run,
    inspection: Inspection,
    asked: Profile,
    attestations: Attestations | None,
    waivers: Sequence[Waiver],
    *,
    today: date,
    before: Sequence[Gap] = (),
) -> Assessment:
    """What `run` comes to for the profile `asked` on the day `today`.

    `inspection` is that of the ledger that the run was read from, `before` what was found wrong
    with the bundle that it came in.
    """
    gate = judge(run, waivers, _level(asked), today)
    by_property: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for case, verdict in run.judged():
        by_property[case.suite, case.property].append((case, verdict))
    held: list[Held] = []
    gaps: list[Gap] = [*before, *_of_ledger(run, inspection), *_of_scope(run, asked, today)]
    ran = {suite for suite, _ in by_property}
    for suite in asked.suites:
        if suite not in ran:
            says = f"{suite}: the run has no case of it"
            gaps.append(Gap("suite", says, f"run it with --suite {suite} among the others"))
    for one in asked.requirements:
        if one.suite in ran:
            found = by_property.get((one.suite, one.name), [])
            found = found + (by_property.get((one.suite, one.instead), []) if one.instead else [])
            held.append(_held(one, found, gate, attestations))
            gaps += _of_property(one, found, attestations)
    gaps += _of_outcomes(run, asked, gate)
    gaps += _of_waivers(asked, gate)
    gaps += _of_attestations(run, asked, attestations, today)
    order = list(KIND_WORDS)
    return Assessment(
        profile=asked,
        held=tuple(held),
        gaps=tuple(sorted(gaps, key=lambda gap: order.index(gap.kind))),
        gate=gate,
        outside=_outside(run, asked),
        today=today,
    )


def _level(asked: Profile) -> Level:
    return Level(
        name=asked.id,
        says=asked.title,
        profiles=asked.run_profiles,
        default_for=(),
        suites=asked.suites,
        whole=True,
        inconclusive=0,
        not_tested=0,
        waiver_days=asked.longest_waiver_days,
        never_waived=asked.never_waived,
    )


def _of_ledger(run: Run, inspection: Inspection) -> Iterator[Gap]:
    whole = "run again, and keep the folder as the run left it"
    for faults, do in (
        (inspection.chain, whole),
        (inspection.form, whole),
        (inspection.plan, whole),
        (inspection.exchanges, whole),
        (inspection.words, whole),
        (tuple(incomplete(run)), "go on with `wardproof run --resume DIR`, or run again"),
    ):
        for fault in faults:
            yield Gap("ledger", fault.rstrip("."), do)


def _of_scope(run: Run, asked: Profile, today: date) -> Iterator[Gap]:
    header = run.header
    if header.profile not in asked.run_profiles:
        wanted = " or ".join(asked.run_profiles)
        says = f"the run has the profile {header.profile}, which tries too little"
        yield Gap("scope", says, f"run with --profile {wanted}")
    if header.selection.cases:
        says = (
            f"its cases were selected by hand ({counted(len(header.selection.cases), 'pattern')})"
        )
        yield Gap("scope", says, "run without --case")
    if header.selection.stop_after is not None:
        says = f"it was told to stop after {header.selection.stop_after} failures"
        yield Gap("scope", says, "run without --stop-after")
    if header.shard is not None:
        says = f"it is part {header.shard.number} of {header.shard.of} of a run"
        yield Gap("scope", says, "join all parts with `wardproof merge` and certify what comes out")
    if not header.target.version:
        says = "it does not say which version of the product it tried"
        yield Gap("scope", says, "write system.version into the target file and run again")
    yield from _of_age(run, asked, today)


def _of_age(run: Run, asked: Profile, today: date) -> Iterator[Gap]:
    try:
        started = date.fromisoformat(run.header.started[:10])
    except ValueError:
        yield Gap("scope", "it does not say when it was made", "run again")
        return
    age = (today - started).days
    if age < 0:
        says = f"it is of {started}, which has not come yet on {today}"
        yield Gap("scope", says, "set the clock of the machine that ran it, and run again")
    elif age > asked.oldest_run_days:
        says = f"it is {age} days old, and {asked.oldest_run_days} are the most"
        yield Gap("scope", says, "run again")


def _held(
    one: Requirement, found: Sequence[Judged], gate: Gate, given: Attestations | None
) -> Held:
    outcomes = Counter(verdict.outcome for _, verdict in found)
    waived = sum(
        verdict.outcome == "fail" and gate.waiver_of(case, verdict) is not None
        for case, verdict in found
    )
    left_out = ""
    if not found:
        left_out = _nothing(one)
    elif outcomes["not_claimed"] == len(found):
        left_out = f"Not claimed: {_reason(found)}"
        statement = given.statement(one.suite, one.name) if given else None
        if statement:
            left_out += f" {statement.who} states: {statement.reason}"
    elif outcomes["not_claimed"]:
        number = outcomes["not_claimed"]
        left_out = f"{counted(number, 'case')} of it not claimed: {_reason(found)}"
    return Held(
        requirement=one,
        cases=len(found),
        passed=outcomes["pass"],
        waived=waived,
        sentence=found[0][0].sentence if found else "",
        left_out=left_out,
    )


def _nothing(one: Requirement) -> str:
    # What is not declared is not tried: no run can tell whether it is really not there.
    return f"Nothing to try; by the target file, {one.none}." if one.none else "Not tried."


def _reason(found: Sequence[Judged]) -> str:
    reasons = (v.reason for _, v in found if v.outcome == "not_claimed" and v.reason)
    return next(reasons, "no reason was given").removeprefix("not claimed: ")


def _of_property(
    one: Requirement, found: Sequence[Judged], given: Attestations | None
) -> Iterator[Gap]:
    claimed = [(case, verdict) for case, verdict in found if verdict.outcome != "not_claimed"]
    if not found:
        if not one.none:
            says = f"{one.words}: no case of it was planned"
            do = "let the target file say what it needs (docs/target-file.md), and run again"
            yield Gap("property", says, do)
        return
    if not claimed:
        yield from _unclaimed(one, found, given)
        return
    left_out = len(found) - len(claimed)
    if left_out and one.not_claimed == "refused":
        says = f"{one.words}: {counted(left_out, 'case')} not claimed, and all have to be tried"
        yield Gap("not claimed", says, f"claim it: {_reason(found)}")
    passed = [(case, verdict) for case, verdict in claimed if verdict.outcome == "pass"]
    if not passed and all(verdict.outcome != "fail" for _, verdict in claimed):
        says = f"{one.words}: none of {counted(len(claimed), 'case')} passed"
        yield Gap("property", says, "look at why in the report, and run again")
    alone = [case for case, verdict in passed if one.control and not _controlled(verdict)]
    if alone:
        says = (
            f"{one.words}: {counted(len(alone), 'refusal')} without somebody who was let in at the "
            f"same door, such as {alone[0].id}"
        )
        yield Gap("control", says, "run again with this Wardproof; the ledger was not made by it")


def _controlled(verdict: Verdict) -> bool:
    if verdict.word != "conform-deny":
        return True
    return verdict.control is not None and verdict.control.outcome == "allowed"


def _unclaimed(
    one: Requirement, found: Sequence[Judged], given: Attestations | None
) -> Iterator[Gap]:
    reason = _reason(found)
    if one.not_claimed == "stated":
        if given is None or given.statement(one.suite, one.name) is None:
            says = f"{one.words}: not claimed, which may be ({one.why}), but nobody states why"
            do = f"claim it ({reason}), or state why not under not_claimed in the attestations"
            yield Gap("not claimed", says, do)
        return
    says = f"{one.words}: not claimed, and this profile needs it"
    yield Gap("not claimed", says, f"claim it: {reason}")


_OPEN: tuple[tuple[Outcome, Kind, str], ...] = (
    ("inconclusive", "inconclusive", "look at the reason, mend the set-up, and run again"),
    ("not_tested", "not tested", "let it be tested (the reason says what hinders it), run again"),
)


def _of_outcomes(run: Run, asked: Profile, gate: Gate) -> Iterator[Gap]:
    """What failed anywhere, and what was left open in the suites that the profile asks for."""
    failed: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case, verdict in run.judged():
        if (verdict.outcome == "fail" or verdict.findings) and not gate.waiver_of(case, verdict):
            failed[case.suite, case.property].append(case)
    for (suite, name), cases in failed.items():
        says = f"{suite}: {name}: {counted(len(cases), 'case')} failed, such as {cases[0].id}"
        aside = "" if suite in asked.suites else " (a known failure is never certified around)"
        yield Gap("failed", says + aside, "mend the target and run again")
    for outcome, kind, do in _OPEN:
        left: dict[tuple[str, str, str], list[Case]] = defaultdict(list)
        for case, verdict in run.judged():
            if verdict.outcome == outcome and case.suite in asked.suites:
                left[case.suite, case.property, verdict.reason].append(case)
        for (suite, name, reason), cases in left.items():
            says = (
                f"{suite}: {name}: {counted(len(cases), 'case')}, such as {cases[0].id}: {reason}"
            )
            yield Gap(kind, says, do)


def _of_waivers(asked: Profile, gate: Gate) -> Iterator[Gap]:
    never = ", ".join(SEVERITY_WORDS[one] for one in asked.never_waived)
    rows: tuple[tuple[Sequence[Waiver], str], ...] = (
        (gate.expired, "expired"),
        (gate.widened, "wider than what was accepted"),
        (gate.unused, "accepts what is not there"),
        (gate.refused, f"more than this profile lets through (never: {never})"),
    )
    for waivers, what in rows:
        for one in waivers:
            where = f" ({one.place})" if one.place else ""
            says = f"the waiver {one.id} of {one.subject}{where}: {what}"
            yield Gap("waiver", says, gate.why.get(one.id, "mend it, or have it accepted anew"))
    if len(gate.waivers) > asked.most_waivers:
        says = (
            f"{counted(len(gate.waivers), 'accepted risk')}, and {asked.most_waivers} are the most"
        )
        yield Gap("waiver", says, "mend some of them and run again")


def _of_attestations(
    run: Run, asked: Profile, given: Attestations | None, today: date
) -> Iterator[Gap]:
    target = run.header.target
    if given is not None and (given.product, given.version) != (target.name, target.version):
        says = (
            f"what is attested is about {given.product} {given.version}, and the run tried "
            f"{target.name} {target.version or 'of no stated version'}"
        )
        yield Gap("attestation", says, "have this version attested")
    for lack in lacking(
        asked.items,
        given,
        policy=run.header.versions.policy.removeprefix("sha256:"),
        oldest_days=asked.oldest_attestation_days,
        today=today,
    ):
        yield Gap("attestation", f"{lack.item.id}: {lack.says}", lack.do)
    known = {item.id for name in released_digests() for item in read(name).items}
    known |= {item.id for item in asked.items}
    for one in given.items if given else ():
        if one.item not in known:
            says = f"{one.item} ({one.place}): no profile asks for such a thing"
            yield Gap("attestation", says, f"they ask for: {', '.join(sorted(known))}")


def _outside(run: Run, asked: Profile) -> Mapping[str, Mapping[Outcome, int]]:
    found: dict[str, Counter[Outcome]] = defaultdict(Counter)
    for case, verdict in run.judged():
        if case.suite not in asked.suites:
            found[case.suite][verdict.outcome] += 1
    return found


def by_kind(gaps: Iterable[Gap]) -> dict[Kind, list[Gap]]:
    """The gaps of each kind that occurs, in the order of `KIND_WORDS`."""
    found: dict[Kind, list[Gap]] = {}
    for gap in gaps:
        found.setdefault(gap.kind, []).append(gap)
    return {kind: found[kind] for kind in KIND_WORDS if kind in found}
