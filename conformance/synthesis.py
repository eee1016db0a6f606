"""Synthetic values: what placeholders like {name} and {phone} become, canaries included."""

from __future__ import annotations

import contextlib
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from faker import Faker

from conformance.canary import Mint, Planted

if TYPE_CHECKING:
    from conformance.target import Target

Made = tuple[Any, str | None]
"""A value, and the marker in it if it carries one."""


class Synthesis:
    """Makes values; the same seed gives the same ones, but for what must be unique.

    `zones` are the tenants' own; `now` is the target's time, in UTC seconds.
    """

    def __init__(
        self,
        zones: Mapping[str, tzinfo],
        mint: Mint,
        seed: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._zones = zones
        self._mint = mint
        self._now = now
        self._faker = Faker("en_US")
        self._faker.seed_instance(seed)
        self._padding = ""
        start = self._instant().replace(minute=0, second=0, microsecond=0)
        # Workers and runs must not ask for the same slots.
        self._future = start + timedelta(days=30, hours=secrets.randbelow(5000))

    def _instant(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)

    @contextlib.contextmanager
    def long_texts(self) -> Iterator[None]:
        """While this lasts, {text} is some six thousand characters long."""
        self._padding = " ".join(self._faker.words(900))
        try:
            yield
        finally:
            self._padding = ""

    @property
    def long(self) -> bool:
        """Whether texts are long just now."""
        return bool(self._padding)

    def value(self, name: str, argument: str | None, place: Planted) -> Made:
        """The value of the placeholder `name` for the field of `place`; KeyError if unknown."""
        name = name.removeprefix("person.")
        if name in _TEXTS:
            marker = self._mint.token(place)
            text = _TEXTS[name](self._faker, marker)
            return (f"{text} {self._padding}" if self._padding and name == "text" else text), marker
        if name in _NUMBERS:
            marker = self._mint.number(place)
            return _NUMBERS[name] + marker, marker
        return self._plain(name, argument, place.tenant), None

    def _plain(self, name: str, argument: str | None, tenant: str) -> Any:
        if name == "given":
            return self._faker.first_name()
        if name == "birth_date":
            return self._faker.date_between("-90y", "-18y").isoformat()
        if name in {"today", "date"}:
            return self._instant().astimezone(self._zones.get(tenant, UTC)).date().isoformat()
        if name == "now":
            return _instant(self._instant())
        if name == "future":
            self._future += timedelta(hours=1)
            return _instant(self._future)
        if name == "int":
            low, _, high = (argument or "1-100").partition("-")
            return self._faker.random_int(int(low), int(high or low))
        if name == "uuid":
            return str(uuid.uuid4())
        raise KeyError(name)

    def similar(self, like: Any) -> Any:
        """An id of the same type and shape as `like`, made up."""
        text = str(like)
        try:
            uuid.UUID(text)
        except ValueError:
            pass
        else:
            made = str(uuid.uuid4())
            return made if "-" in text else made.replace("-", "")
        if isinstance(like, int) or text.isdigit():
            width = max(len(text) + 2, 7)
            number = self._faker.random_int(7 * 10 ** (width - 1), 8 * 10 ** (width - 1) - 1)
            return number if isinstance(like, int) else str(number)
        return "".join(
            self._faker.random_element("bcdfghjk")
            if sign.islower()
            else self._faker.random_element("BCDFGHJK")
            if sign.isupper()
            else str(self._faker.random_digit())
            if sign.isdigit()
            else sign
            for sign in text
        )


_TEXTS: Mapping[str, Callable[[Faker, str], str]] = {
    "canary": lambda _faker, marker: marker,
    "code": lambda _faker, marker: marker,
    "text": lambda faker, marker: f"{faker.sentence(nb_words=6)} {marker}",
    "name": lambda faker, marker: f"{faker.first_name()} {marker.capitalize()}",
    "family": lambda _faker, marker: marker.capitalize(),
    "email": lambda _faker, marker: f"{marker}@example.org",
}
_NUMBERS: Mapping[str, str] = {"phone": "+", "national_id": "", "number": ""}


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def planted_fields(target: Target) -> Iterator[tuple[str, str]]:
    """Every (resource, field) that a request of the target file fills."""
    for resource, described in target.resources.items():
        for operation in described.operations.values():
            for body in (operation.json_, operation.form, operation.query):
                for name in _keys(body):
                    yield resource, name


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from _keys(item)
