"""A bundle put to the test: is it what it says it is, and what does that prove?

Nothing that a bundle says is believed. Its files are compared with its manifest, the manifest with
the signature, and everything that can be made from the ledger is made anew and compared.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from reports import signing
from reports.archive import Damaged
from reports.attestation import LEDGER, MANIFEST, PAYLOAD_TYPE
from reports.bundle import (
    ATTESTATION,
    CLAUSES,
    COUNTERSIGNATURE_TYPE,
    EXCHANGES,
    OSCAL,
    PLAN,
    README,
    VERDICT,
    WAIVERS,
    Bundle,
    BundleError,
    Contents,
    Contradicted,
    contents,
    opened,
    renderer,
)
from reports.canonical import encode
from reports.chain import incomplete
from reports.defects import counted
from reports.gate import Gate, judge, levels
from reports.ledger import LedgerError, Run
from reports.printable import one_line
from reports.waivers import Waiver, of_plain, plain

State = Literal["holds", "contradicted", "failed", "open", "noted"]
Answer = Literal["holds", "contradicted", "not conformant", "unproven", "inconclusive", "no bundle"]

EXIT_CODES: Mapping[Answer, int] = {
    "holds": 0,
    "contradicted": 1,
    "not conformant": 1,
    "unproven": 2,
    "inconclusive": 2,
    "no bundle": 3,
}


_GRAVEST = ("verdict", "gate.verdict", "planned", "executed", "words")
"""What is told first of a stated verdict that does not follow from the ledger."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `contradicted`: two parts of the bundle do not go together;
    `failed`: the file is no bundle, or the target did not pass; `open`: nothing is wrong, but it
    cannot be told here; `noted`: worth knowing, nothing more.
    """

    name: str
    state: State
    words: str


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that signed, whether it is one that was named, and what its owner has added."""

    key_id: str
    trusted: bool
    said: str | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of it. `answer` says it in a word, `headline` in a sentence.

    "not conformant" means that the bundle is sound and says so itself, "contradicted" that it is
    not sound, whatever it says. `proves` and `does_not_prove` are sentences for a reader who has
    to decide something by it.
    """

    path: Path
    answer: Answer
    headline: str
    checks: tuple[Check, ...]
    signers: tuple[Signer, ...] = ()
    proves: tuple[str, ...] = ()
    does_not_prove: tuple[str, ...] = ()
    manifest: Mapping[str, Any] | None = None
    gate: Gate | None = None

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.answer]


def verify(path: Path, trusted: Sequence[bytes], today: date) -> Verification:
    """What the bundle in `path` proves to somebody who trusts those public keys (PEM or ids).

    Waivers are judged as of the day that the bundle states and again as of `today`. Raises
    SigningError if one of `trusted` is no public key.
    """
    named = [signing.key_id(key) for key in trusted]
    try:
        bundle = opened(path)
    except Contradicted as problem:
        words = _without_path(problem, path)
        return Verification(
            path, "contradicted", f"This bundle was changed: {words}.", (_sealed_not(words),)
        )
    except BundleError as problem:
        words = _without_path(problem, path)
        return Verification(
            path, "no bundle", f"This file {words}.", (Check("The file", "failed", words),)
        )
    with bundle:
        return _examined(bundle, named, today)


def _examined(bundle: Bundle, named: Sequence[str], today: date) -> Verification:
    checks = [
        Check(
            "One closed file",
            "holds",
            f"A zip in the one form that bundles have: {len(bundle.archive.names)} files, and "
            "nothing before, between or behind them.",
        )
    ]
    signature, signers = _signature(bundle, named)
    checks += signature
    raw: dict[str, bytes] = {}
    checks.append(_files(bundle, raw))
    made, problems = _made_anew(bundle, raw)
    checks += problems
    now: Gate | None = None
    if made is not None:
        checks += _ledger(bundle, made)
        checks += _statements(bundle, made, raw)
        checks += _waivers(made, raw)
        now = judge(made.run, _parsed(raw), made.gate.level, today)
        checks += _conformance(made, now, today)
    return _concluded(bundle, checks, signers, made, now)


def _concluded(
    bundle: Bundle,
    checks: Sequence[Check],
    signers: Sequence[Signer],
    made: Contents | None,
    now: Gate | None,
) -> Verification:
    contradicted = [check for check in checks if check.state == "contradicted"]
    trusted = [signer for signer in signers if signer.trusted]
    answer: Answer
    if contradicted:
        answer = "contradicted"
        headline = (
            f"Do not rely on this bundle: {contradicted[0].words[:1].lower()}"
            f"{contradicted[0].words[1:]}"
        )
    elif made is None or now is None:
        answer, headline = "unproven", "This bundle could not be judged by this Wardproof."
    elif "not conformant" in {made.gate.verdict, now.verdict}:
        answer = "not conformant"
        headline = "The bundle is sound, and what it shows is that the target is not conformant."
    elif not trusted:
        answer = "unproven"
        headline = (
            "Nothing in the bundle contradicts itself, but it is signed by a key that you did not "
            "name, so it does not prove who made it."
            if signers
            else "Nothing in the bundle contradicts itself, but it is unsigned, so anybody can "
            "have made it."
        )
    elif any(check.state == "open" for check in checks):
        answer = "inconclusive"
        headline = "The bundle is sound, and what it shows is not enough for a conclusion."
    else:
        answer = "holds"
        headline = "Everything holds: the bundle is sound, and the run in it is conformant."
        if now.waivers:
            headline = (
                "Everything holds: the bundle is sound, and the run in it passes with "
                f"{counted(len(now.waivers), 'accepted risk')}; by itself it is "
                f"{made.gate.decision.verdict}."
            )
    return Verification(
        path=bundle.path,
        answer=answer,
        headline=headline,
        checks=tuple(checks),
        signers=tuple(signers),
        proves=tuple(_proves(made, trusted)) if made and not contradicted else (),
        does_not_prove=tuple(_limits(made, signers, trusted)) if made else (),
        manifest=bundle.manifest,
        gate=now,
    )


# --- the signature ---------------------------------------------------------------------------


def _signature(bundle: Bundle, named: Sequence[str]) -> tuple[list[Check], list[Signer]]:
    """What the signatures are worth, and who made those that hold."""
    stated, there = bundle.manifest["signer"], bundle.signers
    name = "Signature"
    if not there and stated is None:
        words = "Unsigned: it does not say who made it, and anybody can have changed all of it."
        return [Check(name, "open", words)], []
    if not there:
        words = f"The signature was taken out: the manifest says that {stated} had signed."
        return [Check(name, "contradicted", words)], []
    if stated is None:
        words = "A signature was put on a bundle that was made without one."
        return [Check(name, "contradicted", words)], []
    if stated not in there:
        words = f"The key was replaced: {stated} made the bundle, and {there[0]} signed it."
        return [Check(name, "contradicted", words)], []
    holding = signing.check(bundle.envelope, [one.encode() for one in there if _is_key(one)])
    false = [one for one in there if one not in holding]
    if false:
        words = (
            f"The signature of {one_line(false[0], 80)} does not fit what it is said to be under: "
            "either was changed."
        )
        return [Check(name, "contradicted", words)], []
    covered = _covers(bundle)
    if covered is not None:
        return [Check(name, "contradicted", covered)], []
    signers, problems = [], []
    for one in holding:
        said, problem = _said(bundle, one)
        problems += [problem] if problem else []
        signers.append(Signer(one, one in named, said))
    others = len(signers) - 1
    more = f", and by {others} more who put their name to it" if others else ""
    found = [
        Check(name, "holds", f"Signed with {stated}{more}; it covers every file."),
        *problems,
        _key(signers, named),
    ]
    return found, signers


def _covers(bundle: Bundle) -> str | None:
    """What is wrong with what the signatures are on, None if it is this manifest."""
    kind, payload = signing.opened(bundle.envelope)
    try:
        statement = json.loads(payload)
        subjects = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
        canonical = encode(statement) == payload
    except (ValueError, KeyError, TypeError, RecursionError):
        return "What is signed is no statement about a bundle."
    if kind != PAYLOAD_TYPE or not canonical:
        return "What is signed is no statement about a bundle."
    if subjects.get(MANIFEST) != bundle.manifest_digest:
        return (
            "The signature is genuine but belongs to another bundle: the manifest was made anew "
            "after the signing."
        )
    return None


def _key(signers: Sequence[Signer], named: Sequence[str]) -> Check:
    name = "A key that you know"
    known = [signer.key_id for signer in signers if signer.trusted]
    if known:
        return Check(name, "holds", f"You named {', '.join(known)}.")
    if not named:
        words = (
            "You named no key. Ask whoever you think made this for their key id, over another "
            f"channel, and compare: {signers[0].key_id}."
        )
        return Check(name, "open", words)
    words = (
        f"It was signed with {signers[0].key_id}, which is not among those that you named "
        f"({', '.join(named)}). If you expected one of these, somebody else has signed instead."
    )
    return Check(name, "open", words)


def _said(bundle: Bundle, key_id: str) -> tuple[str | None, Check | None]:
    """What a signer has added in an envelope of its own, and what is wrong with that."""
    name = f"Countersignature of {key_id[:16]}…"
    try:
        envelope = bundle.countersignature(key_id)
        if envelope is None:
            return None, None
        kind, payload = signing.opened(envelope)
        if kind != COUNTERSIGNATURE_TYPE or not signing.check(envelope, [key_id.encode()]):
            return None, Check(name, "contradicted", "Its statement was changed after the signing.")
        statement = json.loads(payload)
        sentence = one_line(str(statement["sentence"]), 400)
        manifest = statement["manifest"]["sha256"]
    except (BundleError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, Check(name, "contradicted", "Its statement cannot be read: it was changed.")
    if manifest != bundle.manifest_digest:
        return None, Check(name, "contradicted", "Its statement is about another bundle.")
    return sentence, Check(name, "noted", sentence)


def _is_key(text: str) -> bool:
    try:
        return signing.key_id(text.encode()) == text
    except signing.SigningError:
        return False


# --- the files -------------------------------------------------------------------------------


def _sealed_not(words: str) -> Check:
    return Check("One closed file", "contradicted", f"{words[:1].upper()}{words[1:]}.")


def _files(bundle: Bundle, raw: dict[str, bytes]) -> Check:
    """Whether the files are those of the manifest; what could be read of them goes to `raw`."""
    wrong = []
    listed = set(bundle.manifest["files"])
    there = {
        name
        for name in bundle.archive.names
        if name not in {MANIFEST, ATTESTATION} and not name.startswith("countersign/")
    }
    wrong += [f"{name} was removed" for name in sorted(listed - there)]
    wrong += [f"{name} was added" for name in sorted(there - listed)]
    for name in sorted(there):
        try:
            raw[name] = bundle.archive.read(name)
        except (Damaged, OSError) as error:
            wrong.append(str(error))
            continue
        if name in listed:
            try:
                bundle.matched(name, raw[name])
            except Contradicted:
                wrong.append(f"{name} is not the file that the manifest lists")
    if wrong:
        return Check("Every file as listed", "contradicted", f"{_sentence(wrong)}.")
    words = f"All {len(there)} files have the size and the SHA-256 that the manifest lists."
    return Check("Every file as listed", "holds", words)


def _made_anew(bundle: Bundle, raw: Mapping[str, bytes]) -> tuple[Contents | None, list[Check]]:
    """Everything made from ledger, waivers, day and level; why that cannot be done otherwise."""
    if bundle.level not in levels():
        words = f"It was judged at a level ({bundle.level}) that this Wardproof does not know."
        return None, [Check("Verdict", "open", one_line(words, 200))]
    try:
        if LEDGER not in raw or WAIVERS not in raw:
            raise ValueError("its ledger or its waivers are not there whole")
        bundle.bounded(raw[LEDGER])
        waivers = _parsed(raw)
        made = contents(
            raw[LEDGER],
            waivers,
            bundle.level,
            bundle.as_of,
            signer=bundle.manifest["signer"],
            oscal=OSCAL in bundle.manifest["files"],
        )
    except (LedgerError, BundleError, ValueError) as error:
        words = f"Nothing can be made from it: {_without_path(error, bundle.path)}."
        return None, [Check("Ledger", "contradicted", words)]
    except Exception as error:
        # Whatever stands in a ledger, it is read by code that was made for those of real runs.
        words = (
            f"Nothing can be made from it: no run writes such a ledger ({type(error).__name__})."
        )
        return None, [Check("Ledger", "contradicted", words)]
    return made, []


def _parsed(raw: Mapping[str, bytes]) -> tuple[Waiver, ...]:
    try:
        return of_plain(json.loads(raw[WAIVERS]))
    except RecursionError:
        raise ValueError("its waivers are nested too deeply") from None


# --- the ledger ------------------------------------------------------------------------------


def _ledger(bundle: Bundle, made: Contents) -> Iterator[Check]:
    found = made.inspection
    stated = bundle.manifest.get("ledger")
    head = stated.get("head") if isinstance(stated, dict) else None
    chain = list(found.chain)
    if not chain and head != found.head:
        chain.append(
            "The last record is not the one that the manifest names: the end was altered, cut off "
            "or written anew."
        )
    rows: tuple[tuple[str, Sequence[str], State, str], ...] = (
        (
            "Chain of the ledger",
            chain,
            "contradicted",
            f"Each of its {found.records:,} records names the one before it: none was removed, "
            "added, moved or altered.",
        ),
        (
            "Form of the ledger",
            found.form,
            "contradicted",
            "Every line is written in the one canonical way.",
        ),
        (
            "Plan",
            found.plan,
            "contradicted",
            f"The {len(made.run.cases):,} planned cases are those of the plan's digest.",
        ),
        (
            "Every case has its verdict",
            (*_shard(made.run), *incomplete(made.run)),
            "open",
            f"Each of the {len(made.run.cases):,} planned cases has its verdict, no other case "
            "has any, and the run came to its end.",
        ),
        (
            "Requests and answers",
            found.exchanges,
            "contradicted",
            f"The {len(made.run.exchanges):,} that are kept are those that were hashed when they "
            "took place.",
        ),
        (
            "Words of the verdicts",
            found.words,
            "contradicted",
            "Every verdict's word goes with its outcome and its findings.",
        ),
    )
    for name, faults, state, sound in rows:
        yield Check(name, state if faults else "holds", one_line(" ".join(faults) or sound, 600))


def _shard(run: Run) -> Iterator[str]:
    own = sum(run.tries(case) for case in run.cases)
    if run.header.shard and own < len(run.cases):
        yield (
            f"This is part {run.header.shard.number} of {run.header.shard.of}: "
            f"{len(run.cases) - own:,} of {len(run.cases):,} cases belong to the others; join "
            "them with wardproof merge."
        )


# --- what is stated --------------------------------------------------------------------------


def _statements(bundle: Bundle, made: Contents, raw: Mapping[str, bytes]) -> Iterator[Check]:
    same_version = bundle.manifest.get("renderer") == renderer()
    yield _verdict(made, raw, same_version=same_version)
    yield _manifest(bundle, made, same_version=same_version)
    if bundle.signers:
        yield _attested(bundle, made, same_version=same_version)
    copies = [PLAN, EXCHANGES, *([CLAUSES, README] if same_version else [])]
    different = [name for name in copies if name in raw and raw[name] != made.files[name]]
    if different:
        words = f"{', '.join(different)}: not what the ledger holds."
        yield Check("Copies from the ledger", "contradicted", words)
    else:
        words = f"{', '.join(copies)}: made anew, the same byte by byte."
        yield Check("Copies from the ledger", "holds", words)
    yield _pages(made, raw, same_version=same_version)


def _verdict(made: Contents, raw: Mapping[str, bytes], *, same_version: bool) -> Check:
    name = "Verdict"
    try:
        stated = json.loads(raw[VERDICT])
        anew = json.loads(made.files[VERDICT])
        wrong = list(_different(stated, anew))
    except (KeyError, ValueError, RecursionError, TypeError):
        return Check(name, "contradicted", f"{VERDICT} cannot be read: it was changed.")
    if not same_version:
        wrong = [one for one in wrong if not one.startswith(("gate", "reasons"))]
    if wrong:
        wrong.sort(key=lambda one: not one.startswith(_GRAVEST))
        words = f"What it states is not what follows from the ledger: {_sentence(wrong)}."
        return Check(name, "contradicted", one_line(words, 600))
    if same_version and raw[VERDICT] != made.files[VERDICT]:
        return Check(name, "contradicted", f"{VERDICT} is not written as Wardproof writes it.")
    decision = made.gate.decision
    words = (
        f"Made anew from {decision.planned:,} cases, it is the one stated: {decision.verdict}. "
        f"The gate (level {made.gate.level.name}) as of {made.gate.today}: {made.gate.verdict}."
    )
    return Check(name, "holds", words)


def _manifest(bundle: Bundle, made: Contents, *, same_version: bool) -> Check:
    stated = {key: value for key, value in bundle.manifest.items() if key != "files"}
    anew = {key: value for key, value in made.manifest.items() if key != "files"}
    if not same_version:
        anew["renderer"] = stated.get("renderer")
    wrong = list(_different(stated, json.loads(json.dumps(anew))))
    if wrong:
        words = f"The manifest says of the run what the ledger does not: {_sentence(wrong)}."
        return Check("Facts about the run", "contradicted", one_line(words, 600))
    header = made.run.header
    target = f"{header.target.name} {header.target.version or ''}".strip()
    words = (
        f"Target {target}, profile {header.profile}, begun {header.started}: the manifest says "
        "what the ledger says."
    )
    return Check("Facts about the run", "holds", one_line(words, 300))


def _attested(bundle: Bundle, made: Contents, *, same_version: bool) -> Check:
    name = "Attestation"
    statement = json.loads(signing.opened(bundle.envelope)[1])
    anew = json.loads(encode(made.statement))
    for one in (statement, anew):
        # The signature was compared with the manifest that is there; this is about the rest.
        one["subject"] = [subject for subject in one["subject"] if subject.get("name") != MANIFEST]
    if statement == anew:
        result = anew["predicate"]["result"]
        words = f"The signed statement (in-toto test-result) says {result}, as the ledger does."
        return Check(name, "holds", words)
    if not same_version:
        words = "Another version of Wardproof made the signed statement; it was not compared."
        return Check(name, "noted", words)
    words = "What was signed about the run is not what follows from the ledger."
    return Check(name, "contradicted", words)


def _pages(made: Contents, raw: Mapping[str, bytes], *, same_version: bool) -> Check:
    name = "Report, JUnit, SARIF"
    pages = sorted(made.pages)
    different = [page for page in pages if raw.get(page) != made.files[page]]
    if not different:
        return Check(name, "holds", f"{', '.join(pages)}: made anew, the same byte by byte.")
    if not same_version:
        words = (
            "Another version of Wardproof made these pages; they were not compared. Their numbers "
            "are those of the verdict, or ask for that version."
        )
        return Check(name, "noted", words)
    words = f"{', '.join(different)}: not what this ledger gives. They belong to another run, or "
    return Check(name, "contradicted", words + "were edited.")


def _different(stated: Any, anew: Any, place: str = "") -> Iterator[str]:
    """Where two JSON values differ, in words."""
    if isinstance(stated, dict) and isinstance(anew, dict):
        for key in sorted({*stated, *anew}):
            where = f"{place}.{key}" if place else str(key)
            if key not in stated:
                yield f"{where} is not stated"
            elif key not in anew:
                yield f"{where} is stated and means nothing"
            else:
                yield from _different(stated[key], anew[key], where)
    elif stated != anew or type(stated) is not type(anew):
        yield f"{place} is said to be {_shown(stated)} and is {_shown(anew)}"


def _shown(value: Any) -> str:
    return one_line(json.dumps(value, ensure_ascii=False), 80)


def _waivers(made: Contents, raw: Mapping[str, bytes]) -> Iterator[Check]:
    name = "Accepted risks"
    waivers = _parsed(raw)
    as_of = made.gate.today
    newer = [one for one in waivers if one.granted > as_of]
    ended = made.run.end.finished[:10] if made.run.end else ""
    if newer:
        words = (
            f"A newer waiver was put in: {newer[0].id} of {newer[0].subject} was granted on "
            f"{newer[0].granted}, and the bundle is as of {as_of}."
        )
        yield Check(name, "contradicted", one_line(words, 400))
    elif ended and as_of.isoformat() < ended:
        words = f"It is judged as of {as_of}, a day before the run ended ({ended})."
        yield Check(name, "contradicted", words)
    elif raw[WAIVERS] != made.files[WAIVERS] or _plain_again(waivers) != raw[WAIVERS]:
        yield Check(name, "contradicted", f"{WAIVERS} is not written as Wardproof writes it.")
    elif waivers:
        lie = "lies" if len(waivers) == 1 else "lie"
        words = f"{counted(len(waivers), 'waiver')} {lie} beside the verdict, which stays as it is."
        yield Check(name, "holds", words)
    else:
        yield Check(name, "holds", "Nobody has accepted any failure.")


def _conformance(made: Contents, now: Gate, today: date) -> Iterator[Check]:
    name = "The target itself"
    if today < made.gate.today:
        words = f"The bundle is as of {made.gate.today}, which is after {today}, the day asked for."
        yield Check("The day", "open", words)
    reason = now.reasons[0] if now.reasons else ""
    words = f"Gate as of {today}: {now.verdict}. {reason}"
    if now.verdict != made.gate.verdict:
        words = (
            f"As of {made.gate.today} the gate said {made.gate.verdict}; as of {today} it says "
            f"{now.verdict}: {reason}"
        )
    both = {made.gate.verdict, now.verdict}
    state: State = "holds"
    if "not conformant" in both:
        state = "failed"
    elif "inconclusive" in both:
        state = "open"
    yield Check(name, state, one_line(words, 400))


def _plain_again(waivers: tuple[Waiver, ...]) -> bytes:
    return (json.dumps(plain(waivers), indent=1, ensure_ascii=False) + "\n").encode()


# --- in words --------------------------------------------------------------------------------


def _proves(made: Contents, trusted: Sequence[Signer]) -> Iterator[str]:
    decision = made.gate.decision
    if trusted:
        names = " and ".join(signer.key_id for signer in trusted)
        yield (
            f"The owner of the key {names} put their name to exactly this, and not one byte that "
            "counts has changed since."
        )
    yield (
        f"The verdict “{decision.verdict}” follows from the {decision.planned:,} cases in "
        "the ledger: it was worked out again here, from the evidence and not from the report."
    )
    if not any((*_shard(made.run), *incomplete(made.run))):
        yield (
            "Nothing that was planned is missing: every planned case has its verdict, passed or "
            "not."
        )
    yield "The report that you can read in it shows this run and no other."
    for signer in trusted:
        if signer.said:
            yield f"{signer.key_id[:24]}… says in its own name: {signer.said}"


def _limits(made: Contents, signers: Sequence[Signer], trusted: Sequence[Signer]) -> Iterator[str]:
    run, counts = made.run, made.gate.decision.counts
    target = f"{run.header.target.name} {run.header.target.version or ''}".strip()
    if not signers:
        yield "Who made it. It is unsigned: all of it can have been written by anybody."
    elif not trusted:
        yield "Who made it. It is signed with a key that you did not name."
    yield (
        "That the ledger tells the truth. Whoever holds the key can have made up a run: a vendor's "
        "own key shows that nothing was changed afterwards, not that the vendor is honest. Have "
        "a sample of its cases run again (wardproof rerun), or look for a countersignature of "
        "somebody you trust who did."
    )
    yield (
        "That this was the only run. Runs that came out worse can have been thrown away; ask for "
        "all bundles of a release."
    )
    left_out = []
    if counts.not_claimed:
        cases = counted(counts.not_claimed, "case")
        left_out.append(f"{cases} that the target does not claim")
    if counts.not_tested:
        left_out.append(f"{counts.not_tested:,} that were not tested")
    also = f" ({' and '.join(left_out)} were left out)" if left_out else ""
    yield (
        f"Anything about what was not planned: profile {run.header.profile}, "
        f"{counted(len(run.header.suites), 'suite')}, {counted(len(run.cases), 'case')}{also}."
    )
    yield (
        f"Anything about another installation, version, configuration or day than {target} as it "
        f"answered at {run.header.target.base_url} on {run.header.started[:10]}. That what you use "
        "is the same, somebody else has to show."
    )
    yield "When it was made: the times are those of the computer that ran it."
    if made.gate.waivers:
        yield (
            f"That what was accepted ({counted(len(made.gate.waivers), 'risk')}) is harmless to "
            "you: somebody else accepted it, for reasons that stand in the report."
        )


def _sentence(parts: Sequence[str], most: int = 4) -> str:
    told = "; ".join(parts[:most])
    return told + (f"; and {len(parts) - most} more" if len(parts) > most else "")


def _without_path(error: Exception, path: Path) -> str:
    return one_line(str(error).removeprefix(f"{path}: "), 400)


def as_json(found: Verification) -> dict[str, Any]:
    """The verification as a JSON value, schema 1."""
    manifest = found.manifest or {}
    return {
        "schema": 1,
        "file": found.path.name,
        "answer": found.answer,
        "exit_code": found.exit_code,
        "headline": found.headline,
        "checks": [
            {"name": check.name, "state": check.state, "words": check.words}
            for check in found.checks
        ],
        "signers": [
            {"key_id": one.key_id, "trusted": one.trusted, "said": one.said}
            for one in found.signers
        ],
        "proves": list(found.proves),
        "does_not_prove": list(found.does_not_prove),
        "run": manifest.get("run"),
        "target": manifest.get("target"),
        "gate": (
            {
                "as_of": found.gate.today.isoformat(),
                "level": found.gate.level.name,
                "verdict": found.gate.verdict,
                "reasons": list(found.gate.reasons),
            }
            if found.gate
            else None
        ),
    }
