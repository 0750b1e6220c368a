"""What the reader accepts, tolerates and refuses."""

import io
import tarfile

import pytest

from support.tar_members import read, write
from wharfie.formats.tar import END_OF_ARCHIVE, FormatError, Kind, Member, Reader, encode_member
from wharfie.formats.tar.header import Ustar, build_header
from wharfie.formats.tar.pax import encode_records


def pax(records: list[tuple[bytes, bytes]], type_flag: bytes = b"x") -> bytes:
    body = encode_records(records)
    header = build_header(Ustar(path=b"pax", size=len(body), type_flag=type_flag))
    return header + body + bytes(-len(body) % 512)


def plain(path: bytes = b"f", *, size: int = 0, type_flag: bytes = b"0") -> bytes:
    return build_header(Ustar(path=path, size=size, type_flag=type_flag))


def python_tar(format_: int, **attributes: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format_) as archive:
        info = tarfile.TarInfo("f")
        for name, value in attributes.items():
            setattr(info, name, value)
        archive.addfile(info, io.BytesIO(bytes(info.size)) if info.isreg() else None)
    return buffer.getvalue()


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_of_gnu_and_pax(format_) -> None:
    name, link = "d/" * 200 + "é", "t/" * 200
    ((member, _),) = read(
        python_tar(format_, name=name, linkname=link, type=tarfile.SYMTYPE), seed=3
    )
    assert (member.path, member.link) == (name.encode(), link.encode())


def test_ustar_prefix_is_joined() -> None:
    name = "p" * 90 + "/" + "n" * 90
    ((member, _),) = read(python_tar(tarfile.USTAR_FORMAT, name=name))
    assert member.path == name.encode()


def test_gnu_base_256_numbers() -> None:
    ((member, _),) = read(
        python_tar(tarfile.GNU_FORMAT, uid=3_000_000_000, mtime=-5, type=tarfile.DIRTYPE)
    )
    assert (member.uid, member.mtime) == (3_000_000_000, -5_000_000_000)


def test_pax_overrides_the_header_and_only_for_one_member() -> None:
    records = [
        (b"path", b"other"),
        (b"size", b"3"),
        (b"uid", b"7"),
        (b"mtime", b"1.25"),
        (b"SCHILY.xattr.user.a", b"1=2\n"),
    ]
    first, second = read(pax(records) + plain(size=0) + b"abc".ljust(512, b"\0") + plain(b"g"))
    assert first[0] == Member(
        path=b"other",
        kind=Kind.FILE,
        mode=0,
        uid=7,
        size=3,
        mtime=1_250_000_000,
        xattrs={"user.a": b"1=2\n"},
    )
    assert first[1] == b"abc"
    assert second[0].path == b"g"


def test_global_records_are_ignored_as_go_does() -> None:
    ((member, _),) = read(pax([(b"path", b"other"), (b"comment", b"x")], b"g") + plain())
    assert member.path == b"f"


def test_directories_of_old_archives_end_in_a_slash() -> None:
    old = bytearray(plain(b"d/", type_flag=b"\0"))
    ((member, _),) = read(bytes(old))
    assert member.kind is Kind.DIRECTORY


def test_sizes_of_members_without_content_are_ignored() -> None:
    archive = plain(b"l", size=100, type_flag=b"1") + plain(b"d", size=5, type_flag=b"5")
    assert [m.size for m, _ in read(archive)] == [0, 0]


def test_bytes_after_the_end_are_ignored() -> None:
    assert len(read(plain() + END_OF_ARCHIVE + b"garbage" * 1000)) == 1


def test_the_marker_at_the_end_may_be_missing() -> None:
    reader = Reader()
    assert list(reader.feed(plain(b"d", type_flag=b"5")))
    reader.close()
    assert not reader.ended


@pytest.mark.parametrize(
    "archive",
    [
        b"not a tar archive".ljust(512),
        b"\0" * 512 + plain(),
        plain(type_flag=b"M"),
        plain(size=600)[:512] + bytes(100),
        plain() + b"x" * 3,
        pax([(b"path", b"a\0b")]) + plain(),
        pax([(b"size", b"-1")]) + plain(),
        pax([(b"size", b"9" * 30)]) + plain(),
        pax([(b"uid", b"1x")]) + plain(),
        pax([(b"uid", b"4294967295")]) + plain(),
        pax([(b"mtime", b"now")]) + plain(),
        pax([(b"path", b"x")]),
        plain(size=1 << 21, type_flag=b"x"),
        plain(size=1 << 21, type_flag=b"L"),
        plain(b"x" * 100)[:148] + b"000000\0 " + plain(b"x" * 100)[156:],
    ],
)
def test_damage_is_refused(archive) -> None:
    with pytest.raises(FormatError):
        read(archive, seed=1)


def test_negative_sizes_are_refused() -> None:
    header = bytearray(plain())
    header[124:136] = (-1).to_bytes(12, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(FormatError):
        read(bytes(header))


def test_content_comes_in_order_and_is_complete() -> None:
    content = bytes(range(256)) * 40
    entries = [(Member(path=b"f", kind=Kind.FILE, size=len(content)), content)]
    for seed in range(20):
        assert read(write(entries), seed=seed) == entries


def test_signed_checksums_of_old_tars_are_accepted() -> None:
    header = bytearray(encode_member(Member(path=b"plain", kind=Kind.FILE)))
    header[0:2] = b"\xc3\xa9"
    header[148:156] = b" " * 8
    signed = sum(byte - 256 if byte >= 0x80 else byte for byte in header)
    header[148:156] = b"%06o\0 " % signed
    assert read(bytes(header))[0][0].path.startswith(b"\xc3\xa9")


def test_content_that_goes_into_its_file_by_itself() -> None:
    member = Member(path=b"f", kind=Kind.FILE, size=1300)
    archive = write([(member, b"x" * 1300)])
    reader = Reader()
    events = [*reader.feed(archive[:812])]  # the header and 300 bytes
    assert (len(events), reader.ahead, reader.offset) == (2, 1000, 300)
    assert not reader.skip(400)
    assert (reader.ahead, reader.offset) == (600, 700)
    assert reader.skip(600)
    assert reader.ahead == 0
    assert list(reader.feed(archive[812 + 1000 :])) == []
    reader.close()
    assert reader.ended
