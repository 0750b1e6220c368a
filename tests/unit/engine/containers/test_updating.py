"""The update verb on fakes: what it refuses in Docker's words, what it changes, and when."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.engine_bench import Bench
from wharfie.engine.containers.updating import ContainerUpdates
from wharfie.model.container import HostConfig, RestartPolicy
from wharfie.model.errors import Conflict, Internal, InvalidArgument, NoSuchContainer
from wharfie.model.update import UpdateSpec

MIB = 1 << 20


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def updates(bench: Bench) -> ContainerUpdates:
    return ContainerUpdates(
        catalogue=bench.catalogue, ledger=bench.engine.ledger, runtime=bench.runtime, cpus=4
    )


async def test_b080_limits_of_a_running_container_change_at_once(
    bench: Bench, updates: ContainerUpdates
) -> None:
    ref = await bench.create(memory=64 * MIB)
    await bench.verbs.start(ref)
    await updates.update(ref, UpdateSpec(memory=32 * MIB))
    assert bench.runtime.updates == [(ref, HostConfig(memory=32 * MIB))]
    assert bench.verbs.get(ref).host_config.memory == 32 * MIB
    assert bench.verbs.get(ref).host_config.memory_swap == 128 * MIB
    assert bench.actions()[-1] == "update"


async def test_b080_a_stopped_containers_limits_wait_for_its_start(
    bench: Bench, updates: ContainerUpdates
) -> None:
    ref = await bench.create()
    await updates.update(ref, UpdateSpec(cpu_shares=100))
    assert bench.runtime.updates == []
    (stored,) = bench.store.read(lambda tx: tx.containers.all())
    assert stored.host_config.cpu_shares == 100


async def test_a_policy_alone_touches_no_process(bench: Bench, updates: ContainerUpdates) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    await updates.update(ref, UpdateSpec(restart_policy=RestartPolicy("on-failure", 3)))
    assert bench.runtime.updates == []
    assert bench.verbs.get(ref).host_config.restart_policy == RestartPolicy("on-failure", 3)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (UpdateSpec(memory=1000), "Minimum memory limit allowed is 6MB"),
        (UpdateSpec(nano_cpus=10**12), "range of CPUs is from 0.01 to 4.00"),
        (UpdateSpec(cpu_period=5), "CPU cfs period can not be less than 1ms"),
        (UpdateSpec(nano_cpus=10**9, cpu_quota=5000), "Nano CPUs and CPU Quota cannot both be"),
        (UpdateSpec(memory=9 * MIB, memory_swap=8 * MIB), "Minimum memoryswap limit should be"),
        (UpdateSpec(restart_policy=RestartPolicy("bad")), "unknown policy 'bad'"),
    ],
)
async def test_b080_what_no_container_can_have_is_refused(
    updates: ContainerUpdates, spec: UpdateSpec, words: str
) -> None:
    with pytest.raises(InvalidArgument, match=words):
        await updates.update("any", spec)


@pytest.mark.parametrize(
    ("host", "spec", "words"),
    [
        ({}, UpdateSpec(memory=64 * MIB), "already set memoryswap limit"),
        ({"memory": 64 * MIB}, UpdateSpec(memory=129 * MIB), "already set memoryswap limit"),
        ({"cpu_quota": 5000}, UpdateSpec(nano_cpus=10**9), "CPU Quota has already been set"),
        ({"cpu_period": 5000}, UpdateSpec(nano_cpus=10**9), "CPU Period has already been set"),
        ({"nano_cpus": 10**9}, UpdateSpec(cpu_period=5000), "NanoCPUs has already been set"),
        (
            {"auto_remove": True},
            UpdateSpec(restart_policy=RestartPolicy("always")),
            "Restart policy cannot be updated because AutoRemove is enabled",
        ),
    ],
)
async def test_b080_what_this_container_cannot_have_is_a_conflict(
    bench: Bench, updates: ContainerUpdates, host: dict, spec: UpdateSpec, words: str
) -> None:
    ref = await bench.create(**host)
    before = bench.verbs.get(ref)
    with pytest.raises(Conflict, match=f"Cannot update container {ref}: .*{words}"):
        await updates.update(ref, spec)
    assert bench.verbs.get(ref) is before


async def test_what_the_kernel_refuses_leaves_the_record(
    bench: Bench, updates: ContainerUpdates
) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    bench.runtime.update_refusal = Internal("write memory.limit_in_bytes: EBUSY")
    with pytest.raises(Internal, match=f"Cannot update container {ref}: write memory"):
        await updates.update(ref, UpdateSpec(cpu_shares=100))
    assert bench.verbs.get(ref).host_config.cpu_shares == 0
    assert "update" not in bench.actions()


async def test_a_missing_container_is_not_found(updates: ContainerUpdates) -> None:
    with pytest.raises(NoSuchContainer):
        await updates.update("nope", UpdateSpec())


async def test_b080_without_a_bound_of_swap_other_limits_still_change(
    bench: Bench, updates: ContainerUpdates
) -> None:
    ref = await bench.create(memory=64 * MIB)
    await updates.update(ref, UpdateSpec(memory_swap=-1))
    await updates.update(ref, UpdateSpec(cpu_shares=100))
    assert bench.verbs.get(ref).host_config.cpu_shares == 100
    with pytest.raises(Conflict, match="memoryswap limit"):
        await updates.update(ref, UpdateSpec(memory=128 * MIB))


@pytest.mark.parametrize(
    ("spec", "warning"),
    [
        (UpdateSpec(oom_kill_disable=True), "OOM killer is disabled for the container"),
        (UpdateSpec(cpu_percent=5), "linux does not support CPU percent"),
    ],
)
async def test_b080_limits_that_do_not_change_are_warned_of(
    bench: Bench, updates: ContainerUpdates, spec: UpdateSpec, warning: str
) -> None:
    ref = await bench.create()
    before = bench.verbs.get(ref).host_config
    (told,) = await updates.update(ref, spec)
    assert warning in told
    assert bench.verbs.get(ref).host_config == before


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (UpdateSpec(memory_swappiness=500), "valid memory swappiness range is 0-100"),
        (UpdateSpec(io_maximum_iops=5), "Invalid QoS settings"),
    ],
)
async def test_b080_limits_that_do_not_change_are_looked_at(
    updates: ContainerUpdates, spec: UpdateSpec, words: str
) -> None:
    with pytest.raises(InvalidArgument, match=words):
        await updates.update("any", spec)
