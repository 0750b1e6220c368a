"""Containers: create, run, watch, remove, and what can be done to and with them."""

from wharfie.engine.containers.committing import CommitSpec, ContainerCommits
from wharfie.engine.containers.lifecycle.processes import Processes
from wharfie.engine.containers.publishing import PortChange, Publishing
from wharfie.engine.containers.rootfs.files import ContainerFiles
from wharfie.engine.containers.service import Containers, ContainersPorts, Pruned
from wharfie.engine.containers.stdio.attachments import ContainerNetworks
from wharfie.engine.containers.stdio.streams import AttachRequest, ContainerStreams
from wharfie.engine.containers.updating import ContainerUpdates
from wharfie.engine.containers.usage import ContainerUsage, Sample

__all__ = [
    "AttachRequest",
    "CommitSpec",
    "ContainerCommits",
    "ContainerFiles",
    "ContainerNetworks",
    "ContainerStreams",
    "ContainerUpdates",
    "ContainerUsage",
    "Containers",
    "ContainersPorts",
    "PortChange",
    "Processes",
    "Pruned",
    "Publishing",
    "Sample",
]
