"""The commit verb on fakes: what the image gets, and who is held still, for how long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.engine_bench import Bench
from wharfie.engine.containers.committing import CommitSpec, ContainerCommits, image_config
from wharfie.model.container import Config, HealthConfig, Status
from wharfie.model.errors import Conflict, InvalidArgument, NoSuchContainer


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def commits(bench: Bench) -> ContainerCommits:
    return commits_of(bench)


def commits_of(bench: Bench) -> ContainerCommits:
    images: object = bench.images
    return ContainerCommits(
        catalogue=bench.catalogue,
        ledger=bench.engine.ledger,
        runtime=bench.runtime,
        snapshotter=bench.snapshotter,  # type: ignore[arg-type]
        images=images,  # type: ignore[arg-type]
    )


async def test_b123_the_image_has_the_containers_config_and_the_changes(
    bench: Bench, commits: ContainerCommits
) -> None:
    ref = await bench.create()
    spec = CommitSpec(changes=["ENV A=1", "LABEL x=y"], author="me", comment="why")
    assert await commits.commit(ref, spec) == bench.images.image.id
    (made,) = bench.images.commits
    assert made.config.cmd == ["sleep", "9"]
    assert made.config.env == ["PATH=/bin", "A=1"]
    assert made.config.labels == {"x": "y"}
    assert (made.created_by, made.author, made.comment) == ("sleep 9", "me", "why")
    assert made.directory.endswith(f"{ref}/diff")
    assert "/etc/hosts" in made.leave_out
    assert made.parent is bench.images.image


async def test_b123_an_entrypoint_takes_the_command_away(
    bench: Bench, commits: ContainerCommits
) -> None:
    ref = await bench.create()
    await commits.commit(ref, CommitSpec(changes=['ENTRYPOINT ["/e"]']))
    await commits.commit(ref, CommitSpec(changes=["CMD x", 'ENTRYPOINT ["/e"]']))
    first, second = bench.images.commits
    assert (first.config.entrypoint, first.config.cmd) == (["/e"], None)
    assert second.config.cmd == ["/bin/sh", "-c", "x"]


async def test_a_config_of_the_clients_is_completed_by_the_containers(
    bench: Bench, commits: ContainerCommits
) -> None:
    ref = await bench.create()
    config = Config(cmd=["x"], healthcheck=HealthConfig(test=["NONE"]), hostname="ignored")
    await commits.commit(ref, CommitSpec(config=config))
    (made,) = bench.images.commits
    assert made.config.cmd == ["x"]
    assert made.config.env == ["PATH=/bin"]
    assert made.config.healthcheck == HealthConfig(test=["NONE"])


async def test_b123_a_running_container_is_held_still_meanwhile(
    bench: Bench, commits: ContainerCommits
) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    seen: list[tuple[Status, bool]] = []

    async def look() -> None:
        seen.append((bench.verbs.get(ref).state.status, ref in bench.runtime.paused))

    bench.images.during_commit = look
    await commits.commit(ref, CommitSpec())
    await commits.commit(ref, CommitSpec(pause=False))
    assert seen == [(Status.PAUSED, True), (Status.RUNNING, False)]
    assert bench.verbs.get(ref).state.status is Status.RUNNING
    assert ref not in bench.runtime.paused
    assert bench.actions() == ["create", "start", "pause", "unpause", "commit", "commit"]


async def test_a_container_paused_by_its_user_stays_paused(
    bench: Bench, commits: ContainerCommits
) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    await bench.verbs.pause(ref)
    await commits.commit(ref, CommitSpec())
    assert bench.verbs.get(ref).state.status is Status.PAUSED


async def test_a_user_may_thaw_or_end_it_meanwhile(bench: Bench, commits: ContainerCommits) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    bench.images.during_commit = lambda: bench.verbs.unpause(ref)
    await commits.commit(ref, CommitSpec())
    assert bench.actions().count("unpause") == 1
    bench.images.during_commit = lambda: bench.verbs.stop(ref)
    await commits.commit(ref, CommitSpec())
    assert bench.verbs.get(ref).state.status is Status.EXITED


async def test_a_failure_lets_go_as_well(bench: Bench, commits: ContainerCommits) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)

    async def fail() -> None:
        raise Conflict("disk full")

    bench.images.during_commit = fail
    with pytest.raises(Conflict, match="disk full"):
        await commits.commit(ref, CommitSpec())
    assert bench.verbs.get(ref).state.status is Status.RUNNING
    assert "commit" not in bench.actions()


async def test_a_layer_deleted_under_the_copy_makes_no_image(
    bench: Bench, commits: ContainerCommits
) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    bench.images.during_commit = lambda: bench.verbs.remove(ref, force=True)
    with pytest.raises(NoSuchContainer):
        await commits.commit(ref, CommitSpec())


async def test_bad_changes_are_refused_before_anything_is_held(
    bench: Bench, commits: ContainerCommits
) -> None:
    ref = await bench.create()
    await bench.verbs.start(ref)
    with pytest.raises(InvalidArgument, match="RUN is not a valid change command"):
        await commits.commit(ref, CommitSpec(changes=["RUN x"]))
    assert "pause" not in bench.actions()


async def test_who_was_held_when_the_daemon_died_is_let_go(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    ref = await first.create()
    await first.verbs.start(ref)
    held = first.catalogue.find(ref)
    await commits_of(first)._freeze(held)
    first.supervisor.hang_up()
    first.store.close()
    second = Bench(tmp_path, supervisor=first.supervisor)
    records = second.store.read(lambda tx: tx.containers.all())
    await second.engine.recovery.load(records, {})
    await second.engine.recovery.reconcile(second.listen)
    state = second.verbs.get(ref).state
    assert (state.status, state.is_held) == (Status.RUNNING, False)
    assert second.actions() == ["unpause"]
    await second.close()


def test_what_only_containers_have_stays_out_of_the_image() -> None:
    kept = image_config(Config(hostname="h", tty=True, open_stdin=True, stop_timeout=3))
    assert kept == type(kept)()
