"""Which damages of a tree are seen, and that none is seen where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from wharfie.kernel.treediff import differences, show


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    right, ours = tmp_path / "right", tmp_path / "ours"
    (right / "usr/bin").mkdir(parents=True)
    (right / "usr/bin/env").write_bytes(b"x" * 3_000_000)
    (right / "usr/empty").touch()
    (right / "link").symlink_to("usr/bin")
    os.mkfifo(right / "pipe")
    shutil.copytree(right / "usr", ours / "usr", symlinks=True)
    (ours / "link").symlink_to("usr/bin")
    os.mkfifo(ours / "pipe")
    return right, ours


def found(trees: tuple[Path, Path]) -> list[str]:
    return list(differences(str(trees[0]), str(trees[1])))


def test_equal_trees_do_not_differ(trees: tuple[Path, Path]) -> None:
    assert found(trees) == []


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[2_999_999] ^= 1
    path.write_bytes(data)


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda ours: flip(ours / "usr/bin/env"), "usr/bin/env: content differs"),
    (lambda ours: os.truncate(ours / "usr/bin/env", 7), "usr/bin/env: content differs"),
    (lambda ours: (ours / "usr/empty").write_text("x"), "usr/empty: content differs"),
    (lambda ours: os.unlink(ours / "usr/bin/env"), "usr/bin/env: missing"),
    (lambda ours: (ours / "usr/more").mkdir(), "usr/more: not of this layer"),
    (lambda ours: (ours / "usr/a\n").touch(), "usr/a?: not of this layer"),
    (lambda ours: (ours / "usr").chmod(0o711), "usr: mode 0711 instead of 0755"),
    (lambda ours: ours.chmod(0o700), ".: mode 0700 instead of 0755"),
    (lambda ours: os.setxattr(ours / "usr/bin", "user.x", b"1"), "extended attributes differ"),
    (lambda ours: os.setxattr(ours / "usr/empty", "user.x", b"1"), "extended attributes differ"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES, ids=[text for _, text in DAMAGES])
def test_a_damage_is_named(
    trees: tuple[Path, Path], damage: Callable[[Path], object], message: str
) -> None:
    for tree in trees:
        tree.chmod(0o755)
        (tree / "usr").chmod(0o755)
    damage(trees[1])
    (line,) = found(trees)
    assert line.endswith(message)


def test_a_link_that_leads_elsewhere_is_not_followed(trees: tuple[Path, Path]) -> None:
    (trees[1] / "link").unlink()
    (trees[1] / "link").symlink_to("/etc")
    assert found(trees) == ["link: leads elsewhere"]


def test_a_pipe_in_place_of_a_file_is_not_opened(trees: tuple[Path, Path]) -> None:
    (trees[1] / "usr/empty").unlink()
    os.mkfifo(trees[1] / "usr/empty")
    assert found(trees) == ["usr/empty: another kind of file"]


def test_a_symlinked_directory_is_not_entered(trees: tuple[Path, Path]) -> None:
    shutil.rmtree(trees[1] / "usr")
    (trees[1] / "usr").symlink_to(trees[0] / "usr")
    assert found(trees) == ["usr: another kind of file"]


def test_names_are_shown_without_control_characters() -> None:
    assert show("a\x1b[0m\udcff") == "a?[0m�"
