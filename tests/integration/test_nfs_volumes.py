"""A share of this kernel's own NFS server as a volume; the server is in the daemon's namespaces."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from support.daemon import Daemon
from support.netns import poll

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

PREPARE = """
set -e
mount -t tmpfs tmpfs /var/lib/nfs
mkdir -p /var/lib/nfs/v4recovery /var/lib/nfs/sm /var/lib/nfs/rpc_pipefs {export}/below
: > /var/lib/nfs/etab; : > /var/lib/nfs/rmtab
mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
mount -t nfsd nfsd /proc/fs/nfsd
mount -t tmpfs tmpfs {export}
mkdir {export}/below
echo of the server > {export}/file
exportfs -i -o rw,no_root_squash,fsid=0,insecure,no_subtree_check '*:{export}'
"""


@pytest.fixture(scope="module")
def served() -> Iterator[Daemon]:
    if not all(shutil.which(name) for name in ("rpc.nfsd", "rpc.mountd", "exportfs")):
        pytest.skip("no NFS server is installed")
    with Daemon() as daemon:
        script = PREPARE.format(export=daemon.directory / "export")
        prepared = daemon.namespaces.run("sh", "-c", script)
        if prepared.returncode:
            pytest.skip(f"this kernel serves no NFS: {prepared.stderr}")
        command = daemon.namespaces.command("rpc.mountd", "-F", "-N", "3", "--no-udp")
        with subprocess.Popen(command) as mountd:
            try:
                begun = daemon.namespaces.run("rpc.nfsd", "-N", "3", "-G", "10", "2")
                assert begun.returncode == 0, begun.stderr
                daemon.start(wait=False)
                daemon.wait_ready(120)
                daemon.load_busybox()
                yield daemon
                daemon.stop()
            finally:
                daemon.namespaces.run("rpc.nfsd", "0")
                mountd.terminate()


def create(daemon: Daemon, name: str, **options: str) -> None:
    flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    made = daemon.docker("volume", "create", *flags, name)
    assert made.returncode == 0, made.stderr


def test_a_share_is_read_and_written(served: Daemon) -> None:
    create(served, "share", type="nfs", o="addr=localhost,rw,nfsvers=4", device=":/")
    script = "cat /d/file; echo of the container > /d/made; grep ' /d nfs4 ' /proc/mounts"
    for _ in poll("the server's grace to end", 60):
        done = served.docker("run", "--rm", "-v", "share:/d", "busybox", "sh", "-c", script)
        if done.returncode == 0:
            break
    assert done.stdout.startswith("of the server\n")
    assert "addr=127.0.0.1" in done.stdout or "addr=::1" in done.stdout
    export = served.directory / "export"
    assert served.namespaces.run("cat", str(export / "made")).stdout == "of the container\n"
    below = "type=volume,src=share,dst=/d,volume-subpath=below"
    inside = served.docker("run", "--rm", "--mount", below, "busybox", "touch", "/d/deep")
    assert inside.returncode == 0, inside.stderr
    assert served.namespaces.run("ls", str(export / "below")).stdout == "deep\n"
    create(served, "fixed", type="nfs", o="addr=127.0.0.1,ro,nfsvers=4", device=":/")
    refused = served.docker("run", "--rm", "-v", "fixed:/d", "busybox", "touch", "/d/x")
    assert "Read-only file system" in refused.stderr
    mounted = served.namespaces.run("grep", "-c", " nfs4 ", "/proc/mounts").stdout
    assert mounted == "0\n"  # each went with its container


def test_what_is_not_exported_is_told(served: Daemon) -> None:
    create(served, "absent", type="nfs", o="addr=127.0.0.1,nfsvers=4", device=":/no/such")
    refused = served.docker("run", "--rm", "-v", "absent:/d", "busybox", "true")
    assert refused.returncode == 127  # the client takes "no such file" for a program
    assert "error while mounting volume 'absent': failed to mount local volume" in refused.stderr
