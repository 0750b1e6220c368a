"""Where a daemon listens, and how its TLS is to be checked.

Accepted: `unix:///path`, `tcp://host:port`, `ssh://…`, and bare `host`, `host:port`, `:port`.
"""

from __future__ import annotations

from wharfie.client.errors import EndpointError, InvalidSshUrl

PORT, TLS_PORT = 2375, 2376


class TlsOptions:
    """The TLS side of an endpoint: files (empty: none) and whether the server is verified."""

    __slots__ = ("ca", "cert", "key", "verify")

    def __init__(self, *, ca: str = "", cert: str = "", key: str = "", verify: bool = True) -> None:
        self.ca = ca
        self.cert = cert
        self.key = key
        self.verify = verify


class Endpoint:
    """A daemon's address.

    `scheme` is `unix`, `tcp` or `ssh`; `path` the socket file (with ssh: on the other machine,
    empty for its default), `host` and `port` the network side (with ssh: 0 leaves the port to
    ssh), `user` who logs in by ssh, `prefix` what a reverse proxy wants before every path;
    `shown` is the address as messages name it.
    """

    __slots__ = ("host", "path", "port", "prefix", "scheme", "shown", "tls", "user")

    def __init__(self, scheme: str, *, shown: str, tls: TlsOptions | None = None) -> None:
        self.scheme = scheme
        self.shown = shown
        self.tls = tls if scheme == "tcp" else None
        self.path = ""
        self.prefix = ""
        self.host = ""
        self.port = 0
        self.user = ""

    @property
    def host_header(self) -> str:
        """What the Host header says."""
        if self.scheme == "unix":
            return "api.moby.localhost"
        if self.scheme == "ssh":
            return "docker.example.com"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        """The URL messages begin with."""
        if self.scheme == "unix":
            return "http://" + _escape_path(self.path)
        return ("https://" if self.tls else "http://") + self.host_header


_SAFE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~$&+:=@"


def _escape_path(path: str) -> str:
    return "".join(
        char if char in _SAFE else "".join(f"%{byte:02X}" for byte in char.encode())
        for char in path
    )


def parse_endpoint(text: str, tls: TlsOptions | None = None) -> Endpoint:
    """Read a daemon address.

    Args:
        text: what the user gave; empty means the default socket.
        tls: how to speak TLS if the address is a TCP one; None for plain.

    Raises:
        EndpointError: the address is malformed, or of a kind a client cannot use.
    """
    text = text.strip()
    scheme, mark, address = text.partition("://")
    if not text:
        scheme, address = "unix", "/var/run/docker.sock"
    elif not mark:
        scheme, address = "tcp", text
    if scheme == "unix":
        endpoint = Endpoint("unix", shown=f"unix://{address or '/var/run/docker.sock'}")
        endpoint.path = address or "/var/run/docker.sock"
        return endpoint
    if scheme == "tcp":
        return _tcp(text, address, tls)
    if scheme == "ssh":
        return _ssh(text, address)
    if scheme == "npipe":
        raise EndpointError(f"protocol not available: {text}")
    raise EndpointError(f'invalid bind address format: "{text}"'.replace('"', ""))


def _tcp(text: str, address: str, tls: TlsOptions | None) -> Endpoint:
    address, _, path = address.partition("/")
    host, port = _split(address)
    if port == "":
        number = TLS_PORT if tls else PORT
    elif port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        number = int(port)
    else:
        raise EndpointError(f"invalid bind address ({text}): invalid port: {port}")
    if not all(char.isprintable() and char not in ' "<>\\' for char in host):
        raise EndpointError(f"invalid bind address ({text}): invalid host")
    host = host or "127.0.0.1"
    shown_host = f"[{host}]" if ":" in host else host
    prefix = "/" + path.strip("/") if path.strip("/") else ""
    endpoint = Endpoint("tcp", shown=f"tcp://{shown_host}:{number}{prefix}", tls=tls)
    endpoint.prefix = prefix
    endpoint.host = host
    endpoint.port = number
    return endpoint


def _ssh(text: str, address: str) -> Endpoint:
    """Read `ssh://[user@]host[:port][/path/of/the/socket]`."""
    for mark, what in (("#", "fragments are"), ("?", "query parameters are")):
        address, found, rest = address.partition(mark)
        if found:
            raise InvalidSshUrl(f'{what} not allowed: "{rest}"')
    place, slash, path = address.partition("/")
    user, _, place = place.rpartition("@")
    if ":" in user:
        raise InvalidSshUrl("plain-text password is not supported")
    host, port = _split(place)
    if not host:
        raise InvalidSshUrl("hostname is empty")
    if host.startswith("-") or user.startswith("-"):
        raise InvalidSshUrl("neither user nor host may begin with a dash")
    if not all(char.isprintable() and char not in " \"'<>\\`$;&|()" for char in user + host):
        raise InvalidSshUrl("invalid character in host name")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InvalidSshUrl(f"invalid port {port}")
    endpoint = Endpoint("ssh", shown=text)
    endpoint.user, endpoint.host, endpoint.port = user, host, int(port or 0)
    endpoint.path = slash + path if path else ""
    return endpoint


def _split(address: str) -> tuple[str, str]:
    if address.startswith("["):
        host, closed, rest = address[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise EndpointError(f"invalid bind address ({address}): missing ']' in address")
        return host, rest[1:]
    if address.count(":") > 1:
        raise EndpointError(f"invalid bind address ({address}): too many colons in address")
    host, _, port = address.partition(":")
    return host, port
