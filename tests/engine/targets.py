"""Small targets: a ward with two tenants, as text for the loader and as data for the rest."""

import copy
from pathlib import Path
from typing import Any

from conformance.loading import load
from conformance.target import Target

TEXT = """\
system: {name: Ward, base_url: "http://127.0.0.1:8000"}
tenants: {north: {timezone: Asia/Dhaka}, south: {}}
login:
  password: {post: /login, json: {user: "{user}", password: "{password}"}, bearer: $.token}
personas:
  nurse.north: {role: nurse, tenant: north, user: n1, password: "${NURSE}"}
  nurse.south: {role: nurse, tenant: south, user: n2, password: "${NURSE:-nurse-default}"}
resources:
  patient:
    create: {request: POST /patients, json: {name: "{name}"}}
    read: GET /patients/{id}
  note:
    parent: patient
    create: {request: "POST /patients/{patient.id}/notes", json: {text: "{text}"}}
    read: GET /notes/{id}
policy:
  nurse:
    patient: {create: allow, read: "allow:desk"}
    note: {"*": allow}
masks: {desk: {hidden: [name]}}
"""

ENVIRONMENT = {"NURSE": "nurse-secret"}


def write(folder: Path, text: str | bytes = TEXT, policy: str | None = None) -> Path:
    """A target folder with that target.yaml, and a policy.yaml beside it if given."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "target.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if policy is not None:
        (folder / "policy.yaml").write_text(policy, encoding="utf-8")
    return folder


def loaded(folder: Path, text: str = TEXT, policy: str | None = None) -> Target:
    """The target that the text describes."""
    return load(write(folder, text, policy), environ=ENVIRONMENT).target


WARD: dict[str, Any] = {
    "system": {"name": "Ward", "base_url": "http://127.0.0.1:8000"},
    "tenants": {"north": {}, "south": {}, "west": {}},
    "login": {"key": {"send": {"X-Key": "{key}"}}},
    "personas": {
        "nurse.north": {"role": "nurse", "tenant": "north"},
        "nurse2.north": {"role": "nurse", "tenant": "north"},
        "clerk.north": {"role": "clerk", "tenant": "north"},
        "nurse.south": {"role": "nurse", "tenant": "south"},
        "clerk.west": {"role": "clerk", "tenant": "west"},
    },
    "resources": {
        "patient": {
            "create": {"request": "POST /patients", "json": {"name": "{name}"}},
            "read": "GET /patients/{id}",
            "list": {"request": "GET /patients", "items": "$[*]"},
        },
        "note": {
            "parent": "patient",
            "create": {
                "request": "POST /patients/{patient.id}/notes",
                "json": {"text": "{text}"},
            },
            "read": "GET /patients/{patient.id}/notes/{id}",
        },
    },
    "policy": {
        "clerk": {"patient": {"create": "allow", "read": "allow", "list": "allow"}},
        "nurse": {"patient": {"read": "assigned"}, "note": {"*": "assigned"}},
    },
}
"""The clerk is granted the tenant, the nurse what is assigned to her."""

ASSIGN = {"assigned": {"request": "POST /team", "json": {"user": "{persona.user}"}}}


def target(**parts: Any) -> Target:
    """The ward with some parts replaced: `target(policy={...})`; nested names with `__`."""
    data = copy.deepcopy(WARD)
    data["resources"]["patient"]["relations"] = copy.deepcopy(ASSIGN)
    for name, value in parts.items():
        *above, last = name.split("__")
        place = data
        for key in above:
            place = place.setdefault(key, {})
        place[last] = value
    return Target.model_validate(data)
