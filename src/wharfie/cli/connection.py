"""Which daemon the command line means: flags, environment, contexts.

Precedence: `--context`, then `-H`, then DOCKER_HOST, then DOCKER_CONTEXT, then the configured
current context, then the default socket. TLS has four modes (F6-F9 of our reference): verify by
the system's authorities, verify by a given CA, present a certificate without verifying, both.
"""

from __future__ import annotations

import os

from wharfie.cli.config import ConfigFile, read_file
from wharfie.cli.contexts.store import ContextStore
from wharfie.cli.errors import CommandError
from wharfie.client.endpoint import Endpoint, TlsOptions, parse_endpoint
from wharfie.client.errors import EndpointError, InvalidSshUrl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wharfie.formats.pflag import Values

_FAILED = "Failed to initialize: unable to resolve docker endpoint: "


def context_name(flags: Values, config: ConfigFile) -> str:
    """Return the name of the context in use, `default` for none.

    Raises:
        CommandError: `--host` and `--context` contradict each other.
    """
    name = flags.text("context")
    if name and flags.has("host"):
        raise CommandError("conflicting options: cannot specify both --host and --context")
    if name:
        return name
    if flags.has("host") or os.environ.get("DOCKER_HOST"):
        return "default"
    return os.environ.get("DOCKER_CONTEXT") or config.text("currentContext") or "default"


def resolve_endpoint(flags: Values, config: ConfigFile) -> Endpoint:
    """Return the daemon's endpoint.

    Raises:
        CommandError: the address is unusable, or flags contradict each other.
    """
    name = context_name(flags, config)
    hosts = flags.items("host")
    try:
        if name != "default":
            return _stored(config, name)
        host = _single(hosts) if hosts else os.environ.get("DOCKER_HOST", "")
        tls = tls_options(flags, config)
        if not host and tls is not None:
            host = "tcp://localhost:2376"
        return parse_endpoint(host, tls)
    except InvalidSshUrl as error:
        raise CommandError(f"Failed to initialize: {error}") from None
    except EndpointError as error:
        raise CommandError(f"{_FAILED}{error}") from None


def named_endpoint(flags: Values, config: ConfigFile, where: str) -> Endpoint:
    """Return the endpoint of another daemon: a host URL with the TLS of ours, or a context's name.

    Raises:
        CommandError: it is unusable.
    """
    try:
        if "://" in where:
            return parse_endpoint(where, tls_options(flags, config))
        return _stored(config, where)
    except EndpointError as error:
        raise CommandError(f"unable to resolve docker endpoint: {error}") from None


def endpoint_of(flags: Values, config: ConfigFile, text: str) -> Endpoint:
    """Return the endpoint of a context's name or an address; its TLS is that of the flags.

    Raises:
        CommandError: it is neither.
    """
    try:
        if "://" not in text and ContextStore(config.directory).exists(text):
            return _stored(config, text)
        return parse_endpoint(text, tls_options(flags, config))
    except EndpointError as error:
        raise CommandError(f"{_FAILED}{error}") from None


def _single(hosts: list[str]) -> str:
    if len(hosts) > 1:
        raise EndpointError("Specify only one -H")
    return hosts[0]


def _stored(config: ConfigFile, name: str) -> Endpoint:
    try:
        stored = ContextStore(config.directory).load(name)
    except CommandError as error:
        raise EndpointError(str(error)) from None
    if not stored.host:
        return parse_endpoint("")
    tls = None
    if stored.tls or stored.skip_verify:
        tls = TlsOptions(
            ca=stored.tls_file("ca"),
            cert=stored.tls_file("cert"),
            key=stored.tls_file("key"),
            verify=not stored.skip_verify,
        )
    return parse_endpoint(stored.host, tls)


def described_default(
    flags: Values, config: ConfigFile
) -> tuple[dict[str, object], dict[str, bytes]]:
    """Return the endpoint of the context `default` as one would store it, and its TLS files.

    Raises:
        CommandError: flags or environment name something unusable.
    """
    hosts = flags.items("host")
    try:
        host = _single(hosts) if hosts else os.environ.get("DOCKER_HOST", "")
        tls = tls_options(flags, config)
    except EndpointError as error:
        raise CommandError(str(error)) from None
    if not host:
        host = "unix:///var/run/docker.sock" if tls is None else "tcp://localhost:2376"
    files = {}
    if tls is not None:
        for name, path in (("ca.pem", tls.ca), ("cert.pem", tls.cert), ("key.pem", tls.key)):
            content = read_file(path) if path else None
            if content is not None:
                files[name] = content
    return {"Host": host, "SkipTLSVerify": tls is not None and not tls.verify}, files


def tls_options(flags: Values, config: ConfigFile) -> TlsOptions | None:
    """Return how to speak TLS, None for not at all.

    Raises:
        EndpointError: a file was named that is not there.
    """
    environment = os.environ
    verify = bool(environment.get("DOCKER_TLS_VERIFY"))
    wanted = bool(environment.get("DOCKER_TLS")) or verify
    if flags.has("tls"):
        wanted = flags.on("tls")
    if flags.has("tlsverify"):
        verify = flags.on("tlsverify")
        wanted = True
    if not wanted:
        return None
    folder = environment.get("DOCKER_CERT_PATH") or config.directory
    ca, cert, key = (
        _file(flags, flag, os.path.join(folder, name))
        for flag, name in (
            ("tlscacert", "ca.pem"),
            ("tlscert", "cert.pem"),
            ("tlskey", "key.pem"),
        )
    )
    explicit_off = flags.has("tlsverify") and not verify
    unverified = explicit_off or (not verify and bool(cert and key))
    return TlsOptions(ca=ca, cert=cert, key=key, verify=not unverified)


def _file(flags: Values, flag: str, default: str) -> str:
    """Return the file of a flag; the default one only where it exists."""
    given = flags.text(flag) if flags.has(flag) else ""
    if not given:
        return default if os.path.exists(default) else ""
    if not os.path.exists(given):
        raise EndpointError(f"open {given}: no such file or directory")
    return given
