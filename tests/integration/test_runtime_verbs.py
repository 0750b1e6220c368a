"""What is done to running containers: exec, pause, kill, OOM, delete, sweep."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from support.runtime_world import PATH, World, make_container
from wharfie.drivers.runtime import find_runtimes
from wharfie.model.container import Config, HostConfig
from wharfie.model.errors import InvalidArgument, NotRunning, StartFailed
from wharfie.model.runtime import Namespaces

pytestmark = pytest.mark.root


@pytest.fixture(scope="module", params=["crun", "runc"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param not in find_runtimes():
        pytest.skip(f"no {request.param} here")
    made = World(request.param)
    yield made
    made.close()


async def _end(world: World, container) -> int:
    await world.driver.kill_all(container)
    code = await world.supervisor.wait(container.id)
    await world.driver.delete(container)
    return code


async def test_exec_runs_inside(world: World) -> None:
    container = await world.launch(make_container(["sleep", "60"]))
    code, output = await world.exec(container, "sh", "-c", "hostname; id -u; pwd; exit 3")
    assert (code, output) == (3, f"{container.id[:12]}\n0\n/\n")
    assert os.listdir(f"{world.exec_root}/execs") == []
    assert await _end(world, container) == -9
    assert world.leftovers() == []


async def test_exec_confinement_user_and_directory(world: World) -> None:
    container = await world.launch(
        make_container(["sleep", "60"], config=Config(user="app", working_dir="/tmp"))
    )
    script = "id -un; pwd; echo $HOME; grep -E 'Seccomp:|CapEff' /proc/self/status"
    _, output = await world.exec(container, "sh", "-c", script)
    assert output.splitlines() == [
        "app",
        "/tmp",
        "/home/app",
        "CapEff:\t0000000000000000",
        "Seccomp:\t2",
    ]
    _, output = await world.exec(container, "sh", "-c", script, user="0:10", working_dir="/etc")
    assert output.splitlines()[:4] == ["root", "/etc", "/root", "CapEff:\t00000000a80425fb"]
    _, output = await world.exec(container, "grep", "CapBnd", "/proc/self/status", privileged=True)
    assert int(output.split()[1], 16) > 0xA80425FB
    with pytest.raises(InvalidArgument, match="unable to find user nobody2: no matching entries"):
        await world.exec(container, "true", user="nobody2")
    await _end(world, container)


async def test_exec_with_a_terminal(world: World) -> None:
    container = await world.launch(make_container(["sleep", "60"]))
    code, output = await world.exec(container, "tty", tty=True, console_size=[20, 50])
    assert code == 0
    assert "/dev/pts/" in output
    await _end(world, container)


@pytest.mark.parametrize(
    ("command", "words", "code"),
    [
        ("foo", 'exec: "foo": executable file not found in $PATH', 127),
        ("/etc/plain", 'exec: "/etc/plain": permission denied', 126),
    ],
)
async def test_exec_failures(world: World, command: str, words: str, code: int) -> None:
    container = await world.launch(make_container(["sleep", "60"]))
    with pytest.raises(StartFailed, match="OCI runtime exec failed: exec failed: ") as caught:
        await world.exec(container, command)
    assert words in str(caught.value)
    assert caught.value.exit_code == code
    assert os.listdir(f"{world.exec_root}/execs") == []
    await _end(world, container)


async def test_exec_into_nothing(world: World) -> None:
    with pytest.raises(NotRunning):
        await world.exec(make_container(["true"]), "true")


async def test_pause_stops_and_unpause_goes_on(world: World) -> None:
    script = "i=0; while :; do i=$((i+1)); echo $i; done"
    container = await world.launch(make_container(["sh", "-c", script]))
    await asyncio.sleep(0.1)
    await world.driver.pause(container)
    before = len(world.supervisor.output(container.id))
    await asyncio.sleep(0.1)
    assert len(world.supervisor.output(container.id)) == before > 0
    await world.driver.unpause(container)
    await asyncio.sleep(0.1)
    assert len(world.supervisor.output(container.id)) > before
    await world.driver.pause(container)
    # Killing reaches paused processes too.
    assert await _end(world, container) == -9


async def test_pause_of_an_ended_container(world: World) -> None:
    with pytest.raises(NotRunning):
        await world.driver.pause(make_container(["true"]))


async def test_pids_are_the_hosts(world: World) -> None:
    container = await world.launch(make_container(["sh", "-c", "sleep 60 & sleep 61 & wait"]))
    await asyncio.sleep(0.1)
    pids = await world.driver.pids(container)
    assert container.state.pid in pids
    assert len(pids) == 3
    await _end(world, container)
    assert list(await world.driver.pids(container)) == []


async def test_oom_kill_is_noticed(world: World) -> None:
    host = HostConfig(memory=40 << 20, memory_swap=40 << 20)
    script = "a=x; while :; do a=$a$a; done"
    container = await world.launch(make_container(["sh", "-c", script], host=host))
    assert await world.supervisor.wait(container.id) == -9
    assert await world.driver.was_oom_killed(container)
    await world.driver.delete(container)
    assert not await world.driver.was_oom_killed(container)


async def test_delete_kills_what_a_shared_pid_namespace_left(world: World) -> None:
    script = "sleep 60 & sleep 0.05"
    container = await world.launch(
        make_container(["sh", "-c", script]), namespaces=Namespaces(pid="", cgroup="")
    )
    await world.supervisor.wait(container.id)
    assert len(await world.driver.pids(container)) == 1
    await world.driver.delete(container)
    assert world.leftovers() == []
    await world.driver.delete(container)


async def test_nested_groups_are_removed(world: World) -> None:
    host = HostConfig(privileged=True)
    script = (
        "mkdir /sys/fs/cgroup/freezer/deep 2>/dev/null || mkdir /sys/fs/cgroup/deep; "
        "mkdir /sys/fs/cgroup/freezer/deep/er; exit 0"
    )
    container = await world.launch(
        make_container(["sh", "-c", script], host=host), namespaces=Namespaces()
    )
    await world.supervisor.wait(container.id)
    await world.driver.delete(container)
    assert world.leftovers() == []


async def test_sweep_removes_strangers_and_keeps_ours(world: World) -> None:
    ours = await world.launch(make_container(["sleep", "60"]))
    stranger = await world.launch(make_container(["sleep", "60"]))
    await world.driver.sweep([ours.id])
    assert await world.supervisor.wait(stranger.id) == -9
    assert os.listdir(f"{world.exec_root}/bundles") == [ours.id]
    assert len(await world.driver.pids(ours)) == 1
    await _end(world, ours)
    assert world.leftovers() == []


async def test_environment_of_exec_is_what_the_engine_says(world: World) -> None:
    container = await world.launch(make_container(["sleep", "60"]))
    _, output = await world.exec(container, "env")
    assert PATH in output.splitlines()
    assert "HOME=/root" in output.splitlines()
    await _end(world, container)
