"""The sweep after every suite: what must hold of the target's data still holds.

Where several workers share a run, whoever finishes the last case of a suite reads the books at
once, and keeps what was read in the folder that all share, for the cases of the sweep to judge.
"""

from __future__ import annotations

import os
import pickle
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from conformance import sources, suite, trials
from conformance.books import Observation, Seen
from conformance.harness import Harness
from conformance.model import Case
from conformance.oracles import invariants
from conformance.world import World


@suite.alone
@suite.cases(sources.invariants.sweep)
@suite.clauses("hipaa:164.312(c)(1)")
def test_sweep(case: Case, harness: Harness) -> None:
    """What must hold of the target's data holds when the suite is over."""
    harness.judge(case, trials.invariants.swept, invariants.holds)


def follow(module: ModuleType) -> None:
    """Give a module of cases the sweep as its last test; one without cases is left alone."""
    tests = list(vars(module).values())
    if test_sweep not in tests and any(suite.has_cases(test) for test in tests):
        module.test_sweep = test_sweep  # type: ignore[attr-defined]


class Sweeps:
    """Which suites are over, between all workers of a run, and what was read when they were.

    `cases` are all cases of the run that a sweep has to wait for; `swept` the suites that have one.
    """

    def __init__(self, folder: Path, cases: Iterable[Case], swept: Iterable[str]) -> None:
        self._folder = folder / "sweeps"
        self._folder.mkdir(exist_ok=True)
        self._planned = Counter(case.suite for case in cases)
        self._swept = frozenset(swept)

    def over(self, case: Case) -> bool:
        """Note that a case is finished; whether it was the last one of a suite with a sweep."""
        if case.suite not in self._swept or case.property == suite.SWEEP:
            return False
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        place = os.open(self._folder / f"{case.suite}.finished", flags, 0o600)
        try:
            os.write(place, b".")
            if os.fstat(place).st_size < self._planned[case.suite]:
                return False
        finally:
            os.close(place)
        try:
            (self._folder / f"{case.suite}.begun").touch(exist_ok=False)
        except FileExistsError:  # two were finished at one instant, and the other one reads
            return False
        return True

    def read(self, world: World, name: str, worker: str) -> None:
        """Read the books at the end of the suite of that name. The caller is alone."""
        found: dict[str, list[Observation]] = {}
        for seen in trials.invariants.books(world):
            found.setdefault(seen.name, []).append(_signed(seen, worker))
        draft = self._folder / f"{name}.{worker}"
        draft.write_bytes(pickle.dumps(found))
        draft.replace(self._folder / f"{name}.read")

    def kept(self, case: Case) -> Sequence[Observation] | None:
        """What was read for a case of a sweep when its suite was over; None if nothing was."""
        place = self._folder / f"{case.suite}.read"
        if case.property != suite.SWEEP or not place.exists():
            return None
        # The folder is private to the run, and only its workers write into it.
        found: Mapping[str, list[Observation]] = pickle.loads(place.read_bytes())  # noqa: S301
        return found.get((case.variant or "").split(".")[0])


def _signed(seen: Observation, worker: str) -> Observation:
    """The same with exchanges that are not taken for those of the worker who judges them."""

    def signed(side: Seen) -> Seen:
        last = side.exchanges[-3:]
        return replace(side, exchanges=tuple(replace(one, id=f"{worker}-{one.id}") for one in last))

    looks = tuple((signed(left), signed(right)) for left, right in seen.looks)
    return replace(seen, looks=looks)
