"""How a suite says which cases its test is about, and for which clauses it gives evidence."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from conformance import cases as sources
from conformance.clauses import objection_to
from conformance.model import Case
from conformance.target import Target

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__wardproof_cases__"
_CITED = "__wardproof_clauses__"
_LAST = "__wardproof_last__"
_ALONE = "__wardproof_alone__"

SWEEP = "sweep"
"""The property of the cases that follow each suite; see the module of that name."""

Where = Callable[[Case], bool]


def cases(source: sources.Source, where: Where = lambda _case: True) -> Callable[[F], F]:
    """Run a test once for each case of `source` that fits `where`; it gets `case` and `harness`."""

    def mark(test: F) -> F:
        setattr(test, _ATTRIBUTE, (source, where))
        return test

    return mark


def clauses(*ids: str) -> Callable[[F], F]:
    """The clauses of fixtures/tables/clauses.yaml that a test with `cases` gives evidence for."""

    def mark(test: F) -> F:
        setattr(test, _CITED, (*ids, *cited_by(test)))
        return test

    return mark


def last(test: F) -> F:
    """Run a test when everything else of the run, whatever its suite, has been tried."""
    setattr(test, _LAST, True)
    return test


def is_last(test: object) -> bool:
    """Whether a test was marked with `last`."""
    return hasattr(test, _LAST)


def alone(test: F) -> F:
    """Run the cases of a test while no other case of the run is under way."""
    setattr(test, _ALONE, True)
    return test


def alone_where(where: Callable[[Target], bool]) -> Callable[[F], F]:
    """The same on targets for which `where` holds."""

    def mark(test: F) -> F:
        setattr(test, _ALONE, where)
        return test

    return mark


def is_alone(test: object, target: Target) -> bool:
    """Whether a test was marked with `alone`, for that target."""
    marked = getattr(test, _ALONE, False)
    return bool(marked(target)) if callable(marked) else bool(marked)


def cited_by(test: object) -> tuple[str, ...]:
    """The ids of the clauses that a test was marked with, in the order of its source."""
    ids: tuple[str, ...] = getattr(test, _CITED, ())
    return ids


def objections_to_clauses(test: object) -> list[str]:
    """Why a test cannot cite what it cites, one sentence for each such clause."""
    return [said for said in map(objection_to, cited_by(test)) if said]


def is_everywhere(test: object) -> bool:
    """Whether every shard of a run has to try a test's cases: they judge what that shard did."""
    return is_last(test) or getattr(test, "__name__", "") == f"test_{SWEEP}"


def has_cases(test: object) -> bool:
    """Whether a test was marked with `cases`."""
    return hasattr(test, _ATTRIBUTE)


def cases_of(
    test: Callable[..., Any], module: str, target: Target, profile: sources.Profile
) -> Iterator[Case]:
    """The cases of a test, with their ids, in the order of the target file."""
    source, where = getattr(test, _ATTRIBUTE)
    suite, name = property_of(test, module)
    found: Iterator[Case] = (case for case in source(target, profile) if where(case))
    if profile is sources.Profile.SMOKE and name != SWEEP:
        found = sources.smoke(found, by_role=source is sources.matrix)
    for case in found:
        yield sources.stamp(case, suite, name, sentence_of(test))


def property_of(test: Callable[..., Any], module: str) -> tuple[str, str]:
    """The suite of a test, and the name of the property it is about."""
    suite = module.rsplit(".", 1)[-1].removeprefix("test_")
    return suite, test.__name__.removeprefix("test_").replace("_", "-")


def sentence_of(test: Callable[..., Any]) -> str:
    """The first sentence of a test's docstring, which an auditor reads."""
    text = re.sub(r"\s+", " ", inspect.getdoc(test) or test.__name__).strip()
    return text.split(". ")[0].rstrip(".") + "."
