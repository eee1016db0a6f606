"""The faults that the apothecary can be given, by name: one promise broken each."""

from __future__ import annotations

FAULTS = {
    "edge": "a clearance of 15 by mouth is advised like one below 15",
    "ways-alike": "the advice by vein is the one by mouth",
    "added-up": "concerns are added up, where the largest counts",
    "weight-forgotten": "the weight is not looked at",
    "word-wrong": "a concern of 1 is no reason to reduce",
    "cut-off": "a clearance between two steps is cut off, not rounded",
    "assumes": "who gives no weight weighs 70 kg",
    "anything": "a clearance that cannot be is taken",
    "kept": "what was refused is kept all the same",
    "list-stale": "the list shows the advice of the first request",
    "columns-swapped": "the list shows weight and clearance in each other's column",
    "oldest-first": "the list does not begin with what concerns most",
    "silent": "nobody is called when a drug has to be stopped",
    "calls-all": "somebody is called whatever the advice is",
    "calls-twice": "somebody is called twice",
    "keeps-advice": "a corrected request keeps its advice",
    "too-strict": "people over 150 kg are refused",
    "crashes": "a weight that is no number breaks it",
}


def checked(names: tuple[str, ...]) -> frozenset[str]:
    """The names as a set. Raises ValueError, since a misspelt fault would prove nothing."""
    unknown = sorted(set(names) - set(FAULTS))
    if unknown:
        raise ValueError(f"there is no fault {', '.join(unknown)}")
    return frozenset(names)
