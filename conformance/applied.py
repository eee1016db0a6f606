"""How a target applies a decision table: where its requests take the inputs, and what shows."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from conformance.decision import Habits
from conformance.schema import JsonPath, Statuses, Strict
from conformance.tables import Input, Missing, Number, Part, Precision, Table, Variant, When

OPERATION = r"^[A-Za-z_][A-Za-z0-9_-]*\.[A-Za-z_][A-Za-z0-9_-]*$"
Named = Annotated[str, Field(pattern=OPERATION, description="RESOURCE.OPERATION")]


class Taken(Strict):
    """Where a request takes an input; of another operation if the input is set by one before."""

    field: str = Field(description="its name in the body or query; a dot goes one level down")
    operation: Named | None = Field(default=None, description="the operation that sets it")
    values: dict[str, Any] = Field(default={}, description="how the table's codes are written")
    text: bool = Field(default=False, description="numbers are sent as text")
    plausible: tuple[Number, Number] | None = Field(
        default=None, description="first and last accepted value, if not the table's"
    )
    initially: str | None = Field(default=None, description="what it is unless it is set")

    def written(self, value: Any) -> Any:
        """A value of the table as a request has it."""
        if isinstance(value, Decimal):
            if self.text:
                return f"{value:f}"
            return int(value) if value == value.to_integral_value() else float(value)
        return self.values.get(value, value) if isinstance(value, str) else value


def _words(value: Any) -> Any:
    """The keys as words: YAML reads true, false and null as something else."""
    if not isinstance(value, dict):
        return value
    spelt = {True: "true", False: "false", None: "null"}
    return {
        spelt[key] if key is None or isinstance(key, bool) else key: item
        for key, item in value.items()
    }


class Shown(Strict):
    """Where an output stands, and how the table's words are written there."""

    at: JsonPath
    values: Annotated[
        dict[str, Any],
        BeforeValidator(_words),
        Field(description="null: how it is written that nothing is decided"),
    ] = {}


def _named(key: str) -> Any:
    return lambda value: {key: value} if isinstance(value, str) else value


ShortTaken = Annotated[Taken, BeforeValidator(_named("field"), json_schema_input_type=str | Taken)]
ShortShown = Annotated[Shown, BeforeValidator(_named("at"), json_schema_input_type=str | Shown)]


class Place(Strict):
    """Another operation that shows the outputs: of one record, or in each row of a list."""

    operation: Named
    record: JsonPath = Field(default="$", description="the record in the answer, or in a row")
    id: JsonPath = Field(default="$.id", description="the record's id in a row")
    outputs: dict[str, ShortShown] = Field(default={}, description="if they stand elsewhere there")


class Ended(Strict):
    """How a row of the alerts shows that it no longer counts."""

    at: JsonPath
    values: list[Any] = Field(min_length=1)


class Alerts(Strict):
    """Who has to be told: the list in which an alert shows, and for which decisions it has to."""

    operation: Named = Field(description="the list of alerts")
    about: JsonPath = Field(description="the id of the record that a row is about")
    when: list[When] = Field(min_length=1, description="outputs for which there is an alert")
    shows: dict[str, ShortShown] = {}
    ended: Ended | None = None
    within: float = Field(default=0, ge=0, le=60, description="seconds until an alert shows")


class Applied(Strict):
    """A decision table as a target applies it."""

    table: str = Field(description="the name of a table, or a file beside the target file")
    operation: Named = Field(description="the operation that takes the inputs")
    inputs: dict[str, ShortTaken]
    fixed: dict[str, str] = Field(default={}, description="codes that this target always means")
    sends: dict[str, Any] = Field(default={}, description="further fields of the request")
    outputs: dict[str, ShortShown] = Field(min_length=1)
    answers: bool = Field(default=True, description="whether its own answer shows the outputs")
    places: Annotated[
        list[
            Annotated[
                Place, BeforeValidator(_named("operation"), json_schema_input_type=str | Place)
            ]
        ],
        Field(description="operations that show the outputs as well"),
    ] = []
    precision: Precision | None = None
    missing: Missing | None = None
    refused: Statuses = [400, 422]
    alerts: Alerts | None = None
    correction: Named | None = Field(default=None, description="replaces a wrong record")

    @model_validator(mode="after")
    def _shows(self) -> Applied:
        if not self.answers and not self.places:
            raise ValueError("without 'answers' it needs 'places' that show the outputs")
        return self

    def habits(self, table: Table) -> Habits:
        """What the target declares about values that a table does not define."""
        return Habits.of(table, self.precision, self.missing)

    def narrowed(self, table: Table) -> Table:
        """The table as far as this target takes its inputs, with its own plausible values."""
        inputs: dict[str, Input] = {}
        for name, described in table.inputs.items():
            taken, narrower = self.inputs.get(name), dict[str, Any]()
            if name in self.fixed:
                narrower = {"values": [self.fixed[name]], "normal": self.fixed[name]}
            elif taken is not None and taken.plausible is not None:
                narrower = {"plausible": taken.plausible}
            inputs[name] = described.model_copy(update=narrower)
        parts = {name: self._part(part) for name, part in table.parts.items()}
        return table.model_copy(update={"inputs": inputs, "parts": parts})

    def _part(self, part: Part) -> Part:
        if part.of in self.fixed and part.values:
            code = self.fixed[part.of]
            return Part(of=part.of, values={code: part.values[code]})
        left = [one for one in part.variants if self._can_be(one)]
        return Part(of=part.of, variants=left) if part.variants else part

    def _can_be(self, variant: Variant) -> bool:
        for name, code in self.fixed.items():
            codes = variant.when.get(name)
            if isinstance(codes, list) and code not in codes:
                return False
        return True
