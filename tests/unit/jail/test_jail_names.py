"""Go's path rules."""

import pytest

from wharfie.jail.errors import JobError
from wharfie.jail.names import base, clean, in_container, member_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"", b"."),
        (b"a//b/./c/", b"a/b/c"),
        (b"a/../b", b"b"),
        (b"../a", b"../a"),
        (b"a/../../b", b"../b"),
        (b"/../a", b"/a"),
        (b"/", b"/"),
        (b"a/..", b"."),
    ],
)
def test_clean_is_gos(path, expected) -> None:
    assert clean(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"a/b", b"a/b"),
        (b"./a/b/", b"a/b"),
        (b"/etc/passwd", b"etc/passwd"),
        (b"/../etc", b"etc"),
        (b".", b""),
        (b"./", b""),
        (b"/", b""),
        (b"a/..", b""),
        (b"..a/b..", b"..a/b.."),
        (b"//a", b"a"),
    ],
)
def test_members_stay_below_their_root(path, expected) -> None:
    assert member_path(path) == expected


@pytest.mark.parametrize("path", [b"..", b"../a", b"a/../../b", b"./../a"])
def test_members_that_lead_out_are_refused(path) -> None:
    with pytest.raises(JobError):
        member_path(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("etc", b"/etc"),
        ("/etc/", b"/etc/"),
        ("/etc/.", b"/etc/."),
        ("/", b"/"),
        (".", b"/."),
        ("/a/../../b", b"/b"),
        ("//a//b", b"/a/b"),
    ],
)
def test_paths_in_a_container(path, expected) -> None:
    assert in_container(path) == expected


def test_nul_is_refused() -> None:
    with pytest.raises(JobError):
        in_container("a\0b")


@pytest.mark.parametrize(
    ("path", "expected"), [(b"/a/b", b"b"), (b"/a/b/", b"b"), (b"/a/.", b"."), (b"/", b"/")]
)
def test_base_is_gos(path, expected) -> None:
    assert base(path) == expected
