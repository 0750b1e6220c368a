"""Monitors on fakes: who is watched, when, and what is recorded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from support.engine_bench import Bench
from wharfie.engine.exec import Execs
from wharfie.engine.health import HealthMonitors
from wharfie.model.container import Config, CreateSpec, HealthConfig
from wharfie.model.errors import StartFailed
from wharfie.model.health import Health, HealthStatus
from wharfie.model.task import Attachment, AttachSpec

MILLISECOND = 1_000_000


class World:
    """An engine on fakes whose exec'd processes end as `answer` says; None lets them run."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.answer: Callable[[], int | None] = lambda: 0
        self.output = b"fine"
        self.connections: dict[str, int] = {}
        self.execs = Execs(
            containers=bench.verbs,
            store=bench.store,
            runtime=bench.runtime,
            supervisor=bench.supervisor,
            events=bench.events,
            nursery=bench.nursery,
        )
        self.monitors = HealthMonitors(
            catalogue=bench.engine.catalogue,
            ledger=bench.engine.ledger,
            execs=self.execs,
            nursery=bench.nursery,
        )
        bench.supervisor.subscribe(
            on_exit=lambda e: None if self.execs.on_exit(e) else bench.engine.endings.on_exit(e),  # type: ignore[arg-type, func-returns-value]
            on_attachment_end=lambda end: None,
        )
        bench.supervisor.attach = self._attach  # type: ignore[method-assign]
        self._settle = bench.supervisor.settle
        bench.supervisor.settle = self._close  # type: ignore[method-assign]

    async def _attach(self, task_id: str, connection: int, spec: AttachSpec) -> Attachment:
        self.connections[task_id] = os.dup(connection)
        asyncio.get_running_loop().call_soon(self._play, task_id)
        return Attachment(1)

    def _play(self, task_id: str) -> None:
        if task_id not in self.bench.supervisor.held:
            if task_id in self.connections:
                asyncio.get_running_loop().call_soon(self._play, task_id)
            return
        os.write(self.connections[task_id], self.output)
        code = self.answer()
        if code is not None:
            self.bench.supervisor.end(task_id, code)

    async def _close(self, task_id: str) -> None:
        await self._settle(task_id)
        connection = self.connections.pop(task_id, None)
        if connection is not None:
            os.close(connection)

    async def run(self, **terms: int) -> str:
        check = HealthConfig(test=["CMD", "look"], **{"interval": MILLISECOND, **terms})
        config = Config(image="busybox", cmd=["sleep", "9"], healthcheck=check)
        ref = (await self.bench.verbs.create(CreateSpec(name="web", config=config))).id
        await self.bench.verbs.start(ref)
        return ref

    def health(self, ref: str) -> Health:
        found = self.bench.verbs.get(ref).state.health
        assert found is not None
        return found

    async def until(self, condition: Callable[[], bool]) -> None:
        """Come back when a commit made it true."""
        woken = asyncio.Event()
        save = self.bench.store.write

        async def watched(*arguments: object, **options: object) -> None:
            await save(*arguments, **options)  # type: ignore[arg-type]
            asyncio.get_running_loop().call_soon(woken.set)

        self.bench.store.write = watched  # type: ignore[method-assign, assignment]
        try:
            async with asyncio.timeout(20):
                while not condition():
                    await woken.wait()
                    woken.clear()
        finally:
            self.bench.store.write = save  # type: ignore[method-assign]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    bench = Bench(tmp_path)
    made = World(bench)
    made.monitors.open()
    yield made
    made.monitors.close()
    await bench.close()


async def test_b110_a_container_becomes_healthy_and_says_so_once(world: World) -> None:
    ref = await world.run()
    assert world.health(ref) == Health()
    await world.until(lambda: len(world.health(ref).log) >= 3)
    assert world.health(ref).status is HealthStatus.HEALTHY
    assert world.bench.actions().count("health_status: healthy") == 1
    first = world.health(ref).log[0]
    assert (first.exit_code, first.output, first.start < first.end) == (0, "fine", True)


async def test_b113_probes_are_execs_with_their_events(world: World) -> None:
    ref = await world.run()
    await world.until(lambda: len(world.health(ref).log) >= 1)
    actions = world.bench.actions()
    start = actions.index("exec_create: look ")
    assert actions[start : start + 3] == ["exec_create: look ", "exec_start: look ", "exec_die"]
    assert world.execs.running_in(world.bench.verbs.get(ref).id) == []


async def test_b110_it_becomes_unhealthy_after_its_retries_and_recovers(world: World) -> None:
    world.answer = lambda: 1
    ref = await world.run(retries=2)
    await world.until(lambda: world.health(ref).status is HealthStatus.UNHEALTHY)
    assert world.health(ref).failing_streak == 2
    world.answer = lambda: 0
    await world.until(lambda: world.health(ref).status is HealthStatus.HEALTHY)
    shown = [action for action in world.bench.actions() if action.startswith("health_status")]
    assert shown == ["health_status: unhealthy", "health_status: healthy"]


async def test_b111_a_probe_that_takes_too_long_is_killed_and_is_a_failure(world: World) -> None:
    world.answer = lambda: None
    ref = await world.run(timeout=5 * MILLISECOND)
    await world.until(lambda: len(world.health(ref).log) >= 1)
    (found, *_) = world.health(ref).log
    assert (found.exit_code, found.output) == (-1, "Health check exceeded timeout (5ms): fine")
    assert any(number == 9 for _, number in world.bench.supervisor.signals)


async def test_b111_long_output_is_cut(world: World) -> None:
    world.output = b"x" * 5000
    ref = await world.run()
    await world.until(lambda: len(world.health(ref).log) >= 1)
    assert world.health(ref).log[0].output == "x" * 4096 + "..."


async def test_b111_a_probe_that_cannot_start_is_a_failure(world: World) -> None:
    ref = await world.run()
    world.bench.runtime.refusal = StartFailed("executable file not found in $PATH", 127)
    await world.until(lambda: len(world.health(ref).log) >= 1)
    found = world.health(ref).log[-1]
    assert (found.exit_code, found.output) == (-1, "executable file not found in $PATH")
    world.bench.runtime.refusal = None


async def test_b113_nobody_looks_while_a_container_is_paused_or_stopped(world: World) -> None:
    ref = await world.run()
    await world.until(lambda: world.health(ref).status is HealthStatus.HEALTHY)
    await world.bench.verbs.pause(ref)
    assert world.health(ref).status is HealthStatus.UNHEALTHY
    assert world.monitors._running == {}
    await world.bench.verbs.unpause(ref)
    await world.until(lambda: world.health(ref).status is HealthStatus.HEALTHY)
    await world.bench.verbs.stop(ref)
    assert world.health(ref).status is HealthStatus.UNHEALTHY
    assert world.monitors._running == {}
    await world.bench.verbs.start(ref)
    assert world.health(ref).status is HealthStatus.STARTING


async def test_b112_a_container_without_a_check_has_no_health(world: World) -> None:
    ref = await world.bench.create("plain")
    await world.bench.verbs.start(ref)
    assert world.bench.verbs.get(ref).state.health is None
    assert world.monitors._running == {}


async def test_health_survives_the_daemon(world: World) -> None:
    ref = await world.run()
    await world.until(lambda: world.health(ref).status is HealthStatus.HEALTHY)
    world.monitors.close()
    (stored,) = world.bench.store.read(lambda tx: tx.containers.all())
    assert stored.state.health == world.health(ref)
    world.monitors.open()
    count = world.health(ref).log[-1]
    await world.until(lambda: world.health(ref).log[-1] != count)
    assert world.health(ref).status is HealthStatus.HEALTHY
