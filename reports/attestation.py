"""What a bundle attests, as an in-toto Statement v1 with a test-result predicate v0.1.

The statement names the manifest, which names every file by its digest, so that one signature over
the statement covers all of them.
"""

from typing import Any

from reports.gate import Gate
from reports.ledger import Run

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"

MANIFEST = "manifest.json"
LEDGER = "evidence.jsonl"


def statement(run: Run, gate: Gate, *, manifest: str, ledger: str) -> dict[str, Any]:
    """The statement about `run` as a JSON value; `manifest` and `ledger` are their SHA-256.

    The result is PASSED, WARNED if the gate let it through only because failures were accepted,
    else FAILED: what is inconclusive has not passed. Cases that the target does not claim are in
    no list.
    """
    passed: list[str] = []
    warned: list[str] = []
    failed: list[str] = []
    for case, judged in run.judged():
        if judged.outcome == "pass":
            passed.append(case.id)
        elif judged.outcome != "not_claimed":
            (warned if gate.waiver_of(case, judged) else failed).append(case.id)
    result = "FAILED" if gate.verdict != "conformant" else "WARNED" if warned else "PASSED"
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": MANIFEST, "digest": {"sha256": manifest}},
            {"name": LEDGER, "digest": {"sha256": ledger}},
            *_target(run),
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": result,
            "configuration": _configuration(run),
            "passedTests": passed,
            "warnedTests": warned,
            "failedTests": failed,
        },
    }


def _target(run: Run) -> list[dict[str, Any]]:
    """The description of the target that was tried, if the run knows its digest."""
    target = run.header.target
    digest = (target.digest or "").removeprefix("sha256:")
    name = f"{target.name} {target.version}" if target.version else target.name
    return [{"name": name, "digest": {"sha256": digest}}] if digest else []


def _configuration(run: Run) -> list[dict[str, Any]]:
    """What decided what was tried: suites, policy, description of the target, tables."""
    versions = run.header.versions
    named = {
        "policy": versions.policy,
        "target": versions.target,
        **{f"suites/{name}": digest for name, digest in sorted(versions.suites.items())},
        **{f"tables/{name}": digest for name, digest in sorted(versions.tables.items())},
    }
    return [
        {"name": name, "digest": {"sha256": digest}} for name, digest in named.items() if digest
    ]
