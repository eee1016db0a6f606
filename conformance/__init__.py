"""Wardproof's engine: what a suite imports to say what must hold."""

from conformance import oracles, series, sources, trials
from conformance.harness import Harness
from conformance.model import Because, Case, Expected, Relation
from conformance.suite import alone, alone_where, cases, clauses, last
from conformance.target import ANONYMOUS

__version__ = "0.1.0"

__all__ = [
    "ANONYMOUS",
    "Because",
    "Case",
    "Expected",
    "Harness",
    "Relation",
    "__version__",
    "alone",
    "alone_where",
    "cases",
    "clauses",
    "last",
    "oracles",
    "series",
    "sources",
    "trials",
]
