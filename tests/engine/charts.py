"""A small decision table with every kind of part and result, as data and as a model."""

import copy
from typing import Any

from conformance.tables import Table

CHART: dict[str, Any] = {
    "table": "chart",
    "title": "A chart",
    "sources": [{"document": "d", "publisher": "p", "year": 2026, "section": "s"}],
    "missing": "incomplete",
    "inputs": {
        "level": {"step": 1, "plausible": [0, 100], "normal": 10},
        "way": {"values": ["slow", "fast"], "others": ["back"], "normal": "slow"},
    },
    "parts": {
        "level": {
            "of": "level",
            "variants": [
                {
                    "name": "slow",
                    "when": {"way": "slow"},
                    "bands": [
                        {"below": 5, "gives": 2},
                        {"from": 5, "below": 20, "gives": 0},
                        {"from": 20, "gives": 1},
                    ],
                },
                {
                    "name": "fast",
                    "when": {"way": "fast"},
                    "bands": [
                        {"to": 5, "gives": 2},
                        {"above": 5, "to": 20, "gives": 0},
                        {"above": 20, "gives": 1},
                    ],
                },
            ],
        },
        "way": {"of": "way", "values": {"slow": 0, "fast": 1}},
        "again": {"of": "level", "bands": [{"to": 50, "gives": 0}, {"from": 51, "gives": 2}]},
    },
    "results": {
        "total": {"sum": "all"},
        "alarm": {"any": 2},
        "word": {
            "first": [
                {"when": {"total": {"from": 4}}, "then": "run"},
                {"when": {"alarm": True}, "then": "walk"},
                {"then": "stay"},
            ]
        },
    },
}


def chart(**parts: Any) -> Table:
    """The table with some parts replaced; nested names with `__`."""
    data = copy.deepcopy(CHART)
    for name, value in parts.items():
        *above, last = name.split("__")
        place = data
        for key in above:
            place = place.setdefault(key, {})
        place[last] = value
    return Table.model_validate(data)
