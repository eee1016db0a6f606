"""Bundles: what is in them, and what is not let in."""

import io
import json
import os
import stat
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from datetime import date
from pathlib import Path

import pytest

from conformance.cli import main
from reports import archive, signing
from reports.archive import Archive, ArchiveError, Damaged
from reports.attestation import LEDGER, MANIFEST
from reports.bundle import BundleError, Contradicted, countersigned, opened, write
from reports.canonical import encode
from reports.ledger import LedgerError, read
from reports.sources import run_of
from tests.reports import bundles, sample
from tests.reports.bundles import DAY, PRIVATE, PUBLIC


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundles.made(tmp_path_factory.mktemp("bundle"), "pass", "fail", "not_claimed")


# --- what is in it ---------------------------------------------------------------------------


def test_the_same_run_gives_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    again = bundles.made(tmp_path, "pass", "fail", "not_claimed")

    assert again.read_bytes() == bundle.read_bytes()


def test_times_order_and_attributes_are_fixed(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as found:
        assert found.testzip() is None
        names = [one.filename for one in found.infolist()]
        assert names == sorted(names)
        for one in found.infolist():
            assert one.date_time == (1980, 1, 1, 0, 0, 0)
            assert one.external_attr >> 16 == stat.S_IFREG | 0o644


def test_the_manifest_tells_what_was_tested_and_with_what(bundle: Path) -> None:
    with opened(bundle) as found:
        manifest = found.manifest
        run = found.run()
    assert manifest["signer"] == signing.key_id(PUBLIC)
    assert manifest["target"] == {
        "name": "Reference Hospital",
        "version": "2.3.1",
        "digest": "sha256:" + "ab" * 32,
        "base_url": "http://127.0.0.1:8600",
    }
    assert manifest["run"]["profile"] == "gate"
    assert manifest["run"]["seed"] == 20261121
    assert manifest["run"]["started"] == "2026-11-21T06:00:00Z"
    assert manifest["run"]["finished"] == "2026-11-21T06:09:41Z"
    assert manifest["run"]["id"] == run.header.id
    assert manifest["versions"]["tzdata"] == "2026b (system)"
    assert manifest["versions"]["policy"] == "b1" * 32
    assert manifest["versions"]["tables"] == {"rules.yaml": "c1" * 32}
    assert manifest["versions"]["frameworks"] == {"nist": "5"}
    assert manifest["ledger"]["head"] == run.head
    assert manifest["gate"] == {"as_of": "2026-11-21", "level": "gate"}


def test_everything_that_a_reader_needs_is_in_it(bundle: Path) -> None:
    found = bundles.members(bundle)

    assert set(found) >= {
        "attestation.dsse.json",
        "clauses.json",
        "evidence.jsonl",
        "exchanges.jsonl",
        "findings.sarif",
        "junit.xml",
        "manifest.json",
        "plan.json",
        "readme.txt",
        "report/index.html",
        "summary.json",
        "verdict.json",
        "waivers.json",
    }
    verdict = json.loads(found["verdict.json"])
    assert verdict["words"] == {"bypass": 1, "conform-deny": 1, "not-claimed": 1}
    assert verdict["verdict"] == "not conformant"
    assert len(json.loads(found["plan.json"])["cases"]) == 3
    assert [json.loads(line)["id"] for line in found["exchanges.jsonl"].splitlines()] == ["e3"]
    assert json.loads(found["clauses.json"])["clauses"][0]["against"] is True


def test_a_run_is_read_from_a_folder_or_a_bundle_alike(bundle: Path) -> None:
    assert run_of(bundle) == read(bundle.parent / "run")
    assert run_of(bundle.parent / "run") == read(bundle.parent / "run")


def test_a_bundle_is_not_written_over(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "there.zip"
    out.write_bytes(b"precious")

    with pytest.raises(BundleError, match="is there already"):
        write(bundle.parent / "run", out, None, DAY)
    assert out.read_bytes() == b"precious"


def test_waivers_may_be_handed_over_or_lie_with_the_run(tmp_path: Path) -> None:
    run = bundles.folder(tmp_path / "run", "pass", "fail")
    given = write(run, tmp_path / "given.zip", PRIVATE, DAY, waivers=bundles.waivers(run))
    bundles.folder(tmp_path / "run", "pass", "fail", waived=True)
    kept = write(run, tmp_path / "kept.zip", PRIVATE, DAY)

    assert given.read_bytes() == kept.read_bytes()
    with opened(given) as found:
        assert [one.owner for one in found.waivers()] == ["Ward IT"]


def test_a_folder_that_is_not_there_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        write(tmp_path / "none", tmp_path / "x.zip", None, DAY)
    with pytest.raises(BundleError, match="cannot be written"):
        write(bundles.folder(tmp_path / "run", "pass"), tmp_path / "no" / "x.zip", None, DAY)
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_a_ledger_that_was_edited_is_not_bundled(tmp_path: Path) -> None:
    run = bundles.folder(tmp_path / "run", "pass", "fail")
    lines = (run / LEDGER).read_bytes().splitlines(keepends=True)
    (run / LEDGER).write_bytes(b"".join(lines[:3] + lines[4:]))

    with pytest.raises(BundleError, match="Records were removed"):
        write(run, tmp_path / "x.zip", None, DAY)


def test_a_ledger_that_was_cut_is_not_bundled(tmp_path: Path) -> None:
    run = bundles.folder(tmp_path / "run", "pass", "fail")
    (run / LEDGER).write_bytes((run / LEDGER).read_bytes()[:-9])

    with pytest.raises(BundleError, match="cut"):
        write(run, tmp_path / "x.zip", None, DAY)


def test_waivers_that_cannot_be_read_are_not_left_out(tmp_path: Path) -> None:
    run = bundles.folder(tmp_path / "run", "pass")
    (run / "waivers.json").write_text('{"schema": 9}', encoding="utf-8")

    with pytest.raises(BundleError, match=r"waivers\.json: cannot be read"):
        write(run, tmp_path / "x.zip", None, DAY)


def test_an_unsigned_bundle_is_not_countersigned(tmp_path: Path) -> None:
    path = bundles.made(tmp_path, "pass", key=None)

    with pytest.raises(BundleError, match="nothing to countersign"):
        countersigned(path, tmp_path / "x.zip", PRIVATE, b"{}")


# --- what is not let in ----------------------------------------------------------------------


def refused(path: Path) -> str:
    """Why the bundle is not opened."""
    with pytest.raises(BundleError) as error:
        opened(path)
    assert not isinstance(error.value, Contradicted)
    return str(error.value)


def foreign(path: Path, names: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip as any other program writes it."""
    with zipfile.ZipFile(path, "w", kind) as file:
        for name, data in names.items():
            file.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "data", [b"", b"P", b"hello", b"\0" * 4096, b"PK", b"%PDF-1.7" + b"x" * 99]
)
def test_what_is_no_zip_is_no_bundle(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(data)

    assert "no zip" in refused(tmp_path / "x.zip") or "cut off" in refused(tmp_path / "x.zip")


def test_a_folder_or_nothing_is_no_bundle(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path)
    assert "cannot be read" in refused(tmp_path / "none.zip")
    os.mkfifo(tmp_path / "pipe.zip")
    assert "no file" in refused(tmp_path / "pipe.zip")


def test_a_bundle_that_was_cut_off_anywhere_is_none(bundle: Path, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    for length in range(1, len(whole), 499):
        (tmp_path / "x.zip").write_bytes(whole[:length])
        assert "cut off" in refused(tmp_path / "x.zip") or length < 30


def test_something_before_or_behind_is_refused(bundle: Path, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    (tmp_path / "before.zip").write_bytes(b"#!/bin/sh\necho hello\n" + whole)
    (tmp_path / "behind.zip").write_bytes(whole + b"<script>")

    assert "something before its first member" in refused(tmp_path / "before.zip")
    assert "something behind its end" in refused(tmp_path / "behind.zip")


def test_something_between_the_members_is_refused(bundle: Path, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    at = struct.unpack("<I", whole[-6:-2])[0]
    end = whole[-22:-6] + struct.pack("<IH", at + 5, 0)
    (tmp_path / "x.zip").write_bytes(whole[:at] + b"inner" + whole[at:-22] + end)

    assert "between its members" in refused(tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("../../etc/cron.d/x", "leads out"),
        ("report/../../x", "leads out"),
        ("..\\..\\x", "leads out"),
        ("/etc/passwd", "absolute"),
        ("\\\\server\\share", "absolute"),
        ("C:/windows/x", "absolute"),
        ("report/", "no file"),
        ("Report.html", "no bundle has"),
        ("a\x00b", "no bundle has"),
        ("a\x1b[31mb", "no bundle has"),
        ("evidence.jsonl.exe", "no bundle does"),
        ("report/script.js", "no bundle does"),
    ],
)
def test_names_that_no_bundle_has_are_refused(tmp_path: Path, name: str, says: str) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(raw_zip(sorted([(name, b"x"), (LEDGER, b"x"), (MANIFEST, b"{}")])))

    said = refused(path)

    assert says in said
    assert said.isprintable()
    assert [one.name for one in tmp_path.iterdir()] == ["x.zip"]


@pytest.mark.parametrize(
    "names",
    [
        ("a.json", "a.json"),
        ("a.json", "A.json"),
        ("re\u0301sume\u0301", "r\u00e9sum\u00e9"),
        ("\ufb01le", "file"),
        ("stra\u00dfe", "strasse"),
    ],
)
def test_a_name_twice_is_refused_in_whatever_spelling(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(raw_zip([(name, b"x") for name in names]))

    said = refused(path)

    assert "twice" in said or "no bundle has" in said
    ascii_only = all(name.isascii() for name in names)
    if ascii_only and names[0] == names[1]:
        assert "twice" in said


def test_links_and_devices_are_refused(tmp_path: Path) -> None:
    for mode, says in (
        (stat.S_IFLNK, "a link"),
        (stat.S_IFIFO, "no file"),
        (stat.S_IFDIR, "no file"),
    ):
        path = tmp_path / "x.zip"
        path.write_bytes(raw_zip([(LEDGER, b"/etc/passwd")], attributes=(mode | 0o777) << 16))
        assert says in refused(path)


def test_members_under_a_password_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(raw_zip([(LEDGER, b"x")], flags=1))

    assert "password" in refused(path)


def test_a_zip_of_another_program_is_refused(tmp_path: Path, bundle: Path) -> None:
    """Even with the very same files: there is one form, and nothing to be hidden in others."""
    members = bundles.members(bundle)

    assert "another program" in refused(foreign(tmp_path / "x.zip", members))
    assert "in a way that no bundle does" in refused(
        foreign(tmp_path / "y.zip", members, zipfile.ZIP_STORED)
    )


def test_thousands_of_members_are_refused_unread(tmp_path: Path) -> None:
    path = foreign(tmp_path / "x.zip", {f"f{number}": b"" for number in range(20_000)})

    assert "20,000 members" in refused(path)


def test_a_bomb_is_refused_by_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with path.open("wb") as file:
        archive.write(file, {LEDGER: bytes(200 << 20), MANIFEST: b"{}"})

    assert path.stat().st_size < 1 << 20
    assert "nothing was unpacked" in refused(path)


def test_a_bomb_that_lies_about_its_size_is_stopped_there(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(raw_zip([(LEDGER, bytes(64 << 20)), (MANIFEST, b"{}")], said=100))

    found = Archive(path)
    tracemalloc.start()
    with pytest.raises(Damaged, match="more than the 100 bytes listed"):
        found.read(LEDGER)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    found.close()
    assert most < 4 << 20


def test_a_size_that_is_too_large_is_seen_when_read(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(raw_zip([(LEDGER, b"hello")], said=7))

    found = Archive(path)
    with pytest.raises(Damaged, match="unpacks to 5 bytes, not to the 7 listed"):
        found.read(LEDGER)
    found.close()


def test_what_lies_behind_packed_data_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(raw_zip([(LEDGER, b"hello")], behind=b"hidden"))

    found = Archive(path)
    with pytest.raises(Damaged, match="behind its end"):
        found.read(LEDGER)
    found.close()


def test_a_local_header_that_says_something_else_is_refused(bundle: Path, tmp_path: Path) -> None:
    whole = bytearray(bundle.read_bytes())
    whole[30:31] = b"b"  # the first letter of the first member's name, where it lies
    (tmp_path / "x.zip").write_bytes(whole)

    assert "another where it lies" in refused(tmp_path / "x.zip")


def test_every_flipped_byte_of_the_zip_is_noticed_or_changes_nothing(
    bundle: Path, tmp_path: Path
) -> None:
    whole, inside = bundle.read_bytes(), bundles.members(bundle)
    path = tmp_path / "x.zip"
    noticed = 0
    for at in range(0, len(whole), 29):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        try:
            found = Archive(path)
            read = {name: found.read(name) for name in found.names}
            found.close()
        except (ArchiveError, Damaged):
            noticed += 1
        else:
            assert read == inside, at
    assert noticed > len(whole) / 29 * 0.95


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{}",
        b'{"schema":2}',
        b'{"schema": 1}',
        b"[" * 100_000,
        b'{"schema":1,"signer":7,"gate":{"as_of":"x"},"files":{}}',
        b'{"schema":1,"signer":null,"gate":{"as_of":"2026-11-21","level":7},"files":{}}',
        b'{"files":{"a":1},"gate":{"as_of":"2026-11-21","level":"gate"},"schema":1,"signer":null}',
        b"\xff\xfe",
        b"1" * 10_000,
    ],
)
def test_a_manifest_that_is_none_is_said_to_be_none(
    bundle: Path, tmp_path: Path, manifest: bytes
) -> None:
    path = bundles.zipped(tmp_path / "x.zip", {**bundles.members(bundle), MANIFEST: manifest})

    with pytest.raises(BundleError, match=r"manifest\.json|of schema"):
        opened(path)


def test_a_ledger_that_is_not_the_listed_one_is_not_read(bundle: Path, tmp_path: Path) -> None:
    members = bundles.members(bundle)
    members[LEDGER] += b"\n"
    path = bundles.zipped(tmp_path / "x.zip", members)

    with pytest.raises(Contradicted, match="not the file that the manifest lists"):
        run_of(path)


def test_a_line_without_end_is_not_parsed(bundle: Path, tmp_path: Path) -> None:
    """A ledger is read line by line; one of these of many megabytes is an attack."""
    members = bundles.members(bundle)
    members[LEDGER] += b'{"a":"' + bytes(range(32, 127)) * 360_000 + b'"}\n'
    path = bundles.zipped(tmp_path / "x.zip", bundles.listed(members))

    with pytest.raises(BundleError, match=r"a line of|which no bundle does"):
        run_of(path)


def test_a_bundle_leaves_nothing_on_the_disk(bundle: Path, tmp_path: Path) -> None:
    """Opened in a process of its own whose every written file would show."""
    before = set(tmp_path.rglob("*"))
    script = (
        "import sys\n"
        "opened = []\n"
        "sys.addaudithook(lambda name, args: opened.append(args) if name == 'open' and"
        " isinstance(args[1], str) and set(args[1]) & set('wax+') else None)\n"
        "from reports.sources import run_of\n"
        "from pathlib import Path\n"
        "opened.clear()\n"
        "run_of(Path(sys.argv[1]))\n"
        "print(opened)\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, str(bundle)],
        cwd=Path(__file__).parents[2],
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": "."},
        capture_output=True,
        text=True,
    )

    assert done.stdout.strip() == "[]", done.stderr
    assert set(tmp_path.rglob("*")) == before


def raw_zip(
    members: list[tuple[str, bytes]],
    *,
    flags: int = 0,
    attributes: int = (stat.S_IFREG | 0o644) << 16,
    said: int | None = None,
    behind: bytes = b"",
) -> bytes:
    """A zip in the form of a bundle, apart from what is asked for: any names, flags, sizes."""
    out, listing = io.BytesIO(), b""
    for name, data in members:
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = packer.compress(data) + packer.flush() + behind
        size = len(data) if said is None else said
        raw = name.encode()
        fields = (20, flags, 8, 0, 33, zlib.crc32(data), len(packed), size, len(raw))
        at = out.tell()
        out.write(struct.pack("<4s5H3I2H", b"PK\x03\x04", *fields, 0) + raw + packed)
        listing += struct.pack(
            "<4s6H3I5H2I", b"PK\x01\x02", 3 << 8 | 20, *fields, 0, 0, 0, 0, attributes, at
        )
        listing += raw
    at = out.tell()
    count = len(members)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(listing), at, 0)
    return out.getvalue() + listing + end


# --- the command -----------------------------------------------------------------------------


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = bundles.folder(tmp_path / "run", "pass")
    (tmp_path / "vendor.key").write_bytes(PRIVATE)
    (tmp_path / "vendor.key").chmod(0o600)
    common = ["bundle", str(run), "--at", "2026-11-21"]

    assert main([*common, "--out", str(tmp_path / "a.zip"), "--key", f"{tmp_path}/vendor.key"]) == 0
    signed = capsys.readouterr().out
    assert main([*common, "--out", str(tmp_path / "b.zip")]) == 0
    unsigned = capsys.readouterr().out

    assert signing.key_id(PUBLIC) in signed
    assert "UNSIGNED" in unsigned
    with opened(tmp_path / "a.zip") as found:
        assert found.as_of == date(2026, 11, 21)
        assert found.digest in signed


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--key", "none.key"], "cannot be read"),
        (["--key", "public.pub"], "no private key"),
        (["--level", "gat"], "there are smoke, gate, release"),
        (["--at", "tomorrow"], "is no day"),
    ],
)
def test_wrong_calls_are_said_to_be(
    tmp_path: Path,
    more: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    bundles.folder(tmp_path / "run", "pass")
    (tmp_path / "public.pub").write_bytes(PUBLIC)

    assert main(["bundle", "run", "--out", "x.zip", *more]) == 3
    assert says in capsys.readouterr().err
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--key", "vendor.key"], "say --bundle FILE as well"),
        (["--bundle", "there.zip"], "is there already"),
        (["--bundle", "none/x.zip"], "there is no folder"),
        (["--bundle", "x.zip", "--key", "none.key"], "cannot be read"),
    ],
)
def test_a_bundle_that_cannot_be_made_is_said_before_the_run(
    tmp_path: Path,
    more: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.zip").write_bytes(b"precious")

    assert main(["run", "--out", "run", *more]) == 3
    assert says in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_folder_without_a_run_is_a_wrong_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample.write(tmp_path / "odd", [{"type": "end"}])

    assert main(["bundle", str(tmp_path), "--out", str(tmp_path / "x.zip")]) == 3
    assert "give the folder that a run wrote" in capsys.readouterr().err
    assert main(["bundle", str(tmp_path / "odd"), "--out", str(tmp_path / "x.zip")]) == 3
    with pytest.raises(LedgerError):
        write(tmp_path / "odd", tmp_path / "x.zip", None, DAY)


def test_what_is_stated_is_canonical(bundle: Path) -> None:
    members = bundles.members(bundle)

    for name in (MANIFEST, "attestation.dsse.json"):
        assert encode(json.loads(members[name])) == members[name]
