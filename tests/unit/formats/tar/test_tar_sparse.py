"""The four ways to store a file with holes."""

import pytest

from support.tar_members import read
from wharfie.formats.tar import FormatError
from wharfie.formats.tar.header import Ustar, build_header
from wharfie.formats.tar.pax import encode_records
from wharfie.formats.tar.sparse import check

EXPECTED = bytes(1000) + b"A" * 600 + bytes(400) + b"B" * 100 + bytes(900)
STORED = b"A" * 600 + b"B" * 100
RANGES = [(1000, 600), (2000, 100), (3000, 0)]


def pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def with_records(records: list[tuple[bytes, bytes]], content: bytes) -> bytes:
    body = encode_records(records)
    extended = build_header(Ustar(path=b"x", size=len(body), type_flag=b"x"))
    header = build_header(Ustar(path=b"GNUSparseFile.0/f", size=len(content), type_flag=b"0"))
    return extended + pad(body) + header + pad(content)


def old_gnu(ranges: list[tuple[int, int]], stored: bytes, size: int) -> bytes:
    entries = [b"%011o\0%011o\0" % entry for entry in ranges]
    header = bytearray(build_header(Ustar(path=b"f", size=len(stored), type_flag=b"S")))
    header[257:265] = b"ustar  \0"
    header[345:512] = bytes(167)
    header[386 : 386 + 96] = b"".join(entries[:4]).ljust(96, b"\0")
    rest = entries[4:]
    header[482] = bool(rest)
    header[483:495] = b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    blocks = b""
    while rest:
        block, rest = b"".join(rest[:21]).ljust(504, b"\0"), rest[21:]
        blocks += block + (b"\1" if rest else b"\0") + bytes(7)
    return bytes(header) + blocks + pad(stored)


def pax_0_0() -> bytes:
    records = [(b"GNU.sparse.size", b"3000"), (b"GNU.sparse.numblocks", b"3")]
    for offset, length in RANGES:
        records.append((b"GNU.sparse.offset", b"%d" % offset))
        records.append((b"GNU.sparse.numbytes", b"%d" % length))
    return with_records([*records, (b"path", b"f")], STORED)


def pax_0_1() -> bytes:
    numbers = b",".join(b"%d,%d" % entry for entry in RANGES)
    records = [
        (b"GNU.sparse.size", b"3000"),
        (b"GNU.sparse.numblocks", b"3"),
        (b"GNU.sparse.name", b"f"),
        (b"GNU.sparse.map", numbers),
    ]
    return with_records(records, STORED)


def pax_1_0(lines: bytes = b"3\n1000\n600\n2000\n100\n3000\n0\n") -> bytes:
    records = [
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", b"f"),
        (b"GNU.sparse.realsize", b"3000"),
    ]
    return with_records(records, pad(lines) + STORED)


@pytest.mark.parametrize(
    "archive",
    [old_gnu(RANGES, STORED, 3000), pax_0_0(), pax_0_1(), pax_1_0()],
    ids=["old", "0.0", "0.1", "1.0"],
)
@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_holes_are_where_they_were(archive, seed) -> None:
    following = build_header(Ustar(path=b"next", type_flag=b"0"))
    (member, content), after = read(archive + following, seed=seed)
    assert (member.path, member.size, member.sparse) == (b"f", 3000, True)
    assert content == EXPECTED
    assert after[0].path == b"next"


def test_many_ranges_need_extension_blocks() -> None:
    ranges = [(n * 1000, 10) for n in range(60)]
    ((_, content),) = read(old_gnu(ranges, b"x" * 600, 60_000), seed=5)
    assert content == (b"x" * 10 + bytes(990)) * 60


def test_a_map_longer_than_a_block() -> None:
    ranges = [(n * 1000, 10) for n in range(200)]
    lines = b"200\n" + b"".join(b"%d\n%d\n" % entry for entry in ranges)
    records = [
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.realsize", b"200000"),
    ]
    ((_, content),) = read(with_records(records, pad(lines) + b"x" * 2000), seed=9)
    assert content == (b"x" * 10 + bytes(990)) * 200


def test_a_file_that_is_one_hole() -> None:
    ((member, content),) = read(old_gnu([(3000, 0)], b"", 3000))
    assert (member.size, content) == (3000, bytes(3000))


@pytest.mark.parametrize(
    "archive",
    [
        old_gnu([(1000, 600), (500, 100)], STORED, 3000),
        old_gnu([(1000, 600), (2950, 100)], STORED, 3000),
        old_gnu([(1000, 600)], STORED, 3000),
        pax_1_0(b"9999999999\n"),
        pax_1_0(b"3\n1000\nx\n"),
        pax_1_0(b"3\n" + b"1" * 100),
        pax_1_0(b"1\n"),
        pax_1_0(b"300\n" * 3),
        with_records([(b"GNU.sparse.size", b"10"), (b"GNU.sparse.map", b"1,2,3")], b"x"),
    ],
)
def test_nonsense_maps_are_refused(archive) -> None:
    with pytest.raises(FormatError):
        read(archive)


def test_empty_ranges_are_dropped() -> None:
    assert check([(0, 0), (5, 5), (10, 0)], size=10, stored=5) == [(5, 5)]
