"""The file in which people state what no run can show: attestations.yaml."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints

from conformance.document import Document, Problem
from conformance.schema import Strict

if TYPE_CHECKING:
    from reports.attestations import Attestations

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_Hash = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Item(Strict):
    """One statement by name, and the document that it rests on."""

    item: _Name = Field(description="what the certification profile asks for, by its name there")
    who: _Name = Field(description="who states it: a person and their function")
    when: dt.date = Field(description="the day on which it was signed")
    document: _Name = Field(description="where it is written: title, version, section")
    sha256: _Hash = Field(description="the SHA-256 of that document")
    file: _Name | None = Field(
        default=None,
        description="the document itself, beside this file; its hash is then compared",
    )
    says: str = ""


class NotClaimed(Strict):
    """Why the target does not claim a property."""

    property: Annotated[str, StringConstraints(pattern=r"^[a-z_]+\.[a-z0-9-]+$")] = Field(
        description="suite.property, as the report names them"
    )
    who: _Name
    when: dt.date
    reason: _Text


class File(Strict):
    """The whole file: what is stated of one version of one product."""

    schema_: Literal[1] = Field(alias="schema")
    product: _Name
    version: _Name
    attestations: list[Item] = Field(default=[])
    not_claimed: list[NotClaimed] = Field(default=[])


def load(path: Path) -> Attestations:
    """What the file states.

    Raises InvalidDocument with file, line and column of everything wrong: an unknown key, a
    missing name or day, an item twice, a document that is not the one of the hash.
    """
    from reports.attestations import Attestation, Attestations, Statement

    document = Document(path)
    read, problems = document.problems(File)
    if read is not None:
        problems += _objections(read, path.parent)
    if read is None or problems:
        raise document.report(problems)
    return Attestations(
        product=read.product,
        version=read.version,
        items=tuple(
            Attestation(
                item=one.item,
                who=one.who,
                when=one.when,
                document=one.document,
                sha256=one.sha256,
                says=one.says.strip(),
                place=document.cite(("attestations", index)),
            )
            for index, one in enumerate(read.attestations)
        ),
        not_claimed=tuple(
            Statement(
                suite=one.property.partition(".")[0],
                property=one.property.partition(".")[2],
                who=one.who,
                when=one.when,
                reason=one.reason,
                place=document.cite(("not_claimed", index)),
            )
            for index, one in enumerate(read.not_claimed)
        ),
    )


def _objections(read: File, folder: Path) -> Iterator[Problem]:
    items: set[str] = set()
    for index, one in enumerate(read.attestations):
        place = ("attestations", index)
        if one.item in items:
            yield Problem((*place, "item"), f"{one.item} was attested above")
        items.add(one.item)
        if one.file is not None:
            problem = _objection_to(folder / one.file, one.sha256)
            if problem:
                yield Problem((*place, "file"), problem)
    stated: set[str] = set()
    for index, other in enumerate(read.not_claimed):
        if other.property in stated:
            message = f"{other.property} was stated above"
            yield Problem(("not_claimed", index, "property"), message)
        stated.add(other.property)


def _objection_to(document: Path, sha256: str) -> str | None:
    try:
        with document.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"{document} cannot be read ({error.strerror or error})"
    if found != sha256:
        return f"{document} is not the document that was signed: its SHA-256 is {found}"
    return None
