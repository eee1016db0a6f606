"""Who fuzzes what: every operation is enumerated by somebody who may do it. Pure."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conformance import policy
from conformance.cases import Profile, subjects
from conformance.fuzz.matching import Known, granted
from conformance.target import ANONYMOUS, SAFE_KINDS, Target

SECONDS = {Profile.SMOKE: 5.0, Profile.GATE: 60.0, Profile.FULL: 600.0}
"""What all campaigns of a run take together, on two workers."""

_STRANGE = 8
"""How many operations a persona tries that it was not granted."""


@dataclass(frozen=True)
class Share:
    """What one persona tries: `probed` with right requests, `covered` case by case as well.

    What was granted comes first. Personas of one role share what the role was granted.
    """

    probed: tuple[str, ...]
    covered: tuple[str, ...]


def personas(target: Target, profile: Profile) -> list[str]:
    """Whoever has a campaign: one persona for each set of roles in each tenant, and anonymous."""
    found = subjects(target)
    if profile is Profile.SMOKE:
        return sorted(found, key=lambda one: -_breadth(target, one))[:1]
    return [*found, ANONYMOUS]


def _breadth(target: Target, persona: str) -> int:
    roles = policy.roles_of(target, persona)
    return sum(
        bool(policy.grants(target, roles, resource, name))
        for resource, described in target.resources.items()
        for name in described.operations
    )


def budget(target: Target, profile: Profile, workers: int) -> float:
    """Seconds for one campaign, when `workers` of them go on at a time."""
    return SECONDS[profile] * workers / max(len(personas(target, profile)), 1)


def left_out(target: Target, operations: Iterable[Known]) -> dict[str, str]:
    """The operations that are not tried, with the reason.

    Whoever ends his own session ends the campaign, so that is for anonymous alone.
    """
    found = {}
    for one in operations:
        reasons = [
            reason
            for pattern, reason in target.fuzz.leave_out.items()
            if fnmatch.fnmatchcase(one.label, pattern)
        ]
        reasons += [
            target.operation(*way.about).not_tested or ""
            for way in one.ways
            if all(target.operation(*each.about).not_tested for each in one.ways)
        ]
        if reasons:
            found[one.label] = reasons[0]
        elif one.method != "GET" and not target.system.allow_writes and not _safe(target, one):
            found[one.label] = "a write, and the target file allows none (system.allow_writes)"
    return found


def _safe(target: Target, operation: Known) -> bool:
    return bool(operation.ways) and all(
        target.resources[way.resource].kind(way.operation) in SAFE_KINDS for way in operation.ways
    )


def shares(
    target: Target,
    operations: Sequence[Known],
    people: Sequence[str],
    seed: int,
    *,
    everything: bool = False,
) -> dict[str, Share]:
    """What each of `people` tries of `operations`.

    Every operation is covered by one who was granted it, whoever has least to do so far; with
    `everything`, by all of them. What nobody was granted is covered by whoever it falls to.
    """
    may = {
        persona: [one for one in operations if granted(target, persona, one)] for persona in people
    }
    covered: dict[str, list[str]] = {persona: [] for persona in people}
    load = dict.fromkeys(people, 0)
    known = {persona: {one.label for one in each} for persona, each in may.items()}
    for one in sorted(operations, key=lambda each: -each.properties):
        fitting = [persona for persona in people if one.label in known[persona]]
        public = ANONYMOUS in fitting or (not fitting and one.open and ANONYMOUS in people)
        if public:
            fitting = [ANONYMOUS]
        fitting = fitting or [persona for persona in people if persona != ANONYMOUS] or [*people]
        chosen = sorted(fitting, key=lambda each: (load[each], _draw(seed, one.label, each)))
        for persona in chosen if everything else chosen[:1]:
            covered[persona].append(one.label)
            load[persona] += 6 + 9 * one.properties
    return {
        persona: Share(
            tuple(_probed(target, operations, people, persona, known, covered[persona], seed)),
            tuple(covered[persona]),
        )
        for persona in people
    }


def _probed(
    target: Target,
    operations: Sequence[Known],
    people: Sequence[str],
    persona: str,
    known: dict[str, set[str]],
    covered: Sequence[str],
    seed: int,
) -> list[str]:
    roles = set(policy.roles_of(target, persona))
    alike = [one for one in people if set(policy.roles_of(target, one)) == roles]
    mine = [one.label for one in operations if one.label in known[persona]]
    place = (alike.index(persona) + seed) % len(alike)
    part = mine[place :: len(alike)]
    strange = [one.label for one in operations if one.label not in known[persona] and one.ways]
    strange.sort(key=lambda label: _draw(seed, label, persona))
    most = len(strange) if persona == ANONYMOUS else _STRANGE
    return list(dict.fromkeys((*part, *covered, *strange[:most])))


def _draw(seed: int, *words: str) -> int:
    text = "|".join((str(seed), *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
