"""The `fuzz` key of a target file: what is left out of fuzzing, each with its reason."""

from __future__ import annotations

import fnmatch
from typing import Annotated, Any

from pydantic import Field, model_validator

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


GRAPHQL_CHECKS = (
    "negative_data_rejection",
    "not_a_server_error",
    "response_schema_conformance",
    "use_after_free",
)
"""Those that can be judged by a GraphQL schema, which does not say what a resolver may refuse."""

GRAPHQL = "graphql"
"""The variant of a case that is a campaign over GraphQL."""


class GraphQL(Strict):
    """Where GraphQL is spoken. A text is the endpoint, or a schema file beside the target file."""

    at: str = Field(default="/graphql", description="path, or URL on the target's origin")
    file: str | None = Field(
        default=None,
        description="the schema (SDL, or the answer to introspection), beside the target file; "
        "introspection without it",
    )

    @model_validator(mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return {"at" if value.startswith(("/", "http://", "https://")) else "file": value}


class Fuzz(Strict):
    """What else is fuzzed, and what is left out. Without this key everything is tried."""

    graphql: GraphQL | None = None

    off: dict[str, Reason | dict[str, Reason]] = Field(
        default={},
        description="checks of Schemathesis that do not fit, with the reason; or only for some "
        "operations: {CHECK: {METHOD /path: reason}}",
    )
    leave_out: dict[str, Reason] = Field(
        default={},
        description="operations as the API document writes them (METHOD /path, * matches "
        "anything), or of GraphQL (query patients, mutation add*)",
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
