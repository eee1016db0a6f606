"""Steps made into requests: values of the scene first, then what was taken, then made-up ones."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from conformance.canary import Mint, Planted
from conformance.synthesis import Synthesis
from conformance.template import Unfilled
from conformance.workload.filling import Filled, filled, named
from conformance.workload.plan import Actor, Plan, Step

MINT = Mint(["north"], [("note", "text")], 3)
ACTOR = Actor(
    "nurse", "north", headers={"Authorization": "Bearer t"}, cookies={"a": "1", "b": "2"},
    path="/north", query={"tenant": "north"}, naming={"X-Tenant": "north"},
)  # fmt: skip
PLAN = Plan("http://x", (ACTOR,), (), (), 1, 1, headers={"X-Any": "1"})


def fill(step: Step, **values: Any) -> Filled:
    given = {name.replace("__", "."): value for name, value in values.items()}
    return filled(PLAN, ACTOR, step, given, Synthesis({}, MINT, 1))


def test_paths_queries_and_headers_are_put_together() -> None:
    step = Step(
        "read", "GET", "/patients/{patient.id}", query={"q": "{term}", "none": None},
        headers={"If-Match": "{version}"}, about=("patient", "read"),
    )  # fmt: skip
    made = fill(step, patient__id="a/b", term="Ada & Bo", version='"3"')
    url = urlsplit(made.path)
    assert url.path == "/north/patients/a%2Fb"
    assert parse_qs(url.query) == {"q": ["Ada & Bo"], "tenant": ["north"]}
    assert made.headers == {
        "Accept": "*/*",
        "X-Any": "1",
        "X-Tenant": "north",
        "Authorization": "Bearer t",
        "Cookie": "a=1; b=2",
        "If-Match": '"3"',
        "Accept-Encoding": "identity",
    }
    assert made.body == b""
    assert made.carried == ()


def test_what_lies_outside_the_tenancy_names_no_tenant() -> None:
    made = fill(Step("up", "GET", "/health", about=("health", "read"), tenancy=False))
    assert made.path == "/health"
    assert "X-Tenant" not in made.headers
    assert made.headers["Authorization"] == "Bearer t"


def test_made_up_texts_carry_markers_of_the_actors_tenant() -> None:
    made = fill(Step("write", "POST", "/notes", json={"text": "{text}"}, about=("note", "create")))
    assert made.headers["Content-Type"] == "application/json"
    (marker,) = made.carried
    assert MINT.find(json.loads(made.body)["text"]) == {
        marker: Planted("north", "note", "text", None)
    }


@pytest.mark.parametrize(
    ("step", "kind", "body"),
    [
        (Step("s", "POST", "/", form={"a": [1, True], "b": None}),
         "application/x-www-form-urlencoded", b"a=1&a=true"),
        (Step("s", "POST", "/", body="MSH|{id}"), "text/plain", b"MSH|7"),
        (Step("s", "PATCH", "/", json=[], content_type="application/x"), "application/x", b"[]"),
    ],
)  # fmt: skip
def test_bodies_of_every_kind(step: Step, kind: str, body: bytes) -> None:
    made = fill(step, id=7)
    assert (made.headers["Content-Type"], made.body) == (kind, body)


def test_an_id_is_that_of_the_record_that_is_meant() -> None:
    values = {"patient.id": 1, "other.id": 2, "id": 3}
    assert named(Step("s", "GET", "/", about=("patient", "read")), values, "id") == 1
    meant = Step("s", "GET", "/", about=("patient", "read"), on={"patient": "other"})
    assert named(meant, values, "id") == 2
    assert named(meant, values, "patient.id") == 2
    assert named(Step("s", "GET", "/", about=("bed", "read")), values, "id") == 3


def test_a_value_that_is_missing_is_named() -> None:
    with pytest.raises(Unfilled, match=r"\{bed.id\} has no value"):
        fill(Step("s", "GET", "/beds/{bed.id}"))
