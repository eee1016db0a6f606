"""What tells whether a hospital shows a defect, by the defect's name."""

from collections.abc import Callable
from typing import Any

Symptom = Callable[[Any], bool]
SYMPTOMS: dict[str, Symptom] = {}
TIMED: set[str] = set()


def shows(key: str, timed: bool = False) -> Callable[[Symptom], Symptom]:
    """Register a function that takes a House and tells whether it shows the defect `key`.

    `timed`: the house is in test mode, so that its clock can be set.
    """

    def register(symptom: Symptom) -> Symptom:
        SYMPTOMS[key] = symptom
        if timed:
            TIMED.add(key)
        return symptom

    return register
