"""Rows of faults: what is tried of a faulty system, and which rules its findings give."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A fault, the cases that are tried, and the rules of all findings that they then give."""

    fault: str
    cases: str
    rules: frozenset[str]


def row(fault: str, cases: str, rules: str) -> Row:
    """A row whose rules are written as words."""
    return Row(fault, cases, frozenset(rules.split()))
