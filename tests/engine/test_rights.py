"""Rights that end and duties: which cases there are, and in what order."""

import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance import suite
from conformance.cases import Profile
from conformance.model import Case, Relation
from conformance.sources import duties, rights
from conformance.target import Target
from tests.engine.targets import target

ROOT = Path(__file__).parents[2]
GATE, SMOKE, FULL = Profile.GATE, Profile.SMOKE, Profile.FULL
LOGIN = {
    "token": {
        "post": "/login",
        "bearer": "$.token",
        "logout": "POST /logout",
        "refresh": "POST /refresh",
    },
    "key": {"send": {"X-Key": "{key}"}},
}
ACCOUNTS = {
    "create": {"request": "POST /users", "json": {"roles": "{roles}"}},
    "disable": "POST /users/{persona.user_id}/disable",
    "change_roles": "PUT /users/{persona.user_id}/roles",
}
PERSONAS = {
    "nurse.north": {"role": "nurse", "tenant": "north", "login": "token"},
    "clerk.north": {"role": "clerk", "tenant": "north", "login": "key"},
    "nurse.south": {"role": "nurse", "tenant": "south", "login": "token"},
}
LINK = {"make": ["POST /links"], "use": "GET /link"}
TEAM = {"assigned": {"request": "POST /team", "take": {"m": "$.id"}, "ends": "DELETE /team/{m}"}}


def described(**parts: Any) -> Target:
    return target(**{"login": LOGIN, "personas": PERSONAS, **parts})


def variants(source: Any, of: Target, profile: Profile = GATE) -> list[str]:
    """The cases that are tried, by persona and variant."""
    return [f"{one.persona}:{one.variant}" for one in source(of, profile) if not one.unclaimed]


def unclaimed(source: Any, of: Target, profile: Profile = GATE) -> list[str]:
    """The keys that are listed as not claimed."""
    found = [one for one in source(of, profile) if one.unclaimed]
    for one in found:
        assert "the target file has no" in one.unclaimed
        assert len(one.unclaimed.split("for example ")[1]) > 10
    return [str(one.variant).removeprefix("not-claimed.") for one in found]


# --- accounts and roles ----------------------------------------------------------------------


def test_accounts_end_on_every_channel_of_every_role() -> None:
    of = described(accounts=ACCOUNTS, channels={"link": {**LINK, "roles": ["clerk"]}})
    assert variants(rights.account_events, of) == [
        "clerk.north:disabled.session",
        "clerk.north:disabled.link",
        "clerk.north:role-removed.session",
        "clerk.north:role-removed.link",
        "nurse.north:disabled.session",
        "nurse.north:disabled.refresh",
        "nurse.north:role-removed.session",
        "nurse.north:role-removed.refresh",
    ]
    assert unclaimed(rights.account_events, of) == []


def test_a_channel_about_a_record_ends_with_accounts_as_well() -> None:
    of = described(accounts=ACCOUNTS, channels={"link": {**LINK, "about": "note"}})
    assert any("link" in one for one in variants(rights.account_events, of))


def test_what_ends_is_claimed_one_by_one() -> None:
    create = {"create": ACCOUNTS["create"]}
    assert unclaimed(rights.account_events, described()) == ["accounts.create"]
    assert unclaimed(rights.account_events, described(accounts=create)) == [
        "accounts.disable",
        "accounts.change_roles",
    ]
    only = described(accounts={**create, "disable": ACCOUNTS["disable"]})
    assert unclaimed(rights.account_events, only) == ["accounts.change_roles"]
    assert all("disabled" in one for one in variants(rights.account_events, only))


def test_roles_that_come_together_are_told_apart() -> None:
    personas = {"both.north": {"role": ["nurse", "clerk"], "tenant": "north", "login": "key"}}
    of = described(accounts=ACCOUNTS, personas=personas)
    found = [one for one in rights.account_events(of, GATE) if one.variant]
    assert {(one.variant, one.roles) for one in found if "disabled" in str(one.variant)} == {
        ("disabled-of-clerk.session", ("clerk",)),
        ("disabled-of-nurse.session", ("nurse",)),
    }


# --- relations -------------------------------------------------------------------------------


def with_team(**parts: Any) -> Target:
    return described(resources__patient__relations=TEAM, **parts)


def test_a_relation_that_ends_closes_every_read_that_it_opened() -> None:
    of = with_team()
    assert variants(rights.ended_relations, of) == [
        "nurse.north:patient.read",
        "nurse.north:note.read",
    ]
    found = next(iter(rights.ended_relations(of, GATE)))
    assert (found.resource, found.relation) == ("patient", Relation.ASSIGNED)
    assert variants(rights.ended_relations, of, FULL)[2:] == [
        "nurse.south:patient.read",
        "nurse.south:note.read",
    ]


def test_a_list_that_shows_related_records_is_looked_through_when_the_relation_ends() -> None:
    granted = {"read": "assigned", "list": "assigned"}
    policy = {"nurse": {"patient": granted}, "clerk": {}}
    assert variants(rights.ended_relations, with_team(policy=policy)) == [
        "nurse.north:patient.read",
        "nurse.north:patient.list",
    ]


def test_what_is_open_without_the_relation_does_not_end_with_it() -> None:
    policy = {"nurse": {"patient": {"read": "allow"}, "note": {"read": "assigned"}}}
    assert variants(rights.ended_relations, with_team(policy={**policy, "clerk": {}})) == [
        "nurse.north:note.read"
    ]


def test_a_channel_about_something_below_the_record_ends_with_the_relation() -> None:
    link = {**LINK, "about": "note"}
    of = with_team(channels={"link": link, "other": LINK, "clerks": {**link, "roles": ["clerk"]}})
    found = [one for one in variants(rights.ended_relations, of) if "channel" in one]
    assert found == ["nurse.north:channel.link"]


def test_a_relation_without_an_end_is_told_once() -> None:
    assert unclaimed(rights.ended_relations, described()) == [
        "resources.patient.relations.assigned.ends"
    ]
    by_role = {"assigned": {"nurse": "creator", "*": {"request": "POST /team"}}}
    assert unclaimed(rights.ended_relations, described(resources__patient__relations=by_role)) == [
        "resources.patient.relations.assigned.*.ends"
    ]
    bare = described(resources__patient__relations={"own": "creator"})
    assert unclaimed(rights.ended_relations, bare) == ["resources.NAME.relations.assigned.ends"]


# --- emergencies -----------------------------------------------------------------------------

READ_TRAIL = {"request": "GET /audit", "as": "clerk", "items": "$[*]"}
GLASS = {
    "resource": "patient",
    "roles": ["nurse"],
    "open": {"request": "POST /glass", "json": {"patient": "{patient.id}", "why": "{text}"}},
    "reason": "why",
    "opens": ["read"],
    "most_seconds": 60,
}


def test_emergencies_are_tried_in_every_way_that_is_claimed() -> None:
    of = described(break_glass=GLASS)
    assert variants(duties.emergencies, of) == [
        f"nurse.north:{one}"
        for one in (
            "opens",
            "without-a-reason",
            "other-record",
            "other-operation",
            "wrong-role",
            "other-tenant",
        )
    ]
    assert unclaimed(duties.emergencies, of) == [
        "break_glass.end",
        "break_glass.review",
        "break_glass.ends_with_session",
        "break_glass.open.{seconds}",
        "break_glass.expires",
    ]
    assert unclaimed(duties.emergencies, described()) == ["break_glass"]


def test_everything_about_emergencies_can_be_claimed() -> None:
    asking = {**GLASS["open"], "query": {"s": "{seconds}"}}  # type: ignore[dict-item]
    further: dict[str, object] = {"expires": "$.until"}
    further |= {"end": "POST /end", "review": "GET /glass", "ends_with_session": True}
    of = described(break_glass={**GLASS, **further, "open": asking}, tenants={"north": {}})
    assert unclaimed(duties.emergencies, of) == []
    tried = {one.split(":")[1] for one in variants(duties.emergencies, of)}
    assert {"ended", "review", "after-logout", "expired", "too-long"} <= tried
    assert "other-tenant" not in tried


def test_an_emergency_is_looked_for_in_a_trail_that_names_purposes() -> None:
    entry = {"correlation": "$.id", "actor": "$.who", "purpose": "$.why"}
    trail = {"header": "X-Id", "read": READ_TRAIL, "entry": entry}
    of = described(audit=trail, break_glass={**GLASS, "purpose": "emergency"})
    assert "nurse.north:in-the-trail" in variants(duties.emergencies, of)
    assert "break_glass.purpose" in unclaimed(
        duties.emergencies, described(audit=trail, break_glass=GLASS)
    )
    silent = {**trail, "entry": {"correlation": "$.id", "actor": "$.who"}}
    of = described(audit=silent, break_glass={**GLASS, "purpose": "emergency"})
    assert "nurse.north:in-the-trail" not in variants(duties.emergencies, of)


def test_further_roles_open_in_emergencies_too() -> None:
    of = described(break_glass={**GLASS, "roles": ["nurse", "clerk", "porter"]})
    assert [one for one in variants(duties.emergencies, of) if "clerk" in one] == [
        "clerk.north:opens"
    ]


# --- duties ----------------------------------------------------------------------------------

ORDER = {"create": "POST /orders", "sign": "POST /orders/{id}/sign", "read": "GET /orders/{id}"}
DUTY = {"resource": "order", "first": "create", "then": "sign"}


def ordering(policy: dict[str, Any], **parts: Any) -> Target:
    of = {"resources__order": ORDER, "accounts": ACCOUNTS, "policy": policy, "duties": [DUTY]}
    return described(**{**of, **parts})


def test_one_person_tries_both_halves_with_one_role_and_with_two() -> None:
    both = {"nurse": {"order": {"create": "allow"}}, "clerk": {"order": {"sign": "allow"}}}
    assert variants(duties.separations, ordering(both)) == [
        "nurse.north:create-sign.nurse+clerk.one-session",
        "nurse.north:create-sign.nurse+clerk.two-sessions",
    ]
    alone = {**both, "nurse": {"order": {"*": "allow"}}}
    assert variants(duties.separations, ordering(alone)) == [
        "nurse.north:create-sign.nurse.one-session",
        "nurse.north:create-sign.nurse.two-sessions",
        "nurse.north:create-sign.nurse+clerk.one-session",
        "nurse.north:create-sign.nurse+clerk.two-sessions",
    ]


def test_two_roles_that_share_out_a_duty_come_before_those_that_overlap() -> None:
    shared = {"nurse": {"order": {"create": "allow"}}, "clerk": {"order": {"sign": "allow"}}}
    assert duties.able(ordering(shared), ordering(shared).duties[0]) == [("nurse", "clerk")]
    overlapping = {**shared, "nurse": {"order": {"*": "allow"}}}
    of = ordering(overlapping)
    assert duties.able(of, of.duties[0]) == [("nurse",), ("nurse", "clerk")]
    forbidden = {**shared, "clerk": {"order": {"sign": "allow", "create": "forbid"}}}
    of = ordering(forbidden)
    assert duties.able(of, of.duties[0]) == []


def test_duties_are_claimed() -> None:
    policy = {"nurse": {"order": {"create": "allow"}}, "clerk": {}}
    assert unclaimed(duties.separations, described()) == ["duties"]
    assert unclaimed(duties.separations, ordering(policy, accounts={})) == ["accounts.create"]
    assert unclaimed(duties.separations, ordering(policy)) == [
        "policy for order.create and sign",
    ]


FORBIDDING = {
    "nurse": {"patient": {"read": "allow", "list": "allow"}},
    "clerk": {"patient": {"*": "forbid"}},
}


def test_what_one_role_forbids_is_tried_with_another_in_either_order() -> None:
    of = described(policy=FORBIDDING, accounts=ACCOUNTS)
    found: list[Case] = list(duties.overridden(of, GATE))
    assert [one.variant for one in found] == ["clerk+nurse", "nurse+clerk"]
    assert {(one.persona, one.roles, one.operation) for one in found} == {
        ("nurse.north", ("nurse",), "read")
    }


def test_what_forbids_nothing_or_cannot_be_combined_is_told() -> None:
    assert unclaimed(duties.overridden, described()) == ["policy.ROLE.RESOURCE"]
    assert unclaimed(duties.overridden, described(policy=FORBIDDING)) == ["accounts.create"]
    one = {"create": {"request": "POST /users", "json": {"role": "{role}"}}}
    of = described(policy=FORBIDDING, accounts=one)
    assert unclaimed(duties.overridden, of) == ["accounts.create"]
    nurses = {"create": {**ACCOUNTS["create"], "roles": ["nurse"]}}  # type: ignore[dict-item]
    of = described(policy=FORBIDDING, accounts=nurses)
    assert unclaimed(duties.overridden, of) == ["accounts.create.roles"]


# --- all suites ------------------------------------------------------------------------------

SUITES = ("authentication", "tokens", "stale_rights", "accountability")
PLANNED = """
import hashlib, importlib, inspect, sys
from pathlib import Path
from conformance import suite
from conformance.cases import Profile
from conformance.loading import load
of = load(Path("fixtures/targets/hospital"), environ={}, secrets_required=False).target
for name in sys.argv[1:]:
    module = importlib.import_module(f"suites.test_{name}")
    for _, test in inspect.getmembers(module, suite.has_cases):
        for case in suite.cases_of(test, module.__name__, of, Profile.FULL):
            print(case.id)
"""


@pytest.fixture(scope="module")
def planned() -> list[str]:
    """The ids of all cases about the hospital, as two processes list them."""
    listed = []
    for seed in ("1", "2"):
        environ = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", PLANNED, *SUITES]
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        listed.append(done.stdout.splitlines())
    assert listed[0] == listed[1]
    return listed[0]


def test_every_process_lists_the_same_cases_once(planned: list[str]) -> None:
    assert len(planned) == len(set(planned))
    assert {one.split(".")[0] for one in planned} == set(SUITES)


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("name", SUITES)
def test_ids_are_unique_where_nothing_is_claimed(name: str, profile: Profile) -> None:
    of = target(personas=PERSONAS, login=LOGIN)
    module = importlib.import_module(f"suites.test_{name}")
    for test_name, test in inspect.getmembers(module, suite.has_cases):
        found = [one.id for one in suite.cases_of(test, module.__name__, of, profile)]
        assert len(set(found)) == len(found), test_name
