"""What tells whether a hospital shows a defect, by the defect's name."""

from collections.abc import Callable
from typing import Any

Symptom = Callable[[Any], bool]
SYMPTOMS: dict[str, Symptom] = {}


def shows(key: str) -> Callable[[Symptom], Symptom]:
    """Register a function that takes a House and tells whether it shows the defect `key`."""

    def register(symptom: Symptom) -> Symptom:
        SYMPTOMS[key] = symptom
        return symptom

    return register
