"""`--userns-remap`: containers whose root is nobody on the host, beside some whose root is root."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon

pytestmark = pytest.mark.root
FIRST, SIZE = 231072, 65536


def output(daemon: Daemon, *arguments: str) -> str:
    done = daemon.docker(*arguments)
    assert done.returncode == 0, (arguments, done.stderr, daemon.log()[-2000:])
    return done.stdout.strip()


def run(daemon: Daemon, *arguments: str) -> str:
    return output(daemon, "run", "--rm", *arguments)


@pytest.fixture(scope="module")
def remapping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that sees ranges for root in its mount namespace only."""
    with Daemon("--userns-remap", "root") as daemon:
        # As /run is: the container's root must get to its root file system.
        daemon.directory.chmod(0o711)
        for name in ("subuid", "subgid"):
            ranges = tmp_path_factory.mktemp("etc") / name
            ranges.write_text(f"root:{FIRST}:{SIZE}\n")
            target = Path("/etc") / name
            assert target.exists(), "a package (passwd) makes these files"
            bound = daemon.namespaces.run("mount", "--bind", str(ranges), str(target))
            assert bound.returncode == 0, bound.stderr
        daemon.start()
        daemon.load_busybox()
        yield daemon


def owner_on_host(daemon: Daemon, ref: str) -> int:
    pid = output(daemon, "inspect", "-f", "{{.State.Pid}}", ref)
    status = daemon.namespaces.run("cat", f"/proc/{pid}/status").stdout
    (line,) = [line for line in status.splitlines() if line.startswith("Uid:")]
    return int(line.split()[1])


def test_root_inside_is_nobody_outside(remapping: Daemon) -> None:
    daemon = remapping
    assert "name=userns" in output(daemon, "info", "-f", "{{.SecurityOptions}}")
    mapped = run(daemon, "busybox", "cat", "/proc/self/uid_map").split()
    assert mapped == ["0", str(FIRST), str(SIZE)]
    output(daemon, "run", "-d", "--name", "mapped", "busybox", "sleep", "300")
    output(daemon, "run", "-d", "--name", "plain", "--userns", "host", "busybox", "sleep", "300")
    try:
        assert owner_on_host(daemon, "mapped") == FIRST
        assert owner_on_host(daemon, "plain") == 0
        assert output(daemon, "exec", "mapped", "id", "-u") == "0"
    finally:
        output(daemon, "rm", "-f", "mapped", "plain")


def test_files_belong_to_whom_the_container_sees(remapping: Daemon) -> None:
    daemon = remapping
    script = (
        "stat -c %u:%g /bin/busybox /etc/hosts; touch /new && chown 7:8 /new && stat -c %u:%g /new;"
        "echo '1.2.3.4 x' >> /etc/hosts && echo wrote; mkdir /d && chmod 700 /d && echo made"
    )
    seen = run(daemon, "busybox", "sh", "-c", script).split()
    assert seen == ["0:0", "0:0", "7:8", "wrote", "made"]


def test_volumes_are_shared_with_containers_of_the_host(remapping: Daemon) -> None:
    daemon = remapping
    run(daemon, "-v", "both:/v", "busybox", "sh", "-c", "echo a > /v/f; chown 5:6 /v/f")
    seen = run(
        daemon, "--userns", "host", "-v", "both:/v", "busybox", "stat", "-c", "%u:%g", "/v/f"
    )
    assert seen == "5:6"
    subpath = ["--mount", "type=volume,src=both,dst=/x,volume-subpath=f"]  # not for old dockers
    part = daemon.wharfie("run", "--rm", *subpath, "busybox", "stat", "-c", "%u:%g", "/x")
    assert part.stdout == "5:6\n", part.stderr
    output(daemon, "volume", "rm", "both")


def test_the_attack_on_the_hosts_files_fails(remapping: Daemon, tmp_path: Path) -> None:
    """A bind keeps the host's owners: what is only root's there is closed to the container's."""
    daemon = remapping
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o600)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    script = "cat /host/secret 2>/dev/null || echo closed; touch /host/new 2>/dev/null || echo no"
    bind = ["-v", f"{tmp_path}:/host"]
    assert run(daemon, *bind, "busybox", "sh", "-c", script).split() == ["closed", "no"]
    plain = run(daemon, "--userns", "host", *bind, "busybox", "sh", "-c", script)
    assert plain == "x"


def test_networks_work_and_namespaces_are_joined(remapping: Daemon) -> None:
    daemon = remapping
    output(daemon, "run", "-d", "--name", "donor", "--ipc", "shareable", "busybox", "sh", "-c",
           "echo note > /dev/shm/n; exec sleep 300")  # fmt: skip
    try:
        address = output(daemon, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", "donor")
        assert "1 packets received" in run(daemon, "busybox", "ping", "-c1", "-W2", address)
        joined = ["--network", "container:donor", "--pid", "container:donor", "--ipc",
                  "container:donor"]  # fmt: skip
        assert run(daemon, *joined, "busybox", "cat", "/dev/shm/n") == "note"
        port = run(daemon, "-u", "5", "busybox", "sh", "-c",
                   "timeout 1 nc -l -p 80; echo $?")  # fmt: skip
        assert port != "1"
    finally:
        output(daemon, "rm", "-f", "donor")


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--privileged"], "privileged mode is incompatible with user namespaces"),
        (["--network", "host"], "cannot share the host's network namespace"),
        (["--pid", "host"], "cannot share the host PID namespace"),
    ],
)
def test_b040_what_a_user_namespace_excludes(
    remapping: Daemon, flags: list[str], text: str
) -> None:
    done = remapping.docker("run", "--rm", *flags, "busybox", "true")
    assert text in done.stderr
    run(remapping, "--userns", "host", *flags, "busybox", "true")


def test_commits_see_the_same_owners(remapping: Daemon) -> None:
    daemon = remapping
    output(daemon, "run", "--name", "made", "busybox", "sh", "-c", "echo x > /f; chown 9:9 /f")
    try:
        output(daemon, "commit", "made", "copied:1")
        assert run(daemon, "copied:1", "stat", "-c", "%u", "/f") == "9"
        assert run(daemon, "--userns", "host", "copied:1", "stat", "-c", "%u", "/f") == "9"
    finally:
        output(daemon, "rm", "made")


def test_a_user_without_ranges_is_refused() -> None:
    with Daemon("--userns-remap", "daemon") as daemon, pytest.raises(RuntimeError) as caught:
        daemon.start()
    assert 'no subuid ranges found for user "daemon"' in str(caught.value)
