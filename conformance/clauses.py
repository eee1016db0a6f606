"""Clauses of laws, standards and lists of risks that a suite's tests can give evidence for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from conformance.document import Document, Problem, meant
from conformance.home import HOME

PATH = HOME / "fixtures" / "tables" / "clauses.yaml"
_STRICT = ConfigDict(extra="forbid")

Evidence = Literal["direct", "partial", "attestation-only"]


@dataclass(frozen=True)
class Framework:
    """Where clauses come from: a law, a standard, a list of risks."""

    name: str
    version: str
    source: str
    license: str
    note: str = ""

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class Clause:
    """One clause; `meaning` is in our own words.

    `evidence` says how far a run can show it, `families` which kinds of tests do, `verified` how
    its reference and title were checked against the issuer's text.
    """

    id: str
    framework: str
    ref: str
    title: str
    meaning: str
    evidence: Evidence
    families: tuple[str, ...]
    tier: Literal["core", "extended"]
    verified: Literal["primary", "corroborated", "secondary", "unverified"]

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class Table:
    """Every clause by id, and every framework by id, both in the order of the file."""

    frameworks: Mapping[str, Framework]
    clauses: Mapping[str, Clause]


class _File(BaseModel):
    model_config = _STRICT

    schema_: Literal[1] = Field(alias="schema")
    legend: dict[str, dict[str, str]]
    frameworks: dict[str, Framework]
    clauses: list[Clause]


@lru_cache
def load(path: Path = PATH) -> Table:
    """The table in `path`.

    Raises InvalidDocument with file, line and column of everything wrong: an unknown value or
    key, an id twice, an id that is not `framework:ref`, a framework that is not described.
    """
    document = Document(path)
    read, problems = document.problems(_File)
    if read is not None:
        problems += _misnamed(read)
    if read is None or problems:
        raise document.report(problems)
    return Table(read.frameworks, {clause.id: clause for clause in read.clauses})


def _misnamed(read: _File) -> Iterable[Problem]:
    seen: set[str] = set()
    for index, clause in enumerate(read.clauses):
        if clause.framework not in read.frameworks:
            hint = meant(clause.framework, read.frameworks)
            message = f"no framework {clause.framework!r} is described above{hint}"
            yield Problem(("clauses", index, "framework"), message)
        elif clause.id != f"{clause.framework}:{clause.ref}":
            message = f"must be framework:ref, which is {clause.framework}:{clause.ref}"
            yield Problem(("clauses", index, "id"), message)
        if clause.id in seen:
            yield Problem(("clauses", index, "id"), f"a second clause {clause.id}")
        seen.add(clause.id)


def objection_to(cited: str) -> str | None:
    """Why a test cannot cite this clause, in words; None if it can."""
    clauses = load().clauses
    if cited not in clauses:
        return f"{PATH} has no clause {cited!r}{meant(cited, clauses)}"
    if clauses[cited].evidence == "attestation-only":
        return f"the clause {cited} is for the vendor to state; no test gives evidence for it"
    return None


def record(cited: Mapping[tuple[str, str], Sequence[str]]) -> dict[str, Any]:
    """The ledger's record: the whole table, each clause with the properties that cite it.

    `cited` has the clauses of each planned property, which is named by its suite and itself.
    """
    table = load()
    left_out = {"families"}
    return {
        "frameworks": [
            {"id": name, "name": framework.name, "version": framework.version}
            for name, framework in table.frameworks.items()
        ],
        "clauses": [
            {key: value for key, value in asdict(clause).items() if key not in left_out}
            | {"properties": [list(place) for place, ids in cited.items() if clause.id in ids]}
            for clause in table.clauses.values()
        ],
    }
