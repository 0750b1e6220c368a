"""`docker run` and its flags: the genuine CLI drives our daemon."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.daemon import Daemon

pytestmark = pytest.mark.root


def output(daemon: Daemon, *arguments: str, stdin: str = "") -> str:
    done = daemon.docker(*arguments, stdin=stdin)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["sh", "-c", "exit 42"], 42),
        (["true"], 0),
        (["nosuchcommand"], 127),
        (["/etc/passwd"], 126),
        (["sh", "-c", "sh -c 'kill -9 $$'; exit $?"], 137),
    ],
)
def test_exit_codes(shared_daemon: Daemon, arguments: list[str], code: int) -> None:
    assert shared_daemon.docker("run", "--rm", "busybox", *arguments).returncode == code


def test_a_client_error_is_125(shared_daemon: Daemon) -> None:
    done = shared_daemon.docker("run", "--rm", "no/such:image", "true")
    assert done.returncode == 125
    assert "Unable to find image 'no/such:image' locally" in done.stderr


@pytest.mark.parametrize(
    ("flags", "command", "expected"),
    [
        (["-e", "A=1", "-e", "B=x y"], "echo $A-$B", "1-x y\n"),
        (["-w", "/tmp"], "pwd", "/tmp\n"),
        (["-u", "1000:1001"], "id -u; id -g", "1000\n1001\n"),
        (["--hostname", "web7"], "hostname", "web7\n"),
        (["--entrypoint", "echo"], "", ""),
        (["--network", "none"], "ls /sys/class/net", "lo\n"),
        (["--add-host", "db:10.9.8.7"], "grep -w db /etc/hosts", "10.9.8.7\tdb\n"),
        (["--dns", "10.1.1.1"], "grep nameserver /etc/resolv.conf", "nameserver 10.1.1.1\n"),
        (["--read-only"], "touch /x 2>/dev/null || echo refused", "refused\n"),
        (["--tmpfs", "/scratch:size=1m"], "stat -f -c %b /scratch", "256\n"),
        (["--cap-drop", "ALL"], "chown 1 /tmp 2>/dev/null || echo refused", "refused\n"),
        (["--ulimit", "nofile=77:88"], "ulimit -n", "77\n"),
        (["--sysctl", "net.ipv4.ip_forward=1"], "cat /proc/sys/net/ipv4/ip_forward", "1\n"),
        (["--pids-limit", "9"], "cat /proc/self/status | grep -c Seccomp:", "1\n"),
        (["--label", "a=b"], "echo labelled", "labelled\n"),
        (["-m", "64m"], "echo limited", "limited\n"),
        (["--cpus", "0.5"], "echo limited", "limited\n"),
        (["--shm-size", "2m"], "df /dev/shm | tail -1 | awk '{print $2}'", "2048\n"),
        (["--device", "/dev/null:/dev/nil"], "test -c /dev/nil && echo device", "device\n"),
        (["--privileged"], "mount -t tmpfs none /tmp && echo mounted", "mounted\n"),
        (["--pid", "host"], "test $$ -gt 1 && echo shared", "shared\n"),
        (["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status",
         "NoNewPrivs:\t1\n"),
    ],
)  # fmt: skip
def test_a_flag_has_its_effect(
    shared_daemon: Daemon, flags: list[str], command: str, expected: str
) -> None:
    words = ["sh", "-c", command] if command else []
    shown = output(shared_daemon, "run", "--rm", *flags, "busybox", *words)
    assert shown == (expected or "\n")


def test_standard_error_stays_apart(shared_daemon: Daemon) -> None:
    done = shared_daemon.docker("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_standard_input_goes_in_and_its_end_too(shared_daemon: Daemon) -> None:
    text = "".join(f"line {n}\n" for n in range(20000))
    assert output(shared_daemon, "run", "--rm", "-i", "busybox", "cat", stdin=text) == text


def test_binds_and_volumes(shared_daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the host\n")
    bind = ["-v", f"{tmp_path}:/host:ro", "-v", "data7:/data", "--mount",
            f"type=bind,src={tmp_path},dst=/rw"]  # fmt: skip
    script = (
        "cat /host/file; touch /host/x 2>/dev/null || echo ro; echo kept > /data/f; touch /rw/y"
    )
    assert output(shared_daemon, "run", "--rm", *bind, "busybox", "sh", "-c", script) == (
        "from the host\nro\n"
    )
    assert (tmp_path / "y").exists()
    kept = output(shared_daemon, "run", "--rm", "-v", "data7:/d", "busybox", "cat", "/d/f")
    assert kept == "kept\n"
    in_use = shared_daemon.docker("volume", "rm", "data7")
    assert in_use.returncode == 0


def test_a_container_shares_anothers_network(shared_daemon: Daemon) -> None:
    output(shared_daemon, "run", "-d", "--name", "owner", "busybox", "sleep", "60")
    try:
        address = output(shared_daemon, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", "owner")
        seen = output(
            shared_daemon, "run", "--rm", "--network", "container:owner", "busybox",
            "ip", "-4", "addr", "show", "eth0",
        )  # fmt: skip
        assert address.strip() in seen
    finally:
        output(shared_daemon, "rm", "-f", "owner")


def test_published_ports_answer_and_are_shown(shared_daemon: Daemon) -> None:
    serve = "mkdir /w; echo page > /w/index.html; httpd -h /w; sleep 60"
    output(shared_daemon, "run", "-d", "--name", "ports", "-p", "8099:80", "-p", "8053:53/udp",
           "busybox", "sh", "-c", serve)  # fmt: skip
    try:
        ask = "for i in 1 2 3 4 5; do busybox wget -qO- http://127.0.0.1:8099/ && break; done"
        assert shared_daemon.namespaces.run("sh", "-c", ask).stdout == "page\n"
        shown = output(shared_daemon, "port", "ports")
        assert "80/tcp -> 0.0.0.0:8099" in shown
        assert "53/udp -> 0.0.0.0:8053" in shown
        taken = shared_daemon.docker("run", "--rm", "-p", "8099:80", "busybox", "true")
        assert taken.returncode == 125
        assert "port is already allocated" in taken.stderr
    finally:
        output(shared_daemon, "rm", "-f", "ports")


def test_names_conflict_in_dockers_words(shared_daemon: Daemon) -> None:
    ref = output(shared_daemon, "create", "--name", "taken", "busybox", "true").strip()
    again = shared_daemon.docker("create", "--name", "taken", "busybox", "true")
    assert again.returncode == 1
    assert (
        'Conflict. The container name "/taken" is already in use by container '
        f'"{ref}". You have to remove (or rename) that container' in again.stderr
    )
    output(shared_daemon, "rm", "taken")


def test_a_cidfile_and_a_detached_id(shared_daemon: Daemon, tmp_path: Path) -> None:
    cidfile = tmp_path / "cid"
    shown = output(shared_daemon, "run", "-d", "--cidfile", str(cidfile), "busybox", "true").strip()
    assert cidfile.read_text() == shown
    assert output(shared_daemon, "wait", shown) == "0\n"
    output(shared_daemon, "rm", shown)


def test_without_a_terminal_it_is_refused(shared_daemon: Daemon) -> None:
    done = shared_daemon.docker("run", "--rm", "-it", "busybox", "true")
    assert done.returncode == 1
    assert "the input device is not a TTY" in done.stderr


def test_a_restart_policy_starts_again(shared_daemon: Daemon) -> None:
    output(shared_daemon, "run", "-d", "--name", "again", "--restart", "on-failure:2", "busybox",
           "false")  # fmt: skip
    try:
        assert output(shared_daemon, "wait", "again") in ("1\n", "0\n")
        for _ in range(50):
            shown = json.loads(output(shared_daemon, "inspect", "again"))[0]
            if shown["RestartCount"] == 2 and shown["State"]["Status"] == "exited":
                break
        assert (shown["RestartCount"], shown["State"]["ExitCode"]) == (2, 1)
    finally:
        output(shared_daemon, "rm", "-f", "again")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_output_of_what_exits_at_once_is_never_lost(shared_daemon: Daemon) -> None:
    def run(number: int) -> bool:
        done = shared_daemon.docker("run", "--rm", "busybox", "echo", f"number {number}")
        return done.returncode == 0 and done.stdout == f"number {number}\n"

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(run, range(500)))
    assert results.count(True) == 500
