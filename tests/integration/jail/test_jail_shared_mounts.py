"""Where the host's mounts are shared, as systemd makes them, none of a worker's shows there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

BODY = """
import asyncio, os, sys
from wharfie.drivers.archive import JailArchiver
from wharfie.model.archive import Root, RootMount

async def main(root, volume):
    archiver = JailArchiver()
    await archiver.open()
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    mounts = [RootMount(source=volume, destination="/data")]
    stat = await archiver.stat(Root(descriptor=descriptor, mounts=mounts), "/data/inside")
    await archiver.close()
    print(stat.name, os.listdir(root + "/data"))

asyncio.run(main(*sys.argv[1:]))
"""


def test_a_volume_laid_over_a_root_does_not_show_on_the_host(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    script = """
        mount -t tmpfs none "$1" && mount --make-shared "$1"
        mkdir -p "$1/root/data" "$1/volume" && touch "$1/volume/inside"
        exec "$2" -c "$3" "$1/root" "$1/volume"
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script, "sh", str(tmp_path / "shared"),
         sys.executable, BODY],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "inside []\n"
