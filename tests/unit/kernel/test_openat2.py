import os
from pathlib import Path

import pytest

from wharfie.kernel.openat2 import open_in_root, read_in_root


@pytest.fixture
def root(tmp_path: Path) -> int:
    inside = tmp_path / "root"
    (inside / "etc").mkdir(parents=True)
    (inside / "etc/file").write_text("inside")
    (tmp_path / "file").write_text("outside")
    (inside / "climb").symlink_to("../../../../../../etc/file")
    (inside / "absolute").symlink_to("/etc/file")
    (inside / "loop").symlink_to("loop")
    os.mkfifo(inside / "fifo")
    return os.open(inside, os.O_PATH)


@pytest.mark.parametrize("path", ["etc/file", "/etc/file", "climb", "absolute", "/../etc/file"])
def test_every_way_ends_inside(root: int, path: str) -> None:
    assert read_in_root(root, path, limit=100) == b"inside"


@pytest.mark.parametrize("path", ["../file", "fifo", "loop", "etc", "nothing", "etc/file/x"])
def test_what_is_no_file_inside_is_absent(root: int, path: str) -> None:
    assert read_in_root(root, path, limit=100) is None


def test_reading_is_bounded(root: int) -> None:
    assert read_in_root(root, "etc/file", limit=3) == b"ins"


def test_magic_links_are_refused() -> None:
    proc = os.open("/proc/self", os.O_PATH)
    with pytest.raises(OSError, match=r"Too many levels|symbolic"):
        open_in_root(proc, "root", os.O_PATH | os.O_DIRECTORY)


def test_descriptors_are_not_inherited(root: int) -> None:
    fd = open_in_root(root, "etc", os.O_PATH)
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_a_zero_byte_is_no_path(root: int) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        open_in_root(root, "a\0b", os.O_PATH)
