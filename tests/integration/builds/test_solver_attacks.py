"""Attacks on builds by contexts, images and archives, on a real kernel, each with a benign twin."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.solving import Order, PlannedVertex, SolvingDaemon, copy, local, run
from wharfie.model.build.graph import ExecOp, FileOp, MakeDirectory, MakeFile, MountKind, StepMount
from wharfie.model.build.solver import SolveOptions
from wharfie.model.container import HostConfig

pytestmark = pytest.mark.root
BIRD = "yellow and singing"


@pytest.fixture(scope="module")
def solver() -> Iterator[SolvingDaemon]:
    with SolvingDaemon() as own:
        own.start()
        own.load_busybox()
        yield own


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A directory of the host that nobody may change, and no build may read."""
    directory = tmp_path / "canary"
    directory.mkdir(mode=0o711)
    (directory / "secret").write_text(BIRD)
    return directory


def untouched(canary: Path) -> bool:
    status = canary.stat()
    return os.listdir(canary) == ["secret"] and (status.st_mode & 0o777, status.st_uid) == (
        0o711,
        0,
    )


def solve(solver: SolvingDaemon, *steps: PlannedVertex, context: Path | None = None) -> str:
    """What steps print, or the error."""
    vertices = [solver.base(), local(), *steps]
    order = Order(vertices=vertices, contexts={"context": str(context)} if context else {})
    outcome, told = solver.solve(order)
    return outcome.error or told.output.decode()


@pytest.mark.parametrize("up", ["", "../../../../../.."])
def test_links_of_an_image_lead_no_copy_out(
    solver: SolvingDaemon, canary: Path, tmp_path: Path, up: str
) -> None:
    context = tmp_path / "context"
    (context / "d").mkdir(parents=True)
    (context / "d/f").write_text("copied")
    make = run(f"mkdir -p {canary}; ln -s {up}{canary} /c; ln -s {up}{canary}/new /n", [0])
    assert "copied" in solve(
        solver, make, copy("d", "/c/", [2, 1]), run(f"cat {canary}/f", [3]), context=context
    )
    solve(solver, make, copy("d", "/n", [2, 1], owner="7", mode="0777"), context=context)
    assert untouched(canary)


def test_links_of_a_context_lead_nothing_in(
    solver: SolvingDaemon, canary: Path, tmp_path: Path
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "file").symlink_to(canary / "secret")
    (context / "directory").symlink_to("../" * 20 + str(canary))
    for source in ("file", "directory", "directory/secret", "fil*", "../../../etc/passwd"):
        text = solve(solver, copy(source, "/c/"), run("cat /c/*", [2]), context=context)
        assert BIRD not in text
        assert "root:" not in text
    # Copied with what is around it a link stays a link.
    text = solve(solver, copy(".", "/c/"), run("readlink /c/file", [2]), context=context)
    assert text == f"{canary}/secret\n"


def test_what_blocks_when_opened_is_not_opened(solver: SolvingDaemon, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    os.mkfifo(context / "p")
    text = solve(solver, copy(".", "/c/"), run("stat -c %F /c/p", [2]), context=context)
    assert text == "fifo\n"
    assert solve(solver, copy("p", "/c/", unpack=True), context=context) == ""


def archive(*members: tuple[str, bytes, str]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            if kind == tarfile.REGTYPE:
                member.size = 4
            tar.addfile(member, io.BytesIO(b"evil"))
    return data.getvalue()


def test_archives_reach_nothing_outside(
    solver: SolvingDaemon, canary: Path, tmp_path: Path
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    attacks = {
        "up": [("../" * 20 + f"{canary}/x", tarfile.REGTYPE, "")],
        "absolute": [(f"{canary}/x", tarfile.REGTYPE, "")],
        "link": [("l", tarfile.SYMTYPE, str(canary)), ("l/x", tarfile.REGTYPE, "")],
        "dots": [
            ("l", tarfile.SYMTYPE, "../" * 20 + str(canary)[1:]),
            ("l/x", tarfile.REGTYPE, ""),
        ],
        "hard": [("h", tarfile.LNKTYPE, "../" * 20 + f"{canary}/secret")],
    }
    for name, members in attacks.items():
        (context / "a.tar").write_bytes(archive(*members))
        mark = run(f"# {name}", [0])
        text = solve(
            solver,
            mark,
            copy("a.tar", "/c/", [2, 1], unpack=True),
            run("cat /c/h", [3]),
            context=context,
        )
        assert BIRD not in text
        assert untouched(canary), name


@pytest.mark.parametrize("path", ["/proc/self/fd/7", "/proc/self/root/x", "/l/x", "/dev/fd/9/x"])
def test_a_working_directory_is_made_inside_and_nowhere_else(
    solver: SolvingDaemon, canary: Path, path: str
) -> None:
    make = run(f"ln -s ../../../../../..{canary} /l; mkdir -p {canary}", [0])
    operation = FileOp(actions=[MakeDirectory(path=path, owner="5:5")])
    directory = PlannedVertex(operation=operation, inputs=[2])
    where = PlannedVertex(
        operation=ExecOp(arguments=["/bin/sh", "-c", "ls -a; cat secret"], directory=path),
        inputs=[3],
    )
    text = solve(solver, make, directory, where)
    assert BIRD not in text
    assert untouched(canary)


def test_a_small_file_is_written_inside_and_nowhere_else(
    solver: SolvingDaemon, canary: Path
) -> None:
    make = run(f"ln -s {canary} /l; ln -s {canary}/secret /f; mkdir -p {canary}", [0])
    actions = [MakeFile(path="/l/x", data=b"x"), MakeFile(path="/f", data=b"y")]
    write = PlannedVertex(operation=FileOp(actions=actions), inputs=[2])
    assert solve(solver, make, write, run(f"cat {canary}/x /f", [3])) == "xy"
    assert untouched(canary)


@pytest.mark.parametrize("target", ["/l", "/l/deep", "/l/../x"])
def test_mounts_are_laid_over_nothing_of_the_host(
    solver: SolvingDaemon, canary: Path, target: str
) -> None:
    make = run(f"ln -s {canary} /l; mkdir -p {canary}", [0])
    memory = StepMount(kind=MountKind.TMPFS, target=target)
    solve(solver, make, run("touch /l/x; touch /l/deep/x; true", [2], mounts=[memory]))
    assert untouched(canary)


def test_a_selector_leads_to_nothing_of_the_host(solver: SolvingDaemon, canary: Path) -> None:
    make = run(f"ln -s {canary} /l; ln -s ../../../../..{canary} /m; mkdir /d; echo ok > /d/f", [0])
    for selector in ("l", "m", "l/secret", "../../.."):
        given = StepMount(
            kind=MountKind.BIND, target="/in", source=1, selector=selector, read_only=True
        )
        assert BIRD not in solve(solver, make, run("cat /in /in/secret", [0, 2], mounts=[given]))
    given = StepMount(kind=MountKind.BIND, target="/in", source=1, selector="d", read_only=True)
    assert solve(solver, make, run("cat /in/f", [0, 2], mounts=[given])) == "ok\n"


def test_more_than_a_container_has_is_given_only_to_those_entitled(solver: SolvingDaemon) -> None:
    insecure = run("mkdir -p /mnt; mount -t tmpfs none /mnt && echo mounted", security="insecure")
    host = run("hostname; ls /sys/class/net", network="host")
    for vertex, name in ((insecure, "security.insecure"), (host, "network.host")):
        refused, _ = solver.solve(Order(vertices=[solver.base(), vertex]))
        assert f"{name} is not allowed" in refused.error
        allowed = Order(vertices=[solver.base(), vertex], options=SolveOptions(entitlements=[name]))
        assert not solver.solve(allowed)[0].error
    plain = run("mkdir -p /mnt; mount -t tmpfs none /mnt && echo mounted || echo refused")
    assert solver.solve(Order(vertices=[solver.base(), plain]))[1].output.endswith(b"refused\n")


def test_limits_of_the_build_hold_for_its_steps(solver: SolvingDaemon) -> None:
    script = "cat /proc/self/cgroup; ulimit -n; grep -i seccomp: /proc/self/status; nproc"
    host = HostConfig(memory=32 << 20, extra_hosts=["somewhere:10.1.2.3"])
    greedy = run("head -c 200m /dev/zero | tail > /dev/null", [1])
    order = Order(
        vertices=[solver.base(), run(f"{script}; cat /etc/hosts"), greedy],
        options=SolveOptions(host=host),
    )
    outcome, told = solver.solve(order)
    assert "Seccomp:\t2" in told.output.decode()
    assert "10.1.2.3\tsomewhere" in told.output.decode()
    assert outcome.code == 137 or "non-zero code" in outcome.error


def test_steps_without_a_network_have_none(solver: SolvingDaemon) -> None:
    order = Order(vertices=[solver.base(), run("ls /sys/class/net", network="none")])
    assert solver.solve(order)[1].output.split() == [b"lo"]
