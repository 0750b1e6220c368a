"""What the writer chooses."""

import pytest

from support.tar_members import read, write
from wharfie.formats.tar import Kind, Member, encode_member
from wharfie.formats.tar.header import Ustar, build_header, build_plain_header


def test_plain_members_need_no_records() -> None:
    member = Member(path=b"dir/file", kind=Kind.FILE, size=5, mtime=1_700_000_000_000_000_000)
    assert len(encode_member(member)) == 512


def test_a_prefix_is_used_before_records() -> None:
    member = Member(path=b"p" * 100 + b"/" + b"n" * 100, kind=Kind.FILE)
    assert len(encode_member(member)) == 512
    assert read(write([(member, b"")])) == [(member, b"")]


def test_a_directory_too_long_for_the_name_gets_records() -> None:
    member = Member(path=b"d" * 150 + b"/", kind=Kind.DIRECTORY)
    assert len(encode_member(member)) > 512
    assert read(write([(member, b"")])) == [(member, b"")]


def test_names_that_are_no_utf8_are_marked() -> None:
    assert b"hdrcharset=BINARY" in encode_member(Member(path=b"\xff\xfe", kind=Kind.FILE))
    assert b"hdrcharset" not in encode_member(Member(path="é".encode(), kind=Kind.FILE))


def test_records_keep_sorted_attributes_so_that_output_is_reproducible() -> None:
    one = Member(path=b"f", kind=Kind.FILE, xattrs={"user.b": b"1", "user.a": b"2"})
    two = Member(path=b"f", kind=Kind.FILE, xattrs={"user.a": b"2", "user.b": b"1"})
    assert encode_member(one) == encode_member(two)


@pytest.mark.parametrize("path", [b"f", b"d/", b"x" * 100])
@pytest.mark.parametrize("size", [0, 1, 0o77777777777])
def test_a_plain_header_is_the_same_as_any_other(path: bytes, size: int) -> None:
    numbers = (0o4755, 1000, 0o7777777, size, 1_700_000_000)
    mode, uid, gid, size, mtime = numbers
    fields = Ustar(path=path, mode=mode, uid=uid, gid=gid, size=size, mtime=mtime, type_flag=b"0")
    assert build_plain_header(path, numbers, b"0") == build_header(fields)
