"""In what order a list promises its rows, and whether it keeps to it."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from conformance import findings
from conformance.cases import Profile
from conformance.document import InvalidDocument
from conformance.model import Result
from conformance.oracles.order import Ordered, Walk, kept
from conformance.redaction import Redactor
from conformance.sorting import Key, Sorting, compared, misplaced, short_sorting
from conformance.sources import order
from conformance.wire import Wire
from conformance.world import World
from tests.engine.exchanges import CASE, read
from tests.engine.targets import TEXT, loaded, target


def keys(*given: Any) -> list[Key]:
    return Sorting.model_validate(short_sorting(list(given))).by


def rows(*values: Any) -> list[tuple[Any, ...]]:
    return [value if isinstance(value, tuple) else (value, None) for value in values]


# --- two values ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (1, 2, -1),
        (2.5, 2.5, 0),
        (10, 9, 1),
        (False, True, -1),
        ("a", "b", -1),
        ("2026-03-01T10:00:00+06:00", "2026-03-01T05:00:00Z", -1),
        ("2026-03-01", "2026-02-28", 1),
        ("2026-03-01T10:00:00", "2026-03-01T05:00:00Z", None),
        ("a", "B", None),
        ("Z", "a", None),
        ("Ö", "Z", None),
        ("10", "9", None),
        ("10", "20", -1),
        (None, 1, None),
        ("1", 1, None),
        (True, 1, None),
        ([1], [2], None),
    ],
)
def test_values_are_compared_where_everybody_agrees(one: Any, other: Any, said: int | None) -> None:
    (key,) = keys("$.x")
    assert compared(key, one, other) == said
    assert compared(key, other, one) == (None if said is None else -said)
    (down,) = keys("-$.x")
    assert compared(down, one, other) == (None if said is None else -said)


def test_words_stand_in_the_order_in_which_they_are_named() -> None:
    (key,) = keys({"by": "$.priority", "first": ["stat", "urgent", "routine"]})
    assert compared(key, "stat", "routine") == -1
    assert compared(key, "routine", "urgent") == 1
    assert compared(key, "stat", "odd") is None


# --- many rows -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (rows(1, 1, 2, 2), None),
        (rows(), None),
        (rows(1), None),
        (rows(2, 1), (0, 1)),
        (rows(1, None, 2, None), None),
        (rows(None, 2, None, 1), (1, 3)),
        (rows((1, "b"), (1, "a")), (0, 1)),
        (rows((1, "b"), (2, "a")), None),
        (rows((1, None), (1, "a"), (1, None)), None),
    ],
)
def test_neighbors_in_the_wrong_order_are_found(
    given: list[tuple[Any, ...]], said: tuple[int, int] | None
) -> None:
    """Ties may stand in any order, and empty values anywhere."""
    found = misplaced(keys("$.x", "$.y"), given)
    assert said == (None if found is None else (found.before, found.after))


# --- a list ----------------------------------------------------------------------------------


def walk(*values: Any, pages: int = 1, status: int = 200) -> Walk:
    given = rows(*values)
    reads = tuple(read(status, []) for _ in range(pages))
    ids = tuple(str(number) for number, _ in enumerate(given))
    page_of = tuple(number * pages // len(given) for number, _ in enumerate(given))
    return Walk(reads, ids, tuple(given), page_of)


def ordered(*ways: tuple[Walk, ...], by: Any = "$.priority", known: str = "") -> Ordered:
    return Ordered(CASE, tuple(keys(by)), ways, frozenset(known.split()))


def test_a_list_in_order_passes() -> None:
    verdict = kept(ordered((walk(1, 2, 3),), (walk(1, 2, pages=2),)))
    assert verdict.result is Result.PASS
    assert "3 rows in the order of $.priority" in verdict.reason


def test_a_list_in_another_order_fails() -> None:
    verdict = kept(ordered((walk(2, 1), walk(2, 1))))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "contract.order")
    assert "rows 1 and 2 are not in the order of $.priority, 2 before 1" in verdict.reason


def test_what_is_wrong_from_one_page_to_the_next_counts() -> None:
    wrong = walk(1, 3, 2, 4, pages=2)
    verdict = kept(ordered((walk(1, 2, 3, 4),), (wrong, wrong)))
    assert verdict.result is Result.FAIL
    assert len(verdict.exchanges) == 2


def test_rows_that_change_between_two_pages_are_no_fault() -> None:
    assert kept(ordered((walk(2, 1), walk(1, 2)))).result is Result.PASS


@pytest.mark.parametrize(
    "seen",
    [
        ordered((walk(1, 1, 1),)),
        ordered((walk(None, None),)),
        ordered((walk(1, 2, 3),), known="0 1"),
        ordered((walk(1, 2, status=500),)),
        ordered((walk(1, 2, status=403),)),
    ],
    ids=["ties", "not-shown", "not-ours", "broken", "refused"],
)
def test_without_rows_of_our_own_that_differ_nothing_is_shown(seen: Ordered) -> None:
    assert kept(seen).result is Result.INCONCLUSIVE


def severity(verdict: Any) -> str:
    of = target()
    wire = Wire(of, of.system.base_url, Redactor())
    try:
        found: str = findings.finding(World(of, wire, {}, seed=1), CASE, verdict)["severity"]
    finally:
        wire.close()
    return found


@pytest.mark.parametrize(
    ("by", "graveness"),
    [
        ("$.created_at", "inconvenience"),
        ("$.name", "inconvenience"),
        ("-$.priority", "care_blocking"),
        ("$.triage.level", "care_blocking"),
        ("-$.newsScore", "care_blocking"),
        ("$.respond_within_minutes", "care_blocking"),
    ],
)
def test_an_order_that_decides_whom_one_looks_at_first_is_no_inconvenience(
    by: str, graveness: str
) -> None:
    wrong = walk(1, 2, 1, 3)
    assert severity(kept(ordered((wrong, wrong), by=by))) == graveness


def test_a_tie_that_is_broken_otherwise_is_an_inconvenience() -> None:
    """Whom one looks at first is right; who of two alike comes first is not."""
    wrong = walk((1, 2), (1, 1), (2, 1))
    seen = Ordered(CASE, tuple(keys("$.priority", "$.booked_at")), ((wrong, wrong),))
    assert severity(kept(seen)) == "inconvenience"


# --- the target file -------------------------------------------------------------------------

LIST = "    read: GET /patients/{id}\n"


def described(line: str) -> str:
    return TEXT.replace(LIST, f"{LIST}    list: {line}\n", 1)


def test_an_order_is_written_in_short_or_in_full(tmp_path: Path) -> None:
    for number, text in enumerate(("$.a", "[$.a]", "{by: $.a}", "{by: [{by: $.a}]}")):
        line = f"{{request: GET /patients, items: '$[*]', sorted: {text}}}"
        found = loaded(tmp_path / str(number), described(line)).operation("patient", "list").sorted
        assert found is not None
        assert [(key.by, key.descending) for key in found.by] == [("$.a", False)]
    assert str(keys("-$.a")[0]) == "-$.a"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{request: GET /patients, sorted: $.a}", "'sorted' needs 'items'"),
        ("{request: GET /patients, items: '$[*]', sorted: priority}", "starts with $"),
        ("{request: GET /patients, items: '$[*]', sorted: []}", "at least 1 item"),
        (
            "{request: GET /patients, items: '$[*]', sorted: [{by: -$.a, first: [x]}]}",
            "starts with $",
        ),
        (
            "{request: GET /patients, items: '$[*]', sorted: [{by: $.a, descending: true, "
            "first: [x]}]}",
            "leave the minus out",
        ),
        (
            "{request: GET /patients, items: '$[*]', sorted: {by: $.a, made: []}}",
            "sorted.made: unk",
        ),
    ],
)
def test_a_wrong_order_is_told_with_its_line(line: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument) as problem:
        loaded(tmp_path, described(line))
    assert told in str(problem.value)


def test_rows_are_made_only_where_something_makes_them(tmp_path: Path) -> None:
    line = "{request: GET /patients, items: '$[*]', sorted: {by: $.a, made_with: [{a: 1}]}}"
    text = described(line)
    loaded(tmp_path / "right", text)
    nobody = text.replace('    create: {request: POST /patients, json: {name: "{name}"}}\n', "")
    with pytest.raises(InvalidDocument, match="no 'create' operation to make rows with"):
        loaded(tmp_path / "wrong", nobody)


def test_a_key_has_one_direction() -> None:
    with pytest.raises(ValidationError):
        Key.model_validate({"by": "$.a", "first": ["x"], "descending": True})


# --- cases -----------------------------------------------------------------------------------

SORTED = {"request": "GET /patients", "items": "$[*]", "sorted": {"by": ["$.booked_at"]}}


def test_each_list_that_promises_an_order_is_a_case() -> None:
    of = target(resources__patient__list=SORTED)
    (case,) = order.lists(of, Profile.GATE)
    assert (case.resource, case.operation, case.persona) == ("patient", "list", "clerk.north")
    assert case.unclaimed is None


def test_whoever_sees_what_the_list_is_sorted_by_asks() -> None:
    granted = {"list": "allow:blind"}
    of = target(
        resources__patient__list=SORTED,
        masks={"blind": {"hidden": ["booked_at"]}, "half": {"hidden": ["name"]}},
        policy={"nurse": {"patient": granted}, "clerk": {"patient": {"list": "allow:half"}}},
    )
    (case,) = order.lists(of, Profile.GATE)
    assert case.persona == "clerk.north"


def test_without_a_promise_there_is_a_line_that_would_make_it() -> None:
    (case,) = order.lists(target(), Profile.GATE)
    assert case.unclaimed is not None
    assert "sorted: [" in case.unclaimed
