"""Exec instances: refusals, starts, exit codes, streams."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.engine_bench import Bench
from wharfie.engine.exec import Execs, ExecStart
from wharfie.model.errors import Conflict, InvalidArgument, NoSuchExec, StartFailed
from wharfie.model.exec import ExecConfig
from wharfie.model.task import TaskExit


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def execs(bench: Bench) -> Execs:
    return execs_of(bench)


def execs_of(bench: Bench) -> Execs:
    made = Execs(
        containers=bench.verbs,
        store=bench.store,
        runtime=bench.runtime,
        supervisor=bench.supervisor,
        events=bench.events,
        nursery=bench.nursery,
    )
    containers_exit = bench.supervisor.on_exit

    def on_exit(exit_: object) -> None:
        if not made.on_exit(exit_):  # type: ignore[arg-type]
            containers_exit(exit_)  # type: ignore[arg-type]

    bench.supervisor.on_exit = on_exit
    return made


async def running(bench: Bench) -> str:
    ref = await bench.create()
    await bench.verbs.start(ref)
    return ref


async def test_b073_an_exec_runs_once_and_keeps_its_exit_code(bench: Bench, execs: Execs) -> None:
    made = await execs.create(await running(bench), ExecConfig(cmd=["true"]))
    assert (made.running, made.exit_code) == (False, None)
    await execs.start_detached(execs.check_start(made.id, ExecStart(detach=True)))
    assert execs.get(made.id).running
    with pytest.raises(Conflict, match="is already running"):
        execs.check_start(made.id, ExecStart())
    bench.supervisor.end(made.id, 5)
    record = execs.get(made.id)
    assert (record.running, record.exit_code) == (False, 5)
    with pytest.raises(Conflict, match="has already run"):
        execs.check_start(made.id, ExecStart())
    await bench.nursery.close(grace=1.0)
    assert bench.actions()[-3:] == ["exec_create: true ", "exec_start: true ", "exec_die"]


async def test_b074_the_exit_code_can_be_read_before_streams_are_closed(
    bench: Bench, execs: Execs
) -> None:
    made = await execs.create(await running(bench), ExecConfig(cmd=["true"]))
    await execs.start_detached(execs.check_start(made.id, ExecStart()))
    bench.supervisor.end(made.id, 5)
    assert made.id not in bench.supervisor.settled
    assert execs.get(made.id).exit_code == 5
    await bench.nursery.close(grace=1.0)
    assert made.id in bench.supervisor.settled


async def test_b073_a_process_that_cannot_start_is_told_on_the_connection(
    bench: Bench, execs: Execs
) -> None:
    made = await execs.create(await running(bench), ExecConfig(cmd=["nope"], attach_stdout=True))
    bench.runtime.refusal = StartFailed("executable file not found in $PATH", 127)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        start = ExecStart()
        await execs.start_attached(execs.check_start(made.id, start), start, ours.fileno(), b"")
        assert b"executable file not found" in theirs.recv(4096)
    assert execs.get(made.id).exit_code == 127
    assert made.id in bench.supervisor.settled


async def test_b072_refusals(bench: Bench, execs: Execs) -> None:
    ref = await bench.create("idle")
    with pytest.raises(Conflict, match="is not running"):
        await execs.create(ref, ExecConfig(cmd=["true"]))
    await bench.verbs.start(ref)
    with pytest.raises(InvalidArgument, match="No exec command specified"):
        await execs.create(ref, ExecConfig())
    with pytest.raises(InvalidArgument, match="Invalid detach keys"):
        await execs.create(ref, ExecConfig(cmd=["a"], detach_keys="ctrl-!"))
    with pytest.raises(NoSuchExec):
        execs.get("e" * 64)


async def test_b016_execs_of_a_removed_container_are_gone(bench: Bench, execs: Execs) -> None:
    ref = await running(bench)
    made = await execs.create(ref, ExecConfig(cmd=["true"]))
    await bench.verbs.remove(ref, force=True)
    with pytest.raises(NoSuchExec):
        execs.get(made.id)


@pytest.mark.parametrize("tty", [False, True])
async def test_the_start_says_whether_output_is_framed(
    bench: Bench, execs: Execs, tty: bool
) -> None:
    ref = await running(bench)
    made = await execs.create(ref, ExecConfig(cmd=["a"], tty=True, attach_stdout=True))
    start = ExecStart(tty=tty)
    with socket.socket() as client:
        await execs.start_attached(execs.check_start(made.id, start), start, client.fileno(), b"")
    assert bench.supervisor.attached[-1].framed is not tty


async def restarted(bench: Bench, root: Path) -> tuple[Bench, Execs]:
    """Another daemon on the same state, over the supervisor that lived on."""
    await bench.nursery.close(grace=1.0)
    bench.supervisor.hang_up()
    bench.store.close()
    second = Bench(root, supervisor=bench.supervisor)
    await second.engine.recovery.load(second.store.read(lambda tx: tx.containers.all()), {})
    execs = execs_of(second)
    await execs.load(second.engine.recovery.tasks)
    await second.engine.recovery.reconcile(lambda: listen(second, execs), execs)
    return second, execs


def listen(bench: Bench, execs: Execs) -> None:
    def on_exit(exit_: TaskExit) -> None:
        assert execs.on_exit(exit_) or bench.engine.endings.on_exit(exit_)

    bench.supervisor.subscribe(on_exit=on_exit, on_attachment_end=lambda end: None)


async def test_b074_execs_survive_a_restart_of_the_daemon(
    bench: Bench, execs: Execs, tmp_path: Path
) -> None:
    ref = await running(bench)
    waiting, runs, done = [await execs.create(ref, ExecConfig(cmd=[c])) for c in "abc"]
    for one in (runs, done):
        await execs.start_detached(execs.check_start(one.id, ExecStart()))
    bench.supervisor.end(done.id, 3)
    second, execs = await restarted(bench, tmp_path)
    assert runs.id in bench.supervisor.held
    assert execs.get(done.id).exit_code == 3
    assert (execs.get(runs.id).running, execs.get(runs.id).pid > 0) == (True, True)
    assert set(execs.running_in(runs.container_id)) == {waiting.id, runs.id}
    bench.supervisor.end(runs.id, 4)
    assert execs.get(runs.id).exit_code == 4
    await execs.start_detached(execs.check_start(waiting.id, ExecStart()))
    await second.close()


async def test_b074_an_end_between_two_daemons_is_told_to_the_second(
    bench: Bench, execs: Execs, tmp_path: Path
) -> None:
    made = await execs.create(await running(bench), ExecConfig(cmd=["a"]))
    await execs.start_detached(execs.check_start(made.id, ExecStart()))
    bench.supervisor.hang_up()
    bench.supervisor.end(made.id, 9)
    second, execs = await restarted(bench, tmp_path)
    assert execs.get(made.id).exit_code == 9
    await second.nursery.close(grace=1.0)
    assert "exec_die" in second.actions()
    assert made.id in bench.supervisor.settled
    await second.close()


async def test_an_end_nobody_saw_is_255(bench: Bench, execs: Execs, tmp_path: Path) -> None:
    made = await execs.create(await running(bench), ExecConfig(cmd=["a"]))
    await execs.start_detached(execs.check_start(made.id, ExecStart()))
    del bench.supervisor.held[made.id]
    second, execs = await restarted(bench, tmp_path)
    assert (execs.get(made.id).running, execs.get(made.id).exit_code) == (False, 255)
    await second.close()


async def test_execs_go_with_their_container_from_the_disk_too(bench: Bench, execs: Execs) -> None:
    ref = await running(bench)
    await execs.create(ref, ExecConfig(cmd=["a"]))
    await bench.verbs.remove(ref, force=True)
    assert bench.store.read(lambda tx: tx.execs.all()) == []
