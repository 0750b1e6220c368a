"""A loop-mounted file system with project quotas."""

import shutil
from pathlib import Path

from support.daemon import Daemon

KINDS = ("xfs", "ext4")
_MIB = 1 << 20


def make_file_system(daemon: Daemon, image: Path, kind: str) -> bool:
    """Mount one as the data root of a daemon that was not started; False where that cannot be."""
    with image.open("wb") as file:
        file.truncate(500 * _MIB)
    command = {
        "xfs": ["mkfs.xfs", "-q", "-f"],
        "ext4": ["mkfs.ext4", "-q", "-F", "-O", "project,quota", "-E", "quotatype=prjquota"],
    }[kind]
    daemon.data_root.mkdir(parents=True)
    mount = ["mount", "-o", "loop,prjquota", str(image), str(daemon.data_root)]
    if not shutil.which(command[0]) or daemon.namespaces.run(*command, str(image)).returncode:
        return False
    return daemon.namespaces.run(*mount).returncode == 0
