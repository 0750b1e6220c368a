"""Commit: an image of a container.

A running container is held still while its layer is read. Should the daemon die meanwhile, the
record says who froze it, and the next start thaws it. Source: Engine API, ImageCommit;
behaviours 123; moby daemon/commit.go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from msgspec import UNSET, Struct, field

from wharfie.engine.containers.catalogue import Catalogue, ContainerHandle
from wharfie.engine.containers.create.merge import merge_image_config
from wharfie.engine.containers.ledger import Ledger
from wharfie.engine.containers.rootfs.engine_paths import ENGINE_PATHS
from wharfie.engine.images import Images, LayerCommit
from wharfie.model.container import Config, Container, Status
from wharfie.model.errors import Conflict, NoSuchContainer, NotRunning
from wharfie.model.ids import ImageId, SnapshotKey
from wharfie.model.image import ImageConfig
from wharfie.model.runtime import Runtime
from wharfie.model.snapshot import Snapshotter


class CommitSpec(Struct, frozen=True, kw_only=True):
    """What a client asks for.

    Attributes:
        repository: "" for an image without a name.
        pause: hold the container still while it is read.
        changes: lines of a Dockerfile.
        config: to be completed by the container's; None takes the container's.
    """

    repository: str = ""
    tag: str = ""
    comment: str = ""
    author: str = ""
    pause: bool = True
    changes: list[str] = field(default_factory=list)
    config: Config | None = None


class ContainerCommits:
    """The commit verb on containers."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        ledger: Ledger,
        runtime: Runtime,
        snapshotter: Snapshotter,
        images: Images,
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._runtime = runtime
        self._snapshotter = snapshotter
        self._images = images

    async def commit(self, ref: str, spec: CommitSpec) -> ImageId:
        """Make an image of a container as it is.

        Raises:
            NoSuchContainer: nothing matches, or it was removed meanwhile.
            InvalidArgument: a bad name or a bad change.
            Conflict: it is being removed.
        """
        handle = self._catalogue.find(ref)
        record = handle.record
        _check_state(record)
        reference = self._images.reference(spec.repository, spec.tag) if spec.repository else None
        config = _config(record, spec)
        async with self._held_still(handle, wanted=spec.pause):
            image = await self._images.commit(
                LayerCommit(
                    parent=self._images.get(record.image) if record.image else None,
                    directory=self._snapshotter.paths(SnapshotKey(record.id)).upper,
                    leave_out=ENGINE_PATHS,
                    config=config,
                    created_by=" ".join(record.config.cmd or ()),
                    author=spec.author,
                    comment=spec.comment,
                    name=reference,
                ),
                lambda: _check_there(handle),
            )
        name = reference.familiar() if reference else ""
        self._ledger.publish(
            handle.record, "commit", comment=spec.comment, imageID=image.id, imageRef=name
        )
        return image.id

    @asynccontextmanager
    async def _held_still(self, handle: ContainerHandle, *, wanted: bool) -> AsyncIterator[None]:
        """Freeze a running container for a while; one that is frozen already stays so."""
        froze = wanted and await self._freeze(handle)
        try:
            yield
        finally:
            if froze:
                await self._thaw(handle)

    async def _freeze(self, handle: ContainerHandle) -> bool:
        async with handle.lock:
            if handle.gone or handle.record.state.status is not Status.RUNNING:
                return False
            # The intent first: whoever finds it thaws, frozen or not.
            await self._ledger.save_state(handle, status=Status.PAUSED, is_held=True)
            try:
                await self._runtime.pause(handle.record)
            except BaseException:
                await self._ledger.save_state(handle, status=Status.RUNNING, is_held=False)
                raise
        self._ledger.publish(handle.record, "pause")
        return True

    async def _thaw(self, handle: ContainerHandle) -> None:
        async with handle.lock:
            state = handle.record.state
            if handle.gone or state.status is not Status.PAUSED or not state.is_held:
                return  # it ended, or somebody else thawed it
            with suppress(NotRunning):  # it ended while it was held; its end is told next
                await self._runtime.unpause(handle.record)
            await self._ledger.save_state(handle, status=Status.RUNNING, is_held=False)
        self._ledger.publish(handle.record, "unpause")


def _check_state(record: Container) -> None:
    match record.state.status:
        case Status.DEAD:
            raise Conflict(f"You cannot commit container {record.id} which is Dead")
        case Status.REMOVING:
            raise Conflict(f"You cannot commit container {record.id} which is being removed")
        case _:
            return


def _check_there(handle: ContainerHandle) -> None:
    if handle.gone or handle.record.state.status is Status.REMOVING:
        raise NoSuchContainer(handle.id)


def _config(record: Container, spec: CommitSpec) -> ImageConfig:
    # Late: only import and commit need it.
    from wharfie.engine.images.making.changes import apply_changes  # noqa: PLC0415

    own = image_config(record.config)
    changed = apply_changes(own if spec.config is None else image_config(spec.config), spec.changes)
    merged = merge_image_config(_container_config(changed), own)
    return image_config(merged)


def image_config(config: Config) -> ImageConfig:
    """What an image keeps of a container's config."""
    return ImageConfig(
        user=config.user,
        exposed_ports=None if config.exposed_ports is UNSET else config.exposed_ports,
        env=config.env,
        entrypoint=config.entrypoint,
        cmd=config.cmd,
        healthcheck=None if config.healthcheck is UNSET else config.healthcheck,
        args_escaped=config.args_escaped is True,
        volumes=config.volumes,
        working_dir=config.working_dir,
        labels=config.labels or None,
        stop_signal="" if config.stop_signal is UNSET else config.stop_signal,
        shell=None if config.shell is UNSET else config.shell,
        on_build=config.on_build,
    )


def _container_config(config: ImageConfig) -> Config:
    return Config(
        user=config.user,
        exposed_ports=config.exposed_ports or UNSET,
        env=config.env,
        entrypoint=config.entrypoint,
        cmd=config.cmd,
        healthcheck=config.healthcheck or UNSET,
        args_escaped=config.args_escaped or UNSET,
        volumes=config.volumes,
        working_dir=config.working_dir,
        labels=config.labels or {},
        stop_signal=config.stop_signal or UNSET,
        shell=config.shell or UNSET,
        on_build=config.on_build,
    )
