"""What the fuzzer reached as each persona: operations, and the statuses they answered."""

from dataclasses import dataclass

from reports.ledger import Case, Outcome, Run
from reports.proofs import Fuzz

_ORDER = {"fail": 0, "inconclusive": 1}
_CLASSES = ("2xx", "3xx", "4xx", "5xx")


@dataclass(frozen=True, slots=True)
class Campaign:
    """What was tried as one persona, with the verdict on it."""

    case: Case
    outcome: Outcome
    reason: str
    fuzz: Fuzz

    @property
    def reached(self) -> int:
        """Operations that answered at all."""
        return sum(bool(one.statuses) for one in self.fuzz.operations)

    @property
    def granted(self) -> int:
        """Operations of the document that the policy grants to the persona."""
        return sum(one.granted for one in self.fuzz.operations)

    @property
    def served(self) -> int:
        """Granted operations that were also served, so that what lies behind them was reached."""
        return sum(
            any(status.startswith("2") for status in one.statuses)
            for one in self.fuzz.operations
            if one.granted
        )

    @property
    def statuses(self) -> dict[str, int]:
        """Answers by status."""
        found: dict[str, int] = {}
        for one in self.fuzz.operations:
            for status, count in one.statuses.items():
                found[status] = found.get(status, 0) + count
        return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Reached:
    """What one operation answered to the personas of one role: requests by class of status."""

    granted: bool
    classes: dict[str, int]

    @property
    def worst(self) -> str:
        """The class that tells most: errors of the server, then service, then refusals."""
        for one in ("5xx", "2xx", "4xx", "3xx"):
            if self.classes.get(one):
                return one
        return ""

    @property
    def says(self) -> str:
        """The requests by class in words."""
        return ", ".join(f"{count:,} × {one}" for one, count in self.classes.items() if count)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Operations by roles; a role has what its personas reached together."""

    roles: tuple[str, ...]
    rows: tuple[tuple[str, dict[str, Reached]], ...]

    @property
    def untouched(self) -> int:
        """Operations that answered nobody."""
        return sum(all(not cell.worst for cell in cells.values()) for _, cells in self.rows)


def campaigns(run: Run) -> tuple[Campaign, ...]:
    """Every persona's, those with failures first."""
    found = [
        Campaign(case, verdict.outcome, verdict.reason, verdict.detail)
        for case, verdict in run.judged()
        if isinstance(verdict.detail, Fuzz)
    ]
    return tuple(sorted(found, key=lambda one: _ORDER.get(one.outcome, 2)))


def coverage(found: tuple[Campaign, ...]) -> Coverage:
    """The campaigns as operations by roles, in the order in which they were met."""
    roles: dict[str, None] = {}
    table: dict[str, dict[str, Reached]] = {}
    for one in sorted(found, key=lambda campaign: campaign.case.id):
        role = "/".join(one.case.roles) or one.fuzz.persona
        roles[role] = None
        for explored in one.fuzz.operations:
            row = table.setdefault(explored.operation, {})
            known = row.get(role, Reached(explored.granted, dict.fromkeys(_CLASSES, 0)))
            classes = dict(known.classes)
            for status, count in explored.statuses.items():
                name = f"{status[:1]}xx"
                if name in classes:
                    classes[name] += count
            row[role] = Reached(known.granted or explored.granted, classes)
        for operation in one.fuzz.untouched:
            table.setdefault(operation, {})
    return Coverage(tuple(roles), tuple(sorted(table.items(), key=lambda row: _place(row[0]))))


def _place(operation: str) -> tuple[str, str]:
    method, _, path = operation.partition(" ")
    return path, method
