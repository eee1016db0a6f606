"""GraphQL: operations, arguments that are ids of something, and queries as text. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import graphql
from graphql.language.print_string import print_string

from conformance.fuzz.matching import Known, Way, called, ends_like_an_id
from conformance.target import Operation, Target

SELECTED = (4, 2, 1)
"""How deep selections go; the next is tried where a target refuses the one before."""

_MOST_FIELDS = 80
_GENERIC = frozenset({"id", "ids", "uuid", "uuids", "key", "pk"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_ENDS_SESSION = re.compile(
    r"^(?:log|sign)_?(?:out|off)|^(?:revoke|end|close|destroy|invalidate)\w*(?:token|session)"
    r"|^(?:change|reset|set|update)\w*password|^(?:delete|close|disable)_?(?:my)?_?account$",
    re.IGNORECASE,
)
_SCALARS: Mapping[str, Any] = {
    "Int": 1,
    "Float": 1.5,
    "Boolean": True,
    "String": "wardproof",
    "ID": "wardproof",
    "date": "1984-05-17",
    "datetime": "1984-05-17T10:00:00Z",
    "timestamp": "1984-05-17T10:00:00Z",
    "time": "10:00:00Z",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "nobody@example.org",
    "url": "https://example.org/",
    "json": "{}",
    "long": 1,
    "bigint": 1,
    "decimal": "1.5",
}
_REMOVABLE = (
    graphql.ArgumentNode,
    graphql.FieldNode,
    graphql.InlineFragmentNode,
    graphql.ObjectFieldNode,
)
_STANDS_IN = "$wardproof-"


class Enum(str):
    """A value that is written without quotation marks."""


@dataclass(frozen=True)
class Place:
    """An argument, or a field of one: its name, its type, and whose id it holds if any's."""

    name: str
    type: str
    resource: str | None


Fill = Callable[[Place], Any]
"""What goes into a place; None for whatever fits."""


def built(data: Any) -> graphql.GraphQLSchema:
    """The schema that introspection describes. Raises GraphQLError, TypeError and others."""
    return graphql.build_client_schema(data)


def label_of(root: str, field: str) -> str:
    """How an operation is named: `query patients`, `mutation addNote`."""
    return f"{root} {field}"


def roots(schema: graphql.GraphQLSchema) -> Iterator[tuple[str, graphql.GraphQLObjectType]]:
    """(`query` or `mutation`, its type)."""
    for name, one in (("query", schema.query_type), ("mutation", schema.mutation_type)):
        if one is not None:
            yield name, one


def known(target: Target, schema: graphql.GraphQLSchema, path: str) -> list[Known]:
    """Every query and mutation, with the operations of the target file that send it."""
    sent = _sent(target, path)
    found = []
    for root, parent in roots(schema):
        for name in parent.fields:
            if name in {"_service", "_entities"}:
                continue
            label = label_of(root, name)
            found.append(
                Known(
                    label=label,
                    method="GET" if root == "query" else "POST",
                    path=path,
                    ways=tuple(sent.get(label, ())),
                    slots=(),
                    fields={},
                    query={},
                    media=("application/json",),
                    open=False,
                )
            )
    return found


def ends_session(label: str) -> bool:
    """Whether an operation ends the session, or changes the login, of whoever calls it."""
    return _ENDS_SESSION.search(label.partition(" ")[2]) is not None


def query_in(operation: Operation) -> str | None:
    """The query that an operation of the target file sends, if it is one of GraphQL."""
    body = operation.json_
    text = body.get("query") if isinstance(body, dict) else None
    return text if isinstance(text, str) else None


def _sent(target: Target, path: str) -> dict[str, list[Way]]:
    found: dict[str, list[Way]] = {}
    for resource, described in target.resources.items():
        for name, operation in described.operations.items():
            text = query_in(operation)
            if text is not None and path.endswith(operation.path.partition("?")[0]):
                for label in labels(text):
                    found.setdefault(label, []).append(Way(resource, name, ()))
    return found


def labels(text: str) -> list[str]:
    """The operations that a query asks for; none where it cannot be read."""
    document = parsed(text)
    return [
        label_of(one.operation.value, field.name.value)
        for one in (document.definitions if document else ())
        if isinstance(one, graphql.OperationDefinitionNode)
        for field in one.selection_set.selections
        if isinstance(field, graphql.FieldNode)
    ]


def parsed(text: object) -> graphql.DocumentNode | None:
    """A query as a tree; None where it is none."""
    if not isinstance(text, str):
        return None
    try:
        return graphql.parse(text, no_location=True)
    except (graphql.GraphQLError, RecursionError, UnicodeError):
        return None


def is_valid(schema: graphql.GraphQLSchema, text: object) -> bool:
    """Whether the schema allows a query."""
    document = parsed(text)
    try:
        return document is not None and not graphql.validate(schema, document, max_errors=1)
    except RecursionError:
        return False


# --- whose ids -----------------------------------------------------------------------------------


def place_of(target: Target, name: str, kind: str, holders: tuple[str, ...]) -> Place:
    """The place that an argument called `name` is, inside of what `holders` name.

    `id` is of what its holders say (`Patient`, `deletePatient`, `NoteInput`), nearest first;
    `patientId`, and `patient` where it is an ID, of what the name says.
    """
    if kind in {"Boolean", "Float"}:
        return Place(name, kind, None)
    resource = None
    if name.lower() in _GENERIC:
        resource = next(filter(None, (_spoken_of(target, one) for one in holders)), None)
    elif ends_like_an_id(name) or kind in {"ID", "UUID"}:
        resource = called(target, name)
    return Place(name, kind, resource)


def _spoken_of(target: Target, name: str) -> str | None:
    """The resource that a name like `deletePatient`, `patientById` or `PatientInput` speaks of."""
    words = _WORD.findall(name)
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1):
            resource = called(target, "".join(words[start : start + length]))
            if resource is not None:
                return resource
    return None


# --- writing queries -----------------------------------------------------------------------------


def written(
    target: Target,
    schema: graphql.GraphQLSchema,
    label: str,
    depth: int,
    fill: Fill,
    only: str | None = None,
    *,
    valid: bool = True,
) -> str | None:
    """A query that asks for all that an operation shows, with what `fill` gives as arguments.

    Arguments that may be left out are, but for ids and for the one called `only`. None where
    there is no `valid` one.
    """
    root, _, name = label.partition(" ")
    parent = dict(roots(schema)).get(root)
    field = parent.fields.get(name) if parent is not None else None
    if field is None:
        return None
    shown = graphql.get_named_type(field.type)
    holders = (shown.name, name)
    given = _arguments(target, field.args, holders, fill, only)
    selected = _selection(schema, shown, depth, (), [_MOST_FIELDS])
    call = ", ".join(f"{key}: {literal(value)}" for key, value in given.items())
    text = f"{root} {{ {name}{f'({call})' if call else ''}{selected} }}"
    return text if not valid or is_valid(schema, text) else _plain(schema, root, name, call, text)


def _plain(schema: graphql.GraphQLSchema, root: str, name: str, call: str, text: str) -> str | None:
    simple = f"{root} {{ {name}{f'({call})' if call else ''} {{ __typename }} }}"
    return next((one for one in (simple, text) if is_valid(schema, one)), None)


def places(target: Target, schema: graphql.GraphQLSchema, label: str) -> list[tuple[str, Place]]:
    """The top arguments of an operation by name, each with every place in it."""
    root, _, name = label.partition(" ")
    parent = dict(roots(schema)).get(root)
    field = parent.fields.get(name) if parent is not None else None
    found: list[tuple[str, Place]] = []
    for key, argument in (field.args if field else {}).items():
        assert field is not None

        def noted(place: Place, key: str = key) -> None:
            found.append((key, place))

        holders = (graphql.get_named_type(field.type).name, name)
        _worth(target, key, argument.type, holders, noted, everything=True)
    return found


def _arguments(
    target: Target,
    arguments: Mapping[str, graphql.GraphQLArgument],
    holders: tuple[str, ...],
    fill: Fill,
    only: str | None,
) -> dict[str, Any]:
    given = {}
    for name, argument in arguments.items():
        kind = graphql.get_named_type(argument.type).name
        wanted = name == only or place_of(target, name, kind, holders).resource is not None
        if graphql.is_required_argument(argument) or wanted:
            value = _worth(target, name, argument.type, holders, fill, everything=name == only)
            if value is not None:
                given[name] = value
    return given


def _worth(
    target: Target,
    name: str,
    kind: graphql.GraphQLInputType,
    holders: tuple[str, ...],
    fill: Fill,
    *,
    everything: bool,
    depth: int = 0,
) -> Any:
    if isinstance(kind, graphql.GraphQLNonNull):
        inner = kind.of_type
        return _worth(target, name, inner, holders, fill, everything=everything, depth=depth)
    if isinstance(kind, graphql.GraphQLList):
        inner = kind.of_type
        one = _worth(target, name, inner, holders, fill, everything=everything, depth=depth)
        return [] if one is None else [one]
    if isinstance(kind, graphql.GraphQLInputObjectType):
        found = {}
        for key, field in kind.fields.items():
            inside = (kind.name, *holders)
            about = place_of(target, key, graphql.get_named_type(field.type).name, inside)
            wanted = everything or about.resource is not None
            if depth < 3 and (graphql.is_required_input_field(field) or wanted):
                value = _worth(
                    target, key, field.type, inside, fill, everything=everything, depth=depth + 1
                )
                if value is not None:
                    found[key] = value
        return found
    if isinstance(kind, graphql.GraphQLEnumType):
        return Enum(next(iter(kind.values)))
    value = fill(place_of(target, name, kind.name, holders))
    if value is not None:
        return _as(kind.name, value)
    if kind.name in _SCALARS:
        return _SCALARS[kind.name]
    return _SCALARS.get(kind.name.lower(), "wardproof")


def _as(kind: str, value: Any) -> Any:
    """A value as the type writes it."""
    if kind == "Int" and isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    if kind in {"ID", "String"} and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def literal(value: Any) -> str:
    """A value as GraphQL writes it."""
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, str):
        return print_string(value)
    return json.dumps(value)


def _selection(
    schema: graphql.GraphQLSchema,
    kind: graphql.GraphQLNamedType,
    depth: int,
    above: tuple[str, ...],
    left: list[int],
) -> str:
    """All fields that need no argument, as deep as that; nothing for a scalar."""
    if isinstance(kind, graphql.GraphQLUnionType):
        parts = [
            f"... on {one.name}{_selection(schema, one, depth, above, left)}" for one in kind.types
        ]
        return " { __typename " + " ".join(parts) + " }"
    if not isinstance(kind, graphql.GraphQLObjectType | graphql.GraphQLInterfaceType):
        return ""
    found = []
    for name, field in kind.fields.items():
        inner = graphql.get_named_type(field.type)
        composite = graphql.is_composite_type(inner)
        if any(map(graphql.is_required_argument, field.args.values())) or left[0] <= 0:
            continue
        if composite and (depth <= 1 or inner.name in (*above, kind.name)):
            continue
        left[0] -= 1
        inside = _selection(schema, inner, depth - 1, (*above, kind.name), left)
        found.append(name + inside)
    if isinstance(kind, graphql.GraphQLInterfaceType):
        found.append("__typename")
    return " { " + (" ".join(found) or "__typename") + " }"


# --- changing queries ----------------------------------------------------------------------------


class _Filling(graphql.Visitor):
    """Puts what `fill` gives where ids stand."""

    def __init__(self, target: Target, info: graphql.TypeInfo, fill: Fill) -> None:
        super().__init__()
        self._target, self._info, self._fill = target, info, fill
        self._held: list[str] = []

    def enter_field(self, node: graphql.FieldNode, *_: Any) -> None:
        self._held = [node.name.value]

    def enter_argument(self, node: graphql.ArgumentNode, *_: Any) -> Any:
        argument, shown = self._info.get_argument(), self._info.get_type()
        field = self._info.get_field_def()
        if argument is None:
            return None
        holders = [graphql.get_named_type(shown or field.type).name] if field is not None else []
        return self._filled(node, node.name.value, argument.type, (*holders, *self._held))

    def enter_object_field(self, node: graphql.ObjectFieldNode, *_: Any) -> Any:
        kind, parent = self._info.get_input_type(), self._info.get_parent_input_type()
        if kind is None or parent is None:
            return None
        holders = (graphql.get_named_type(parent).name, *self._held)
        return self._filled(node, node.name.value, kind, holders)

    def _filled(self, node: Any, name: str, kind: Any, holders: tuple[str, ...]) -> Any:
        scalar = graphql.get_named_type(kind)
        place = place_of(self._target, name, scalar.name, holders)
        if place.resource is None or graphql.is_composite_type(scalar):
            return None
        if graphql.is_input_object_type(scalar):
            return None
        value = self._fill(place)
        if value is None:
            return None
        value = _as(scalar.name, value)
        many = isinstance(node.value, graphql.ListValueNode)
        if not many and not isinstance(node.value, graphql.StringValueNode | graphql.IntValueNode):
            return None
        text = literal([value] if many else value)
        return type(node)(name=node.name, value=graphql.parse_value(text, no_location=True))


def filled(target: Target, schema: graphql.GraphQLSchema, text: str, fill: Fill) -> str:
    """The query with what `fill` gives where ids stand."""
    document = parsed(text)
    if document is None:
        return text
    info = graphql.TypeInfo(schema)
    try:
        changed = graphql.visit(
            document, graphql.TypeInfoVisitor(info, _Filling(target, info, fill))
        )
    except RecursionError:
        return text
    return graphql.print_ast(changed)


class _Values(graphql.Visitor):
    """Every value of a query, replaced by what `change` says; None leaves it."""

    def __init__(self, change: Callable[[Any], Any]) -> None:
        super().__init__()
        self._change = change

    def enter_string_value(self, node: graphql.StringValueNode, *_: Any) -> Any:
        return self._change(node)

    def enter_int_value(self, node: graphql.IntValueNode, *_: Any) -> Any:
        return self._change(node)


def values(text: str) -> list[str]:
    """The texts and whole numbers in a query."""
    found: list[str] = []
    document = parsed(text)
    if document is not None:
        graphql.visit(document, _Values(lambda node: found.append(node.value)))
    return found


def replaced(text: str, change: Callable[[str], str | None]) -> str:
    """The query with other texts and whole numbers where `change` says so."""
    document = parsed(text)
    if document is None:
        return text

    def other(node: Any) -> Any:
        value = change(node.value)
        return None if value is None else type(node)(value=value)

    return graphql.print_ast(graphql.visit(document, _Values(other)))


def portable(text: Any, means: Callable[[str], bool]) -> Any:
    """A body in which what means something in one world only stands apart, under `ids`."""
    if not isinstance(text, str):
        return text
    ids: dict[str, Any] = {}

    def other(node: Any) -> Any:
        if not means(node.value):
            return None
        number = isinstance(node, graphql.IntValueNode)
        key = f"{_STANDS_IN}{'number' if number else 'text'}-{len(ids) + 1}"
        ids[key] = node.value
        return graphql.StringValueNode(value=key)

    document = parsed(text)
    if document is None:
        return text
    changed = graphql.visit(document, _Values(other))
    return {"query": graphql.print_ast(changed), "ids": ids} if ids else text


def local(body: Any) -> Any:
    """The other way round."""
    if not isinstance(body, dict) or not isinstance(body.get("ids"), dict):
        return body
    ids = body["ids"]

    def other(node: Any) -> Any:
        if node.value not in ids:
            return None
        number = "number" in node.value
        kind = graphql.IntValueNode if number else graphql.StringValueNode
        return kind(value=str(ids[node.value]))

    document = parsed(body.get("query"))
    if document is None:
        raise ValueError("this is no recipe: its query cannot be read")
    return graphql.print_ast(graphql.visit(document, _Values(other)))


class _Literally(graphql.Visitor):
    """Values in the place of variables."""

    def __init__(self, given: Mapping[str, Any], info: graphql.TypeInfo) -> None:
        super().__init__()
        self._given, self._info = given, info

    def enter_variable_definition(self, *_: Any) -> Any:
        return graphql.REMOVE

    def enter_variable(self, node: graphql.VariableNode, *_: Any) -> Any:
        kind = self._info.get_input_type()
        value = self._given.get(node.name.value)
        made = graphql.ast_from_value(value, kind) if kind is not None else None
        return made or graphql.parse_value(literal(value), no_location=True)


def literally(schema: graphql.GraphQLSchema, text: str, variables: Mapping[str, Any]) -> str:
    """A query without variables, and what they stand for in their place."""
    document = parsed(text)
    if document is None:
        return text
    info = graphql.TypeInfo(schema)
    try:
        changed = graphql.visit(
            document, graphql.TypeInfoVisitor(info, _Literally(variables, info))
        )
    except (graphql.GraphQLError, TypeError, ValueError):
        return text
    return graphql.print_ast(changed)


def smaller(text: str) -> Iterator[str]:
    """Queries that say less: a selection, an argument or a field of one left out, texts halved."""
    document = parsed(text)
    if document is None:
        return
    places: list[tuple[tuple[Any, ...], str]] = []

    class Places(graphql.Visitor):
        def enter(self, node: Any, _key: Any, _parent: Any, path: list[Any], *_: Any) -> None:
            if isinstance(node, _REMOVABLE):
                places.append(((*path,), "left out"))
            elif isinstance(node, graphql.StringValueNode) and len(node.value) > 1:
                places.append(((*path,), "halved"))

    graphql.visit(document, Places())
    places.sort(key=lambda one: len(one[0]))
    for path, what in places:
        if what == "left out":
            if len(path) <= 4:
                continue  # the operation itself
            yield _less(document, path, None)
        else:
            for half in (0, 1):
                yield _less(document, path, half)


def _less(document: graphql.DocumentNode, path: tuple[Any, ...], half: int | None) -> str:
    class Less(graphql.Visitor):
        def enter(self, node: Any, _key: Any, _parent: Any, at: list[Any], *_: Any) -> Any:
            if tuple(at) != path:
                return None
            if half is None:
                return graphql.REMOVE
            middle = len(node.value) // 2
            kept = node.value[:middle] if half == 0 else node.value[middle:]
            return graphql.StringValueNode(value=kept)

    return graphql.print_ast(graphql.visit(document, Less()))
