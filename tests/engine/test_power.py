"""What rounds that found nothing are worth, and the twin that says so."""

import math

import pytest

from conformance import power, twin
from conformance.power import Calibration, Sample, Shot

STEADY = Calibration(2, (Sample(sent=10_000, arrived=20_000, critical=50_000),) * 99)
"""A twin that always checks 30 µs after the gap that arrived, 40 after the one that was sent."""


def shots(count: int, gap_us: float = 20, seen_by: power.SeenBy = "target") -> list[Shot]:
    return [Shot((0, int(gap_us * 1000)), seen_by)] * count


def test_the_twins_excess_is_added_to_the_gap_that_was_seen() -> None:
    assert power.window(shots(2), STEADY) == pytest.approx(50)
    assert power.window(shots(2, 120), STEADY) == pytest.approx(150)
    assert power.window(shots(2, 120, "harness"), STEADY) == pytest.approx(160)


def test_the_narrowest_gap_counts_if_it_is_certain_enough() -> None:
    few = Calibration(2, STEADY.samples[:50])
    assert power.window([*shots(2, 500), *shots(2, 10)], few) == pytest.approx(40)
    assert power.window([*shots(2, 500), *shots(1, 10)], few) == pytest.approx(530)


def test_one_round_of_the_twin_more_never_shows() -> None:
    assert power.window(shots(1), STEADY) == pytest.approx(50)
    few = Calibration(2, STEADY.samples[:50])
    assert power.window(shots(1), few) is None
    assert power.chance(10_000, shots(1), few) == pytest.approx(50 / 51)


@pytest.mark.parametrize(("rounds", "share"), [(1, 1.0), (2, 0.91), (5, 0.61), (20, 0.21)])
def test_more_rounds_need_less_of_a_chance_each(rounds: int, share: float) -> None:
    """1 - (1 - p)^n >= 0.99."""
    narrow = round(share * 1000)
    samples = tuple(Sample(0, 0, 10_000 if number < narrow else 900_000) for number in range(1000))
    found = power.window(shots(rounds, 0), Calibration(2, samples))
    assert found == pytest.approx(10)


def test_the_window_is_the_narrowest_that_is_certain() -> None:
    samples = tuple(Sample(0, 0, 1000 * (number + 1)) for number in range(60))
    calibration = Calibration(2, samples)
    for rounds in (2, 3, 10, 60):
        fired = [Shot((5, 5 + 700 * number), "harness") for number in range(rounds)]
        found = power.window(fired, calibration)
        assert found is not None
        assert power.chance(found, fired, calibration) >= power.CERTAINTY
        assert power.chance(found - 0.001, fired, calibration) < power.CERTAINTY


def test_power_is_never_claimed_from_nothing() -> None:
    assert power.window([], STEADY) is None
    assert power.window(shots(60), Calibration(2, ())) is None
    assert power.window(shots(60), Calibration(2, (Sample(0, 0, None),) * 60)) is None
    assert power.chance(1000, [], STEADY) == 0


def test_checks_closer_together_than_arrivals_claim_nothing() -> None:
    batched = Calibration(2, (Sample(sent=10_000, arrived=80_000, critical=5_000),) * 99)
    assert power.window(shots(3, 80), batched) == pytest.approx(80)
    assert power.window(shots(3, 10, "harness"), batched) == pytest.approx(80)


def test_no_window_is_below_a_microsecond() -> None:
    instant = Calibration(2, (Sample(0, 0, 0),) * 60)
    assert power.window(shots(60, 0), instant) == 1


def test_moments() -> None:
    assert power.gap([3000, 1000, 9000]) == 2000
    assert power.spread([3000, 1000, 9000]) == 8
    with pytest.raises(ValueError, match="no race"):
        power.gap([1])


def test_median_and_p95() -> None:
    values = [float(number) for number in range(1, 101)]
    assert power.median(values) == 50.5
    assert power.p95(values) == 95
    assert power.p95([7.0]) == 7


@pytest.mark.parametrize(
    ("intervals", "together"),
    [
        ([(0, 10), (9, 20)], True),
        ([(0, 10), (10, 20)], False),
        ([(5, 6), (0, 10), (20, 30)], True),
        ([(0, 10)], False),
        ([], False),
        ([(0, 100), (200, 300), (250, 400)], True),
    ],
)
def test_overlap(intervals: list[tuple[int, int]], together: bool) -> None:
    assert power.overlapped(intervals) is together


# --- the twin --------------------------------------------------------------------------------


@pytest.mark.parametrize("http2", [False, True])
def test_the_twin_has_the_bug_and_its_sound_mode_has_not(http2: bool) -> None:
    with twin.started(5) as wire:
        _, told = twin.admit(wire, "sound", 5, window=1000, sound=True, http2=http2)
        assert sorted(one["status"] for one in told) == [201, 409, 409, 409, 409]
        # So wide a window that nobody misses it.
        done, told = twin.admit(wire, "buggy", 5, window=1_000_000, http2=http2)
        assert [one["status"] for one in told] == [201] * 5
        assert done.technique == ("last frames" if http2 else "last byte")
        assert all(one["arrived"] <= one["checked"] < one["inserted"] for one in told)


def test_the_twin_ends_with_its_block() -> None:
    with twin.started(2) as wire:
        twin.admit(wire, "1", 2, window=0)
    with pytest.raises(twin.NoTwin, match="fails: could not connect"):
        twin.admit(wire, "2", 2)


def test_calibration_is_measured_once() -> None:
    found = twin.calibration(2)
    assert 1 <= len(found.samples) <= 60
    assert all(one.sent >= 0 and one.arrived >= 0 for one in found.samples)
    assert twin.calibration(2) is found
    wide = power.window([Shot((0, 0))] * 60, found)
    assert wide is None or 1 <= wide < math.inf
