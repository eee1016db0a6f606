"""Requests that must end in an error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from conformance import policy
from conformance.comparison import leaves
from conformance.doors import doors
from conformance.instances import NotBuilt
from conformance.model import Case, Message, Outcome, Trial
from conformance.target import ANONYMOUS
from conformance.template import Unfilled, render
from conformance.trials.doors import knock
from conformance.trials.setting import Setting, permitted, send
from conformance.world import World

_ODD = ("'\"<odd>\\", "9" * 400, "%00")
_BROKEN = ('{"wardproof": ', "[]", "\x00")
_WRONG: tuple[Any, ...] = ({"wardproof": ["wrong"]}, "wardproof-wrong-\ud7ff", -1e308)
_LEAVES = 8


def error(world: World, case: Case) -> list[Trial]:
    """Requests that must end in an error, each unlike a right one in one place."""
    variants = {
        "odd-id": _odd_ids,
        "missing-id": _missing_id,
        "broken-body": _broken_bodies,
        "wrong-types": _wrong_types,
        "sent-twice": _sent_twice,
        "no-login": _no_login,
    }
    requests = variants[case.variant or ""](permitted(world, case), world)
    trials = []
    setting = permitted(world, case)
    for given in requests:
        persona = given.pop("persona", setting.persona)
        read, _ = send(world, setting, persona, "attempt", **given)
        trials.append(Trial(case=case, attempt=read))
        if read.outcome is Outcome.ALLOWED and setting.writes:
            setting = permitted(world, case) if case.variant != "sent-twice" else setting
    return trials


def _with_id(setting: Setting, value: Any) -> dict[str, Any]:
    if setting.instance is None:
        return {}
    ghost = replace(setting.instance, id=value)
    return {"lineage": {**setting.lineage, ghost.resource: ghost}, "ids": [value]}


def _odd_ids(setting: Setting, _world: World) -> list[dict[str, Any]]:
    return [_with_id(setting, odd) for odd in _ODD]


def _missing_id(setting: Setting, world: World) -> list[dict[str, Any]]:
    if setting.instance is None:
        return []
    made_up = world.never_existed(setting.instance.resource, setting.instance.id)
    return [_with_id(setting, made_up)]


def _broken_bodies(setting: Setting, _world: World) -> list[dict[str, Any]]:
    update = {"json_": None, "content_type": "application/json"}
    return [
        {"template": setting.operation.model_copy(update={**update, "body": body})}
        for body in _BROKEN
    ]


def _wrong_types(setting: Setting, _world: World) -> list[dict[str, Any]]:
    body = setting.operation.json_
    filled = [path for path, leaf in leaves(body) if isinstance(leaf, str) and "{" in leaf]
    paths = filled or [path for path, _leaf in leaves(body)]
    return [
        {"template": setting.operation.model_copy(update={"json_": _put(body, path, wrong)})}
        for path in paths[:_LEAVES]
        for wrong in _WRONG
    ]


def _put(value: Any, path: str, wrong: Any, here: str = "$") -> Any:
    """`value` with what stands at `path` replaced."""
    if here == path:
        return wrong
    if isinstance(value, dict):
        return {key: _put(item, path, wrong, f"{here}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_put(item, path, wrong, f"{here}[{index}]") for index, item in enumerate(value)]
    return value


def _sent_twice(setting: Setting, world: World) -> list[dict[str, Any]]:
    """The very same values again: what is unique clashes, what is done cannot be done."""
    ids = [setting.instance.id] if setting.instance else []
    payload = world.payload(
        setting.persona, setting.resource, setting.tenant, setting.lineage, ids=ids
    )
    try:
        body = render(setting.operation.json_, payload.lookup)
    except Unfilled as missing:
        raise NotBuilt(f"{setting.resource}.{setting.name}: {missing}") from None
    template = setting.operation.model_copy(update={"json_": body})
    return [{"template": template}, {"template": template}]


def _no_login(_setting: Setting, _world: World) -> list[dict[str, Any]]:
    return [{"persona": ANONYMOUS}]


def at_large(world: World, case: Case) -> list[Trial]:
    """Errors that are nobody's in particular: no such path, no such method, no login."""
    requests = [("GET", "/wardproof/no-such-path"), ("DELETE", "/")]
    found = []
    for method, path in requests:
        message = Message(method, world.wire.url(path), (("Accept", "*/*"),), b"")
        read = world.read(world.wire.send(message, ANONYMOUS, "attempt"))
        found.append(Trial(case=case, attempt=read))
    for persona in world.target.personas:
        shut = doors(world.target, policy.roles_of(world.target, persona))
        if shut:
            read = knock(world, ANONYMOUS, shut[0])
            answer = read.exchange.answer
            if answer is not None and answer.status >= 400:
                found.append(Trial(case=case, attempt=read))
            break
    return found
