"""Writes that must outlive a crash, and what must follow from them, as the target file says it."""

from __future__ import annotations

from pydantic import Field, model_validator

from conformance.races import Action, Prepared, Reading
from conformance.schema import Strict


class Durable(Strict):
    """One kind of write, and what must follow from it."""

    says: str | None = Field(default=None, description="what is written, in a few words")
    tenant: str | None = Field(default=None, description="the first one unless said")
    setup: list[Prepared] = Field(default=[], description="what the writes have in common")
    before: list[Prepared] = Field(default=[], description="set-up that each write has for itself")
    write: Action = Field(description="a create operation, 'do: RESOURCE.OPERATION'")
    follows: dict[str, Reading] = Field(
        default={}, description="what must be there with it; {id} is the record that was made"
    )
    settles: float = Field(
        default=0, ge=0, le=30, description="seconds that what follows may take after a restart"
    )

    @model_validator(mode="after")
    def _creates(self) -> Durable:
        if self.write.do is None:
            raise ValueError("'write' names a create operation: 'do: RESOURCE.OPERATION'")
        return self
