"""An image service on fakes that pulls from and pushes to real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from support.fake_archiver import FakeArchiver
from support.fake_snapshot import FakeSnapshotter
from support.fake_store import FakeStore
from wharfie.drivers.content import LocalContentStore
from wharfie.engine.events import EventBus
from wharfie.engine.images import Images
from wharfie.engine.images.distribution.pulling import PullRequest
from wharfie.engine.images.distribution.pushing import PushRequest
from wharfie.engine.images.distribution.remote import RemoteImages
from wharfie.formats.oci.descriptor import Platform
from wharfie.registry.client import RegistrySettings, RemoteRegistries
from wharfie.web.client import Dialer

HOST = Platform(os="linux", architecture="amd64")


class Engine:
    """An image service with registries; `settings` are those of the driver."""

    def __init__(self, root: Path, *, dialer: Dialer | None = None, **settings: object) -> None:
        self.root = root
        self.content = LocalContentStore(str(root))
        self.snapshotter = FakeSnapshotter()
        self.archiver = FakeArchiver()
        self.events = EventBus()
        self.store = FakeStore()
        self.registries = RemoteRegistries(
            RegistrySettings(**{"back_off": 0.01, "certs": (), **settings}),  # type: ignore[arg-type]
            agent="test",
            dialer=dialer,
        )
        self.images = Images(
            self.store,
            self.content,
            self.snapshotter,
            self.archiver,
            self.events,
            host=HOST,
            registries=self.registries,
        )
        self.remote = RemoteImages(self.registries)

    async def pull(self, ref: str, **options: object) -> list[dict[str, object]]:
        request = PullRequest(ref=ref, **options)  # type: ignore[arg-type]
        return [message async for message in self.images.pull(request)]

    async def push(self, name: str, tag: str = "", **options: object) -> list[dict[str, object]]:
        request = PushRequest(name=name, tag=tag, **options)  # type: ignore[arg-type]
        return [message async for message in self.images.push(request)]

    async def load(self, archive: bytes) -> None:
        async def source() -> AsyncIterator[bytes]:
            yield archive

        async for _ in self.images.load(source(), quiet=True):
            pass

    def left(self) -> list[str]:
        """Files of blobs and of downloads."""
        content = self.root / "content"
        return sorted(path.name for path in content.rglob("*") if path.is_file())

    async def close(self) -> None:
        await self.registries.close()


def texts(messages: list[dict[str, object]]) -> list[str]:
    return [str(message["status"]) for message in messages if "status" in message]
