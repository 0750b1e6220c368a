"""`selinux-enabled` on a host without SELinux: as dockerd, which says so and goes on."""

from __future__ import annotations

import json
import os

import pytest

from support.daemon import Daemon

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.path.exists("/sys/fs/selinux/enforce"), reason="this host has SELinux"),
]


def test_labels_mean_nothing_and_options_are_still_looked_at() -> None:
    with Daemon("--selinux-enabled") as daemon:
        daemon.start()
        daemon.load_busybox()
        assert "Docker could not enable SELinux on the host system" in daemon.log()
        options = daemon.docker("info", "-f", "{{json .SecurityOptions}}").stdout
        assert "selinux" not in options
        warnings = json.loads(daemon.docker("info", "-f", "{{json .Warnings}}").stdout)
        assert not any("selinux" in one.lower() for one in warnings or [])
        for option in ("label=type:svirt_apache_t", "label=disable", "label:level:s0:c1"):
            done = daemon.docker("run", "--rm", "--security-opt", option, "busybox", "true")
            assert done.returncode == 0, done.stderr
        source = daemon.directory / "bound"
        source.mkdir()
        done = daemon.docker(
            "run", "--rm", "-v", f"{source}:/data:Z", "busybox", "touch", "/data/x"
        )
        assert done.returncode == 0, done.stderr
        shown = "{{json .HostConfig.SecurityOpt}} {{.ProcessLabel}}{{.MountLabel}}"
        for flags, told in (
            (["--privileged"], '["label=disable"] '),
            (["--pid", "host", "--security-opt", "label=type:x"], '["label=type:x"] '),
            ([], "null "),
        ):
            made = daemon.docker("create", *flags, "busybox", "true").stdout.strip()
            assert daemon.docker("inspect", "-f", shown, made).stdout.strip("\n") == told
        body = {"Image": "busybox", "HostConfig": {"SecurityOpt": ["label"]}}
        status, reply = daemon.request("POST", "/containers/create", body)
        assert status == 400
        assert json.loads(reply) == {"message": 'invalid --security-opt 1: "label"'}
