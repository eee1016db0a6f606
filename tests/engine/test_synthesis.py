"""Synthetic values: of the shape that targets want, with a marker where text can carry one."""

import re
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from conformance.canary import Mint, Planted
from conformance.synthesis import Synthesis, planted_fields
from tests.engine.targets import target

PLACE = Planted("north", "patient", "name", None)


def synthesis(seed: int = 1) -> tuple[Synthesis, Mint]:
    ward = target()
    mint = Mint(ward.tenants, planted_fields(ward), 1)
    zones = {name: tenant.zone for name, tenant in ward.tenants.items()}
    return Synthesis(zones, mint, seed), mint


@pytest.mark.parametrize("name", ["name", "text", "canary", "email", "code", "family"])
def test_texts_carry_a_marker(name: str) -> None:
    made, mint = synthesis()
    value, marker = made.value(name, None, PLACE)
    assert mint.find(value) == {marker: PLACE}


@pytest.mark.parametrize("name", ["phone", "national_id", "number"])
def test_numbers_are_markers(name: str) -> None:
    made, mint = synthesis()
    value, marker = made.value(name, None, PLACE)
    assert re.fullmatch(r"\+?\d{12}", value)
    assert mint.find(value) == {marker: PLACE}


def test_names_pass_for_names_and_addresses_for_addresses() -> None:
    made, _ = synthesis()
    assert re.fullmatch(r"[A-Za-z]+ [A-Z][a-z]+", made.value("name", None, PLACE)[0])
    assert re.fullmatch(r"[a-z]+@example\.org", made.value("email", None, PLACE)[0])
    assert re.fullmatch(r"[A-Za-z]+", made.value("person.given", None, PLACE)[0])


def test_dates_are_dates() -> None:
    made, _ = synthesis()
    born = date.fromisoformat(made.value("birth_date", None, PLACE)[0])
    today = datetime.now(UTC).date()
    assert timedelta(days=18 * 365) < today - born < timedelta(days=91 * 366)
    for name in ("today", "date"):
        assert abs(date.fromisoformat(made.value(name, None, PLACE)[0]) - today).days <= 1
    now = datetime.fromisoformat(made.value("now", None, PLACE)[0])
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_future_is_a_new_hour_each_time() -> None:
    made, _ = synthesis()
    first, second = (datetime.fromisoformat(made.value("future", None, PLACE)[0]) for _ in range(2))
    assert second - first == timedelta(hours=1)
    assert first > datetime.now(UTC)
    assert (first.minute, first.second) == (0, 0)


@pytest.mark.parametrize(("argument", "low", "high"), [("3-5", 3, 5), (None, 1, 100), ("7", 7, 7)])
def test_integers_keep_to_their_range(argument: str | None, low: int, high: int) -> None:
    made, _ = synthesis()
    values = {made.value("int", argument, PLACE)[0] for _ in range(50)}
    assert low <= min(values) <= max(values) <= high


def test_the_same_seed_gives_the_same_values_but_for_markers() -> None:
    one, other, different = (synthesis(seed)[0] for seed in (1, 1, 2))
    names = ["birth_date", "int", "person.given"]
    told = [
        [made.value(name, None, PLACE)[0] for name in names] for made in (one, other, different)
    ]
    assert told[0] == told[1] != told[2]
    assert uuid.UUID(one.value("uuid", None, PLACE)[0]).version == 4


def test_an_unknown_value_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        synthesis()[0].value("nothing", None, PLACE)


@pytest.mark.parametrize(
    "like",
    [7, 123456, "42", "MRN-0042", "ab-CD-12", str(uuid.UUID(int=5)), uuid.UUID(int=5).hex],
)
def test_a_made_up_id_has_the_same_type_and_shape(like: Any) -> None:
    made, _ = synthesis()
    similar = made.similar(like)
    assert similar != like
    assert type(similar) is type(like)

    def shape(text: str) -> str:
        return re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", re.sub(r"\d", "0", text)))

    if isinstance(like, str) and len(like) in {32, 36}:
        assert uuid.UUID(similar) != uuid.UUID(like)
        assert ("-" in similar) == ("-" in like)
    elif not str(like).isdigit():
        assert shape(similar) == shape(like)
    else:
        assert int(similar) > 10**6


def test_fields_are_known_from_the_requests_that_fill_them() -> None:
    ward = target(
        resources__patient__create={
            "request": "POST /patients",
            "json": {"name": [{"given": ["{name}"]}], "ward": {"code": 1}},
            "query": {"dry": "no"},
        }
    )
    fields = set(planted_fields(ward))
    assert {("patient", one) for one in ("name", "given", "ward", "code", "dry")} <= fields
    assert ("note", "text") in fields
