"""When who begins what: exact rates, exact shares, the same for everybody who asks."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from conformance.workload.arrivals import arrivals, shares
from conformance.workload.plan import Plan, Segment, Workflow, dumped, loaded
from tests.workload.ward import Ward
from tests.workload.ward import plan as ward_plan


def plan(*segments: Segment, rate: float = 10, seed: int = 1) -> Plan:
    workflows = (Workflow("round", rate, {"nurse": 2, "physician": 1}, ()),)
    return Plan("http://x", (), workflows, segments, 1, seed)


def test_rates_follow_the_segments() -> None:
    made = plan(Segment("a", 2), Segment("pause", 3, 0), Segment("spike", 2, 4))
    ats = [one.at for one in arrivals(made)]
    assert [sum(low <= at < high for at in ats) for low, high in ((0, 2), (2, 5), (5, 7))] == [
        20, 0, 80,
    ]  # fmt: skip


def test_arrivals_are_evenly_spaced() -> None:
    ats = [one.at for one in arrivals(plan(Segment("a", 5)))]
    gaps = {round(after - before, 6) for before, after in pairwise(ats)}
    assert gaps == {0.1}


def test_a_low_rate_keeps_its_average_over_short_segments() -> None:
    made = plan(*(Segment(str(number), 0.25) for number in range(40)), rate=1.5)
    assert len(list(arrivals(made))) == 15


def test_the_mix_is_exact_and_turns_count_up() -> None:
    found = list(arrivals(plan(Segment("a", 3))))
    assert Counter(one.actor for one in found) == {"nurse": 20, "physician": 10}
    for actor in ("nurse", "physician"):
        turns = [one.turn for one in found if one.actor == actor]
        assert turns == list(range(len(turns)))


def test_every_worker_of_several_meets_every_actor() -> None:
    found = list(arrivals(plan(Segment("a", 30))))
    for index in range(2):
        assert {one.actor for one in found if one.number % 2 == index} == {"nurse", "physician"}


def test_the_seed_decides() -> None:
    made = [list(arrivals(plan(Segment("a", 3), seed=seed))) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def test_nobody_to_send_means_no_arrival() -> None:
    empty = Plan("http://x", (), (Workflow("round", 10, {}, ()),), (Segment("a", 1),), 1, 1)
    assert list(arrivals(empty)) == []


@pytest.mark.parametrize("changes", [{}, {"segments": (Segment("a", 1.5), Segment("b", 2))}])
def test_a_plan_survives_json(changes: dict[str, object]) -> None:
    made = ward_plan(Ward(), **changes)
    assert loaded(dumped(made)) == made


@pytest.mark.parametrize(
    ("users", "flooding"),
    [({"a": 4, "b": 4}, 0), ({"a": 2, "b": 2}, 3), ({"a": 1, "b": 0, "c": 1}, 0),
     ({"a": 1, "b": 2, "c": 2}, 4), ({"a": 9}, 8)],
)  # fmt: skip
def test_processes_share_users_and_arrivals(users: dict[str, int], flooding: int) -> None:
    found = shares(users, flooding)
    numbers = {
        name: {share.user(place) for place in range(users[name])} for name, share in found.items()
    }
    everybody = [number for own in numbers.values() for number in own]
    assert len(set(everybody)) == len(everybody)
    assert set(range(flooding)) <= set(everybody)
    takers = {name for name, own in numbers.items() if any(one >= flooding for one in own)}
    for due in arrivals(plan(Segment("a", 2))):
        mine = {name for name, share in found.items() if share.takes(due)}
        assert len(mine) == 1
        assert mine <= takers
