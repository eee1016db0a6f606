"""GraphQL as text: whose ids arguments take, queries that are written, filled and made smaller."""

from __future__ import annotations

from typing import Any

import graphql
import pytest

from conformance.fuzz import graph
from conformance.loading import load
from conformance.target import Target
from tests.chart.app import SCHEMA as CHART
from tests.runs.calling import ROOT

SCHEMA = graphql.build_schema(CHART)


@pytest.fixture(scope="module")
def target() -> Target:
    return load(ROOT / "tests" / "chart").target


def _ids(place: graph.Place) -> Any:
    return f"{place.resource}-7" if place.resource else None


@pytest.mark.parametrize(
    ("name", "kind", "holders", "resource"),
    [
        ("patientId", "ID", (), "patient"),
        ("patient_id", "Int", (), "patient"),
        ("patient", "ID", (), "patient"),
        ("patient", "String", (), None),
        ("id", "ID", ("Patient", "patient"), "patient"),
        ("id", "ID", ("DeletePayload", "deleteNote"), "note"),
        ("id", "ID", ("PatientConnection",), "patient"),
        ("id", "ID", ("Boolean", "logOut"), None),
        ("doctorId", "ID", (), None),
        ("patientId", "Boolean", (), None),
    ],
)
def test_whose_id_an_argument_takes(
    name: str, kind: str, holders: tuple[str, ...], resource: str | None, target: Target
) -> None:
    assert graph.place_of(target, name, kind, holders).resource == resource


def test_operations_that_the_target_file_sends_are_known(target: Target) -> None:
    known = {one.label: one for one in graph.known(target, SCHEMA, "/graphql")}
    assert [way.about for way in known["mutation addNote"].ways] == [("note", "add")]
    assert known["query patient"].ways == ()
    assert graph.known(target, SCHEMA, "/other")[3].ways == ()


def test_a_query_asks_for_all_that_is_shown_with_ids_where_they_stand(target: Target) -> None:
    text = graph.written(target, SCHEMA, "query notes", 2, _ids)
    assert text is not None
    assert graph.is_valid(SCHEMA, text)
    assert text == (
        'query { notes(filter: {patientId: "patient-7"}) { id text patient { id name history } } }'
    )


def test_ids_are_put_into_a_query_and_into_input_objects(target: Target) -> None:
    text = '{ notes(filter: {patientId: "x", words: "y"}) { id } patient(id: "z") { id } }'
    filled = graph.filled(target, SCHEMA, text, _ids)
    assert sorted(graph.values(filled)) == ["patient-7", "patient-7", "y"]


def test_a_recipe_holds_what_means_something_in_one_world_apart() -> None:
    text = '{ patient(id: "p3") { id } patients(first: 7, named: "p") { id } }'
    body = graph.portable(text, {"p3", "7"}.__contains__)
    assert set(body["ids"].values()) == {"p3", "7"}
    assert '"p3"' not in body["query"]
    there = {**body, "ids": {key: f"{value}9" for key, value in body["ids"].items()}}
    moved = graph.local(there)
    assert graph.values(moved) == ["p39", "79", "p"]
    assert graph.is_valid(SCHEMA, moved)
    assert graph.portable("{ broken", lambda _value: True) == "{ broken"


def test_smaller_queries_say_less() -> None:
    text = '{ patients(named: "long") { id notes { id } } }'
    found = [" ".join(one.split()) for one in graph.smaller(text)]
    assert '{ patients(named: "long") { notes { id } } }' in found
    assert "{ patients { id notes { id } } }" in found
    assert '{ patients(named: "lo") { id notes { id } } }' in found


def test_variables_are_written_out() -> None:
    text = "query($id: ID!, $first: Int) { patient(id: $id) { id } patients(first: $first) { id } }"
    written = graph.literally(SCHEMA, text, {"id": 'a"b', "first": 3})
    assert graph.values(written) == ['a"b', "3"]
    assert graph.is_valid(SCHEMA, written)


@pytest.mark.parametrize(
    ("label", "ends"),
    [
        ("mutation logOut", True),
        ("mutation signOut", True),
        ("mutation changePassword", True),
        ("mutation revokeToken", True),
        ("mutation addNote", False),
        ("query logs", False),
    ],
)
def test_what_ends_the_own_session(label: str, ends: bool) -> None:
    assert graph.ends_session(label) is ends
