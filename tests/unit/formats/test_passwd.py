import pytest

from wharfie.formats.passwd import (
    MAX_ID,
    Identity,
    LookupFailed,
    parse_group,
    parse_passwd,
    resolve,
    resolve_groups,
)

PASSWD = (
    b"root:x:0:0:root:/root:/bin/sh\n# comment\n\nbroken\n:x:1:1::/:\n"
    b"app:x:1000:1001:App:/home/app:/bin/sh\n42:x:7:8::/seven:\nnohome:x:9:9\n"
    b"huge:x:4294967295:1::/:\nword:x:abc:1::/:\napp:x:2000:2000::/second:\n"
)
GROUP = b"root:x:0:\nwheel:x:10:root,app\napp:x:1001:\nbad:x:\nextra:x:2000:app,\n"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", Identity(0, 0, (10,), "/root")),
        ("root", Identity(0, 0, (10,), "/root")),
        ("app", Identity(1000, 1001, (10, 2000), "/home/app")),
        ("1000", Identity(1000, 1001, (10, 2000), "/home/app")),
        ("42", Identity(7, 8, (), "/seven")),
        ("555", Identity(555, 0, (), "/")),
        ("app:wheel", Identity(1000, 10, (), "/home/app")),
        ("app:77", Identity(1000, 77, (), "/home/app")),
        ("555:0", Identity(555, 0, (), "/")),
        (":wheel", Identity(0, 10, (), "/root")),
        ("app:", Identity(1000, 1001, (10, 2000), "/home/app")),
        ("nohome", Identity(9, 9, (), "/")),
    ],
)
def test_who_is_meant(user: str, expected: Identity) -> None:
    assert resolve(user, PASSWD, GROUP) == expected


@pytest.mark.parametrize(
    ("user", "text"),
    [
        ("ghost", "unable to find user ghost: no matching entries in passwd file"),
        ("huge", "unable to find user huge: no matching entries in passwd file"),
        ("app:ghost", "unable to find group ghost: no matching entries in group file"),
        (str(MAX_ID + 1), "uids and gids must be in range 0-2147483647"),
        ("-1", "uids and gids must be in range 0-2147483647"),
        ("0:99999999999", "uids and gids must be in range 0-2147483647"),
    ],
)
def test_nobody_is_meant(user: str, text: str) -> None:
    with pytest.raises(LookupFailed) as caught:
        resolve(user, PASSWD, GROUP)
    assert str(caught.value) == text


def test_without_files_numbers_still_work() -> None:
    assert resolve("", b"", b"") == Identity(0, 0, (), "/")
    assert resolve("12:13", b"", b"") == Identity(12, 13, (), "/")


def test_added_groups() -> None:
    assert resolve_groups(["wheel", "5"], GROUP) == (10, 5)
    with pytest.raises(LookupFailed):
        resolve_groups(["ghost"], GROUP)


def test_bad_lines_are_skipped() -> None:
    assert [e.name for e in parse_passwd(PASSWD)] == ["root", "app", "42", "nohome", "app"]
    assert [e.name for e in parse_group(GROUP)] == ["root", "wheel", "app", "extra"]
