import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wharfie.jail.build.links import through_links
from wharfie.jail.errors import JobError


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/t").write_text("")
    (tmp_path / "absolute").symlink_to("/d/t")
    (tmp_path / "relative").symlink_to("d/t")
    (tmp_path / "d/up").symlink_to("../relative")
    (tmp_path / "out").symlink_to("../../../../etc/passwd")
    (tmp_path / "circle").symlink_to("circle")
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/d/t", b"/d/t"),
        (b"/missing", b"/missing"),
        (b"/absolute", b"/d/t"),
        (b"/relative", b"/d/t"),
        (b"/d/up", b"/d/../d/t"),
        # ".." stays in the path: it is walked inside of the root, where it leads no higher.
        (b"/out", b"/../../../../etc/passwd"),
    ],
)
def test_links_are_followed(root: int, path: bytes, expected: bytes) -> None:
    assert through_links(root, path) == expected


def test_a_circle_leads_nowhere(root: int) -> None:
    with pytest.raises(JobError):
        through_links(root, b"/circle")
