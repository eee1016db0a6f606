"""The pins, and what they are worth: the kill matrix."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from conformance import known, pins
from conformance.instants import written
from conformance.naive import NAIVE
from conformance.pins import Pin

ROOT = Path(__file__).resolve().parents[2]
TABLE = yaml.safe_load((ROOT / "fixtures" / "tables" / "clock_pins.yaml").read_text())
ROWS = {row["id"]: row for row in TABLE["pins"]}


@pytest.mark.parametrize("pin", known.clock_pins(), ids=lambda pin: pin.id)
def test_a_pin_is_and_exposes_what_the_table_says(pin: Pin) -> None:
    row = ROWS[pin.id]
    assert sorted(pin.exposes) == sorted(row["exposes"])
    assert (written(pin.instant), str(pin.date), pin.local.fold) == (
        row["utc"],
        row["local_date"],
        row["fold"],
    )


def test_every_naive_implementation_is_named_and_exposed() -> None:
    assert set(NAIVE) == set(TABLE["naive_implementations"])
    assert set().union(*pins.matrix(known.clock_pins()).values()) == set(NAIVE)


def test_the_smallest_set_exposes_all_and_none_is_smaller() -> None:
    rows = {key: sorted(found) for key, found in pins.matrix(known.clock_pins()).items()}
    smallest = [pin for pin in known.clock_pins() if pin.smallest]
    assert set().union(*pins.matrix(smallest).values()) == set(NAIVE)
    assert len(pins.smallest_cover(rows)) == len(smallest) == 13


def test_a_smallest_cover_is_found_where_the_greedy_way_is_not() -> None:
    rows = {"both": ["a", "b", "c", "d"], "left": ["a", "b", "e"], "right": ["c", "d", "f"]}
    assert sorted(pins.smallest_cover(rows)) == ["left", "right"]
    assert pins.smallest_cover({}) == []


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
def test_pins_of_another_zone_expose_what_any_candidate_there_does(zone: str) -> None:
    found = pins.derived(zone)
    reach = {name for pin in pins._candidates(zone) for name in pin.exposes}
    assert {name for pin in found for name in pin.exposes} == reach
    assert {"UTC", "SIGN", "59S", "INCL", "NOLEAP", "AYEAR", "ISOY"} <= reach
    assert len(found) <= 10
    assert all(pin.zone == zone for pin in found)


def test_nothing_naive_is_wrong_at_a_dull_hour_in_most_zones() -> None:
    for zone in ("Asia/Dhaka", "America/St_Johns", "Europe/Berlin"):
        assert pins.dull(zone).exposes == ()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe"])
def test_half_a_year_later_the_offset_is_one_by_which_it_is_another_month(zone: str) -> None:
    pin = pins.half_a_year_apart(zone)
    assert pin is not None
    assert pin.again is not None
    offset = pin.again.astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    assert (pin.instant + offset).month != pin.date.month
    assert pins.half_a_year_apart("Asia/Dhaka") is None


def test_an_instant_reaches_across_each_clock_change() -> None:
    spring, autumn = pins.across("America/New_York", 3600)
    assert written(spring.instant) == "2026-03-08T06:30:00Z"
    assert written(autumn.instant) == "2026-11-01T05:30:00Z"
    assert pins.across("Asia/Dhaka", 3600) == ()


def test_the_matrix_in_the_documentation_is_the_computed_one() -> None:
    page = (ROOT / "docs" / "suites" / "day_boundary.md").read_text(encoding="utf-8")
    assert pins.kill_matrix(known.clock_pins()) in page
