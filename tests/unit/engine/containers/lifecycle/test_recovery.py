"""A daemon that died: what the next one finds, and makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from support.engine_bench import Bench
from wharfie.model.container import RestartPolicy, Status
from wharfie.model.errors import NoSuchContainer
from wharfie.model.ids import ContainerId


async def reopened(
    before: Bench, root: Path, meanwhile: Callable[[], None] = lambda: None
) -> Bench:
    """A new engine over the same store and the surviving supervisor.

    `meanwhile` is what happens once the new engine has seen which tasks there are.
    """
    before.store.close()
    before.supervisor.hang_up()
    after = Bench(root, supervisor=before.supervisor)
    after.snapshotter.keys = before.snapshotter.keys
    containers = after.store.read(lambda tx: tx.containers.all())
    connections = after.store.read(lambda tx: tx.containers.connections())
    await after.engine.recovery.load(containers, connections)
    meanwhile()

    def listen() -> None:
        after.seen_at_listening = [handle.record.state for handle in after.engine.catalogue]
        after.listen()

    await after.engine.recovery.reconcile(listen)
    after.engine.recovery.start_policies()
    return after


async def test_a_running_container_is_adopted(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    ref = await first.create()
    await first.verbs.start(ref)
    second = await reopened(first, tmp_path)
    assert second.verbs.get(ref).state.status is Status.RUNNING
    await second.verbs.kill(ref)
    assert second.verbs.get(ref).state.exit_code == 137
    await second.close()


async def test_an_exit_while_nobody_listened_is_recorded(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    ref = await first.create()
    await first.verbs.start(ref)
    first.supervisor.hang_up()
    first.supervisor.end(ref, 37)
    second = await reopened(first, tmp_path)
    state = second.verbs.get(ref).state
    assert (state.status, state.exit_code) == (Status.EXITED, 37)
    assert second.supervisor.held == {}
    await second.close()


async def test_a_start_that_happened_but_was_not_recorded_is_completed(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    ref = await first.create()
    await first.verbs.start(ref)
    handle = first.engine.catalogue.find(ref)
    half = structs.replace(handle.record.state, status=Status.CREATED, starting=True, pid=0)
    await first.engine.ledger.save(handle, structs.replace(handle.record, state=half))
    second = await reopened(first, tmp_path)
    state = second.verbs.get(ref).state
    assert (state.status, state.starting) == (Status.RUNNING, False)
    assert state.pid == second.supervisor.held[ref].pid
    await second.close()


async def test_a_start_that_did_not_happen_is_undone(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    ref = await first.create()
    await first.verbs.start(ref)
    handle = first.engine.catalogue.find(ref)
    half = structs.replace(handle.record.state, status=Status.CREATED, starting=True, pid=0)
    await first.engine.ledger.save(handle, structs.replace(handle.record, state=half))
    first.supervisor.held.clear()
    second = await reopened(first, tmp_path)
    state = second.verbs.get(ref).state
    assert (state.status, state.starting) == (Status.CREATED, False)
    assert ref in second.runtime.deleted
    assert second.store.read(lambda tx: tx.containers.connections()) == {}
    await second.verbs.start(ref)
    await second.close()


async def test_a_container_lost_with_its_host_has_exited(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    ref = await first.create()
    await first.verbs.start(ref)
    first.supervisor.held.clear()
    second = await reopened(first, tmp_path)
    state = second.verbs.get(ref).state
    assert (state.status, state.exit_code) == (Status.EXITED, 255)
    assert "lost" in state.error
    await second.close()


async def test_a_task_nobody_knows_is_ended_and_settled_no_sooner(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    first.supervisor.begin("f" * 64)
    second = await reopened(first, tmp_path)
    assert second.supervisor.signals == [("f" * 64, 9)]
    assert second.supervisor.settled == []  # that is for who is told of its end
    third = await reopened(second, tmp_path)
    assert third.supervisor.held == {}
    await third.close()
    await second.close()


async def test_an_auto_removed_container_found_ended_goes(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    ref = await first.create(auto_remove=True)
    await first.verbs.start(ref)
    first.supervisor.held.clear()
    second = await reopened(first, tmp_path)
    await second.nursery.close(grace=5.0)
    with pytest.raises(NoSuchContainer):
        second.verbs.get(ref)
    await second.close()


@pytest.mark.parametrize(
    ("policy", "stopped", "runs"),
    [("always", True, True), ("unless-stopped", True, False), ("unless-stopped", False, True),
     ("no", False, False)],
)  # fmt: skip
async def test_policies_decide_what_runs_after_a_reboot(
    tmp_path: Path, policy: str, stopped: bool, runs: bool
) -> None:
    first = Bench(tmp_path)
    ref = await first.create(restart_policy=RestartPolicy(policy))
    await first.verbs.start(ref)
    if stopped:
        await first.verbs.stop(ref)
    first.supervisor.held.clear()
    second = await reopened(first, tmp_path)
    await second.nursery.close(grace=5.0)
    status = second.engine.catalogue.find(ContainerId(ref)).record.state.status
    assert (status is Status.RUNNING) is runs
    await second.close()


async def test_an_exit_before_its_late_adoption_still_counts(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    ref = await first.create()
    await first.verbs.start(ref)
    handle = first.engine.catalogue.find(ref)
    half = structs.replace(handle.record.state, status=Status.CREATED, starting=True, pid=0)
    await first.engine.ledger.save(handle, structs.replace(handle.record, state=half))
    first.supervisor.hang_up()
    first.supervisor.end(ref, 41)
    second = await reopened(first, tmp_path)
    state = second.verbs.get(ref).state
    assert (state.status, state.exit_code) == (Status.EXITED, 41)
    await second.close()


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded-start", "unrecorded-start"])
async def test_an_exit_during_recovery_is_not_undone_by_it(tmp_path: Path, recorded: bool) -> None:
    first = Bench(tmp_path)
    ref = await first.create()
    await first.verbs.start(ref)
    if not recorded:
        handle = first.engine.catalogue.find(ref)
        half = structs.replace(handle.record.state, status=Status.CREATED, starting=True, pid=0)
        await first.engine.ledger.save(handle, structs.replace(handle.record, state=half))
    second = await reopened(first, tmp_path, lambda: first.supervisor.end(ref, 43))
    # Heard only once the record agrees: its older picture cannot undo the end.
    (seen,) = second.seen_at_listening
    assert (seen.status, seen.starting) == (Status.RUNNING, False)
    await second.nursery.close(grace=5.0)
    state = second.verbs.get(ref).state
    assert (state.status, state.exit_code) == (Status.EXITED, 43)
    assert second.supervisor.held == {}
    await second.close()


async def test_an_exit_told_again_leaves_the_next_run_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = Bench(tmp_path)
    ref = await first.create()
    await first.verbs.start(ref)
    first.supervisor.hang_up()
    first.supervisor.end(ref, 44)
    told = first.supervisor.held[ref].exit
    assert told is not None
    second = await reopened(first, tmp_path)
    await second.verbs.start(ref)
    second.supervisor.on_exit(told)
    await second.nursery.close(grace=5.0)
    assert second.verbs.get(ref).state.status is Status.RUNNING
    assert second.supervisor.held[ref].exit is None
    assert caplog.messages == []
    await second.close()
