import os
from pathlib import Path

import pytest

from wharfie.kernel.trees import Trash, delete_tree, measure_tree


def nest(path: Path, depth: int) -> None:
    """Make directories nested deeper than a path can name."""
    path.mkdir()
    fd = os.open(path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 100, dir_fd=fd)
        child = os.open("d" * 100, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = child
    os.close(fd)


def test_any_depth_is_deleted(tmp_path: Path) -> None:
    nest(tmp_path / "deep", 1500)
    delete_tree(str(tmp_path / "deep"))
    assert list(tmp_path.iterdir()) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/link").symlink_to(outside)
    (tree / "dangling").symlink_to("/nowhere")
    os.mkfifo(tree / "pipe")
    for number in range(500):
        (tree / f"f{number}").write_text("")
    delete_tree(str(tree))
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert (outside / "kept").exists()
    delete_tree(str(tree))


def test_a_tree_is_away_at_once(tmp_path: Path) -> None:
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    trash = Trash(str(tmp))
    (tmp_path / "tree").mkdir()
    trash.throw(str(tmp_path / "tree"))
    assert not (tmp_path / "tree").exists()
    trash.throw(str(tmp_path / "tree"))
    trash.settle().result(10)
    assert list(tmp.iterdir()) == []
    trash.close()


def test_what_is_left_of_a_closed_trash_is_found_by_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    first = Trash(str(tmp))
    first.close()
    (tmp_path / "tree").mkdir()
    first.throw(str(tmp_path / "tree"))
    assert len(list(tmp.iterdir())) == 1
    second = Trash(str(tmp))
    second.empty()
    second.settle().result(10)
    assert list(tmp.iterdir()) == []
    second.close()


def test_a_failure_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise OSError("busy")

    monkeypatch.setattr("wharfie.kernel.trees.delete_tree", refuse)
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    trash = Trash(str(tmp))
    (tmp_path / "tree").mkdir()
    trash.throw(str(tmp_path / "tree"))
    trash.settle().result(10)
    trash.close()
    assert "busy" in caplog.text


def test_a_tree_is_measured_at_any_depth(tmp_path: Path) -> None:
    nest(tmp_path / "deep", 600)
    (tmp_path / "deep/file").write_bytes(b"x" * 100)
    os.link(tmp_path / "deep/file", tmp_path / "deep/again")
    assert measure_tree(str(tmp_path / "deep")) == 100
    delete_tree(str(tmp_path / "deep"))
