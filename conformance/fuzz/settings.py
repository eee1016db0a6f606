"""The `fuzz` key of a target file: what is left out of fuzzing, each with its reason."""

from __future__ import annotations

import fnmatch
from typing import Annotated

from pydantic import Field

from conformance.schema import Strict

Reason = Annotated[str, Field(min_length=10, description="why, in some words")]

CHECKS = (
    "allow_header_conformance",
    "content_type_conformance",
    "ensure_resource_availability",
    "ignored_auth",
    "missing_required_header",
    "negative_data_rejection",
    "not_a_server_error",
    "object_level_authorization",
    "positive_data_acceptance",
    "response_headers_conformance",
    "response_schema_conformance",
    "status_code_conformance",
    "unsupported_method",
    "use_after_free",
)
"""Schemathesis' own checks, all on unless a target file says otherwise."""


class Fuzz(Strict):
    """What is left out of fuzzing. Without this key everything is tried."""

    off: dict[str, Reason | dict[str, Reason]] = Field(
        default={},
        description="checks of Schemathesis that do not fit, with the reason; or only for some "
        "operations: {CHECK: {METHOD /path: reason}}",
    )
    leave_out: dict[str, Reason] = Field(
        default={},
        description="operations as the API document writes them (METHOD /path, * matches anything)",
    )

    @property
    def unused(self) -> dict[str, str]:
        """The checks that are off for every operation, with the reason."""
        return {name: each for name, each in self.off.items() if isinstance(each, str)}

    def tolerates(self, check: str, label: str) -> bool:
        """Whether a check does not fit an operation (`METHOD /path`)."""
        reasons = self.off.get(check, {})
        if isinstance(reasons, str):
            return True
        return any(fnmatch.fnmatchcase(label, pattern) for pattern in reasons)
