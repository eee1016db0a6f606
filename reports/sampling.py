"""A sample of a run's cases for somebody else to run again, and how the two runs compare.

Which cases are drawn follows from the evidence and from a text that only the reviewer knows before
the draw. So whoever made the evidence cannot know them, and whoever doubts the draw can repeat it:
cases are ranked by the SHA-256 of the seed, a line end and their id.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reports.canonical import encode
from reports.defects import counted
from reports.ledger import Case, Run, Verdict
from reports.matrix import role_name

SCHEMA = 1
LEFT_OUT = frozenset({"load"})
"""Suites that are drawn from on request only: one case of them takes as long as a run."""

Agreement = Literal["agrees", "differs", "open", "more"]

AGREEMENT_WORDS: dict[Agreement, str] = {
    "agrees": "the same verdict",
    "differs": "another verdict",
    "open": "no verdict this time",
    "more": "a verdict, where there was none before",
}
_SHOWN = ("conform-allow", "conform-deny", "bypass", "over-restriction", "not-claimed")


@dataclass(frozen=True, slots=True)
class Sample:
    """Which cases were drawn from a run, and from what.

    `evidence` is the SHA-256 of the bundle, or of the last line of the ledger; `nonce` the text of
    the reviewer; `population` the number of cases that could be drawn.
    """

    evidence: str
    nonce: str
    size: int
    without: tuple[str, ...]
    cases: tuple[str, ...]
    failing: int
    strata: int
    population: int

    @property
    def seed(self) -> str:
        """What the cases are ranked by."""
        return seed_of(self.evidence, self.nonce)


@dataclass(frozen=True, slots=True)
class Row:
    """One case of the sample, before and again."""

    case: str
    before: str
    again: str
    agreement: Agreement
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a re-run compares with the run that it is of, case by case.

    `objections` are why the two cannot be compared as they stand, `notes` what else differs.
    """

    sample: Sample
    rows: tuple[Row, ...]
    objections: tuple[str, ...]
    notes: tuple[str, ...]

    def of(self, agreement: Agreement) -> tuple[Row, ...]:
        """The rows with that agreement."""
        return tuple(row for row in self.rows if row.agreement == agreement)

    @property
    def agrees(self) -> bool:
        """Whether the re-run supports the run: every case drawn, none otherwise, none open."""
        return bool(self.rows) and not (self.of("differs") or self.of("open") or self.objections)

    @property
    def exit_code(self) -> int:
        """0 if it agrees, 1 if a case came out otherwise, else 2."""
        return 0 if self.agrees else 1 if self.of("differs") else 2

    @property
    def sentence(self) -> str:
        """What was run again and how it agreed, in one sentence."""
        drawn = f"{counted(len(self.rows), 'case')} of {self.sample.population:,}"
        failing = self.sample.failing
        among = f", every failing one ({failing:,}) among them" if failing else ""
        counts = ", ".join(
            f"{len(found):,} had {words}"
            for agreement, words in AGREEMENT_WORDS.items()
            if (found := self.of(agreement))
        )
        return f"Run again: {drawn}{among}, drawn by a seed unknown beforehand; {counts or 'none'}."


def seed_of(evidence: str, nonce: str) -> str:
    """The seed of a draw: SHA-256 of the evidence's digest, a line end, and the reviewer's text."""
    return hashlib.sha256(f"{evidence}\n{nonce}".encode()).hexdigest()


def draw(
    run: Run,
    size: int,
    *,
    evidence: str,
    nonce: str,
    without: Collection[str] = LEFT_OUT,
) -> Sample:
    """`size` cases of the run: every failing one (even if they are more), then the strata in turns.

    A stratum is a suite, a role and a word. Cases that judge the run as a whole cannot be drawn.
    """
    seed = seed_of(evidence, nonce)
    able = [(c, v) for c, v in run.judged() if not c.everywhere and c.suite not in without]
    ranked = sorted(able, key=lambda pair: _rank(seed, pair[0].id))
    failing = [case.id for case, verdict in ranked if verdict.outcome == "fail"]
    strata: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for case, verdict in ranked:
        if verdict.outcome != "fail":
            strata[_stratum(case, verdict)].append(case.id)
    turns = sorted(strata.items(), key=lambda pair: _rank(seed, "\n".join(pair[0])))
    drawn = [*failing, *_in_turns([cases for _, cases in turns])][: max(size, len(failing))]
    return Sample(
        evidence=evidence,
        nonce=nonce,
        size=size,
        without=tuple(sorted(without)),
        cases=tuple(drawn),
        failing=len(failing),
        strata=len(strata),
        population=len(able),
    )


def _rank(seed: str, name: str) -> str:
    return hashlib.sha256(f"{seed}\n{name}".encode()).hexdigest()


def _stratum(case: Case, verdict: Verdict) -> tuple[str, str, str]:
    return case.suite, role_name(case.roles), verdict.word


def _in_turns(strata: Sequence[Sequence[str]]) -> Iterator[str]:
    for turn in range(max(map(len, strata), default=0)):
        yield from (cases[turn] for cases in strata if turn < len(cases))


# --- comparing ------------------------------------------------------------------------------------


def compare(run: Run, again: Run, sample: Sample) -> Comparison:
    """How `again` compares with `run` on the cases of the sample."""
    planned = {case.id: case for case in run.cases}
    replanned = {case.id: case for case in again.cases}
    rows = []
    for name in sample.cases:
        before = run.verdict(planned[name])
        after = again.verdict(replanned[name]) if name in replanned else None
        rows.append(_row(name, before, after))
    return Comparison(
        sample=sample,
        rows=tuple(rows),
        objections=tuple(_objections(run, again)),
        notes=tuple(_notes(run, again)),
    )


def _row(name: str, before: Verdict, after: Verdict | None) -> Row:
    if after is None:
        return Row(name, before.word, "not planned", "open", "the re-run planned no such case")
    agreement: Agreement = "differs"
    if before.word == after.word:
        agreement = "agrees"
    elif after.word not in _SHOWN:
        agreement = "open"
    elif before.word not in _SHOWN:
        agreement = "more"
    return Row(
        name, before.word, after.word, agreement, "" if agreement == "agrees" else after.reason
    )


def _objections(run: Run, again: Run) -> Iterator[str]:
    if again.broken_at is not None:
        yield f"The ledger of the re-run was changed: its chain breaks at record {again.broken_at}."
    if again.cut or again.end is None or again.end.interrupted:
        yield "The re-run did not come to its end."
    if again.header.id and again.header.id == run.header.id:
        yield "The re-run is the run itself, not another one."
    if run.end is not None and again.header.started < run.end.finished:
        yield "The re-run began before the run had ended."
    if run.header.versions.policy != again.header.versions.policy:
        yield "The re-run went by another policy, so other verdicts were to be expected of it."
    if run.header.profile != again.header.profile:
        yield f"The re-run has the profile {again.header.profile}, the run {run.header.profile}."


def _notes(run: Run, again: Run) -> Iterator[str]:
    one, other = run.header, again.header
    if one.target.version != other.target.version:
        yield f"The target says that it is {other.target.version}, and was {one.target.version}."
    if one.versions.target != other.versions.target:
        yield "The two target files differ (in addresses, accounts or requests)."
    changed = [
        name
        for name, digest in other.versions.suites.items()
        if name in one.versions.suites and one.versions.suites[name] != digest
    ]
    if changed:
        yield f"The suites {', '.join(sorted(changed))} are of another version."
    if one.wardproof != other.wardproof:
        yield f"Wardproof was {one.wardproof}, and is {other.wardproof}."
    if one.target.base_url != other.target.base_url:
        where = f"{one.target.base_url}, the re-run against {other.target.base_url}"
        yield f"The run was against {where}."


# --- kept -----------------------------------------------------------------------------------------


def plain(run: Run, again: Run, found: Comparison) -> dict[str, Any]:
    """The comparison as a JSON value."""
    sample = found.sample
    return {
        "schema": SCHEMA,
        "sentence": found.sentence,
        "agrees": found.agrees,
        "of": {"run": run.header.id, "ledger": run.head, "evidence": sample.evidence},
        "sample": {
            "nonce": sample.nonce,
            "seed": sample.seed,
            "size": sample.size,
            "without": list(sample.without),
            "failing": sample.failing,
            "strata": sample.strata,
            "population": sample.population,
        },
        "again": {
            "run": again.header.id,
            "ledger": again.head,
            "wardproof": again.header.wardproof,
            "base_url": again.header.target.base_url,
            "started": again.header.started,
            "finished": again.end.finished if again.end else None,
        },
        "cases": [
            {
                "case": row.case,
                "before": row.before,
                "again": row.again,
                "agreement": row.agreement,
                "reason": row.reason,
            }
            for row in found.rows
        ],
        "objections": list(found.objections),
        "notes": list(found.notes),
    }


@dataclass(frozen=True, slots=True)
class Asked:
    """What a re-run was asked for: of which evidence, with which text, how many cases."""

    evidence: str
    nonce: str
    size: int
    without: tuple[str, ...]


def asked(value: Any) -> Asked:
    """What a JSON value that `plain` made says was asked for.

    Raises ValueError for any other value. Nothing else of it is to be believed: the draw and the
    comparison are made again from the ledgers.
    """
    try:
        if value["schema"] != SCHEMA:
            raise ValueError("of another schema")
        sample = value["sample"]
        encode(sample)
        found = Asked(
            evidence=str(value["of"]["evidence"]),
            nonce=str(sample["nonce"]),
            size=int(sample["size"]),
            without=tuple(map(str, sample["without"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no record of a re-run ({error})") from None
    return found


def statement(
    run: Run, again: Run, found: Comparison, *, bundle: str, manifest: str
) -> Mapping[str, Any]:
    """What a reviewer signs who countersigns: the comparison, and the bundle that it is about."""
    return {
        **plain(run, again, found),
        "bundle": {"sha256": bundle},
        "manifest": {"sha256": manifest},
    }
