"""Series: the pages of a list, values made one after another, durations."""

import math
import random
import uuid
from dataclasses import replace
from typing import Any

import pytest

from conformance import leafing, series, timings
from conformance.leafing import Leafing
from conformance.model import Outcome, Read, Result, Stranger
from conformance.oracles import guessable
from conformance.trials import Identifiers, Listing, Timing
from tests.engine.exchanges import CASE, ID, read, unanswered

PAGE = read(200, {"items": [{"id": ID}], "total": 1})
LISTING = Listing(
    case=CASE,
    pages=(PAGE,),
    rows=1,
    total=1,
    expected=(ID,),
    shown=(ID,),
    complete=True,
)

# --- lists -----------------------------------------------------------------------------------


def test_a_list_with_the_planted_record_passes() -> None:
    assert series.holds_own(LISTING).result is Result.PASS


def test_a_list_on_whose_last_page_it_stands_passes() -> None:
    seen = replace(LISTING, pages=(PAGE, PAGE, PAGE), rows=3, shown=("1", "2", ID))
    assert series.holds_own(seen).result is Result.PASS


def test_a_list_without_the_planted_record_is_incomplete() -> None:
    verdict = series.holds_own(replace(LISTING, shown=("1", "2")))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "incomplete")
    assert ID in verdict.reason


def test_a_list_that_was_not_read_to_its_end_proves_nothing() -> None:
    verdict = series.holds_own(replace(LISTING, shown=("1",), complete=False))
    assert verdict.result is Result.INCONCLUSIVE
    assert "more pages" in verdict.reason


@pytest.mark.parametrize(
    "first",
    [
        read(403),
        read(404),
        read(429),
        read(500),
        read(302),
        unanswered(),
        read(200, outcome=Outcome.BROKEN),
    ],
)
def test_a_list_that_was_not_served_proves_nothing(first: Read) -> None:
    verdict = series.holds_own(replace(LISTING, pages=(first,), rows=0, shown=()))
    assert verdict.result is Result.INCONCLUSIVE


@pytest.mark.parametrize(
    ("total", "rows", "complete", "result"),
    [
        (1, 1, True, Result.PASS),
        ("7", 7, True, Result.PASS),
        (9, 1, True, Result.FAIL),
        (0, 1, True, Result.FAIL),
        ("12", 7, True, Result.FAIL),
        (None, 1, True, Result.PASS),
        ("many", 1, True, Result.PASS),
        ([], 1, True, Result.PASS),
        (900, 100, False, Result.PASS),
    ],
)
def test_a_total_counts_what_is_shown(
    total: Any, rows: int, complete: bool, result: Result
) -> None:
    seen = replace(LISTING, total=total, rows=rows, complete=complete)
    verdict = series.counts_what_it_shows(seen)
    assert verdict.result is result
    assert verdict.rule == ("count" if result is Result.FAIL else None)


@pytest.mark.parametrize(
    ("rows", "total", "paged", "result"),
    [
        (50, 73, False, Result.INCONCLUSIVE),
        (50, 73, True, Result.FAIL),
        (7, 73, False, Result.FAIL),
        (50, 12, False, Result.FAIL),
        (50, 50, False, Result.PASS),
    ],
)
def test_a_round_number_of_rows_without_pages_looks_like_a_first_page(
    rows: int, total: int, paged: bool, result: Result
) -> None:
    verdict = series.counts_what_it_shows(replace(LISTING, total=total, rows=rows, paged=paged))
    assert verdict.result is result
    assert ("'next'" in verdict.reason) is (result is Result.INCONCLUSIVE)


# --- small pages -----------------------------------------------------------------------------


def leafed(before: str, small: str, after: str | None = None, *, ended: bool = False) -> Leafing:
    """A walk by small pages; rows are letters."""
    follows = before if after is None else after
    return Leafing(tuple(before), tuple(small), ended, tuple(follows), pages=(PAGE,))


@pytest.mark.parametrize(
    ("before", "small", "after", "ended", "lost", "repeated"),
    [
        ("abcdef", "abcd", "abcdef", False, "", ""),
        ("abcdef", "abde", "abcdef", False, "c", ""),
        ("abcdef", "abbccd", "abcdef", False, "", "bc"),
        ("abcdef", "abcd", "abcdef", True, "ef", ""),
        ("abc", "", "abc", True, "abc", ""),
        ("abc", "", "abc", False, "", ""),
        # Rows that came or went meanwhile say nothing.
        ("abcdef", "xabc", "xabcdef", False, "", ""),
        ("abcdef", "abde", "abdef", False, "", ""),
        ("abcdef", "abc", "abcdefg", True, "", ""),
        ("abcdef", "aab", "xabcdef", False, "", ""),
        # What comes after the last row that was reached may change.
        ("abcdef", "abd", "abcdefg", False, "c", ""),
        # Another order, before all of it was shown.
        ("abcdef", "fabd", "abcdef", False, "", ""),
        ("abcdef", "fabde", "abcdef", True, "c", ""),
        # A list that shows a row twice by itself.
        ("aabc", "abc", "aabc", True, "", ""),
    ],
)
def test_what_small_pages_leave_out_or_repeat(
    before: str, small: str, after: str, ended: bool, lost: str, repeated: str
) -> None:
    walk = leafed(before, small, after, ended=ended)
    assert "".join(leafing.lost(walk)) == lost
    assert "".join(leafing.repeated(walk)) == repeated


SHUFFLED = replace(leafed("bcade", "ecab"), again=tuple("edcba"))


@pytest.mark.parametrize(
    ("after", "again", "shuffled"),
    [
        ("abcde", "abcde", False),
        # One was changed, and came to the front; or two.
        ("abcde", "eabcd", False),
        ("abcde", "edabc", False),
        ("abcde", "edcab", True),
        ("abcde", "edcbx", False),
        ("abc", "cba", False),
        ("aabcde", "edcba", False),
        ("abcdefghijkl", "lkjabcdefghi", False),
        ("abcdefghijkl", "lhdbkfajcgie", True),
    ],
)
def test_rows_that_change_their_order_at_large(after: str, again: str, shuffled: bool) -> None:
    walk = replace(leafed(after, after[:2], after), again=tuple(again))
    assert leafing.unordered(walk) is shuffled


@pytest.mark.parametrize(
    ("walks", "rule"),
    [
        ((), None),
        ((SHUFFLED, SHUFFLED), None),
        ((SHUFFLED, SHUFFLED, SHUFFLED), "incomplete.page"),
        ((leafed("abcd", "abcd"),), None),
        ((leafed("abcd", "abd"), leafed("abcd", "abcd")), None),
        ((leafed("abcd", "abd"), leafed("abcd", "acd")), None),
        ((leafed("abcd", "abd"), leafed("abcd", "abd")), "incomplete.page"),
        ((leafed("abcd", "abd"), leafed("abcd", "acd"), leafed("abcd", "ad")), "incomplete.page"),
        ((leafed("abcd", "abb"), leafed("abcd", "abbc")), "repeated"),
    ],
)
def test_two_walks_have_to_lose_or_repeat_the_same_row(
    walks: tuple[Leafing, ...], rule: str | None
) -> None:
    verdict = series.shows_each_once(replace(LISTING, leafings=walks))
    assert verdict.rule == rule
    assert verdict.result is (Result.FAIL if rule else Result.PASS)
    assert bool(verdict.exchanges) is (rule is not None)


# --- values in a row -------------------------------------------------------------------------


def uuids(version: int, count: int = 5) -> list[str]:
    rng = random.Random(5)
    return [str(uuid.UUID(int=rng.getrandbits(128), version=version)) for _ in range(count)]


@pytest.mark.parametrize(
    "ids",
    [
        ["1", "2", "3"],
        ["41", "40", "39"],
        ["1001", "1003", "1010", "1500"],
        ["MRN-0001", "MRN-0002", "MRN-0003"],
        ["p5-10", "p5-11", "p5-12"],
        [f"00000000-0000-0000-0000-{n:012x}" for n in (9, 10, 11)],
        [f"{n:032X}" for n in (15, 16, 17)],
        uuids(1),
    ],
    ids=["up", "down", "gaps", "prefix", "two-numbers", "counted-uuid", "hex", "uuid-1"],
)
def test_counted_values_can_be_guessed(ids: list[str]) -> None:
    assert guessable(ids)
    verdict = series.unguessable(Identifiers(case=CASE, values=tuple(ids)))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "guessable")


@pytest.mark.parametrize(
    "ids",
    [
        uuids(4),
        [one.replace("-", "") for one in uuids(4)],
        ["83620174", "11893345", "57730021"],
        ["k3jx9q", "z81mmp", "q0w2er"],
        ["5", "900000", "17"],
        ["1", "2", "1"],
        ["7", "7", "7"],
    ],
    ids=["uuid-4", "hex", "numbers", "letters", "far-apart", "back-and-forth", "same"],
)
def test_random_values_cannot(ids: list[str]) -> None:
    assert guessable(ids) is None
    verdict = series.unguessable(Identifiers(case=CASE, values=tuple(ids)))
    assert verdict.result is Result.PASS


@pytest.mark.parametrize("ids", [(), ("1",), ("1", "2")])
def test_too_few_values_prove_nothing(ids: tuple[str, ...]) -> None:
    verdict = series.unguessable(Identifiers(case=CASE, values=ids))
    assert verdict.result is Result.INCONCLUSIVE


# --- durations -------------------------------------------------------------------------------


def durations(seed: int, mean: float, count: int = 60) -> tuple[float, ...]:
    rng = random.Random(seed)
    return tuple(rng.gauss(mean, 0.002) for _ in range(count))


SLOW, QUICK, QUICK_TOO = durations(1, 0.030), durations(2, 0.010), durations(3, 0.010)


def timed(
    example: Read,
    theirs: Any,
    missing: Any,
    again: Timing | None = None,
    control: Read | None = PAGE,
) -> Timing:
    return Timing(CASE, theirs, missing, example, control=control, again=again)


def test_durations_that_do_not_differ_pass_and_tell_their_power() -> None:
    verdict = series.takes_as_long(timed(read(404), QUICK, QUICK_TOO))
    assert verdict.result is Result.PASS
    assert "99 % power" in verdict.reason


def test_durations_that_differ_in_both_rounds_fail() -> None:
    again = timed(read(404), SLOW, QUICK)
    verdict = series.takes_as_long(timed(read(404), SLOW, QUICK, again))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "enumeration.timing")
    assert "second round" in verdict.reason


def test_a_difference_that_does_not_repeat_passes() -> None:
    again = timed(read(404), QUICK, QUICK_TOO)
    verdict = series.takes_as_long(timed(read(404), SLOW, QUICK, again))
    assert verdict.result is Result.PASS


@pytest.mark.parametrize("example", [read(500), read(302), unanswered()])
def test_durations_of_broken_answers_prove_nothing(example: Read) -> None:
    verdict = series.takes_as_long(timed(example, SLOW, QUICK))
    assert verdict.result is Result.INCONCLUSIVE


@pytest.mark.parametrize("control", [None, read(403), read(404), read(500), unanswered()])
def test_durations_prove_nothing_unless_somebody_is_served(control: Read | None) -> None:
    again = timed(read(404), SLOW, QUICK)
    verdict = series.takes_as_long(timed(read(404), SLOW, QUICK, again, control))
    assert verdict.result is Result.INCONCLUSIVE


def test_rank_statistics() -> None:
    assert timings.chance_longer([3, 4], [1, 2]) == 1
    assert timings.chance_longer([1, 2], [1, 2]) == 0.5
    assert timings.suspicious(SLOW, QUICK)
    assert timings.suspicious(QUICK, SLOW)
    assert not timings.suspicious(QUICK, QUICK_TOO)
    one = list(range(60))
    assert timings.p_value(one, one) == 1
    # U = 3600, with mean 1800 and variance 60 * 60 * 121 / 12 = 36300.
    apart = timings.p_value([value + 60 for value in one], one)
    assert apart == pytest.approx(math.erfc(1800 / math.sqrt(36300) / math.sqrt(2)))
    assert timings.detectable([0.0] * 400, [0.0] * 400) < timings.detectable([0.0] * 40, [0.0] * 40)


def test_a_row_stands_on_a_page_once() -> None:
    page = read(200, {"items": [{"id": ID}, {"id": ID}]})
    verdict = series.shows_each_once(replace(LISTING, pages=(page,), twice=(ID,)))
    assert (verdict.result, verdict.rule, verdict.exchanges) == (
        Result.FAIL,
        "repeated",
        (page.exchange,),
    )


# --- strangers -------------------------------------------------------------------------------


def test_a_row_that_its_reader_may_not_see_fails_by_its_id_alone() -> None:
    assert series.shows_no_stranger(LISTING).result is Result.PASS
    other = read(200, {"items": [{"id": "b7d1f0aa-52c9"}]})
    stranger = Stranger("alert", "b7d1f0aa-52c9", "of tenant south", "leak.tenant")
    verdict = series.shows_no_stranger(replace(LISTING, pages=(PAGE, other), strangers=(stranger,)))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "leak.tenant")
    assert "alert b7d1f0aa-52c9, of tenant south" in verdict.reason
    assert verdict.exchanges == (other.exchange,)
