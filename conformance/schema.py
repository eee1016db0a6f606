"""The building blocks of the target file: request templates, places in answers, names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, TypeVar

from jsonpath_rfc9535 import JSONPathError
from jsonpath_rfc9535 import compile as compile_path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

_METHODS = "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"
REQUEST = re.compile(rf"^({_METHODS}) (/\S*|\{{\S+)$")
PLACEHOLDER = re.compile(r"\{([a-z_][A-Za-z0-9_.:|+@ -]*)\}")


class Strict(BaseModel):
    """Unknown keys are errors: a misspelt key must never be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _extraction(value: str) -> str:
    source = value.split(" ~ ", 1)[0].strip()
    if source.startswith("$"):
        try:
            compile_path(source)
        except JSONPathError as error:
            raise ValueError(f"{source!r} is not a JSONPath (RFC 9535): {error}") from None
    elif not re.match(r"^(header|cookie|input):\S+$|^body$", source):
        raise ValueError(
            f"{value!r} says no place of an answer; write $.json.path, header:NAME, cookie:NAME, "
            "input:NAME (an HTML form field) or body, optionally followed by ' ~ REGEX'"
        )
    if " ~ " in value:
        _regex(value.split(" ~ ", 1)[1])
    return value


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is not a regular expression: {error}") from None
    return value


Extraction = Annotated[
    str,
    AfterValidator(_extraction),
    Field(description="$.json.path, header:NAME, cookie:NAME, input:NAME or body; then ' ~ REGEX'"),
]
Regex = Annotated[str, AfterValidator(_regex)]


def _path(value: str) -> str:
    if not value.startswith("$"):
        raise ValueError(f"{value!r} is not a JSONPath: it starts with $")
    return _extraction(value)


JsonPath = Annotated[str, AfterValidator(_path)]


def as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Status = Annotated[int, Field(ge=100, le=599)]
Statuses = Annotated[
    list[Status], BeforeValidator(as_list, json_schema_input_type=Status | list[Status])
]
Names = Annotated[list[str], BeforeValidator(as_list, json_schema_input_type=str | list[str])]


class Request(Strict):
    """A request template: method and path, at most one body, and what to take from the answer."""

    request: str = Field(description="METHOD /path, with {placeholders}")
    json_: Any = Field(default=None, alias="json")
    form: dict[str, Any] | None = None
    body: str | None = Field(default=None, description="raw body text")
    content_type: str | None = None
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    take: dict[str, Extraction] = {}
    tenancy: bool = Field(default=True, description="false: sent without what names the tenant")

    @field_validator("request")
    @classmethod
    def _method_and_path(cls, value: str) -> str:
        if not REQUEST.match(value):
            raise ValueError(f"{value!r} is not 'METHOD /path', like 'GET /patients/{{id}}'")
        return value

    @model_validator(mode="after")
    def _one_body(self) -> Request:
        given = [self.json_ is not None, self.form is not None, self.body is not None]
        if sum(given) > 1:
            raise ValueError("a request has one body: json, form or body")
        return self

    @property
    def method(self) -> str:
        return self.request.split(" ", 1)[0]

    @property
    def path(self) -> str:
        return self.request.split(" ", 1)[1]

    @cached_property
    def placeholders(self) -> frozenset[str]:
        """Names inside {braces} anywhere in the request, without filters."""
        parts = (self.path, self.json_, self.form, self.body, self.query, self.headers)
        found = {match for part in parts for match in _placeholders_of(part)}
        return frozenset(found)


R = TypeVar("R", bound=Request)


def changed(template: R, changes: Mapping[str, Any]) -> R:
    """The template with some of its fields replaced."""
    copy = template.model_copy(update=changes)
    copy.__dict__.pop("placeholders", None)  # of the one that was copied
    return copy


def placeholders_in(value: Any) -> set[str]:
    """Names inside {braces} anywhere in a template, without filters."""
    return set(_placeholders_of(value))


def _placeholders_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        for match in PLACEHOLDER.finditer(value):
            yield re.split(r"[|:]", match.group(1))[0]
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _placeholders_of(key)
            yield from _placeholders_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from _placeholders_of(item)


def short_request(value: Any) -> Any:
    return {"request": value} if isinstance(value, str) else value


Step = Annotated[Request, BeforeValidator(short_request, json_schema_input_type=str | Request)]


class Preparation(Request):
    """A request that somebody else makes so that a relation or a state comes true."""

    as_: Names = Field(default=[], alias="as")


class Paging(Strict):
    """How the next page of a list is asked for."""

    param: str | None = Field(default=None, description="query parameter that moves on")
    start: int | None = Field(default=None, description="first value, for numbered pages")
    step: int = Field(default=1, description="how far it moves on; several rows, or one page")
    cursor: Extraction | None = Field(default=None, description="where the next value is found")
    link: Extraction | None = Field(default=None, description="where the next URL is found")
    size: str | None = Field(default=None, description="query parameter for rows on a page")
    most: int | None = Field(default=None, ge=1, description="rows that a page never exceeds")

    @model_validator(mode="after")
    def _one_way(self) -> Paging:
        if self.link is None and self.param is None:
            raise ValueError("say 'link', or 'param' with 'cursor' or 'start'")
        if self.link is None and (self.cursor is None) == (self.start is None):
            raise ValueError("'param' goes with either 'cursor' or 'start'")
        return self
