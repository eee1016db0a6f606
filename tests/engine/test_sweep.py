"""When a suite is over between several workers, and what the sweep after it finds."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conformance import suite, sweep
from conformance.books import Observation, Seen
from conformance.cases import WHOLE
from conformance.sweep import Sweeps
from tests.engine import exchanges


def case(number: int, of: str = "limits", property_: str = "pages") -> Any:
    return replace(WHOLE, id=f"{of}.{property_}.{number}", suite=of, property=property_)


CASES = [case(number) for number in range(4)]
OTHERS = [case(number, "tokens") for number in range(2)]


def test_a_suite_is_over_once_whoever_finishes_it(tmp_path: Path) -> None:
    one, other = (Sweeps(tmp_path, [*CASES, *OTHERS], {"limits"}) for _ in range(2))
    told = [worker.over(done) for worker, done in zip((one, other) * 2, CASES, strict=True)]
    assert told == [False, False, False, True]


def test_a_suite_without_a_sweep_is_never_over(tmp_path: Path) -> None:
    sweeps = Sweeps(tmp_path, OTHERS, {"limits"})
    assert [sweeps.over(done) for done in OTHERS] == [False, False]


def test_the_sweep_itself_counts_for_nothing(tmp_path: Path) -> None:
    sweeps = Sweeps(tmp_path, CASES[:1], {"limits"})
    assert not sweeps.over(case(1, property_=suite.SWEEP))
    assert sweeps.over(CASES[0])


def test_what_was_read_is_known_to_all_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = exchanges.exchange(exchanges.answer())
    look = (Seen("left", "count", (1,), (read,)), Seen("2", "value", (2,)))
    seen = Observation("beds", "beds", "north", "equal", (look,))
    monkeypatch.setattr("conformance.trials.invariants.books", lambda _world: [seen])
    reader, judge = (Sweeps(tmp_path, CASES, {"limits"}) for _ in range(2))
    asked = replace(case(0, property_=suite.SWEEP), variant="beds")
    assert judge.kept(asked) is None
    world: Any = object()
    reader.read(world, "limits", "gw0")
    kept = judge.kept(asked)
    assert kept is not None
    assert kept[0].looks[0][0].values == (1,)
    # Two workers number their exchanges alike.
    assert kept[0].exchanges[0].id == f"gw0-{read.id}"
    assert judge.kept(replace(asked, suite="tokens")) is None
    assert judge.kept(CASES[0]) is None


def test_only_modules_with_cases_are_followed() -> None:
    @suite.cases(lambda _target, _profile: [])
    def test_something() -> None:
        """Something holds."""

    plain, full = ModuleType("plain"), ModuleType("full")
    full.__dict__["test_something"] = test_something
    for module in (plain, full, full):
        sweep.follow(module)
    assert "test_sweep" not in vars(plain)
    assert list(vars(full))[-1] == "test_sweep"
