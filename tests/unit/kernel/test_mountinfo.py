"""Reading mountinfo lines."""

from __future__ import annotations

import pytest

from wharfie.kernel.mountinfo import find_propagation

TEXT = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 21 0:25 / /a rw - tmpfs none rw
31 30 0:26 / /a/b\\040c rw master:7 - tmpfs none rw
32 31 0:27 / /a/both rw shared:9 master:7 - tmpfs none rw
33 21 0:28 / /covered rw - tmpfs none rw
34 33 0:29 / /covered rw shared:3 - tmpfs none rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/etc/passwd", ("/", "shared")),
        ("/", ("/", "shared")),
        ("/a", ("/a", "private")),
        ("/ab", ("/", "shared")),
        ("/a/b c/d", ("/a/b c", "slave")),
        ("/a/both", ("/a/both", "shared")),
        ("/covered/x", ("/covered", "shared")),
    ],
)
def test_a_path_lies_on_the_deepest_and_latest_mount(path: str, expected: tuple[str, str]) -> None:
    assert find_propagation(TEXT, path) == expected
