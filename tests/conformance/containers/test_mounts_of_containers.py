"""Binds, volumes, tmpfs and images mounted into real containers, with all their options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.daemon import Daemon

pytestmark = pytest.mark.root


def output(daemon: Daemon, *arguments: str) -> str:
    # Debian 12's docker knows neither subpaths nor image mounts nor `bind-recursive`.
    done = daemon.wharfie(*arguments)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout.strip()


def run(daemon: Daemon, *arguments: str) -> str:
    return output(daemon, "run", "--rm", *arguments)


def refused(daemon: Daemon, *arguments: str) -> str:
    done = daemon.wharfie("run", "--rm", *arguments)
    assert done.returncode != 0
    return done.stderr


def nested(daemon: Daemon, directory: Path) -> Path:
    """A directory with a mount below it, in the daemon's mount namespace."""
    (directory / "sub").mkdir(parents=True)
    mount = daemon.namespaces.run("mount", "-t", "tmpfs", "none", str(directory / "sub"))
    assert mount.returncode == 0, mount.stderr
    return directory


TRY = "for d in /x /x/sub; do touch $d/new 2>/dev/null && echo rw || echo ro; done"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", "rw rw"),
        (",readonly", "ro ro"),
        (",readonly,bind-recursive=writable", "ro rw"),
        (",readonly,bind-recursive=readonly,bind-propagation=rprivate", "ro ro"),
        (",readonly,bind-recursive=disabled", "ro ro"),
    ],
)
def test_b118_read_only_binds_and_the_mounts_below(
    shared_daemon: Daemon, tmp_path: Path, options: str, expected: str
) -> None:
    source = nested(shared_daemon, tmp_path / "tree")
    spec = f"type=bind,src={source},dst=/x{options}"
    seen = run(shared_daemon, "--mount", spec, "busybox", "sh", "-c", TRY)
    assert seen.split() == expected.split()
    bind = run(shared_daemon, "-v", f"{source}:/x:ro", "busybox", "sh", "-c", TRY)
    assert bind.split() == ["ro", "ro"]


def test_b032_missing_bind_sources(shared_daemon: Daemon, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    spec = f"type=bind,src={missing},dst=/x"
    assert f"bind source path does not exist: {missing}" in refused(
        shared_daemon, "--mount", spec, "busybox", "true"
    )
    assert not missing.exists()
    body = {
        "Image": "busybox",
        "Cmd": ["true"],
        "HostConfig": {
            "Mounts": [
                {
                    "Type": "bind",
                    "Source": str(missing),
                    "Target": "/x",
                    "BindOptions": {"CreateMountpoint": True},
                }
            ]
        },
    }
    made = shared_daemon.json("POST", "/containers/create", body)
    assert missing.is_dir()
    output(shared_daemon, "rm", made["Id"])  # type: ignore[index]
    run(shared_daemon, "-v", f"{tmp_path}/auto/deep:/x", "busybox", "true")
    assert (tmp_path / "auto/deep").is_dir()


def test_propagation_from_the_host_and_to_it(shared_daemon: Daemon, tmp_path: Path) -> None:
    daemon = shared_daemon
    inside = daemon.namespaces.run
    root = tmp_path / "root"
    root.mkdir()
    assert inside("mount", "-t", "tmpfs", "none", str(root)).returncode == 0
    assert inside("mkdir", f"{root}/later").returncode == 0
    flags = ["--mount", f"type=bind,src={root},dst=/x,bind-propagation="]
    private = [flags[0], flags[1] + "rslave"]
    assert "is not a shared or slave mount" in refused(daemon, *private, "busybox", "true")
    assert inside("mount", "--make-shared", str(root)).returncode == 0
    for mode in ("rslave", "rshared", "rprivate"):
        output(daemon, "run", "-d", "--name", mode, "--privileged", flags[0], flags[1] + mode,
               "busybox", "sleep", "300")  # fmt: skip
    try:
        assert inside("mount", "-t", "tmpfs", "late", f"{root}/later").returncode == 0
        seen = {
            mode: output(daemon, "exec", mode, "sh", "-c", "grep -c ' /x/later ' /proc/mounts||:")
            for mode in ("rslave", "rshared", "rprivate")
        }
        assert seen == {"rslave": "1", "rshared": "1", "rprivate": "0"}
        output(daemon, "exec", "rshared", "sh", "-c", "mkdir /x/own; mount -t tmpfs own /x/own")
        output(daemon, "exec", "rslave", "sh", "-c", "mkdir /x/mine; mount -t tmpfs own /x/mine")
        mounts = inside("cat", "/proc/mounts").stdout
        assert f" {root}/own " in mounts
        assert f" {root}/mine " not in mounts
    finally:
        daemon.docker("rm", "-f", "rslave", "rshared", "rprivate")


def test_b115_volumes_are_filled_unless_told_not_to_be(shared_daemon: Daemon) -> None:
    daemon = shared_daemon
    script = "ls /etc | grep -c passwd"
    assert run(daemon, "-v", "filled:/etc", "busybox", "sh", "-c", script) == "1"
    for spec in ("type=volume,src=bare,dst=/etc,volume-nocopy",):
        assert run(daemon, "--mount", spec, "busybox", "sh", "-c", f"{script} || true") == "0"
    assert run(daemon, "-v", "bare2:/etc:nocopy", "busybox", "sh", "-c", f"{script} || :") == "0"
    output(daemon, "volume", "rm", "filled", "bare", "bare2")


def test_subpaths_of_volumes_stay_inside(shared_daemon: Daemon) -> None:
    daemon = shared_daemon
    make = "mkdir -p /v/a/b; echo deep > /v/a/b/file; ln -s / /v/out; ln -s a/b /v/in; echo x >/v/f"
    run(daemon, "-v", "nest:/v", "busybox", "sh", "-c", make)
    spec = "type=volume,src=nest,dst=/x,volume-subpath="
    try:
        assert run(daemon, "--mount", spec + "a/b", "busybox", "cat", "/x/file") == "deep"
        assert run(daemon, "--mount", spec + "in", "busybox", "cat", "/x/file") == "deep"
        assert run(daemon, "--mount", spec + "f", "busybox", "cat", "/x") == "x"
        # The attack: a link in the volume that leads to the host's root.
        assert "cannot access path out/etc" in refused(
            daemon, "--mount", spec + "out/etc", "busybox", "true"
        )
        assert "cannot access path gone" in refused(
            daemon, "--mount", spec + "gone", "busybox", "true"
        )
    finally:
        output(daemon, "volume", "rm", "nest")


@pytest.mark.parametrize(
    ("flags", "script", "expected"),
    [
        (["--tmpfs", "/t"], "grep ' /t ' /proc/mounts | cut -d' ' -f4", "noexec"),
        (["--tmpfs", "/t:exec"], "grep ' /t ' /proc/mounts | grep -c noexec || :", "0"),
        (["--tmpfs", "/t:mode=700,uid=5,gid=6"], "stat -c %a:%u:%g /t", "700:5:6"),
        (["--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770"], "stat -c %a /t", "1770"),
        (["--mount", "type=tmpfs,dst=/t,tmpfs-size=1m"], "stat -f -c %b /t", "256"),
        (["--mount", "type=tmpfs,dst=/t,readonly"], "touch /t/x 2>/dev/null || echo ro", "ro"),
    ],
)
def test_b193_tmpfs(shared_daemon: Daemon, flags: list[str], script: str, expected: str) -> None:
    assert expected in run(shared_daemon, *flags, "busybox", "sh", "-c", script)


def test_b193_tmpfs_flags_are_no_mount_points(shared_daemon: Daemon) -> None:
    made = output(
        shared_daemon, "create", "--tmpfs", "/a", "--mount", "type=tmpfs,dst=/b", "busybox"
    )
    (shown,) = json.loads(output(shared_daemon, "inspect", made))
    assert [m["Destination"] for m in shown["Mounts"]] == ["/b"]
    assert shown["HostConfig"]["Tmpfs"] == {"/a": ""}
    output(shared_daemon, "rm", made)


def test_an_image_is_mounted_read_only_and_stays_in_use(shared_daemon: Daemon) -> None:
    daemon = shared_daemon
    daemon.load_busybox("other:1")
    spec = "type=image,src=other:1,dst=/x"
    script = "ls /x/bin | grep -c '^sh$'; touch /x/new 2>/dev/null || echo ro"
    assert run(daemon, "--mount", spec, "busybox", "sh", "-c", script).split() == ["1", "ro"]
    part = spec + ",image-subpath=bin"
    body = {
        "Image": "busybox",
        "Cmd": ["test", "-e", "/x/sh"],
        "HostConfig": {
            "Mounts": [
                {
                    "Type": "image",
                    "Source": "other:1",
                    "Target": "/x",
                    "ImageOptions": {"Subpath": "bin"},
                }
            ]
        },
    }
    made = daemon.json("POST", "/containers/create", body)["Id"]  # type: ignore[index, call-overload]
    done = daemon.docker("start", "-a", made)
    assert done.returncode == 0, (part, done.stderr)
    (shown,) = json.loads(output(daemon, "inspect", made))
    assert (shown["Mounts"][0]["Type"], shown["Mounts"][0]["RW"]) == ("image", False)
    output(daemon, "rm", made)
    assert "No such image" in refused(
        daemon, "--mount", "type=image,src=nothing:1,dst=/x", "busybox", "true"
    )
    output(daemon, "rmi", "other:1")


def test_b117_volumes_from(shared_daemon: Daemon, tmp_path: Path) -> None:
    daemon = shared_daemon
    output(daemon, "create", "--name", "source", "-v", "shared:/data", "-v", f"{tmp_path}:/host",
           "-v", "/anonymous", "busybox", "true")  # fmt: skip
    try:
        script = "touch /data/a /host/b /anonymous/c && echo written"
        assert run(daemon, "--volumes-from", "source", "busybox", "sh", "-c", script) == "written"
        assert (tmp_path / "b").exists()
        read_only = "touch /data/x 2>/dev/null || echo ro; ls /anonymous"
        seen = run(daemon, "--volumes-from", "source:ro", "busybox", "sh", "-c", read_only)
        assert seen.split() == ["ro", "c"]
        override = ["--volumes-from", "source", "-v", "fresh:/data"]
        assert run(daemon, *override, "busybox", "ls", "/data") == ""
        assert "invalid mode: xx" in refused(daemon, "--volumes-from", "source:xx", "busybox")
        assert "No such container: nobody" in refused(daemon, "--volumes-from", "nobody", "busybox")
    finally:
        output(daemon, "rm", "-v", "source")
        output(daemon, "volume", "rm", "shared", "fresh")


def test_b032_a_bind_source_that_went_is_made_again_or_missed(
    shared_daemon: Daemon, tmp_path: Path
) -> None:
    daemon = shared_daemon
    for name in ("bind", "mount"):
        (tmp_path / name).mkdir()
    bind = output(daemon, "create", "-v", f"{tmp_path}/bind:/x", "busybox", "true")
    mount = output(daemon, "create", "--mount", f"type=bind,src={tmp_path}/mount,dst=/x",
                   "busybox", "true")  # fmt: skip
    for name in ("bind", "mount"):
        (tmp_path / name).rmdir()
    try:
        output(daemon, "start", "-a", bind)
        assert (tmp_path / "bind").is_dir()
        assert "bind source path does not exist" in daemon.docker("start", mount).stderr
    finally:
        output(daemon, "rm", bind, mount)


@pytest.mark.parametrize("place", ["/x", "/run/secrets/password", "/etc/passwd"])
def test_a_single_file_is_bound_read_only(
    shared_daemon: Daemon, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("hunter2")
    try_it = f"cat {place}; echo more 2>/dev/null >> {place} || echo ' ro'"
    bind = run(shared_daemon, "-v", f"{tmp_path}/file:{place}:ro", "busybox", "sh", "-c", try_it)
    assert bind == "hunter2 ro"
    spec = f"type=bind,src={tmp_path}/file,dst={place},readonly"
    assert run(shared_daemon, "--mount", spec, "busybox", "sh", "-c", try_it) == "hunter2 ro"


def test_a_file_of_a_volume_is_mounted_read_only(shared_daemon: Daemon) -> None:
    run(shared_daemon, "-v", "onefile:/v", "busybox", "sh", "-c", "printf hunter2 > /v/file")
    spec = "type=volume,src=onefile,dst=/x,volume-subpath=file,readonly"
    seen = run(
        shared_daemon, "--mount", spec, "busybox", "sh", "-c", "cat /x; echo >> /x || echo ro"
    )
    assert seen.startswith("hunter2")
    assert seen.endswith("ro")
    output(shared_daemon, "volume", "rm", "onefile")
