"""Markers in answers under load: what somebody may see is passed over, the rest is suspect."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.canary import Mint, Planted
from conformance.workload.plan import Actor, Plan
from conformance.workload.scanning import Scan

FIELDS = (("patient", "name"), ("patient", "phone"), ("note", "text"))
NURSE = Actor("nurse", "north", sees=("patient.name", "patient.phone"), everywhere=("note.text",))


def mint(nonce: int = 5) -> Mint:
    return Mint(["north", "south"], FIELDS, nonce)


def token(tenant: str, resource: str, field: str, nonce: int = 5) -> str:
    return mint(nonce).token(Planted(tenant, resource, field, None))


def scan(actor: Actor = NURSE, **changes: object) -> Scan:
    plan = Plan(
        "http://x", (actor,), (), (), 1, 1,
        tenants={"north": "UTC", "south": "UTC"}, fields=FIELDS,
    )  # fmt: skip
    return Scan(replace(plan, **changes), mint(9))  # type: ignore[arg-type]


def found(one: Scan, text: str, head: bytes = b"", carried: tuple[str, ...] = ()) -> str:
    return one.suspicious("nurse", head, text.encode(), carried)


def test_what_may_be_seen_is_passed_over() -> None:
    one = scan()
    for _ in range(2):
        assert found(one, f"Ada {token('north', 'patient', 'name')}") == ""
        assert found(one, f"Ada {token('south', 'note', 'text')}") == ""


@pytest.mark.parametrize("style", [str, str.upper, str.title])
@pytest.mark.parametrize(
    ("tenant", "resource", "field"), [("south", "patient", "name"), ("north", "bed", "code")]
)
def test_what_may_not_is_suspect_however_it_is_written(
    style: type[str], tenant: str, resource: str, field: str
) -> None:
    fields = (*FIELDS, ("bed", "code"))
    made = Mint(["north", "south"], fields, 3).token(Planted(tenant, resource, field, None))
    one = Scan(
        Plan("http://x", (NURSE,), (), (), 1, 1, tenants={"north": "UTC", "south": "UTC"},
             fields=fields),
        Mint(["north", "south"], fields, 4),
    )  # fmt: skip
    for _ in range(2):
        assert found(one, f"Ada {style(made)}") == f"leak {tenant} {resource}.{field}"


def test_headers_are_searched_even_of_a_known_body() -> None:
    one = scan()
    assert found(one, "{}") == ""
    assert found(one, "{}", head=token("south", "patient", "name").encode()) != ""


def test_what_looks_like_a_token_and_is_none_is_no_leak() -> None:
    made = token("south", "patient", "name")
    broken = made[:-1] + ("b" if made[-1] != "b" else "c")
    assert found(scan(), broken) == ""


def test_hidden_markers_of_the_own_tenant_are_suspect() -> None:
    shown, hidden = (token("north", "patient", "name", nonce) for nonce in (5, 50))
    one = scan(replace(NURSE, hidden=(hidden,)))
    assert found(one, shown) == ""
    assert found(one, shown + hidden) == "leak north patient.name"


def test_numbers_and_literals_are_known_by_the_plan() -> None:
    one = scan(
        markers={
            "970700000001": ("south", "patient", "phone"),
            "970700000002": ("north", "patient", "phone"),
            "Erika Muster": ("south", "patient", "name"),
        }
    )
    assert found(one, "+970700000002 and +970700000003") == ""
    assert found(one, "+970700000001") == "leak south patient.phone"
    assert found(one, "ERIKA MUSTER") == "leak south patient.name"


def test_what_the_request_carried_does_not_count_there_and_only_there() -> None:
    made = token("south", "patient", "name")
    one = scan()
    assert found(one, made, carried=(made,)) == ""
    assert found(one, made) == "leak south patient.name"
