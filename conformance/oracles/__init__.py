"""Oracles: pure functions from a Trial to a Verdict. They send nothing and read no clock.

Statements about access come from four outcomes only (allowed, denied, absent, unauthenticated).
Anything else, such as a 5xx, a redirect or a timeout, proves nothing and is inconclusive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeGuard

from conformance.comparison import differences, facets, leaves, parsed, told_apart
from conformance.model import (
    Because,
    Exchange,
    Expected,
    Outcome,
    Read,
    Relation,
    Result,
    Scenario,
    Step,
    Trial,
    Verdict,
    decode,
)
from conformance.oracles import bombs as bombs
from conformance.oracles import day_boundary as day_boundary
from conformance.oracles import fuzz as fuzz
from conformance.oracles import identity as identity
from conformance.oracles import odd as odd
from conformance.oracles import order as order
from conformance.oracles import trail as trail
from conformance.verdicts import failed, no_statement, passed, unknown

Oracle = Callable[[Trial], Verdict]


def _family(trial: Trial) -> str:
    because, relation = trial.case.because, trial.case.relation
    if because is Because.UNAUTHENTICATED:
        return "unauthenticated"
    if because is Because.OTHER_TENANT or relation is Relation.OTHER_TENANT:
        return "tenant"
    return "bola" if because is Because.UNRELATED else "bfla"


def _rule(trial: Trial) -> str:
    return f"{_family(trial)}.{trial.case.kind or 'action'}"


# --- effect ----------------------------------------------------------------------------------


def _seen_before(trial: Trial) -> bool:
    """Whether somebody read the record just before the attempt."""
    return bool(trial.before) and all(read.outcome is Outcome.ALLOWED for read in trial.before)


def succeeded(trial: Trial) -> Verdict:
    """A granted operation works; a refusal is an over-restriction if the instance is there."""
    read = trial.attempt
    if read.outcome is Outcome.ALLOWED:
        return passed("conform-allow", "granted, and it worked")
    if not read.outcome.refused:
        return unknown(f"granted, but {no_statement(read)}", read)
    control = trial.control
    there = read.outcome is Outcome.DENIED or _seen_before(trial)
    if control is not None and control.outcome is not Outcome.ALLOWED and not there:
        return unknown(
            f"refused with {read.status}, but {control.exchange.persona}, who may do the same, "
            f"was not served either ({control.status})",
            read,
            control,
        )
    return failed(
        "over-restriction",
        f"over-restriction.{trial.case.kind}",
        f"the policy grants it, the target answered {read.status}",
        read,
        *([control] if control else []),
    )


def changed(trial: Trial) -> Verdict:
    """An allowed write is seen by somebody who reads it back."""
    if trial.case.kind in {"read", "list", "search"}:
        return passed("conform-allow", "a read changes nothing")
    if trial.attempt.outcome is not Outcome.ALLOWED:
        return passed("conform-allow", "nothing was written")
    if trial.unproved or not trial.shows_change:
        return passed("conform-allow", "worked; no operation shows the new state")
    broken = _broken(trial.after)
    if broken:
        return broken
    if _landed(trial):
        return passed("conform-allow", "granted, done, and seen in the read-back")
    if trial.after and all(read.outcome.refused for read in trial.after):
        return unknown("the read-back after the write was refused", *trial.after)
    return failed(
        "no-effect",
        "no-effect",
        "the write was answered as done, but the read-back shows nothing of it",
        trial.attempt,
        *trial.before,
        *trial.after,
    )


def refused(trial: Trial) -> Verdict:
    """A denied operation is refused, and its control shows that the door opens to others.

    A success is a breach only when it shows in the data: what a read returned is compared with
    the record's markers and the control's answer, what a write did with the read-back.
    """
    read, control = trial.attempt, trial.control
    if read.outcome is Outcome.ALLOWED:
        return _granted_against_policy(trial)
    reason = no_statement(read)
    opened = control is not None and control.outcome is Outcome.ALLOWED
    if reason and not (read.outcome is Outcome.INVALID and opened):
        return unknown(f"denied by the policy, but {reason}", read)
    if control is None:
        if _seen_before(trial):
            return passed("conform-deny", "refused; nobody may do it, and the record is there")
        return unknown("refused, but without a control: nobody showed that this door opens", read)
    if not opened:
        return unknown(
            f"refused, but the control failed: {control.exchange.persona}, who may do it, "
            f"got {control.status}",
            read,
            control,
        )
    return _convention(trial) or passed(
        "conform-deny", f"refused ({read.status}), while {control.exchange.persona} was served"
    )


def _convention(trial: Trial) -> Verdict | None:
    answer = trial.attempt.exchange.answer
    if trial.convention is None or answer is None or answer.status in trial.convention:
        return None
    promised = " or ".join(str(status) for status in trial.convention)
    return failed(
        "convention",
        f"convention.{trial.case.because}",
        f"refused with {answer.status}, but the target promises {promised} for this reason",
        trial.attempt,
    )


def _granted_against_policy(trial: Trial) -> Verdict:
    read = trial.attempt
    kind = trial.case.kind
    if kind in {"read", "list", "search"}:
        shown = data_shown(trial)
        if shown:
            return failed("bypass", _rule(trial), f"answered {read.status} {shown}", read)
        return unknown(
            f"answered {read.status}, but without anything that belongs to the record; if this is "
            "how the target refuses, say so with an outcome rule",
            read,
            *([trial.control] if trial.control else []),
        )
    if trial.unproved:
        return failed(
            "bypass",
            _rule(trial),
            f"answered {read.status} as done ({trial.unproved})",
            read,
        )
    broken = _broken(trial.after)
    if broken:
        return broken
    if _landed(trial) or not trial.shows_change:
        return failed(
            "bypass",
            _rule(trial),
            f"answered {read.status}, and the read-back shows that it was done",
            read,
            *trial.before,
            *trial.after,
        )
    return unknown(
        f"answered {read.status} as done, but the read-back shows no change to the record",
        read,
        *trial.after,
    )


def data_shown(trial: Trial) -> str | None:
    """How an answer proves that somebody else's data was given out, None if it does not."""
    answer = trial.attempt.exchange.answer
    if answer is None:
        return None
    text = answer.text.lower()
    asked = trial.attempt.exchange.request.text.lower()
    markers = trial.subject.markers if trial.subject else frozenset[str]()
    if any(marker in text and marker not in asked for marker in markers):
        return "with the record's own content"
    control = trial.control
    if control is None or control.exchange.answer is None:
        return None
    ids = trial.subject.ids if trial.subject else ()
    theirs = facets(control.exchange.answer, ids)
    mine = facets(answer, ids)
    body = [name for name in theirs if name.startswith("body")]
    unmarked = not any(marker in control.exchange.answer.text.lower() for marker in markers)
    given_too = f"what {control.exchange.persona} was given too"
    # Without a marker to look for, only the whole of an answer with content is proof.
    telling_body = any(theirs[name] not in (None, "", "<id>") for name in body)
    if body and unmarked and telling_body and all(mine.get(one) == theirs[one] for one in body):
        return f"with {given_too}"
    told = {leaf for _path, leaf in leaves(parsed(control.exchange.answer)) if _is_telling(leaf)}
    common = [leaf for _path, leaf in leaves(parsed(answer)) if _is_telling(leaf)]
    if any(leaf in told and leaf not in ids and leaf.lower() not in asked for leaf in common):
        return f"with values of {given_too}"
    return None


def _is_telling(leaf: object) -> TypeGuard[str]:
    return isinstance(leaf, str) and len(leaf) >= 6


# --- scenarios -------------------------------------------------------------------------------


def comes_out(scenario: Scenario) -> Verdict:
    """Every step of a scenario comes out as it has to; after a control that does not, none counts.

    A read that had to be refused but answered is a breach only if it gave what the control got.
    """
    unsure: Verdict | None = None
    for step in scenario.steps:
        verdict = _came_out(scenario, step)
        if verdict is None:
            continue
        if verdict.result is Result.FAIL:
            return verdict
        unsure = unsure or verdict
        if step.rule is None:
            break
    if unsure is not None:
        return unsure
    claims = sum(step.rule is not None for step in scenario.steps)
    if not claims:
        return unknown("nothing was tried", *(step.read for step in scenario.steps))
    told = "; ".join(step.says for step in scenario.steps if step.rule is not None)
    return passed("conform-deny", f"as it has to be: {scenario.note or told}")


def _came_out(scenario: Scenario, step: Step) -> Verdict | None:
    """What speaks against a step, None if it came out as it had to."""
    read = step.read
    said = f"{step.says}: answered {read.status}"
    if step.expected is Expected.ALLOW:
        if read.outcome is Outcome.ALLOWED:
            return None
        if step.rule is None or not (read.outcome.refused or read.outcome is Outcome.CONFLICT):
            return unknown(f"{said}, which had to work", read)
        return failed("over-restriction", step.rule, f"{said}, which had to work", read)
    if read.outcome.refused or (step.limited and read.outcome is Outcome.LIMITED):
        return None
    if read.outcome is not Outcome.ALLOWED:
        if read.outcome in {Outcome.INVALID, Outcome.CONFLICT} and _worked(scenario):
            return None
        return unknown(f"{said}, which says nothing ({no_statement(read)})", read)
    if step.rule is None:
        return unknown(f"{said}, which had to be refused", read)
    if step.proof is not None and not _holds(read, step.proof):
        return None
    if step.control is not None and not _gave(read, step.control):
        return unknown(
            f"{said}, but gave nothing of what {step.control.exchange.persona} got there",
            read,
            step.control,
        )
    before = [other.read for other in scenario.steps if other is not step]
    return failed("bypass", step.rule, said, read, *before[-4:])


def _holds(read: Read, markers: frozenset[str]) -> bool:
    """Whether an answer holds one of the markers."""
    answer = read.exchange.answer
    text = answer.text.lower() if answer else ""
    return any(marker in text for marker in markers)


def _worked(scenario: Scenario) -> bool:
    """Whether the scenario has a control that was served."""
    return any(
        step.expected is Expected.ALLOW and step.read.outcome is Outcome.ALLOWED
        for step in scenario.steps
    )


def _gave(read: Read, control: Read) -> bool:
    """Whether an answer holds what the control was given: the whole body, or telling values."""
    answer, theirs = read.exchange.answer, control.exchange.answer
    if answer is None or theirs is None:
        return False
    if answer.body == theirs.body:
        return True
    asked = read.exchange.request.text.lower()
    told = {leaf for _path, leaf in leaves(parsed(theirs)) if _is_telling(leaf)}
    mine = [leaf for _path, leaf in leaves(parsed(answer)) if _is_telling(leaf)]
    if not told:
        shape = {path for path, _leaf in leaves(parsed(theirs))}
        return parsed(theirs) is not None and shape == {path for path, _ in leaves(parsed(answer))}
    return any(leaf in told and leaf.lower() not in asked for leaf in mine)


# --- unchanged -------------------------------------------------------------------------------


def _broken(reads: Iterable[Read]) -> Verdict | None:
    """Why a read-back shows nothing, None if every one of them is an answer about the record."""
    for read in reads:
        reason = no_statement(read)
        if reason:
            return unknown(f"the read-back: {reason}", read)
    return None


def _landed(trial: Trial) -> bool:
    """Whether the read-back after the attempt shows something that it did."""
    return marked(trial) or (trial.case.kind != "create" and bool(altered(trial)))


def marked(trial: Trial) -> bool:
    """Whether a marker of the attempt's own payload stands in a read-back."""
    after = [read for read in (*trial.after, *trial.siblings) if read.exchange.answer]
    texts = [read.exchange.answer.text.lower() for read in after if read.exchange.answer]
    return any(marker in text for marker in trial.carried for text in texts)


def altered(trial: Trial) -> list[str]:
    """Parts of the read-back that differ before and after and do not vary by themselves."""
    found: list[str] = []
    for index, (before, after) in enumerate(zip(trial.before, trial.after, strict=False)):
        if before.exchange.answer is None or after.exchange.answer is None:
            continue
        if before.outcome is not after.outcome:
            found.append("outcome")
            continue
        first, second = facets(before.exchange.answer, ()), facets(after.exchange.answer, ())
        parts = [name for name in differences(first, second) if name.startswith("body")]
        if parts and index < len(trial.again):
            repeat = trial.again[index].exchange.answer
            if repeat is not None:
                varying = set(differences(second, facets(repeat, ())))
                parts = [name for name in parts if name not in varying]
        found += parts
    return found


def unchanged(trial: Trial) -> Verdict:
    """A refused write has left the record as it was, read back as somebody who may see it."""
    if trial.case.kind in {"read", "list", "search"}:
        return passed("conform-deny", "a read changes nothing")
    if trial.attempt.outcome is Outcome.ALLOWED:
        return passed("conform-deny", "not refused; see the effect")
    if trial.unproved:
        return passed("conform-deny", f"not read back: {trial.unproved}")
    broken = _broken((*trial.before, *trial.after))
    if broken:
        return broken
    if trial.before and any(read.outcome is not Outcome.ALLOWED for read in trial.before):
        return unknown("the record could not be read before the attempt", *trial.before)
    if _landed(trial):
        return failed(
            "side-effect",
            f"side-effect.{_family(trial)}",
            f"answered {trial.attempt.status}, and did it all the same: the read-back differs",
            trial.attempt,
            *trial.before,
            *trial.after,
        )
    return passed("conform-deny", "the read-back is the same as before")


# --- indistinguishable -----------------------------------------------------------------------


def indistinguishable(trial: Trial) -> Verdict:
    """Somebody else's id and ids that never existed answer alike.

    Two ids that never existed are asked for; whatever differs between those two answers varies
    by itself and is set aside. Compared are status, headers, body and size, ids removed.
    """
    if len(trial.reference) < 2:
        return unknown("no id that never existed could be asked for", trial.attempt)
    reads = (trial.attempt, *trial.reference)
    for read in reads:
        if no_statement(read) and read.outcome is not Outcome.INVALID:
            return unknown(f"nothing to compare: {no_statement(read)}", read)
    served = trial.control is not None and trial.control.outcome is Outcome.ALLOWED
    if not served and not _seen_before(trial):
        return unknown("nobody showed that the record exists", trial.attempt)
    ids = (*(trial.subject.ids if trial.subject else ()), *trial.made_up)
    parts = [facets(read.exchange.answer, ids) for read in reads if read.exchange.answer]
    told = told_apart(parts[0], (parts[1], parts[2]))
    if not told:
        return passed("conform-deny", "answers alike for this id and for one that never existed")
    first = told[0]
    return failed(
        "distinguishable",
        f"enumeration.{first.split()[0]}",
        f"{first} tells them apart: {parts[0].get(first)!r} for the record that exists, "
        f"{parts[1].get(first)!r} for one that never did",
        *reads,
    )


# --- leak ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sighting:
    """A marker in an answer: whose it is, and why this persona may not see it (None: it may)."""

    marker: str
    of: str
    field: str
    tenant: str
    why: str | None
    rule: str


RESTING = frozenset({"leak.unrelated", "leak.masked", "leak.ungranted"})
"""Rules that are broken or not by what role a persona has, and how it stands to a record."""


def leaks(exchange: Exchange, sightings: Iterable[Sighting]) -> list[Verdict]:
    """One failure for each kind of data that the answer gave away.

    A marker that the request itself carried says nothing and does not count.
    """
    asked = exchange.request.text.lower()
    found: dict[tuple[str, str, str], Verdict] = {}
    for sighting in sightings:
        if sighting.why is None or sighting.marker in asked:
            continue
        key = (sighting.rule, sighting.of, sighting.field)
        found.setdefault(
            key,
            Verdict(
                Result.FAIL,
                "leak",
                f"the answer holds {sighting.of}.{sighting.field} {sighting.why}",
                sighting.rule,
                (exchange,),
            ),
        )
    return list(found.values())


_SECRET_NAME = re.compile(
    r"^(?:(?:hashed|encrypted)_?)?(?:pass(?:word|wd|_?phrase)|pwd)(?:_?(?:hash|digest|salt))?$"
    r"|^(?:totp|otp|mfa|two_?factor)_?(?:secret|seed)$|^private_?key$",
    re.I,
)


_MAY_BE_SECRET = re.compile(r'"\w*(?:pass|pwd|otp|mfa|factor|private)\w*"\s*:\s*"', re.I)
"""Cheap enough for every answer; only where it fits is the body taken apart."""


def secrets_shown(exchange: Exchange, known: Iterable[str]) -> list[Verdict]:
    """A read holds somebody's password or second factor, or a property named like one."""
    answer = exchange.answer
    if answer is None or not 200 <= answer.status < 300:
        return []
    text, asked = answer.text, exchange.request.text
    if any(secret in text and secret not in asked for secret in known):
        return [_secret(exchange, "a secret with which somebody logs in")]
    for path, leaf in leaves(parsed(answer)) if _MAY_BE_SECRET.search(text) else ():
        name = path.rsplit(".", 1)[-1].split("[")[0]
        if isinstance(leaf, str) and len(leaf) >= 6 and _SECRET_NAME.match(name):
            return [_secret(exchange, f"a value at {path}")]
    return []


def _secret(exchange: Exchange, what: str) -> Verdict:
    reason = f"the answer holds {what}"
    return Verdict(Result.FAIL, "leak", reason, "leak.secret", (exchange,))


# --- error hygiene ---------------------------------------------------------------------------

DISCLOSURES: Mapping[str, re.Pattern[str]] = {
    "stack-trace": re.compile(
        r"Traceback \(most recent call last\)|^\s+at [\w.$<>]+\([\w.]+:\d+\)"
        r"|File \"[^\"]+\", line \d+|goroutine \d+ \[|\.(?:py|rb|php|java|cs|go|js|ts):\d+",
        re.M,
    ),
    "sql": re.compile(
        r"\bSELECT\b.{1,200}\bFROM\b|\bINSERT INTO\b|\bUPDATE\b.{1,80}\bSET\b|\bDELETE FROM\b"
        r"|\bselect\b[^!?]{1,200}\bfrom\s+[\"\w.]+\s+(?:where|limit|order|join)\b"
        r"|\b(?:delete from|insert into)\s+[\"\w.]+\s+(?:where|values|\()"
        r"|\bupdate\s+[\"\w.]+\s+set\s+[\"\w.]+\s*="
        r"|(?i:SQLSTATE|\bORA-\d{5}\b|psycopg|sqlalchemy|sqlite3?\.|\bPG::|java\.sql|mysql_)"
        r"|(?i:MySQL server|(?:violates|duplicate key).{0,40}constraint)"
        r"|(?i:relation \"[^\"]+\" does not exist)",
        re.S,
    ),
    "path": re.compile(
        r"(?<![\w/])/(?:usr|home|var|opt|srv|app|etc|root|tmp)/[\w.-]+/[\w./-]+"
        r"|(?<![A-Za-z])[A-Za-z]:\\(?:[\w .-]+\\)+"
    ),
}
VERSION = re.compile(r"[A-Za-z][\w.+-]*/\d+\.\d+|\b\d+\.\d+\.\d+\b")
_VERSION_HEADERS = frozenset({"server", "x-powered-by", "x-aspnet-version", "x-runtime-version"})


def discreet(trial: Trial) -> Verdict:
    """An error tells nothing about the inside: no stack trace, no SQL, no path.

    OWASP ASVS 5.0 v5.0.0-16.5.1: generic messages to the consumer of an unexpected error. What
    the request itself said and the error repeats does not count.
    """
    read = trial.attempt
    answer = read.exchange.answer
    silent = answer is None or (answer.status < 400 and parsed(answer) is None)
    if answer is None or (silent and read.outcome is Outcome.BROKEN):
        return unknown(f"a request that cannot be right: {no_statement(read)}", read)
    if answer.status < 400 and read.outcome is Outcome.ALLOWED:
        return passed("conform-deny", f"answered {read.status}, which is no error")
    data = parsed(answer)
    strings = [leaf for _path, leaf in leaves(data) if isinstance(leaf, str)]
    headers = "\n".join(value for _name, value in answer.headers)
    text = headers + "\n" + ("\n".join(strings) if data is not None else decode(answer.body))
    asked = read.exchange.request.text
    for name, pattern in DISCLOSURES.items():
        match = pattern.search(text)
        if match and match.group(0) not in asked:
            told = match.group(0).strip()[:80]
            return failed("disclosure", f"disclosure.{name}", f"the error tells {told!r}", read)
    return passed("conform-deny", f"answered {read.status}, and told nothing about the inside")


def versionless(trial: Trial) -> Verdict:
    """The headers of an error name no version of what runs inside."""
    answer = trial.attempt.exchange.answer
    if answer is None:
        return unknown(f"no answer: {trial.attempt.exchange.error}", trial.attempt)
    if answer.status < 400:
        return unknown(
            f"a path that cannot exist was answered {answer.status}, which is no error",
            trial.attempt,
        )
    for header, value in answer.headers:
        if header.lower() in _VERSION_HEADERS and VERSION.search(value):
            reason = f"the header {header} of an error tells a version: {value!r}"
            return failed("disclosure", "disclosure.version", reason, trial.attempt)
    return passed("conform-deny", "the headers name no version")


# --- ids in other places ---------------------------------------------------------------------


def untouched(trial: Trial) -> Verdict:
    """Whatever was answered, somebody else's record is as it was, without any of the write."""
    plain = trial.control
    if plain is not None and plain.outcome is not Outcome.ALLOWED:
        return unknown(
            f"the same write without the foreign id was not served either ({plain.status})", plain
        )
    reason = no_statement(trial.attempt)
    if reason and trial.attempt.outcome not in {Outcome.INVALID, Outcome.CONFLICT}:
        return unknown(f"a foreign id in the request: {reason}", trial.attempt)
    if not trial.before or not trial.after:
        return unknown("nobody may read the other record, so nothing was proved", trial.attempt)
    for read in trial.before:
        if read.outcome is not Outcome.ALLOWED:
            return unknown(f"the other record could not be read ({read.status})", read)
    broken = _broken(trial.after)
    if broken:
        return broken
    if marked(trial) or (trial.shows_change and altered(trial)):
        rule = "batch.write" if "theirs" in (trial.case.variant or "") else "body-id"
        return failed(
            "bypass",
            rule,
            f"answered {trial.attempt.status}, and the other record reads differently now",
            trial.attempt,
            *trial.before,
            *trial.after,
        )
    return passed("conform-deny", f"answered {trial.attempt.status}; the other record is as it was")


def batch_refused(trial: Trial) -> Verdict:
    """In a batch, their id is answered like one that never existed, and gives nothing away."""
    control = trial.control
    if control is None or control.outcome is not Outcome.ALLOWED:
        status = control.status if control else "nobody"
        return unknown(f"a batch of one's own records was not served ({status})", trial.attempt)
    reason = no_statement(trial.attempt)
    if reason and trial.attempt.outcome is not Outcome.INVALID:
        return unknown(f"a batch with a foreign id: {reason}", trial.attempt)
    markers = trial.subject.markers if trial.subject else frozenset[str]()
    answer = trial.attempt.exchange.answer
    if answer is not None and any(marker in answer.text.lower() for marker in markers):
        return failed(
            "bypass", "batch.read", "the batch returned the other record's content", trial.attempt
        )
    if trial.before:
        return untouched(trial)
    return passed("conform-deny", "the batch gave nothing of the other record")


def alike_in_batch(trial: Trial) -> Verdict:
    """Alone in a batch, their id and one that never existed get the same answer."""
    if trial.case.variant != "only-theirs" or not trial.reference:
        return passed("conform-deny", "compared where the id stands alone")
    first, other = trial.attempt, trial.reference[0]
    if first.exchange.answer is None or other.exchange.answer is None:
        return unknown("nothing to compare", first, other)
    ids = (*(trial.subject.ids if trial.subject else ()), *trial.made_up)
    one, two = facets(first.exchange.answer, ids), facets(other.exchange.answer, ids)
    told = [name for name in differences(one, two) if not name.startswith("header x-")]
    if not told:
        return passed("conform-deny", "answers alike for their id and a missing one")
    return failed(
        "distinguishable",
        f"enumeration.{told[0].split()[0]}",
        f"in a batch, {told[0]} tells a record of others ({one.get(told[0])!r}) from one that "
        f"never existed ({two.get(told[0])!r})",
        first,
        other,
    )


def reference_refused(trial: Trial) -> Verdict:
    """A reference to another tenant's record is refused, one's own is accepted."""
    control = trial.control
    if control is None or control.outcome is not Outcome.ALLOWED:
        status = control.status if control else "nobody"
        return unknown(
            f"the same request with one's own record was not served ({status})", trial.attempt
        )
    if trial.attempt.outcome is Outcome.ALLOWED:
        return failed(
            "bypass",
            "reference",
            f"answered {trial.attempt.status}: {trial.case.variant} belongs to another tenant",
            trial.attempt,
        )
    reason = no_statement(trial.attempt)
    accepted = {Outcome.INVALID, Outcome.CONFLICT}
    if reason and trial.attempt.outcome not in accepted:
        return unknown(reason, trial.attempt)
    return passed("conform-deny", f"refused ({trial.attempt.status}), one's own is accepted")


# --- lists and searches ----------------------------------------------------------------------


def search_finds_nothing(trial: Trial) -> Verdict:
    """Their value is answered like one that nobody has, while a searcher of theirs finds it."""
    for read in (trial.attempt, *trial.reference):
        reason = no_statement(read)
        if reason:
            return unknown(f"the search: {reason}", read)
    control = trial.control
    subject = trial.subject
    if subject is None or control is None or control.exchange.answer is None:
        return unknown("nobody of that tenant may search, so nothing was proved", trial.attempt)
    if subject.ids[0].lower() not in control.exchange.answer.text.lower() and not any(
        marker in control.exchange.answer.text.lower() for marker in subject.markers
    ):
        return unknown(
            f"not even {control.exchange.persona} finds the record by that value", control
        )
    answers = [read.exchange.answer for read in (trial.attempt, *trial.reference)]
    parts = [facets(answer, subject.ids) for answer in answers if answer is not None]
    told = told_apart(parts[0], (parts[1], parts[2]))
    if not told:
        return passed("conform-deny", "their value finds as little as one that nobody has")
    return failed(
        "leak",
        "leak.search",
        f"a search for another tenant's value differs from one for nobody's: {told[0]} is "
        f"{parts[0].get(told[0])!r}, not {parts[1].get(told[0])!r}",
        trial.attempt,
        *trial.reference,
    )


def shows_own(trial: Trial) -> Verdict:
    """An answer that gathers records holds one that its reader may see, and no stranger's id.

    Only then does it prove something that nothing else is in it, which the leak oracle judges.
    """
    if trial.strangers:
        first = trial.strangers[0]
        return failed("leak", first.rule, first.reason, trial.attempt)
    if trial.attempt.outcome is not Outcome.ALLOWED or trial.attempt.exchange.answer is None:
        reason = no_statement(trial.attempt) or f"refused ({trial.attempt.status})"
        return unknown(f"granted, but {reason}", trial.attempt)
    text = trial.attempt.exchange.answer.text.lower()
    subject = trial.subject
    planted = (*subject.ids, *subject.markers) if subject else ()
    if not any(one.lower() in text for one in planted):
        return unknown("nothing that was planted for this reader is in it", trial.attempt)
    return passed("conform-allow", "it holds a record that its reader may see")


def gives_nothing_of_theirs(trial: Trial) -> Verdict:
    """A request that carries something of another tenant's is answered without that tenant's data.

    What the answer holds is judged by the leak oracle, so any answer but a failure will do.
    """
    reason = no_statement(trial.attempt)
    if reason and trial.attempt.outcome is not Outcome.INVALID:
        return unknown(f"a request with something of another tenant's: {reason}", trial.attempt)
    return passed("conform-deny", f"answered {trial.attempt.status}, with nothing of theirs")


def guessable(ids: Sequence[str]) -> str | None:
    """Why values made one after another can be guessed, None if nothing speaks for it.

    Numbers are looked at in decimal, and in hexadecimal where everything is a hexadecimal digit
    (UUIDs): random ones lie far apart, counted ones close together.
    """
    bare = [one.replace("-", "") for one in ids]
    told = f"one after another they were {', '.join(ids)}"
    if all(re.fullmatch(r"[0-9a-fA-F]{16,}", one) for one in bare):
        if _counted([int(one, 16) for one in bare]):
            return told
        if all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-.*", one, re.I) for one in ids):
            return "they are time-based UUIDs (version 1, RFC 9562 section 5.1)"
        return None
    numbers = [int(found[-1]) for one in ids if (found := re.findall(r"\d+", one))]
    shapes = {re.sub(r"\d+", "#", one) for one in ids}
    if len(numbers) == len(ids) and len(shapes) == 1 and _counted(numbers):
        return told
    return None


def _counted(numbers: Sequence[int]) -> bool:
    steps = [later - sooner for sooner, later in pairwise(numbers)]
    small = all(0 < abs(step) <= 10_000 for step in steps)
    return small and len({step > 0 for step in steps}) == 1
