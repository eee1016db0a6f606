"""Fuzzing: what is tried by whom, what requests mean, and what a campaign comes to."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from schemathesis.core.failures import Failure

from conformance import oracles, sources
from conformance.cases import WHOLE, Profile
from conformance.consistency import check
from conformance.fuzz import beyond, matching, plan, recipes, wrong
from conformance.fuzz import driver as driving
from conformance.fuzz.campaign import Campaign as Underway
from conformance.fuzz.drafts import ABSENT, Draft
from conformance.fuzz.driver import Driver
from conformance.fuzz.history import Campaign, Effect, Suspicion, Tried
from conformance.fuzz.settings import CHECKS, Fuzz
from conformance.model import (
    Answer,
    Because,
    Exchange,
    Expected,
    Message,
    Outcome,
    Read,
    Relation,
    Result,
    Trial,
)
from conformance.redaction import Redactor
from conformance.target import ANONYMOUS, Target
from conformance.wire import Wire
from conformance.world import World
from tests.engine.exchanges import read
from tests.engine.targets import target

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "servers": [{"url": "/v1"}],
    "paths": {
        "/patients": {
            "get": {"parameters": [{"name": "q", "in": "query", "schema": {"type": "integer"}}]},
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Patient"}}
                    }
                }
            },
        },
        "/patients/{patientId}": {"get": {}},
        "/patients/{patientId}/notes/{noteId}": {"get": {}, "delete": {}},
        "/wards/{id}/patients": {"get": {}},
        "/health": {"get": {"security": []}},
    },
    "security": [{"key": []}],
    "components": {
        "schemas": {
            "Patient": {
                "allOf": [{"$ref": "#/components/schemas/Named"}],
                "properties": {
                    "ward_id": {"type": ["string", "null"], "maxLength": 9},
                    "height": {"type": ["number", "string"], "minimum": 1},
                    "weight": {"type": {"of": "a person"}},
                    "loop": {"$ref": "#/components/schemas/Patient"},
                },
            },
            "Named": {
                "properties": {
                    "name": {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]}
                }
            },
        }
    },
}


def described(**more: Any) -> Target:
    data: dict[str, Any] = {
        "system": {
            "name": "x",
            "base_url": "http://127.0.0.1:1/v1",
            "openapi": "/openapi.json",
        },
        "tenants": {"north": {}, "south": {}},
        "login": {"key": {"send": {"X-Key": "{key}"}}},
        "personas": {
            f"{role}.{tenant}": {"role": role, "tenant": tenant, "key": "k"}
            for tenant in ("north", "south")
            for role in ("nurse", "clerk")
        },
        "resources": {
            "ward": {"create": "POST /wards", "list": "GET /wards"},
            "patient": {
                "create": {
                    "request": "POST /patients",
                    "json": {"name": "{name}", "ward_id": "{ward.id}"},
                },
                "list": "GET /patients",
                "read": "GET /patients/{id}",
            },
            "note": {
                "parent": "patient",
                "create": "POST /patients/{patient.id}/notes",
                "read": "GET /patients/{patient.id}/notes/{id}",
                "delete": "DELETE /patients/{patient.id}/notes/{id}",
            },
        },
        "policy": {
            "nurse": {"patient": {"*": "allow"}, "note": {"*": "allow"}},
            "clerk": {"ward": {"*": "allow"}},
        },
    }
    return Target.model_validate({**data, **more})


TARGET = described()
KNOWN = {one.label: one for one in matching.known(TARGET, DOCUMENT)}


# --- what the document's operations are --------------------------------------------------------


def test_operations_are_matched_below_the_servers_path() -> None:
    assert [way.about for way in KNOWN["GET /patients/{patientId}"].ways] == [("patient", "read")]
    assert KNOWN["GET /patients/{patientId}"].path == "/v1/patients/{patientId}"
    assert KNOWN["GET /health"].ways == ()


def test_parameters_are_ids_of_what_the_target_file_says() -> None:
    slots = KNOWN["GET /patients/{patientId}/notes/{noteId}"].slots
    assert [(slot.keys, slot.resource, slot.sure) for slot in slots] == [
        (("patientId",), "patient", True),
        (("noteId",), "note", True),
    ]


def test_fields_are_ids_of_what_the_target_file_says() -> None:
    slots = {slot.keys: slot.resource for slot in KNOWN["POST /patients"].slots}
    assert slots == {("ward_id",): "ward"}


def test_names_tell_what_the_target_file_does_not() -> None:
    (slot,) = KNOWN["GET /wards/{id}/patients"].slots
    assert (slot.resource, slot.sure) == ("ward", False)


def test_fields_are_found_through_references_and_without_null() -> None:
    fields = KNOWN["POST /patients"].fields
    assert set(fields) == {"name", "ward_id", "height", "weight", "loop"}
    assert fields["name"]["maxLength"] == 9
    assert fields["ward_id"] == {"type": "string", "maxLength": 9}
    assert fields["height"] == fields["weight"] == {}


def test_what_needs_no_login_is_known() -> None:
    assert KNOWN["GET /health"].open
    assert not KNOWN["GET /patients"].open


# --- who tries what ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_every_operation_is_covered_once_by_one_who_may(seed: int) -> None:
    operations = list(KNOWN.values())
    people = plan.personas(TARGET, Profile.GATE)
    shares = plan.shares(TARGET, operations, people, seed)
    covered = [label for share in shares.values() for label in share.covered]
    assert sorted(covered) == sorted(KNOWN)
    for persona, share in shares.items():
        for label in share.covered:
            may = matching.granted(TARGET, persona, KNOWN[label])
            assert may or not any(matching.granted(TARGET, one, KNOWN[label]) for one in people), (
                persona,
                label,
            )
    assert "GET /health" in shares[ANONYMOUS].covered


def test_personas_of_a_role_share_what_it_was_granted() -> None:
    operations = list(KNOWN.values())
    people = plan.personas(TARGET, Profile.GATE)
    shares = plan.shares(TARGET, operations, people, 3)
    granted = {one.label for one in operations if matching.granted(TARGET, "nurse.north", one)}
    together = {*shares["nurse.north"].fuzzed, *shares["nurse.south"].fuzzed}
    assert granted <= together


def test_in_the_full_profile_all_cover_what_they_were_granted() -> None:
    people = plan.personas(TARGET, Profile.FULL)
    shares = plan.shares(TARGET, list(KNOWN.values()), people, 3, everything=True)
    granted = {
        label for label, one in KNOWN.items() if matching.granted(TARGET, "nurse.north", one)
    }
    assert granted <= set(shares["nurse.north"].covered)
    assert granted <= set(shares["nurse.south"].covered)


def test_parts_make_a_whole() -> None:
    people = plan.personas(TARGET, Profile.GATE)
    assert sum(plan.part(TARGET, people, one, 4) for one in people) == pytest.approx(1)


def test_what_is_left_out_has_its_reason() -> None:
    target = described(fuzz={"leave_out": {"DELETE *": "nothing may be deleted here"}})
    left_out = plan.left_out(target, KNOWN.values())
    assert left_out == {
        "DELETE /patients/{patientId}/notes/{noteId}": "nothing may be deleted here"
    }


def test_without_writes_only_reads_are_tried() -> None:
    target = described(
        system={
            "name": "x",
            "base_url": "http://127.0.0.1:1/v1",
            "openapi": "/o.json",
            "allow_writes": False,
        }
    )
    left_out = plan.left_out(target, KNOWN.values())
    assert set(left_out) == {"POST /patients", "DELETE /patients/{patientId}/notes/{noteId}"}


def test_there_is_a_campaign_for_each_persona_and_for_nobody() -> None:
    cases = list(sources.fuzz.campaigns(TARGET, Profile.GATE))
    assert [case.persona for case in cases] == [*TARGET.personas, ANONYMOUS]


def test_without_a_document_one_case_says_so() -> None:
    target = described(system={"name": "x", "base_url": "http://127.0.0.1:1"})
    (case,) = sources.fuzz.campaigns(target, Profile.GATE)
    assert case.unclaimed
    assert "system.openapi" in case.unclaimed


# --- the key of the target file ----------------------------------------------------------------


def test_a_misspelt_check_is_an_error_that_says_what_was_meant() -> None:
    target = described(fuzz={"off": {"negative_data_rejektion": "it takes whatever comes"}})
    (problem,) = [one for one in check(target) if one.loc[0] == "fuzz"]
    assert "negative_data_rejection" in problem.message


def test_a_check_can_be_off_for_one_operation() -> None:
    fuzz = Fuzz.model_validate({"off": {"ignored_auth": {"GET /a*": "it is public, in fact"}}})
    assert fuzz.tolerates("ignored_auth", "GET /ab")
    assert not fuzz.tolerates("ignored_auth", "GET /b")
    assert fuzz.unused == {}


def test_the_checks_are_those_of_schemathesis() -> None:
    from conformance.fuzz.driver import check_names

    assert sorted(check_names()) == list(CHECKS)


# --- recipes -----------------------------------------------------------------------------------


def test_a_recipe_holds_symbols_and_whatever_json_cannot() -> None:
    draft = Draft(
        "POST /a/{b}",
        "POST",
        path={"b": "p-1"},
        query={"q": "\ud800"},
        body={"n": float("nan"), "big": 10**40, "long": "x" * 9000, "raw": b"\0", "of": ["p-1", 7]},
        media_type="application/json",
    )
    symbol = ("patient", "foreign", "read", "id")
    written = recipes.written(draft, lambda value: symbol if value == "p-1" else None)
    assert "p-1" not in str(written)
    again = recipes.read(written, lambda one: "p-2" if one == symbol else None)
    assert again.path == {"b": "p-2"}
    assert again.query == {"q": "\ud800"}
    assert again.body["of"] == ["p-2", 7]
    assert again.body["big"] == 10**40
    assert again.body["long"] == "x" * 9000
    assert again.body["raw"] == b"\0"
    assert again.body["n"] != again.body["n"]


def test_no_body_is_not_null() -> None:
    for body in (ABSENT, None):
        written = recipes.written(Draft("GET /", "GET", body=body), lambda _value: None)
        assert recipes.read(written, lambda _one: None).body is body


def test_what_is_no_recipe_is_told() -> None:
    with pytest.raises(ValueError, match="no recipe"):
        recipes.read({"method": "GET"}, lambda _one: None)


def test_smaller_drafts_say_less() -> None:
    draft = Draft(
        "POST /", "POST", query={"a": "1"}, body={"b": [1, 2, {"c": "long text"}], "d": 40}
    )
    found = list(recipes.smaller(draft))
    assert found
    assert all(one.size <= draft.size for one in found)
    assert any(one.body == {"d": 40} for one in found)


# --- the driver --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["integer", ["integer", "null"]])
def test_a_number_in_a_query_is_text(kind: Any) -> None:
    number = {"name": "n", "in": "query", "required": True, "schema": {"type": kind}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "A clinic", "version": "1"},
        "paths": {"/beds": {"get": {"parameters": [number], "responses": {"200": {}}}}},
    }
    driver = Driver(document, "http://127.0.0.1", {}, (), 1, _Nobody(), 1.0)
    assert driver.invalid(Draft("GET /beds", "GET", query={"n": "7"})) == frozenset()
    assert driver.invalid(Draft("GET /beds", "GET", query={"n": "x"})) == {"query"}


@pytest.mark.parametrize(
    ("scheme", "credentials"),
    [
        ({"in": "cookie", "name": "sid"}, {"Cookie": "theme=dark; sid=s3cret"}),
        ({"in": "header", "name": "X-Key"}, {"x-key": "s3cret"}),
    ],
    ids=["cookie", "header"],
)
def test_a_credential_that_is_sent_is_not_missing(
    scheme: dict[str, str], credentials: dict[str, str]
) -> None:
    number = {"name": "n", "in": "query", "required": True, "schema": {"type": "integer"}}
    document = {
        "openapi": "3.0.3",
        "info": {"title": "A clinic", "version": "1"},
        "security": [{"key": []}],
        "components": {"securitySchemes": {"key": {"type": "apiKey", **scheme}}},
        "paths": {"/beds": {"get": {"parameters": [number], "responses": {"200": {}}}}},
    }
    driver = Driver(document, "http://127.0.0.1", credentials, (), 1, _Nobody(), 1.0)
    right = Draft("GET /beds", "GET", query={"n": 1})
    assert driver.invalid(right) == frozenset()
    assert driver.invalid(replace(right, query={"n": "1"}, headers=credentials)) == frozenset()
    assert driver.invalid(replace(right, query={"n": "x"})) == {"query"}
    assert driver.invalid(replace(right, stranger=True)) != frozenset()


# --- one wrong value ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "minimum": 1}, -1),
        ({"type": "number", "exclusiveMinimum": 0}, -1),
        ({"type": "integer", "maximum": 200}, 1_002_000),
        ({"type": "string", "maxLength": 3}, "xxxx"),
        ({"type": "string", "minLength": 1}, ""),
        ({"type": "string", "format": "date"}, "2023-02-30"),
        ({"type": "string", "enum": ["a"]}, "wardproof-unknown"),
        ({"type": "boolean"}, "perhaps"),
    ],
)
def test_wrong_values_lie_beyond_what_is_allowed(schema: dict[str, Any], expected: Any) -> None:
    assert expected in list(wrong.values(schema))


def test_where_nothing_is_ruled_out_nothing_is_wrong() -> None:
    assert list(wrong.values({})) == []


def test_one_value_at_a_time_is_wrong() -> None:
    good = Draft("POST /", "POST", body={"a": 1, "b": 2})
    fields: dict[str, dict[str, Any]] = {
        "a": {"type": "integer", "minimum": 0},
        "b": {"type": "boolean"},
    }
    for draft in wrong.drafts(good, fields, {}):
        assert sum(draft.body[name] != good.body.get(name) for name in draft.body) == 1


# --- what a campaign comes to ------------------------------------------------------------------

CASE = replace(WHOLE, persona="nurse.north", tenant="north", roles=("nurse",))


def exchange(status: int | None, body: bytes = b"{}") -> Exchange:
    answer = (
        None if status is None else Answer(status, (("Content-Type", "application/json"),), body)
    )
    message = Message("GET", "http://127.0.0.1:1/a", (), b"")
    return Exchange("e1", "nurse.north", "fuzz", message, answer, None if answer else "no", 0, 0)


def campaign(**changes: Any) -> Campaign:
    given: dict[str, Any] = {
        "case": CASE,
        "requests": 3,
        "seconds": 1.0,
        "phases": {"examples": 3},
        "statuses": {"GET /a": {"200": 3}},
        "granted": frozenset({"GET /a"}),
        "untouched": {"GET /b": "not this persona's part"},
        "checks": CHECKS,
        "off": {},
    }
    return Campaign(**{**given, **changes})


def test_a_campaign_that_finds_nothing_passes_and_says_what_it_sent() -> None:
    verdict = oracles.fuzz.withstood(campaign())
    assert verdict.result is Result.PASS
    assert verdict.detail is not None
    assert verdict.detail["operations"] == [
        {"operation": "GET /a", "granted": True, "statuses": {"200": 3}}
    ]
    assert verdict.detail["untouched"] == ["GET /b"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"requests": 0, "statuses": {}}, "harness error: nothing was sent"),
        ({"engine": ("the engine fell over",)}, "harness error: the engine fell over"),
        ({"statuses": {"GET /a": {"none": 5}}, "ended": "no answer"}, "nothing was answered"),
        ({"ended": "nurse.north can no longer log in"}, "ended early"),
    ],
)
def test_a_campaign_that_shows_nothing_is_inconclusive(
    changes: dict[str, Any], reason: str
) -> None:
    verdict = oracles.fuzz.withstood(campaign(**changes))
    assert verdict.result is Result.INCONCLUSIVE
    assert reason in verdict.reason


def test_a_suspicion_is_a_failure_with_its_recipe() -> None:
    suspicion = Suspicion(
        CASE, "fuzz.server_error", "GET /a", "it failed", (exchange(500),), "x", {"steps": []}
    )
    verdict = oracles.fuzz.withstood(suspicion)
    assert (verdict.result, verdict.rule) == (Result.FAIL, "fuzz.server_error")
    assert verdict.detail is not None
    assert verdict.detail["recipe"] == {"steps": []}


def test_a_recipe_that_shows_nothing_any_more_passes() -> None:
    verdict = oracles.fuzz.withstood(Tried(CASE, "GET /a", "it failed", (exchange(200),)))
    assert verdict.result is Result.PASS
    assert verdict.exchanges


@pytest.mark.parametrize(
    ("status", "outcome", "after", "rule"),
    [
        (200, Outcome.ALLOWED, b'{"v": 2}', "bfla.update"),
        (403, Outcome.DENIED, b'{"v": 2}', "side-effect.bfla"),
        (403, Outcome.DENIED, b'{"v": 1}', None),
        (200, Outcome.ALLOWED, b'{"v": 1}', None),
    ],
)
def test_a_write_counts_by_what_is_read_afterwards(
    status: int, outcome: Outcome, after: bytes, rule: str | None
) -> None:
    case = replace(
        CASE,
        resource="patient",
        operation="update",
        kind="update",
        relation=Relation.SAME_TENANT,
        expected=Expected.DENY,
        because=Because.ROLE,
    )
    trial = Trial(
        case,
        Read(exchange(status), outcome),
        before=(Read(exchange(200, b'{"v": 1}'), Outcome.ALLOWED),),
        after=(Read(exchange(200, after), Outcome.ALLOWED),),
        again=(Read(exchange(200, after), Outcome.ALLOWED),),
    )
    verdict = oracles.fuzz.withstood(Effect(trial, "PATCH /a", {"steps": []}))
    assert verdict.rule == rule
    assert (verdict.result is Result.FAIL) is (rule is not None)


def test_odd_numbers_that_ride_along_are_plain_json() -> None:
    values = list(beyond._fitting({"type": "number"}))
    assert values
    assert {type(value) for value in values} <= {str, int, float, bool, type(None), list, dict}


# --- what the engine's checks say ---------------------------------------------------------------


class _Nobody:
    """Steers nothing."""

    def reshape(self, draft: Draft, kept: frozenset[str]) -> Draft:
        return draft

    def examples(self, label: str) -> list[Draft]:
        return []

    def renewed(self, draft: Draft) -> Draft:
        return draft

    def deliver(self, message: Message, draft: Draft, phase: str) -> Exchange:
        raise AssertionError("nothing is sent")

    def declined(self, label: str, exchange: Exchange) -> bool:
        return exchange.answer is not None and b'"ok":false' in exchange.answer.body

    def stopped(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("query", "counts"),
    [
        ({"q": "x"}, True),
        ({"q": 1, "colour": "red"}, False),
        ({"": "null"}, False),
        ({"q": "x", "colour": "red"}, True),
    ],
)
def test_a_parameter_that_nobody_named_is_no_wrong_value(
    query: dict[str, Any], counts: bool
) -> None:
    paths = {"/patients": {"get": {**DOCUMENT["paths"]["/patients"]["get"], "responses": {}}}}
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths}
    driver = Driver(document, "http://127.0.0.1:1", {}, (), 1, _Nobody(), 1.0)
    headers = {"Authorization": "Bearer wardproof-credential"}
    draft = Draft("GET /patients", "GET", query=query, headers=headers)
    request = Message("GET", "http://127.0.0.1:1/patients", (), b"")
    served = Exchange("e1", "nurse", "fuzz", request, Answer(200, (), b""), None, 0.0, 0.0)
    assert driver._counts("negative_data_rejection", draft, served) is counts
    declined = replace(served, answer=Answer(200, (), b'{"ok":false}'))
    assert not driver._counts("negative_data_rejection", draft, declined)


def test_a_reason_does_not_list_every_status_that_would_have_done() -> None:
    """Schemathesis writes each of a hundred out for `5xx`."""
    told = "Got 200 when missing required 'X-Key' header, expected 400, 401, 500, 501"
    draft, sent = Draft("GET /beds", "GET"), read(200).exchange
    failure = Failure(operation="GET /beds", title="Missing header", message=told)
    found = driving._objection("missing_required_header", failure, draft, sent)
    assert found.reason == "Missing header: Got 200 when missing required 'X-Key' header"


def test_keys_of_the_target_file_are_made_anew_for_each_request() -> None:
    of = target()
    world = World(of, Wire(of, of.system.base_url, Redactor()), {}, seed=1)
    campaign = Underway(world, CASE, [], 1)
    keys = itertools.count(2)
    campaign._makers = {"POST /bills": {"Idempotency-Key": lambda: f"k{next(keys)}"}}
    campaign._keys = {"k1"}
    draft = Draft("POST /bills", "POST", headers={"Idempotency-Key": "k1", "Prefer": "k1"})
    anew = campaign.renewed(draft)
    assert anew.headers == {"Idempotency-Key": "k2", "Prefer": "k1"}
    assert campaign.renewed(anew).headers["Idempotency-Key"] == "k3"
    # What was wrong on purpose stays so.
    wrongly = replace(draft, headers={"Idempotency-Key": ""})
    assert campaign.renewed(wrongly) is wrongly
    other = replace(draft, label="POST /notes")
    assert campaign.renewed(other) is other
