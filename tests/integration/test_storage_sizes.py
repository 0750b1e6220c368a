"""`--storage-opt size`: on a file system that counts by project, and on one that does not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]
_MIB = 1 << 20


def make_file_system(daemon: Daemon, image: Path) -> bool:
    """A loop-mounted file system with project quotas as the daemon's data root."""
    with image.open("wb") as file:
        file.truncate(400 * _MIB)
    commands = (
        ["mkfs.xfs", "-q", "-f", str(image)],
        ["mkfs.ext4", "-q", "-F", "-O", "project,quota", "-E", "quotatype=prjquota", str(image)],
    )
    daemon.data_root.mkdir(parents=True)
    mount = ["mount", "-o", "loop,prjquota", str(image), str(daemon.data_root)]
    for command in commands:
        made = bool(shutil.which(command[0])) and not daemon.namespaces.run(*command).returncode
        if made and daemon.namespaces.run(*mount).returncode == 0:
            return True
    return False


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon() as daemon:
        if not make_file_system(daemon, tmp_path / "image"):
            pytest.skip("this kernel mounts no file system with project quotas")
        daemon.start()
        daemon.load_busybox()
        yield daemon


def test_a_container_cannot_write_more_than_its_size(counting: Daemon) -> None:
    fill = ["busybox", "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=40"]
    done = counting.docker("run", "--rm", "--storage-opt", "size=20M", *fill)
    assert done.returncode != 0
    assert "No space left on device" in done.stderr or "quota exceeded" in done.stderr.lower()
    roomy = counting.docker("run", "--rm", "--storage-opt", "size=60M", *fill)
    assert roomy.returncode == 0, roomy.stderr
    free = counting.docker("run", "--rm", *fill)
    assert free.returncode == 0, free.stderr


def test_a_file_system_that_does_not_count_refuses(shared_daemon: Daemon) -> None:
    done = shared_daemon.docker("create", "--storage-opt", "size=20M", "busybox", "true")
    assert "--storage-opt is supported only for overlay over xfs with 'pquota'" in done.stderr
    wrong = shared_daemon.docker("create", "--storage-opt", "speed=9", "busybox", "true")
    assert "Unknown option speed" in wrong.stderr
