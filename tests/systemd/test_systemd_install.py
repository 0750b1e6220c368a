"""Installing as a service, as a newcomer types it: seeds A1, A3–A5, B1, B6, D10–D12, D19."""

from __future__ import annotations

import json

import pytest

from support.machine import Machine

pytestmark = [pytest.mark.root, pytest.mark.slow]


def test_after_installing_docker_works(fresh: Machine) -> None:
    """A1, B1, D11: the socket has Docker's mode and group, and the units lie where they do."""
    assert fresh.check("docker run --rm busybox echo hello") == "hello\n"
    assert fresh.check("stat -c '%a %U %G' /var/run/docker.sock") == "660 root docker\n"
    fresh.check("test -f /lib/systemd/system/docker.service")
    fresh.check("systemctl is-enabled docker.service docker.socket")
    assert "WARNING" not in fresh.check("docker info 2>&1")


def test_the_units_please_systemd(fresh: Machine) -> None:
    """D10, D12."""
    said = fresh.run("systemd-analyze verify docker.service docker.socket 2>&1").stdout
    assert "docker" not in said
    shown = fresh.check(
        "systemctl show docker -p Type -p KillMode -p Delegate -p NotifyAccess -p RestartUSec"
    )
    assert sorted(shown.split()) == [
        "Delegate=yes", "KillMode=process", "NotifyAccess=main", "RestartUSec=2s", "Type=notify",
    ]  # fmt: skip
    status = fresh.check("systemctl status docker --no-pager")
    assert 'Status: "Serving on fd://"' in status


def test_the_process_has_dockers_name(fresh: Machine) -> None:
    """A3: ps, pidof, ss and netstat."""
    fresh.write(
        "/etc/systemd/system/docker.service.d/docker.conf",
        "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -H=fd:// -H=tcp://0.0.0.0:2375\n",
    )
    fresh.check("systemctl daemon-reload && systemctl restart docker.service")
    pid = fresh.check("pidof dockerd").strip()
    assert pid == fresh.check("systemctl show docker -p MainPID --value").strip()
    assert (
        fresh.check("ps -ef | grep docker | grep -v grep | grep -o '/usr/bin/dockerd -H.*'")
        == "/usr/bin/dockerd -H=fd:// -H=tcp://0.0.0.0:2375\n"
    )
    assert f'users:(("dockerd",pid={pid},' in fresh.check("ss -tnlp | grep :2375")
    assert f"{pid}/dockerd" in fresh.check("netstat -lntp | grep dockerd")


def test_logs_are_in_the_journal_with_their_levels(fresh: Machine) -> None:
    """D19: Docker's text form, newest first; a level can be asked for."""
    fresh.check("journalctl --rotate --vacuum-time=1s; systemctl restart docker")
    fresh.write("/etc/docker/daemon.json", '{"selinux-enabled": true}')
    fresh.check("systemctl restart docker")
    lines = fresh.check("journalctl -r -u docker -t dockerd -o cat").splitlines()
    assert lines[0].startswith('time="')
    assert 'level=info msg="API listen on /run/docker.sock"' in "\n".join(lines)
    warned = fresh.check("journalctl -u docker -t dockerd -p warning -o cat").splitlines()
    assert warned
    assert all("level=warning" in line for line in warned)
    as_json = json.loads(
        fresh.check("journalctl -u docker -t dockerd -p warning -o json -n 1").splitlines()[0]
    )
    assert as_json["PRIORITY"] == "4"


@pytest.mark.parametrize("command", ["dockerd", "dockerd --debug", "dockerd -D"])
def test_by_hand_it_stays_in_the_foreground(fresh: Machine, command: str) -> None:
    """A4, A5: no service manager, logs on the terminal; --debug tells each request."""
    fresh.check("systemctl stop docker.service docker.socket")
    done = fresh.run(
        f"{command} & sleep 0.2\n"
        "for i in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.1; done\n"
        "docker ps -q; kill $!; wait $!",
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert "API listen on /var/run/docker.sock" in done.stderr
    assert "Daemon shutdown complete" in done.stderr
    assert ("handling GET request" in done.stderr) is (command != "dockerd")


def test_the_unit_of_the_seed_starts_unchanged(fresh: Machine) -> None:
    """A10, B2, B6, D12: S4's [Service] section, containerd nowhere on this machine."""
    fresh.write(
        "/etc/systemd/system/docker.service",
        "[Unit]\nRequires=docker.socket\nAfter=docker.socket\n"
        "# 主要是在 [Service] 这个部分\n"
        "[Service]\n"
        "Type=notify\n"
        "# the default is not to use systemd for cgroups because the delegate issues still\n"
        "# exists and systemd currently does not support the cgroup feature set required\n"
        "# for containers run by docker\n"
        "ExecStart=/usr/bin/dockerd -H fd:// -H tcp://0.0.0.0:2375 -H unix://var/run/docker.sock "
        "--containerd=/run/containerd/containerd.sock\n"
        "ExecReload=/bin/kill -s HUP $MAINPID\n"
        "TimeoutSec=0\nRestartSec=2\nRestart=always\n",
    )
    fresh.check("systemctl daemon-reload; systemctl restart docker")
    assert fresh.check("curl -s http://127.0.0.1:2375/_ping") == "OK"
    assert fresh.check("docker -H tcp://127.0.0.1:2375 ps -q") == ""
    assert fresh.check("docker -H unix:///var/run/docker.sock ps -q") == ""
    info = fresh.check("docker -H 127.0.0.1:2375 info 2>&1")
    assert "WARNING: API is accessible on http://0.0.0.0:2375 without encryption." in info


def test_the_edited_unit_of_the_seed_works(fresh: Machine) -> None:
    """D11, B6, B7: S3 edits ExecStart in /lib/systemd/system/docker.service itself."""
    unit = "/lib/systemd/system/docker.service"
    fresh.check(f"cp {unit} /tmp/saved")
    try:
        fresh.check(
            "sed -i 's|^ExecStart=.*|ExecStart=/usr/bin/dockerd -H=fd:// "
            f"-H=tcp://0.0.0.0:2375|' {unit}"
        )
        fresh.check("systemctl daemon-reload && service docker restart")
        assert "-H=tcp://0.0.0.0:2375" in fresh.check("ps -ef | grep docker")
        assert fresh.check("curl -s http://127.0.0.1:2375/_ping") == "OK"
    finally:
        fresh.check(f"cp /tmp/saved {unit} && systemctl daemon-reload")


def test_uninstall_reverts_and_install_comes_back(fresh: Machine) -> None:
    fresh.check("wharfie system uninstall")
    for gone in ("/usr/bin/docker", "/usr/bin/dockerd", "/lib/systemd/system/docker.service"):
        assert fresh.run(f"test -e {gone}").returncode
    assert fresh.run("getent group docker").returncode
    assert fresh.run("pidof dockerd").returncode
    assert fresh.run("systemctl list-unit-files 'docker*' --no-legend").stdout == ""
    fresh.check("/opt/wharfie/bin/wharfie system install")
    assert fresh.check("systemctl is-active wharfie.service") == "active\n"
    assert fresh.check("wharfie run --rm busybox echo hello") == "hello\n"
    assert fresh.run("test -e /usr/bin/docker").returncode
    fresh.check("/opt/wharfie/bin/wharfie system uninstall")
    fresh.check("/opt/wharfie/bin/wharfie system install --docker-compat")
    assert fresh.check("docker run --rm busybox echo hello") == "hello\n"


def test_an_engine_that_cannot_start_says_why_at_once(fresh: Machine) -> None:
    """Somebody else's daemon.json, or Docker's own data: no search through the journal."""
    fresh.write("/etc/docker/daemon.json", '{"live-restor": true}')
    done = fresh.run("wharfie system install --docker-compat")
    assert done.returncode == 1
    assert "all is in place, but docker.service does not start:" in done.stderr
    assert 'did you mean "live-restore"?' in done.stderr
    assert done.stderr.endswith("Mend that, then:  systemctl restart docker\n")
    fresh.write("/etc/docker/daemon.json", '{"data-root": "/var/lib/foreign"}')
    fresh.check("mkdir -p /var/lib/foreign/overlay2")
    done = fresh.run("wharfie system install --docker-compat")
    assert "/var/lib/foreign holds the data of another engine (overlay2)" in done.stderr
    fresh.check("rm -r /var/lib/foreign /etc/docker/daemon.json; systemctl restart docker")


def test_the_sysvinit_script_serves_machines_without_systemd(fresh: Machine) -> None:
    """D2: /etc/default/docker holds DOCKER_OPTS."""
    fresh.check("systemctl stop docker.service docker.socket")
    fresh.write("/etc/default/docker", 'DOCKER_OPTS="-H unix:///var/run/docker.sock --mtu=1400"\n')
    fresh.check("install -m 755 /opt/wharfie/packaging/sysvinit/docker /etc/init.d/docker")
    run = "env _SYSTEMCTL_SKIP_REDIRECT=1 SYSTEMCTL_SKIP_REDIRECT=1 /etc/init.d/docker"
    try:
        fresh.check(f"{run} start")
        assert "--mtu=1400" in fresh.check("ps -ef | grep dockerd")
        fresh.check(f"{run} status")
        fresh.check(f"{run} start")
        fresh.check(f"{run} reload")
        fresh.check(f"{run} restart")
        fresh.check("docker run --rm busybox true")
        fresh.check(f"{run} stop")
        assert fresh.run("pidof dockerd").returncode
        assert fresh.run(f"{run} status").returncode == 3
    finally:
        fresh.run(f"{run} stop; rm /etc/init.d/docker")
