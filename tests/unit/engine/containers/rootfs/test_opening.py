"""What the runtime is told of mounts."""

from __future__ import annotations

import pytest

from wharfie.engine.containers.rootfs.opening import bundle_mount
from wharfie.model.container import BindOptions, MountPoint, MountSpec


@pytest.mark.parametrize(
    ("point", "bind", "options"),
    [
        (MountPoint(type="volume", destination="/x"), None, ["rbind", "rw", "rprivate"]),
        (MountPoint(type="bind", destination="/x", rw=False, propagation="rslave"), None,
         ["rbind", "rro", "rslave"]),
        (MountPoint(type="bind", destination="/x", rw=False),
         BindOptions(read_only_non_recursive=True), ["rbind", "ro", "rprivate"]),
        (MountPoint(type="bind", destination="/x", rw=False), BindOptions(non_recursive=True),
         ["bind", "ro", "rprivate"]),
        (MountPoint(type="image", destination="/x", rw=False), None, ["rbind", "rro", "rprivate"]),
        (MountPoint(type="tmpfs", destination="/x", mode="size=64m,exec"), None,
         ["nosuid", "nodev", "rw", "size=64m", "exec"]),
    ],
)  # fmt: skip
def test_b118_b193_a_mount_in_oci_words(
    point: MountPoint, bind: BindOptions | None, options: list[str]
) -> None:
    spec = MountSpec(type=point.type, bind_options=bind) if bind else None
    mount = bundle_mount(point, spec)
    assert mount.options == options
    # What /proc/mounts shows first; readers of it expect a word there.
    assert point.type != "tmpfs" or mount.source == "tmpfs"
