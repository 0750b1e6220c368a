"""Pulling without a registry in reach."""

from __future__ import annotations

import pytest

from support.fake_archiver import FakeArchiver
from support.fake_content import FakeContentStore
from support.fake_snapshot import FakeSnapshotter
from support.fake_store import FakeStore
from wharfie.engine.events import EventBus
from wharfie.engine.images import Images
from wharfie.engine.images.distribution.pulling import PullRequest
from wharfie.model.errors import InvalidArgument, NotFound
from wharfie.model.registry import RegistryUnreachable


def service() -> Images:
    return Images(FakeStore(), FakeContentStore(), FakeSnapshotter(), FakeArchiver(), EventBus())


async def messages(images: Images, ref: str) -> list[str]:
    return [str(message["status"]) async for message in images.pull(PullRequest(ref=ref))]


@pytest.mark.parametrize("ref", ["busybox:latest", "docker.io/library/busybox:latest"])
async def test_busybox_is_embedded_and_says_so(ref: str) -> None:
    images = service()
    installed = []

    async def install() -> object:
        installed.append(1)
        raise NotFound("no static busybox")

    images._puller._install_default = install  # type: ignore[assignment]
    told: list[str] = []

    async def pull() -> None:
        async for message in images.pull(PullRequest(ref=ref)):
            told.append(str(message["status"]))

    with pytest.raises(NotFound):
        await pull()
    assert installed
    assert any("embedded" in text for text in told)


async def test_other_images_are_refused() -> None:
    with pytest.raises(RegistryUnreachable, match=r"docker\.io"):
        await messages(service(), "alpine:latest")
    with pytest.raises(InvalidArgument):
        await messages(service(), "NOT A REF")
