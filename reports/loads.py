"""What the target did under load, phase by phase, ordered for a page."""

from dataclasses import dataclass

from reports.ledger import Case, Outcome, Run
from reports.proofs import Leaks, Load, Served

_ORDER = {"fail": 0, "inconclusive": 1}


@dataclass(frozen=True, slots=True)
class ShownLoad:
    """A phase of load with the verdict on it."""

    case: Case
    outcome: Outcome
    reason: str
    load: Load

    @property
    def slowest(self) -> tuple[Served, ...]:
        """The personas, the slowest first."""
        return tuple(sorted(self.load.personas, key=lambda one: -(one.p95 or 0)))


def loads(run: Run) -> tuple[ShownLoad, ...]:
    """Every phase of the run, those that did not hold first."""
    found = [
        ShownLoad(case, verdict.outcome, verdict.reason, verdict.detail)
        for case, verdict in run.judged()
        if isinstance(verdict.detail, Load)
    ]
    return tuple(sorted(found, key=lambda one: _ORDER.get(one.outcome, 2)))


def leaks_in_words(leaks: Leaks) -> str:
    """How much foreign data there was among the responses, or what would have shown."""
    among = f"in {leaks.responses:,} responses"
    if leaks.found:
        rate = "" if leaks.per_million is None else f" ({leaks.per_million:,.0f} per million)"
        return f"Foreign data {leaks.found:,} times {among}{rate}."
    if leaks.upper_per_million is None:
        return f"No foreign data {among}."
    return (
        f"No foreign data {among}: with 95 % confidence fewer than"
        f" {leaks.upper_per_million:,.0f} per million."
    )


def duration(seconds: float | None) -> str:
    """A latency for people: microseconds are never claimed."""
    if seconds is None:
        return "–"
    if seconds < 0.0995:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:,.3g} s"
