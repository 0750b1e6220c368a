"""What RUN --mount gives a step, on a real kernel; and that none of it stays where it must not."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.solving import Order, SolvingDaemon, copy, local, run
from wharfie.model.build.graph import MountKind, Sharing, StepMount

pytestmark = pytest.mark.root
SECRET = "s3cr3t-7d1f0a"


@pytest.fixture(scope="module")
def solver() -> Iterator[SolvingDaemon]:
    with SolvingDaemon() as own:
        own.start()
        own.load_busybox()
        yield own


def mount(kind: str, target: str, **fields: object) -> StepMount:
    return StepMount(kind=MountKind(kind), target=target, **fields)


def find_process(command: bytes) -> int:
    """The host's PID of the one process with this command line, once it is there."""
    deadline = time.monotonic() + 20
    while not (found := processes_of(command)):
        assert time.monotonic() < deadline, command
        time.sleep(0.02)
    (pid,) = found
    return pid


def processes_of(command: bytes) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "cmdline").read_bytes() == command:
                    found.append(int(entry.name))
    return found


def output(solver: SolvingDaemon, order: Order) -> str:
    outcome, told = solver.solve(order)
    assert not outcome.error, (outcome.error, told.output)
    return told.output.decode()


@pytest.mark.parametrize("read_only", [True, False])
def test_files_of_another_stage_are_seen_and_what_is_written_is_thrown_away(
    solver: SolvingDaemon, read_only: bool
) -> None:
    script = f"cat /in/f; echo {read_only} > /in/g && cat /in/g || echo refused"
    given = mount("bind", "/in", source=1, selector="d", read_only=read_only)
    order = Order(
        vertices=[
            solver.base(),
            run("mkdir /d; echo made > /d/f"),
            run(script, [0, 1], mounts=[given]),
        ]
    )
    text = output(solver, order)
    assert "made\n" in text
    assert ("refused\n" if read_only else "False\n") in text
    order.vertices.append(run(f"# {read_only}\nls /d; ls -d /in || true", [1]))
    text = output(solver, order)
    assert "ls: /in: No such file" in text, "nothing may be left of the mount point"
    assert "g" not in text.splitlines()


@pytest.mark.parametrize("read_only", [True, False])
def test_a_context_is_mounted_without_what_is_ignored(
    solver: SolvingDaemon, tmp_path: Path, read_only: bool
) -> None:
    (tmp_path / "seen").write_text("seen")
    (tmp_path / "ignored").write_text("ignored")
    given = mount("bind", "/in", source=1, read_only=read_only)
    order = Order(
        vertices=[
            solver.base(),
            local(exclude='["ignored"]'),
            run("ls /in; touch /in/new || true", [0, 1], mounts=[given]),
        ],
        contexts={"context": str(tmp_path)},
    )
    assert output(solver, order).splitlines()[0] == "seen"
    assert sorted(os.listdir(tmp_path)) == ["ignored", "seen"]


def test_a_cache_is_kept_from_step_to_step_and_is_in_no_layer(solver: SolvingDaemon) -> None:
    kept = mount("cache", "/kept", id="one", mode=0o750, uid=7, gid=8)
    order = Order(
        vertices=[
            solver.base(),
            run("stat -c '%a %u %g' /kept; echo 1 > /kept/n", mounts=[kept]),
            run("cat /kept/n; echo 2 > /kept/n", [1], mounts=[kept]),
            run("ls -d /kept", [2]),
        ]
    )
    outcome, told = solver.solve(order)
    assert told.output.startswith(b"750 7 8\n1\n")
    assert outcome.kind == "StepFailed"
    solver.restart()
    assert (
        output(solver, Order(vertices=[solver.base(), run("cat /kept/n", mounts=[kept])])) == "2\n"
    )


@pytest.mark.parametrize(
    ("sharing", "seen"),
    [(Sharing.SHARED, "begun\n"), (Sharing.PRIVATE, ""), (Sharing.LOCKED, "begun\nended\n")],
)
def test_a_cache_that_somebody_has_is_shared_doubled_or_waited_for(
    solver: SolvingDaemon, sharing: Sharing, seen: str
) -> None:
    given = mount("cache", "/kept", id=f"of {sharing}", sharing=sharing)
    # Who has to wait does so for the end of this one, the others finish before.
    rest = "sleep 1; echo ended >> /kept/names" if sharing is Sharing.LOCKED else "sleep 987"
    holding = run(f"echo begun >> /kept/names; echo held; {rest}", mounts=[given])
    looking = run("cat /kept/names 2>/dev/null || true", mounts=[given])
    with solver.begin(Order(vertices=[solver.base(), holding])) as held:
        held.wait_output(b"held\n")
        assert output(solver, Order(vertices=[solver.base(), looking])) == seen


def test_a_cache_begins_with_files_of_another_input(solver: SolvingDaemon) -> None:
    kept = mount("cache", "/kept", id="begun", source=1, selector="etc")
    order = Order(vertices=[solver.base(), solver.base(), run("ls /kept", [0, 1], mounts=[kept])])
    assert "passwd" in output(solver, order).split()


def test_memory_is_empty_and_bounded(solver: SolvingDaemon) -> None:
    given = mount("tmpfs", "/memory", size=1 << 20)
    script = "ls /memory; head -c 2000000 /dev/zero > /memory/f; wc -c < /memory/f"
    text = output(solver, Order(vertices=[solver.base(), run(script, mounts=[given])]))
    assert text.splitlines()[-1] == str(1 << 20)


def test_a_secret_is_seen_by_its_step_and_leaves_no_trace(solver: SolvingDaemon) -> None:
    file = mount("secret", "/run/secrets/token", id="token", mode=0o440, uid=3, gid=4)
    variable = mount("secret", "", id="token", environment="TOKEN")
    script = (
        "stat -c '%a %u %g' /run/secrets/token; wc -c < /run/secrets/token; echo ${#TOKEN};"
        "touch /run/secrets/token 2>/dev/null || echo refused; touch /after"
    )
    order = Order(
        vertices=[
            solver.base(),
            run(script, mounts=[file, variable]),
            run("ls -A /run 2>&1; echo $TOKEN", [1]),
        ],
        secrets={"token": SECRET},
        names=["docker.io/library/secretive:latest"],
    )
    text = output(solver, order)
    length = len(SECRET)
    assert text.startswith(f"440 3 4\n{length}\n{length}\nrefused\n")
    assert SECRET not in text
    assert "secrets" not in text
    for place in (solver.data_root, solver.exec_root, solver.log_file):
        found = subprocess.run(["grep", "-r", "-l", "-a", SECRET, str(place)], capture_output=True)
        assert found.stdout == b""
    history = solver.docker("history", "--no-trunc", "secretive").stdout
    assert SECRET not in history + solver.docker("inspect", "secretive").stdout


def test_another_value_of_a_secret_runs_nothing_again(solver: SolvingDaemon) -> None:
    given = mount("secret", "/run/secrets/a", id="a")
    vertices = [solver.base(), run("cat /run/secrets/a | wc -c", mounts=[given])]
    assert output(solver, Order(vertices=vertices, secrets={"a": "12"})) == "2\n"
    assert output(solver, Order(vertices=vertices, secrets={"a": "123"})) == ""


def test_a_secret_nobody_has_fails_only_where_it_is_required(solver: SolvingDaemon) -> None:
    given = mount("secret", "/run/secrets/b", id="b")
    order = Order(
        vertices=[solver.base(), run("ls /run/secrets 2>/dev/null || echo none", mounts=[given])]
    )
    assert output(solver, order).endswith("none\n")
    given = mount("secret", "/run/secrets/b", id="b", required=True)
    order = Order(vertices=[solver.base(), run("true", mounts=[given])])
    outcome, _ = solver.solve(order)
    assert outcome.error == "secret b: not found"


def test_a_step_talks_to_the_caller_s_agent(solver: SolvingDaemon, tmp_path: Path) -> None:
    path = tmp_path / "agent"
    given = mount("ssh", "/run/agent", id="default", mode=0o640)
    script = "stat -c '%F %a' /run/agent; sleep 987654"
    order = Order(
        vertices=[solver.base(), run(script, mounts=[given])], agents={"default": str(path)}
    )
    with socket.socket(socket.AF_UNIX) as agent, socket.socket(socket.AF_UNIX) as client:
        agent.bind(str(path))
        agent.listen()
        agent.settimeout(20)
        client.settimeout(20)
        with solver.begin(order) as solving:
            agent.accept()[0].close()  # somebody looked whether it is there
            solving.wait_output(b"socket 640\n")
            step = find_process(b"sleep\x00987654\x00")
            client.connect(f"/proc/{step}/root/run/agent")
            server, _ = agent.accept()
            with server:
                client.sendall(b"hello")
                assert server.recv(5) == b"hello"
                server.sendall(b"key")
                assert client.recv(3) == b"key"


def test_an_agent_nobody_has_fails_only_where_it_is_required(solver: SolvingDaemon) -> None:
    given = mount("ssh", "/run/agent", id="x")
    order = Order(
        vertices=[solver.base(), run("ls /run/agent 2>/dev/null || echo none", mounts=[given])]
    )
    assert output(solver, order).endswith("none\n")
    given = mount("ssh", "/run/agent", id="x", required=True)
    outcome, _ = solver.solve(Order(vertices=[solver.base(), run("true", mounts=[given])]))
    assert outcome.error == 'no SSH key "x" forwarded from the client'


def test_ignored_files_are_not_there_and_change_nothing(
    solver: SolvingDaemon, tmp_path: Path
) -> None:
    for name in ("docs/a", "docs/keep", "src/x.o", "src/x.c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    order = Order(
        vertices=[
            solver.base(),
            local(exclude='["docs", "!docs/keep", "**/*.o"]'),
            copy(["docs", "src"], "/c/"),
            run("cd /c; find . -type f", [2]),
        ],
        contexts={"context": str(tmp_path)},
    )
    assert sorted(output(solver, order).split()) == ["./keep", "./x.c"]
    (tmp_path / "docs/a").write_text("changed")
    assert output(solver, order) == ""
    order.vertices[2] = copy("src/x.o", "/c/")
    outcome, _ = solver.solve(order)
    assert "file not found in build context" in outcome.error


def test_steps_run_in_the_engine_s_user_namespace() -> None:
    with SolvingDaemon("--userns-remap", "default") as own:
        own.start()
        own.load_busybox()
        secret = mount("secret", "/run/secrets/s", id="s", uid=3, gid=4)
        kept = mount("cache", "/kept", id="mapped")
        stage = mount("bind", "/in", source=1, read_only=True)
        written = mount("bind", "/inw", source=1)
        script = (
            "cut -c1-30 /proc/self/uid_map; stat -c '%u:%g' /run/secrets/s /kept /in/made;"
            "echo x > /kept/f; echo x > /inw/y; touch /own; stat -c '%u:%g' /own /kept/f"
        )
        order = Order(
            vertices=[
                own.base(),
                run("touch /made; chown 7:8 /made"),
                run(script, [0, 1], mounts=[secret, kept, stage, written]),
                copy("made", "/c/", [2, 1]),
                run("stat -c '%u:%g' /own /c/made", [3]),
            ],
            secrets={"s": "1"},
        )
        text = output(own, order)
    lines = text.split("\n")
    assert lines[0].split() != ["0", "0", "4294967295"]
    assert lines[1:8] == ["3:4", "0:0", "7:8", "0:0", "0:0", "0:0", "7:8"]
