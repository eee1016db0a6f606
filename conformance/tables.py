"""Decision tables: what a standard scores, flags or advises, as data.

A table says which inputs there are, what each part gives for them, and what results from the parts
together. Numbers are decimals and stay exact.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from conformance.schema import Strict

Precision = Literal["reject", "half_up", "half_even", "floor", "ceiling", "truncate"]
Missing = Literal["refused", "incomplete", "partial"]


def exact(value: Any) -> Any:
    """A number as the decimal that it is written as; words, booleans and null as they are."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    if value is None or isinstance(value, str | bool | Decimal):
        return value
    raise ValueError(f"{value!r} is neither a number nor a word")


Value = Annotated[
    Any, BeforeValidator(exact, json_schema_input_type=str | int | float | bool | None)
]
Number = Annotated[Decimal, BeforeValidator(exact, json_schema_input_type=int | float)]


class Span(Strict):
    """From here to there: `from` and `to` are part of it, `above` and `below` are not."""

    from_: Number | None = Field(default=None, alias="from")
    to: Number | None = None
    above: Number | None = None
    below: Number | None = None

    @model_validator(mode="after")
    def _one_end_each(self) -> Span:
        if self.from_ is not None and self.above is not None:
            raise ValueError("a span begins with either 'from' or 'above'")
        if self.to is not None and self.below is not None:
            raise ValueError("a span ends with either 'to' or 'below'")
        return self

    def holds(self, value: Decimal) -> bool:
        """Whether `value` lies in it."""
        return not (
            (self.from_ is not None and value < self.from_)
            or (self.above is not None and value <= self.above)
            or (self.to is not None and value > self.to)
            or (self.below is not None and value >= self.below)
        )

    def ends(self, step: Decimal) -> tuple[Decimal | None, Decimal | None]:
        """The first and the last recordable value of it; None where it is open."""
        low = self.from_ if self.above is None else self.above + step
        high = self.to if self.below is None else self.below - step
        return low, high


class Band(Span):
    """What a part gives for values in a span."""

    gives: Value


def _condition(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    return [exact(one) for one in value] if isinstance(value, list) else [exact(value)]


Condition = Annotated[
    Span | list[Any],
    BeforeValidator(_condition, json_schema_input_type=str | int | bool | list[Any] | Span),
]
When = dict[str, Condition]


class Conversion(Strict):
    """The same quantity in another unit: value × times + plus."""

    times: Number = Decimal(1)
    plus: Number = Decimal(0)


class Input(Strict):
    """A quantity with a step, or a code with its values."""

    unit: str | None = None
    step: Number | None = Field(default=None, gt=0, description="the smallest recordable increment")
    plausible: tuple[Number, Number] | None = Field(
        default=None, description="first and last value that is accepted"
    )
    other_units: dict[str, Conversion] = Field(
        default={}, description="units that a bare number may be in by mistake"
    )
    values: list[str] = Field(default=[], description="the codes that there are")
    others: list[str] = Field(default=[], description="codes that must be refused")
    normal: Value = Field(description="a value of no concern")
    setting: bool = Field(default=False, description="belongs to the patient, not to the reading")

    @model_validator(mode="after")
    def _one_kind(self) -> Input:
        if bool(self.values) == (self.step is not None):
            raise ValueError("an input has either 'values' (codes) or a 'step' (a quantity)")
        if self.step is not None and self.plausible is None:
            raise ValueError("a quantity needs 'plausible', its first and last accepted value")
        if self.values and self.normal not in self.values:
            raise ValueError(f"'normal' is none of its values: {', '.join(self.values)}")
        return self


class Variant(Strict):
    """What a part gives while `when` holds."""

    name: str
    when: When
    bands: list[Band] = []
    values: dict[str, Value] = {}


class Part(Strict):
    """What one input gives, by bands or by code; by the first variant that fits if it has some."""

    of: str
    bands: list[Band] = []
    values: dict[str, Value] = {}
    variants: list[Variant] = []

    @model_validator(mode="after")
    def _one_way(self) -> Part:
        if sum(map(bool, (self.bands, self.values, self.variants))) != 1:
            raise ValueError("a part has either 'bands', 'values' or 'variants'")
        return self

    @cached_property
    def ways(self) -> list[Variant]:
        """Its variants; a part without some is one that always fits."""
        return self.variants or [Variant(name="", when={}, bands=self.bands, values=self.values)]


class Rule(Strict):
    """One line of a result: the first whose conditions hold decides."""

    when: When = {}
    then: Value


class Result(Strict):
    """What results from the parts, or from results before it."""

    sum: list[str] | Literal["all"] | None = None
    max: list[str] | Literal["all"] | None = None
    any: Value = Field(default=None, description="whether any part gives this")
    among: list[str] = Field(default=[], description="the parts that 'any' looks at; all")
    most: Number | None = Field(default=None, description="where a sum stops")
    first: list[Rule] = []

    @model_validator(mode="after")
    def _one_way(self) -> Result:
        given = (self.sum is not None, self.max is not None, self.any is not None, bool(self.first))
        if sum(given) != 1:
            raise ValueError("a result has one of 'sum', 'max', 'any' and 'first'")
        return self


class Source(Strict):
    """Where the numbers come from; `through` is what was read where the document itself was not."""

    document: str
    publisher: str
    year: int | None = None
    section: str
    through: str | None = None


class Vector(Strict):
    """A worked example, and why it is one."""

    id: str
    given: list[Value]
    parts: list[Value] = []
    results: dict[str, Value]
    why: str


class Vectors(Strict):
    """Worked examples; `columns` are the inputs that each gives, `parts` the order of its parts."""

    columns: list[str] = []
    parts: list[str] = []
    rows: list[Vector] = []


class Table(Strict):
    """A decision table."""

    table: str
    title: str
    note: str | None = None
    sources: list[Source] = Field(min_length=1)
    precision: Precision = "reject"
    missing: Missing = "refused"
    inputs: dict[str, Input] = Field(min_length=1)
    parts: dict[str, Part] = Field(min_length=1)
    results: dict[str, Result] = {}
    vectors: Vectors = Vectors()

    @property
    def outputs(self) -> tuple[str, ...]:
        """What a target can show of a decision."""
        return ("complete", *(f"parts.{name}" for name in self.parts), *self.results)

    @property
    def cited(self) -> str:
        """Its sources in one line."""
        return "; ".join(
            ", ".join(map(str, filter(None, (one.publisher, one.document, one.year, one.section))))
            for one in self.sources
        )


def given_by(table: Table, vector: Vector) -> dict[str, Any]:
    """All inputs of a worked example; what it leaves out is normal."""
    normal = {name: given.normal for name, given in table.inputs.items()}
    return {**normal, **dict(zip(table.vectors.columns, vector.given, strict=True))}
