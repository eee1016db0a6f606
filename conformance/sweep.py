"""The sweep after every suite: what must hold of the target's data still holds."""

from __future__ import annotations

from types import ModuleType

from conformance import sources, suite, trials
from conformance.harness import Harness
from conformance.model import Case
from conformance.oracles import invariants


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
