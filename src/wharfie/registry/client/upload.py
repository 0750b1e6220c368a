"""Uploading: blobs, mounts and manifests. Source: OCI distribution specification, "Push"."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlencode

from wharfie.formats.digest import sha256_digest
from wharfie.model.content import Descriptor
from wharfie.model.ids import Digest
from wharfie.model.registry import RegistryMisbehaves
from wharfie.registry.client.refusals import refusal
from wharfie.registry.client.session import Session
from wharfie.web.client import Url


class Upload:
    """Uploads to one repository at one endpoint."""

    def __init__(self, session: Session, path: str) -> None:
        self._session = session
        self._path = path

    async def mount(self, digest: Digest, source: str) -> bool:
        """Ask for a blob of another repository; False: an upload was begun instead."""
        query = urlencode({"mount": digest, "from": source})
        url = self._session.url(f"/v2/{self._path}/blobs/uploads/?{query}")
        async with self._session.exchange("POST", url, body=b"") as (reply, final):
            if reply.status == 201:
                return True
            if reply.status not in (202, 401, 403, 404):
                raise await self._session.refuse(reply, final)
            location = reply.headers.get("location", "")
        if reply.status == 202 and location:
            await self._abandon(await self._session.resolve(location, url))
        return False

    async def send(self, descriptor: Descriptor, source: AsyncIterator[bytes]) -> None:
        """Upload a blob: one POST for a place, one PATCH with the bytes, one PUT to name it."""
        url = await self._begin()
        status, headers, body = await self._session.send_stream(
            "PATCH",
            url,
            source,
            length=descriptor.size,
            headers={"Content-Type": "application/octet-stream"},
        )
        if status not in (202, 204):
            await self._abandon(url)
            raise refusal(status, headers, body, str(url.at("/")))
        url = await self._session.resolve(headers.get("location", "") or str(url), url)
        query = urlencode({"digest": descriptor.digest})
        named = url.at(f"{url.target}{'&' if '?' in url.target else '?'}{query}")
        async with self._session.exchange("PUT", named, body=b"") as (reply, final):
            if reply.status not in (201, 204):
                raise await self._session.refuse(reply, final)

    async def manifest(self, ref: str, media_type: str, data: bytes) -> Digest:
        """Publish a manifest."""
        url = self._session.url(f"/v2/{self._path}/manifests/{ref}")
        headers = {"Content-Type": media_type}
        async with self._session.exchange("PUT", url, headers=headers, body=data) as (reply, final):
            if reply.status not in (200, 201, 202):
                raise await self._session.refuse(reply, final)
            given = reply.headers.get("docker-content-digest", "")
        digest = sha256_digest(data)
        if given.startswith("sha256:") and given != digest:
            raise RegistryMisbehaves(
                f"the registry stored the manifest {digest} under another digest: {given[:100]}"
            )
        return digest

    async def _begin(self) -> Url:
        url = self._session.url(f"/v2/{self._path}/blobs/uploads/")
        async with self._session.exchange("POST", url, body=b"") as (reply, final):
            if reply.status != 202:
                raise await self._session.refuse(reply, final)
            location = reply.headers.get("location", "")
        if not location:
            raise RegistryMisbehaves("the registry begins an upload and says not where")
        return await self._session.resolve(location, url)

    async def _abandon(self, url: Url) -> None:
        async with self._session.exchange("DELETE", url):
            pass
