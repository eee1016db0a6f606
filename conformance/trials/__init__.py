"""Trials: how one case is tried. Each function here sends what a case needs and judges nothing.

The attempt comes before the control, so that a permitted write cannot remove the record from
under the denied one. A writing case has an instance of its own.
"""

from conformance.trials import (
    assignment,
    clinical,
    concurrency,
    custody,
    day_boundary,
    durability,
    duties,
    fuzz,
    guesses,
    hidden,
    invariants,
    invention,
    limits,
    odd,
    properties,
    reconciliation,
    rights,
    sessions,
    tokens,
    trail,
    transport,
)
from conformance.trials.errors import at_large, error
from conformance.trials.ids import batch, body_id, foreign, reference, wrong_parent
from conformance.trials.matrix import attempt
from conformance.trials.pages import PAGE_LIMIT, walk
from conformance.trials.series import (
    PAIRS,
    Identifiers,
    Listing,
    Timing,
    counting,
    cursor,
    gathered,
    identifiers,
    listing,
    search,
    timing,
)
from conformance.trials.setting import Setting, convention

__all__ = [
    "PAGE_LIMIT",
    "PAIRS",
    "Identifiers",
    "Listing",
    "Setting",
    "Timing",
    "assignment",
    "at_large",
    "attempt",
    "batch",
    "body_id",
    "clinical",
    "concurrency",
    "convention",
    "counting",
    "cursor",
    "custody",
    "day_boundary",
    "durability",
    "duties",
    "error",
    "foreign",
    "fuzz",
    "gathered",
    "guesses",
    "hidden",
    "identifiers",
    "invariants",
    "invention",
    "limits",
    "listing",
    "odd",
    "properties",
    "reconciliation",
    "reference",
    "rights",
    "search",
    "sessions",
    "timing",
    "tokens",
    "trail",
    "transport",
    "walk",
    "wrong_parent",
]
