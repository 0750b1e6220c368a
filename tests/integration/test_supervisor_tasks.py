"""The supervisor with real containers: starting, streams, terminals, logs, ends."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.supervised import OUT, Host, host_in, read_all, read_until, supervisor_pid, unframe
from wharfie.drivers.runtime.supervision import SupervisorRefused
from wharfie.kernel import mounts
from wharfie.model.task import AttachSpec, LaunchFailed, LogSpec

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not os.path.exists("/usr/bin/crun"), reason="needs crun"),
    pytest.mark.skipif(not os.path.exists("/bin/busybox"), reason="needs busybox"),
]


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with host_in(tmp_path) as opened:
        yield opened


async def test_early_output_reaches_a_client_attached_before_launch(host: Host) -> None:
    connection = await host.attach("c1", OUT)
    await host.client.launch(host.tasks.spec("c1", "sh", "-c", "echo out; echo err >&2; exit 7"))
    assert await host.exit_code("c1") == 7
    assert unframe(await read_all(connection)) == {1: b"out\n", 2: b"err\n"}
    assert host.tasks.text("c1") == "out\n"
    assert host.tasks.text("c1", "stderr") == "err\n"
    assert os.stat(host.tasks.log_path("c1")).st_mode & 0o777 == 0o640
    await host.wait_ends(1)
    assert not host.ends[0].detached


async def test_streams_end_only_after_the_exit_is_settled(host: Host) -> None:
    connection = await host.attach("c1", OUT)
    await host.client.launch(host.tasks.spec("c1", "true"))
    assert await host.exit_code("c1", settle=False) == 0
    assert json.loads(Path(host.exec_root, "exits/c1").read_text())["code"] == 0
    await asyncio.sleep(0.1)
    with pytest.raises(BlockingIOError):
        connection.recv(1)
    await host.client.settle("c1")
    assert await read_all(connection) == b""
    assert not Path(host.exec_root, "exits/c1").exists()
    assert await host.client.tasks() == []


async def test_death_by_signal_is_128_and_the_number(host: Host) -> None:
    await host.client.launch(host.tasks.spec("c1", "sleep", "60"))
    assert await host.client.signal("c1", 9)
    assert await host.exit_code("c1", settle=False) == 137
    assert not await host.client.signal("c1", 9)
    await host.client.settle("c1")


async def test_a_running_task_cannot_be_settled(host: Host) -> None:
    await host.client.launch(host.tasks.spec("c1", "sleep", "60"))
    with pytest.raises(SupervisorRefused):
        await host.client.settle("c1")


@pytest.mark.slow
async def test_two_hundred_short_runs_lose_nothing(host: Host) -> None:
    gate = asyncio.Semaphore(16)

    async def run(number: int) -> None:
        async with gate:
            name = f"c{number}"
            connection = await host.attach(name, OUT)
            script = f"seq {number} {number + 99}; echo bad >&2; exit {number % 100}"
            await host.client.launch(host.tasks.spec(name, "sh", "-c", script))
            code = await host.exit_code(name, timeout=60)
            wanted = "".join(f"{i}\n" for i in range(number, number + 100))
            assert code == number % 100
            assert unframe(await read_all(connection)) == {1: wanted.encode(), 2: b"bad\n"}
            assert host.tasks.text(name) == wanted

    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(run(number))


async def test_a_runtime_error_is_told_and_not_shown(host: Host) -> None:
    connection = await host.attach("c1", OUT)
    with pytest.raises(LaunchFailed, match="nonesuch"):
        await host.client.launch(host.tasks.spec("c1", "nonesuch"))
    await host.client.settle("c1")
    assert await read_all(connection) == b""


async def test_a_missing_runtime_fails_the_launch(host: Host) -> None:
    spec = host.tasks.spec("c1", "true")
    argv = ["/nonexistent/crun", *spec.argv[1:]]
    with pytest.raises(LaunchFailed, match="nonexistent"):
        await host.client.launch(type(spec)(id="c1", argv=argv, pid_file="p", error_log="e"))
    await host.client.settle("c1")


async def test_an_unwritable_log_fails_the_launch(host: Host) -> None:
    spec = host.tasks.spec("c1", "true", log=LogSpec(path="/nonexistent/x.log"))
    with pytest.raises(LaunchFailed, match="logging driver"):
        await host.client.launch(spec)
    await host.client.settle("c1")


async def test_half_close_ends_standard_input_and_output_goes_on(host: Host) -> None:
    spec = AttachSpec(stdin=True, stdout=True, stderr=True, head=b"first ")
    connection = await host.attach("c1", spec)
    script = "cat; echo after"
    await host.client.launch(host.tasks.spec("c1", "sh", "-c", script, stdin=True, stdin_once=True))
    loop = asyncio.get_running_loop()
    payload = os.urandom(3 << 20).hex().encode()
    sender = asyncio.ensure_future(loop.sock_sendall(connection, payload))

    async def finish() -> None:
        await sender
        connection.shutdown(socket.SHUT_WR)

    finisher = asyncio.ensure_future(finish())
    parts = []
    received = asyncio.ensure_future(read_all(connection))
    assert await host.exit_code("c1") == 0
    await finisher
    parts = unframe(await received)
    assert parts[1] == b"first " + payload + b"after\n"


async def test_input_stays_open_for_the_next_client_without_stdin_once(host: Host) -> None:
    attach = AttachSpec(stdin=True, stdout=True)
    first = await host.attach("c1", attach)
    await host.client.launch(
        host.tasks.spec("c1", "sh", "-c", "read a; read b; echo $a-$b", stdin=True)
    )
    first.send(b"one\n")
    first.shutdown(socket.SHUT_WR)
    await asyncio.sleep(0.1)
    second = await host.attach("c1", attach)
    second.send(b"two\n")
    assert await host.exit_code("c1") == 0
    assert unframe(await read_all(first))[1] == b"one-two\n"
    assert unframe(await read_all(second))[1] == b"one-two\n"


async def test_a_client_that_sends_and_vanishes_is_heard(host: Host) -> None:
    connection = await host.attach("c1", AttachSpec(stdin=True, stdout=True))
    connection.send(b"hello")
    connection.close()
    await host.client.launch(host.tasks.spec("c1", "cat", stdin=True, stdin_once=True))
    assert await host.exit_code("c1") == 0
    assert host.tasks.text("c1") == "hello"


async def test_a_terminal_has_its_size_and_can_be_resized(host: Host) -> None:
    connection = await host.attach("c1", AttachSpec(stdin=True, stdout=True, framed=False))
    script = "usleep 50000; stty size; read x; stty size; exit 3"
    await host.client.launch(
        host.tasks.spec("c1", "sh", "-c", script, terminal=True, stdin=True, size=(33, 77))
    )
    await read_until(connection, b"33 77")
    await host.client.resize("c1", rows=44, columns=155)
    connection.send(b"\n")
    await read_until(connection, b"44 155")
    assert await host.exit_code("c1") == 3
    assert host.tasks.text("c1").startswith("33 77\r\n")


async def test_detach_keys_end_the_attachment_only(host: Host) -> None:
    spec = AttachSpec(stdin=True, stdout=True, framed=False, detach_keys=b"\x10\x11")
    connection = await host.attach("c1", spec)
    await host.client.launch(host.tasks.spec("c1", "sh", terminal=True, stdin=True))
    connection.send(b"echo a\x10")
    await asyncio.sleep(0.05)
    connection.send(b"\x11")
    await host.wait_ends(1)
    assert host.ends[0].detached
    await read_all(connection)
    assert [status.id for status in await host.client.tasks()] == ["c1"]


async def test_two_clients_get_the_same(host: Host) -> None:
    connections = [await host.attach("c1", OUT), await host.attach("c1", OUT)]
    await host.client.launch(host.tasks.spec("c1", "seq", "20000"))
    readers = [asyncio.ensure_future(read_all(c)) for c in connections]
    assert await host.exit_code("c1") == 0
    wanted = "".join(f"{i}\n" for i in range(1, 20001))
    for reader in readers:
        assert unframe(await reader)[1] == wanted.encode()
    assert host.tasks.text("c1") == wanted


async def test_a_slow_client_holds_its_task_back_and_loses_nothing(host: Host) -> None:
    slow = await host.attach("c1", OUT)
    await host.client.launch(host.tasks.spec("c1", "seq", "1000000"))
    await host.client.launch(host.tasks.spec("c2", "seq", "100000"))
    assert await host.exit_code("c2") == 0  # another task does not wait
    await asyncio.sleep(0.3)
    assert "c1" not in host.exits
    reader = asyncio.ensure_future(read_all(slow))
    assert await host.exit_code("c1") == 0
    wanted = "".join(f"{i}\n" for i in range(1, 1000001))
    assert unframe(await reader)[1] == wanted.encode()


async def test_a_client_that_leaves_stops_holding_its_task_back(host: Host) -> None:
    slow = await host.attach("c1", OUT)
    await host.client.launch(host.tasks.spec("c1", "seq", "1000000"))
    await asyncio.sleep(0.3)
    assert "c1" not in host.exits
    slow.close()
    assert await host.exit_code("c1") == 0
    assert host.tasks.text("c1").endswith("1000000\n")


async def test_log_and_held_output_join_without_gap_or_double(host: Host) -> None:
    script = "i=0; while [ $i -lt 4000 ]; do echo line $i; i=$((i+1)); done; sleep 1"
    await host.client.launch(host.tasks.spec("c1", "sh", "-c", script))
    await asyncio.sleep(0.01)
    for _ in range(3):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        attachment = await host.client.attach(
            "c1", theirs.fileno(), AttachSpec(stdout=True, stderr=True, hold=True)
        )
        theirs.close()
        with open(host.tasks.log_path("c1"), "rb") as file:
            logged = file.read(attachment.log_size)
        assert len(logged) == attachment.log_size
        replayed = "".join(json.loads(line)["log"] for line in logged.splitlines())
        await asyncio.sleep(0.02)
        await host.client.release(attachment)
        ended = "line 3999\n" in replayed
        live = "" if ended else unframe(await read_until(ours, b"line 3999\n"))[1].decode()
        assert replayed + live == "".join(f"line {i}\n" for i in range(4000))
        ours.close()
    assert await host.exit_code("c1") == 0


async def test_exec_in_a_running_container(host: Host) -> None:
    await host.client.launch(host.tasks.spec("c1", "sleep", "60"))
    connection = await host.attach("e1", AttachSpec(stdin=True, stdout=True, stderr=True))
    spec = host.tasks.exec_spec("e1", "c1", "sh", "-c", "cat; exit 5", stdin=True)
    await host.client.launch(spec)
    connection.send(b"typed")
    connection.shutdown(socket.SHUT_WR)
    assert await host.exit_code("e1") == 5
    assert unframe(await read_all(connection))[1] == b"typed"


async def test_an_exec_left_process_does_not_delay_the_end_for_long(host: Host) -> None:
    await host.client.launch(host.tasks.spec("c1", "sleep", "60"))
    connection = await host.attach("e1", OUT)
    spec = host.tasks.exec_spec("e1", "c1", "sh", "-c", "sleep 50 & echo x; exit 4")
    await host.client.launch(spec)
    assert await host.exit_code("e1", timeout=5) == 4
    assert unframe(await read_all(connection))[1] == b"x\n"


async def test_a_root_mount_is_attached_for_the_start_only(host: Host) -> None:
    target = host.tasks.directory / "target"
    target.mkdir()
    tree = mounts.clone_tree(str(host.tasks.rootfs))
    try:
        spec = host.tasks.spec(
            "c1", "sh", "-c", "ls /bin/busybox; sleep 1", mount_target=str(target)
        )
        await host.client.launch(spec, rootfs=tree)
    finally:
        os.close(tree)
    assert list(target.iterdir()) == []
    assert str(target) not in Path("/proc/self/mountinfo").read_text()
    supervisor = supervisor_pid(host.exec_root)
    assert str(target) not in Path(f"/proc/{supervisor}/mountinfo").read_text()
    assert await host.exit_code("c1") == 0


async def test_a_failed_launch_leaves_no_mount(host: Host) -> None:
    target = host.tasks.directory / "target"
    target.mkdir()
    tree = mounts.clone_tree(str(host.tasks.rootfs))
    with pytest.raises(LaunchFailed):
        await host.client.launch(
            host.tasks.spec("c1", "nonesuch", mount_target=str(target)), rootfs=tree
        )
    os.close(tree)
    supervisor = supervisor_pid(host.exec_root)
    assert str(target) not in Path(f"/proc/{supervisor}/mountinfo").read_text()
    await host.client.settle("c1")


async def test_a_stuck_log_stalls_only_its_own_container(host: Host) -> None:
    """A FIFO nobody reads is the deadest disk there is."""
    fifo = host.tasks.directory / "fifo.log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    await host.client.launch(host.tasks.spec("c1", "yes", log=LogSpec(path=str(fifo))))
    await asyncio.sleep(0.3)
    await host.client.launch(host.tasks.spec("c2", "seq", "50000"))
    assert await host.exit_code("c2", timeout=5) == 0
    assert host.tasks.text("c2").endswith("50000\n")
    await host.client.signal("c1", 9)
    drain = asyncio.ensure_future(asyncio.to_thread(drain_fifo, reader))
    assert await host.exit_code("c1") == 137
    os.write(reader, b"END")
    await drain


def drain_fifo(fd: int) -> None:
    os.set_blocking(fd, True)
    while not os.read(fd, 1 << 16).endswith(b"END"):
        pass
    os.close(fd)


async def test_rotation_keeps_the_newest_files(host: Host) -> None:
    log = LogSpec(path=host.tasks.log_path("c1"), max_size=20_000, max_files=3)
    await host.client.launch(host.tasks.spec("c1", "seq", "1000", log=log))
    assert await host.exit_code("c1") == 0
    path = host.tasks.log_path("c1")
    text = ""
    for name in (f"{path}.2", f"{path}.1", path):
        size = os.path.getsize(name)
        assert size < 20_100
        with open(name) as file:
            text += "".join(json.loads(line)["log"] for line in file)
    assert text.endswith("999\n1000\n")
    assert not os.path.exists(f"{path}.3")
