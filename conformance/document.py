"""YAML documents whose errors name the place: every value remembers its file, line and column."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

Loc = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class InvalidDocument(Exception):
    """One or more problems in a YAML file; `str()` lists them all, each with file:line:column."""


@dataclass(frozen=True)
class Problem:
    """Something wrong at one place of a document."""

    loc: Loc
    message: str


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe loading in which only `true` and `false` are booleans (`no` is also a country)."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF")
)


class Document:
    """A YAML file read once: its plain `data`, and the place of everything in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise InvalidDocument(f"{path}: there is no such file") from None
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidDocument(f"{path}: cannot be read: {error}") from None
        try:
            self._root = yaml.compose(self._text, _Loader)
            self._duplicates = list(_duplicate_keys(self._root))
            self.data: Any = yaml.load(self._text, _Loader)  # noqa: S506 - a SafeLoader
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            shown = self._line(line)
            raise InvalidDocument(
                f"{path}:{line}:{column}: not valid YAML: {error.problem or error}\n    {shown}"
            ) from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise InvalidDocument(f"{path}:1:1: not valid YAML: {error}") from None

    def _line(self, number: int) -> str:
        lines = self._text.splitlines()
        return lines[number - 1].strip() if 0 < number <= len(lines) else ""

    def place(self, loc: Loc) -> tuple[int, int]:
        """Line and column (from 1) of the deepest part of `loc` that the file really has."""
        node, best = self._root, self._root
        for part in loc:
            if isinstance(node, yaml.MappingNode):
                hit = next((pair for pair in node.value if str(pair[0].value) == str(part)), None)
                if hit is None:
                    continue
                best, node = hit
            elif isinstance(node, yaml.SequenceNode):
                if not isinstance(part, int) or part >= len(node.value):
                    continue
                node = best = node.value[part]
        return (best.start_mark.line + 1, best.start_mark.column + 1) if best else (1, 1)

    def cite(self, loc: Loc) -> str:
        """`file:line` of `loc`, for messages that point at a setting."""
        return f"{self.path}:{self.place(loc)[0]}"

    def report(self, problems: Iterable[Problem]) -> InvalidDocument:
        """All `problems` as one exception, in the order of the file."""
        located = []
        for problem in problems:
            line, column = self.place(problem.loc)
            where = ".".join(str(part) for part in problem.loc if not _is_tag(part))
            text = f"{where}: {problem.message}" if where else problem.message
            located.append((line, column, f"{self.path}:{line}:{column}: {text}"))
        shown = []
        for line, _column, text in sorted(set(located)):
            shown.append(f"{text}\n    {self._line(line)}")
        count = len(shown)
        return InvalidDocument(
            "\n".join(shown) + f"\n{count} problem{'s' if count != 1 else ''} in {self.path}"
        )

    def substitute(
        self, environ: Mapping[str, str] = os.environ, *, required: bool = True
    ) -> frozenset[str]:
        """Replace `${NAME}` and `${NAME:-default}` in `data`; returns the values, as secrets.

        With `required=False` an unset variable stays as written.
        Raises InvalidDocument naming every unset variable and its place.
        """
        problems: list[Problem] = []
        secrets: set[str] = set()

        def fill(value: str, loc: Loc) -> str:
            def one(match: re.Match[str]) -> str:
                name, default = match.group(1), match.group(2)
                found = environ.get(name) or default
                if found is None:
                    if required:
                        problems.append(
                            Problem(
                                loc,
                                f"the environment variable {name} is not set; "
                                f"export {name}=... before the run",
                            )
                        )
                    return match.group(0)
                if name in environ:
                    secrets.add(found)
                return found

            return _VARIABLE.sub(one, value)

        self.data = _walk(self.data, fill, ())
        if problems:
            raise self.report(problems)
        return frozenset(secrets)

    def problems(self, model: type[M]) -> tuple[M | None, list[Problem]]:
        """The data as `model` (None if it does not fit), and everything wrong with it."""
        try:
            return model.model_validate(self.data), list(self._duplicates)
        except ValidationError as error:
            return None, [*self._duplicates, *_problems(error)]


def all_problems(found: Iterable[tuple[Document, list[Problem]]]) -> InvalidDocument | None:
    """The problems of several documents as one exception, None if there are none."""
    reports = [str(document.report(problems)) for document, problems in found if problems]
    return InvalidDocument("\n".join(reports)) if reports else None


def _is_tag(part: str | int) -> bool:
    return isinstance(part, str) and ("[" in part or part in {"str", "dict", "list", "int"})


def _duplicate_keys(node: Any, loc: Loc = ()) -> Iterable[Problem]:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                yield Problem((*loc, name), f"this key was already used on line {seen[name]}")
            seen.setdefault(name, key.start_mark.line + 1)
            yield from _duplicate_keys(value, (*loc, name))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _duplicate_keys(value, (*loc, index))


def _walk(value: Any, fill: Callable[[str, Loc], str], loc: Loc) -> Any:
    if isinstance(value, str):
        return fill(value, loc) if "${" in value else value
    if isinstance(value, dict):
        return {key: _walk(item, fill, (*loc, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_walk(item, fill, (*loc, index)) for index, item in enumerate(value)]
    return value


def _known_names() -> set[str]:
    names: set[str] = set()
    pending = list(BaseModel.__subclasses__())
    while pending:
        model = pending.pop()
        pending += model.__subclasses__()
        if model.__module__.startswith("conformance."):
            names |= {field.alias or name for name, field in model.model_fields.items()}
    return names


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing when nothing known is near."""
    near = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def _problems(error: ValidationError) -> Iterable[Problem]:
    for item in error.errors():
        loc: Loc = tuple(item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            word = str(loc[-1])
            known = _known_names()
            elsewhere = "; it belongs elsewhere in the file"
            message = f"unknown key {word!r}{elsewhere if word in known else meant(word, known)}"
        elif item["type"] == "missing":
            message = "required, but not there"
        yield Problem(loc, message)
