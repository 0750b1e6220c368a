"""Verbs of a container's life on fakes: states, events, waiters, and who holds what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.engine_bench import Bench
from wharfie.engine.containers.lifecycle.shutdown import stop_all
from wharfie.model.container import RestartPolicy, Status, WaitCondition
from wharfie.model.errors import (
    Conflict,
    Internal,
    InvalidArgument,
    NameInUse,
    NoSuchContainer,
    NotModified,
    StartFailed,
)
from wharfie.model.filters import PruneFilters


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.close()


async def ended(bench: Bench, ref: str, code: int = 0) -> None:
    done = bench.verbs.wait(ref, WaitCondition.NEXT_EXIT)
    bench.supervisor.end(bench.verbs.get(ref).id, code)
    await done


async def test_a_run_goes_through_its_states_and_events(bench: Bench) -> None:
    ref = await bench.create()
    assert bench.verbs.get(ref).state.status is Status.CREATED
    await bench.verbs.start(ref)
    state = bench.verbs.get(ref).state
    assert (state.status, state.starting, state.pid > 0) == (Status.RUNNING, False, True)
    await ended(bench, ref, 42)
    state = bench.verbs.get(ref).state
    assert (state.status, state.exit_code, state.pid) == (Status.EXITED, 42, 0)
    assert bench.actions() == ["create", "start", "die"]
    assert bench.networks.joined == {}
    assert bench.supervisor.settled == [ref]


async def test_an_exit_code_is_on_disk_before_anybody_hears_of_it(bench: Bench) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    await ended(bench, ref, 7)
    (stored,) = bench.store.read(lambda tx: tx.containers.all())
    assert stored.state.exit_code == 7


async def test_while_running_the_address_is_shown_and_afterwards_not(bench: Bench) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    settings = bench.verbs.get(ref).networks["bridge"].settings
    assert settings.ip_address == "172.17.0.2"
    await ended(bench, ref)
    assert bench.verbs.get(ref).networks["bridge"].settings.ip_address == ""


async def test_starting_a_running_container_is_not_modified(bench: Bench) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    with pytest.raises(NotModified):
        await bench.verbs.start(ref)


async def test_a_start_that_fails_keeps_code_and_error_and_frees_everything(bench: Bench) -> None:
    ref = await bench.create()
    bench.runtime.refusal = StartFailed("executable file not found in $PATH", 127)
    with pytest.raises(StartFailed):
        await bench.verbs.start(ref)
    state = bench.verbs.get(ref).state
    assert (state.status, state.exit_code, state.starting) == (Status.CREATED, 127, False)
    assert "not found" in state.error
    assert bench.networks.joined == {}
    assert ref in bench.runtime.deleted
    assert bench.supervisor.settled == [ref]


async def test_a_failing_network_gives_the_root_mount_back(bench: Bench) -> None:
    ref = await bench.create()
    bench.networks.refusal = Internal("port is already allocated")
    with pytest.raises(Internal):
        await bench.verbs.start(ref)
    assert bench.runtime.plans == []
    assert bench.verbs.get(ref).state.exit_code == 128
    bench.networks.refusal = None
    await bench.verbs.start(ref)


async def test_stop_sends_the_stop_signal_then_kills(bench: Bench) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    bench.supervisor.ignored = {15}
    await bench.verbs.stop(ref, grace=0.05)
    assert [number for _, number in bench.supervisor.signals] == [15, 9]
    assert bench.verbs.get(ref).state.exit_code == 137
    assert bench.actions() == ["create", "start", "kill", "kill", "die", "stop"]


async def test_stopping_a_stopped_container_is_not_modified(bench: Bench) -> None:
    ref = await bench.create()
    with pytest.raises(NotModified):
        await bench.verbs.stop(ref)


async def test_kill_waits_for_the_end_and_needs_a_running_container(bench: Bench) -> None:
    ref = await bench.create()
    with pytest.raises(Conflict, match="is not running"):
        await bench.verbs.kill(ref)
    await bench.verbs.start(ref)
    await bench.verbs.kill(ref)
    assert bench.verbs.get(ref).state.exit_code == 137


async def test_an_unknown_signal_is_refused(bench: Bench) -> None:
    ref = await bench.create()
    with pytest.raises(InvalidArgument, match="invalid signal: NOPE"):
        await bench.verbs.kill(ref, signal="NOPE")


async def test_a_restart_keeps_an_auto_removed_container(bench: Bench) -> None:
    ref = await bench.create(auto_remove=True)
    await bench.verbs.start(ref)
    await bench.verbs.restart(ref)
    assert bench.verbs.get(ref).state.status is Status.RUNNING
    assert bench.actions()[-4:] == ["die", "stop", "start", "restart"]


async def test_auto_removal_answers_its_waiters(bench: Bench) -> None:
    ref = await bench.create(auto_remove=True)
    removed = bench.verbs.wait(ref, WaitCondition.REMOVED)
    next_exit = bench.verbs.wait(ref, WaitCondition.NEXT_EXIT)
    await bench.verbs.start(ref)
    bench.supervisor.end(ref, 3)
    assert (await next_exit).code == 3
    assert (await removed).code == 3
    with pytest.raises(NoSuchContainer):
        bench.verbs.get(ref)
    assert bench.snapshotter.keys == set()


async def test_an_auto_removed_container_that_cannot_start_goes(bench: Bench) -> None:
    ref = await bench.create(auto_remove=True)
    removed = bench.verbs.wait(ref, WaitCondition.REMOVED)
    bench.runtime.refusal = StartFailed("permission denied", 126)
    with pytest.raises(StartFailed):
        await bench.verbs.start(ref)
    assert (await removed).code == 126
    with pytest.raises(NoSuchContainer):
        bench.verbs.get(ref)


async def test_next_exit_is_not_satisfied_by_the_present_state(bench: Bench) -> None:
    ref = await bench.create()
    waiting = asyncio.ensure_future(bench.verbs.wait(ref, WaitCondition.NEXT_EXIT))
    assert (await bench.verbs.wait(ref, WaitCondition.NOT_RUNNING)).code == 0
    await asyncio.sleep(0)
    assert not waiting.done()
    await bench.verbs.remove(ref)
    assert (await waiting).code == 0


async def test_a_running_container_is_removed_by_force_only(bench: Bench) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    with pytest.raises(Conflict, match="container is running"):
        await bench.verbs.remove(ref)
    await bench.verbs.remove(ref, force=True)
    assert bench.actions()[-2:] == ["die", "destroy"]
    assert bench.store.read(lambda tx: tx.containers.all()) == []


async def test_force_removes_an_auto_removed_container_once(bench: Bench) -> None:
    ref = await bench.create(auto_remove=True)
    await bench.verbs.start(ref)
    await bench.verbs.remove(ref, force=True)
    await bench.nursery.close(grace=1.0)
    assert bench.actions().count("destroy") == 1


async def test_a_name_is_free_again_after_removal_and_after_a_failed_create(bench: Bench) -> None:
    ref = await bench.create("web")
    with pytest.raises(NameInUse):
        await bench.create("web")
    await bench.verbs.remove(ref)
    with pytest.raises(InvalidArgument):
        await bench.create("web", memory=1)
    await bench.create("web")


async def test_rename_moves_the_name(bench: Bench) -> None:
    ref = await bench.create("old")
    await bench.verbs.rename(ref, "/new")
    assert bench.verbs.get("new").id == ref
    with pytest.raises(NoSuchContainer):
        bench.verbs.get("old")
    with pytest.raises(InvalidArgument, match="same name"):
        await bench.verbs.rename(ref, "new")
    await bench.create("old")


async def test_pause_and_unpause(bench: Bench) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    await bench.verbs.pause(ref)
    assert ref in bench.runtime.paused
    with pytest.raises(Conflict, match="already paused"):
        await bench.verbs.pause(ref)
    await bench.verbs.stop(ref)
    assert bench.runtime.paused == set()
    assert bench.verbs.get(ref).state.status is Status.EXITED


async def test_a_policy_restarts_with_a_count_until_stopped(bench: Bench) -> None:
    ref = await bench.create(restart_policy=RestartPolicy("always"))
    await bench.verbs.start(ref)
    bench.supervisor.end(ref, 1)
    async with asyncio.timeout(5):
        while bench.verbs.get(ref).state.restart_count == 0 or (
            bench.verbs.get(ref).state.status is not Status.RUNNING
        ):
            await asyncio.sleep(0.01)
    await bench.verbs.stop(ref)
    assert bench.verbs.get(ref).state.status is Status.EXITED
    assert bench.nursery.running == []


async def test_stop_cancels_a_pending_restart(bench: Bench) -> None:
    ref = await bench.create(restart_policy=RestartPolicy("always"))
    await bench.verbs.start(ref)
    await ended(bench, ref, 1)
    assert bench.verbs.get(ref).state.status is Status.RESTARTING
    await bench.verbs.stop(ref)
    assert bench.verbs.get(ref).state.status is Status.EXITED


async def test_on_failure_gives_up_after_its_count(bench: Bench) -> None:
    ref = await bench.create(restart_policy=RestartPolicy("on-failure", 1))
    await bench.verbs.start(ref)
    await ended(bench, ref, 1)
    async with asyncio.timeout(5):
        while bench.verbs.get(ref).state.status is not Status.RUNNING:
            await asyncio.sleep(0.01)
    await ended(bench, ref, 1)
    assert bench.verbs.get(ref).state.status is Status.EXITED


async def test_prune_removes_what_does_not_run(bench: Bench) -> None:
    running, stopped = await bench.create("aa"), await bench.create("bb")
    await bench.verbs.start(running)
    pruned = await bench.verbs.prune(PruneFilters())
    assert (pruned.deleted, pruned.reclaimed) == ([stopped], 100)
    assert bench.verbs.get("aa").id == running


async def test_a_shutdown_stops_all_without_counting_as_stopped_by_hand(bench: Bench) -> None:
    one = await bench.create("one", restart_policy=RestartPolicy("always"))
    two = await bench.create("two")
    for ref in (one, two):
        await bench.verbs.start(ref)
    engine = bench.engine
    await stop_all(engine.catalogue, engine.endings, bench.supervisor, timeout=1.0)
    await bench.nursery.close(grace=1.0)
    states = [bench.verbs.get(ref).state for ref in (one, two)]
    assert [state.status for state in states] == [Status.EXITED, Status.EXITED]
    assert not any(state.manually_stopped for state in states)


async def test_b069_a_container_that_cannot_be_removed_is_dead(bench: Bench) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    await ended(bench, ref)
    bench.catalogue.find(ref).is_clean = False
    bench.runtime.delete_refusal = Internal("cannot remove the cgroups: busy")
    with pytest.raises(Internal, match="busy"):
        await bench.verbs.remove(ref)
    assert bench.verbs.get(ref).state.status is Status.DEAD
    with pytest.raises(Conflict, match="dead"):
        await bench.verbs.start(ref)
    bench.runtime.delete_refusal = None
    await bench.verbs.remove(ref)
    with pytest.raises(NoSuchContainer):
        bench.verbs.get(ref)
