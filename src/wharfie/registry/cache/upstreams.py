"""The cache as the server sees it. Implements `ports.Upstream`.

A tag is asked for upstream when the last answer is older than the upstream's `ttl`; what has a
digest is asked for once. Whenever the upstream cannot be reached, what is stored is served. What
it says it does not have (any more) is not served, nor what it refuses.

Where an upstream has credentials and a list of `users`, others see what the upstream shows to
everybody: each thing they ask for is looked up anonymously before it is served from storage.

Source: users.md G6; Docker registry v2, "Registry as a pull through cache".
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from wharfie.formats.digest import Digest
from wharfie.formats.oci.descriptor import OCI_INDEX
from wharfie.registry.cache.downloads import Downloads
from wharfie.registry.cache.freshness import Freshness
from wharfie.registry.cache.remote import Remote, Unreachable
from wharfie.registry.config.elsewhere import UpstreamConfig
from wharfie.registry.documents import read_document
from wharfie.registry.errors import Code, Refused
from wharfie.registry.ports import Identity, NoSuchKey
from wharfie.registry.ports.upstream import Arriving
from wharfie.registry.storage import Content
from wharfie.registry.watching.metrics import Sample
from wharfie.web.client import Proxies

_log = logging.getLogger(__name__)
_MOST_REFERRERS = 200


class Cache:
    """All upstreams.

    Args:
        configs: of them; the longest prefix that fits counts.
        content: what is stored.
        agent: User-Agent.
        proxies: for requests to them.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        configs: Sequence[UpstreamConfig],
        content: Content,
        *,
        agent: str,
        proxies: Proxies,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        ordered = sorted(configs, key=lambda one: len(one.prefix), reverse=True)
        self._remotes = [Remote(one, agent=agent, proxies=proxies, clock=clock) for one in ordered]
        self._content = content
        self._tags = Freshness(clock)
        self._public = Freshness(clock)
        self._downloads = Downloads(content)
        self._hits = {"blob": 0, "manifest": 0}
        self._misses = {"blob": 0, "manifest": 0}

    def serves(self, repository: str) -> bool:
        """Tell whether a repository is a cache."""
        return any(remote.covers(repository) for remote in self._remotes)

    def hides(self, identity: Identity, repository: str) -> bool:
        """Tell whether somebody may not see what is stored of a repository."""
        covering = (remote for remote in self._remotes if remote.covers(repository))
        return any(not remote.is_trusted(identity) for remote in covering)

    async def want_manifest(self, identity: Identity, repository: str, reference: str) -> None:
        """Make the storage hold what `reference` is upstream, as far as possible."""
        remote = self._remote(repository)
        await self._check_visible(remote, identity, repository, reference)
        is_digest = ":" in reference
        if is_digest and await self._content.manifests.has(repository, reference):
            self._hits["manifest"] += 1
            return
        key = (repository, reference)
        if not is_digest and self._tags.is_fresh(key, remote.ttl):
            self._hits["manifest"] += 1
            return
        async with self._tags.turn(key):
            if is_digest or not self._tags.is_fresh(key, remote.ttl):
                await self._refresh(remote, repository, reference)

    async def want_blob(self, identity: Identity, repository: str, digest: str) -> Arriving | None:
        """As `want_manifest`, for a blob; hands it out while it arrives."""
        remote = self._remote(repository)
        await self._check_visible(remote, identity, repository, digest, is_blob=True)
        if await self._content.blobs.has(repository, digest):
            self._hits["blob"] += 1
            return None
        self._misses["blob"] += 1
        return await self._downloads.join(remote, repository, Digest(digest))

    async def want_referrers(self, identity: Identity, repository: str, subject: str) -> None:
        """Make the storage hold what refers to a manifest; the first page of it, if it is long."""
        remote = self._remote(repository)
        await self._check_visible(remote, identity, repository, subject)
        key = (repository, subject, "referrers")
        async with self._tags.turn(key):
            if self._tags.is_fresh(key, remote.ttl) or remote.is_down:
                return
            there = remote.repository(repository)
            try:
                data = await remote.ask(
                    lambda: there.referrers(Digest(subject)), _no_manifest(subject)
                )
                for digest in _listed(data):
                    await self._refresh_absent(remote, repository, digest)
                if not data:
                    # A registry without such lists keeps them under a tag.
                    await self._refresh_absent(remote, repository, subject.replace(":", "-", 1))
            except Unreachable:
                return
            self._tags.confirm(key)

    async def _refresh_absent(self, remote: Remote, repository: str, reference: str) -> None:
        """Fetch a manifest that is not here, and what is listed in it; none is no error."""
        if ":" in reference and await self._content.manifests.has(repository, reference):
            return
        try:
            await self._fetch(remote, repository, reference, None)
            if ":" not in reference:
                digest = await self._content.tags.get(repository, reference)
                listed = (await self._content.manifests.read(repository, digest)).manifests
                for one in listed[:_MOST_REFERRERS]:
                    await self._refresh_absent(remote, repository, one.digest)
        except (Refused, NoSuchKey) as error:
            _log.info("a referrer in %s is left out: %s", repository, error)

    async def blob_size(self, identity: Identity, repository: str, digest: str) -> int | None:
        """For HEAD: bytes of a blob that is not here yet."""
        remote = self._remote(repository)
        await self._check_visible(remote, identity, repository, digest, is_blob=True)
        if await self._content.blobs.has(repository, digest):
            return None
        there = remote.repository(repository)
        try:
            return await remote.ask(lambda: there.blob_size(Digest(digest)), _no_blob(digest))
        except Unreachable:
            raise remote.unavailable() from None

    async def tags(self, identity: Identity, repository: str) -> list[str] | None:
        """All tags upstream, None to list those in storage."""
        remote = self._remote(repository)
        there = remote.repository(repository, anonymous=not remote.is_trusted(identity))
        unknown = Refused(
            Code.NAME_UNKNOWN, "repository name not known to registry", detail={"name": repository}
        )
        try:
            return sorted(await remote.ask(there.tags, unknown))
        except Unreachable:
            if not remote.is_trusted(identity):
                raise remote.unavailable() from None
            return None

    def samples(self) -> Iterable[Sample]:
        """For the metrics."""
        for name, what, counts in (
            ("registry_proxy_hits_total", "Served from storage", self._hits),
            ("registry_proxy_misses_total", "Fetched from an upstream", self._misses),
        ):
            yield name, "counter", what, {(("type", kind),): n for kind, n in counts.items()}
        yield (
            "registry_proxy_pulled_bytes_total", "counter", "Bytes of blobs from upstreams",
            {(): self._downloads.fetched},
        )  # fmt: skip

    async def close(self) -> None:
        """Stop what is under way."""
        await self._downloads.close()
        for remote in self._remotes:
            await remote.close()

    def _remote(self, repository: str) -> Remote:
        return next(remote for remote in self._remotes if remote.covers(repository))

    async def _refresh(self, remote: Remote, repository: str, reference: str) -> None:
        """Ask the upstream what a reference is, and fetch it where it is not here."""
        key = (repository, reference)
        stored = await self._stored(repository, reference)
        if stored is not None and remote.is_down:
            self._hits["manifest"] += 1
            return
        try:
            await self._fetch(remote, repository, reference, stored)
        except Unreachable:
            if stored is None:
                raise remote.unavailable() from None
            self._hits["manifest"] += 1
            return
        except Refused as refused:
            if refused.code is Code.MANIFEST_UNKNOWN:
                self._tags.forget(key)
            raise
        self._tags.confirm(key)

    async def _fetch(
        self, remote: Remote, repository: str, reference: str, stored: Digest | None
    ) -> None:
        there, unknown = remote.repository(repository), _no_manifest(reference)
        if stored is not None and ":" not in reference:
            # A HEAD costs no pull where pulls are counted.
            now = await remote.ask(lambda: there.resolve(reference), unknown)
            if now == stored:
                self._hits["manifest"] += 1
                return
        self._misses["manifest"] += 1
        found = await remote.ask(lambda: there.manifest(reference), unknown)
        await self._content.manifests.put(
            repository, found.data, found.media_type, reference, is_partial=True
        )
        self._content.catalogue.added(repository)

    async def _stored(self, repository: str, reference: str) -> Digest | None:
        manifests = self._content.manifests
        try:
            if ":" in reference:
                return (await manifests.get(repository, reference)).digest
            digest = await self._content.tags.get(repository, reference)
            return (await manifests.get(repository, digest)).digest
        except NoSuchKey:
            return None

    async def _check_visible(
        self,
        remote: Remote,
        identity: Identity,
        repository: str,
        reference: str,
        *,
        is_blob: bool = False,
    ) -> None:
        """Refuse those who may not see all what the upstream does not show to everybody."""
        if remote.is_trusted(identity):
            return
        key = (repository, reference)
        if self._public.is_fresh(key, remote.ttl):
            return
        there = remote.repository(repository, anonymous=True)
        async with self._public.turn(key):
            if self._public.is_fresh(key, remote.ttl):
                return
            unknown = _no_blob(reference) if is_blob else _no_manifest(reference)
            try:
                if is_blob:
                    await remote.ask(lambda: there.blob_size(Digest(reference)), unknown)
                else:
                    await remote.ask(lambda: there.resolve(reference), unknown)
            except Unreachable:
                if self._public.was_ever(key):
                    return
                raise remote.unavailable() from None
            except Refused:
                self._public.forget(key)
                raise
            self._public.confirm(key)


def _listed(data: bytes) -> Sequence[str]:
    """Digests of a list of referrers; none of what is no list."""
    if not data:
        return ()
    try:
        document = read_document(data, OCI_INDEX, _MOST_REFERRERS)
    except Refused as refused:
        _log.info("a list of referrers is left out: %s", refused)
        return ()
    return [one.digest for one in document.manifests]


def _no_manifest(reference: str) -> Refused:
    return Refused(Code.MANIFEST_UNKNOWN, "manifest unknown", detail={"reference": reference})


def _no_blob(digest: str) -> Refused:
    return Refused(Code.BLOB_UNKNOWN, "blob unknown to registry", detail={"digest": digest})
