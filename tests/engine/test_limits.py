"""Declared limits: what the oracles conclude from a burst and from a page."""

from dataclasses import replace
from typing import Any

import pytest

from conformance import sources
from conformance.cases import Profile
from conformance.model import Outcome, Read, Result
from conformance.oracles.limits import Burst, Page, bounded, holds
from tests.engine.exchanges import CASE, read
from tests.engine.targets import target

GATE = Profile.GATE
UNTIL = {"Retry-After": "30"}
LIMIT = {"requests": 10, "seconds": 60}


def burst(served: int, *end: Read, lasted: float = 1.0, **more: Any) -> Burst:
    """So many requests that are served, and what comes then; ten in a minute are declared."""
    reads = (*(read(200, {}) for _ in range(served)), *end)
    return Burst(CASE, 10, 60, 2, reads, lasted, **more)


LIMITED = read(429, {}, UNTIL)


@pytest.mark.parametrize(
    ("tried", "result", "rule"),
    [
        (burst(10, LIMITED), Result.PASS, None),
        (burst(12, LIMITED), Result.PASS, None),
        (burst(6, LIMITED), Result.PASS, None),
        (burst(30), Result.FAIL, "limit.unlimited"),
        (burst(3, LIMITED, own=True), Result.FAIL, "limit.early"),
        (burst(3, LIMITED), Result.INCONCLUSIVE, None),
        (burst(0, LIMITED, own=True), Result.INCONCLUSIVE, None),
        (burst(10, read(429, {})), Result.FAIL, "limit.retry-after"),
        (burst(10, read(429, {}, {"Retry-After": "soon"})), Result.FAIL, "limit.retry-after"),
        (
            burst(10, read(429, {}, {"Retry-After": "Mon, 01 Jan 2024 00:00:00 GMT"})),
            Result.PASS,
            None,
        ),
        (burst(5, lasted=61), Result.INCONCLUSIVE, None),
        (burst(0, read(403), lasted=0.1), Result.INCONCLUSIVE, None),
        (burst(20, read(500), *[read(200)] * 9), Result.INCONCLUSIVE, None),
    ],
)
def test_limits(tried: Burst, result: Result, rule: str | None) -> None:
    verdict = holds(tried)
    assert (verdict.result, verdict.rule) == (result, rule), verdict.reason


def test_a_late_limit_counts_only_if_it_is_late_twice() -> None:
    late = burst(17, LIMITED)
    assert holds(late).result is Result.INCONCLUSIVE
    assert holds(replace(late, again=burst(10, LIMITED))).result is Result.INCONCLUSIVE
    for again in (burst(18, LIMITED), burst(30)):
        verdict = holds(replace(late, again=again))
        assert (verdict.result, verdict.rule) == (Result.FAIL, "limit.unlimited")


def test_a_limit_must_not_be_got_round_by_what_the_caller_chooses() -> None:
    served, query = ("another X-Real-IP", read(200, {})), ("a further query parameter", LIMITED)
    one = burst(10, LIMITED, sidesteps=(query, served), still=LIMITED)
    verdict = holds(one)
    assert (verdict.result, verdict.rule) == (Result.FAIL, "limit.sidestepped")
    assert "another X-Real-IP" in verdict.reason
    assert holds(replace(one, sidesteps=(query, query))).result is Result.PASS
    # A limit that has ended meanwhile explains that they were served.
    for still in (None, read(200, {}), read(500)):
        assert holds(replace(one, still=still)).result is Result.PASS


def test_requests_that_conflict_are_requests() -> None:
    assert holds(Burst(CASE, 2, 60, 2, (read(409), read(409), LIMITED), 0.1)).result is Result.PASS


def page(rows: int, *, status: int = 200, more: bool = False, small: int = 1) -> Page:
    """A page where ten rows are the most."""
    outcome = Outcome.ALLOWED if status == 200 else Outcome.INVALID
    return Page(
        CASE, 10, 100_000, read(200, []), small, read(status, [], outcome=outcome), rows, more
    )


@pytest.mark.parametrize(
    ("tried", "result"),
    [
        (page(10, more=True), Result.PASS),
        (page(0, status=422), Result.PASS),
        (page(11), Result.FAIL),
        (page(11, more=True), Result.FAIL),
        (page(7), Result.INCONCLUSIVE),
        (page(10, more=True, small=10), Result.INCONCLUSIVE),
    ],
)
def test_pages(tried: Page, result: Result) -> None:
    verdict = bounded(tried)
    assert verdict.result is result, verdict.reason
    assert verdict.rule == ("limit.page" if result is Result.FAIL else None)


def test_a_failing_page_shows_nothing() -> None:
    broken = replace(page(0), read=read(500))
    assert bounded(broken).result is Result.INCONCLUSIVE
    assert bounded(replace(page(0), small=read(500))).result is Result.INCONCLUSIVE


def test_what_is_not_declared_is_listed() -> None:
    for source in (
        sources.limits.limited,
        sources.limits.resets,
        sources.limits.sign_ups,
        sources.limits.pages,
    ):
        (case,) = source(target(), GATE)
        assert case.unclaimed


def test_what_is_declared_is_tried() -> None:
    step = {"request": "POST /reset", "json": {"user": "{username}"}, "limit": LIMIT}
    paging = {"param": "c", "cursor": "$.next", "size": "limit", "most": 50}
    declared = target(
        resources__patient__list={
            "request": "GET /patients",
            "items": "$[*]",
            "limit": LIMIT,
            "next": paging,
        },
        accounts={"reset_password": step, "sign_up": step},
    )
    (operation,) = sources.limits.limited(declared, GATE)
    assert (operation.resource, operation.operation) == ("patient", "list")
    resets = [case.variant for case in sources.limits.resets(declared, GATE)]
    assert resets == ["reset.somebody", "reset.nobody"]
    assert len(list(sources.limits.sign_ups(declared, GATE))) == 2
    pages = [case.variant for case in sources.limits.pages(declared, GATE)]
    assert pages == ["a-hundred-thousand", "minus-one"]
