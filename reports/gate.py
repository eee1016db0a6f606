"""The gate: whether a run may pass, given its verdict, the accepted risks and what is asked of it.

The verdict of the run stays what `decide` makes of its evidence. The gate stands beside it: what
failed passes only under a waiver that is in force today and covers exactly that.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import yaml

from reports.defects import SEVERITY_WORDS
from reports.ledger import Case, Finding, Run, Severity, Verdict
from reports.verdict import (
    EXIT_CODES,
    Decision,
    Overall,
    cases,
    could_not_be_concluded,
    decide,
    lasting_doubts,
    was_not_tested,
)
from reports.waivers import PROFILES, Waiver, accepted_of, wider

LEVELS = Path(__file__).with_name("data") / "levels.yaml"

State = Literal["kept", "broken", "open"]


@dataclass(frozen=True, slots=True)
class Level:
    """What is asked of a run; the keys are explained in reports/data/levels.yaml."""

    name: str
    says: str
    profiles: tuple[str, ...]
    default_for: tuple[str, ...]
    suites: tuple[str, ...]
    whole: bool
    inconclusive: int
    not_tested: int
    waiver_days: int
    never_waived: tuple[Severity, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was asked, and what came of it in words."""

    name: str
    state: State
    says: str


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate says as of `today`.

    `accepted` maps the ids of findings and cases to the waiver that covers them. Waivers that do
    not count are in `expired` (their time is over), `unused` (what they accept is not there),
    `widened` (what is there is more than they accept) or `refused` (not in force yet, for longer
    than the level allows, or of a severity that it never waives); `why` has a sentence by their id,
    with what to do. `idle` waivers are about what this run did not look at.
    """

    verdict: Overall
    exit_code: int
    reasons: tuple[str, ...]
    accepted: Mapping[str, Waiver]
    expired: tuple[Waiver, ...]
    unused: tuple[Waiver, ...]
    widened: tuple[Waiver, ...]
    refused: tuple[Waiver, ...]
    idle: tuple[Waiver, ...]
    why: Mapping[str, str]
    checks: tuple[Check, ...]
    decision: Decision
    level: Level
    today: date

    def waiver_of(self, case: Case, verdict: Verdict) -> Waiver | None:
        """The waiver under which that case is let through, the first if there are several."""
        if case.id in self.accepted:
            return self.accepted[case.id]
        found = [self.accepted.get(finding.id) for finding in verdict.findings]
        return found[0] if found and all(found) else None

    @property
    def says(self) -> str:
        """What it says in a few words; the run by itself may come to something else."""
        if self.verdict == "conformant":
            return "passed, with accepted risks" if self.accepted else "passed"
        return "not passed" if self.verdict == "not conformant" else "not passed: inconclusive"

    @property
    def headline(self) -> str:
        """What it comes to; never the word for what the run by itself did not come to."""
        same = self.verdict in (self.decision.verdict, "inconclusive")
        return self.verdict if same else self.says

    @property
    def waivers(self) -> tuple[Waiver, ...]:
        """The waivers that let something through, in the order of what expires first."""
        found = {waiver.id: waiver for waiver in self.accepted.values()}
        return tuple(sorted(found.values(), key=lambda one: (one.expires, one.id)))


@lru_cache
def levels() -> Mapping[str, Level]:
    """The levels by name."""
    data = yaml.safe_load(LEVELS.read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            name: Level(
                name=name,
                says=str(row["says"]),
                profiles=tuple(row["profiles"]),
                default_for=tuple(row["default_for"]),
                suites=tuple(row["suites"]),
                whole=bool(row["whole"]),
                inconclusive=int(row["inconclusive"]),
                not_tested=int(row["not_tested"]),
                waiver_days=int(row["waiver_days"]),
                never_waived=tuple(row["never_waived"]),
            )
            for name, row in data["levels"].items()
        }
    )


def level_for(profile: str) -> Level:
    """The level of runs of that profile for whoever asks for none; that of `gate` if unknown."""
    found = [one for one in levels().values() if profile in one.default_for]
    return found[0] if found else levels()["gate"]


def judge(run: Run, waivers: Sequence[Waiver], level: Level, today: date) -> Gate:
    """What the gate of that level says about the run on that day.

    A failure without a waiver in force, or a waiver that is expired, unused, widened or refused,
    makes it "not conformant"; without these, whatever is left in doubt "inconclusive".
    """
    decision = decide(run)
    sorted_ = _sort(run, waivers, level, today)
    checks = [
        _executed(run, decision),
        *_failures(run, sorted_.accepted),
        *_left_open(run, sorted_.accepted, level),
        *_asked_for(run, level),
        *_waived(sorted_),
    ]
    verdict: Overall = "conformant"
    if any(check.state == "broken" for check in checks):
        verdict = "not conformant"
    elif any(check.state == "open" for check in checks):
        verdict = "inconclusive"
    return Gate(
        verdict=verdict,
        exit_code=EXIT_CODES[verdict],
        reasons=tuple(_reasons(checks, sorted_, decision)),
        accepted=MappingProxyType(sorted_.accepted),
        expired=tuple(sorted_.expired),
        unused=tuple(sorted_.unused),
        widened=tuple(sorted_.widened),
        refused=tuple(sorted_.refused),
        idle=tuple(sorted_.idle),
        why=MappingProxyType(sorted_.why),
        checks=tuple(checks),
        decision=decision,
        level=level,
        today=today,
    )


# --- waivers ---------------------------------------------------------------------------------


@dataclass
class _Sorted:
    accepted: dict[str, Waiver] = field(default_factory=dict)
    expired: list[Waiver] = field(default_factory=list)
    unused: list[Waiver] = field(default_factory=list)
    widened: list[Waiver] = field(default_factory=list)
    refused: list[Waiver] = field(default_factory=list)
    idle: list[Waiver] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)


def _sort(run: Run, waivers: Sequence[Waiver], level: Level, today: date) -> _Sorted:
    found = _Sorted()
    planned = {case.id: case for case in run.cases}
    findings = {finding.id: finding for finding in run.findings}
    for waiver in sorted(waivers, key=lambda one: one.id):
        if today > waiver.expires:
            found.expired.append(waiver)
            found.why[waiver.id] = (
                f"it expired on {waiver.expires}: mend what it accepts and take it out, or have it "
                "accepted anew with a later day"
            )
            continue
        case = planned.get(waiver.of_case)
        finding = findings.get(waiver.finding or "")
        if case is None or not _is_there(run, case, waiver, finding):
            _absent(run, case, waiver, found)
            continue
        refusal = _refusal(run, case, waiver, finding, level, today)
        if refusal:
            found.refused.append(waiver)
            found.why[waiver.id] = refusal
            continue
        ways = wider(waiver.accepted, accepted_of(run, case, finding))
        if ways:
            found.widened.append(waiver)
            found.why[waiver.id] = (
                f"there is more now than was accepted ({'; '.join(ways)}): look at it again, and "
                "have the whole of it accepted or mended"
            )
            continue
        found.accepted[waiver.subject] = waiver
        if finding is None:
            for one in run.verdict(case).findings:
                found.accepted.setdefault(one.id, waiver)
    return found


def _is_there(run: Run, case: Case, waiver: Waiver, finding: Finding | None) -> bool:
    """Whether what the waiver is about is in the run."""
    if waiver.finding is not None:
        return finding is not None and finding.case == case.id
    if case.id not in run.verdicts:
        return False
    outcome = run.verdict(case).outcome
    if outcome == "fail":
        return True
    return run.verdict(case).word == waiver.accepted.get("word") and outcome in {
        "inconclusive",
        "not_tested",
    }


def _absent(run: Run, case: Case | None, waiver: Waiver, found: _Sorted) -> None:
    """Sort a waiver about something that this run does not show."""
    outcome = run.verdict(case).outcome if case is not None else None
    if outcome in {"inconclusive", "not_tested"} or (case is None and _not_looked_at(run, waiver)):
        found.idle.append(waiver)
        return
    found.unused.append(waiver)
    what = "the finding" if waiver.finding else "what it accepts"
    if case is None:
        says = "its case is not in the plan any more"
    elif waiver.finding and outcome == "fail":
        says = "its case fails by something else"
    else:
        says = "its case is not claimed" if outcome == "not_claimed" else "its case passed"
    found.why[waiver.id] = f"{what} is not there any more ({says}): take the waiver out"


def _not_looked_at(run: Run, waiver: Waiver) -> bool:
    """Whether this run looked at less than the one from which the waiver was made."""
    suite = waiver.of_case.split(".", 1)[0]
    profile = str(waiver.accepted.get("profile", ""))
    smaller = (
        profile in PROFILES
        and run.header.profile in PROFILES
        and PROFILES.index(run.header.profile) < PROFILES.index(profile)
    )
    return suite not in run.header.suites or smaller or _partial(run) is not None


def _refusal(
    run: Run, case: Case, waiver: Waiver, finding: Finding | None, level: Level, today: date
) -> str | None:
    if waiver.granted > today:
        return f"it is in force from {waiver.granted} on, and today is {today}: wait, or mend it"
    days = (waiver.expires - waiver.granted).days
    if days > level.waiver_days:
        return (
            f"it lasts {days} days, and the level {level.name} allows {level.waiver_days}: have "
            "it accepted for a shorter time"
        )
    findings = (finding,) if finding is not None else run.verdict(case).findings
    for one in findings:
        if one.severity in level.never_waived:
            return (
                f"{one.id} is {SEVERITY_WORDS[one.severity]}, which the level {level.name} never "
                "waives: mend it"
            )
    return None


# --- what is asked ---------------------------------------------------------------------------


def _executed(run: Run, decision: Decision) -> Check:
    doubts = lasting_doubts(run, decision.counts)
    says = " ".join(doubts) or f"All {cases(decision.planned)} that were planned have a verdict."
    return Check("Every planned case has its verdict", "open" if doubts else "kept", says)


def _failures(run: Run, accepted: Mapping[str, Waiver]) -> Iterator[Check]:
    """Failures by which way they are wrong, those that are covered by waivers left out."""
    left: dict[str, list[Case]] = defaultdict(list)
    covered, partly = 0, 0
    seen = set()
    for case, verdict in run.judged():
        if verdict.outcome != "fail" and not verdict.findings:
            continue
        seen.add(case.id)
        if _covered(case.id, verdict.findings, accepted, verdict.outcome == "fail"):
            covered += 1
        else:
            word = verdict.word
            left["over-restriction" if word == "over-restriction" else "bypass"].append(case)
            partly += any(one.id in accepted for one in verdict.findings)
    stray = {one.case for one in run.findings if one.case not in seen and one.id not in accepted}
    bypassed = len(left["bypass"]) + len(stray)
    yield Check(
        "No promise is bypassed without a waiver",
        "broken" if bypassed else "kept",
        (f"{cases(bypassed)} failed without a waiver." if bypassed else "None is.")
        + (f" {cases(covered)} failed under a waiver." if covered else "")
        + (f" {_half(partly)}" if partly else ""),
    )
    refused = len(left["over-restriction"])
    yield Check(
        "Nothing granted is refused without a waiver",
        "broken" if refused else "kept",
        f"{cases(refused)} failed without a waiver." if refused else "Nothing is.",
    )


def _half(number: int) -> str:
    some = "one of them" if number == 1 else f"{number:,} of them"
    return f"In {some} only some of the findings have a waiver."


def _covered(
    case: str, findings: Sequence[Finding], accepted: Mapping[str, Waiver], failed: bool
) -> bool:
    if case in accepted:
        return True
    return all(one.id in accepted for one in findings) and (bool(findings) or not failed)


def _left_open(run: Run, accepted: Mapping[str, Waiver], level: Level) -> Iterator[Check]:
    rows = (
        (
            "inconclusive",
            "Every case is concluded",
            level.inconclusive,
            could_not_be_concluded,
        ),
        ("not_tested", "Every case is tested", level.not_tested, was_not_tested),
    )
    for outcome, name, most, sentence in rows:
        found = [case for case, verdict in run.judged() if verdict.outcome == outcome]
        # Those without a verdict are told of above, unless another shard tries them.
        told = [one for one in found if one.id in run.verdicts or not run.tries(one)]
        left = [one for one in told if one.id not in accepted]
        waived = sum(one.id in accepted for one in found)
        says = sentence(len(left)) if left else "" if waived else "All are."
        if waived:
            under = f"{cases(waived)} {'is' if waived == 1 else 'are'} not, under a waiver."
            says = f"{says} {under}".strip()
        if left and len(left) <= most:
            says += f" The level {level.name} lets {most} through."
        yield Check(name, "open" if len(left) > most else "kept", says)


def _asked_for(run: Run, level: Level) -> Iterator[Check]:
    name = f"The run is enough for the level {level.name}"
    profile = run.header.profile
    partial = _partial(run)
    missing = [suite for suite in level.suites if suite not in run.header.suites]
    if profile not in level.profiles:
        wanted = " or ".join(level.profiles)
        says = f"It has the profile {profile}; run it with --profile {wanted}."
        yield Check(name, "open", says)
    elif level.whole and partial is not None:
        yield Check(name, "open", f"It looked at a part only ({partial}); run the whole of it.")
    elif missing:
        says = f"{', '.join(missing)} were not asked for; run it without --suite."
        yield Check(name, "open", says)
    else:
        yield Check(name, "kept", f"Profile {profile}, {cases(len(run.cases))}.")


def _partial(run: Run) -> str | None:
    """Which part of its suites the run looked at, None if at all of them."""
    selection, shard = run.header.selection, run.header.shard
    if shard is not None:
        return f"shard {shard.number} of {shard.of}"
    if selection.cases:
        return "chosen cases"
    return None if selection.stop_after is None else f"until {selection.stop_after} failed"


def _waived(found: _Sorted) -> Iterator[Check]:
    rows = (
        ("No waiver is expired", found.expired),
        ("No waiver is unused", found.unused),
        ("No waiver is widened", found.widened),
        ("No waiver is more than this level allows", found.refused),
    )
    for name, waivers in rows:
        says = " ".join(f"{_named(one)}: {found.why[one.id]}." for one in waivers)
        yield Check(name, "broken" if waivers else "kept", says or "None is.")


def _named(waiver: Waiver) -> str:
    where = f" ({waiver.place})" if waiver.place else ""
    return f"{waiver.id} of {waiver.subject}{where}"


def _reasons(checks: Iterable[Check], found: _Sorted, decision: Decision) -> Iterator[str]:
    checks = list(checks)
    for state in ("broken", "open"):
        for check in checks:
            if check.state == state:
                yield f"{check.name}: {check.says}"
    used = {waiver.id for waiver in found.accepted.values()}
    if used:
        risks = f"{len(used)} accepted risk{'s' * (len(used) != 1)}"
        yield f"Taken into account: {risks}."
    if found.idle:
        idle = f"{len(found.idle)} waiver{'s' * (len(found.idle) != 1)}"
        yield f"Neither used nor unused: {idle} about what this run did not look at."
    yield from (reason for reason in decision.reasons if reason.startswith("Not covered"))
    if all(check.state == "kept" for check in checks) and not used:
        yield decision.reasons[0]
