"""Images: records, and the config document inside them.

Source: OCI image spec "config" (and Docker's additions to it); Engine API ImageInspect.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from wharfie.model.container import HealthConfig
from wharfie.model.content import Descriptor
from wharfie.model.ids import ChainId, Digest, ImageId


class ImageConfig(Struct, rename="pascal", frozen=True, omit_defaults=True, kw_only=True):
    """The `config` member of an image config: presets of containers."""

    user: str = ""
    exposed_ports: dict[str, dict[str, Any]] | None = None
    env: list[str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    healthcheck: HealthConfig | None = None
    args_escaped: bool = False
    volumes: dict[str, dict[str, Any]] | None = None
    working_dir: str = ""
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    shell: list[str] | None = None
    on_build: list[str] | None = None


class History(Struct, frozen=True, omit_defaults=True):
    """One step of an image's history."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class RootFS(Struct, frozen=True):
    """Digests of the uncompressed layers, base first."""

    type: str = "layers"
    diff_ids: list[Digest] = field(default_factory=list)


class ImageDocument(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An image config blob, decoded; its digest is the image's ID."""

    architecture: str = ""
    os: str = ""
    variant: str = ""
    os_version: str = field(default="", name="os.version")
    created: str = ""
    author: str = ""
    comment: str = ""
    docker_version: str = ""
    parent: str = ""
    config: ImageConfig | None = None
    rootfs: RootFS = RootFS()
    history: list[History] = field(default_factory=list)


class Image(Struct, frozen=True, kw_only=True):
    """One image in the store.

    Attributes:
        id: `sha256:` digest of the config blob.
        document: the decoded config.
        manifest: descriptor of the manifest blob it came with.
        layers: descriptors of the layer blobs, base first; a blob may be gone, the unpacked
            layer (by chain ID) is what counts.
        chain_ids: names of the unpacked layers, base first.
        tags: canonical references ("docker.io/library/busybox:latest"), sorted.
        digests: canonical references by manifest digest ("docker.io/library/busybox@sha256:…").
        size: bytes of all unpacked layers.
        tagged_at: RFC 3339 time of the last tag, NEVER for none.
        used_at: RFC 3339 time a container was last seen to use it, "" for never.
    """

    id: ImageId
    document: ImageDocument
    manifest: Descriptor | None = None
    layers: list[Descriptor] = field(default_factory=list)
    chain_ids: list[ChainId] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    size: int = 0
    tagged_at: str = "0001-01-01T00:00:00Z"
    used_at: str = ""

    @property
    def top(self) -> ChainId | None:
        """Chain ID of the whole root file system, None for an empty image."""
        return self.chain_ids[-1] if self.chain_ids else None
