"""Grants and what follows from them: who may do what to which record, and see which field."""

from typing import Any

import pytest

from conformance import policy
from conformance.model import Relation
from conformance.policy import Grant
from tests.engine.targets import ASSIGN, target

OWN, ASSIGNED, SAME = Relation.OWN, Relation.ASSIGNED, Relation.SAME_TENANT


def granted(grants: dict[str, Any], *roles: str, operation: str = "read") -> list[Grant]:
    """What the roles are granted on patients under a policy of patients."""
    written = {
        role: {"patient": {name: effect if isinstance(effect, list) else [effect]}}
        for role, operations in grants.items()
        for name, effect in operations.items()
    }
    return policy.grants(
        target(policy={"nurse": {}, "clerk": {}, **written}), roles, "patient", operation
    )


@pytest.mark.parametrize(
    ("grants", "roles", "expected"),
    [
        pytest.param({}, ["nurse"], [], id="nothing-is-granted"),
        pytest.param({"nurse": {"read": "allow"}}, ["nurse"], [Grant("allow", None)], id="allow"),
        pytest.param({"nurse": {"read": "deny"}}, ["nurse"], [], id="deny"),
        pytest.param({"nurse": {"read": "forbid"}}, ["nurse"], [], id="forbid"),
        pytest.param({"nurse": {"update": "allow"}}, ["nurse"], [], id="another-operation"),
        pytest.param({"clerk": {"read": "allow"}}, ["nurse"], [], id="another-role"),
        pytest.param({"nurse": {"*": "own"}}, ["nurse"], [Grant("own", None)], id="star"),
        pytest.param(
            {"nurse": {"read": "allow:desk"}}, ["nurse"], [Grant("allow", "desk")], id="mask"
        ),
        pytest.param(
            {"nurse": {"read": ["own", "assigned:desk"]}},
            ["nurse"],
            [Grant("own", None), Grant("assigned", "desk")],
            id="list",
        ),
        pytest.param(
            {"nurse": {"read": "own"}, "clerk": {"read": "assigned"}},
            ["nurse", "clerk"],
            [Grant("own", None), Grant("assigned", None)],
            id="roles-add-up",
        ),
        pytest.param(
            {"nurse": {"read": "allow"}, "clerk": {"read": "deny"}},
            ["nurse", "clerk"],
            [Grant("allow", None)],
            id="deny-takes-nothing-from-another-role",
        ),
        pytest.param(
            {"nurse": {"read": "allow"}, "clerk": {"read": "forbid"}},
            ["nurse", "clerk"],
            [],
            id="forbid-wins-last",
        ),
        pytest.param(
            {"nurse": {"read": "forbid"}, "clerk": {"read": "global"}},
            ["nurse", "clerk"],
            [],
            id="forbid-wins-first",
        ),
        pytest.param(
            {"nurse": {"read": "allow"}, "clerk": {"*": "forbid"}},
            ["nurse", "clerk"],
            [],
            id="forbid-of-everything",
        ),
        pytest.param({"nurse": {"read": "allow"}}, ["stranger"], [], id="unknown-role"),
        pytest.param({"nurse": {"read": "allow"}}, [], [], id="no-role"),
    ],
)
def test_grants(grants: dict[str, Any], roles: list[str], expected: list[Grant]) -> None:
    assert granted(grants, *roles) == expected


def test_what_is_open_to_everybody_is_open_to_whoever_is_logged_in() -> None:
    public = {"anonymous": {"read": "allow"}}
    assert granted(public, "nurse") == granted(public, "anonymous") == [Grant("allow", None)]
    more = {**public, "nurse": {"read": "own"}}
    assert granted(more, "nurse") == [Grant("own", None), Grant("allow", None)]
    assert granted({"nurse": {"read": "own"}}, "anonymous") == []
    assert granted({**public, "nurse": {"read": "forbid"}}, "nurse") == []


def test_an_operation_named_wins_over_the_star() -> None:
    one = target(policy={"nurse": {"patient": {"*": ["allow"], "read": ["deny"]}}, "clerk": {}})
    assert policy.grants(one, ["nurse"], "patient", "read") == []
    assert policy.grants(one, ["nurse"], "patient", "list") == [Grant("allow", None)]


@pytest.mark.parametrize(
    ("effect", "related", "same_tenant", "covered"),
    [
        ("allow", set(), True, True),
        ("allow", set(), False, False),
        ("allow", {OWN}, False, False),
        ("global", set(), True, True),
        ("global", set(), False, True),
        ("own", {OWN}, True, True),
        ("own", {ASSIGNED}, True, False),
        ("own", set(), True, False),
        ("own", {OWN}, False, False),
        ("assigned", {OWN, ASSIGNED}, True, True),
        ("assigned", {OWN}, True, False),
        ("assigned", {ASSIGNED}, False, False),
    ],
)
def test_how_far_a_grant_reaches(
    effect: str, related: set[Relation], same_tenant: bool, covered: bool
) -> None:
    assert Grant(effect, None).covers(related, same_tenant) is covered


# --- relations -------------------------------------------------------------------------------


def test_a_relation_exists_where_it_is_declared() -> None:
    ward = target()
    assert policy.relations_of(ward, "nurse.north", "patient") == [ASSIGNED, SAME]
    assert policy.relations_of(ward, "nurse.north", "note") == [ASSIGNED, SAME]
    bare = target(resources__patient__relations={})
    assert policy.relations_of(bare, "nurse.north", "patient") == [SAME]


@pytest.mark.parametrize(
    ("own", "nurse", "clerk"),
    [
        ("creator", [SAME], [OWN, SAME]),
        ({"clerk": "creator"}, [SAME], [OWN, SAME]),
        ({"nurse": ASSIGN["assigned"]}, [OWN, SAME], [SAME]),
        ({"clerk": "creator", "*": ASSIGN["assigned"]}, [OWN, SAME], [OWN, SAME]),
        ({"doctor": "creator"}, [SAME], [SAME]),
    ],
    ids=["creator", "by-role", "a-request", "others", "another-role"],
)
def test_a_relation_may_come_about_by_role(
    own: object, nurse: list[Relation], clerk: list[Relation]
) -> None:
    """In the ward only clerks may make patients, so only they can own by creating."""
    ward = target(resources__patient__relations={"own": own})
    assert policy.relations_of(ward, "nurse.north", "patient") == nurse
    assert policy.relations_of(ward, "clerk.north", "patient") == clerk


def test_a_child_has_its_parents_relations_unless_it_has_its_own() -> None:
    ward = target(resources__note__relations={"own": "creator"})
    assert policy.relations_of(ward, "nurse.north", "note") == [OWN, ASSIGNED, SAME]
    assert policy.relations_of(ward, "clerk.north", "note") == [ASSIGNED, SAME]
    ward = target(resources__note__relations={"assigned": {"doctor": "parent"}})
    assert policy.relations_of(ward, "nurse.north", "note") == [SAME]


def test_relations_to_instances_that_are_there_are_what_the_file_says() -> None:
    existing = [{"tenant": "north", "id": 7, "own": ["nurse.north"]}]
    ward = target(resources__patient__instances=existing)
    assert policy.relations_of(ward, "nurse.north", "patient") == [OWN, SAME]
    assert policy.relations_of(ward, "clerk.north", "patient") == [SAME]


def test_who_owns_what_they_made_for_those_assigned_is_assigned_as_well() -> None:
    """The nurse may write notes only for patients assigned to her."""
    ward = target(resources__note__relations={"own": "creator"})
    assert policy.standing(ward, ["nurse"], "note", OWN) == {OWN, ASSIGNED}
    assert policy.standing(ward, ["nurse"], "note", ASSIGNED) == {ASSIGNED}
    assert policy.standing(ward, ["nurse"], "note", SAME) == frozenset()
    free = target(
        resources__note__relations={"own": "creator"},
        policy__nurse={"note": {"create": ["allow"], "read": ["own"]}},
    )
    assert policy.standing(free, ["nurse"], "note", OWN) == {OWN}


def test_everybody_is_in_the_only_tenant() -> None:
    alone = target(tenants={}, personas={"nurse": {"role": "nurse"}})
    assert policy.tenants(alone) == ("default",)
    assert policy.tenant_of(alone, "nurse") == "default"
    assert policy.tenant_of(target(), "nurse.south") == "south"
    assert policy.tenant_of(target(), "anonymous") is None
    assert policy.roles_of(target(), "anonymous") == ("anonymous",)


# --- masks -----------------------------------------------------------------------------------

MASKS = {
    "no-alert": {"hidden": ["alert", "ward.code"]},
    "name-only": {"visible": ["name", "ward.name"]},
    "all-of-ward": {"visible": ["patient.*", "ward.*"]},
}


@pytest.mark.parametrize(
    ("mask", "of", "field", "shown"),
    [
        (None, "patient", "name", True),
        (None, "ward", "name", None),
        ("no-alert", "patient", "name", True),
        ("no-alert", "patient", "alert", False),
        ("no-alert", "ward", "code", False),
        ("no-alert", "ward", "name", None),
        ("name-only", "patient", "name", True),
        ("name-only", "patient", "alert", False),
        ("name-only", "ward", "name", True),
        ("name-only", "ward", "code", None),
        ("all-of-ward", "patient", "alert", True),
        ("all-of-ward", "ward", "code", True),
        ("all-of-ward", "bed", "code", None),
    ],
)
def test_what_a_mask_shows_of_a_patient(
    mask: str | None, of: str, field: str, shown: bool | None
) -> None:
    ward = target(masks=MASKS)
    assert policy.visible(ward, Grant("allow", mask), "patient", field, of) is shown
