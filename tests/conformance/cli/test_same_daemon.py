"""Our client and the genuine one print the same about the same daemon, byte for byte."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.genuine_cli import docker_cli_28
from support.wharfie_command import command, run

pytestmark = pytest.mark.root

INSPECT = (
    "{{.State.Status}}|{{.State.Health}}|{{.HostConfig.Binds}}|{{.Config.Labels}}|{{.Config.Env}}"
    '|{{index .Config.Labels "a.b"}}|{{.Config.Labels.zz}}|{{.HostConfig.RestartPolicy.Name}}'
    "|{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}|{{.NetworkSettings.Ports}}"
)
SAME = [
    ["ps", "-a"],
    ["ps", "-a", "--no-trunc"],
    ["ps", "-aq"],
    ["ps", "-s"],
    ["ps", "--format", "{{json .}}"],
    ["ps", "-a", "--format", "json"],
    ["ps", "--format", r'table {{.Names}}\t{{.Ports}}\t{{.Label "a.b"}}\t{{upper .Image}}'],
    ["ps", "--format", "{{.Nope}}"],
    ["ps", "--format", "{{.ID"],
    ["ps", "--filter", "name=nothing-of-this-name"],
    ["ps", "--filter", "foo"],
    ["images"],
    ["images", "--digests"],
    ["images", "-q", "--no-trunc"],
    ["images", "--format", "json"],
    ["images", "nothing"],
    ["history", "busybox"],
    ["history", "--no-trunc", "-H=false", "busybox"],
    ["inspect", "same"],
    ["inspect", "-s", "same"],
    ["inspect", "-f", INSPECT, "same"],
    ["inspect", "-f", "{{.Nope}}", "same"],
    ["inspect", "-f", "{{.State.Nope}}", "same"],
    ["inspect", "-f", "{{json .State}}", "same"],
    ["inspect", "busybox"],
    ["inspect", "nothing"],
    ["inspect", "same", "nothing"],
    ["inspect", "--type", "volume", "same"],
    ["image", "inspect", "busybox"],
    ["network", "ls"],
    ["network", "ls", "--format", "json"],
    ["network", "inspect", "bridge"],
    ["network", "inspect", "nothing"],
    ["network", "rm", "nothing"],
    ["volume", "ls"],
    ["volume", "ls", "-q"],
    ["volume", "inspect", "same-volume"],
    ["volume", "rm", "nothing"],
    ["port", "same"],
    ["port", "same", "80"],
    ["port", "same", "81"],
    ["diff", "same"],
    ["logs", "same"],
    ["logs", "--tail", "1", "-t", "same"],
    ["logs", "nothing"],
    ["exec", "same", "sh", "-c", "echo out; echo err >&2; exit 5"],
    ["exec", "same", "nothing"],
    ["exec", "nothing", "ls"],
    ["run", "--rm", "busybox", "sh", "-c", "cat; exit 7"],
    ["run", "--rm", "busybox", "nothing"],
    ["run", "--rm", "busybox", "/etc"],
    ["run", "--name", "same", "busybox"],
    ["run", "--pull", "never", "nothing"],
    ["create", "--pull", "never", "nothing"],
    ["stop", "nothing"],
    ["rm", "nothing"],
    ["rm", "-f", "nothing"],
    ["kill", "nothing"],
    ["wait", "nothing"],
    ["top", "nothing"],
    ["rename", "same", "same"],
    ["rmi", "nothing"],
    ["tag", "nothing", "x"],
    ["tag", "busybox", "UPPER"],
    ["export", "nothing"],
    ["save", "nothing"],
    ["cp", "same:/nothing", "x"],
    ["cp", "same:/etc/passwd", "-"],
    ["version", "-f", "{{.Server.Version}} {{.Server.Os}}"],
    ["version", "-f", "{{.Nope}}"],
    ["info", "-f", "{{.Driver}} {{.OSType}}"],
    ["start", "same"],
    ["events", "--since", "1h", "--until", "0s", "--filter", "type=volume"],
]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> object:
    with Daemon() as found:
        found.start()
        found.load_busybox()
        done = found.docker(
            *("run", "-d", "--name", "same", "-p", "8080:80", "-p", "9000-9002:9000-9002"),
            *("-e", "A=b", "-l", "a.b=c", "-v", "same-volume:/v", "busybox"),
            *("sh", "-c", "echo one; echo two; exec sleep 1000"),
        )
        assert done.returncode == 0, done.stderr
        yield found


def outcome(
    program: list[str], daemon: Daemon, argv: list[str], home: Path
) -> tuple[int, bytes, bytes]:
    done: subprocess.CompletedProcess[bytes] = run(
        argv, program=[*program, "-H", daemon.host], home=home, stdin=b"input\n"
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("argv", SAME, ids=" ".join)
def test_both_clients_print_the_same(argv: list[str], daemon: Daemon, tmp_path: Path) -> None:
    program = docker_cli_28(since_changed=argv == ["images", "--format", "json"])
    for attempt in range(5):
        theirs = outcome([program], daemon, argv, tmp_path)
        ours = outcome(command("docker"), daemon, argv, tmp_path)
        if ours == theirs or attempt == 4:  # "2 seconds ago" may become 3 in between
            assert ours == theirs
            return


def test_files_copied_in_and_out_are_the_same(daemon: Daemon, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").write_bytes(b"x" * 100_000)
    (tree / "link").symlink_to("sub/file")
    ours = command("docker")
    for source, target in ((str(tree), "same:/tmp/new"), (f"{tree}/.", "same:/tmp/new")):
        assert outcome(ours, daemon, ["cp", source, target], tmp_path)[0] == 0
    for target in ("back", "back"):
        done = outcome(ours, daemon, ["cp", "same:/tmp/new", str(tmp_path / target)], tmp_path)
        assert done[0] == 0, done
    assert (tmp_path / "back/sub/file").read_bytes() == b"x" * 100_000
    assert (tmp_path / "back/link").readlink() == Path("sub/file")
    assert (tmp_path / "back/new/sub/file").exists()
    done = outcome(ours, daemon, ["cp", "-L", "same:/tmp/new/link", f"{tmp_path}/f"], tmp_path)
    assert done[0] == 0, done
    assert (tmp_path / "f").read_bytes() == b"x" * 100_000
