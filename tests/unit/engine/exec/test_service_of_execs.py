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


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def execs(bench: Bench) -> Execs:
    made = Execs(
        containers=bench.verbs,
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


async def test_an_exec_runs_once_and_keeps_its_exit_code(bench: Bench, execs: Execs) -> None:
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
    assert bench.actions()[-3:] == ["exec_create: true", "exec_start: true", "exec_die"]


async def test_the_exit_code_can_be_read_before_streams_are_closed(
    bench: Bench, execs: Execs
) -> None:
    made = await execs.create(await running(bench), ExecConfig(cmd=["true"]))
    await execs.start_detached(execs.check_start(made.id, ExecStart()))
    bench.supervisor.end(made.id, 5)
    assert made.id not in bench.supervisor.settled
    assert execs.get(made.id).exit_code == 5
    await bench.nursery.close(grace=1.0)
    assert made.id in bench.supervisor.settled


async def test_a_process_that_cannot_start_is_told_on_the_connection(
    bench: Bench, execs: Execs
) -> None:
    made = await execs.create(await running(bench), ExecConfig(cmd=["nope"], attach_stdout=True))
    bench.runtime.refusal = StartFailed("executable file not found in $PATH", 127)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        await execs.start_attached(execs.check_start(made.id, ExecStart()), ours.fileno(), b"")
        assert b"executable file not found" in theirs.recv(4096)
    assert execs.get(made.id).exit_code == 127
    assert made.id in bench.supervisor.settled


async def test_refusals(bench: Bench, execs: Execs) -> None:
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


async def test_execs_of_a_removed_container_are_gone(bench: Bench, execs: Execs) -> None:
    ref = await running(bench)
    made = await execs.create(ref, ExecConfig(cmd=["true"]))
    await bench.verbs.remove(ref, force=True)
    with pytest.raises(NoSuchExec):
        execs.get(made.id)
