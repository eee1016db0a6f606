"""Loading a target: its folder of YAML read, secrets filled in, every problem reported at once."""

from __future__ import annotations

import hashlib
import os
import secrets as random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp

from conformance import archetypes
from conformance.consistency import check
from conformance.document import Document, InvalidDocument, Problem, all_problems, meant
from conformance.table_files import load_table, place_of, shipped
from conformance.target import Target, generating


@dataclass(frozen=True)
class Loaded:
    """A target with where it came from.

    `lines` are those of its operations in the file, by resource and operation.
    """

    target: Target
    folder: Path
    digest: str
    secrets: frozenset[str]
    generated: Mapping[str, str]
    file: str = "target.yaml"
    lines: Mapping[tuple[str, str], int] = field(default_factory=dict)


def load(
    folder: Path,
    *,
    environ: Mapping[str, str] | None = None,
    secrets_required: bool = True,
) -> Loaded:
    """Read target.yaml (and policy.yaml beside it) from `folder`.

    Raises InvalidDocument with all problems at once. With `secrets_required=False` unset
    variables are left as written, for commands that send nothing.
    """
    environ = dict(os.environ if environ is None else environ)
    path = folder / "target.yaml" if folder.is_dir() else folder
    if not path.exists():
        raise InvalidDocument(
            f"{path}: there is no such file; --target takes the folder that holds target.yaml"
        )
    main = Document(path)
    if not isinstance(main.data, dict):
        raise InvalidDocument(f"{path}:1:1: a target file is a mapping that starts with 'system:'")
    generated = _generated(main.data, environ)
    secrets = main.substitute({**environ, **generated}, required=secrets_required)
    digest = hashlib.sha256(path.read_bytes())
    documents = {"target": main}
    policy_path = path.with_name("policy.yaml")
    if policy_path.exists():
        documents["policy"] = Document(policy_path)
        digest.update(policy_path.read_bytes())
        _merge(main, documents["policy"])
    elif "policy" not in main.data:
        raise main.report(
            [Problem((), f"no 'policy' here and no {policy_path.name} beside it: write the grants")]
        )
    _expand_archetypes(main.data)
    target, problems = main.problems(Target)
    if target is not None:
        problems += list(_tables(target, path.parent))
        problems += check(target)
    elsewhere = documents.get("policy", main)
    of_policy = [problem for problem in problems if _owner(problem, elsewhere) is elsewhere]
    of_target = [problem for problem in problems if problem not in of_policy]
    error = all_problems([(main, of_target), (elsewhere, of_policy)])
    if error or target is None:
        raise error or InvalidDocument(f"{path}: does not describe a target")
    return Loaded(
        target=target,
        folder=path.parent.absolute(),
        digest=digest.hexdigest(),
        secrets=secrets | frozenset(generated.values()),
        generated=generated,
        file=path.name,
        lines={
            (resource, name): main.place(("resources", resource, name))[0]
            for resource, described in target.resources.items()
            for name in described.operations
        },
    )


def _tables(target: Target, folder: Path) -> Iterator[Problem]:
    """Bring in the tables that the target applies. Raises InvalidDocument for a bad one."""
    for name, applied in target.tables.items():
        place = place_of(applied.table, folder)
        if place.is_file():
            target.bring(name, load_table(place))
            continue
        there = f"no table {applied.table!r}{meant(applied.table, shipped())}"
        says = f"there is {there}; a file beside this one is named with its ending .yaml"
        yield Problem(("tables", name, "table"), says)


def _owner(problem: Problem, policy: Document) -> Document | None:
    head = problem.loc[0] if problem.loc else None
    inside = isinstance(policy.data, dict) and head in policy.data
    return policy if inside else None


def _generated(data: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    system = data.get("system")
    start = system.get("start") if isinstance(system, dict) else None
    names = start.get("generate") if isinstance(start, dict) else None
    wanted = generating(names) if isinstance(names, list | dict) else {}
    return {
        str(name): _SECRETS.get(kind, _SECRETS["password"])()
        for name, kind in wanted.items()
        if not environ.get(str(name))
    }


def _rsa_key() -> str:
    """A fresh RSA private key, PKCS#8 in PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


_SECRETS: Mapping[Any, Callable[[], str]] = {
    "password": lambda: random.token_urlsafe(18),
    "totp": pyotp.random_base32,
    "rsa": _rsa_key,
}


def _merge(main: Document, policy: Document) -> None:
    if not isinstance(policy.data, dict) or not policy.data:
        raise policy.report([Problem((), "a policy file is a mapping with 'policy' and 'masks'")])
    problems = []
    for key in policy.data:
        if key not in {"policy", "masks"}:
            known = meant(str(key), ["policy", "masks"])
            problems.append(Problem((key,), f"unknown key {key!r} in a policy file{known}"))
        elif key in main.data:
            problems.append(Problem((key,), f"'{key}' is already in {main.path}"))
    if problems:
        raise policy.report(problems)
    main.data.update(policy.data)


def _expand_archetypes(data: dict[str, Any]) -> None:
    policy, resources = data.get("policy"), data.get("resources")
    if not isinstance(policy, dict) or not isinstance(resources, dict):
        return
    for role, grants in policy.items():
        if grants == "archetype":
            policy[role] = archetypes.grants(str(role), resources)
