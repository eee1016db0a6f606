"""A zip in the one form that a bundle has, written and read without touching a disk.

Times, attributes and order are fixed, nothing lies before, between or behind the members, and every
field is what the others say it must be. A reader that insists on this form has nothing to be
talked into: there are no paths, links, comments, passwords, second copies or other sizes in it.
"""

import re
import stat
import struct
import unicodedata
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MOST_MEMBERS = 128
MOST_BYTES = 1 << 30
"""Of all members together, unpacked; the file itself must not be larger either."""
MOST_RATIO = 400
"""How many times smaller a large member may be packed; ledgers reach some 40."""
_SMALL = 1 << 24

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_DEFLATED = 8
_VERSION = 20
_MADE_BY = 3 << 8 | _VERSION  # on a system with Unix attributes
_TIME, _DATE = 0, 1 << 5 | 1  # the first instant that a zip can hold
_MODE = (stat.S_IFREG | 0o644) << 16
_CHUNK = 1 << 16


class ArchiveError(Exception):
    """The file is no bundle, or is one that nobody should open; the message says why."""


class Damaged(Exception):
    """A member does not hold what the archive says it holds."""


@dataclass(frozen=True, slots=True)
class Member:
    """One packed file: where its data begins, how long it is packed and unpacked, its CRC 32."""

    name: str
    start: int
    packed: int
    size: int
    crc: int


def write(out: BinaryIO, members: Mapping[str, bytes]) -> None:
    """Writes `members` as one zip: in the order of their names, with fixed times and attributes.

    The same members give the same bytes wherever the same build of zlib packs them.
    """
    central = []
    at = 0
    for name in sorted(members):
        data = members[name]
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be a name in a bundle")
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = packer.compress(data) + packer.flush()
        member = Member(name, at, len(packed), len(data), zlib.crc32(data))
        local = _local(member)
        out.write(local)
        out.write(packed)
        central.append(_listed(member))
        at += len(local) + len(packed)
    listing = b"".join(central)
    out.write(listing)
    out.write(_end(len(central), len(listing), at))


class Archive:
    """An opened zip: the names it holds, and their bytes on demand.

    Opening reads its lists only and raises ArchiveError for what is no zip of this form.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_file():
            raise ArchiveError("cannot be read (it is no file)")
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise ArchiveError(f"cannot be read ({error.strerror})") from None
        try:
            self._members = _members(self._file)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._members)

    def size(self, name: str) -> int:
        """The bytes of a member, unpacked."""
        return self._members[name].size

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of a member, piece by piece; raises Damaged when they are not what is listed.

        No more than the listed size is ever unpacked, whatever the packed data would give.
        """
        member = self._members[name]
        self._file.seek(member.start)
        left, given, crc = member.packed, 0, 0
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        while not unpacker.eof:
            waiting = unpacker.unconsumed_tail
            if not waiting:
                waiting = self._file.read(min(_CHUNK, left))
                left -= len(waiting)
            try:
                data = unpacker.decompress(waiting, _CHUNK)
            except zlib.error:
                raise Damaged(f"{name} cannot be unpacked: its bytes were changed") from None
            given += len(data)
            crc = zlib.crc32(data, crc)
            if given > member.size:
                raise Damaged(
                    f"{name} was changed: it unpacks to more than the {member.size:,} bytes listed"
                )
            if data:
                yield data
            elif not waiting and not unpacker.eof:
                raise Damaged(f"{name} ends in the middle: its bytes were changed")
        if left or unpacker.unused_data:
            raise Damaged(f"{name} has bytes behind its end")
        if given != member.size:
            raise Damaged(f"{name} unpacks to {given:,} bytes, not to the {member.size:,} listed")
        if crc != member.crc:
            raise Damaged(f"{name} does not fit its checksum: its bytes were changed")

    def read(self, name: str) -> bytes:
        """All bytes of a member; raises Damaged when they are not what is listed."""
        return b"".join(self.chunks(name))


def _local(member: Member) -> bytes:
    name = member.name.encode()
    return (
        _LOCAL.pack(
            b"PK\x03\x04",
            _VERSION,
            0,
            _DEFLATED,
            _TIME,
            _DATE,
            member.crc,
            member.packed,
            member.size,
            len(name),
            0,
        )
        + name
    )


def _listed(member: Member) -> bytes:
    """The entry of a member in the list behind all members; `start` is where its header lies."""
    name = member.name.encode()
    return (
        _CENTRAL.pack(
            b"PK\x01\x02",
            _MADE_BY,
            _VERSION,
            0,
            _DEFLATED,
            _TIME,
            _DATE,
            member.crc,
            member.packed,
            member.size,
            len(name),
            0,
            0,
            0,
            0,
            _MODE,
            member.start,
        )
        + name
    )


def _end(members: int, length: int, at: int) -> bytes:
    return _END.pack(b"PK\x05\x06", 0, 0, members, members, length, at, 0)


def _members(file: BinaryIO) -> dict[str, Member]:
    length = file.seek(0, 2)
    count, listing, at = _bounds(file, length)
    found: dict[str, Member] = {}
    folded: dict[str, str] = {}
    offset = expected = unpacked = 0
    for _ in range(count):
        member, entry = _entry(listing, offset)
        offset += len(entry)
        alike = unicodedata.normalize("NFKC", member.name).casefold()
        if alike in folded:
            raise ArchiveError(f"holds {folded[alike]!r} twice, the second time as {member.name!r}")
        folded[alike] = member.name
        if not _NAME.fullmatch(member.name) or ".." in member.name:
            raise ArchiveError(f"holds {member.name!r}, a name that no bundle has")
        if found and member.name < next(reversed(found)):
            raise ArchiveError("does not list its members in the order of their names")
        unpacked += member.size
        _bounded(member, unpacked)
        if entry != _listed(member):
            raise ArchiveError(
                f"does not list {member.name} as a bundle does: it was changed, or packed anew by "
                "another program"
            )
        header = _local(member)
        file.seek(expected)
        if member.start != expected or file.read(len(header)) != header:
            raise ArchiveError(
                f"says one thing about {member.name} in its list and another where it lies"
            )
        start = expected + len(header)
        expected = start + member.packed
        found[member.name] = Member(member.name, start, member.packed, member.size, member.crc)
    if offset != len(listing) or expected != at:
        raise ArchiveError("has bytes between its members that belong to none of them")
    return found


def _bounds(file: BinaryIO, length: int) -> tuple[int, bytes, int]:
    """The number of members, their list, and where it begins."""
    if length > MOST_BYTES:
        raise ArchiveError(f"is larger than {MOST_BYTES >> 20:,} MiB, which no bundle is")
    file.seek(0)
    if length < _END.size or file.read(2) != b"PK":
        file.seek(0)
        inside = b"PK\x03\x04" in file.read(_SMALL)
        raise ArchiveError(
            "has something before its first member" if inside else "is no zip, so no bundle"
        )
    file.seek(length - _END.size)
    tail = file.read(_END.size)
    if tail[:4] != b"PK\x05\x06":
        file.seek(max(0, length - _END.size - 0xFFFF))
        behind = b"PK\x05\x06" in file.read()
        raise ArchiveError(
            "has something behind its end"
            if behind
            else "has no end: it was cut off, or not copied whole"
        )
    _, _, _, here, count, listed, at, comment = _END.unpack(tail)
    if count > MOST_MEMBERS or here > MOST_MEMBERS:
        raise ArchiveError(f"lists {count:,} members; a bundle has no more than {MOST_MEMBERS}")
    if tail != _end(count, listed, at) or comment:
        raise ArchiveError("does not end as a bundle does: it was changed")
    if at + listed + _END.size != length:
        more = at + listed + _END.size < length
        raise ArchiveError(
            "has something before its first member or between its lists"
            if more
            else "is shorter than its own list says: it was cut off, or not copied whole"
        )
    file.seek(at)
    return count, file.read(listed), at


def _entry(listing: bytes, offset: int) -> tuple[Member, bytes]:
    """A member as it is listed, with the bytes of its entry."""
    fixed = listing[offset : offset + _CENTRAL.size]
    if len(fixed) < _CENTRAL.size or fixed[:4] != b"PK\x01\x02":
        raise ArchiveError("has a list of members that cannot be read: it was changed")
    fields = _CENTRAL.unpack(fixed)
    flags, method, crc, packed, size = fields[3], fields[4], fields[7], fields[8], fields[9]
    named, extra, comment, attributes, start = (*fields[10:13], fields[15], fields[16])
    end = offset + _CENTRAL.size + named
    name = listing[offset + _CENTRAL.size : end].decode("utf-8", "replace")
    _harmless(name, flags, attributes)
    if method != _DEFLATED:
        raise ArchiveError(f"packs {name!r} in a way that no bundle does")
    return Member(name, start, packed, size, crc), listing[offset : end + extra + comment]


def _harmless(name: str, flags: int, attributes: int) -> None:
    """Raises ArchiveError for what an unpacker could be led astray with."""
    shown = name.encode("ascii", "backslashreplace").decode()[:120]
    parts = re.split(r"[/\\]", name)
    if flags & 0x41 or flags & 0x2000:
        raise ArchiveError(f"holds {shown!r} under a password; a bundle hides nothing")
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        raise ArchiveError(f"holds {shown!r}, an absolute name; nothing was unpacked")
    if ".." in parts:
        raise ArchiveError(f"holds {shown!r}, a name that leads out; nothing was unpacked")
    kind = stat.S_IFMT(attributes >> 16)
    if kind == stat.S_IFLNK:
        raise ArchiveError(f"holds {shown!r}, which is a link; a bundle holds files only")
    if (kind and kind != stat.S_IFREG) or name.endswith("/"):
        raise ArchiveError(f"holds {shown!r}, which is no file; a bundle holds files only")


def _bounded(member: Member, unpacked: int) -> None:
    """Raises ArchiveError for sizes that no bundle has."""
    bomb = member.size > _SMALL and member.size > member.packed * MOST_RATIO
    if unpacked > MOST_BYTES or bomb:
        raise ArchiveError(
            f"says that {member.name} unpacks from {member.packed:,} to {member.size:,} bytes, "
            "which no bundle does; nothing was unpacked"
        )
