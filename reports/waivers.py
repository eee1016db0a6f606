"""Waivers: owned, dated, exact acceptances of one finding or one case.

A waiver stands beside the verdict and never changes it. It keeps what was accepted when it was
granted, so that what has grown since is no longer covered by it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from reports.defects import SEVERITIES, SEVERITY_WORDS, URGENCIES
from reports.ledger import Case, Finding, Run
from reports.printable import one_line, printable

SCHEMA = 1
PROFILES = ("smoke", "gate", "full")


@dataclass(frozen=True, slots=True)
class Waiver:
    """The acceptance of one finding (`finding`) or of what one case came to (`case`).

    `accepted` is what was looked at when it was granted: see `accepted_of`. `place` says where it
    is written, as `file:line`.
    """

    id: str
    finding: str | None
    case: str | None
    rule: str | None
    accepted: Mapping[str, Any]
    reason: str
    owner: str
    approver: str
    ticket: str
    expires: date
    granted: date
    place: str = field(default="", compare=False)

    @property
    def subject(self) -> str:
        """What it is about: the id of a finding or of a case."""
        return self.finding or self.case or ""

    @property
    def of_case(self) -> str:
        """The case that it concerns."""
        return self.case or str(self.accepted.get("case", ""))


def waiver_id(subject: str) -> str:
    """The id of the waiver of a finding or case, the same wherever it is written."""
    return "W-" + hashlib.sha256(subject.encode()).hexdigest()[:10]


def fingerprint(finding: Finding) -> str:
    """What a finding is, whatever the run: 16 hex digits. Its wording and its severity are not in
    it, who does what on whose record is.
    """
    parts = (
        finding.rule,
        finding.case,
        finding.role or "",
        f"{finding.resource or ''}.{finding.operation or ''}",
        finding.relation or "",
        finding.expected,
    )
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]


def accepted_of(run: Run, case: Case, finding: Finding | None) -> dict[str, Any]:
    """What a waiver of that finding, or of that case, accepts as of this run."""
    verdict = run.verdict(case)
    findings = (finding,) if finding is not None else verdict.findings
    accepted: dict[str, Any] = {"word": verdict.word, "profile": run.header.profile}
    if finding is not None:
        accepted |= {"case": case.id, "rule": finding.rule, "fingerprint": fingerprint(finding)}
    else:
        accepted["findings"] = sorted(one.id for one in findings)
    if findings:
        accepted |= {
            "severity": min((one.severity for one in findings), key=SEVERITIES.index),
            "urgency": min((one.urgency for one in findings), key=URGENCIES.index),
            "affects_data": any(one.affects_data for one in findings),
            "affects_workflow": any(one.affects_workflow for one in findings),
        }
    return accepted


def wider(accepted: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """In which ways what there is `now` is more than what was `accepted`, in words."""
    ways = []
    before, after = accepted.get("word"), now.get("word")
    if before != after and not (before == "bypass" and after == "over-restriction"):
        ways.append(f"it was {before}, and is {after}")
    if accepted.get("rule") != now.get("rule"):
        ways.append(f"it broke the rule {accepted.get('rule')}, and now breaks {now.get('rule')}")
    elif accepted.get("fingerprint") != now.get("fingerprint"):
        ways.append("who does what on whose record has changed")
    more = sorted(set(now.get("findings", ())) - set(accepted.get("findings", ())))
    if more:
        ways.append(f"the case has {len(more)} more finding{'s' * (len(more) != 1)}: {_few(more)}")
    for name, order in (("severity", SEVERITIES), ("urgency", URGENCIES)):
        was, is_ = accepted.get(name), now.get(name)
        if is_ is not None and (was not in order or order.index(is_) < order.index(was)):
            ways.append(f"its {name} was “{_plainly(was)}” and is “{_plainly(is_)}”")
    for name, what in (("affects_data", "data"), ("affects_workflow", "a workflow")):
        if now.get(name) and not accepted.get(name):
            ways.append(f"it now affects {what}")
    return tuple(ways)


def plain(waivers: Iterable[Waiver]) -> dict[str, Any]:
    """The waivers as a JSON value, in the order of their ids; `of_plain` reads it."""
    return {
        "schema": SCHEMA,
        "waivers": [
            {
                "id": one.id,
                "finding": one.finding,
                "case": one.case,
                "rule": one.rule,
                "accepted": dict(one.accepted),
                "reason": one.reason,
                "owner": one.owner,
                "approver": one.approver,
                "ticket": one.ticket,
                "granted": one.granted.isoformat(),
                "expires": one.expires.isoformat(),
                "place": one.place,
            }
            for one in sorted(waivers, key=lambda one: one.id)
        ],
    }


def of_plain(value: Any) -> tuple[Waiver, ...]:
    """The waivers of a JSON value that `plain` made. Raises ValueError for any other value."""
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise ValueError(f"not a list of waivers of schema {SCHEMA}")
    try:
        return tuple(_waiver(one) for one in value["waivers"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a list of waivers: {error}") from None


def _waiver(one: Mapping[str, Any]) -> Waiver:
    return Waiver(
        id=str(one["id"]),
        finding=_text(one["finding"]),
        case=_text(one["case"]),
        rule=_text(one["rule"]),
        accepted=dict(one["accepted"]),
        reason=shown(one["reason"]),
        owner=shown(one["owner"]),
        approver=shown(one["approver"]),
        ticket=shown(one["ticket"]),
        expires=date.fromisoformat(one["expires"]),
        granted=date.fromisoformat(one["granted"]),
        place=str(one["place"]),
    )


def shown(text: object) -> str:
    """What somebody wrote into a waiver, on one line and without what no reader could see."""
    return one_line(printable(str(text)))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _plainly(name: Any) -> str:
    return SEVERITY_WORDS.get(name) or str(name or "none").replace("_", " ")
