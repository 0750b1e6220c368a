"""The configuration file, member by member: Docker's registry's keys, and ours below `wharfie`.

What Docker's registry has and this one does not is not here but in `UNSERVED`, each with what is
said about it: what would change who may do what, or where bytes are, is an error; what only
tunes Docker's own way of doing things is a warning.

Source: Docker registry v2 and v3, "Configuring a registry".
"""

from __future__ import annotations

from msgspec import Struct, field

from wharfie.registry.config.access import Rule


class Seconds(float):
    """A span of time, spelled as Go does ("1h30m")."""


class Size(int):
    """Bytes: a number, or spelled with a unit ("64MiB")."""


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Any mapping of the file."""


class Enabled(_Part, frozen=True):
    """A switch."""

    enabled: bool = False


class AccessLog(_Part, frozen=True):
    """`log.accesslog`."""

    disabled: bool = False


class Log(_Part, frozen=True):
    """`log`."""

    level: str = "info"
    formatter: str = "text"
    fields: dict[str, str] = field(default_factory=dict)
    accesslog: AccessLog = AccessLog()


class Filesystem(_Part, frozen=True):
    """`storage.filesystem`."""

    rootdirectory: str = ""


class S3(_Part, frozen=True):
    """`storage.s3`."""

    bucket: str
    region: str = "us-east-1"
    regionendpoint: str = ""
    accesskey: str = ""
    secretkey: str = ""
    sessiontoken: str = ""
    rootdirectory: str = ""
    forcepathstyle: bool = True
    secure: bool = True
    skipverify: bool = False
    v4auth: bool = True
    encrypt: bool = False
    keyid: str = ""
    chunksize: Size = Size(10 << 20)


class UploadPurging(_Part, frozen=True):
    """`storage.maintenance.uploadpurging`."""

    enabled: bool = True
    age: Seconds = Seconds(7 * 24 * 3600)
    dryrun: bool = False


class Maintenance(_Part, frozen=True):
    """`storage.maintenance`."""

    uploadpurging: UploadPurging = UploadPurging()
    readonly: Enabled = Enabled()


class Storage(_Part, frozen=True):
    """`storage`."""

    filesystem: Filesystem | None = None
    s3: S3 | None = None
    delete: Enabled = Enabled()
    maintenance: Maintenance = Maintenance()


class Htpasswd(_Part, frozen=True):
    """`auth.htpasswd`."""

    path: str
    realm: str = "Registry"


class TokenServer(_Part, frozen=True):
    """`auth.token`."""

    issuer: str
    service: str
    realm: str = ""
    rootcertbundle: str = ""
    jwks: str = ""
    signingalgorithms: list[str] = field(default_factory=list)
    autoredirect: bool = False
    autoredirectpath: str = "/auth/token/"


class Auth(_Part, frozen=True):
    """`auth`: one of them."""

    htpasswd: Htpasswd | None = None
    token: TokenServer | None = None


class Tls(_Part, frozen=True):
    """`http.tls`."""

    certificate: str
    key: str
    clientcas: list[str] = field(default_factory=list)
    clientauth: str = "require-and-verify-client-cert"
    minimumtls: str = "tls1.2"


class Prometheus(_Part, frozen=True):
    """`http.debug.prometheus`."""

    enabled: bool = False
    path: str = "/metrics"


class Debug(_Part, frozen=True):
    """`http.debug`."""

    addr: str = ""
    prometheus: Prometheus = Prometheus()


class Http(_Part, frozen=True):
    """`http`."""

    addr: str = ""
    net: str = "tcp"
    prefix: str = ""
    host: str = ""
    relativeurls: bool = False
    draintimeout: Seconds = Seconds(10)
    headers: dict[str, list[str]] = field(default_factory=dict)
    tls: Tls | None = None
    debug: Debug = Debug()


class Ignore(_Part, frozen=True):
    """`notifications.endpoints[].ignore`."""

    mediatypes: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)


class Endpoint(_Part, frozen=True):
    """`notifications.endpoints[]`."""

    name: str
    url: str
    disabled: bool = False
    headers: dict[str, list[str]] = field(default_factory=dict)
    timeout: Seconds = Seconds(5)
    threshold: int = 10
    backoff: Seconds = Seconds(1)
    ignoredmediatypes: list[str] = field(default_factory=list)
    ignore: Ignore = Ignore()
    queue: int = 10_000


class Notifications(_Part, frozen=True):
    """`notifications`."""

    endpoints: list[Endpoint] = field(default_factory=list)


class StorageHealth(_Part, frozen=True):
    """`health.storagedriver`."""

    enabled: bool = True
    interval: Seconds = Seconds(10)
    threshold: int = 3


class FileHealth(_Part, frozen=True):
    """`health.file[]`."""

    file: str
    interval: Seconds = Seconds(10)


class Health(_Part, frozen=True):
    """`health`."""

    storagedriver: StorageHealth = StorageHealth()
    file: list[FileHealth] = field(default_factory=list)


class Proxy(_Part, frozen=True):
    """`proxy`: the whole registry is a cache."""

    remoteurl: str
    username: str = ""
    password: str = ""


class Platforms(_Part, frozen=True):
    """`validation.manifests.indexes`."""

    platforms: str = "all"


class Manifests(_Part, frozen=True):
    """`validation.manifests`."""

    indexes: Platforms = Platforms()


class Validation(_Part, frozen=True):
    """`validation`."""

    manifests: Manifests = Manifests()


class Catalogue(_Part, frozen=True):
    """`catalog`."""

    maxentries: int = 10_000


# Ours


class Tokens(_Part, frozen=True):
    """`wharfie.access.tokens`."""

    issuer: str = "wharfie-registry"
    service: str = ""
    key: str = ""
    life: Seconds = Seconds(300)
    refreshlife: Seconds = Seconds(30 * 24 * 3600)


class RateLimits(_Part, frozen=True):
    """`wharfie.access.limits`."""

    requests: float = 0.0
    burst: float = 0.0
    failures: float = 10.0


class Access(_Part, frozen=True):
    """`wharfie.access`."""

    rules: list[Rule] | None = None
    groups: dict[str, list[str]] = field(default_factory=dict)
    tokens: Tokens | None = None
    limits: RateLimits = RateLimits()
    trustedproxies: list[str] = field(default_factory=list)


class Upstream(_Part, frozen=True):
    """`wharfie.upstreams[]`."""

    prefix: str
    remoteurl: str
    username: str = ""
    password: str = ""
    passwordfile: str = ""
    users: list[str] = field(default_factory=list)
    ttl: Seconds = Seconds(60)
    insecure: bool = False


class Gc(_Part, frozen=True):
    """`wharfie.gc`."""

    interval: Seconds = Seconds(24 * 3600)
    grace: Seconds = Seconds(3600)
    untagged: Seconds | None = None


class Retention(_Part, frozen=True):
    """`wharfie.retention[]`."""

    repositories: str = "**"
    tags: str = ".*"
    keeplast: int = -1
    keepfor: Seconds | None = None
    keep: str = ""


class Scrub(_Part, frozen=True):
    """`wharfie.scrub`."""

    interval: Seconds = Seconds(0)
    rate: Size = Size(64 << 20)


class Quota(_Part, frozen=True):
    """`wharfie.quotas[]`."""

    repositories: str
    size: Size


class Bounds(_Part, frozen=True):
    """`wharfie.limits`."""

    manifest: Size = Size(4 << 20)
    blob: Size = Size(0)
    uploads: int = 1000
    references: int = 10_000


class TlsMore(_Part, frozen=True):
    """`wharfie.tls`."""

    crl: str = ""


class Wharfie(_Part, frozen=True):
    """`wharfie`: what Docker's registry does not have."""

    access: Access = Access()
    upstreams: list[Upstream] = field(default_factory=list)
    gc: Gc = Gc()
    retention: list[Retention] = field(default_factory=list)
    scrub: Scrub = Scrub()
    quotas: list[Quota] = field(default_factory=list)
    limits: Bounds = Bounds()
    tls: TlsMore = TlsMore()
    page: bool = True


class Document(_Part, frozen=True):
    """The file."""

    version: float | str = "0.1"
    log: Log = Log()
    loglevel: str = ""
    storage: Storage = Storage()
    auth: Auth = Auth()
    http: Http = Http()
    notifications: Notifications = Notifications()
    health: Health = Health()
    proxy: Proxy | None = None
    validation: Validation = Validation()
    catalog: Catalogue = Catalogue()
    wharfie: Wharfie = Wharfie()


_OTHER_DRIVER = "!this storage is not served here: choose filesystem or s3"
_OWN_CACHE = "what was read is remembered without any setting"
_TUNES = "it tunes Docker's own way of doing this, which is not ours"
UNSERVED: dict[tuple[str, ...], str] = {
    ("redis",): _OWN_CACHE,
    ("reporting",): "nothing is reported to third parties",
    ("compatibility",): "schema 1 is not served",
    ("policy",): "!repository classes are not served here: use wharfie.access.rules",
    ("middleware",): "!middleware is not served here",
    ("log", "hooks"): "hooks are not served: read the log where it is written",
    ("log", "reportcaller"): _TUNES,
    ("storage", "azure"): _OTHER_DRIVER,
    ("storage", "gcs"): _OTHER_DRIVER,
    ("storage", "oss"): _OTHER_DRIVER,
    ("storage", "swift"): _OTHER_DRIVER,
    ("storage", "inmemory"): _OTHER_DRIVER,
    ("storage", "testdriver"): _OTHER_DRIVER,
    ("storage", "cache"): _OWN_CACHE,
    ("storage", "redirect"): "blobs are always served by the registry itself, never by redirect",
    ("storage", "tag"): _TUNES,
    ("storage", "filesystem", "maxthreads"): _TUNES,
    **{
        ("storage", "s3", name): _TUNES
        for name in (
            "accelerate", "loglevel", "multipartcopychunksize", "multipartcopymaxconcurrency",
            "multipartcopythresholdsize", "objectacl", "usedualstack", "useragent",
            "storageclass", "logs3apirequests", "logs3apiresponseheaders",
        )
    },
    ("auth", "silly"): "!no serious use of it is known; leave auth out to let everybody in",
    ("http", "secret"): "uploads need no secret here",
    ("http", "http2"): "HTTP/1.1 is served",
    ("http", "h2c"): "HTTP/1.1 is served",
    ("http", "tls", "letsencrypt"): "!certificates come from files: use an ACME client, SIGHUP",
    ("http", "tls", "ciphersuites"): "they are OpenSSL's defaults for TLS 1.2 and later",
    ("notifications", "events"): "events name manifests, not what they refer to",
    ("health", "http"): "other servers are not asked: see health.file",
    ("health", "tcp"): "other servers are not asked: see health.file",
    ("storage", "maintenance", "uploadpurging", "interval"): "it is that of wharfie.gc",
    ("proxy", "ttl"): "what is cached stays until wharfie.retention or a deletion ends it",
    ("proxy", "exec"): "!credential helpers are not run: use username and password",
    ("validation", "disabled"): "manifests are always validated",
    ("validation", "enabled"): "manifests are always validated",
    ("validation", "manifests", "urls"): "!URLs in manifests are not checked here",
    ("validation", "manifests", "indexes", "platformlist"): "!only all or none can be demanded",
}  # fmt: skip
"""Path → what is said; with a leading "!" it is refused, else ignored with a warning."""
