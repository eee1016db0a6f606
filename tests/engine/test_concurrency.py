"""Races: what the rounds of one show, what they are worth, and which cases there are."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance import planning, sources
from conformance.cases import Profile
from conformance.document import InvalidDocument
from conformance.history import (
    Came,
    Contest,
    Contestant,
    Observation,
    Round,
    Terms,
    left_out,
    linearizable,
    violations,
)
from conformance.model import Outcome, Result
from conformance.oracles.concurrency import (
    Change,
    Repetition,
    Unversioned,
    kept,
    renewed,
    required,
    sound,
)
from conformance.power import Calibration, Sample
from conformance.races import Race
from conformance.trials.concurrency import came_of
from conformance.trials.staging import lacking, later
from tests.engine.exchanges import CASE, read, unanswered
from tests.engine.targets import TEXT, loaded, target

GATE = Profile.GATE
WON, LOST, UNKNOWN = Came.WON, Came.LOST, Came.UNKNOWN
STATUS = {WON: 201, LOST: 409, UNKNOWN: 503}
BED = Terms("at_most_one", most=1)
SHARP = Calibration(2, tuple(Sample(5_000, 50_000, 60_000) for _ in range(60)))
"""A twin whose rounds all showed what is as wide as 60 µs."""


def one(came: Came, label: str = "nurse", **more: Any) -> Contestant:
    """A contender of whom this came, under way from 0 to 1 ms."""
    status = more.pop("status", STATUS[came])
    given = {"sent": 0, "answered": 1_000_000, **more}
    return Contestant(label, read(status, {}), came, **given)


def shows(*found: Any, **more: Any) -> Observation:
    return Observation("clerk GET /bed", (read(200, {}),), tuple(found), **more)


def played(*contestants: Contestant, seen: tuple[Observation, ...] = (), **more: Any) -> Round:
    return Round(more.pop("number", 1), contestants, seen, **more)


def rules(terms: Terms, *contestants: Contestant, seen: tuple[Observation, ...] = ()) -> list[str]:
    return [found.rule for found in violations(terms, played(*contestants, seen=seen))]


# --- closed forms ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("came", "found"),
    [
        ((WON, LOST, LOST), []),
        ((WON, WON, LOST), ["race.double"]),
        ((LOST, LOST), ["race.none"]),
        ((LOST, UNKNOWN), []),
        ((UNKNOWN, UNKNOWN), []),
        ((WON, UNKNOWN), []),
    ],
)
def test_one_wins(came: tuple[Came, ...], found: list[str]) -> None:
    assert rules(BED, *map(one, came)) == found


def test_as_many_win_as_there_are() -> None:
    stock = replace(BED, most=2)
    assert rules(stock, one(WON), one(WON), one(LOST)) == []
    assert rules(stock, one(WON), one(WON), one(WON)) == ["race.double"]


@pytest.mark.parametrize(
    ("kind", "rule"), [("spend_once", "race.spent-twice"), ("lost_update", "race.lost-update")]
)
def test_two_winners_break_the_rule_of_their_kind(kind: str, rule: str) -> None:
    assert rules(Terms(kind, most=1), one(WON), one(WON)) == [rule]


def test_what_excludes_each_other_is_not_done_together() -> None:
    terms = Terms("cross", never=(("end", "order"),))
    assert rules(terms, one(WON, tag="end"), one(WON, tag="order")) == ["race.together"]
    assert rules(terms, one(WON, tag="end"), one(LOST, tag="order")) == []


def test_a_refusal_that_nobody_wrote_down_is_told() -> None:
    assert rules(BED, one(WON), one(LOST, status=400, documented=False)) == ["race.refusal"]


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (shows("a", equals=("a",), of_winners=True), []),
        (shows("b", equals=("a",), of_winners=True), ["race.state"]),
        (shows(equals=("a",), of_winners=True), ["race.state"]),
        (shows("a", count=1), []),
        (shows("a", "b", count=1), ["race.double"]),
        (shows(count=1), ["race.state"]),
        (shows("a", "b", count="winners"), ["race.double"]),
        (shows("a", "a", distinct=True), ["race.state"]),
        (shows(0, equals=(0,)), []),
        (shows(1, equals=(0,)), ["race.state"]),
        (Observation("nurse GET /bed", (read(403),), refused=True), []),
        (Observation("nurse GET /bed", (read(200, {}),), refused=True), ["race.state"]),
    ],
)
def test_what_is_read_is_what_the_winner_was_told(seen: Observation, found: list[str]) -> None:
    assert rules(BED, one(WON), one(LOST), seen=(seen,)) == found


@pytest.mark.parametrize(
    "seen",
    [
        shows("b", equals=("a",), of_winners=True),
        shows("a", "b", count="winners"),
        shows(count=1),
        Observation("clerk GET /bed", (read(500),), count=1),
    ],
)
def test_what_nobody_knows_may_have_been_done(seen: Observation) -> None:
    assert rules(BED, one(WON), one(UNKNOWN), seen=(seen,)) == []


def test_numbers_are_each_ones_own() -> None:
    terms = Terms("sequence", numbers=True, gapless=True)

    def bills(*numbers: str) -> list[Contestant]:
        return [one(WON, values={"number": number}) for number in numbers]

    assert rules(terms, *bills("26-0003", "26-0001", "26-0002")) == []
    assert rules(terms, *bills("26-0001", "26-0001")) == ["sequence.duplicate"]
    assert rules(terms, *bills("26-0001", "26-0003")) == ["sequence.gap"]
    assert rules(terms, *bills("26-0001", "26-0003"), one(UNKNOWN)) == []
    assert rules(replace(terms, gapless=False), *bills("26-0001", "26-0003")) == []


def test_who_only_takes_part_uses_numbers_up_and_nothing_else() -> None:
    terms = Terms("sequence", numbers=True, gapless=True)
    bills = [one(WON, values={"number": number}) for number in ("1", "3")]
    assert rules(terms, *bills, one(LOST, beside=True, documented=False)) == ["sequence.gap"]
    assert rules(terms, *bills, one(WON, beside=True, values={"number": "2"})) == []
    assert rules(terms, *bills, one(WON, beside=True, values={"number": "3"})) == ["sequence.gap"]
    assert rules(terms, *bills, one(WON, beside=True)) == []
    assert rules(terms, *bills, one(UNKNOWN, beside=True)) == []
    assert rules(terms, *bills, one(WON, beside=True, elsewhere=True)) == ["sequence.gap"]
    assert rules(BED, one(WON), one(WON, beside=True)) == []
    assert played(one(WON), one(UNKNOWN, beside=True), together=True).unknown == ()


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        (["9", "10"], None),
        (["2025-000009", "2026-000001"], None),
        (["2026-000009", "2026-000011"], "2026-000010"),
        (["A", "B"], None),
    ],
)
def test_gaps_are_looked_for_in_each_series(numbers: list[str], missing: str | None) -> None:
    assert left_out(numbers) == missing


def test_a_key_gives_all_the_same_record() -> None:
    terms = Terms("idempotency", same=("id",))
    same = [one(WON, values={"id": "a"}), one(WON, values={"id": "a"})]
    assert rules(terms, *same, one(LOST)) == []
    assert rules(terms, *same, one(WON, values={"id": "b"})) == ["idempotency.repeated"]


# --- orders ----------------------------------------------------------------------------------

STAY = Terms("cross", start={"stay": "active", "order": "none"})


def ends(came: Came = WON, **more: Any) -> Contestant:
    sets = {"stay": "over", "order": {"active": "stopped"}}
    return one(came, "end", needs={"stay": ("active",)}, sets=sets, **more)


def orders(came: Came = WON, **more: Any) -> Contestant:
    return one(came, "order", needs={"stay": ("active",)}, sets={"order": "active"}, **more)


def state(name: str, *found: str) -> Observation:
    return shows(*found, state=name, absent="none")


@pytest.mark.parametrize(
    ("calls", "seen", "holds"),
    [
        ([ends(), orders()], [state("stay", "over"), state("order", "stopped")], True),
        ([ends(), orders()], [state("stay", "over"), state("order", "active")], False),
        ([ends(), orders(LOST)], [state("stay", "over"), state("order")], True),
        ([ends(), orders(LOST)], [state("stay", "active"), state("order")], False),
        ([ends(LOST), orders()], [state("order", "active")], False),
        ([ends(UNKNOWN), orders()], [state("stay", "active"), state("order", "active")], True),
        ([ends(UNKNOWN), orders()], [state("stay", "over"), state("order", "stopped")], True),
        ([ends(UNKNOWN), orders()], [state("stay", "over"), state("order", "active")], False),
        ([ends(), orders(UNKNOWN)], [state("order", "active")], False),
        ([ends(), orders()], [state("order", "stopped", "active")], False),
    ],
)
def test_some_order_explains_what_is_there(
    calls: list[Contestant], seen: list[Observation], holds: bool
) -> None:
    assert linearizable(STAY, played(*calls, seen=tuple(seen))) is holds


def test_what_was_answered_before_comes_before() -> None:
    """A refusal before anybody did anything has no reason."""
    early = ends(LOST, sent=0, answered=10)
    assert linearizable(STAY, played(early, orders(sent=20, answered=30))) is False
    done = ends(sent=0, answered=10)
    assert linearizable(STAY, played(done, orders(LOST, sent=20, answered=30))) is True
    assert linearizable(STAY, played(done, orders(sent=20, answered=30))) is False


def test_a_dozen_contenders_are_searched_in_no_time() -> None:
    bed = Terms("cross", start={"bed": "free"})

    def admit(number: int, came: Came) -> Contestant:
        return one(came, needs={"bed": ("free",)}, sets={"bed": str(number)})

    calls = [admit(0, WON), *(admit(number, LOST) for number in range(1, 12))]
    assert linearizable(bed, played(*calls, seen=(state("bed", "0"),))) is True
    twice = [admit(0, WON), admit(1, WON), *(admit(number, LOST) for number in range(2, 12))]
    assert linearizable(bed, played(*twice, seen=(state("bed", "0"),))) is False


def test_a_search_gives_up_in_the_end() -> None:
    many = Terms("cross", start={"a": 0})
    calls = [one(UNKNOWN, needs={}, sets={"a": number}) for number in range(18)]
    assert linearizable(many, played(*calls, seen=(state("a", "nothing of it"),))) is None


# --- verdicts --------------------------------------------------------------------------------


def contest(*rounds: Round, **more: Any) -> Contest:
    given = {"calibration": SHARP, "needed_us": 1000.0, **more}
    return Contest(CASE, "one_bed", given.pop("terms", BED), rounds, **given)


TURN = played(one(WON, sent=0, answered=5), one(LOST, sent=6, answered=9), together=False)
SOUND = played(one(WON, sent=0), one(LOST, sent=20_000), number=2)


def test_enough_sound_rounds_pass_and_say_what_they_are_worth() -> None:
    verdict = sound(contest(TURN, *[SOUND] * 8))
    assert verdict.result is Result.PASS
    assert "8 × one winner" in verdict.reason
    assert "would have shown with 99 %" in verdict.reason
    assert verdict.detail is not None
    assert verdict.detail["power"]["counted"] == 8
    assert verdict.detail["power"]["spread_us"] == {"median": 20.0, "p95": 20.0}
    assert verdict.detail["shown"]["contenders"][1]["sent_us"] == 20.0


def test_the_targets_own_clock_counts_where_it_tells() -> None:
    told = [one(WON, arrived=100), one(LOST, arrived=5_100)]
    detail = sound(contest(TURN, *[played(*told, number=2)] * 8)).detail
    assert detail is not None
    assert (detail["seen_by"], detail["power"]["spread_us"]["median"]) == ("target", 5.0)


def test_one_round_in_which_reading_fails_is_not_counted() -> None:
    failing = replace(SOUND, observations=(replace(shows(), reads=(read(502),)),))
    verdict = sound(contest(TURN, *[SOUND] * 8, failing))
    assert verdict.result is Result.PASS
    assert verdict.detail is not None
    assert (verdict.detail["power"]["rounds"], verdict.detail["power"]["counted"]) == (9, 8)


def test_a_clock_of_another_kind_begins_with_the_first_arrival() -> None:
    epoch = 1_700_000_000_000_000_000
    told = [one(WON, arrived=epoch), one(LOST, arrived=epoch + 7_000)]
    detail = sound(contest(TURN, *[played(*told, number=2)] * 8)).detail
    assert detail is not None
    assert [each["arrived_us"] for each in detail["shown"]["contenders"]] == [0.0, 7.0]


def test_a_violation_fails_whatever_the_other_rounds_show() -> None:
    verdict = sound(contest(TURN, SOUND, played(one(WON), one(WON), number=3), SOUND))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "race.double")
    assert "round 3" in verdict.reason
    assert verdict.detail is not None
    assert verdict.detail["shown"]["number"] == 3
    assert len(verdict.exchanges) == 2


@pytest.mark.parametrize(
    ("rounds", "says"),
    [
        ([TURN, *[SOUND] * 1], "too few for 99 %"),
        ([played(one(LOST), one(WON), together=False), *[SOUND] * 8], "when it came first"),
        ([TURN, *[played(one(WON), one(UNKNOWN))] * 6], "0 of 6 rounds say something"),
        ([TURN, *[replace(SOUND, early=1)] * 6], "before they were whole"),
        ([TURN, *[replace(SOUND, stalled="the target stalled")] * 6], "the target stalled"),
        (
            [TURN, *[replace(SOUND, observations=(replace(shows(), reads=(read(502),)),))] * 8],
            "was not answered (502)",
        ),
        (
            [replace(TURN, observations=(replace(shows(), reads=(read(502),)),)), *[SOUND] * 8],
            "one after another, clerk GET /bed was not answered",
        ),
    ],
)
def test_too_little_proves_nothing(rounds: list[Round], says: str) -> None:
    verdict = sound(contest(*rounds))
    assert verdict.result is Result.INCONCLUSIVE
    assert says in verdict.reason


@pytest.mark.parametrize("first", [1, True, "new"])
def test_states_need_not_be_text(first: Any) -> None:
    race = Race.model_validate(
        {
            "kind": "cross",
            "state": {"a": first},
            "contenders": [
                {"as": "n", "request": "PUT /a", "from": {"a": first}, "to": {"a": {first: 2}}},
                {"as": "n", "request": "DELETE /a"},
            ],
            "reads": [{"as": "n", "request": "GET /a", "find": "$.a", "state": "a"}],
        }
    )
    change = race.contenders[0]
    call = one(WON, needs={"a": (change.from_["a"],)}, sets=dict(change.to))
    terms = Terms("cross", start=race.state)
    assert linearizable(terms, played(call, seen=(shows(2, state="a"),))) is True
    assert linearizable(terms, played(call, seen=(shows(first, state="a"),))) is False


STOPPED = Terms("cross", most=None, somebody=False, start={"order": "stopped"})
AMENDS = one(LOST, "amend", needs={"order": ("active",)}, sent=0)
PRINTS = one(WON, "print", needs={}, sent=20_000)


def test_who_may_not_win_needs_not_win_first() -> None:
    in_turn = [
        played(AMENDS, PRINTS, together=False),
        played(PRINTS, AMENDS, together=False, number=2),
    ]
    verdict = sound(contest(*in_turn, *[played(AMENDS, PRINTS, number=3)] * 8, terms=STOPPED))
    assert verdict.result is Result.PASS


def test_a_race_in_which_nobody_may_win_has_no_control() -> None:
    in_turn = played(AMENDS, AMENDS, together=False)
    rounds = [played(AMENDS, AMENDS, number=2)] * 8
    verdict = sound(contest(in_turn, *rounds, terms=STOPPED))
    assert verdict.result is Result.INCONCLUSIVE
    assert "add one that may" in verdict.reason


def test_a_wide_window_is_not_what_was_asked_for() -> None:
    blunt = Calibration(2, tuple(Sample(0, 0, 5_000_000) for _ in range(60)))
    verdict = sound(contest(TURN, *[SOUND] * 8, calibration=blunt))
    assert verdict.result is Result.INCONCLUSIVE
    assert "5.0 ms" in verdict.reason
    assert "1.0 ms is asked for" in verdict.reason


def test_one_round_with_all_writers_held_back_decides() -> None:
    verdict = sound(contest(TURN, replace(SOUND, parked=True), calibration=None))
    assert verdict.result is Result.PASS
    assert "held back" in verdict.reason


def test_failing_is_no_way_to_refuse() -> None:
    failing = played(one(WON), one(UNKNOWN, status=500), number=2)
    verdict = sound(contest(TURN, failing, replace(failing, number=3)))
    assert (verdict.result, verdict.rule) == (Result.FAIL, "race.error")
    assert sound(contest(TURN, failing, *[SOUND] * 8)).result is Result.PASS


@pytest.mark.parametrize(
    ("answer", "won", "lost", "came"),
    [
        (read(201), None, None, (WON, True)),
        (read(201), [200], None, (UNKNOWN, True)),
        (read(409), None, None, (LOST, True)),
        (read(409), None, [409], (LOST, True)),
        (read(400), None, [409], (LOST, False)),
        (read(200), None, [200], (LOST, True)),
        (read(429), None, [409], (UNKNOWN, True)),
        (read(500), None, [409], (UNKNOWN, True)),
        (read(302, outcome=Outcome.BROKEN), None, None, (UNKNOWN, True)),
        (unanswered(), None, None, (UNKNOWN, True)),
    ],
)
def test_what_came_of_a_request(answer: Any, won: Any, lost: Any, came: tuple[Came, bool]) -> None:
    assert came_of(answer, won, lost) == came


# --- keys and versions -----------------------------------------------------------------------


def repeated(variant: str, second: Contestant, *seen: Observation, **more: Any) -> Repetition:
    first = one(WON, values={"id": "a"})
    both = played(first, second, seen=seen, together=False)
    return Repetition(CASE, variant, first, second, both, ("id",), **more)


OWN = one(WON, values={"id": "c"})


@pytest.mark.parametrize(
    ("repetition", "rule"),
    [
        (repeated("again", one(WON, values={"id": "a"}), shows("a", count=1)), None),
        (repeated("again", OWN), "idempotency.repeated"),
        (
            repeated("again", one(WON, values={"id": "a"}), shows("a", "b", count=1)),
            "idempotency.repeated",
        ),
        (repeated("after-restart", OWN), "idempotency.repeated"),
        (repeated("after-restart", one(WON, values={"id": "a"})), None),
        (repeated("again", one(LOST)), "idempotency.answer"),
        (repeated("other-body", one(LOST, status=422), expects=(422,)), None),
        (repeated("other-body", one(LOST), expects=(422,)), "idempotency.refusal"),
        (repeated("other-body", one(WON, values={"id": "a"}), expects=(422,)), "idempotency.body"),
        (repeated("other-tenant", one(WON, values={"id": "b"}), control=OWN), None),
        (
            repeated("other-tenant", one(WON, values={"id": "a"}), control=OWN),
            "idempotency.mixed",
        ),
        (repeated("other-tenant", one(LOST), control=OWN), "idempotency.mixed"),
        (repeated("other-record", one(LOST), control=OWN), None),
    ],
)
def test_keys(repetition: Repetition, rule: str | None) -> None:
    verdict = kept(repetition)
    assert verdict.result is (Result.FAIL if rule else Result.PASS), verdict.reason
    assert verdict.rule == rule


@pytest.mark.parametrize(
    "repetition",
    [
        replace(repeated("again", OWN), first=one(LOST)),
        repeated("again", one(UNKNOWN)),
        repeated("again", one(WON)),
        repeated("after-restart", one(LOST)),
        repeated("other-tenant", one(LOST), control=one(LOST)),
    ],
)
def test_keys_that_prove_nothing(repetition: Repetition) -> None:
    assert kept(repetition).result is Result.INCONCLUSIVE


@pytest.mark.parametrize(
    ("attempt", "control", "result", "rule"),
    [
        (one(LOST, status=428), one(WON), Result.PASS, None),
        (one(WON), one(WON), Result.FAIL, "race.precondition"),
        (one(LOST, status=400), one(WON), Result.FAIL, "race.refusal"),
        (one(LOST, status=428), one(LOST), Result.INCONCLUSIVE, None),
        (one(UNKNOWN), one(WON), Result.INCONCLUSIVE, None),
    ],
)
def test_changes_without_a_version(
    attempt: Contestant, control: Contestant, result: Result, rule: str | None
) -> None:
    verdict = required(Unversioned(CASE, attempt, control, (428,)))
    assert (verdict.result, verdict.rule) == (result, rule)


@pytest.mark.parametrize(
    ("before", "after", "status", "result"),
    [
        ('"1"', '"2"', 200, Result.PASS),
        ('"1"', '"1"', 200, Result.FAIL),
        (None, '"1"', 200, Result.INCONCLUSIVE),
        ('"1"', '"1"', 404, Result.INCONCLUSIVE),
    ],
)
def test_changes_give_a_version(
    before: str | None, after: str, status: int, result: Result
) -> None:
    change = Change(CASE, "POST /remarks", read(status), (read(), before), (read(), after))
    assert renewed(change).result is result


# --- cases, and what the file says -----------------------------------------------------------

CONTENDERS = [{"as": "clerk", "times": 3, "do": "patient.create"}]
RACES: dict[str, Any] = {
    "one": {"kind": "at_most_one", "contenders": CONTENDERS, "lost": 409},
    "two": {
        "kind": "idempotency",
        "contenders": [
            {"as": "clerk", "times": 3, "do": "patient.create", "headers": {"Key": "{key}"}}
        ],
        "key": {"other_body": 422, "other_personas": ["clerk"], "outlives_restart": True},
    },
}


def test_each_race_is_a_case() -> None:
    (case,) = sources.concurrency.races("at_most_one")(target(races=RACES), GATE)
    assert (case.persona, case.tenant, case.variant) == ("clerk.north", "north", "one.at-once")
    assert (case.resource, case.operation, case.kind) == ("patient", "create", "action")


def test_the_full_profile_races_authentication_too() -> None:
    cases = sources.concurrency.races("at_most_one")(target(races=RACES), Profile.FULL)
    assert [case.variant for case in cases] == ["one.at-once", "one.at-once-with-heads"]


def test_each_way_for_a_key_to_come_again_is_a_case() -> None:
    cases = sources.concurrency.repetitions(target(races=RACES), GATE)
    ways = ["again", "other-body", "other-persona.clerk", "other-tenant", "after-restart"]
    assert [case.variant for case in cases] == [f"two.{way}" for way in ways]


def test_a_plan_shows_what_a_race_sends(tmp_path: Path) -> None:
    described = loaded(tmp_path, TEXT + WRITTEN)
    (case,) = sources.concurrency.races("at_most_one")(described, GATE)
    case = replace(case, suite="concurrency")
    assert planning.expectation(case) is None
    assert list(planning.requests(described, case)) == [
        "before: a new patient",
        "before: GET /patients/{id} as nurse",
        'at once: 2 × POST /patients/{patient.id}/notes as nurse {"text": "{seen} {text}"}',
        "afterwards: GET /notes/{winner.id} as nurse",
    ]


def test_kinds_without_a_race_are_not_claimed() -> None:
    for kind in ("lost_update", "sequence", "cross", "spend_once"):
        (case,) = sources.concurrency.races(kind)(target(races=RACES), GATE)
        assert case.unclaimed
        assert kind in case.unclaimed


@pytest.mark.parametrize(
    ("race", "says"),
    [
        ({"kind": "at_most_one", "contenders": [{"as": "clerk", "do": "bed.admit"}]}, "two"),
        ({"kind": "sequence", "contenders": CONTENDERS}, "take: {number"),
        ({"kind": "cross", "contenders": CONTENDERS}, "say what must hold"),
        ({"kind": "cross", "contenders": CONTENDERS, "never": [["a", "b"]]}, "the tag a, b"),
        ({"kind": "at_most_one", "contenders": [{"times": 2}]}, "RESOURCE.OPERATION"),
        ({"kind": "at_most_one", "contenders": [{"times": 2, "do": "admit"}]}, "like admission"),
        (
            {"kind": "cross", "contenders": [{**CONTENDERS[0], "to": {"x": 1}}], "never": []},
            "say what must hold",
        ),
        (
            {
                "kind": "cross",
                "contenders": [{**CONTENDERS[0], "to": {"x": 1}}],
                "state": {"y": 1},
            },
            "'state' does not say x",
        ),
    ],
)
def test_a_race_that_cannot_be_is_refused(race: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Race.model_validate(race)


def test_who_should_be_refused_tells_a_number_all_the_same() -> None:
    """Or nobody would know of a number that it used up."""
    race = Race.model_validate(
        {
            "says": "bills are numbered without gaps",
            "kind": "sequence",
            "gapless": True,
            "contenders": [
                {"as": "clerk", "times": 2, "do": "bill.create", "take": {"number": "$.no"}},
                {"as": "clerk", "beside": True, "do": "bill.create", "json": {"amount": -1}},
                {"as": "clerk", "beside": True, "do": "bill.cancel"},
            ],
        }
    )
    assert [one.take.get("number") for one in race.contenders] == ["$.no", "$.no", None]


def test_what_is_left_out_takes_its_place_along() -> None:
    template = Race.model_validate(
        {
            "kind": "lost_update",
            "contenders": [
                {
                    "times": 2,
                    "request": "PUT /orders/{order.id}",
                    "json": {"dose": "5 mg", "seen": "{version}"},
                    "headers": {"If-Match": '"{version|digits}"'},
                }
            ],
        }
    ).contenders[0]
    without = lacking(template.of_request(), "version")
    assert (without.json_, without.headers) == ({"dose": "5 mg"}, {})
    assert "version" not in without.placeholders


def test_moments_are_shifted() -> None:
    assert later("2030-01-01T23:50:00Z", "+15m") == "2030-01-02T00:05:00Z"
    assert later("2030-01-01T10:00:00+06:00", "-1h") == "2030-01-01T09:00:00+06:00"


WRITTEN = """\
races:
  one_name:
    kind: at_most_one
    setup:
      - {make: patient, called: first}
      - {as: nurse, do: patient.read, on: {patient: first}, take: {seen: $.name}}
    contenders:
      - {as: nurse, times: 2, do: note.create, on: {patient: first}, json: {text: "{seen} {text}"}}
    reads: [{as: nurse, request: "GET /notes/{winner.id}", find: "$.text", count: 1}]
"""


def test_a_race_that_fits_is_loaded(tmp_path: Path) -> None:
    assert loaded(tmp_path, TEXT + WRITTEN).races["one_name"].contenders[0].times == 2


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("make: patient,", "make: pateint,"),
        ("do: patient.read", "do: patient.raed"),
        ("do: note.create", "do: nota.create"),
        ("on: {patient: first}, json", "on: {patient: frist}, json"),
        ("{as: nurse, times", "{as: nrse, times"),
        ("{seen} {text}", "{sean} {text}"),
        ("{winner.id}", "{winer.id}"),
        ("at_most_one", "at_most_on"),
    ],
)
def test_misspelt_words_are_named_with_their_place(
    written: str, meant: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidDocument) as told:
        loaded(tmp_path, TEXT + WRITTEN.replace(written, meant))
    said = str(told.value)
    assert re.search(r"target\.yaml:\d+:\d+: races\.one_name", said)
    wrong = (set(re.findall(r"\w+", meant)) - set(re.findall(r"\w+", written))).pop()
    assert wrong in said
    assert "mean" in said or "'at_most_one'" in said
