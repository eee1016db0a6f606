"""What the suites say of who comes in: the gatehouse, sound and with each of its faults."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clinic.app import make as clinic_app
from tests.clinic.serving import served
from tests.gatehouse import tokens
from tests.gatehouse.app import make
from tests.gatehouse.faults import FAULTS
from tests.runs.calling import ROOT, SEED, Run, run, target
from tests.runs.forking import Forker

LOGINS, TOKENS, STALE, DUTIES = SUITES = (
    "authentication",
    "tokens",
    "stale_rights",
    "accountability",
)


@dataclass(frozen=True)
class Row:
    """A fault, and the rules of all findings that a suite's cases then give."""

    fault: str
    suite: str
    rules: frozenset[str]
    cases: str


def _row(fault: str, suite: str, cases: str, rules: str) -> Row:
    return Row(fault, suite, frozenset(rules.split()), cases)


ROWS = [
    _row("any-scheme", LOGINS, "*.other-scheme", "credential"),
    _row("open-on-garbage", LOGINS, "*.password.garbage", "credential"),
    _row("believes-user", LOGINS, "*worthless*.someone-elses", "credential"),
    _row("logout-does-nothing", LOGINS, "*logout*", "session.logout"),
    _row(
        "refresh-outlives",
        LOGINS,
        "*logout* *new-password*.refresh",
        "session.logout session.password-change",
    ),
    _row("password-keeps-sessions", LOGINS, "*new-password*", "session.password-change"),
    _row("old-password-works", LOGINS, "*.old-password", "session.password-change"),
    _row("adopts-cookie", LOGINS, "*.kept *.chosen", "session.fixation"),
    _row("cookies-write", LOGINS, "*cookies-alone*", "session.csrf"),
    _row("no-lock-out", LOGINS, "*.one-account", "lock-out"),
    _row("counts-by-address", LOGINS, "*.other-fields", "lock-out"),
    _row("counts-spellings", LOGINS, "*.other-spelling", "lock-out"),
    _row("counts-accounts-only", LOGINS, "*.spread-*", "lock-out"),
    _row("names-told", LOGINS, "*.login.password", "account-enumeration.status"),
    _row("resets-told", LOGINS, "*do-not-tell*.reset", "account-enumeration.status"),
    _row("joins-told", LOGINS, "*.sign-up", "account-enumeration.status"),
    _row("locks-told", LOGINS, "*.locked", "account-enumeration.status"),
    _row("slower-for-names", LOGINS, "*timing*.login", "account-enumeration.timing"),
    _row("half-is-whole", LOGINS, "*.half-way", "second-factor"),
    _row("code-ignored", LOGINS, "*.wrong-code", "second-factor"),
    _row("codes-without-end", LOGINS, "*.many-codes", "lock-out"),
    _row("code-again", LOGINS, "*.used-code", "second-factor.replay"),
    _row("desk-without-code", LOGINS, "*.by-desk", "second-factor"),
    _row("refresh-again", LOGINS, "*.used-twice", "token.refresh"),
    _row("reuse-unnoticed", LOGINS, "*.after-reuse", "token.refresh"),
    _row("refresh-race", LOGINS, "*.at-once", "token.refresh"),
    _row("refresh-for-caller", LOGINS, "*refresh*.someone-elses", "token.refresh"),
    _row("unsigned", TOKENS, "*.password.unsigned", "token.unsigned.alg-none"),
    _row("signature-ignored", TOKENS, "*.password.foreign-key", "token.foreign-key.foreign-key"),
    _row("public-key-as-secret", TOKENS, "*.key-confusion", "token.key-confusion.hs256-spki-pem"),
    _row("kid-is-a-path", TOKENS, "*.password.kid-*", "token.kid-traversal.kid-dev-null"),
    _row("follows-jku", TOKENS, "*.password.remote-key", "token.remote-key.remote-jku"),
    _row("weak-secret", TOKENS, "*.password.weak-secret", "token.weak-secret.guessed"),
    _row("late", TOKENS, "*.expired", "token.claims.expired"),
    _row("early", TOKENS, "*.not-yet-valid", "token.claims.not-yet-valid"),
    _row("endless", TOKENS, "*.no-expiry", "token.claims.no-expiry"),
    _row("any-audience", TOKENS, "*.other-audience", "token.claims.other-audience"),
    _row("any-issuer", TOKENS, "*.other-issuer", "token.claims.other-issuer"),
    _row("any-subject", TOKENS, "*.other-subject", "token.claims.other-subject"),
    _row("any-use", TOKENS, "*.other-purpose", "token.claims.other-purpose"),
    _row("tenant-from-token", TOKENS, "*.password.other-tenant", "token.claims.other-tenant"),
    _row("refresh-as-access", TOKENS, "*.password.other-kind", "token.other-kind"),
    _row("disabled-goes-on", STALE, "*.disabled.session *.disabled.refresh", "stale.disabled"),
    _row("roles-from-token", STALE, "*.nurse.*.role-removed.session", "stale.role-removed"),
    _row(
        "link-goes-on",
        STALE,
        "*.rota *.chart",
        "stale.disabled stale.role-removed stale.channel",
    ),
    _row("team-for-ever", STALE, "*ended-relations*", "stale.relation stale.channel"),
    _row("lists-former", STALE, "*.patient.list", "stale.relation"),
    _row("glass-without-reason", DUTIES, "*.without-a-reason", "break-glass.reason"),
    _row("glass-for-all", DUTIES, "*.other-record", "break-glass.scope leak.unrelated"),
    _row("glass-writes", DUTIES, "*.other-operation", "break-glass.scope"),
    _row("glass-for-everybody", DUTIES, "*.wrong-role", "break-glass.role leak.ungranted"),
    _row("glass-across", DUTIES, "*.other-tenant", "break-glass.tenant leak.tenant"),
    _row("glass-stays", DUTIES, "*.ended", "break-glass.end"),
    _row("glass-lasts", DUTIES, "*.expired", "break-glass.end"),
    _row("glass-long", DUTIES, "*.opens *.too-long", "break-glass.end"),
    _row("glass-outlives", DUTIES, "*.after-logout", "break-glass.end"),
    _row("glass-unseen", DUTIES, "*.review", "break-glass.review"),
    _row("glass-shut", DUTIES, "*.opens", "break-glass.opens"),
    _row("signs-own", DUTIES, "*.one-session", "duty"),
    _row("signs-elsewhere", DUTIES, "*.two-sessions", "duty"),
    _row("first-role-wins", DUTIES, "*.nurse-chief", "deny-overrides leak.ungranted"),
]


@pytest.fixture(scope="module")
def gatehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gatehouse's target folder with the key of this process."""

    def with_key(data: dict[str, Any]) -> None:
        data["login"]["password"]["signing_key"] = tokens.private_pem()

    return target(tmp_path_factory.mktemp("target"), with_key, ROOT / "tests" / "gatehouse")


def _tried(
    out: Path, forker: Forker, folder: Path, *faults: str, suites: tuple[str, ...], cases: str = "*"
) -> Run:
    with served(make(*faults)) as url:
        return run(
            out,
            *("--base-url", url, "--seed", SEED),
            *(f"--suite={one}" for one in suites),
            *(f"--case={glob}" for glob in cases.split()),
            target=folder,
            by=forker.wardproof,
        )


def test_a_sound_gatehouse_is_conformant(gatehouse: Path, tmp_path: Path, forker: Forker) -> None:
    done = _tried(tmp_path / "out", forker, gatehouse, suites=SUITES)
    assert done.code == 0, done.called.said
    assert set(done.outcomes.values()) == {"pass", "not_claimed"}
    assert len(done.passed()) > 90
    for suite in SUITES:
        assert any(case.startswith(suite) for case in done.passed())


def test_accounts_that_were_made_are_disabled_and_listed(
    gatehouse: Path, tmp_path: Path, forker: Forker
) -> None:
    cases = "*.one-account *.disabled.session"
    done = _tried(tmp_path / "out", forker, gatehouse, suites=(LOGINS, STALE), cases=cases)
    left = [one for one in done.of("left_over") if one["resource"] == "account"]
    assert len(left) == 5
    assert {one["reason"] for one in left} == {"an account, and it was disabled"}
    assert all(one["id"].startswith("wardproof") for one in left)


def test_tokens_with_a_shared_secret_are_sound_too(
    gatehouse: Path, tmp_path: Path, forker: Forker
) -> None:
    """Whatever is forged from them; that no word of the list signs them is a pass."""
    done = _tried(
        tmp_path / "out",
        forker,
        gatehouse,
        "symmetric",
        suites=(TOKENS,),
        cases="*.password.unsigned *.password.foreign-key *.password.weak-secret",
    )
    assert done.code == 0, done.called.said
    assert set(done.outcomes.values()) == {"pass"}
    said = {one["case"].split(".")[-1]: one["reason"] for one in done.of("verdict")}
    assert "none of" in said["weak-secret"]


@pytest.mark.parametrize(("fault", "rules"), [(None, set()), ("counts-by-address", {"lock-out"})])
def test_failed_logins_count_where_further_fields_are_refused(
    fault: str | None, rules: set[str], gatehouse: Path, tmp_path: Path, forker: Forker
) -> None:
    """Such a login is tried with other headers alone, or no password would be looked at."""
    faults = ("strict", fault) if fault else ("strict",)
    done = _tried(
        tmp_path / "out", forker, gatehouse, *faults, suites=(LOGINS,), cases="*.other-fields"
    )
    assert done.code == (1 if fault else 0), done.called.said
    assert done.rules == rules
    assert set(done.outcomes.values()) == {"fail" if fault else "pass"}


def test_every_fault_is_tried() -> None:
    assert {row.fault for row in ROWS} == set(FAULTS) - {"symmetric", "strict"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.fault}-{row.cases.strip('*.')}")
def test_a_fault_is_found(row: Row, gatehouse: Path, tmp_path: Path, forker: Forker) -> None:
    done = _tried(
        tmp_path / "out", forker, gatehouse, row.fault, suites=(row.suite,), cases=row.cases
    )
    assert done.code == 1, done.called.said
    assert done.rules == row.rules
    assert "inconclusive" not in done.outcomes.values()


def test_what_nobody_claims_is_listed_with_the_line_that_would(
    clinic: str, tmp_path: Path, forker: Forker
) -> None:
    """The clinic claims nothing of all this: its logins are tried, and nothing else is green."""
    suites = (f"--suite={one}" for one in SUITES)
    done = run(tmp_path / "out", "--base-url", clinic, *suites, by=forker.wardproof)
    assert done.code == 0, done.called.said
    assert set(done.outcomes.values()) == {"pass", "not_claimed"}
    green = {case.split(".")[1] for case in done.passed()}
    assert green == {
        "worthless-credentials-open-nothing",
        "answers-do-not-tell-who-has-an-account",
    }
    reasons = {one["case"]: one["reason"] for one in done.of("verdict")}
    told = {case: reasons[case] for case in done.outcomes if ".not-claimed." in case}
    assert len(told) >= 24
    assert all("; to claim it, write for example " in reason for reason in told.values())
    turned_out = {case for case, one in done.outcomes.items() if one == "not_claimed"} - set(told)
    assert all(reasons[case].startswith("the login ") for case in turned_out)


def test_a_target_that_only_claims_finds_out(tmp_path: Path, forker: Forker) -> None:
    """What is claimed and is not there is no pass."""

    def claiming(data: dict[str, Any]) -> None:
        data["login"]["password"] |= {"logout": "POST /out", "keys": "GET /keys"}
        data["accounts"] = {
            "create": {"as": "clerk", "request": "POST /users", "json": {"u": "{username}"}},
            "disable": {"as": "clerk", "request": "POST /users/{username}/disable"},
            "change_password": "POST /password",
            "lock_out": {"attempts": 2},
        }

    folder = target(tmp_path / "target", claiming)
    with served(clinic_app()) as url:
        done = run(
            tmp_path / "out",
            *("--base-url", url, "--suite", LOGINS, "--suite", TOKENS, "--suite", STALE),
            *("--case", "*logout*", "--case", "*new-password*", "--case", "*lock-out*"),
            *("--case", "*ended-accounts*", "--case", "*published-key*", "--case", "*timing*"),
            target=folder,
            by=forker.wardproof,
        )
    assert done.code == 2, done.called.said
    assert done.passed() == []
    assert "inconclusive" in done.outcomes.values()
