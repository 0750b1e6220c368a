"""The checksum of files: equal for equal ones, different for everything else that counts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wharfie.jail.build.checksum import TreeSum
from wharfie.jail.errors import JobError
from wharfie.jail.protocol import Checksum
from wharfie.model.build.files import Selection


def digest(directory: Path, *sources: str, **known: str) -> str:
    root = os.open(directory, os.O_RDONLY)
    try:
        task = Checksum(selection=Selection(sources=sources or ["."]), root_owned=True)
        index = {name.encode(): value.encode() for name, value in known.items()}
        return TreeSum(root, task, index).digest()
    finally:
        os.close(root)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "d").mkdir()
    (tmp_path / "a").write_text("bc")
    (tmp_path / "d/e").write_text("")
    (tmp_path / "l").symlink_to("a")
    return tmp_path


def test_times_and_links_to_a_file_do_not_count(tree: Path) -> None:
    before = digest(tree)
    os.utime(tree / "a", (1, 1))
    os.link(tree / "a", tree.parent / f"{tree.name}-link")
    assert digest(tree) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "a").write_text("bd"),
        lambda tree: (tree / "a").rename(tree / "ab"),
        lambda tree: (tree / "a").chmod(0o600),
        lambda tree: (tree / "d").chmod(0o700),
        lambda tree: (tree / "new").mkdir(),
        lambda tree: (tree / "d/e").rename(tree / "e"),
        lambda tree: (tree / "l").unlink(),
        lambda tree: os.mkfifo(tree / "p"),
        lambda tree: os.setxattr(tree / "a", "user.x", b"1"),
        lambda tree: ((tree / "l").unlink(), (tree / "l").symlink_to("b")),
        lambda tree: ((tree / "a").write_text("b"), (tree / "d/e").write_text("c")),
    ],
)
def test_everything_else_counts(tree: Path, change: Callable[[Path], object]) -> None:
    before = digest(tree)
    change(tree)
    assert digest(tree) != before


def test_no_name_can_be_made_to_look_like_another_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (one / "x").write_text("")
    (one / "y").write_text("")
    (two / "x\n1:y").write_text("")
    assert digest(one) != digest(two)


def test_a_digest_that_is_known_is_taken_for_the_bytes(tree: Path) -> None:
    value = "sha256:a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447"
    (tree / "a").write_text("hello world\n")
    before = digest(tree)
    assert digest(tree, a=value) == before
    assert digest(tree, a=value.replace("a9", "aa")) != before


@pytest.mark.parametrize("source", ["none", "d/none", "a/none", "x*", "loop"])
def test_what_is_not_there_is_told(tree: Path, source: str) -> None:
    (tree / "loop").symlink_to("loop")
    with pytest.raises(JobError):
        digest(tree, source)


def test_no_link_leads_out(tree: Path) -> None:
    (tree / "out").symlink_to("/etc/hostname")
    (tree / "up").symlink_to("../" * 20 + "etc")
    for source in ("out", "up", "up/hostname", "../" * 20 + "etc/hostname"):
        with pytest.raises(JobError):
            digest(tree, source)
    (tree / "etc").mkdir()
    (tree / "etc/hostname").write_text("inside")
    assert digest(tree, "out") == digest(tree, "out")
