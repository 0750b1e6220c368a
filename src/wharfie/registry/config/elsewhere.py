"""Other servers the registry uses: an object store, and registries it is a cache of."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class S3Config(Struct, frozen=True, kw_only=True):
    """An S3-compatible object store.

    Attributes:
        endpoint: URL, "" for Amazon's of the region.
        access_key: "" takes what the environment or the machine has.
        prefix: of all keys, without slashes around it.
        is_path_style: the bucket is part of the path, not of the host's name.
        verify: check the server's certificate.
        encrypt: have the server encrypt; with `key_id` of its key service.
        chunk: bytes of one part of an upload.
    """

    bucket: str
    region: str = "us-east-1"
    endpoint: str = ""
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    prefix: str = ""
    is_path_style: bool = True
    verify: bool = True
    encrypt: bool = False
    key_id: str = ""
    chunk: int = 10 << 20

    def __repr__(self) -> str:
        return f"S3Config({self.bucket!r} at {self.endpoint or self.region!r})"


class UpstreamConfig(Struct, frozen=True, kw_only=True):
    """A registry this one is a cache of.

    Attributes:
        prefix: repositories below it are its; "" for all that no other one has.
        url: of the registry, https or http.
        username: "" asks anonymously.
        password: of it.
        users: who may see what only these credentials may see; empty for everybody who may pull
            here.
        ttl: seconds a tag is served without asking again.
        is_insecure: https without verification will do, and plain http.
    """

    prefix: str
    url: str
    username: str = ""
    password: str = ""
    users: Sequence[str] = ()
    ttl: float = 60.0
    is_insecure: bool = False

    def __repr__(self) -> str:
        return f"UpstreamConfig({self.prefix!r} from {self.url!r})"
