"""A chart: a tiny system with patients and notes of two towns, read and written by GraphQL.

`make(FAULT...)` is an ASGI application, in memory; its sound build keeps every promise of
`target.yaml`. Patients are entered by a few REST operations.
"""

from __future__ import annotations

import itertools
import json
import traceback
from typing import Any

import graphql
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Row = dict[str, Any]
PEOPLE = {f"{role}.{town}" for role in ("nurse", "porter") for town in ("east", "west")}
FAULTS = {
    "other-town": "a patient of the other town is shown to whoever knows the id",
    "other-town-inside": "the notes of a patient of the other town are shown by a filter",
    "shows-all": "a porter is shown what his mask hides",
    "tells-inside": "an error shows its stack trace",
    "breaks-on-empty": "a search for nothing is answered with 500",
    "fails-on-many": "a request for the most that fits a number fails inside",
    "writes-abroad": "a note is written to a patient of the other town",
    "null-for-name": "patients have no name, which the schema rules out",
    "any-type": "what the schema rules out is answered all the same",
    "hides-schema": "introspection is switched off",
    "serves-nobody": "every query is refused",
}
SCHEMA = """
type Query {
  patient(id: ID!): Patient
  patients(first: Int = 50, named: String): [Patient!]!
  notes(filter: NoteFilter!): [Note!]!
}
type Mutation {
  addNote(patientId: ID!, text: String!): Note!
  logOut: Boolean!
}
input NoteFilter { patientId: ID!  words: String }
type Patient { id: ID!  name: String!  history: String  notes: [Note!]! }
type Note { id: ID!  text: String!  patient: Patient! }
"""


class Refused(graphql.GraphQLError):
    """A refusal, with its code."""

    def __init__(self, code: str, told: str) -> None:
        super().__init__(told, extensions={"code": code})


class Chart:
    """What is kept, and the faults. Resolvers are methods; what they show are plain rows."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        unknown = sorted(set(faults) - set(FAULTS))
        if unknown:
            raise ValueError(f"there is no fault {', '.join(unknown)}")
        self.faults = frozenset(faults)
        self.ids = itertools.count(1)
        self.patients: dict[str, Row] = {}
        self.notes: dict[str, Row] = {}

    def enter(self, key: str, body: Row) -> Row:
        row = {"id": f"p{next(self.ids)}", "town": key.partition(".")[2], **body}
        self.patients[row["id"]] = row
        return row

    def found(self, key: str, number: str, fault: str = "") -> Row:
        row = self.patients.get(number)
        abroad = row is not None and row["town"] != key.partition(".")[2]
        if row is None or (abroad and fault not in self.faults):
            raise Refused("NOT_FOUND", "there is no such patient")
        return row

    def write(self, number: str, text: str) -> Row:
        row = {"id": f"n{next(self.ids)}", "patient": number, "text": text}
        self.notes[row["id"]] = row
        return row

    def notes_of(self, number: str) -> list[Row]:
        return [row for row in self.notes.values() if row["patient"] == number]


def make(*names: str) -> Any:
    """The application; without faults it is sound."""
    chart = Chart(names)
    schema = graphql.build_schema(SCHEMA)

    def nurse(info: Any) -> str:
        key: str = info.context
        if not key.startswith("nurse."):
            raise Refused("FORBIDDEN", "not you")
        return key

    def shown(row: Row, key: str) -> Row:
        hidden = key.startswith("porter.") and "shows-all" not in chart.faults
        broken = "null-for-name" in chart.faults
        return {
            "id": row["id"],
            "name": None if broken else row["name"],
            "history": None if hidden else row["history"],
            "notes": lambda info: [noted(one) for one in chart.notes_of(one_of(nurse(info), row))],
        }

    def one_of(_key: str, row: Row) -> str:
        return str(row["id"])

    def noted(row: Row) -> Row:
        return {
            **row,
            "patient": lambda info: shown(chart.patients[row["patient"]], info.context),
        }

    def patient(_root: Any, info: Any, id: str) -> Row:
        return shown(chart.found(info.context, id, "other-town"), info.context)

    def patients(
        _root: Any, info: Any, first: int | None = 50, named: str | None = None
    ) -> list[Row]:
        first = 50 if first is None else first
        if first < 0:
            raise Refused("BAD_USER_INPUT", "less than none")
        if named == "" and "breaks-on-empty" in chart.faults:
            raise MemoryError
        if "fails-on-many" in chart.faults and first > 1_000_000:
            raise Refused("INTERNAL_SERVER_ERROR", "something went wrong")
        town = info.context.partition(".")[2]
        mine = [row for row in chart.patients.values() if row["town"] == town]
        return [shown(row, info.context) for row in mine if (named or "") in row["name"]][:first]

    def notes(_root: Any, info: Any, filter: Row) -> list[Row]:
        row = chart.found(nurse(info), filter["patientId"], "other-town-inside")
        words = filter.get("words") or ""
        return [noted(one) for one in chart.notes_of(row["id"]) if words in one["text"]]

    def add_note(_root: Any, info: Any, patientId: str, text: str) -> Row:  # noqa: N803
        if not text:
            raise Refused("BAD_USER_INPUT", "there is nothing to write")
        row = chart.found(nurse(info), patientId, "writes-abroad")
        return noted(chart.write(row["id"], text))

    assert schema.query_type is not None
    assert schema.mutation_type is not None
    for name, resolver in (("patient", patient), ("patients", patients), ("notes", notes)):
        schema.query_type.fields[name].resolve = resolver
    schema.mutation_type.fields["addNote"].resolve = add_note
    schema.mutation_type.fields["logOut"].resolve = lambda *_: True

    def told(error: graphql.GraphQLError) -> dict[str, Any]:
        found: dict[str, Any] = dict(error.formatted)
        cause = error.original_error
        if "tells-inside" in chart.faults and error.path:
            trace = "".join(traceback.format_exception(error))
            found["extensions"] = {**(error.extensions or {}), "trace": trace}
        null = "null for non-null" in error.message
        if cause is not None and not isinstance(cause, Refused) and not null:
            found["message"] = "something went wrong"
            found.setdefault("extensions", {})["code"] = "INTERNAL_SERVER_ERROR"
        return found

    def allowed(text: str) -> bool:
        try:
            return not graphql.validate(schema, graphql.parse(text))
        except graphql.GraphQLError:
            return True

    async def ask(request: Request) -> Response:
        key = request.headers.get("X-Key", "")
        if key not in PEOPLE:
            return JSONResponse({"errors": [{"message": "who are you?"}]}, 401)
        try:
            body = json.loads(await request.body())
            text, given = body["query"], body.get("variables")
            text.encode()
        except (ValueError, KeyError, TypeError, AttributeError):
            return JSONResponse({"errors": [{"message": "that is no query"}]}, 400)
        if "serves-nobody" in chart.faults:
            return JSONResponse({"data": None, "errors": [{"message": "not here"}]})
        if "hides-schema" in chart.faults and "__schema" in text:
            return JSONResponse({"errors": [{"message": "not here"}]}, 400)
        if "any-type" in chart.faults and not allowed(text):
            return JSONResponse({"data": {"patients": []}})
        result = graphql.graphql_sync(schema, text, context_value=key, variable_values=given)
        errors = result.errors or []
        if any(isinstance(one.original_error, MemoryError) for one in errors):
            return JSONResponse({"errors": [{"message": "something went wrong"}]}, 500)
        answer: Row = {"data": result.data}
        if errors:
            answer["errors"] = [told(one) for one in errors]
        return JSONResponse(answer)

    def keyed(request: Request) -> str | Response:
        key = request.headers.get("X-Key", "")
        return key if key in PEOPLE else JSONResponse({"detail": "who are you?"}, 401)

    def plain(row: Row, key: str) -> Row:
        hidden = {"town"} | ({"history"} if key.startswith("porter.") else set())
        return {name: value for name, value in row.items() if name not in hidden}

    async def entered(request: Request) -> Response:
        key = keyed(request)
        if isinstance(key, Response):
            return key
        if request.method == "GET":
            town = key.partition(".")[2]
            mine = [row for row in chart.patients.values() if row["town"] == town]
            return JSONResponse([plain(row, key) for row in mine])
        if not key.startswith("nurse."):
            return JSONResponse({"detail": "not you"}, 403)
        body = json.loads(await request.body())
        row = chart.enter(key, {"name": body["name"], "history": body["history"]})
        return JSONResponse(plain(row, key), 201)

    async def read(request: Request) -> Response:
        key = keyed(request)
        if isinstance(key, Response):
            return key
        try:
            row = chart.found(key, request.path_params["id"])
        except Refused as refused:
            return JSONResponse({"detail": refused.message}, 404)
        return JSONResponse(plain(row, key))

    async def written(request: Request) -> Response:
        key = keyed(request)
        if isinstance(key, Response):
            return key
        if not key.startswith("nurse."):
            return JSONResponse({"detail": "not you"}, 403)
        try:
            row = chart.found(key, request.path_params["id"])
        except Refused as refused:
            return JSONResponse({"detail": refused.message}, 404)
        if request.method == "GET":
            return JSONResponse(chart.notes_of(row["id"]))
        body = json.loads(await request.body())
        return JSONResponse(chart.write(row["id"], body["text"]), 201)

    return Starlette(
        routes=[
            Route("/graphql", ask, methods=["POST"]),
            Route("/patients", entered, methods=["GET", "POST"]),
            Route("/patients/{id}", read, methods=["GET"]),
            Route("/patients/{id}/notes", written, methods=["GET", "POST"]),
        ]
    )
