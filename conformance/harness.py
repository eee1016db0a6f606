"""The harness: what a suite holds in its hand. It tries a case and asks the oracles."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from conformance import findings, inventory, oracles
from conformance.instances import NotBuilt, NotTried, Unclaimed
from conformance.login import LoginFailed
from conformance.model import Case, Exchange, Outcome, Read, Result, Trial, Verdict
from conformance.oracles import Oracle
from conformance.target import SAFE_KINDS, Target
from conformance.verdicts import worst
from conformance.visibility import sightings
from conformance.wire import Unreachable
from conformance.world import World

SILENCES_BEFORE_STOPPING = 5
_SHORTEST_SECRET = 8

Document = list[inventory.Documented] | inventory.NoDocument


class NotConformant(AssertionError):
    """The verdict of a case is a failure; the message is its reason."""


class Inconclusive(Exception):
    """The verdict of a case is neither pass nor failure; the message says what is missing."""


class NotTested(Exception):
    """The case was left out; the message says why."""


class NotClaimed(NotTested):
    """The target does not have what the case is about; the message says how to claim it."""


class Silent(NotTested):
    """The target has stopped answering, so nothing more is tried."""


@dataclass
class Judged:
    """A case with its verdict, ready for the ledger."""

    case: Case
    verdict: Verdict
    failures: tuple[Verdict, ...]
    exchanges: tuple[Exchange, ...]
    control: Read | None = None
    seconds: float = 0.0
    detail: Mapping[str, Any] | None = None
    seen: Sequence[Exchange] = ()


@dataclass
class _Watch:
    exchanges: list[Exchange] = field(default_factory=list)
    failures: list[Verdict] = field(default_factory=list)


class Harness:
    """Runs trials in the world and turns what oracles conclude into verdicts and evidence."""

    def __init__(self, target: Target, world: World, document: Document | None) -> None:
        self.target = target
        self.world = world
        self.document = document
        self.judged: Judged | None = None
        self._watch = _Watch()
        self._silences = 0
        world.documented = document if isinstance(document, list) else ()
        world.wire.watchers.append(self._see)

    def _see(self, exchange: Exchange) -> None:
        self._watch.exchanges.append(exchange)
        silent = exchange.answer is None and exchange.error is not None
        self._silences = self._silences + 1 if silent else 0

    def judge(
        self, case: Case, trial: Callable[..., Any], *asked: Callable[[Any], Verdict]
    ) -> None:
        """Try `case` with `trial(world, case)` and ask the oracles about each trial it gives.

        Every exchange also passes the leak oracle. Raises NotConformant,
        Inconclusive or NotTested; returns when the case passed.
        """
        self._watch = _Watch()
        started = time.perf_counter()
        control: Read | None = None
        try:
            if self._silences >= SILENCES_BEFORE_STOPPING:
                raise Silent(
                    f"the target gave no answer {SILENCES_BEFORE_STOPPING} times in a row, "
                    "so the rest was not tried"
                )
            if case.unclaimed:
                raise NotClaimed(f"not claimed: {case.unclaimed}")
            if case.kind and case.kind not in SAFE_KINDS and not self.target.system.allow_writes:
                raise NotTested("a write, and the target file allows none (system.allow_writes)")
            found = trial(self.world, case)
            trials = found if isinstance(found, list) else [found]
            verdicts = [oracle(one) for one in trials for oracle in asked]
            control = next((one.control for one in trials if isinstance(one, Trial)), None)
            if not trials:
                verdicts = [Verdict(Result.NOT_TESTED, "not-tested", "there is nothing to send")]
        except NotBuilt as problem:
            verdicts = [
                Verdict(
                    Result.INCONCLUSIVE,
                    "inconclusive",
                    f"the case could not be set up: {problem}",
                    exchanges=problem.exchanges,
                )
            ]
        except (NotClaimed, Unclaimed) as problem:
            verdicts = [Verdict(Result.NOT_CLAIMED, "not-claimed", str(problem))]
        except (LoginFailed, Unreachable) as problem:
            verdicts = [Verdict(Result.INCONCLUSIVE, "inconclusive", str(problem))]
        except (NotTested, NotTried) as problem:
            verdicts = [Verdict(Result.NOT_TESTED, "not-tested", str(problem))]
        self._conclude(case, verdicts, control, time.perf_counter() - started)

    def inventory(self) -> list[Verdict]:
        """The API document against the target file; not claimed when there is none."""
        if self.document is None:
            reason = "not claimed: the target file names no API document (system.openapi)"
            return [Verdict(Result.NOT_CLAIMED, "not-claimed", reason)]
        if isinstance(self.document, inventory.NoDocument):
            return [Verdict(Result.INCONCLUSIVE, "inconclusive", str(self.document))]
        return inventory.compare(self.target, self.document)

    def conclude(self, case: Case, verdicts: Sequence[Verdict]) -> None:
        """The verdict of a case that needs no exchange of its own; raises like `judge`."""
        self._watch = _Watch()
        self._conclude(case, verdicts, None, 0.0)

    def _conclude(
        self, case: Case, verdicts: Sequence[Verdict], control: Read | None, seconds: float
    ) -> None:
        failures = _distinct(
            [verdict for verdict in verdicts if verdict.result is Result.FAIL]
            + list(self._given_away())
        )
        decided = worst([*verdicts, *failures])
        shown = {
            exchange.id: exchange
            for verdict in (decided, *failures)
            for exchange in verdict.exchanges
        }
        if decided.result is Result.INCONCLUSIVE and not shown:
            shown = {one.id: one for one in self._watch.exchanges[-4:]}
        details = (one.detail for one in (decided, *verdicts) if one.detail is not None)
        # What it takes to see a finding again is for the finding, not for a picture of the case.
        drawn = (one for one in details if one.get("kind") != "recipe")
        self.judged = Judged(
            case,
            decided,
            tuple(failures),
            tuple(shown.values()),
            control,
            seconds,
            next(drawn, None),
            self._watch.exchanges,
        )
        raiser = {
            Result.FAIL: NotConformant,
            Result.INCONCLUSIVE: Inconclusive,
            Result.NOT_TESTED: NotTested,
            Result.NOT_CLAIMED: NotClaimed,
        }.get(decided.result)
        if raiser is not None:
            raise raiser("; ".join(dict.fromkeys(one.reason for one in failures)) or decided.reason)

    def _given_away(self) -> Iterable[Verdict]:
        for exchange in self._watch.exchanges:
            if exchange.purpose == "login":
                continue
            for leak in oracles.leaks(exchange, sightings(self.world, exchange)):
                # What fuzzing was served may have given the reader another role by then.
                if exchange.id not in self.world.altered or leak.rule not in oracles.RESTING:
                    yield leak
            if self._reads(exchange):
                yield from oracles.secrets_shown(exchange, self._secrets)

    def _reads(self, exchange: Exchange) -> bool:
        """Whether the exchange is about an operation that only reads."""
        resource, operation = self.world.asked.get(exchange.id, ("", ""))
        described = self.target.resources.get(resource)
        known = described is not None and operation in described.operations
        return known and described is not None and described.kind(operation) in SAFE_KINDS

    @cached_property
    def _secrets(self) -> frozenset[str]:
        """Passwords and second-factor secrets of the personas of the file."""
        return frozenset(
            str(account.facts[name])
            for account in self.target.personas.values()
            for name in ("password", "totp", "secret", "client_secret")
            if len(str(account.facts.get(name, ""))) >= _SHORTEST_SECRET
        )

    def findings(self, judged: Judged) -> list[dict[str, Any]]:
        """The findings of a judged case, as the ledger holds them."""
        return [findings.finding(self.world, judged.case, failure) for failure in judged.failures]


def _distinct(verdicts: Iterable[Verdict]) -> list[Verdict]:
    found: dict[tuple[str | None, str], Verdict] = {}
    for verdict in verdicts:
        found.setdefault((verdict.rule, verdict.reason), verdict)
    return list(found.values())


__all__ = [
    "Harness",
    "Inconclusive",
    "Judged",
    "NotConformant",
    "NotTested",
    "Oracle",
    "Outcome",
]
