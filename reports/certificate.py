"""A certificate: what a run has shown for a certification profile, and exactly what it has not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports import signing
from reports.attestations import Attestation, Attestations, Statement
from reports.canonical import encode
from reports.certification import Assessment
from reports.defects import SEVERITY_WORDS, counted
from reports.ledger import Run
from reports.printable import one_line

SCHEMA = 1
PAYLOAD_TYPE = "application/vnd.wardproof.certificate+json"

_TEMPLATES = Path(__file__).parent / "templates"
_ALWAYS_TOLD = (
    "It rests on what was tried in this one run; what was not tried is not shown.",
    "It says that the evidence fits itself and the signatures. It cannot show that whoever ran it "
    "ran it on the product as delivered; a countersigned bundle can, as far as it was run again.",
    "It is evidence for an assessment, and no proof of compliance with a law or a standard.",
)


def certificate(
    run: Run, assessed: Assessment, given: Attestations | None, *, bundle: str | None
) -> dict[str, Any]:
    """The certificate as a JSON value; `bundle` is the SHA-256 of the bundle it was made from.

    Its `id` is made of all the rest, so the same run, profile, attestations, waivers and day give
    the same certificate. Raises ValueError if the assessment has gaps.
    """
    if assessed.gaps:
        raise ValueError(f"there are {counted(len(assessed.gaps), 'gap')}: nothing to certify")
    asked, header = assessed.profile, run.header
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "profile": {
            "name": asked.name,
            "version": asked.version,
            "title": asked.title,
            "files": dict(sorted(asked.digests.items())),
        },
        "target": {
            "name": header.target.name,
            "version": header.target.version,
            "digest": header.target.digest,
        },
        "run": {
            "id": header.id,
            "wardproof": header.wardproof,
            "profile": header.profile,
            "seed": header.seed,
            "started": header.started,
            "finished": run.end.finished if run.end else None,
            "base_url": header.target.base_url,
            "ledger": run.head,
            "plan": run.plan_digests[0] if run.plan_digests else None,
            "policy": header.versions.policy or None,
            "suites": dict(sorted(header.versions.suites.items())),
            "tables": dict(sorted(header.versions.tables.items())),
            "tzdata": header.versions.tzdata or None,
        },
        "bundle": {"sha256": bundle} if bundle else None,
        "issued": assessed.today.isoformat(),
        "expires": _expires(run, assessed).isoformat(),
        "says": _says(assessed),
        "does_not_say": [*asked.does_not_say, *_ALWAYS_TOLD],
        "covers": [
            {
                "suite": one.requirement.suite,
                "property": one.requirement.name,
                "sentence": one.sentence,
                "cases": one.cases,
                "passed": one.passed,
                "under_waiver": one.waived,
            }
            for one in assessed.held
            if one.passed or one.waived
        ],
        "not_covered": [
            {
                "suite": one.requirement.suite,
                "property": one.requirement.name,
                "reason": one.left_out,
            }
            for one in assessed.held
            if one.left_out
        ],
        "outside": {
            suite: {str(outcome): number for outcome, number in sorted(found.items())}
            for suite, found in sorted(assessed.outside.items())
        },
        "accepted_risks": [_risk(run, assessed, waiver.id) for waiver in assessed.gate.waivers],
        "attested": [
            {
                "item": item.id,
                "asks": item.asks,
                "clauses": list(item.clauses),
                "who": one.who,
                "when": one.when.isoformat(),
                "document": one.document,
                "sha256": one.sha256,
                "says": one.says,
            }
            for item in asked.items
            if given is not None and (one := given.of(item.id)) is not None
        ],
        "stated": [
            {
                "suite": one.suite,
                "property": one.property,
                "who": one.who,
                "when": one.when.isoformat(),
                "reason": one.reason,
            }
            for one in (given.not_claimed if given else ())
        ],
    }
    return {"id": "C-" + hashlib.sha256(encode(body)).hexdigest()[:16], **body}


def _says(assessed: Assessment) -> str:
    """What the profile says, and where it does not hold."""
    accepted = len(assessed.gate.waivers)
    if not accepted:
        return assessed.profile.says
    return (
        f"{assessed.profile.says} Except where a risk was accepted: "
        f"{counted(accepted, 'failure')} named below {'is' if accepted == 1 else 'are'} not mended."
    )


def _expires(run: Run, assessed: Assessment) -> date:
    """A year, or what the profile says, from the run on; never past an accepted risk."""
    started = date.fromisoformat(run.header.started[:10])
    ends = [started + timedelta(days=assessed.profile.valid_days)]
    return min([*ends, *(waiver.expires for waiver in assessed.gate.waivers)])


def _risk(run: Run, assessed: Assessment, identifier: str) -> dict[str, Any]:
    waiver = next(one for one in assessed.gate.waivers if one.id == identifier)
    findings = [one for one in run.findings if assessed.gate.accepted.get(one.id) is waiver]
    return {
        "waiver": waiver.id,
        "of": waiver.subject,
        "findings": [
            {"id": one.id, "title": one.title, "severity": SEVERITY_WORDS[one.severity]}
            for one in findings
        ],
        "reason": waiver.reason,
        "owner": waiver.owner,
        "approver": waiver.approver,
        "ticket": waiver.ticket,
        "expires": waiver.expires.isoformat(),
    }


# --- checking one ---------------------------------------------------------------------------------


def body_of(envelope: object) -> dict[str, Any]:
    """The certificate in an envelope, whoever signed it. Raises SigningError or ValueError."""
    kind, payload = signing.opened(envelope)
    body = json.loads(payload)
    if kind != PAYLOAD_TYPE or not isinstance(body, dict) or body.get("schema") != SCHEMA:
        raise ValueError(f"holds no certificate of schema {SCHEMA}")
    said(body), date.fromisoformat(body["issued"]), date.fromisoformat(body["expires"])
    return body


def said(body: Mapping[str, Any]) -> Attestations:
    """What people attest and state, as the certificate repeats it. Raises ValueError."""
    try:
        return Attestations(
            product=str(body["target"]["name"]),
            version=str(body["target"]["version"]),
            items=tuple(
                Attestation(
                    item=str(one["item"]),
                    who=str(one["who"]),
                    when=date.fromisoformat(one["when"]),
                    document=str(one["document"]),
                    sha256=str(one["sha256"]),
                    says=str(one["says"]),
                )
                for one in body["attested"]
            ),
            not_claimed=tuple(
                Statement(
                    suite=str(one["suite"]),
                    property=str(one["property"]),
                    who=str(one["who"]),
                    when=date.fromisoformat(one["when"]),
                    reason=str(one["reason"]),
                )
                for one in body["stated"]
            ),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"no certificate that Wardproof wrote ({error})") from None


def differing(body: Mapping[str, Any], again: Mapping[str, Any]) -> tuple[str, ...]:
    """The parts in which two certificates differ, in words; their ids left out."""
    parts = sorted((body.keys() | again.keys()) - {"id"})
    found = tuple(part.replace("_", " ") for part in parts if body.get(part) != again.get(part))
    return found or (("id",) if body.get("id") != again.get("id") else ())


def page(body: Mapping[str, Any], *, signers: tuple[str, ...] = ()) -> str:
    """The certificate as a printable page; `signers` are the key ids that signed it."""
    return (
        _environment()
        .get_template("certificate.html.j2")
        .render(
            certificate=body,
            signers=signers,
            style=(_TEMPLATES / "report.css").read_text(encoding="utf-8"),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["one_line"] = one_line
    return environment
