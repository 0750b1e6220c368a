"""What the API stands on: the engine's services, and what the composition root may add."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from wharfie.api.listing import ContainerListing
from wharfie.api.versions import FLOOR, Version
from wharfie.build.service import Builds
from wharfie.engine.containers import (
    ContainerCommits,
    ContainerFiles,
    ContainerNetworks,
    Containers,
    ContainerStreams,
    ContainerUpdates,
    ContainerUsage,
    Publishing,
)
from wharfie.engine.events import EventBus
from wharfie.engine.exec import Execs
from wharfie.engine.images import Images
from wharfie.engine.images.distribution.remote import RemoteImages
from wharfie.engine.networks import Networks
from wharfie.engine.system import System
from wharfie.engine.volumes import VolumeArchives, Volumes
from wharfie.model.caller import Call
from wharfie.model.container import Container
from wharfie.model.image import Image
from wharfie.web import OriginPolicy

Gate = Callable[[Call], None]
"""Sees the very command the engine is about to execute; refuses by raising an EngineError."""


class Services(Struct, frozen=True, kw_only=True):
    """The engine's services."""

    containers: Containers
    streams: ContainerStreams
    files: ContainerFiles
    usage: ContainerUsage
    updates: ContainerUpdates
    commits: ContainerCommits
    execs: Execs
    images: Images
    builds: Builds
    registries: RemoteImages
    networks: Networks
    attachments: ContainerNetworks
    publishing: Publishing
    volumes: Volumes
    volume_archives: VolumeArchives
    system: System
    events: EventBus


class ApiRules(Struct, frozen=True, kw_only=True):
    """What the administrator says about the API.

    Attributes:
        floor: oldest version served.
        experimental: told to clients, which then offer more.
        origins: the daemon's host names; requests from elsewhere in a browser are refused.
    """

    floor: Version = FLOOR
    experimental: bool = False
    origins: OriginPolicy = OriginPolicy()


class Graph(Protocol):
    """Where layers lie on the host, for those inspect fields that show it."""

    def container(self, container: Container) -> Mapping[str, str] | None:
        """GraphDriver.Data of a container, None when unknown."""

    def image(self, image: Image) -> Mapping[str, str] | None:
        """GraphDriver.Data of an image, None when unknown."""

    def layer_sizes(self, image: Image) -> Sequence[int]:
        """Bytes of an image's layers, base first."""


class NoGraph:
    """Knows nothing. See `Graph`."""

    def container(self, container: Container) -> Mapping[str, str] | None:  # noqa: ARG002 # port
        """Unknown."""
        return None

    def image(self, image: Image) -> Mapping[str, str] | None:  # noqa: ARG002 # port
        """Unknown."""
        return None

    def layer_sizes(self, image: Image) -> Sequence[int]:
        """All of the image in its base, nothing in the others."""
        return [image.size]


class Context(Struct, frozen=True, kw_only=True):
    """What a handler is given beside its command."""

    services: Services
    graph: Graph
    listing: ContainerListing
    rules: ApiRules = ApiRules()


def admit(call: Call) -> None:
    """The gate that admits everybody who may connect."""
