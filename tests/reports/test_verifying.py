"""What a bundle proves, and what shows that somebody was at it."""

import json
import random
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from conformance.cli import main
from reports import signing
from reports.attestation import LEDGER, MANIFEST
from reports.bundle import ATTESTATION, countersigned, opened, write
from reports.canonical import encode
from reports.verifying import Check, Verification, as_json, verify
from reports.waivers import plain
from tests.reports import bundles, sample
from tests.reports.bundles import DAY, PRIVATE, PUBLIC, STRANGER, STRANGER_PUBLIC
from tests.reports.sample import Record

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed bundle of a conformant run."""
    return bundles.made(tmp_path_factory.mktemp("sound"), "pass", "pass", "pass")


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed bundle of a run in which one case failed."""
    return bundles.made(tmp_path_factory.mktemp("failing"), "pass", "fail", "pass")


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed bundle of a run whose one failure somebody has accepted."""
    return bundles.made(tmp_path_factory.mktemp("accepted"), "pass", "fail", "pass", waived=True)


def contradictions(found: Verification) -> list[Check]:
    return [check for check in found.checks if check.state == "contradicted"]


def told(found: Verification) -> str:
    """What is contradicted, in words."""
    assert found.answer == "contradicted", found.headline
    assert found.exit_code == 1
    return " ".join(f"{check.name}: {check.words}" for check in contradictions(found))


# --- what holds ------------------------------------------------------------------------------


def test_a_sound_bundle_of_a_conformant_run_holds(sound: Path) -> None:
    found = verify(sound, [PUBLIC], DAY)

    assert (found.answer, found.exit_code) == ("holds", 0)
    assert {check.state for check in found.checks} == {"holds"}
    assert signing.key_id(PUBLIC) in " ".join(found.proves)
    assert "vendor is honest" in " ".join(found.does_not_prove)


def test_a_key_may_be_given_as_its_id(sound: Path) -> None:
    assert verify(sound, [signing.key_id(PUBLIC).encode()], DAY).exit_code == 0


def test_without_a_key_that_was_named_nobody_is_proven_to_have_made_it(sound: Path) -> None:
    nobody = verify(sound, [], DAY)
    other = verify(sound, [STRANGER_PUBLIC], DAY)

    assert (nobody.answer, nobody.exit_code) == ("unproven", 2)
    assert "You named no key" in " ".join(check.words for check in nobody.checks)
    assert (other.answer, other.exit_code) == ("unproven", 2)
    assert "not among those that you named" in " ".join(check.words for check in other.checks)
    assert not any("put their name" in sentence for sentence in other.proves)


def test_an_unsigned_bundle_says_so_everywhere(tmp_path: Path) -> None:
    path = bundles.made(tmp_path, "pass", key=None)

    found = verify(path, [PUBLIC], DAY)

    assert (found.answer, found.exit_code) == ("unproven", 2)
    assert "unsigned" in found.headline
    assert "Unsigned" in " ".join(check.words for check in found.checks)
    assert "unsigned" in " ".join(found.does_not_prove)
    inside = bundles.members(path)
    assert b"UNSIGNED" in inside["readme.txt"]
    assert json.loads(inside[MANIFEST])["signer"] is None


def test_a_run_that_is_not_conformant_is_told_apart_from_tampering(failing: Path) -> None:
    found = verify(failing, [PUBLIC], DAY)

    assert (found.answer, found.exit_code) == ("not conformant", 1)
    assert not contradictions(found)
    assert "sound" in found.headline
    assert "not conformant" in found.headline


def test_a_whole_hospital_with_hostile_answers_contradicts_itself_nowhere(tmp_path: Path) -> None:
    run = sample.write(tmp_path / "run", sample.hospital())
    found = verify(write(run, tmp_path / "run.zip", PRIVATE, DAY), [PUBLIC], DAY)
    assert found.answer == "not conformant", told(found)
    assert contradictions(found) == []


def test_an_inconclusive_run_proves_nothing_either_way(tmp_path: Path) -> None:
    found = verify(bundles.made(tmp_path, "pass", "inconclusive"), [PUBLIC], DAY)

    assert (found.answer, found.exit_code) == ("inconclusive", 2)
    assert not contradictions(found)


def test_accepted_risks_count_until_they_expire(accepted: Path) -> None:
    today = verify(accepted, [PUBLIC], DAY)
    later = verify(accepted, [PUBLIC], date(2027, 2, 1))

    assert (today.answer, today.exit_code) == ("holds", 0)
    assert "1 accepted risk; by itself it is not conformant" in today.headline
    assert "(1 risk) is harmless to you" in " ".join(today.does_not_prove)
    assert (later.answer, later.exit_code) == ("not conformant", 1)
    assert "as of 2027-02-01 it says not conformant" in " ".join(c.words for c in later.checks)


def test_a_countersignature_is_named_with_what_its_owner_says(sound: Path, tmp_path: Path) -> None:
    said = statement_of(sound, "The clinic ran 20 of its cases again, and all agreed.")
    path = countersigned(sound, tmp_path / "both.zip", STRANGER, said)

    found = verify(path, [STRANGER_PUBLIC], DAY)

    assert found.exit_code == 0
    assert [signer.trusted for signer in found.signers] == [False, True]
    assert any("ran 20 of its cases again" in sentence for sentence in found.proves)
    assert {
        name: data
        for name, data in bundles.members(path).items()
        if name in bundles.members(sound) and name != ATTESTATION
    } == {k: v for k, v in bundles.members(sound).items() if k != ATTESTATION}


def statement_of(path: Path, sentence: str) -> bytes:
    """What somebody says about that bundle."""
    with opened(path) as bundle:
        return encode({"sentence": sentence, "manifest": {"sha256": bundle.manifest_digest}})


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (b"{}", "cannot be read"),
        (b"7", "cannot be read"),
        (b'{"manifest":7,"sentence":"All agreed."}', "cannot be read"),
        (b'{"manifest":{"sha256":"00"},"sentence":"All agreed."}', "about another bundle"),
    ],
)
def test_a_countersignature_of_something_else_is_seen(
    sound: Path, tmp_path: Path, said: bytes, says: str
) -> None:
    path = countersigned(sound, tmp_path / "both.zip", STRANGER, said)

    assert says in told(verify(path, [PUBLIC], DAY))


def test_a_countersignature_that_was_changed_is_seen(sound: Path, tmp_path: Path) -> None:
    said = statement_of(sound, "All agreed.")
    found = bundles.members(countersigned(sound, tmp_path / "both.zip", STRANGER, said))
    name = next(one for one in found if one.startswith("countersign/"))
    envelope = json.loads(found[name])
    lie = signing.unsigned(envelope["payloadType"], encode({"sentence": "None agreed."}))
    found[name] = encode({**envelope, "payload": lie["payload"]})

    assert "changed after the signing" in told(
        verify(bundles.zipped(tmp_path / "lie.zip", found), [PUBLIC], DAY)
    )


# --- what does not hold ----------------------------------------------------------------------


def last_case_removed(records: list[Record]) -> list[Record]:
    name = [one["case"] for one in records if one["type"] == "verdict"][-1]
    return [one for one in records if one.get("case") != name]


def last_case_never_planned(records: list[Record]) -> list[Record]:
    name = [one["case"] for one in records if one["type"] == "verdict"][-1]
    for one in records:
        if one["type"] == "plan":
            one["cases"] = [case for case in one["cases"] if case["id"] != name]
    return last_case_removed(records)


def reordered(records: list[Record]) -> list[Record]:
    return [*records[:3], records[4], records[3], *records[5:]]


def failure_turned_into_pass(records: list[Record]) -> list[Record]:
    return [
        {**one, "outcome": "pass", "word": "conform-deny", "findings": [], "kind": "conform-deny"}
        if one.get("outcome") == "fail"
        else one
        for one in records
    ]


def verdict_added(records: list[Record]) -> list[Record]:
    first = next(one for one in records if one["type"] == "verdict")
    return [*records[:-1], {**first, "case": "access_matrix.invented"}, records[-1]]


def answer_changed(records: list[Record]) -> list[Record]:
    return [
        {**one, "response": {**one["response"], "status": 403}}
        if one["type"] == "exchange"
        else one
        for one in records
    ]


def end_removed(records: list[Record]) -> list[Record]:
    return records[:-1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (last_case_removed, "Records were removed: 6 missing"),
        (reordered, "Records were moved"),
        (failure_turned_into_pass, "Record 5 was altered"),
        (end_removed, "The last record is not the one that the manifest names"),
    ],
)
def test_a_ledger_that_was_edited_shows_where(
    failing: Path, tmp_path: Path, change: Callable[[list[Record]], list[Record]], says: str
) -> None:
    found = bundles.rewritten(bundles.members(failing), change, chained=False)

    words = told(verify(bundles.zipped(tmp_path / "x.zip", found), [PUBLIC], DAY))

    assert says in words
    assert f"{LEDGER} is not the file that the manifest lists" in words


@pytest.mark.parametrize(
    ("change", "planned", "says"),
    [
        (last_case_removed, False, "executed is said to be 3 and is 2"),
        (last_case_removed, False, "The last record is not the one that the manifest names"),
        (last_case_never_planned, False, "not those that the digest of the plan was made of"),
        (last_case_never_planned, True, "planned is said to be 3 and is 2"),
        (reordered, False, "The last record is not the one"),
        (failure_turned_into_pass, False, 'verdict is said to be "not conformant" and is'),
        (verdict_added, False, "not what this ledger gives"),
        (answer_changed, False, "Exchanges that are not those that were hashed: e3"),
    ],
)
def test_a_ledger_that_was_chained_anew_contradicts_the_rest(
    failing: Path,
    tmp_path: Path,
    change: Callable[[list[Record]], list[Record]],
    planned: bool,
    says: str,
) -> None:
    found = bundles.rewritten(bundles.members(failing), change, planned=planned)

    assert says in told(verify(bundles.zipped(tmp_path / "x.zip", found), [PUBLIC], DAY))


@pytest.mark.parametrize("change", [last_case_removed, failure_turned_into_pass, reordered])
def test_a_manifest_made_anew_is_not_the_one_that_was_signed(
    failing: Path, tmp_path: Path, change: Callable[[list[Record]], list[Record]]
) -> None:
    found = bundles.listed(bundles.rewritten(bundles.members(failing), change))

    words = told(verify(bundles.zipped(tmp_path / "x.zip", found), [PUBLIC], DAY))

    assert "The signature is genuine but belongs to another bundle" in words


def test_a_forger_who_knows_every_rule_lacks_the_key(failing: Path, tmp_path: Path) -> None:
    """Everything made anew and consistent: then the signature alone tells."""
    edited = bundles.rewritten(bundles.members(failing), failure_turned_into_pass)
    forged = bundles.everything_anew(edited, STRANGER)
    bare = bundles.everything_anew(edited, None)

    theirs = verify(bundles.zipped(tmp_path / "theirs.zip", forged), [PUBLIC], DAY)
    nobodys = verify(bundles.zipped(tmp_path / "nobodys.zip", bare), [PUBLIC], DAY)

    assert (theirs.answer, theirs.exit_code) == ("unproven", 2)
    assert "If you expected one of these, somebody else has signed instead" in " ".join(
        check.words for check in theirs.checks
    )
    assert (nobodys.answer, nobodys.exit_code) == ("unproven", 2)


def test_a_signature_that_was_taken_out_is_missed(sound: Path, tmp_path: Path) -> None:
    found = bundles.members(sound)
    envelope = {**json.loads(found[ATTESTATION]), "signatures": []}
    emptied = {**found, ATTESTATION: encode(envelope)}
    without = {name: data for name, data in found.items() if name != ATTESTATION}

    for members in (emptied, without):
        path = bundles.zipped(tmp_path / "x.zip", members)
        assert "The signature was taken out" in told(verify(path, [PUBLIC], DAY))


def test_a_key_that_was_replaced_is_named(sound: Path, tmp_path: Path) -> None:
    found = bundles.signed(bundles.members(sound), STRANGER)

    words = told(verify(bundles.zipped(tmp_path / "x.zip", found), [PUBLIC], DAY))

    assert "The key was replaced" in words
    assert signing.key_id(STRANGER_PUBLIC) in words


def test_a_signature_under_a_false_name_does_not_fit(sound: Path, tmp_path: Path) -> None:
    found = bundles.signed(bundles.members(sound), STRANGER)
    envelope = json.loads(found[ATTESTATION])
    envelope["signatures"][0]["keyid"] = signing.key_id(PUBLIC)
    found[ATTESTATION] = encode(envelope)

    assert "does not fit what it is said to be under" in told(
        verify(bundles.zipped(tmp_path / "x.zip", found), [PUBLIC], DAY)
    )


def test_a_signature_put_on_an_unsigned_bundle_is_seen(tmp_path: Path) -> None:
    found = bundles.members(bundles.made(tmp_path, "pass", key=None))

    path = bundles.zipped(tmp_path / "x.zip", bundles.signed(found, STRANGER))

    assert "made without one" in told(verify(path, [STRANGER_PUBLIC], DAY))


def test_a_statement_that_says_something_else_is_seen(failing: Path, tmp_path: Path) -> None:
    """Even the owner of the key cannot sign a better result than the ledger gives."""
    found = bundles.members(failing)
    statement = json.loads(signing.opened(json.loads(found[ATTESTATION]))[1])
    statement["predicate"]["result"] = "PASSED"
    envelope = signing.sign("application/vnd.in-toto+json", encode(statement), PRIVATE)

    path = bundles.zipped(tmp_path / "x.zip", {**found, ATTESTATION: encode(envelope)})

    assert "not what follows from the ledger" in told(verify(path, [PUBLIC], DAY))


@pytest.mark.parametrize("key", [PRIVATE, None])
def test_a_verdict_that_the_ledger_does_not_give_is_seen(tmp_path: Path, key: bytes | None) -> None:
    found = bundles.members(bundles.made(tmp_path, "pass", "fail", key=key))
    stated = json.loads(found["verdict.json"])
    stated["verdict"] = "conformant"
    stated["words"] = {"conform-deny": 2}
    found["verdict.json"] = (json.dumps(stated, indent=1, ensure_ascii=False) + "\n").encode()
    forged = bundles.signed(bundles.listed(found), key)

    words = told(verify(bundles.zipped(tmp_path / "x.zip", forged), [PUBLIC], DAY))

    assert 'verdict is said to be "conformant" and is "not conformant"' in words


@pytest.mark.parametrize("key", [PRIVATE, None])
def test_the_report_of_another_run_is_seen(tmp_path: Path, key: bytes | None) -> None:
    found = bundles.members(bundles.made(tmp_path / "a", "pass", "fail", key=key))
    other = bundles.members(bundles.made(tmp_path / "b", "pass", "pass", key=key))
    for page in ("report/index.html", "junit.xml", "findings.sarif"):
        forged = bundles.signed(bundles.listed({**found, page: other[page]}), key)

        words = told(verify(bundles.zipped(tmp_path / "x.zip", forged), [PUBLIC], DAY))

        assert f"{page}: not what this ledger gives" in words


def test_facts_that_the_ledger_does_not_know_are_seen(sound: Path, tmp_path: Path) -> None:
    found = bundles.members(sound)
    manifest = json.loads(found[MANIFEST])
    target = {**manifest["target"], "version": "9.9"}
    forged = bundles.signed(bundles.listed(found, target=target), PRIVATE)

    words = told(verify(bundles.zipped(tmp_path / "x.zip", forged), [PUBLIC], DAY))

    assert 'target.version is said to be "9.9" and is "2.3.1"' in words


def test_a_newer_waiver_is_seen(tmp_path: Path) -> None:
    """Granted after the day of the bundle, whoever signed it."""
    run = bundles.folder(tmp_path / "run", "pass", "fail")
    found = bundles.members(write(run, tmp_path / "run.zip", PRIVATE, DAY))
    newer = plain(bundles.waivers(run, granted=date(2026, 11, 25)))
    found["waivers.json"] = (json.dumps(newer, indent=1, ensure_ascii=False) + "\n").encode()
    slipped = bundles.zipped(tmp_path / "x.zip", found)
    forged = bundles.zipped(tmp_path / "y.zip", bundles.everything_anew(found, PRIVATE))

    assert "waivers.json is not the file that the manifest lists" in told(
        verify(slipped, [PUBLIC], DAY)
    )
    words = told(verify(forged, [PUBLIC], DAY))
    assert "A newer waiver was put in" in words
    assert "granted on 2026-11-25" in words


def test_waivers_of_another_run_are_seen(accepted: Path, failing: Path, tmp_path: Path) -> None:
    found = bundles.members(accepted)
    swapped = {**found, "waivers.json": bundles.members(failing)["waivers.json"]}
    forged = bundles.signed(bundles.listed(swapped), PRIVATE)

    assert "waivers.json is not the file" in told(
        verify(bundles.zipped(tmp_path / "x.zip", swapped), [PUBLIC], DAY)
    )
    words = told(verify(bundles.zipped(tmp_path / "y.zip", forged), [PUBLIC], DAY))
    assert 'gate.verdict is said to be "conformant" and is "not conformant"' in words


@pytest.mark.parametrize("name", ["plan.json", "exchanges.jsonl", "clauses.json", "readme.txt"])
def test_copies_that_differ_from_the_ledger_are_seen(
    failing: Path, tmp_path: Path, name: str
) -> None:
    found = bundles.members(failing)
    edited = {**found, name: found[name].replace(b"e", b"E", 1)}
    forged = bundles.signed(bundles.listed(edited), PRIVATE)

    words = told(verify(bundles.zipped(tmp_path / "x.zip", forged), [PUBLIC], DAY))

    assert f"{name}: not what the ledger holds" in words


def test_pages_of_another_version_are_said_not_to_be_compared(sound: Path, tmp_path: Path) -> None:
    found = bundles.members(sound)
    found["report/index.html"] += b"<!-- as another version writes it -->"
    forged = bundles.signed(bundles.listed(found, renderer="0" * 64), PRIVATE)

    result = verify(bundles.zipped(tmp_path / "x.zip", forged), [PUBLIC], DAY)

    assert (result.answer, result.exit_code) == ("holds", 0)
    assert "Another version of Wardproof" in " ".join(c.words for c in result.checks)


def test_a_member_that_is_not_listed_or_not_there_is_seen(sound: Path, tmp_path: Path) -> None:
    found = bundles.members(sound)
    less = {name: data for name, data in found.items() if name != "junit.xml"}
    more = {**found, "summary.md": b"All is well."}

    assert "junit.xml was removed" in told(
        verify(bundles.zipped(tmp_path / "less.zip", less), [PUBLIC], DAY)
    )
    if "summary.md" not in found:
        assert "summary.md was added" in told(
            verify(bundles.zipped(tmp_path / "more.zip", more), [PUBLIC], DAY)
        )


@pytest.mark.parametrize("key", [PRIVATE, None])
def test_one_flipped_byte_anywhere_is_noticed(tmp_path: Path, key: bytes | None) -> None:
    """Or it changes nothing that is read, which is shown by reading everything."""
    path = bundles.made(tmp_path, "pass", "fail", key=key)
    whole, inside = path.read_bytes(), bundles.members(path)
    expected = verify(path, [PUBLIC], DAY)
    harmless = 0
    flipped = tmp_path / "flipped.zip"
    for at in range(0, len(whole), 997):
        flipped.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        found = verify(flipped, [PUBLIC], DAY)
        if (found.answer, found.exit_code) == (expected.answer, expected.exit_code):
            assert not contradictions(found)
            assert bundles.members(flipped) == inside, at
            harmless += 1
        else:
            assert found.answer in {"contradicted", "no bundle"}, at
    assert harmless < len(whole) / 997 / 5


def test_a_ledger_that_no_run_writes_is_told_in_words(tmp_path: Path) -> None:
    """Values of any type anywhere in it, everything else made to fit: never a traceback."""
    whole = bundles.members(bundles.made(tmp_path, "pass", "fail", key=None))
    odd: list[Any] = [
        None,
        True,
        -1,
        1.5,
        2**53 - 1,
        "",
        "\x1b[31m",
        [],
        [[]],
        {},
        {"id": 1},
        ["x"] * 9,
    ]
    chance = random.Random(11)
    for _ in range(40):

        def strange(records: list[Record]) -> list[Record]:
            record = chance.choice(records)
            key = chance.choice([one for one in sorted(record) if one != "prev"])
            record[key] = chance.choice(odd)
            return records

        forged = bundles.listed(bundles.rewritten(whole, strange, chained=False))
        found = verify(bundles.zipped(tmp_path / "x.zip", forged), [PUBLIC], DAY)

        assert found.answer == "contradicted"
        assert all(check.words.isprintable() for check in found.checks)
        json.dumps(as_json(found))


def test_numbers_beyond_all_counting_cost_nothing(tmp_path: Path) -> None:
    def far(records: list[Record]) -> list[Record]:
        records[-1]["seq"] = 2**53 - 1
        return records

    found = bundles.members(bundles.made(tmp_path, "pass", key=None))
    forged = bundles.listed(bundles.rewritten(found, far, chained=False))

    words = told(verify(bundles.zipped(tmp_path / "x.zip", forged), [], DAY))
    assert "Records were removed: 4, 5, 6 and 1 more missing" in words


# --- the command -----------------------------------------------------------------------------


def test_the_command_shows_a_table_and_both_lists(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    public = tmp_path / "vendor.pub"
    public.write_bytes(PUBLIC)
    out = tmp_path / "out.json"

    code = main(
        ["verify", str(sound), "--key", str(public), "--at", "2026-11-21", "--json", str(out)]
    )

    shown = capsys.readouterr().out
    assert code == 0
    assert "Everything holds" in shown
    assert "What this proves" in shown
    assert "What this does not prove" in shown
    assert "Chain of the ledger" in shown
    written = json.loads(out.read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(as_json(verify(sound, [PUBLIC], DAY))))


@pytest.mark.parametrize(
    ("key", "says"),
    [("none.pub", "cannot be read"), ("ed25519:12", "no key id")],
)
def test_a_key_that_is_none_is_a_wrong_call(
    sound: Path, key: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(sound), "--key", key]) == 3
    assert says in capsys.readouterr().err


def test_what_is_no_bundle_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.zip").write_bytes(b"hello")

    assert main(["verify", str(tmp_path / "x.zip")]) == 3
    assert "is no zip" in capsys.readouterr().out


def test_hostile_text_reaches_no_terminal(tmp_path: Path) -> None:
    """A case named by a target's escape sequences: words are printable, whatever stands inside."""
    found = bundles.members(bundles.made(tmp_path, "pass", key=None))

    def hostile(records: list[Record]) -> list[Record]:
        return [
            {**one, "case": "\x1b[31mred\x1b[0m", "word": "\x1b]0;x\x07"}
            if one["type"] == "verdict"
            else one
            for one in records
        ]

    forged = bundles.rewritten(found, hostile)
    result = verify(bundles.zipped(tmp_path / "x.zip", forged), [], DAY)

    assert result.answer == "contradicted"
    assert all(text.isprintable() for check in result.checks for text in (check.name, check.words))
