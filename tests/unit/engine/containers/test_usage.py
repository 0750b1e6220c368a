"""Stats verbs on fakes: how many samples, of whom, and when a stream ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.engine_bench import Bench
from wharfie.engine.containers.usage import ContainerUsage
from wharfie.model.errors import NoSuchContainer
from wharfie.model.usage import NO_USAGE


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.close()


def verbs(bench: Bench, interval: float = 0.001) -> ContainerUsage:
    return ContainerUsage(catalogue=bench.catalogue, runtime=bench.runtime, interval=interval)


async def test_one_sample_has_nothing_before_it(bench: Bench) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    sample = await verbs(bench).once(ref)
    assert sample.usage.at > 0
    assert sample.before is NO_USAGE


async def test_two_samples_tell_a_rate(bench: Bench) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    sample = await verbs(bench).pair(ref)
    assert sample.usage.at > sample.before.at > 0


async def test_b198_a_stopped_container_has_zeroes_at_once(bench: Bench) -> None:
    ref = await bench.create()
    sample = await verbs(bench, interval=60).pair(ref)
    assert (sample.usage, sample.before) == (NO_USAGE, NO_USAGE)


async def test_b198_a_missing_container_is_refused_at_the_call(bench: Bench) -> None:
    with pytest.raises(NoSuchContainer):
        verbs(bench).follow("nope")
    with pytest.raises(NoSuchContainer):
        await verbs(bench).once("nope")


async def test_b198_a_stream_outlives_a_stop_and_ends_with_the_removal(bench: Bench) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    stream = verbs(bench).follow(ref)
    first, second = await anext(stream), await anext(stream)
    assert first.before is NO_USAGE
    assert second.before is first.usage
    await bench.verbs.stop(ref)
    assert (await anext(stream)).usage is NO_USAGE
    await bench.verbs.start(ref)
    assert (await anext(stream)).before is NO_USAGE
    await bench.verbs.remove(ref, force=True)
    async with asyncio.timeout(5):
        assert [sample async for sample in stream] == []
