"""What is concluded from scenarios: controls first, then what had to be refused or to work."""

from typing import Any

import pytest

from conformance.model import Expected, Outcome, Read, Result, Scenario, Step, Verdict
from conformance.oracles import comes_out
from conformance.trials.doors import opens, stays_shut
from tests.engine.exchanges import CASE, MARKER, read, record, served, unanswered

RULE = "session.logout"
REFUSED = read(401, {"detail": "log in first"})


def verdict(*steps: Step, note: str = "") -> Verdict:
    return comes_out(Scenario(CASE, steps, note))


def is_(found: Verdict, result: Result, rule: str | None = None) -> None:
    assert (found.result, found.rule) == (result, rule), found.reason


def ended(after: Read, control: Read | None = None, **more: Any) -> tuple[Step, ...]:
    """The record before and after the end of a session."""
    return opens("before", served()), stays_shut("afterwards", after, RULE, control, **more)


# --- what had to be refused ------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_after_a_served_control_is_as_it_has_to_be(status: int) -> None:
    found = verdict(*ended(read(status, {})))
    is_(found, Result.PASS)
    assert "afterwards" in found.reason


def test_a_note_says_what_a_pass_is_worth() -> None:
    assert "one of 4 at once" in verdict(*ended(REFUSED), note="one of 4 at once").reason


def test_an_answer_that_gives_what_the_control_got_is_a_breach() -> None:
    control = served()
    found = verdict(*ended(served(), control))
    is_(found, Result.FAIL, RULE)
    assert "afterwards: answered 200" in found.reason
    assert len(found.exchanges) == 2


def test_an_answer_without_a_control_to_compare_with_is_a_breach() -> None:
    is_(verdict(*ended(served())), Result.FAIL, RULE)


@pytest.mark.parametrize(
    "body",
    [
        {"detail": "you are logged out"},
        {"id": "9", "name": "somebody else", "ward": "surgery"},
        {},
        b"<html>Log in</form></html>",
    ],
)
def test_an_answer_that_gives_something_else_shows_nothing(body: Any) -> None:
    found = verdict(*ended(read(200, body), served()))
    is_(found, Result.INCONCLUSIVE)
    assert "nothing of what doctor.north got" in found.reason


def test_with_a_proof_only_an_answer_that_holds_it_is_a_breach() -> None:
    proof = frozenset({MARKER, "another"})
    is_(verdict(*ended(served(), proof=proof)), Result.FAIL, RULE)
    others: list[Any] = [{"items": []}, {"id": "9", "name": "somebody else"}]
    for body in others:
        is_(verdict(*ended(read(200, body), proof=proof)), Result.PASS)
    is_(verdict(*ended(read(500), proof=proof)), Result.INCONCLUSIVE)


def test_values_that_were_asked_for_are_not_given_away() -> None:
    name = record()["name"]
    echo = read(200, {"said": name}, sent=f'{{"q": "{name}"}}')
    is_(verdict(*ended(echo, served())), Result.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("theirs", "mine", "result"),
    [
        ({"items": [], "total": 0}, {"items": [], "total": 0}, Result.FAIL),
        ({"items": [], "total": 0}, {"items": [], "total": 3}, Result.FAIL),
        ({"items": [], "total": 0}, {"error": 7}, Result.INCONCLUSIVE),
        (b"7", b"7", Result.FAIL),
        (b"plain", b"other", Result.INCONCLUSIVE),
    ],
)
def test_answers_without_telling_values_are_compared_by_their_shape(
    theirs: Any, mine: Any, result: Result
) -> None:
    assert verdict(*ended(read(200, mine), read(200, theirs))).result is result


@pytest.mark.parametrize(
    "answered",
    [read(500), read(302), read(503), unanswered(), read(429)],
    ids=lambda one: one.status,
)
def test_what_is_no_statement_shows_nothing(answered: Read) -> None:
    is_(verdict(*ended(answered)), Result.INCONCLUSIVE)


def test_a_limit_counts_where_it_is_what_was_promised() -> None:
    is_(verdict(*ended(read(429), limited=True)), Result.PASS)
    is_(verdict(*ended(read(500), limited=True)), Result.INCONCLUSIVE)


@pytest.mark.parametrize("status", [400, 409, 422])
def test_a_rejection_counts_beside_a_control_that_was_served(status: int) -> None:
    is_(verdict(*ended(read(status))), Result.PASS)
    is_(verdict(stays_shut("alone", read(status), RULE)), Result.INCONCLUSIVE)
    refused = opens("before", REFUSED)
    is_(verdict(refused, stays_shut("then", read(status), RULE)), Result.INCONCLUSIVE)


# --- what had to work ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404, 409])
def test_a_promise_to_open_that_is_refused_is_broken(status: int) -> None:
    is_(
        verdict(opens("opens", read(status), "break-glass.opens")), Result.FAIL, "break-glass.opens"
    )


@pytest.mark.parametrize("answered", [read(500), read(422), read(429), unanswered()])
def test_a_promise_to_open_that_ends_otherwise_shows_nothing(answered: Read) -> None:
    is_(verdict(opens("opens", answered, "break-glass.opens")), Result.INCONCLUSIVE)


def test_a_promise_to_open_that_is_kept() -> None:
    is_(verdict(opens("opens", served(), "break-glass.opens")), Result.PASS)


# --- controls --------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", [REFUSED, read(409), read(500), unanswered()])
def test_after_a_control_that_fails_nothing_counts(failing: Read) -> None:
    """An account that could not be disabled is no account that works although it is disabled."""
    steps = (opens("before", served()), opens("it is disabled", failing))
    for after in (served(), REFUSED):
        found = verdict(*steps, stays_shut("afterwards", after, RULE, served()))
        is_(found, Result.INCONCLUSIVE)
        assert "it is disabled" in found.reason


def test_a_door_that_is_open_to_everybody_shows_nothing() -> None:
    everybody = Step("without a login", served(), Expected.DENY)
    found = verdict(everybody, stays_shut("with garbage", served(), "credential", served()))
    is_(found, Result.INCONCLUSIVE)
    assert "had to be refused" in found.reason


def test_a_control_that_fails_in_the_end_makes_a_refusal_worthless() -> None:
    found = verdict(*ended(REFUSED), opens("another account", read(500)))
    is_(found, Result.INCONCLUSIVE)


def test_a_control_that_fails_in_the_end_does_not_excuse_a_breach() -> None:
    found = verdict(*ended(served(), served()), opens("another account", REFUSED))
    is_(found, Result.FAIL, RULE)


def test_a_breach_counts_though_another_attempt_showed_nothing() -> None:
    first = stays_shut("first", read(500), RULE)
    second = stays_shut("second", served(), "token", served())
    is_(verdict(opens("before", served()), first, second), Result.FAIL, "token")


def test_controls_alone_try_nothing() -> None:
    found = verdict(opens("before", served()), opens("again", served()))
    is_(found, Result.INCONCLUSIVE)
    assert "nothing was tried" in found.reason
    is_(verdict(), Result.INCONCLUSIVE)


def test_a_control_that_has_to_be_refused_and_is() -> None:
    shut = Step("before", read(404), Expected.DENY)
    is_(verdict(shut, opens("then", served(), RULE)), Result.PASS)


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.ALLOWED])
def test_whatever_is_not_served_is_no_served_control(outcome: Outcome) -> None:
    control = read(200, {}, outcome=outcome)
    is_(verdict(opens("before", control), *ended(REFUSED)), Result.INCONCLUSIVE)
