"""Puts the parts of the container verbs together; the daemon and the tests both call it."""

from __future__ import annotations

from msgspec import Struct

from wharfie.engine.containers.catalogue import Catalogue, ContainerHandle
from wharfie.engine.containers.create.creation import CreationPorts, Creator
from wharfie.engine.containers.create.defaults import ContainerDefaults, DefaultsHandle
from wharfie.engine.containers.ledger import Ledger
from wharfie.engine.containers.lifecycle.ending import Endings
from wharfie.engine.containers.lifecycle.recovery import Recovery
from wharfie.engine.containers.lifecycle.removal import RemovalPorts, Remover
from wharfie.engine.containers.lifecycle.starting import Starter, StartPorts
from wharfie.engine.containers.lifecycle.steps import StepPorts, Steps
from wharfie.engine.containers.links import Links
from wharfie.engine.containers.publishing import Publishing
from wharfie.engine.containers.rootfs.directories import ContainerDirectories
from wharfie.engine.containers.rootfs.managed import ManagedFiles
from wharfie.engine.containers.rootfs.volumes import VolumeMounts
from wharfie.engine.containers.service import Containers, ContainersPorts
from wharfie.engine.containers.stdio.attachments import ContainerNetworks
from wharfie.engine.events import EventBus
from wharfie.engine.images import Images
from wharfie.engine.networks import Networks
from wharfie.engine.volumes import Volumes
from wharfie.model.archive import Archiver
from wharfie.model.nursery import Nursery
from wharfie.model.remapping import Remapping
from wharfie.model.runtime import MountTrees, Runtime
from wharfie.model.snapshot import Snapshotter
from wharfie.model.store import Store
from wharfie.model.task import TaskSupervisor


class ContainerPorts(Struct, frozen=True, kw_only=True):
    """Everything container verbs need from outside."""

    store: Store
    events: EventBus
    images: Images
    networks: Networks
    volumes: Volumes
    snapshotter: Snapshotter
    archiver: Archiver
    runtime: Runtime
    trees: MountTrees
    remapping: Remapping | None = None
    supervisor: TaskSupervisor
    nursery: Nursery
    defaults: ContainerDefaults
    data_root: str


class ContainerEngine(Struct, frozen=True, kw_only=True):
    """The assembled parts others talk to."""

    containers: Containers
    catalogue: Catalogue
    ledger: Ledger
    endings: Endings
    recovery: Recovery
    directories: ContainerDirectories
    defaults: DefaultsHandle
    attachments: ContainerNetworks
    volume_mounts: VolumeMounts
    publishing: Publishing
    steps: Steps


def assemble(ports: ContainerPorts) -> ContainerEngine:
    """Build the container verbs on their ports."""
    catalogue = Catalogue()
    defaults = DefaultsHandle(ports.defaults)
    ledger = Ledger(ports.store, catalogue, ports.events)
    directories = ContainerDirectories(ports.data_root)
    files = ManagedFiles(directories, ports.defaults, Links(catalogue))
    volume_mounts = VolumeMounts(ports.volumes, catalogue, ports.events)
    starter = Starter(
        StartPorts(
            catalogue=catalogue,
            ledger=ledger,
            networks=ports.networks,
            snapshotter=ports.snapshotter,
            runtime=ports.runtime,
            trees=ports.trees,
            images=ports.images,
            supervisor=ports.supervisor,
            files=files,
            volumes=volume_mounts,
            directories=directories,
            remapping=ports.remapping,
        )
    )
    remover = Remover(
        RemovalPorts(
            ledger=ledger,
            starter=starter,
            snapshotter=ports.snapshotter,
            supervisor=ports.supervisor,
            volumes=ports.volumes,
            directories=directories,
            nursery=ports.nursery,
        )
    )

    async def auto_remove(handle: ContainerHandle) -> None:
        await remover.remove(handle, volumes=True, force=False)

    endings = Endings(
        catalogue=catalogue,
        ledger=ledger,
        starter=starter,
        networks=ports.networks,
        runtime=ports.runtime,
        supervisor=ports.supervisor,
        nursery=ports.nursery,
        remove=auto_remove,
        volumes=volume_mounts,
    )
    creator = Creator(
        CreationPorts(
            catalogue=catalogue,
            ledger=ledger,
            images=ports.images,
            networks=ports.networks,
            volumes=ports.volumes,
            snapshotter=ports.snapshotter,
            archiver=ports.archiver,
            runtime=ports.runtime,
            directories=directories,
            defaults=defaults,
        )
    )
    containers = Containers(
        ContainersPorts(
            catalogue=catalogue,
            ledger=ledger,
            creator=creator,
            starter=starter,
            endings=endings,
            remover=remover,
            images=ports.images,
            networks=ports.networks,
            runtime=ports.runtime,
            snapshotter=ports.snapshotter,
            supervisor=ports.supervisor,
            defaults=defaults,
        )
    )
    recovery = Recovery(
        catalogue=catalogue,
        ledger=ledger,
        starter=starter,
        endings=endings,
        remover=remover,
        runtime=ports.runtime,
        supervisor=ports.supervisor,
        nursery=ports.nursery,
    )
    return ContainerEngine(
        containers=containers,
        catalogue=catalogue,
        ledger=ledger,
        endings=endings,
        recovery=recovery,
        directories=directories,
        defaults=defaults,
        volume_mounts=volume_mounts,
        publishing=Publishing(catalogue=catalogue, ledger=ledger, networks=ports.networks),
        steps=Steps(
            StepPorts(
                catalogue=catalogue,
                networks=ports.networks,
                runtime=ports.runtime,
                supervisor=ports.supervisor,
                files=files,
                directories=directories,
                defaults=defaults,
                nursery=ports.nursery,
                remapping=ports.remapping,
            )
        ),
        attachments=ContainerNetworks(
            catalogue=catalogue, ledger=ledger, networks=ports.networks, files=files
        ),
    )
