"""From a target to its cases: the exact matrix, what is derived, and ids that stay."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from conformance import sources, suite
from conformance.cases import Profile, others, stamp, subjects
from conformance.model import Because, Case, Expected, Relation
from conformance.target import Target
from tests.engine.targets import target

FULL, GATE, SMOKE = Profile.FULL, Profile.GATE, Profile.SMOKE
SOURCES = [
    sources.matrix,
    sources.anonymous,
    sources.foreign,
    sources.incomparable,
    sources.timed,
    sources.wrong_parents,
    sources.body_ids,
    sources.references,
    sources.batches,
    sources.listings,
    sources.counted,
    sources.paged,
    sources.searches,
    sources.selectors,
    sources.undeclared_selectors,
    sources.errors,
    sources.claims,
    sources.whole,
]


def ids(cases: Iterable[Case]) -> list[str]:
    """The ids without suite and property."""
    return [stamp(case, "s", "p", "A sentence.").id.removeprefix("s.p.") for case in cases]


def rich() -> Target:
    """The ward with everything that cases can be derived from."""
    return target(
        resources__bed={
            "unguessable": ["id", "tag"],
            "create": {"request": "POST /beds", "take": {"tag": "$.tag"}},
            "read": "GET /beds/{id}",
            "search": {"request": "GET /beds", "query": {"q": "{term}"}, "items": "$[*]"},
            "list": {
                "request": "GET /beds/all",
                "items": "$[*]",
                "next": {"param": "c", "cursor": "$.next"},
            },
            "close": {"request": "POST /beds/close", "json": {"ids": "{ids}"}},
            "occupy": {"request": "POST /beds/{id}", "json": {"patient": "{patient.id}"}},
            "break": {"request": "POST /beds/{id}/break", "not_tested": "it would break"},
        },
        policy__clerk={
            "patient": {"*": ["allow"]},
            "bed": {"*": ["allow"]},
        },
        tenancy={"header": {"X-Tenant": "{tenant.code}"}},
        refusals={"unrelated": 404, "missing": 404},
    )


# --- the matrix ------------------------------------------------------------------------------


def small(**parts: Any) -> Target:
    """Two tenants, a nurse and a clerk; patients that are assigned to nurses."""
    return target(
        tenants={"north": {}, "south": {}},
        personas={
            "nurse.north": {"role": "nurse", "tenant": "north"},
            "nurse2.north": {"role": "nurse", "tenant": "north"},
            "clerk.south": {"role": "clerk", "tenant": "south"},
        },
        policy={
            "nurse": {"patient": {"read": ["assigned"]}},
            "clerk": {"patient": {"create": ["allow"], "read": ["global"]}},
        },
        **parts,
    )


def expectations(cases: Iterable[Case]) -> dict[str, str]:
    found = list(cases)
    return {
        name: f"{case.expected} {case.because}"
        for name, case in zip(ids(found), found, strict=True)
    }


MATRIX = {
    "nurse.north.patient.create.collection": "deny role",
    "clerk.south.patient.create.collection": "allow granted",
    "nurse.north.patient.read.assigned": "allow granted",
    "nurse.north.patient.read.same_tenant": "deny unrelated",
    "nurse.north.patient.read.other_tenant.south": "deny other_tenant",
    "clerk.south.patient.read.assigned": "allow granted",
    "clerk.south.patient.read.same_tenant": "allow granted",
    "clerk.south.patient.read.other_tenant.north": "allow granted",
    "nurse.north.patient.list.collection": "deny role",
    "clerk.south.patient.list.collection": "deny role",
    "nurse.north.note.create.assigned": "deny role",
    "clerk.south.note.create.assigned": "deny role",
    "nurse.north.note.read.assigned": "deny role",
    "clerk.south.note.read.assigned": "deny role",
}
MATRIX_IN_FULL = {
    "nurse.north.note.create.same_tenant": "deny role",
    "nurse.north.note.create.other_tenant.south": "deny role",
    "clerk.south.note.create.same_tenant": "deny role",
    "clerk.south.note.create.other_tenant.north": "deny role",
    "nurse.north.note.read.same_tenant": "deny role",
    "nurse.north.note.read.other_tenant.south": "deny role",
    "clerk.south.note.read.same_tenant": "deny role",
    "clerk.south.note.read.other_tenant.north": "deny role",
}


def test_the_matrix_of_a_gate() -> None:
    assert expectations(sources.matrix(small(), GATE)) == MATRIX


def test_the_full_matrix_denies_every_relation() -> None:
    assert expectations(sources.matrix(small(), FULL)) == MATRIX | MATRIX_IN_FULL


def test_a_second_account_of_the_same_roles_is_no_subject() -> None:
    assert subjects(small()) == ["nurse.north", "clerk.south"]
    both = small()
    both = both.model_copy(
        update={
            "personas": {
                **both.personas,
                "head.north": both.personas["nurse.north"].model_copy(
                    update={"role": ["nurse", "clerk"]}
                ),
            }
        }
    )
    assert subjects(both) == ["nurse.north", "clerk.south", "head.north"]


def test_a_gate_tries_the_next_tenant_and_the_full_profile_every_one() -> None:
    ward = target()
    assert others(ward, "nurse.south", GATE) == ["west"]
    assert others(ward, "clerk.west", GATE) == ["north"]
    assert others(ward, "nurse.south", FULL) == ["west", "north"]
    alone = target(tenants={}, personas={"nurse": {"role": "nurse"}})
    assert others(alone, "nurse", FULL) == []


def test_with_one_tenant_there_is_nothing_across_tenants() -> None:
    alone = target(tenants={}, personas={"nurse": {"role": "nurse"}})
    for source in (sources.matrix, sources.foreign, sources.searches, sources.selectors):
        assert all(case.other is None for case in source(alone, FULL))
    assert list(sources.matrix(alone, GATE))


def test_operations_left_out_on_purpose_have_no_case() -> None:
    tried = {(case.resource, case.operation) for s in SOURCES for case in s(rich(), FULL)}
    assert ("bed", "occupy") in tried
    assert ("bed", "break") not in tried


# --- profiles --------------------------------------------------------------------------------


@suite.cases(sources.matrix)
def sample(case: Case, harness: object) -> None:
    """A sample
    sentence. With a second one."""


@suite.cases(sources.matrix, lambda case: case.expected is Expected.DENY)
def denials(case: Case, harness: object) -> None:
    """Denials only."""


def of(test: Any, profile: Any, module: str = "test_role_access") -> list[Case]:
    return list(suite.cases_of(test, module, small(), profile))


def test_cases_are_stamped_with_suite_property_and_sentence() -> None:
    case = of(sample, GATE, "suites.test_role_access")[0]
    assert (case.suite, case.property) == ("role_access", "sample")
    assert case.id == "role_access.sample.nurse.north.patient.create.collection"
    assert case.sentence == "A sample sentence."


def test_a_suite_narrows_its_source() -> None:
    assert {case.expected for case in of(denials, FULL)} == {Expected.DENY}
    assert len(of(denials, FULL)) < len(of(sample, FULL))


def test_profiles_grow() -> None:
    smoke, gate, full = ({case.id for case in of(sample, one)} for one in (SMOKE, GATE, FULL))
    assert smoke < gate < full


def test_smoke_takes_one_allowed_and_one_denied_of_each_role_and_resource() -> None:
    keys = [(case.roles, case.resource, case.expected) for case in of(sample, SMOKE)]
    assert len(keys) == len(set(keys))
    assert set(keys) == {(c.roles, c.resource, c.expected) for c in of(sample, GATE)}


# --- ids -------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.__name__))
@pytest.mark.parametrize("profile", list(Profile))
def test_ids_are_unique_plain_and_stable(source: Any, profile: Any) -> None:
    found = ids(source(rich(), profile))
    assert len(found) == len(set(found))
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", one) for one in found if one)
    assert found == ids(source(rich(), profile))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.__name__))
def test_every_source_says_something_of_a_rich_target(source: Any) -> None:
    ward = rich()
    if source in (sources.undeclared_selectors, sources.incomparable):
        ward = small()
    if source is sources.counted:
        ward = counting()
    assert list(source(ward, FULL))


def test_an_id_does_not_depend_on_the_rest_of_the_target() -> None:
    """What was planned for a target is still planned after a resource was added."""
    assert set(ids(sources.matrix(small(), FULL))) <= set(
        ids(sources.matrix(small(resources__bed={"read": "GET /beds/{id}"}), FULL))
    )


def test_signs_that_are_not_plain_become_dashes() -> None:
    case = replace(next(iter(sources.matrix(small(), GATE))), other="St. Mary's / 2")
    assert stamp(case, "s", "p", "x").id.endswith(".St.-Mary-s-2")


# --- without a login -------------------------------------------------------------------------


def test_every_operation_is_tried_without_a_login() -> None:
    found = expectations(sources.anonymous(small(), FULL))
    assert found == {
        "anonymous.patient.create.collection": "deny unauthenticated",
        "anonymous.patient.read.other_tenant.north": "deny unauthenticated",
        "anonymous.patient.read.other_tenant.south": "deny unauthenticated",
        "anonymous.patient.list.collection": "deny unauthenticated",
        "anonymous.note.create.other_tenant.north": "deny unauthenticated",
        "anonymous.note.create.other_tenant.south": "deny unauthenticated",
        "anonymous.note.read.other_tenant.north": "deny unauthenticated",
        "anonymous.note.read.other_tenant.south": "deny unauthenticated",
    }


def test_a_gate_tries_one_tenant_without_a_login() -> None:
    assert {case.other for case in sources.anonymous(small(), GATE)} == {None, "north"}


def test_what_is_declared_public_is_expected_to_answer() -> None:
    ward = target(policy__anonymous={"patient": {"list": ["allow"], "read": ["global"]}})
    found = expectations(sources.anonymous(ward, GATE))
    assert found["anonymous.patient.list.collection"] == "allow granted"
    assert found["anonymous.patient.read.same_tenant.north"] == "allow granted"
    assert found["anonymous.note.read.other_tenant.north"] == "deny unauthenticated"


# --- ids in other places ---------------------------------------------------------------------


def test_foreign_ids_are_compared_with_missing_ones() -> None:
    assert ids(sources.foreign(small(), FULL)) == ["nurse.north.patient.read.other_tenant.south"]


def test_unrelated_ids_are_compared_where_the_same_status_is_promised() -> None:
    alike = small(refusals={"unrelated": 404, "missing": 404})
    assert ids(sources.foreign(alike, FULL)) == [
        "nurse.north.patient.read.same_tenant",
        "nurse.north.patient.read.other_tenant.south",
    ]
    apart = small(refusals={"unrelated": 403, "missing": 404})
    assert len(ids(sources.foreign(apart, FULL))) == 1
    assert len(ids(sources.foreign(small(refusals={"missing": 404}), FULL))) == 1


@pytest.mark.parametrize(
    ("instance", "comparable"),
    [
        ({"id": 12}, True),
        ({"id": "12"}, True),
        ({"id": "0b2f6a01-1111-4222-8333-444455556666"}, True),
        ({"id": "MRN-12"}, False),
    ],
)
def test_ids_that_cannot_be_made_up_are_not_compared(
    instance: dict[str, object], comparable: bool
) -> None:
    given = [{"tenant": "north", "assigned": ["nurse.north"], **instance}]
    ward = small(resources__patient__instances=given)
    assert bool(ids(sources.foreign(ward, FULL))) is comparable
    named = small(resources__patient__instances=given, resources__patient__never="MRN-0")
    assert ids(sources.foreign(named, FULL))


@pytest.mark.parametrize("profile", [GATE, FULL])
def test_a_foreign_case_is_either_compared_or_known_not_to_be(profile: Any) -> None:
    ward = small()
    compared, not_compared = (
        set(ids(source(ward, profile))) for source in (sources.foreign, sources.incomparable)
    )
    assert not compared & not_compared
    assert compared | not_compared == {
        one
        for one, said in expectations(sources.matrix(ward, profile)).items()
        if said in {"deny other_tenant", "deny unrelated"}
    }


def test_reads_of_foreign_ids_are_timed_once_for_each_operation() -> None:
    found = ids(sources.timed(target(), FULL))
    assert found == [
        "nurse.north.patient.read.other_tenant.south.timed",
        "nurse.north.note.read.other_tenant.south.timed",
    ]
    assert ids(sources.timed(target(), SMOKE)) == []


def test_children_are_tried_under_wrong_parents() -> None:
    found = ids(sources.wrong_parents(target(), GATE))
    assert found[:2] == [
        "nurse.north.note.read.same_tenant.their-child-under-my-parent",
        "nurse.north.note.read.other_tenant.south.their-child-under-my-parent",
    ]
    assert {one.split(".")[0] for one in found} == {"nurse"}


def test_a_child_whose_route_names_no_parent_has_no_wrong_one() -> None:
    flat = target(resources__note__read="GET /notes/{id}")
    assert ids(sources.wrong_parents(flat, FULL)) == []


def test_bodies_name_foreign_ids_where_something_is_written() -> None:
    found = ids(sources.body_ids(target(), GATE))
    assert found == [
        "clerk.north.patient.create.other_tenant.south.in-body",
        "clerk.west.patient.create.other_tenant.north.in-body",
        "nurse.north.note.create.same_tenant.in-body",
        "nurse.north.note.create.other_tenant.south.in-body",
        "nurse.south.note.create.same_tenant.in-body",
        "nurse.south.note.create.other_tenant.west.in-body",
    ]


def test_references_are_what_a_request_names_beside_its_own_line() -> None:
    found = ids(sources.references(rich(), GATE))
    assert found == [
        "clerk.north.bed.occupy.other_tenant.south.patient",
        "clerk.west.bed.occupy.other_tenant.north.patient",
    ]


def test_what_may_be_used_everywhere_is_no_foreign_reference() -> None:
    everywhere = rich().model_copy(deep=True)
    everywhere.policy["clerk"]["patient"]["read"] = ["global"]
    assert ids(sources.references(everywhere, FULL)) == []


def test_batches_hold_the_foreign_id_in_every_position() -> None:
    found = [case for case in sources.batches(rich(), GATE) if case.persona == "clerk.north"]
    assert {case.operation for case in found} == {"close"}
    assert [case.variant for case in found] == [
        "theirs-first",
        "theirs-last",
        "theirs-in-between",
        "only-theirs",
    ]
    assert all(case.because is Because.OTHER_TENANT for case in found)
    assert ids(sources.batches(target(), FULL)) == []


# --- lists, searches, tenants named ----------------------------------------------------------


def test_lists_are_read_by_those_who_may() -> None:
    found = list(sources.listings(target(), FULL))
    assert ids(found) == [
        "clerk.north.patient.list.collection",
        "clerk.west.patient.list.collection",
    ]
    assert all(case.expected is Expected.ALLOW for case in found)


def test_a_list_below_a_record_is_read_in_a_relation_that_is_granted() -> None:
    below = {"request": "GET /patients/{patient.id}/notes", "items": "$[*]"}
    ward = target(resources__note__list=below)
    found = [one for one in ids(sources.listings(ward, GATE)) if ".note." in one]
    assert found == ["nurse.north.note.list.assigned", "nurse.south.note.list.assigned"]


def counting() -> Target:
    return target(
        resources__patient__count={
            "request": "GET /patients/count",
            "counts": "list",
            "total": "$.n",
        },
        policy__clerk={"patient": {"*": ["allow"]}},
    )


def test_counts_are_compared_by_those_who_may_list() -> None:
    assert ids(sources.counted(counting(), FULL)) == [
        "clerk.north.patient.count.collection",
        "clerk.west.patient.count.collection",
    ]


@pytest.mark.parametrize(
    ("paging", "cases"),
    [
        (None, 0),
        ({"param": "page", "start": 1}, 0),
        ({"param": "cursor", "cursor": "$.next"}, 2),
        ({"link": "$.next"}, 2),
    ],
)
def test_cursors_are_exchanged_where_there_are_any(paging: Any, cases: int) -> None:
    rows = {"request": "GET /patients", "items": "$[*]", "next": paging}
    found = list(sources.paged(target(resources__patient__list=rows), GATE))
    assert len(found) == cases
    assert all(case.because is Because.OTHER_TENANT for case in found)


def test_searches_look_for_a_foreign_value_and_its_beginning() -> None:
    assert ids(sources.searches(rich(), GATE)) == [
        "clerk.north.bed.search.other_tenant.south.whole-value",
        "clerk.north.bed.search.other_tenant.south.beginning",
        "clerk.west.bed.search.other_tenant.north.whole-value",
        "clerk.west.bed.search.other_tenant.north.beginning",
    ]


def test_who_may_search_everywhere_is_not_tried_across_tenants() -> None:
    everywhere = rich()
    everywhere.policy["clerk"]["bed"]["search"] = ["global"]
    assert ids(sources.searches(everywhere, FULL)) == []


@pytest.mark.parametrize(
    "tenancy",
    [
        {"header": {"X-Tenant": "{tenant.code}"}},
        {"host": "{tenant.code}.example"},
        {"path": "/t/{tenant.code}"},
        {"query": {"tenant": "{tenant.code}"}},
    ],
    ids=lambda tenancy: str(next(iter(tenancy))),
)
def test_another_tenant_is_named_where_requests_name_one(tenancy: Any) -> None:
    named = target(tenancy=tenancy)
    found = expectations(sources.selectors(named, GATE))
    assert found["clerk.north.patient.list.other_tenant.south.their-tenant-named"] == (
        "deny other_tenant"
    )
    assert "clerk.north.patient.read.other_tenant.south.their-tenant-named" in found
    assert ids(sources.undeclared_selectors(named, FULL)) == []


def test_where_a_request_lies_outside_no_other_tenant_is_named() -> None:
    outside = {"request": "GET /patients", "items": "$[*]", "tenancy": False}
    named = target(tenancy={"path": "/t/{tenant.code}"}, resources__patient__list=outside)
    found = ids(sources.selectors(named, GATE))
    assert not any(".patient.list." in one for one in found)
    assert any(".patient.read." in one for one in found)


def test_where_requests_name_no_tenant_common_headers_are_tried() -> None:
    assert ids(sources.selectors(target(), FULL)) == []
    found = ids(sources.undeclared_selectors(target(), GATE))
    assert "clerk.north.patient.read.other_tenant.south.undeclared-header" in found
    assert "clerk.north.patient.list.collection.south.undeclared-header" in found


# --- errors, claims, the whole ---------------------------------------------------------------


def test_errors_are_asked_for_by_somebody_who_may_do_it_right() -> None:
    found = ids(sources.errors(target(), GATE))
    assert [one for one in found if ".patient." in one] == [
        "clerk.north.patient.create.collection.broken-body",
        "clerk.north.patient.create.collection.wrong-types",
        "clerk.north.patient.create.collection.sent-twice",
        "clerk.north.patient.create.collection.no-login",
        "nurse.north.patient.read.none.odd-id",
        "nurse.north.patient.read.none.missing-id",
        "nurse.north.patient.read.none.no-login",
        "clerk.north.patient.list.collection.no-login",
    ]


def test_what_nobody_may_do_is_asked_for_by_nobody() -> None:
    assert ids(sources.errors(target(policy={"nurse": {}, "clerk": {}}), FULL)) == []


def test_claims_of_random_values_are_tested_one_by_one() -> None:
    assert ids(sources.claims(rich(), FULL)) == ["bed.collection.id", "bed.collection.tag"]
    assert ids(sources.claims(target(), FULL)) == []


def test_there_is_one_case_of_the_whole() -> None:
    (case,) = sources.whole(target(), FULL)
    assert (case.persona, case.resource, case.relation) == (None, None, Relation.COLLECTION)
