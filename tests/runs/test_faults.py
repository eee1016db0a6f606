"""Each fault of the clinic is found, by the rules that are about it and by no others."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clinic.app import make
from tests.clinic.faults import FAULTS
from tests.clinic.serving import served
from tests.runs.calling import CLINIC, SEED, run, target
from tests.runs.forking import Forker
from tests.runs.test_accountability import ROWS as TRAIL

ROLES, TENANTS, ERRORS, LOGIN = (
    "role_access",
    "tenant_isolation",
    "error_hygiene",
    "unauthenticated",
)
TRAVEL, FIELDS, HIDDEN = "transport", "properties", "hidden_operations"


@dataclass(frozen=True)
class Row:
    """A fault, the suite that must see it, and the rules of all findings that this suite gives."""

    fault: str
    suite: str
    rules: frozenset[str]
    cases: str = "*"


def _row(fault: str, suite: str, rules: str, cases: str = "*") -> Row:
    return Row(fault, suite, frozenset(rules.split()), cases)


ROWS = [
    _row(
        "foreign-read",
        TENANTS,
        "tenant.read tenant.update tenant.delete leak.tenant enumeration.status",
        "*other-tenants*.patient.*",
    ),
    _row("foreign-list", TENANTS, "leak.tenant count", "*.patient.list.*"),
    _row("foreign-reference", TENANTS, "reference", "*.appointment.create.*"),
    _row("id-in-body", TENANTS, "body-id leak.tenant", "*.note.*"),
    _row("loose-child", TENANTS, "tenant.read leak.tenant", "*parents*.note.*"),
    _row("deletes-and-says-404", TENANTS, "side-effect.tenant", "*.patient.delete.*"),
    _row("unguarded", LOGIN, "unauthenticated.read leak.anonymous"),
    _row("anyone-writes", ROLES, "bfla.update", "*.update.*"),
    _row("done-and-denied", ROLES, "side-effect.bfla", "*.update.*"),
    _row("closed", ROLES, "over-restriction.read", "*.patient.read.*"),
    _row("unmasked", ROLES, "leak.masked", "*.patient.*"),
    _row(
        "told-apart",
        TENANTS,
        "convention.other_tenant enumeration.status",
        "*other-tenants*.patient.read.*",
    ),
    _row("no-op-204", TENANTS, "enumeration.status", "*other-tenants*.patient.update.*"),
    _row(
        "named-in-error", TENANTS, "leak.tenant enumeration.body", "*other-tenants*.patient.read.*"
    ),
    _row("stack-trace", ERRORS, "disclosure.stack-trace", "*.broken-body"),
    _row("crash-trace", ERRORS, "disclosure.stack-trace", "*.patient.read.*"),
    _row("server-version", ERRORS, "disclosure.version", "*version*"),
    _row("sequential-ids", TENANTS, "guessable", "*guessed*"),
    _row("wrong-refusal", ROLES, "convention.role", "*ungranted*"),
    _row("count", TENANTS, "count", "*.patient.list.*"),
    _row("count-in-header", TENANTS, "count", "*.appointment.list.*"),
    _row("page-two", TENANTS, "leak.tenant", "*lists*.appointment.*"),
    _row("loose-cursor", TENANTS, "leak.tenant", "*.appointment.list.*"),
    _row("hidden-rows", TENANTS, "incomplete", "*.patient.list.*"),
    _row("prefix-search", TENANTS, "leak.search", "*search*"),
    _row("first-id-only", TENANTS, "batch.write", "*batch*"),
    _row("ignored-write", ROLES, "no-effect", "*granted*.patient.*"),
    _row("ignored-delete", ROLES, "no-effect", "*granted*.patient.*"),
    _row("stored", TRAVEL, "transport.stored", "*stored*.patient.* *apart*.patient.*"),
    _row("shared-cache", TRAVEL, "transport.stored transport.vary", "*.appointment.*"),
    _row("asked-first", TRAVEL, "transport.conditional", "*.patient.read.*"),
    _row("sniffable", TRAVEL, "transport.sniffed", "*say-what-they-are*"),
    _row("json-as-page", TRAVEL, "transport.type", "*.patient.list.*"),
    _row("any-origin", TRAVEL, "transport.cors", "*pages*.unrelated *door*.note.*"),
    _row("null-origin", TRAVEL, "transport.cors", "*pages*"),
    _row("origin-by-ending", TRAVEL, "transport.cors", "*pages*"),
    _row("unvaried-origin", TRAVEL, "transport.cors-vary", "*pages*"),
    _row("closed-origin", TRAVEL, "transport.cors-refused", "*pages*"),
    _row("token-in-link", TRAVEL, "transport.secret-in-url", "*into-urls*"),
    _row("token-in-location", TRAVEL, "transport.secret-in-url", "*writes-put*.appointment.*"),
    _row("query-token", TRAVEL, "transport.token-in-query", "*query*"),
    _row("null-alert", FIELDS, "property.null", "*absent*"),
    _row("renamed-alert", FIELDS, "property.shown leak.masked", "*absent*"),
    _row("fields-unmask", FIELDS, "property.asked leak.masked", "*absent*"),
    _row("filters-by-alert", FIELDS, "property.filter", "*filters*"),
    _row("sorts-by-alert", FIELDS, "property.sort", "*sorting*"),
    _row("stores-anything", FIELDS, "property.set leak.tenant", "*.patient.*"),
    _row("strict-but-owner", FIELDS, "property.set", "*.patient.*"),
    _row("strict-spelling", FIELDS, "property.set", "*.patient.update.*"),
    _row("strict-inside", FIELDS, "property.set", "*.patient.update.*"),
    _row("wrapped", FIELDS, "property.set", "*.patient.*"),
    _row("moves-tenant", FIELDS, "property.set leak.tenant", "*.patient.*"),
    _row("json-patch", FIELDS, "property.set leak.tenant", "*.patient.*"),
    _row("hidden-put", HIDDEN, "hidden.method", "*methods*"),
    _row("method-override", HIDDEN, "hidden.override", "*overridden*"),
    _row("trailing-slash", HIDDEN, "hidden.spelling leak.anonymous leak.tenant", "*patient.read*"),
    _row("original-url", HIDDEN, "hidden.spelling leak.anonymous leak.tenant", "*patient.read*"),
    _row("old-version", HIDDEN, "hidden.version hidden.shadow leak.tenant", "*patient.read*"),
    _row("debug-page", HIDDEN, "hidden.path", "*inside*"),
    _row("trace", HIDDEN, "hidden.trace", "*methods*"),
    _row("new-route", ROLES, "inventory.unclassified", "*classified*"),
    _row("lost-route", ROLES, "inventory.undocumented", "*classified*"),
    _row("gone-route", ROLES, "inventory.undocumented", "*classified*"),
]

ELSEWHERE = {
    **dict.fromkeys(TRAIL, "test_accountability"),
    "tenant-header": "test_the_tenant_header_does_not_win",
    "unlimited": "test_limits",
    "limit-by-address": "test_limits",
    "no-retry-after": "test_limits",
    "resets-unlimited": "test_limits",
    "endless-page": "test_limits",
    "minus-one": "test_limits",
    "script-cookie": "test_transport",
    "plain-cookie": "test_transport",
    "cross-site-cookie": "test_transport",
    "errors-as-200": "test_refusals_that_answer_200",
    "always-500": "test_sick_targets",
    "login-page": "test_sick_targets",
    "redirects": "test_sick_targets",
    "forgetful": "test_sick_targets",
    "slow": "test_endings",
    "echoes": "test_secrets",
}


def test_every_fault_is_tried() -> None:
    assert {row.fault for row in ROWS} | set(ELSEWHERE) == set(FAULTS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_a_fault_is_found(row: Row, tmp_path: Path, forker: Forker) -> None:
    with served(make(row.fault)) as url:
        done = run(
            tmp_path / "out",
            *("--base-url", url, "--suite", row.suite, "--seed", SEED),
            *(f"--case={glob}" for glob in row.cases.split()),
            by=forker.wardproof,
        )
    assert done.code == 1, done.called.said
    assert done.summary["verdict"] == "not conformant"
    assert done.rules == row.rules


def test_findings_name_case_request_and_proof(masked: Any) -> None:
    exchanges = {record["id"] for record in masked.of("exchange")}
    failed = {case for case, outcome in masked.outcomes.items() if outcome == "fail"}
    findings = masked.summary["findings"]
    assert failed == {finding["case"] for finding in findings}
    for finding in findings:
        assert finding["rule"] == "leak.masked"
        assert finding["reproduction"].startswith("curl ")
        assert finding["persona"].startswith("clerk.")
        assert finding["role"] == "clerk"
        assert "alert" in finding["observed"]
        proofs = [record for record in masked.of("verdict") if record["case"] == finding["case"]]
        assert proofs[0]["exchanges"]
        assert set(proofs[0]["exchanges"]) <= exchanges


def test_a_route_that_is_not_there_passes_nothing(tmp_path: Path, forker: Forker) -> None:
    with served(make("gone-route")) as url:
        done = run(
            tmp_path / "out",
            *("--base-url", url, "--suite", TENANTS, "--suite", ROLES),
            *("--case", "*.appointment.read.*"),
            by=forker.wardproof,
        )
    assert done.code in {1, 2}
    assert set(done.outcomes.values()) <= {"fail", "inconclusive"}
    assert len(done.outcomes) >= 6


# --- other manners ---------------------------------------------------------------------------


def _tenant_in_header(data: dict[str, Any]) -> None:
    data["tenancy"] = {"header": {"X-Tenant": "{tenant.name}"}}


@pytest.mark.parametrize(("faults", "code"), [((), 0), (("tenant-header",), 1)])
def test_the_tenant_header_does_not_win(
    faults: tuple[str, ...], code: int, tmp_path: Path, forker: Forker
) -> None:
    folder = target(tmp_path / "target", _tenant_in_header)
    with served(make(*faults)) as url:
        done = run(
            tmp_path / "out",
            *("--base-url", url, "--suite", TENANTS, "--case", "*their-tenant-named"),
            target=folder,
            by=forker.wardproof,
        )
    assert done.code == code, done.called.said
    assert len(done.outcomes) > 10
    if faults:
        assert {"tenant.read", "tenant.list", "tenant.create", "leak.tenant"} <= done.rules


RULES = [
    {"when": {"json": "$.error.code", "equals": status}, "then": then}
    for status, then in ((401, "unauthenticated"), (403, "denied"), (404, "absent"))
]


def _errors_as_200(data: dict[str, Any]) -> None:
    data["refusals"] = {}
    data["outcomes"] = [*RULES, {"when": {"json": "$.error"}, "then": "invalid"}]


@pytest.mark.parametrize(
    ("faults", "rules"),
    [
        ((), frozenset()),
        (("anyone-writes",), {"bfla.update"}),
        (("done-and-denied",), {"side-effect.bfla"}),
    ],
)
def test_refusals_that_answer_200_are_known_by_their_body(
    faults: tuple[str, ...], rules: set[str], tmp_path: Path, forker: Forker
) -> None:
    folder = target(tmp_path / "target", _errors_as_200)
    with served(make("errors-as-200", *faults)) as url:
        done = run(
            tmp_path / "out",
            *("--base-url", url, "--suite", ROLES, "--case", "*ungranted*patient*"),
            target=folder,
            by=forker.wardproof,
        )
    assert done.code == (1 if faults else 0), done.called.said
    assert done.rules == rules


def test_refusals_that_answer_200_pass_nothing_without_a_rule(
    tmp_path: Path, forker: Forker
) -> None:
    with served(make("errors-as-200")) as url:
        done = run(
            tmp_path / "out",
            *("--base-url", url, "--suite", ROLES, "--suite", LOGIN),
            *("--case", "*ungranted*", "--case", "unauthenticated*"),
            target=CLINIC,
            by=forker.wardproof,
        )
    assert done.code in {1, 2}, done.called.said
    assert done.passed() == []
