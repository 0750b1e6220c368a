from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from wharfie.cli.archives import Extractor, pack
from wharfie.cli.errors import CommandError


def archive(*members: tuple[str, bytes, str]) -> list[bytes]:
    """Make a tar of (name, type, content or link target), cut into odd pieces."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, text in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.mode = 0o6755
            data = text.encode() if kind == tarfile.REGTYPE else b""
            if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE}:
                info.linkname = text
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    whole = out.getvalue()
    return [whole[start : start + 700] for start in range(0, len(whole), 700)]


def extract(folder: Path, *members: tuple[str, bytes, str], name: str = "") -> list[str]:
    notes: list[str] = []
    Extractor(str(folder), name, keep_owner=False, warn=notes.append).extract(
        iter(archive(*members))
    )
    return notes


FILE, DIR, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def test_trees_are_unpacked_and_renamed(tmp_path: Path) -> None:
    members = [("a", DIR, ""), ("a/f", FILE, "text"), ("a/l", LINK, "f"), ("a/h", HARD, "a/f")]
    assert extract(tmp_path, *members, name="new") == []
    assert (tmp_path / "new/f").read_text() == "text"
    assert (tmp_path / "new/l").readlink() == Path("f")
    assert (tmp_path / "new/h").samefile(tmp_path / "new/f")


def test_set_id_bits_are_dropped(tmp_path: Path) -> None:
    extract(tmp_path, ("f", FILE, "x"))
    assert (tmp_path / "f").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(
    "members",
    [
        [("../f", FILE, "x")],
        [("a/../../f", FILE, "x")],
        [("/etc/f", FILE, "x")],
        [("l", LINK, "/tmp"), ("l/f", FILE, "x")],
        [("l", LINK, ".."), ("l/f", FILE, "x")],
        [("h", HARD, "../secret")],
        [("l", LINK, ".."), ("h", HARD, "l/secret")],
        [("l", LINK, "/tmp"), ("l", DIR, "")],
    ],
)
def test_no_member_leaves_the_folder(members: list[tuple[str, bytes, str]], tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_text("secret")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(CommandError):
        extract(inside, *members)
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "secret").stat().st_nlink == 1


def test_a_link_that_was_there_before_is_replaced_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_text("secret")
    (inside / "f").symlink_to("../secret")
    extract(inside, ("f", FILE, "new"))
    assert (tmp_path / "secret").read_text() == "secret"
    assert (inside / "f").read_text() == "new"


def test_devices_are_left_out(tmp_path: Path) -> None:
    notes = extract(tmp_path, ("null", tarfile.CHRTYPE, ""), ("f", FILE, "x"))
    assert notes == ["skipped special file 'null'"]
    assert os.listdir(tmp_path) == ["f"]


def test_a_broken_stream_is_an_error(tmp_path: Path) -> None:
    extractor = Extractor(str(tmp_path), "", keep_owner=False, warn=print)
    with pytest.raises(CommandError):
        extractor.extract(iter([b"x" * 2000]))


def test_what_is_packed_reads_back(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/f").write_bytes(b"y" * 70_000)
    (tree / "l").symlink_to("sub/f")
    os.link(tree / "sub/f", tree / "sub/g")
    with tarfile.open(fileobj=io.BytesIO(b"".join(pack(str(tree), "root")))) as tar:
        names = {member.name: member.type for member in tar}
        content = tar.extractfile("root/sub/f")
        assert content is not None
        assert content.read() == b"y" * 70_000
    assert names == {
        "root": DIR,
        "root/l": LINK,
        "root/sub": DIR,
        "root/sub/f": FILE,
        "root/sub/g": HARD,
    }
