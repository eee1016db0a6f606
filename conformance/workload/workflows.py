"""Workflows as the target file describes them, what is promised of them, and how they are run."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from conformance.races import Action, Preparing
from conformance.schema import Preparation, Statuses, Strict, short_request
from conformance.workload.objectives import Promise

ME = "me"
"""What the set-up of a workflow calls the persona who runs it."""


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return {"request" if " " in value else "do": value}
    return value


def _span(value: Any) -> Any:
    return [value, value] if isinstance(value, int | float) else value


Think = Annotated[
    tuple[
        Annotated[float, Field(ge=0, le=3600)],
        Annotated[float, Field(ge=0, le=3600)],
    ],
    BeforeValidator(_span, json_schema_input_type=float | list[float]),
]


class Arranged(Preparing):
    """One step of what has to be there before a workflow is run."""

    times: int = Field(
        default=1, ge=1, le=2000, description="so often; a run takes one of its records in turn"
    )


class Act(Action):
    """One step of a workflow: a request, and how long somebody thinks before it."""

    called: str | None = Field(default=None, description="the name of the record that it makes")
    think: Think = Field(
        default=(0.0, 0.0), description="seconds before the step, or [least, most]"
    )
    done: Statuses | None = Field(
        default=None, description="statuses that count as done; every 2xx and 3xx unless said"
    )


Step = Annotated[Act, BeforeValidator(_short, json_schema_input_type=str | Act)]
Arrangement = Annotated[Arranged, BeforeValidator(_short, json_schema_input_type=str | Arranged)]


class Objectives(Strict):
    """What is promised: service level objectives of each request of a workflow.

    Durations are seconds from the moment at which the request was meant to begin.
    """

    p95: float | None = Field(default=None, gt=0, description="seconds; 95 % are answered by then")
    p99: float | None = Field(default=None, gt=0, description="seconds; 99 % are answered by then")
    errors: float | None = Field(default=None, ge=0, lt=1, description="share of failed requests")
    throughput: float | None = Field(default=None, gt=0, description="workflows done per second")

    @model_validator(mode="after")
    def _some(self) -> Objectives:
        if not any(part is not None for part in (self.p95, self.p99, self.errors, self.throughput)):
            raise ValueError("say what is promised: p95, p99, errors or throughput")
        if self.p95 is not None and self.p99 is not None and self.p99 < self.p95:
            raise ValueError(
                f"p99 ({self.p99:g} s) is below p95 ({self.p95:g} s): were they exchanged?"
            )
        return self


def _weights(value: Any) -> Any:
    """Who does it, each as often as the others unless a number says so."""
    if isinstance(value, str):
        return {value: 1}
    if isinstance(value, list):
        return dict.fromkeys(value, 1)
    return value


class Workflow(Strict):
    """What people do in a row, how often it begins, and what is promised of it."""

    says: str | None = Field(default=None, description="what it is, in a few words")
    as_: Annotated[
        dict[str, Annotated[float, Field(gt=0)]],
        BeforeValidator(_weights, json_schema_input_type=str | list[str] | dict[str, float]),
    ] = Field(alias="as", min_length=1, description="roles or personas, each with its weight")
    setup: list[Arrangement] = Field(
        default=[], description="what each persona, who is called 'me', needs to be there"
    )
    steps: list[Step] = Field(min_length=1)
    rate: float = Field(gt=0, le=10_000, description="workflows begun per second, over all tenants")
    slo: Objectives


def promise(name: str, workflow: Workflow) -> Promise:
    """What the target file promises of the workflow of that name."""
    slo = workflow.slo
    says = workflow.says or name
    return Promise(name, says, workflow.rate, slo.p95, slo.p99, slo.errors, slo.throughput)


class Flood(Strict):
    """Who floods the target while the others' objectives have to hold."""

    tenant: str | None = Field(default=None, description="the first one unless said")
    workflow: str | None = Field(default=None, description="the first one unless said")
    users: int = Field(default=50, ge=1, le=10_000, description="each begins again at once")


Asking = Annotated[
    Preparation, BeforeValidator(short_request, json_schema_input_type=str | Preparation)
]


class Load(Strict):
    """How the workflows are run."""

    volume: list[Arrangement] = Field(
        default=[], description="what is there besides, made once for each tenant"
    )
    users: int = Field(
        default=60, ge=1, le=100_000, description="workflows under way at a time, at most"
    )
    ramp: list[Annotated[float, Field(gt=0, le=1000)]] = Field(
        default=[1, 2, 4], min_length=2, description="multiples of the rates, one after another"
    )
    spike: float = Field(default=5, gt=1, le=1000, description="multiple of the rates")
    recovers: float = Field(
        default=2, ge=0, le=600, description="seconds until all is well after a spike or a restart"
    )
    flood: Flood = Flood()
    pool: int = Field(
        default=20, ge=1, le=10_000, description="connections to the database; isolation takes more"
    )
    evict: Asking | None = Field(default=None, description="empties the caches of the target")
    grace: float = Field(
        default=1, ge=0, le=60, description="seconds for which an ended login may still be served"
    )

    @field_validator("ramp")
    @classmethod
    def _rises(cls, value: list[float]) -> list[float]:
        if value[0] != 1 or sorted(set(value)) != value:
            raise ValueError("a ramp begins with 1, the declared rate, and rises: [1, 2, 4]")
        return value
