"""The driver over a GraphQL schema: Schemathesis' engine, for one persona."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext
from schemathesis.specs.graphql.schemas import GraphQLSchema
from schemathesis.specs.graphql.validation import SERVER_ERROR_MARKERS

from conformance.comparison import parsed
from conformance.fuzz import graph
from conformance.fuzz.drafts import Draft
from conformance.fuzz.driver import Driver
from conformance.fuzz.settings import GRAPHQL_CHECKS
from conformance.model import Exchange


class _Schema(GraphQLSchema):
    """A schema whose requests go over a channel of ours."""

    channel: Any

    @property
    def transport(self) -> Any:
        return self.channel


class GraphDriver(Driver):
    """One GraphQL schema, one persona. Drafts hold the query as their body."""

    def _loaded(self, config: SchemathesisConfig) -> Any:
        schema = schemathesis.graphql.from_dict(dict(self._document), config=config)
        schema.__class__ = _Schema
        return schema

    def _label(self, operation: Any) -> str:
        kind, _, field = str(operation.label).partition(".")
        schema = operation.schema.client_schema
        root = next((name for name, each in graph.roots(schema) if each.name == kind), "query")
        return graph.label_of(root, field)

    def _find(self, label: str) -> Any:
        root, _, field = label.partition(" ")
        kind = dict(graph.roots(self.schema.client_schema)).get(root)
        if kind is None or field not in kind.fields:
            return None
        return self.schema[kind.name][field]

    def _map_path(self, _context: HookContext, value: dict[str, Any]) -> dict[str, Any]:
        return value

    def _map_case(self, _context: HookContext, case: Case[Any]) -> Case[Any]:
        meta = case.meta
        wrong = meta is not None and meta.generation.mode.is_negative
        if self.phase != "stateful" and not wrong:
            case.body = self._steering.reshape(self.draft_of(case), frozenset()).body
        return case

    def _invalid(self, case: Case[Any]) -> frozenset[str]:
        valid = graph.is_valid(self.schema.client_schema, case.body)
        return frozenset() if valid else frozenset({"body"})

    def _counts(self, check: str, draft: Draft, exchange: Exchange) -> bool:
        answer = exchange.answer
        if answer is None or check not in GRAPHQL_CHECKS:
            return False
        if check == "not_a_server_error":
            return answer.status >= 500 or fails(exchange)
        if answer.status >= 400:
            return False
        if check == "negative_data_rejection":
            served = not errors(exchange) and isinstance(parsed(answer), dict)
            return served and not graph.is_valid(self.schema.client_schema, draft.body)
        return True


def errors(exchange: Exchange) -> list[Any]:
    """The errors that an answer lists; none where it is no answer of GraphQL."""
    data = parsed(exchange.answer) if exchange.answer is not None else None
    found = data.get("errors") if isinstance(data, dict) else None
    return found if isinstance(found, list) else []


def fails(exchange: Exchange) -> bool:
    """Whether the errors of an answer say themselves that the target failed.

    A resolver that refuses says so by an error too, so an error alone is no failure.
    """
    for one in errors(exchange):
        extensions = one.get("extensions") if isinstance(one, dict) else None
        if isinstance(extensions, dict) and SERVER_ERROR_MARKERS & {
            str(extensions.get("code")),
            str(extensions.get("classification")),
        }:
            return True
    return False


def served(exchange: Exchange) -> bool:
    """Whether an answer holds what was asked for, without an error."""
    data = parsed(exchange.answer) if exchange.answer is not None else None
    if not isinstance(data, dict) or data.get("errors"):
        return False
    found = data.get("data")
    return isinstance(found, dict) and any(value is not None for value in found.values())
