"""`--storage-opt size`: on a file system that counts by project, and on one that does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.daemon import Daemon
from support.project_quota import KINDS, make_file_system

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", params=KINDS)
def counting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    image = tmp_path_factory.mktemp("quota") / "image"
    with Daemon() as daemon:
        if not make_file_system(daemon, image, request.param):
            pytest.skip(f"no {request.param} with project quotas here")
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


def test_a_volume_cannot_hold_more_than_its_size(counting: Daemon) -> None:
    fill = ("busybox", "dd", "if=/dev/zero", "of=/d/big", "bs=1M", "count=40")
    for name, flags in (("small", ("-o", "size=20m")), ("other", ("-o", "size=60m")), ("free", ())):
        made = counting.docker("volume", "create", *flags, name)
        assert made.returncode == 0, made.stderr
    full = counting.docker("run", "--rm", "-v", "small:/d", *fill)
    assert full.returncode != 0
    assert "No space left on device" in full.stderr or "quota exceeded" in full.stderr.lower()
    for name in ("other", "free"):
        done = counting.docker("run", "--rm", "-v", f"{name}:/d", *fill)
        assert done.returncode == 0, done.stderr
    counting.restart()
    # Numbers are not given twice, and a copy is limited like its original.
    assert counting.docker("volume", "create", "-o", "size=60m", "later").returncode == 0
    assert counting.docker("run", "--rm", "-v", "later:/d", *fill).returncode == 0
    assert counting.docker("volume", "rm", "small").returncode == 0
    assert counting.docker("volume", "create", "-o", "size=20m", "small").returncode == 0
    cloned = counting.wharfie("volume", "clone", "small", "copy")
    assert cloned.returncode == 0, cloned.stderr
    assert counting.docker("run", "--rm", "-v", "copy:/d", *fill).returncode != 0
    counting.docker("volume", "rm", "small", "other", "free", "later", "copy")


def test_a_file_system_that_does_not_count_refuses(shared_daemon: Daemon) -> None:
    done = shared_daemon.docker("create", "--storage-opt", "size=20M", "busybox", "true")
    assert "--storage-opt is supported only for overlay over xfs with 'pquota'" in done.stderr
    wrong = shared_daemon.docker("create", "--storage-opt", "speed=9", "busybox", "true")
    assert "Unknown option speed" in wrong.stderr
