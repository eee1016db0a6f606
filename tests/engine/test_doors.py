"""Doors: operations at which nothing but the credentials decides."""

from conformance.doors import Door, doors
from conformance.target import Target
from tests.engine.targets import target

RESOURCES = {
    "patient": {
        "create": {"request": "POST /patients", "json": {"name": "{name}"}},
        "search": {"request": "GET /patients/search", "query": {"q": "{term}"}},
        "list": {"request": "GET /patients", "items": "$[*]"},
        "read": "GET /patients/{id}",
        "slow": {"request": "GET /patients/slow", "kind": "list", "not_tested": "too slow"},
    },
    "report": {"daily": {"request": "GET /daily", "query": {"date": "{today}"}}},
    "ward": {"board": {"request": "GET /wards/{patient.id}", "kind": "read"}},
    "health": {"read": "GET /health"},
    "account": {"read": "GET /me"},
}
POLICY = {
    "anonymous": {"health": {"read": "allow"}},
    "clerk": {"patient": {"*": "allow"}, "health": {"*": "allow"}, "account": {"*": "allow"}},
    "nurse": {
        "patient": {"list": "assigned", "slow": "allow"},
        "report": {"*": "allow"},
        "ward": {"*": "allow"},
        "account": {"*": "allow"},
    },
    "visitor": {"account": {"read": "deny"}},
}


def described() -> Target:
    return target(resources=RESOURCES, policy=POLICY)


def test_reads_come_before_lists_and_lists_before_searches() -> None:
    assert doors(described(), ("clerk",)) == [
        Door("account", "read"),
        Door("patient", "list"),
        Door("patient", "search"),
    ]


def test_what_asks_for_values_comes_last() -> None:
    assert doors(described(), ("nurse",))[-1] == Door("report", "daily")


def test_a_door_needs_no_record_is_tested_and_changes_nothing() -> None:
    found = {(door.resource, door.operation) for door in doors(described(), ("clerk", "nurse"))}
    assert not found & {("patient", "create"), ("patient", "read"), ("ward", "board")}
    assert ("patient", "slow") not in found


def test_what_is_public_is_no_door() -> None:
    assert Door("health", "read") not in doors(described(), ("clerk",))


def test_a_door_may_have_to_be_closed_to_another_role() -> None:
    assert doors(described(), ("clerk",), ("nurse",)) == [Door("patient", "search")]
    assert doors(described(), ("nurse",), ("clerk",)) == [Door("report", "daily")]


def test_without_a_grant_there_is_no_door() -> None:
    assert doors(described(), ("visitor",)) == []


def test_of_doors_of_a_kind_the_first_in_the_file_counts() -> None:
    first = {"note": {"list": "GET /notes"}, **RESOURCES}
    policy = {**POLICY, "clerk": {"note": {"list": "allow"}, "patient": {"list": "allow"}}}
    assert doors(target(resources=first, policy=policy), ("clerk",))[0] == Door("note", "list")
