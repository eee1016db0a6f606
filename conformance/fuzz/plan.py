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
"""What all campaigns of a run take together, each worker at a time."""

REQUESTS = {Profile.SMOKE: 200, Profile.GATE: 3_000, Profile.FULL: 90_000}
"""What all campaigns of a run send together beyond what enumerating the document takes."""

_PER_OPERATION = 25
_WORTH_WHILE = 6
"""How many requests to one operation are made up at least: the first costs as much as ten more."""

_SHORT = 0.25
_MOST_ROTATED = 60
_STRANGE = 8
"""How many operations a persona tries that it was not granted."""


@dataclass(frozen=True)
class Share:
    """What one persona tries: `probed` with right requests, `covered` case by case as well.

    What was granted comes first, and is what `fuzzed` holds. Personas of one role share what the
    role was granted.
    """

    probed: tuple[str, ...]
    covered: tuple[str, ...]
    fuzzed: tuple[str, ...]


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


def leading(target: Target, people: Sequence[str], seed: int) -> frozenset[str]:
    """One of each set of roles, from another tenant with every role and seed, and anonymous.

    They have long campaigns in which every operation is covered; the others have short ones.
    """
    groups: dict[frozenset[str], list[str]] = {}
    for persona in people:
        groups.setdefault(frozenset(policy.roles_of(target, persona)), []).append(persona)
    return frozenset(
        group[(seed + place) % len(group)] for place, group in enumerate(groups.values())
    )


def part(target: Target, people: Sequence[str], persona: str, seed: int) -> float:
    """The part that the campaign of `persona` has in what all of `people` have together."""
    long = leading(target, people, seed)
    weights = {one: 1.0 if one in long else _SHORT for one in people}
    return weights[persona] / sum(weights.values())


def quota(profile: Profile, part_of: float, operations: int) -> int:
    """How many requests a campaign makes up by itself, so that a slow machine tries as much."""
    return min(int(REQUESTS[profile] * part_of), 20 + _PER_OPERATION * operations)


def made_up(fuzzed: Sequence[str], most: int, seed: int, persona: str) -> tuple[str, ...]:
    """The operations for which so many requests are made up; other seeds have other ones."""
    drawn = sorted(fuzzed, key=lambda label: _draw(seed, "made up", label, persona))
    return tuple(drawn[: max(most // _WORTH_WHILE, 1)])


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


def rotated(labels: Sequence[str], place: int, people: int) -> Share:
    """What one of so many tries where nothing says what anybody was granted: all of it.

    They begin at different places, so that together they try everything should time be short.
    """
    start = (place % max(people, 1)) * len(labels) // max(people, 1)
    turned = (*labels[start:], *labels[:start])[:_MOST_ROTATED]
    return Share(turned, turned, turned)


def shares(
    target: Target,
    operations: Sequence[Known],
    people: Sequence[str],
    seed: int,
    *,
    everything: bool = False,
) -> dict[str, Share]:
    """What each of `people` tries of `operations`.

    Every operation is covered by one of those with long campaigns who was granted it, whoever
    has least to do so far; with `everything`, by all of them. What nobody was granted is covered
    by whoever it falls to.
    """
    long = leading(target, people, seed)
    may = {
        persona: [one for one in operations if granted(target, persona, one)] for persona in people
    }
    covered: dict[str, list[str]] = {persona: [] for persona in people}
    load = dict.fromkeys(people, 0)
    known = {persona: {one.label for one in each} for persona, each in may.items()}
    for one in sorted(operations, key=lambda each: -each.properties):
        fitting = [persona for persona in people if one.label in known[persona]]
        fitting = (not everything and [each for each in fitting if each in long]) or fitting
        public = ANONYMOUS in fitting or (not fitting and one.open and ANONYMOUS in people)
        if public:
            fitting = [ANONYMOUS]
        fitting = fitting or [each for each in people if each in long and each != ANONYMOUS]
        fitting = fitting or [*people]
        chosen = sorted(fitting, key=lambda each: (load[each], _draw(seed, one.label, each)))
        for persona in chosen if everything else chosen[:1]:
            covered[persona].append(one.label)
            load[persona] += 6 + 9 * one.properties
    found = {}
    for persona in people:
        probed = _probed(target, operations, people, persona, known, covered[persona], seed)
        mine = known[persona] | set(covered[persona])
        fuzzed = [label for label in probed if label in mine]
        found[persona] = Share(tuple(probed), tuple(covered[persona]), tuple(fuzzed))
    return found


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
    nobodys = [one.label for one in operations if not one.ways][
        people.index(persona) :: len(people)
    ]
    return list(dict.fromkeys((*part, *covered, *strange[:most], *nobodys[:_STRANGE])))


def _draw(seed: int, *words: str) -> int:
    text = "|".join((str(seed), *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
