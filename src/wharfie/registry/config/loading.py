"""From a file, the environment and flags to a `Config`.

Flags win over variables, and those over the file.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from msgspec import structs

from wharfie.formats.block_yaml import Path, YamlError
from wharfie.registry.config.access import (
    AccessConfig,
    AccountsConfig,
    TokensConfig,
    TokenServerConfig,
)
from wharfie.registry.config.document import S3, Auth, Document, Http, Notifications, Storage, Tls
from wharfie.registry.config.elsewhere import S3Config, UpstreamConfig
from wharfie.registry.config.reading import Reading
from wharfie.registry.config.tls import TlsConfig
from wharfie.registry.config.values import (
    DEFAULT_ADDR,
    DEFAULT_ROOT,
    Config,
    GcConfig,
    HttpConfig,
    Limits,
    Quota,
    Retention,
    ScrubConfig,
    StorageConfig,
)
from wharfie.registry.config.watching import (
    DebugConfig,
    EndpointConfig,
    HealthConfig,
    LogConfig,
    WatchingConfig,
)
from wharfie.registry.names import is_repository
from wharfie.web.client import InvalidUrl, parse_url

T = TypeVar("T")
_LARGEST_FILE = 1 << 20
_NEVER = 100 * 365 * 24 * 3600.0
_LEVELS = {"error": "error", "warn": "warn", "warning": "warn", "info": "info", "debug": "debug"}
_STYLES = {"text": "text", "json": "json", "logstash": "json"}
_CLIENT_AUTH = {
    "require-and-verify-client-cert": False,
    "verify-client-cert-if-given": True,
}
_FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class ConfigError(Exception):
    """The configuration is wrong; the text says where, one line for each thing."""


def load(
    path: str, *, addr: str = "", root: str = "", environment: Mapping[str, str] | None = None
) -> Config:
    """Read the configuration.

    Args:
        path: of the file, "" for none.
        addr: from the command line, "" where it is not given.
        root: likewise.
        environment: variables; None for the process's own.

    Raises:
        ConfigError: it is wrong.
    """
    variables = os.environ if environment is None else environment
    try:
        reading = Reading(_read(path) if path else "", variables)
    except YamlError as error:
        raise ConfigError(f"{path}: {error}") from None
    document = reading.document()
    maker = _Maker(document, reading)
    config = maker.config() if not reading.problems else Config()
    if reading.problems:
        raise ConfigError("\n".join(_spell(path, *problem) for problem in reading.problems))
    http, storage = config.http, config.storage
    if addr:
        http = structs.replace(http, addr=addr)
    if root:
        storage = structs.replace(storage, root=root)
    place = f"{path}, " if path else ""
    warnings = tuple(
        f"{place}{text}" if text.startswith("line ") else text for text in reading.warnings
    )
    return structs.replace(config, http=http, storage=storage, warnings=warnings)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_LARGEST_FILE + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None
    if len(text) > _LARGEST_FILE:
        raise ConfigError(f"cannot read {path}: it has more than {_LARGEST_FILE} characters")
    return text


def _spell(path: str, line: int, text: str) -> str:
    place = f"{path}, line {line}: " if line else (f"{path}: " if path else "")
    return f"{place}{text}"


class _Maker:
    """Makes a `Config` of a document; what cannot be meant is added to the reading's problems."""

    def __init__(self, document: Document, reading: Reading) -> None:
        self._document = document
        self._reading = reading

    def config(self) -> Config:
        """All of it."""
        document = self._document
        wharfie = document.wharfie
        is_sparse = self._choice(
            ("validation", "manifests", "indexes", "platforms"),
            document.validation.manifests.indexes.platforms,
            {"all": False, "none": True},
        )
        return Config(
            http=self._http(document.http),
            storage=self._storage(document.storage),
            limits=Limits(
                manifest=wharfie.limits.manifest,
                blob=wharfie.limits.blob,
                page=document.catalog.maxentries,
                uploads=wharfie.limits.uploads,
                references=wharfie.limits.references,
                sparse_indexes=is_sparse,
            ),
            gc=GcConfig(
                interval=wharfie.gc.interval,
                grace=wharfie.gc.grace,
                untagged=-1.0 if wharfie.gc.untagged is None else wharfie.gc.untagged,
            ),
            retention=self._retention(),
            scrub=ScrubConfig(interval=wharfie.scrub.interval, rate=wharfie.scrub.rate),
            access=self._access(document.auth),
            tls=self._tls(document.http.tls),
            watching=self._watching(),
            upstreams=self._upstreams(),
        )

    def _http(self, http: Http) -> HttpConfig:
        if http.net not in ("", "tcp"):
            self._wrong(("http", "net"), "only tcp is served")
        if http.prefix.strip("/"):
            self._wrong(("http", "prefix"), "the API is served at /v2/ and nowhere else")
        if http.host:
            self._url(("http", "host"), http.host)
        fields: list[tuple[str, str]] = []
        for name, values in http.headers.items():
            if not _FIELD.fullmatch(name) or any(not v.isprintable() for v in values):
                self._wrong(("http", "headers", name), "not a header field")
            fields.extend((name, value) for value in values)
        return HttpConfig(
            addr=self._address(("http", "addr"), http.addr or DEFAULT_ADDR),
            host="" if http.relativeurls else http.host.rstrip("/"),
            headers=tuple(fields) if http.headers else HttpConfig().headers,
            drain=http.draintimeout or HttpConfig().drain,
        )

    def _address(self, path: Path, text: str) -> str:
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdigit() or int(port) > 65535:
            self._wrong(path, f"{text!r} is not of the form host:port")
        elif ":" in host and not (host.startswith("[") and host.endswith("]")):
            self._wrong(path, f"{text!r} has an IPv6 address without brackets")
        return text

    def _storage(self, storage: Storage) -> StorageConfig:
        if storage.filesystem is not None and storage.s3 is not None:
            self._wrong(("storage",), "filesystem and s3 are there, one is needed")
        purging = storage.maintenance.uploadpurging
        if purging.dryrun:
            path = ("storage", "maintenance", "uploadpurging", "dryrun")
            self._wrong(path, "uploads are swept or they are not: use enabled")
        local = storage.filesystem
        return StorageConfig(
            root=(local.rootdirectory if local else "") or DEFAULT_ROOT,
            delete=storage.delete.enabled,
            read_only=storage.maintenance.readonly.enabled,
            upload_age=purging.age if purging.enabled else _NEVER,
            quotas=tuple(Quota(q.repositories, q.size) for q in self._document.wharfie.quotas),
            s3=self._s3(storage.s3) if storage.s3 else None,
        )

    def _s3(self, s3: S3) -> S3Config:
        path = ("storage", "s3")
        endpoint = s3.regionendpoint
        if endpoint and "://" not in endpoint:
            endpoint = f"{'https' if s3.secure else 'http'}://{endpoint}"
        if endpoint:
            self._url((*path, "regionendpoint"), endpoint)
        elif not s3.secure:
            self._wrong((*path, "secure"), "Amazon's own endpoints are asked over https only")
        if not s3.v4auth:
            self._wrong((*path, "v4auth"), "requests are signed with version 4 only")
        if bool(s3.accesskey) != bool(s3.secretkey):
            self._wrong(path, "accesskey and secretkey go together")
        if not 5 << 20 <= s3.chunksize <= 1 << 30:
            self._wrong((*path, "chunksize"), "5 MiB to 1 GiB are possible")
        return S3Config(
            bucket=s3.bucket,
            region=s3.region,
            endpoint=endpoint,
            access_key=s3.accesskey,
            secret_key=s3.secretkey,
            session_token=s3.sessiontoken,
            prefix=s3.rootdirectory.strip("/"),
            is_path_style=s3.forcepathstyle,
            verify=not s3.skipverify,
            encrypt=s3.encrypt,
            key_id=s3.keyid,
            chunk=s3.chunksize,
        )

    def _retention(self) -> tuple[Retention, ...]:
        found = []
        for number, rule in enumerate(self._document.wharfie.retention):
            path = ("wharfie", "retention", str(number))
            for name, text in (("tags", rule.tags), ("keep", rule.keep)):
                try:
                    re.compile(text)
                except re.error as error:
                    self._wrong((*path, name), f"not a regular expression: {error}")
            found.append(
                Retention(
                    repositories=rule.repositories,
                    tags=rule.tags,
                    keep_last=rule.keeplast,
                    keep_for=-1.0 if rule.keepfor is None else rule.keepfor,
                    keep=rule.keep,
                )
            )
        return tuple(found)

    def _access(self, auth: Auth) -> AccessConfig:
        ours = self._document.wharfie.access
        if auth.htpasswd is not None and auth.token is not None:
            self._wrong(("auth",), "htpasswd and token are there, one is needed")
        if auth.token is not None and (ours.rules is not None or ours.tokens is not None):
            self._wrong(("wharfie", "access"), "with auth.token its server alone decides")
        if ours.tokens is not None and auth.htpasswd is None:
            self._wrong(("wharfie", "access", "tokens"), "they are given to those of auth.htpasswd")
        tokens = ours.tokens
        for number, text in enumerate(ours.trustedproxies):
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError:
                path = ("wharfie", "access", "trustedproxies", str(number))
                self._wrong(path, f"{text!r} is not a network")
        return AccessConfig(
            accounts=AccountsConfig(path=auth.htpasswd.path, realm=auth.htpasswd.realm)
            if auth.htpasswd
            else None,
            token_server=self._token_server(auth),
            tokens=TokensConfig(
                issuer=tokens.issuer,
                service=tokens.service,
                key=tokens.key,
                life=tokens.life,
                refresh_life=tokens.refreshlife,
            )
            if tokens
            else None,
            rules=ours.rules,
            groups=ours.groups,
            requests=ours.limits.requests,
            burst=ours.limits.burst or ours.limits.requests * 2,
            failures=ours.limits.failures,
            trusted_proxies=tuple(ours.trustedproxies),
        )

    def _token_server(self, auth: Auth) -> TokenServerConfig | None:
        token = auth.token
        if token is None:
            return None
        path = ("auth", "token")
        if not token.rootcertbundle and not token.jwks:
            self._wrong(path, "rootcertbundle or jwks is needed to check tokens with")
        realm = token.realm
        if token.autoredirect:
            realm = "/" + token.autoredirectpath.lstrip("/")
        elif not realm:
            self._wrong(path, "realm is missing")
        else:
            self._url((*path, "realm"), realm)
        return TokenServerConfig(
            realm=realm,
            issuer=token.issuer,
            service=token.service,
            bundle=token.rootcertbundle,
            jwks=token.jwks,
            algorithms=token.signingalgorithms,
        )

    def _tls(self, tls: Tls | None) -> TlsConfig | None:
        crl = self._document.wharfie.tls.crl
        if tls is None:
            if crl:
                self._wrong(("wharfie", "tls", "crl"), "it needs http.tls.clientcas")
            return None
        path = ("http", "tls")
        if crl and not tls.clientcas:
            self._wrong(("wharfie", "tls", "crl"), "it needs http.tls.clientcas")
        return TlsConfig(
            certificate=tls.certificate,
            key=tls.key,
            client_cas=tls.clientcas,
            is_optional=self._choice((*path, "clientauth"), tls.clientauth, _CLIENT_AUTH),
            is_newest=self._choice(
                (*path, "minimumtls"), tls.minimumtls, {"tls1.2": False, "tls1.3": True}
            ),
            crl=crl,
        )

    def _watching(self) -> WatchingConfig:
        document = self._document
        log, debug, health = document.log, document.http.debug, document.health
        if debug.addr:
            self._address(("http", "debug", "addr"), debug.addr)
        level = document.loglevel or log.level
        return WatchingConfig(
            endpoints=self._endpoints(document.notifications),
            log=LogConfig(
                level=self._choice(("log", "level"), level, _LEVELS),
                style=self._choice(("log", "formatter"), log.formatter, _STYLES),
                fields=log.fields,
                has_access=not log.accesslog.disabled,
            ),
            debug=DebugConfig(
                addr=debug.addr,
                metrics=debug.prometheus.path if debug.prometheus.enabled else "",
            ),
            health=HealthConfig(
                interval=health.storagedriver.interval if health.storagedriver.enabled else 0.0,
                threshold=health.storagedriver.threshold,
                files={one.file: one.interval for one in health.file},
            ),
            has_page=document.wharfie.page,
        )

    def _endpoints(self, notifications: Notifications) -> Sequence[EndpointConfig]:
        found: list[EndpointConfig] = []
        for number, one in enumerate(notifications.endpoints):
            path = ("notifications", "endpoints", str(number))
            self._url((*path, "url"), one.url)
            if one.name in [other.name for other in found]:
                self._wrong((*path, "name"), f"{one.name!r} is there twice")
            if one.disabled:
                continue
            found.append(
                EndpointConfig(
                    name=one.name,
                    url=one.url,
                    headers=one.headers,
                    timeout=one.timeout or 5.0,
                    threshold=max(one.threshold, 1),
                    backoff=one.backoff or 1.0,
                    queue=max(one.queue, 1),
                    ignored_types=[*one.ignoredmediatypes, *one.ignore.mediatypes],
                    ignored_actions=one.ignore.actions,
                )
            )
        return tuple(found)

    def _upstreams(self) -> Sequence[UpstreamConfig]:
        found: list[UpstreamConfig] = []
        proxy = self._document.proxy
        if proxy is not None:
            self._url(("proxy", "remoteurl"), proxy.remoteurl)
            self._check_secrecy(("proxy", "remoteurl"), proxy.remoteurl, proxy.username)
            found.append(
                UpstreamConfig(
                    prefix="", url=proxy.remoteurl, username=proxy.username, password=proxy.password
                )
            )
        for number, one in enumerate(self._document.wharfie.upstreams):
            path = ("wharfie", "upstreams", str(number))
            self._url((*path, "remoteurl"), one.remoteurl)
            self._check_secrecy((*path, "remoteurl"), one.remoteurl, one.username)
            prefix = one.prefix.strip("/")
            if prefix and not is_repository(prefix):
                self._wrong((*path, "prefix"), f"{one.prefix!r} begins no repository's name")
            if prefix in [other.prefix for other in found]:
                self._wrong((*path, "prefix"), f"{one.prefix!r} is there twice")
            found.append(
                UpstreamConfig(
                    prefix=prefix,
                    url=one.remoteurl,
                    username=one.username,
                    password=self._password(path, one.password, one.passwordfile),
                    users=one.users,
                    ttl=one.ttl,
                    is_insecure=one.insecure,
                )
            )
        return tuple(found)

    def _check_secrecy(self, path: Path, url: str, username: str) -> None:
        if username and url.startswith("http://"):
            self._reading.warn(path, f"{'.'.join(path)}: the password is sent without TLS")

    def _password(self, path: Path, password: str, file: str) -> str:
        if not file:
            return password
        if password:
            self._wrong(path, "password and passwordfile are there, one is needed")
        try:
            with open(file, encoding="utf-8") as opened:
                return opened.read(4096).rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            self._wrong((*path, "passwordfile"), f"cannot be read: {error}")
            return ""

    def _url(self, path: Path, text: str) -> None:
        try:
            parse_url(text)
        except InvalidUrl as error:
            self._wrong(path, str(error))

    def _choice(self, path: Path, text: str, choices: Mapping[str, T]) -> T:
        if text not in choices:
            self._wrong(path, f"{text!r} is none of {', '.join(choices)}")
            return next(iter(choices.values()))
        return choices[text]

    def _wrong(self, path: Path, text: str) -> None:
        self._reading.add(path, f"{'.'.join(path)}: {text}")
