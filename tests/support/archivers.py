"""Fixtures' insides shared by tests of archivers: build trees, describe them."""

import os
import stat
import subprocess
from pathlib import Path


def describe(base: Path, *, times: bool = True) -> dict[str, tuple[object, ...]]:
    """Path → all metadata and content, with hard links told by the first path."""
    found: dict[str, tuple[object, ...]] = {}
    first: dict[int, str] = {}
    for directory, directories, files in os.walk(os.fsencode(base)):
        for name in sorted([*directories, *files]):
            path = os.path.join(directory, name)
            status = os.lstat(path)
            shown = os.fsdecode(os.path.relpath(path, os.fsencode(base)))
            kind = stat.S_IFMT(status.st_mode)
            link = os.readlink(path) if kind == stat.S_IFLNK else b""
            content = b""
            if kind == stat.S_IFREG:
                with open(path, "rb") as file:
                    content = file.read()
            names = os.listxattr(path, follow_symlinks=False)
            attributes = {n: os.getxattr(path, n, follow_symlinks=False) for n in names}
            same = first.setdefault(status.st_ino, shown) if kind != stat.S_IFDIR else shown
            found[shown] = (
                oct(status.st_mode),
                status.st_uid,
                status.st_gid,
                status.st_rdev if kind in {stat.S_IFCHR, stat.S_IFBLK} else 0,
                link,
                content,
                attributes,
                same,
                status.st_mtime_ns if times else 0,
            )
    return found


def build_tree(base: Path) -> None:
    """A bit of everything a root file system holds."""
    subprocess.run(["cp", "-a", "/usr/share/bash-completion", base / "completion"], check=True)
    (base / "etc").mkdir()
    (base / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\n")
    os.chown(base / "etc" / "passwd", 1000, 1001)
    (base / "setuid").write_bytes(b"#!")
    os.chown(base / "setuid", 5, 6)
    (base / "setuid").chmod(0o6755)
    (base / "sticky").mkdir()
    (base / "sticky").chmod(0o3777)
    (base / "closed").mkdir(mode=0o000)
    os.link(base / "etc" / "passwd", base / "hard")
    os.symlink("/etc/passwd", base / "absolute")
    os.symlink("nowhere/at/all", base / "dangling")
    os.chown(base / "dangling", 7, 8, follow_symlinks=False)
    os.mkfifo(base / "fifo", 0o622)
    os.mknod(base / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(base / "disk", 0o660 | stat.S_IFBLK, os.makedev(259, 70_000))
    (base / "capable").write_bytes(b"ping")
    subprocess.run(["/usr/sbin/setcap", "cap_net_raw+ep", base / "capable"], check=True)
    long = base / ("d" * 200) / ("é" * 100)
    long.mkdir(parents=True)
    (long / ("f" * 250)).write_text("long")
    (base / os.fsdecode(b"\xff\xfe")).write_text("no utf-8")
    with open(base / "sparse", "wb") as file:
        file.truncate(5_000_000)
        file.seek(2_000_000)
        file.write(b"island" * 1000)
    (base / "large").write_bytes(os.urandom(3_000_000))
    (base / "empty").touch()
    os.utime(base / "empty", ns=(1_500_000_000_123_456_789, 1_500_000_000_123_456_789))
    os.utime(base / "etc", (1_000_000_000, 1_000_000_000))


def make_tar(source: Path, archive: Path, *options: str) -> bytes:
    """What GNU tar makes of a tree."""
    command = ["tar", "--xattrs", "--xattrs-include=*", *options, "-C", source, "-cf", archive, "."]
    subprocess.run(command, check=True, capture_output=True)
    return archive.read_bytes()
