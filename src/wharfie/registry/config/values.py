"""What may be configured, as values with their defaults; seconds and bytes throughout.

Patterns of repositories are those of `path.Match` (`*` stops at a slash), and `**` at the end is
everything below. Source for what Docker's registry has too: its configuration reference.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from wharfie.registry.config.access import AccessConfig
from wharfie.registry.config.elsewhere import S3Config, UpstreamConfig
from wharfie.registry.config.tls import TlsConfig
from wharfie.registry.config.watching import WatchingConfig

DEFAULT_ROOT = "/var/lib/wharfie-registry"
DEFAULT_ADDR = ":5000"
_MIB = 1 << 20
_DAY = 24 * 3600.0


class HttpConfig(Struct, frozen=True, kw_only=True):
    """How it is reached.

    Attributes:
        addr: "host:port", ":port" for every address.
        host: URL clients shall be sent to in `Location`; "" sends a path, which every client
            completes with what it asked.
        headers: fields every answer carries.
        drain: seconds requests under way are given at the end.
    """

    addr: str = DEFAULT_ADDR
    host: str = ""
    headers: tuple[tuple[str, str], ...] = (("X-Content-Type-Options", "nosniff"),)
    drain: float = 10.0


class Quota(Struct, frozen=True):
    """At most `size` bytes of blobs in each repository that matches; the first match counts."""

    repositories: str
    size: int


class StorageConfig(Struct, frozen=True, kw_only=True):
    """Where the bytes are.

    Attributes:
        root: of the local directory; below it things lie where Docker's registry has them.
        delete: clients may delete (405 otherwise, as with Docker's).
        read_only: nothing may be pushed or deleted.
        upload_age: seconds after which an upload nobody goes on with is swept.
        s3: the object store that takes the directory's place, None for the directory.
    """

    root: str = DEFAULT_ROOT
    delete: bool = False
    read_only: bool = False
    upload_age: float = 7 * _DAY
    quotas: tuple[Quota, ...] = ()
    s3: S3Config | None = None


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of what strangers may send.

    Attributes:
        manifest: bytes of a manifest.
        blob: bytes of a blob, 0 for no bound.
        page: entries of a page, whatever the client asks for.
        default_page: entries of a page of the catalogue when it does not say. Tags come whole
            up to `page`, for old clients do not follow links.
        references: descriptors in one manifest.
        uploads: unfinished uploads in one repository.
        head: bytes of a request's head.
        sparse_indexes: an index may name manifests that are not here.
    """

    manifest: int = 4 * _MIB
    blob: int = 0
    page: int = 10_000
    default_page: int = 100
    references: int = 10_000
    uploads: int = 1000
    head: int = 64 * 1024
    sparse_indexes: bool = False


class GcConfig(Struct, frozen=True, kw_only=True):
    """Garbage collection beside everything else.

    Attributes:
        interval: seconds between runs, 0 for only when told.
        grace: seconds a blob nobody refers to stays, from when somebody last pushed, mounted or
            asked for it.
        untagged: seconds after which a manifest without a tag goes; -1 keeps it for ever, except
            where its last tag was deleted by name.
    """

    interval: float = _DAY
    grace: float = 3600.0
    untagged: float = -1.0


class Retention(Struct, frozen=True, kw_only=True):
    """Which tags stay; a tag goes when a rule is about it and no rule keeps it.

    Attributes:
        repositories: pattern.
        tags: regular expression of the tags the rule is about; whole tags.
        keep_last: newest ones kept, -1 for none by this reason.
        keep_for: seconds since the push a tag is kept, -1 for none by this reason.
        keep: regular expression of tags that are kept whatever their age, "" for none.
    """

    repositories: str = "**"
    tags: str = ".*"
    keep_last: int = -1
    keep_for: float = -1.0
    keep: str = ""


class ScrubConfig(Struct, frozen=True, kw_only=True):
    """Reading everything to find what the disk has lost.

    Attributes:
        interval: seconds between runs, 0 for only when told.
        rate: bytes a second.
    """

    interval: float = 0.0
    rate: int = 64 * _MIB


class Config(Struct, frozen=True, kw_only=True):
    """Everything."""

    http: HttpConfig = HttpConfig()
    storage: StorageConfig = StorageConfig()
    limits: Limits = Limits()
    gc: GcConfig = GcConfig()
    retention: tuple[Retention, ...] = ()
    scrub: ScrubConfig = ScrubConfig()
    access: AccessConfig = AccessConfig()
    tls: TlsConfig | None = None
    watching: WatchingConfig = WatchingConfig()
    upstreams: Sequence[UpstreamConfig] = ()
    warnings: tuple[str, ...] = ()
    """What the administrator should know: keys this registry does not have, by name."""
