"""`S3ByteStore`: keys are names of objects of a bucket, below a prefix.

Other processes may write the same bucket, so nothing that was read is remembered; garbage is
collected by one of them alone. Folders are what names have in common up to a slash.

Source: Amazon S3 API, version 2006-03-01; signatures of version 4.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from contextlib import suppress

import obstore
from obstore.store import S3Store

from wharfie.registry.config import ConfigError
from wharfie.registry.config.elsewhere import S3Config
from wharfie.registry.ports import KeyState, NoSuchKey
from wharfie.registry.storage.s3.failures import translated
from wharfie.registry.storage.s3.objects import S3Object, S3Staging, Segment, Version, read_range

_SMALL = 1 << 20
_AT_ONCE = 16
_BATCH = 500


def make_store(config: S3Config) -> S3ByteStore:
    """Make a store; nothing is asked of the bucket yet.

    Raises:
        ConfigError: the library does not take the settings.
    """
    settings: dict[str, object] = {
        "region": config.region,
        "virtual_hosted_style_request": not config.is_path_style,
    }
    optional = {
        "endpoint": config.endpoint,
        "access_key_id": config.access_key,
        "secret_access_key": config.secret_key,
        "session_token": config.session_token,
    }
    settings |= {name: text for name, text in optional.items() if text}
    if config.encrypt:
        settings["server_side_encryption"] = "aws:kms" if config.key_id else "AES256"
        if config.key_id:
            settings["sse_kms_key_id"] = config.key_id
    try:
        bucket = S3Store(
            config.bucket,
            config=settings,  # type: ignore[arg-type] # a table of settings, known by their names
            client_options={
                "allow_http": config.endpoint.startswith("http://"),
                "allow_invalid_certificates": not config.verify,
                "connect_timeout": datetime.timedelta(seconds=10),
                # Of a whole request; a part of an upload, or a whole download, may take long.
                "timeout": datetime.timedelta(hours=1),
            },
            retry_config={"max_retries": 4, "retry_timeout": datetime.timedelta(seconds=30)},
        )
    except (obstore.exceptions.BaseError, ValueError) as error:
        raise ConfigError(f"storage.s3: {error}") from None
    return S3ByteStore(bucket, f"{config.prefix}/" if config.prefix else "", config.chunk)


class S3ByteStore:
    """See `ports.storage.ByteStore`.

    Args:
        bucket: of the library.
        prefix: of all names, "" or ending with a slash.
        chunk: bytes of a part of an upload.
    """

    def __init__(self, bucket: S3Store, prefix: str, chunk: int) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._chunk = chunk
        self._doubted: set[Version] = set()

    @property
    def is_exclusive(self) -> bool:
        """Nobody keeps others out of a bucket."""
        return False

    async def read(self, key: str, limit: int) -> bytes:
        """Get a small object."""
        with translated(key):
            found = await obstore.get_async(self._bucket, self._prefix + key)
            size = found.meta["size"]
            if size <= limit:
                return bytes(await found.bytes_async())
        chunks = [c async for c in read_range(self._bucket, self._prefix + key, 0, limit)]
        return b"".join(chunks)

    async def write(self, *objects: tuple[str, bytes]) -> None:
        """Put small objects."""
        for key, data in objects:
            with translated(key):
                await obstore.put_async(self._bucket, self._prefix + key, data)

    async def delete(self, *keys: str) -> None:
        """Delete objects; S3 says nothing of those that are not there."""
        for key in keys:
            with suppress(NoSuchKey), translated(key):
                await obstore.delete_async(self._bucket, self._prefix + key)

    async def delete_below(self, prefix: str) -> None:
        """Delete all objects below."""
        with translated(prefix):
            batches = obstore.list(self._bucket, f"{self._prefix}{prefix}/", chunk_size=_BATCH)
            async for batch in batches:
                await obstore.delete_async(self._bucket, [one["path"] for one in batch])

    async def state(self, key: str) -> KeyState:
        """Ask for an object's head; of an empty one that stands for a staging, the sum."""
        with translated(key):
            meta = await obstore.head_async(self._bucket, self._prefix + key)
        size, modified = meta["size"], meta["last_modified"].timestamp()
        if size == 0 and "/_uploads/" in key:
            segments = await self._segments(key)
            size = segments[-1][0].start + segments[-1][0].size if segments else 0
            modified = max([modified, *(moment for _, moment in segments)])
        return KeyState(size, modified)

    async def touch(self, key: str) -> None:
        """Put a small object once more: S3 has no other way to set its time."""
        with suppress(NoSuchKey):
            await self.write((key, await self.read(key, _SMALL)))

    async def names(self, prefix: str) -> Sequence[str]:
        """List one level."""
        top = f"{self._prefix}{prefix}/"
        with translated(prefix):
            found = await obstore.list_with_delimiter_async(self._bucket, top)
        below = [path.rstrip("/")[len(top) :] for path in found["common_prefixes"]]
        own = [one["path"][len(top) :] for one in found["objects"]]
        return sorted({*below, *own})

    async def holding(self, prefix: str, name: str) -> Sequence[str]:
        """Search level by level."""
        found: list[str] = []
        room = asyncio.Semaphore(_AT_ONCE)

        async def look(relative: str) -> None:
            async with room:
                inside = await self.names(f"{prefix}/{relative}" if relative else prefix)
            if name in inside:
                found.append(relative)
            async with asyncio.TaskGroup() as group:
                for one in inside:
                    if not one.startswith("_"):
                        group.create_task(look(f"{relative}/{one}" if relative else one))

        await look("")
        return sorted(found)

    async def open(self, key: str) -> S3Object:
        """Ask for an object's size."""
        with translated(key):
            meta = await obstore.head_async(self._bucket, self._prefix + key)
        version = (self._prefix + key, str(meta["e_tag"]), str(meta["last_modified"]))
        return S3Object(self._bucket, meta["size"], version, self._doubted)

    async def staging(self, key: str, *, fresh: bool) -> S3Staging:
        """Begin a row of segments, or find those that are there."""
        segments: list[Segment] = []
        if fresh:
            await self.write((key, b""))
        else:
            with translated(key):
                await obstore.head_async(self._bucket, self._prefix + key)
            segments = [one for one, _ in await self._segments(key)]
        return S3Staging(
            self._bucket, self._prefix + key, segments, prefix=self._prefix, chunk=self._chunk
        )

    async def move(self, key: str, to: str) -> None:
        """Copy within the store, then delete."""
        with translated(key):
            await obstore.copy_async(self._bucket, self._prefix + key, self._prefix + to)
            await obstore.delete_async(self._bucket, self._prefix + key)

    async def close(self) -> None:
        """Nothing is held that does not end with the process."""

    async def _segments(self, key: str) -> list[tuple[Segment, float]]:
        """The segments of a staging in a row from its beginning, with their times.

        One that does not begin where the one before it ends was left by a request that broke
        off, and does not count.
        """
        folder, _, name = key.rpartition("/")
        found: list[tuple[Segment, float]] = []
        end = 0
        with translated(key):
            level = await obstore.list_with_delimiter_async(
                self._bucket, f"{self._prefix}{folder}/"
            )
        stem = f"{self._prefix}{folder}/{name}@"
        named = {
            one["path"][len(stem) :]: one
            for one in level["objects"]
            if one["path"].startswith(stem)
        }
        for text, one in sorted(named.items()):
            if text.isdigit() and int(text) == end:
                moment = one["last_modified"].timestamp()
                found.append((Segment(end, one["size"]), moment))
                end += one["size"]
        return found
