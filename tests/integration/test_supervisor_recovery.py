"""Death and replacement of supervisor and daemon under running containers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.oci import Tasks
from support.supervised import OUT, Host, host_in, read_all, read_until, supervisor_pid, unframe
from wharfie.drivers.runtime.supervision import SupervisorRefused, open_supervisor, process
from wharfie.drivers.runtime.supervision import client as client_module
from wharfie.model.task import AttachSpec, LaunchFailed, LogSpec

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not os.path.exists("/usr/bin/crun"), reason="needs crun"),
    pytest.mark.skipif(not os.path.exists("/bin/busybox"), reason="needs busybox"),
]

COUNT = "i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); usleep 3000; done; exit 37"
COUNTED = "".join(f"{i}\n" for i in range(300))


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with host_in(tmp_path) as opened:
        yield opened


async def kill_supervisor(host: Host) -> float:
    """Kill it and return the seconds until its successor answers."""
    os.kill(supervisor_pid(host.exec_root), signal.SIGKILL)
    start = time.monotonic()
    while True:
        await asyncio.sleep(0.001)
        if supervisor_pid(host.exec_root) and not is_running(supervisor_pid(host.exec_root)):
            continue
        await host.client.tasks()
        return time.monotonic() - start


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def lost_lines(text: str) -> int:
    """Lines of COUNTED that are missing; those that are there are whole and in order."""
    found = [int(line) for line in text.splitlines()]
    assert found == sorted(set(found))
    return 300 - len(found)


async def test_a_killed_supervisor_loses_no_line_and_no_exit_code(host: Host) -> None:
    connection = await host.attach("c1", OUT)
    await host.client.launch(host.tasks.spec("c1", "sh", "-c", COUNT))
    await host.client.launch(host.tasks.spec("c2", "sh", "-c", COUNT))
    reader = asyncio.ensure_future(read_all(connection))
    took = []
    for _ in range(3):
        await asyncio.sleep(0.2)
        took.append(await kill_supervisor(host))
    assert await host.exit_code("c1") == 37
    assert await host.exit_code("c2") == 37
    # What a supervisor had read and not yet written dies with it: one chunk, here a line.
    assert lost_lines(host.tasks.text("c1")) <= len(took)
    assert lost_lines(host.tasks.text("c2")) <= len(took)
    assert lost_lines(unframe(await reader)[1].decode()) <= len(took)
    print("replaced in", took)


async def test_an_exit_during_the_replacement_is_known(host: Host) -> None:
    connection = await host.attach("c1", AttachSpec(stdin=True, stdout=True))
    await host.client.launch(
        host.tasks.spec("c1", "sh", "-c", "read x; echo $x; exit 9", stdin=True)
    )
    pid = supervisor_pid(host.exec_root)
    os.kill(pid, signal.SIGSTOP)
    connection.send(b"go\n")
    os.kill(pid, signal.SIGKILL)
    assert await host.exit_code("c1") == 9
    assert unframe(await read_all(connection))[1] == b"go\n"


async def test_input_and_terminal_survive_the_supervisor(host: Host) -> None:
    connection = await host.attach("c1", AttachSpec(stdin=True, stdout=True, framed=False))
    await host.client.launch(host.tasks.spec("c1", "cat", terminal=True, stdin=True))
    connection.send(b"one\n")
    await read_until(connection, b"one\r\none\r\n")
    await kill_supervisor(host)
    connection.send(b"two\n")
    await read_until(connection, b"two\r\ntwo\r\n")
    await host.client.resize("c1", rows=10, columns=20)
    await host.client.signal("c1", 15)
    await host.client.signal("c1", 9)
    assert await host.exit_code("c1") == 137


async def test_a_client_attached_before_launch_survives_the_supervisor(host: Host) -> None:
    connection = await host.attach("c1", OUT)
    await kill_supervisor(host)
    await host.client.launch(host.tasks.spec("c1", "echo", "hello"))
    assert await host.exit_code("c1") == 0
    assert unframe(await read_all(connection))[1] == b"hello\n"


async def test_end_of_input_is_still_an_end_after_replacement(host: Host) -> None:
    connection = await host.attach("c1", AttachSpec(stdin=True, stdout=True))
    await host.client.launch(host.tasks.spec("c1", "cat", stdin=True, stdin_once=True))
    connection.send(b"abc")
    echoed = await asyncio.get_running_loop().sock_recv(connection, 100)
    await kill_supervisor(host)
    connection.shutdown(socket.SHUT_WR)
    assert await host.exit_code("c1") == 0
    assert unframe(echoed + await read_all(connection))[1] == b"abc"


async def test_a_launch_under_way_fails_and_can_be_repeated(host: Host) -> None:
    spec = host.tasks.spec("c1", "true")
    os.kill(supervisor_pid(host.exec_root), signal.SIGSTOP)
    launch = asyncio.ensure_future(host.client.launch(spec))
    await asyncio.sleep(0.01)
    os.kill(supervisor_pid(host.exec_root), signal.SIGKILL)
    with pytest.raises(LaunchFailed):
        await launch
    await host.client.settle("c1")
    await host.client.launch(spec)
    assert await host.exit_code("c1") == 0


async def test_an_unsettled_exit_is_repeated_by_the_next_supervisor(host: Host) -> None:
    await host.client.launch(host.tasks.spec("c1", "sh", "-c", "exit 12"))
    assert await host.exit_code("c1", settle=False) == 12
    host.exits.clear()
    await kill_supervisor(host)
    assert await host.exit_code("c1", settle=False) == 12
    (status,) = await host.client.tasks()
    assert status.exit is not None
    await host.client.settle("c1")
    assert await host.client.tasks() == []


async def test_a_new_daemon_finds_everything(tmp_path: Path) -> None:
    async with host_in(tmp_path) as host:
        connection = await host.attach("c1", AttachSpec(stdin=True, stdout=True))
        script = f"{COUNT.replace('exit 37', 'read x; exit 37')}"
        pid = await host.client.launch(host.tasks.spec("c1", "sh", "-c", script, stdin=True))
        await host.client.launch(host.tasks.spec("c2", "sh", "-c", "exit 5"))
        await host.exit_code("c2", settle=False)
        await host.client.close()
        await asyncio.sleep(0.2)
        host.reconnect(await open_supervisor(host.exec_root))
        running = {status.id: status for status in await host.client.tasks()}
        assert running["c1"].pid == pid
        assert running["c2"].exit is not None
        assert await host.exit_code("c2") == 5
        # What the new daemon was given is enough to replace the supervisor once more.
        await kill_supervisor(host)
        connection.send(b"\n")
        assert await host.exit_code("c1") == 37
        assert host.tasks.text("c1") == COUNTED
        assert unframe(await read_all(connection))[1].decode() == COUNTED


DAEMON = """
import asyncio, sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from support.oci import Tasks
from wharfie.drivers.runtime.supervision import open_supervisor

async def main():
    tasks = Tasks(Path({directory!r}))
    client = await open_supervisor({exec_root!r})
    for number in range(3):
        await client.launch(tasks.spec(f"c{{number}}", "sh", "-c", {script!r}))
    print("launched", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_killed_daemon_loses_nothing(tmp_path: Path) -> None:
    program = DAEMON.format(
        tests=str(Path(__file__).parent.parent),
        directory=str(tmp_path),
        exec_root=str(tmp_path / "exec"),
        script=COUNT,
    )
    daemon = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    with daemon:
        assert daemon.stdout is not None
        assert await asyncio.to_thread(daemon.stdout.readline) == b"launched\n"
        daemon.kill()
    client = await open_supervisor(str(tmp_path / "exec"))
    host = Host(client, Tasks(tmp_path), str(tmp_path / "exec"))
    for number in range(3):
        assert await host.exit_code(f"c{number}") == 37
        assert host.tasks.text(f"c{number}") == COUNTED
    assert await client.shutdown()


async def test_an_upgrade_in_place_loses_nothing(host: Host) -> None:
    connection = await host.attach("c1", AttachSpec(stdin=True, stdout=True))
    script = "printf unfinished; read x; echo; " + COUNT
    await host.client.launch(host.tasks.spec("c1", "sh", "-c", script, stdin=True))
    await read_until(connection, b"unfinished")
    before = supervisor_pid(host.exec_root)
    started = Path(f"/proc/{before}/cmdline").read_bytes()
    await host.client.upgrade()
    assert supervisor_pid(host.exec_root) == before
    assert Path(f"/proc/{before}/cmdline").read_bytes() != started
    connection.send(b"\n")
    for _ in range(2):
        await asyncio.sleep(0.2)
        await host.client.upgrade()
    assert await host.exit_code("c1") == 37
    assert host.tasks.text("c1") == "unfinished\n" + COUNTED
    assert unframe(await read_all(connection))[1].decode() == "\n" + COUNTED


async def test_a_daemon_of_another_release_upgrades_its_supervisor(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    await host.client.launch(host.tasks.spec("c1", "sh", "-c", COUNT))
    pid = supervisor_pid(host.exec_root)
    started = Path(f"/proc/{pid}/cmdline").read_bytes()
    await host.client.close()
    monkeypatch.setattr(client_module, "__version__", "999")
    host.reconnect(await open_supervisor(host.exec_root))
    assert supervisor_pid(host.exec_root) == pid
    assert Path(f"/proc/{pid}/cmdline").read_bytes() != started
    assert await host.exit_code("c1") == 37
    assert host.tasks.text("c1") == COUNTED


async def test_an_upgrade_to_a_missing_program_leaves_the_old_one(host: Host) -> None:
    await host.client.launch(host.tasks.spec("c1", "sh", "-c", COUNT))
    original = process.command
    process.command = lambda exec_root: ["/nonexistent", exec_root]  # type: ignore[assignment]
    try:
        with pytest.raises(SupervisorRefused, match="No such file"):
            await host.client.upgrade()
    finally:
        process.command = original
    assert await host.exit_code("c1") == 37
    assert host.tasks.text("c1") == COUNTED


async def test_an_upgrade_to_a_broken_program_is_a_crash_and_no_more(host: Host) -> None:
    await host.client.launch(host.tasks.spec("c1", "sh", "-c", COUNT))
    original = process.command
    process.command = lambda exec_root: ["/bin/false", exec_root]  # type: ignore[assignment]
    upgrade = asyncio.ensure_future(host.client.upgrade())
    await asyncio.sleep(0.005)
    process.command = original
    await upgrade
    assert await host.exit_code("c1") == 37
    assert host.tasks.text("c1") == COUNTED


async def test_only_one_supervisor_an_exec_root(host: Host) -> None:
    first = supervisor_pid(host.exec_root)
    second = await open_supervisor(host.exec_root)
    assert supervisor_pid(host.exec_root) == first
    await second.close()


async def test_clients_of_an_ended_task_are_let_go_without_a_daemon(
    host: Host,
) -> None:
    connection = await host.attach("c1", OUT)
    await host.client.launch(host.tasks.spec("c1", "sh", "-c", "sleep 0.2; echo bye"))
    await host.client.close()
    assert unframe(await read_all(connection))[1] == b"bye\n"
    host.reconnect(await open_supervisor(host.exec_root))
    assert await host.exit_code("c1") == 0


async def test_what_was_not_sent_yet_survives_an_upgrade(host: Host, tmp_path: Path) -> None:
    """The receiver reads nothing before the program was replaced; then every line comes."""
    path = tmp_path / "late"
    with socket.socket(socket.AF_UNIX) as late:
        late.bind(str(path))
        late.listen()
        options = {"address": f"unix://{path}", "tag": "t"}
        log = LogSpec(driver="syslog", path=host.tasks.log_path("c1"), options=options)
        script = "i=0; while [ $i -lt 9000 ]; do echo line $i.; i=$((i+1)); done; read x"
        spec = host.tasks.spec("c1", "sh", "-c", script, log=log, stdin=True)
        await host.client.launch(spec)
        written = Path(host.tasks.log_path("c1"))
        async with asyncio.timeout(20):
            while b"line 8999." not in written.read_bytes():
                await asyncio.sleep(0.02)
        await host.client.upgrade()
        received = b""
        for _ in range(2):  # the connection of the old program, then that of the new one
            connection, _ = await asyncio.to_thread(late.accept)
            with connection:
                connection.settimeout(2)
                with contextlib.suppress(TimeoutError):
                    while piece := await asyncio.to_thread(connection.recv, 1 << 16):
                        received += piece
        missing = [n for n in range(9000) if b"line %d." % n not in received]
        assert missing == []
