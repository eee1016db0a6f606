"""Findings rolled up into the things to mend, and the cases left open into their reasons."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from reports.ledger import Finding, Outcome, Run, Severity, Urgency

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
URGENCIES: tuple[Urgency, ...] = get_args(Urgency)

SEVERITY_WORDS: dict[Severity, str] = {
    "care_blocking": "care-blocking",
    "data_integrity": "data integrity",
    "privacy_regulatory": "privacy, regulatory",
    "operational": "operational",
    "inconvenience": "inconvenience",
}
URGENCY_WORDS: dict[Urgency, str] = {
    "now": "mend now",
    "same_day": "mend today",
    "scheduled": "schedule",
}
RELATION_WORDS: dict[str, str] = {
    "own": "own",
    "assigned": "assigned",
    "same_tenant": "same tenant",
    "other_tenant": "other tenant",
    "none": "no such record",
    "collection": "collection",
}


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing to mend: the findings that share a `defect` key, gravest first.

    Its blast radius: `roles`, `personas` and `tenants` that reach it, through which `operations`,
    on records in which `relations` to them, shown by how many `cases`.
    """

    key: str
    findings: tuple[Finding, ...]
    personas: tuple[str, ...]
    roles: tuple[str, ...]
    relations: tuple[str, ...]
    cases: int
    tenants: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()

    @property
    def example(self) -> Finding:
        return self.findings[0]

    @property
    def severity(self) -> Severity:
        return self.example.severity

    @property
    def urgency(self) -> Urgency:
        return min((finding.urgency for finding in self.findings), key=URGENCIES.index)

    @property
    def affects(self) -> str:
        """What it touches: data, workflow, both or, as far as is known, neither ("")."""
        touched = (
            ("data", any(finding.affects_data for finding in self.findings)),
            ("workflow", any(finding.affects_workflow for finding in self.findings)),
        )
        return " and ".join(name for name, yes in touched if yes)

    @property
    def noise(self) -> str:
        """`quiet` if one of its findings would go unnoticed, else `noisy`, or "" if not known."""
        found = {finding.noise for finding in self.findings}
        return next((noise for noise in ("quiet", "noisy") if noise in found), "")


@dataclass(frozen=True, slots=True)
class Gap:
    """Cases of one suite that were left open, or are not claimed, for one reason."""

    outcome: Outcome
    suite: str
    reason: str
    cases: tuple[str, ...]


def ranked(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings from the gravest to the least, ties in a stable order."""
    return tuple(
        sorted(
            findings,
            key=lambda finding: (
                SEVERITIES.index(finding.severity),
                URGENCIES.index(finding.urgency),
                finding.rule,
                finding.case,
                finding.id,
            ),
        )
    )


def roll_up(run: Run) -> tuple[Defect, ...]:
    """The defects of a run: by severity, urgency, then by how many cases show them."""
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in ranked(run.findings):
        groups[finding.defect or f"{finding.rule} {finding.id}"].append(finding)
    tenants = {case.id: case.tenant for case in run.cases}
    tenants |= {persona.id: persona.tenant for persona in run.header.personas}
    defects = [_defect(key, tuple(findings), tenants) for key, findings in groups.items()]
    return tuple(
        sorted(
            defects,
            key=lambda defect: (
                SEVERITIES.index(defect.severity),
                URGENCIES.index(defect.urgency),
                -defect.cases,
                defect.key,
            ),
        )
    )


def gaps(run: Run, outcome: Outcome) -> tuple[Gap, ...]:
    """The cases with `outcome`, grouped by suite and reason, the largest group first."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for case, verdict in run.judged():
        if verdict.outcome == outcome:
            groups[case.suite, verdict.reason or "No reason was given."].append(case.id)
    found = [
        Gap(outcome=outcome, suite=suite, reason=reason, cases=tuple(sorted(cases)))
        for (suite, reason), cases in groups.items()
    ]
    return tuple(sorted(found, key=lambda gap: (-len(gap.cases), gap.suite, gap.reason)))


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 role`, `1,204 cases`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _defect(key: str, findings: tuple[Finding, ...], tenants: Mapping[str, str | None]) -> Defect:
    return Defect(
        key=key,
        findings=findings,
        personas=_distinct(finding.persona for finding in findings),
        roles=_distinct(finding.role for finding in findings),
        relations=tuple(
            sorted(
                {finding.relation for finding in findings if finding.relation},
                key=lambda relation: (_relation_rank(relation), relation),
            )
        ),
        cases=len({finding.case for finding in findings}),
        tenants=_distinct(
            tenants.get(finding.case) or tenants.get(finding.persona or "") for finding in findings
        ),
        operations=_distinct(
            f"{finding.resource}.{finding.operation or '*'}" if finding.resource else None
            for finding in findings
        ),
    )


def _relation_rank(relation: str) -> int:
    known = list(RELATION_WORDS)
    return known.index(relation) if relation in known else len(known)


def _distinct(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))
