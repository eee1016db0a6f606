"""The access matrix of a run: for each operation, role and relation, how the target stands."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reports.defects import RELATION_WORDS
from reports.ledger import Case, Finding, Run, Verdict
from reports.waivers import Waiver

State = Literal[
    "bypass",
    "leak",
    "over-restriction",
    "failure",
    "waived",
    "inconclusive",
    "not-tested",
    "granted",
    "denied",
    "not-claimed",
]

# Gravest first: the order in which a place with several cases takes its state.
STATE_WORDS: dict[State, str] = {
    "bypass": "Bypass: done although not granted",
    "leak": "Leak: learned although not granted",
    "over-restriction": "Over-restriction: refused although granted",
    "failure": "Other failure",
    "waived": "Waived: an accepted risk; the letter is that of its verdict",
    "inconclusive": "Inconclusive",
    "not-tested": "Not tested",
    "granted": "Allowed, as granted",
    "denied": "Denied, as not granted",
    "not-claimed": "Not claimed by the target",
}
FAILURES: frozenset[State] = frozenset({"bypass", "leak", "over-restriction", "failure"})
ACCEPTABLE: frozenset[State] = FAILURES | {"inconclusive", "not-tested"}
"""States that a waiver can stand beside."""

_FAILED_KINDS: dict[str, State] = {
    "bypass": "bypass",
    "side-effect": "bypass",
    "leak": "leak",
    "distinguishable": "leak",
    "over-restriction": "over-restriction",
}
_RANKS = {state: rank for rank, state in enumerate(STATE_WORDS)}
_COLLECTION = "collection"
_NOBODY: Mapping[str, Waiver] = {}


@dataclass(frozen=True, slots=True)
class Mark:
    """How one place of the matrix stands, from `cases` cases; `finding` is the gravest one.

    A waiver changes no verdict: where the state is `waived`, `beside` is the state that the
    verdict gives the place.
    """

    state: State
    relation: str
    cases: int
    finding: Finding | None
    beside: State | None = None
    waiver: Waiver | None = None

    @property
    def sign(self) -> str:
        """The name of the sign that is drawn for it."""
        return self.state if self.beside is None else f"{self.state}-{self.beside}"

    @property
    def words(self) -> str:
        """The state in words; of a waived one also its verdict, and until when it is accepted."""
        if self.beside is None or self.waiver is None:
            return STATE_WORDS[self.state]
        return f"{STATE_WORDS[self.beside]} (waived until {self.waiver.expires})"


@dataclass(frozen=True, slots=True)
class Cell:
    """One operation for one role: the policy's grant ("" if none), and a mark per relation."""

    grant: str
    marks: Mapping[str, Mark]


@dataclass(frozen=True, slots=True)
class Row:
    resource: str
    operation: str
    cells: tuple[Cell, ...]

    @property
    def needs_attention(self) -> bool:
        """Whether a mark of the row is neither conformant nor out of scope."""
        return any(
            mark.state in ACCEPTABLE or mark.state == "waived"
            for cell in self.cells
            for mark in cell.marks.values()
        )


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows are the operations that the target declares or the plan names.

    `roles` are the columns; a persona with several roles makes a column of its own. `relations`
    are those to single records that occur, in a fixed order; operations on a whole collection have
    the relation `collection` instead.
    """

    roles: tuple[str, ...]
    relations: tuple[str, ...]
    rows: tuple[Row, ...]
    totals: Mapping[State, int]


def access_matrix(run: Run, accepted: Mapping[str, Waiver] = _NOBODY) -> Matrix:
    """The matrix of all cases that have a persona and an operation.

    `accepted` maps the ids of findings and cases to the waivers that hold for them.
    """
    places: dict[tuple[str, str, str, str], list[tuple[Case, Verdict]]] = defaultdict(list)
    operations = {
        (resource, operation): None
        for resource, declared in run.header.resources.items()
        for operation in declared
    }
    roles = dict.fromkeys(role_name(persona.roles) for persona in run.header.personas)
    relations: set[str] = set()
    for case, verdict in run.judged():
        if case.resource and case.operation and case.persona and case.roles:
            role, relation = role_name(case.roles), case.relation or _COLLECTION
            places[case.resource, case.operation, role, relation].append((case, verdict))
            operations.setdefault((case.resource, case.operation))
            roles.setdefault(role)
            relations.add(relation)
    marks: dict[tuple[str, str, str], dict[str, Mark]] = defaultdict(dict)
    totals: Counter[State] = Counter()
    for (resource, operation, role, relation), judged in places.items():
        mark = _mark(relation, judged, accepted)
        marks[resource, operation, role][relation] = mark
        totals[mark.state] += 1
    rows = [
        Row(
            resource=resource,
            operation=operation,
            cells=tuple(
                Cell(
                    grant=_grant(run, role, resource, operation),
                    marks=marks.get((resource, operation, role), {}),
                )
                for role in roles
            ),
        )
        for resource, operation in operations
    ]
    order = {
        resource: place for place, resource in enumerate(dict.fromkeys(r for r, _ in operations))
    }
    return Matrix(
        roles=tuple(roles),
        relations=_ordered(relations - {_COLLECTION}),
        rows=tuple(sorted(rows, key=lambda row: order[row.resource])),
        totals={state: totals[state] for state in STATE_WORDS},
    )


def rows_to_show(matrix: Matrix, most: int) -> tuple[Row, ...]:
    """At most so many rows, in their order: those that need attention go before the others."""
    places = sorted(
        range(len(matrix.rows)), key=lambda place: not matrix.rows[place].needs_attention
    )
    return tuple(matrix.rows[place] for place in sorted(places[:most]))


def role_name(roles: tuple[str, ...]) -> str:
    """The name of a column: the role, or the roles of a persona that has several."""
    return " + ".join(roles)


def described(cell: Cell) -> str:
    """The cell in words, for those who do not see the picture."""
    grant = f"Policy: {cell.grant}. " if cell.grant else "Policy: denied. "
    if not cell.marks:
        return grant + "Not planned."
    return grant + " ".join(
        f"{RELATION_WORDS.get(mark.relation, mark.relation)}: {mark.words}."
        for mark in in_order(cell)
    )


def in_order(cell: Cell) -> tuple[Mark, ...]:
    """The marks of a cell in the order of the relations."""
    return tuple(cell.marks[relation] for relation in _ordered(set(cell.marks)))


def free_slots(cell: Cell, relations: tuple[str, ...]) -> int:
    """How many of the first relations have no mark in the cell."""
    return min(
        (place for place, name in enumerate(relations) if name in cell.marks),
        default=len(relations),
    )


def state_of(case: Case, verdict: Verdict) -> State:
    """The state that one judged case alone gives its place."""
    match verdict.outcome:
        case "fail":
            return _FAILED_KINDS.get(verdict.kind, "failure")
        case "pass":
            allowed = verdict.kind == "conform-allow" or (
                verdict.kind != "conform-deny" and case.expected == "allow"
            )
            return "granted" if allowed else "denied"
        case "not_claimed":
            return "not-claimed"
        case "not_tested":
            return "not-tested"
        case _:
            return "inconclusive"


def waiver_of(verdict: Verdict, accepted: Mapping[str, Waiver]) -> Waiver | None:
    """The waiver that stands beside a verdict: its case's, or one for each of its findings."""
    whole = accepted.get(verdict.case)
    if whole is not None:
        return whole
    found = [accepted.get(finding.id) for finding in verdict.findings]
    return found[0] if found and None not in found else None


def _mark(
    relation: str, judged: list[tuple[Case, Verdict]], accepted: Mapping[str, Waiver]
) -> Mark:
    # The plain case decides between allowed and denied: a variant (a tampered token, a closed
    # record) may rightly be refused where the plain request is granted.
    def rank(pair: tuple[Case, Verdict]) -> tuple[int, bool, int, str]:
        case, verdict = pair
        bare = state_of(case, verdict)
        waived = bare in ACCEPTABLE and waiver_of(verdict, accepted) is not None
        shown: State = "waived" if waived else bare
        return _grave(shown), case.variant is not None, _grave(bare), case.id

    case, verdict = min(judged, key=rank)
    state = state_of(case, verdict)
    waiver = waiver_of(verdict, accepted) if state in ACCEPTABLE else None
    return Mark(
        state=state if waiver is None else "waived",
        relation=relation,
        cases=len(judged),
        finding=next(iter(verdict.findings), None),
        beside=None if waiver is None else state,
        waiver=waiver,
    )


def _grave(state: State) -> int:
    return min(_RANKS[state], _RANKS["granted"]) if state == "denied" else _RANKS[state]


def _grant(run: Run, role: str, resource: str, operation: str) -> str:
    grants = (
        run.header.policy.get(single, {}).get(resource, {}).get(operation, "")
        for single in role.split(" + ")
    )
    return " or ".join(dict.fromkeys(grant for grant in grants if grant))


def _ordered(relations: set[str]) -> tuple[str, ...]:
    known = list(RELATION_WORDS)
    return tuple(
        sorted(relations, key=lambda name: (known.index(name) if name in known else 99, name))
    )
