"""Accept the risk of one finding, or of one case, until a day: write it into waivers.yaml."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.commands import CONFORMANT, WrongCall
from conformance.commands.gate import day, opened, today
from conformance.document import meant

if TYPE_CHECKING:
    from reports.ledger import Case, Finding, Run
    from reports.waivers import Waiver

_OPEN = ("fail", "inconclusive", "not_tested")


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("what", metavar="F-…|CASE", help="the id of a finding or of a case")
    parser.add_argument(
        "--run", type=Path, required=True, metavar="DIR|BUNDLE", help="the run that shows it"
    )
    parser.add_argument(
        "--target", type=Path, required=True, metavar="DIR", help="where waivers.yaml is written"
    )
    parser.add_argument("--reason", required=True, help="why it can be lived with until then")
    parser.add_argument("--owner", required=True, help="who sees to it that it is mended")
    parser.add_argument("--approver", required=True, help="who accepts it; not the owner")
    parser.add_argument("--ticket", required=True, help="where the mending is planned")
    parser.add_argument(
        "--expires", type=day, required=True, metavar="DATE", help="the last day it is accepted"
    )
    parser.add_argument("--at", type=day, metavar="DATE", help="granted on (default: today)")


def run(options: argparse.Namespace) -> int:
    """0 once it is written. Raises WrongCall or InvalidDocument, without writing, otherwise."""
    from conformance import waivers
    from reports.waivers import Waiver, accepted_of, waiver_id

    if not (options.target if options.target.is_dir() else options.target.parent).is_dir():
        raise WrongCall(f"{options.target}: there is no such folder; --target takes the target's")
    found, _kept = opened(options.run)
    case, finding = _subject(found, options.what)
    granted = options.at or today()
    if options.expires < granted:
        raise WrongCall(f"--expires {options.expires} is over already; name a later day")
    subject = finding.id if finding is not None else case.id
    path = waivers.beside(options.target)
    waiver = waivers.add(
        path,
        Waiver(
            id=waiver_id(subject),
            finding=finding.id if finding is not None else None,
            case=None if finding is not None else case.id,
            rule=finding.rule if finding is not None else None,
            accepted=accepted_of(found, case, finding),
            reason=options.reason,
            owner=options.owner,
            approver=options.approver,
            ticket=options.ticket,
            expires=options.expires,
            granted=granted,
        ),
    )
    print(
        f"{path.parent / waiver.place}: {subject} is accepted until {waiver.expires}. The verdict "
        "stays what it is; the gate passes it until then, as long as it grows no wider."
        + _left(found, case, waivers.load(path)),
        file=sys.stderr,
    )
    return CONFORMANT


def _left(found: Run, case: Case, accepted: Sequence[Waiver]) -> str:
    """What of a case is still without a waiver, as a sentence with a space before it."""
    subjects = {waiver.subject for waiver in accepted}
    findings = found.verdict(case).findings
    left = sum(one.id not in subjects for one in findings)
    if not left or case.id in subjects:
        return ""
    more = "1 other finding that has" if left == 1 else f"{left} other findings that have"
    return (
        f" The case has {more} no waiver, so the gate does not pass it yet: accept "
        f"{'it' if left == 1 else 'them'} as well, or the case {case.id} as a whole."
    )


def _subject(found: Run, what: str) -> tuple[Case, Finding | None]:
    planned = {case.id: case for case in found.cases}
    if re.fullmatch(r"F-[0-9a-f]+", what):
        findings = {finding.id: finding for finding in found.findings}
        finding = findings.get(what)
        if finding is None:
            raise WrongCall(
                f"{what} is not in this run{meant(what, findings)}; it has {len(findings)} "
                "findings, which its report lists"
            )
        if finding.case not in planned:
            raise WrongCall(f"{what} is about a case that was not planned; run it again")
        return planned[finding.case], finding
    case = planned.get(what)
    if case is None:
        hint = (
            "a waiver is exact, without globs" if re.search(r"[*?\[]", what) else "see the report"
        )
        raise WrongCall(f"{what}: this run planned no such case{meant(what, planned)}; {hint}")
    verdict = found.verdict(case)
    if case.id not in found.verdicts or verdict.outcome not in _OPEN:
        says = verdict.outcome.replace("_", " ") if case.id in found.verdicts else "has no verdict"
        raise WrongCall(f"{what}: there is nothing to accept: the case came out as {says}")
    return case, None
