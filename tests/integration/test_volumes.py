"""Volumes of a real daemon: options, owners, subpaths, copies, streams, protection."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from wharfie.drivers.volume import attaching
from wharfie.drivers.volume.options import MountOptions

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with Daemon() as made:
        made.start()
        made.load_busybox()
        yield made


def ok(daemon: Daemon, *arguments: str, wharfie: bool = False) -> str:
    done = (daemon.wharfie if wharfie else daemon.docker)(*arguments)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def refused(daemon: Daemon, *arguments: str, wharfie: bool = False) -> str:
    done = (daemon.wharfie if wharfie else daemon.docker)(*arguments)
    assert done.returncode != 0, (arguments, done.stdout)
    return done.stderr


def run(daemon: Daemon, mount: str, script: str) -> str:
    return ok(daemon, "run", "--rm", "--mount", mount, "busybox", "sh", "-c", script)


def create(daemon: Daemon, name: str, **options: str) -> None:
    flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    assert ok(daemon, "volume", "create", *flags, name) == f"{name}\n"


def test_memory_is_shared_by_those_who_use_it_and_gone_after(daemon: Daemon) -> None:
    create(daemon, "memory", type="tmpfs", device="tmpfs", o="size=1m,mode=1770")
    mounted = ["-v", "memory:/m", "busybox"]
    ok(daemon, "run", "-d", "--name", "first", *mounted, "sleep", "600")
    try:
        ok(daemon, "exec", "first", "sh", "-c", "echo word > /m/f")
        assert ok(daemon, "run", "--rm", *mounted, "cat", "/m/f") == "word\n"
        shown = ok(daemon, "run", "--rm", *mounted, "sh", "-c", "df -k /m | tail -n1; ls -ld /m")
        assert " 1024 " in shown
        assert "drwxrwx--T" in shown
        assert refused(
            daemon, "exec", "first", "dd", "if=/dev/zero", "of=/m/big", "bs=2M", "count=1"
        )
        daemon.kill9()
        daemon.start()
        assert ok(daemon, "run", "--rm", *mounted, "cat", "/m/f") == "word\n"
    finally:
        ok(daemon, "rm", "-f", "first")
    assert ok(daemon, "run", "--rm", *mounted, "ls", "/m") == ""
    ok(daemon, "volume", "rm", "memory")


def test_a_directory_of_the_host(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the host\n")
    create(daemon, "hosts", type="none", o="bind", device=str(tmp_path))
    create(daemon, "fixed", type="none", o="bind,ro", device=str(tmp_path))
    create(daemon, "nowhere", type="none", o="bind", device="/no/such/place")
    read = "type=volume,src=hosts,dst=/d"
    assert run(daemon, read, "cat /d/file; echo new > /d/made") == "of the host\n"
    assert (tmp_path / "made").read_text() == "new\n"
    done = daemon.docker("run", "--rm", "-v", "fixed:/d", "busybox", "touch", "/d/x")
    assert "Read-only file system" in done.stderr
    assert "no such file" in refused(daemon, "run", "--rm", "-v", "nowhere:/d", "busybox", "true")
    shown = json.loads(ok(daemon, "volume", "inspect", "hosts"))[0]
    assert shown["Options"] == {"type": "none", "o": "bind", "device": str(tmp_path)}
    ok(daemon, "volume", "rm", "hosts", "fixed", "nowhere")
    assert (tmp_path / "file").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"colour": "red"}, 'invalid option: "colour"'),
        ({"type": "tmpfs"}, "missing required option"),
        ({"device": "tmpfs"}, "missing required option"),
        ({"size": "10g"}, "quota size requested but no quota support"),
        ({"size": "much"}, "invalid size: 'much'"),
        ({"type": "tmpfs", "device": "tmpfs", "size": "1m"}, "give it to the file system in o"),
        ({"type": "none", "o": "bind", "device": "relative"}, "absolute"),
        ({"mode": "9"}, "invalid value for mode"),
    ],
)
def test_options_nobody_serves(daemon: Daemon, options: dict[str, str], words: str) -> None:
    flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    assert words in refused(daemon, "volume", "create", *flags, "bad")
    assert "no such volume" in refused(daemon, "volume", "inspect", "bad")


def test_owner_and_mode_of_a_new_volume(daemon: Daemon) -> None:
    create(daemon, "owned", uid="1234", gid="4321", mode="0750")
    shown = run(daemon, "type=volume,src=owned,dst=/d,volume-nocopy", "stat -c %u:%g:%a /d")
    assert shown == "1234:4321:750\n"
    ok(daemon, "volume", "rm", "owned")


def test_b115_an_empty_volume_gets_what_the_image_has(daemon: Daemon) -> None:
    filled = ok(daemon, "run", "--rm", "-v", "filled:/bin", "busybox", "ls", "/bin")
    assert "sh" in filled
    bare = daemon.docker("run", "--rm", "-v", "bare:/bin:nocopy", "busybox", "true")
    assert bare.returncode == 127
    create(daemon, "options", type="tmpfs", device="tmpfs")
    empty = daemon.docker("run", "--rm", "-v", "options:/bin", "busybox", "true")
    assert empty.returncode == 127
    ok(daemon, "volume", "rm", "filled", "bare", "options")


def test_a_subpath_of_a_directory_of_the_host(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below/file").write_text("deep\n")
    create(daemon, "hosts", type="none", o="bind", device=str(tmp_path))
    assert run(daemon, "type=volume,src=hosts,dst=/d,volume-subpath=below", "cat /d/*") == "deep\n"
    missing = "type=volume,src=hosts,dst=/d,volume-subpath=absent"
    told = refused(daemon, "run", "--rm", "--mount", missing, "busybox", "true")
    assert "cannot access path absent" in told
    ok(daemon, "volume", "rm", "hosts")


def test_a_subpath_on_kernels_that_clone_no_parts_of_detached_mounts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As before Linux 6.15: only what is attached can be cloned."""

    def old(_place: int) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    memory = MountOptions(type="tmpfs", device="tmpfs")
    root = attaching.mount_volume("memory", memory, [])
    try:
        os.mkdir("below", dir_fd=root)
        monkeypatch.setattr(attaching, "clone_open", old)
        before = Path("/proc/self/mountinfo").read_text()
        below = attaching.mount_below(root, "below")
        assert Path("/proc/self/mountinfo").read_text() == before
        try:
            os.close(os.open("made", os.O_CREAT | os.O_WRONLY, dir_fd=below))
        finally:
            os.close(below)
        listed = os.open("below", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)
        assert os.listdir(listed) == ["made"]
        os.close(listed)
    finally:
        os.close(root)


def test_a_subpath_stays_inside_its_volume(daemon: Daemon) -> None:
    script = "mkdir -p /d/a/b; echo in > /d/a/b/f; ln -s /etc /d/out; ln -s a/b /d/link"
    run(daemon, "type=volume,src=parts,dst=/d", script)
    base = "type=volume,src=parts,dst=/p,volume-subpath="
    assert run(daemon, base + "a/b", "cat /p/f") == "in\n"
    assert run(daemon, base + "link", "cat /p/f") == "in\n"
    assert run(daemon, base + "a/b/f", "cat /p") == "in\n"
    for path in ("out", "../..", "/etc", "missing"):
        flags = ("run", "--rm", "--mount", base + path, "busybox", "cat", "/p/hostname")
        refused(daemon, *flags)
    # A link put in the place of a directory after create leads nowhere either.
    ok(daemon, "create", "--name", "late", "--mount", base + "a", "busybox", "ls", "/p")
    run(daemon, "type=volume,src=parts,dst=/d", "rm -r /d/a; ln -s /etc /d/a")
    told = daemon.docker("start", "-a", "late")
    assert "passwd" not in told.stdout
    ok(daemon, "rm", "late")
    ok(daemon, "volume", "rm", "parts")


def test_b9_b147_in_use_and_prune(daemon: Daemon) -> None:
    create(daemon, "named")
    ok(daemon, "create", "--name", "holder", "-v", "named:/n", "-v", "/anonymous", "busybox")
    anonymous = [name for name in ok(daemon, "volume", "ls", "-q").split() if len(name) == 64]
    assert "volume is in use" in refused(daemon, "volume", "rm", "named")
    assert ok(daemon, "volume", "prune", "-f").count("\n") == 1
    ok(daemon, "rm", "holder")
    told = ok(daemon, "volume", "prune", "--dry-run", wharfie=True)
    assert "Would delete volumes:" in told
    assert anonymous[0] in told
    assert "named" not in told
    assert anonymous[0] in ok(daemon, "volume", "ls", "-q")
    assert anonymous[0] in ok(daemon, "volume", "prune", "-f")
    assert "named" in ok(daemon, "volume", "prune", "-af")


def test_rename_clone_backup_and_restore(daemon: Daemon, tmp_path: Path) -> None:
    run(daemon, "type=volume,src=first,dst=/d", "echo one > /d/f; chmod 700 /d/f; mkdir /d/e")
    ok(daemon, "create", "--name", "holder", "-v", "first:/d", "busybox")
    for verb in ("rename", "clone"):
        assert "in use" in refused(daemon, "volume", verb, "first", "second", wharfie=True)
    archive = str(tmp_path / "v.tar")
    ok(daemon, "volume", "backup", "-o", archive, "first", wharfie=True)
    ok(daemon, "rm", "holder")
    ok(daemon, "volume", "rename", "first", "second", wharfie=True)
    assert "no such volume" in refused(daemon, "volume", "inspect", "first")
    assert run(daemon, "type=volume,src=second,dst=/d", "cat /d/f") == "one\n"
    assert ok(daemon, "volume", "clone", "second", "third", wharfie=True) == "third\n"
    run(daemon, "type=volume,src=second,dst=/d", "echo changed > /d/f")
    assert run(daemon, "type=volume,src=third,dst=/d", "stat -c %a /d/f; cat /d/f; ls /d") == (
        "700\none\ne\nf\n"
    )
    create(daemon, "fourth")
    ok(daemon, "volume", "restore", "-i", archive, "fourth", wharfie=True)
    assert run(daemon, "type=volume,src=fourth,dst=/d", "stat -c %a /d/f; cat /d/f; ls /d") == (
        "700\none\ne\nf\n"
    )
    assert "not empty" in refused(
        daemon, "volume", "restore", "-i", archive, "fourth", wharfie=True
    )
    ok(daemon, "volume", "restore", "-f", "-i", archive, "second", wharfie=True)
    assert run(daemon, "type=volume,src=second,dst=/d", "cat /d/f") == "one\n"
    ok(daemon, "volume", "rm", "second", "third", "fourth")


def test_a_renaming_cut_short_is_finished_at_the_next_start(daemon: Daemon) -> None:
    """The intent is recorded; the data still is where it was."""
    run(daemon, "type=volume,src=old,dst=/d", "echo kept > /d/f")
    ok(daemon, "volume", "rename", "old", "new", wharfie=True)
    daemon.kill9()
    volumes = daemon.data_root / "volumes"
    os.rename(volumes / "new", volumes / "old")
    import sqlite3  # noqa: PLC0415

    with sqlite3.connect(daemon.data_root / "engine.db") as db:
        (body,) = db.execute("SELECT body FROM volume WHERE name = 'new'").fetchone()
        document = json.loads(body) | {"moving_from": "old"}
        db.execute(
            "UPDATE volume SET body = ? WHERE name = 'new'", (json.dumps(document).encode(),)
        )
    db.close()
    daemon.start()
    assert run(daemon, "type=volume,src=new,dst=/d", "cat /d/f") == "kept\n"
    ok(daemon, "volume", "rm", "new")
