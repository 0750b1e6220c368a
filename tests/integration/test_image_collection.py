"""Collection of unused images by a real daemon, whose disk is above any low watermark."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.netns import poll
from wharfie.engine.images.upkeep import FileSystem

pytestmark = pytest.mark.root


def names(daemon: Daemon) -> str:
    return daemon.wharfie("images", "--format", "{{.Repository}}").stdout


def test_a_full_disk_costs_the_images_nobody_uses() -> None:
    with Daemon() as daemon:
        daemon.start()
        daemon.load_busybox("used:latest")
        daemon.load_busybox("idle:latest")
        assert daemon.wharfie("tag", "idle", "alias").returncode == 0
        daemon.wharfie("create", "--network", "none", "used", "true")
        daemon.restart()
        assert sorted(names(daemon).split()) == ["alias", "idle", "used"]
        # The disk of any machine is more than one per cent full.
        daemon.restart("--gc-high", "2%", "--gc-low", "1%")
        # All three are one image: the container holds it under every name.
        assert "deleted 0 unused images" in logged(daemon)
        assert sorted(names(daemon).split()) == ["alias", "idle", "used"]
        daemon.wharfie("container", "prune", "-f")
        daemon.restart("--gc-high", "2%", "--gc-low", "1%")
        assert "deleted 1 unused images" in logged(daemon)
        assert names(daemon) == ""
        until = int(time.time()) + 1
        _, events = daemon.request("GET", f"/events?since=1&until={until}")
        assert b'"Action":"gc"' in events
        assert b'"reclaimed":"' in events


def logged(daemon: Daemon) -> str:
    """The log since this start, once a look was taken."""
    for _ in poll("a look at the disk"):
        recent = daemon.log().rpartition("Starting up")[2]
        if "unused images" in recent:
            return recent
    raise AssertionError("unreachable")


async def test_the_fullness_of_a_disk_is_what_df_says(tmp_path: Path) -> None:
    settled: list[bool] = []

    async def settle() -> None:
        settled.append(True)

    used = await FileSystem(str(tmp_path), settle).used()
    status = os.statvfs(tmp_path)
    taken = status.f_blocks - status.f_bfree
    assert abs(used - 100 * taken / (taken + status.f_bavail)) < 1
    assert settled == [True]
