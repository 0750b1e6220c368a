"""What the writer chooses."""

from support.tar_members import read, write
from wharfie.formats.tar import Kind, Member, encode_member


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
