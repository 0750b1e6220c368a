"""The runtime driver over the real supervisor."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from support.runtime_world import PATH, make_busybox_root, make_container, make_plan, open_detached
from wharfie.drivers.runtime import Defaults, OciRuntime, find_runtimes
from wharfie.drivers.runtime.supervision import SupervisorClient, open_supervisor
from wharfie.model.container import Config, Container, State, Status
from wharfie.model.errors import StartFailed
from wharfie.model.exec import Exec, ExecConfig
from wharfie.model.ids import ExecId, generate_id
from wharfie.model.task import TaskExit

pytestmark = pytest.mark.root


class Supervised:
    """The driver, the real supervisor, and the exits it tells."""

    def __init__(self, directory: str, supervisor: SupervisorClient, runtime: str) -> None:
        self.directory = directory
        self.exec_root = f"{directory}/exec"
        self.supervisor = supervisor
        self.parent = f"/wharfie-test-{os.path.basename(directory)}"
        self.driver = OciRuntime(
            self.exec_root,
            supervisor,
            find_runtimes(),
            runtime,
            defaults=Defaults(cgroup_parent=self.parent),
        )
        self._exits: dict[str, asyncio.Future[TaskExit]] = {}
        supervisor.subscribe(on_exit=self._on_exit, on_attachment_end=lambda _end: None)

    def _on_exit(self, task_exit: TaskExit) -> None:
        future = self._future(task_exit.id)
        if not future.done():
            future.set_result(task_exit)

    def _future(self, task_id: str) -> asyncio.Future[TaskExit]:
        return self._exits.setdefault(task_id, asyncio.get_running_loop().create_future())

    async def code(self, task_id: str) -> int:
        async with asyncio.timeout(20):
            found = await self._future(task_id)
        await self.supervisor.settle(task_id)
        return found.code

    async def launch(self, container: Container) -> Container:
        rootfs = open_detached(f"{self.directory}/rootfs")
        try:
            plan = make_plan(container, rootfs)
            pid = await self.driver.launch(plan)
        finally:
            os.close(rootfs)
        return structs.replace(container, state=State(status=Status.RUNNING, pid=pid))


@pytest.fixture(params=["crun", "runc"])
async def supervised(request: pytest.FixtureRequest) -> AsyncIterator[Supervised]:
    if request.param not in find_runtimes():
        pytest.skip(f"no {request.param} here")
    directory = tempfile.mkdtemp(prefix="wrs", dir="/tmp")
    make_busybox_root(f"{directory}/rootfs")
    os.mkdir(f"{directory}/exec")
    supervisor = await open_supervisor(f"{directory}/exec")
    made = Supervised(directory, supervisor, request.param)
    try:
        yield made
        await made.driver.sweep([])
        made.driver.close()
    finally:
        await supervisor.shutdown()
        await supervisor.close()
        shutil.rmtree(directory)


async def test_a_container_and_an_exec(supervised: Supervised) -> None:
    container = await supervised.launch(make_container(["sleep", "60"]))
    config = ExecConfig(cmd=["sh", "-c", "test $(id -u) = 1000 && exit 9"], user="app")
    exec_ = Exec(id=ExecId(generate_id()), container_id=container.id, config=config)
    await supervised.driver.launch_exec(exec_, container, environment=[PATH])
    assert await supervised.code(exec_.id) == 9
    await supervised.driver.pause(container)
    await supervised.driver.unpause(container)
    await supervised.driver.kill_all(container)
    assert await supervised.code(container.id) == 137
    await supervised.driver.delete(container)
    assert os.listdir(f"{supervised.exec_root}/bundles") == []


async def test_a_failed_exec_does_not_keep_the_container_from_ending(
    supervised: Supervised,
) -> None:
    container = await supervised.launch(make_container(["sleep", "60"]))
    exec_ = Exec(
        id=ExecId(generate_id()), container_id=container.id, config=ExecConfig(cmd=["foo"])
    )
    with pytest.raises(StartFailed, match='exec: "foo": executable file not found'):
        await supervised.driver.launch_exec(exec_, container, environment=[PATH])
    await supervised.driver.kill_all(container)
    assert await supervised.code(container.id) == 137
    await supervised.driver.delete(container)


async def test_failures_come_through(supervised: Supervised) -> None:
    container = make_container(["/etc/plain"])
    with pytest.raises(StartFailed, match="permission denied") as caught:
        await supervised.launch(container)
    assert caught.value.exit_code == 126
    await supervised.supervisor.settle(container.id)


async def test_a_terminal_of_the_wanted_size(supervised: Supervised) -> None:
    container = make_container(["sh", "-c", "tty && exit 5"], config=Config(tty=True))
    await supervised.launch(container)
    assert await supervised.code(container.id) == 5
    await supervised.driver.delete(container)
