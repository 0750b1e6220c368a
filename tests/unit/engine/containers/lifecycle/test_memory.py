"""Who is watched for want of memory, and what is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.engine_bench import Bench
from wharfie.engine.containers.lifecycle.memory import MemoryWatches
from wharfie.engine.containers.updating import ContainerUpdates
from wharfie.model.container import WaitCondition
from wharfie.model.update import UpdateSpec

MIB = 1 << 20


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    watches = MemoryWatches(
        catalogue=made.engine.catalogue,
        ledger=made.engine.ledger,
        runtime=made.runtime,
        nursery=made.nursery,
    )
    watches.open()
    yield made
    watches.close()
    assert made.runtime.watched == {}
    await made.close()


async def test_b067_a_container_that_survives_a_kill_says_so_at_once(bench: Bench) -> None:
    ref = await bench.create(memory=64 * MIB)
    await bench.verbs.start(ref)
    bench.runtime.watched[ref]()
    await bench.nursery.close(grace=5)
    assert bench.verbs.get(ref).state.oom_killed
    assert bench.actions() == ["create", "start", "oom"]
    bench.runtime.oom.add(ref)
    done = bench.verbs.wait(ref, WaitCondition.NEXT_EXIT)
    bench.supervisor.end(ref, 0)
    await done
    assert bench.actions()[-1] == "die"  # and not another "oom"
    assert ref not in bench.runtime.watched


async def test_without_a_limit_nobody_watches_until_it_gets_one(bench: Bench) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    assert bench.runtime.watched == {}
    updates = ContainerUpdates(
        catalogue=bench.engine.catalogue,
        ledger=bench.engine.ledger,
        runtime=bench.runtime,
        cpus=4,
    )
    await updates.update(ref, UpdateSpec(memory=64 * MIB, memory_swap=64 * MIB))
    assert list(bench.runtime.watched) == [ref]
