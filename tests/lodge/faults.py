"""The faults that the lodge can be given, by name: one promise broken each."""

from __future__ import annotations

FAULTS = {
    # After a crash
    "answers-first": "a bill is answered as made, and written a moment later",
    "tells-later": "a stay is written at once, and the housekeeping told a moment later",
    "entries-later": "what was done is entered in the trail a moment later",
    # The books
    "report-skips": "the report leaves the first bill out",
    "report-rounds": "the report adds amounts up as binary fractions",
    "orphans": "a stay is written under a guest that there is none of",
    "crowded": "the list of stays shows one of them under another's room",
    "count-lags": "the report counts what there was when it was last asked",
    # No fault, but nothing to go by
    "restless": "the report counts another number each time",
}


def checked(names: tuple[str, ...]) -> frozenset[str]:
    """The names, if there are such faults."""
    unknown = set(names) - set(FAULTS)
    assert not unknown, f"no such fault: {', '.join(sorted(unknown))}"
    return frozenset(names)
