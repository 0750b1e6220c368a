"""What the operator says about registries, and what follows for one of them.

Source: dockerd's insecure-registries and registry-mirrors; behaviours 135, 136.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from wharfie.formats.reference import DEFAULT_DOMAIN
from wharfie.web.client import InvalidUrl, Proxies, Url, parse_url
from wharfie.web.client.dialing import parse_address

HUB_HOST = "registry-1.docker.io"
HUB_SEARCH = "index.docker.io:443"
"""Where the Hub answers searches; with its port, so that it is not taken for the Hub itself."""
_HUB_NAMES = frozenset({DEFAULT_DOMAIN, "index.docker.io", "registry-1.docker.io"})
ANY = "*"
"""Key of the mirrors that are asked for every registry."""


class InvalidSetting(ValueError):
    """A setting that cannot be meant; in dockerd's words."""


class RegistrySettings(Struct, frozen=True, kw_only=True):
    """All settings.

    Attributes:
        mirrors: domain (or "*") → URLs asked before the registry itself, in this order.
        insecure: host, host:port or CIDR of registries that may lack (proper) TLS.
        trusted_hosts: host or CIDR where redirects and auth realms may lead although private.
        certs: directory with one folder a host:port: ca.crt, *.cert with its *.key.
        only: domain → the one URL that registry is asked at, whatever else would be tried.
        proxies: for all requests.
        attempts: times a download is tried without getting a byte further.
        connections: ranges of one blob fetched at the same time.
        stall: seconds without a byte after which a connection is given up.
        back_off: seconds before the second try; doubled for each further one.
    """

    mirrors: Mapping[str, Sequence[Url]] = field(default_factory=dict)
    insecure: Sequence[str] = ()
    trusted_hosts: Sequence[str] = ()
    certs: Sequence[str] = ("/etc/docker/certs.d",)
    only: Mapping[str, Url] = field(default_factory=dict)
    proxies: Proxies = Proxies()
    attempts: int = 5
    connections: int = 4
    stall: float = 60.0
    back_off: float = 0.5

    def mirrors_of(self, domain: str) -> list[Url]:
        """Mirrors to ask for a registry, its own before those for all."""
        return [*self.mirrors.get(domain, ()), *self.mirrors.get(ANY, ())]

    def is_insecure(self, host: str, port: int, addresses: Sequence[str]) -> bool:
        """Tell whether a registry may be spoken to without (proper) TLS.

        Args:
            host: as named.
            port: of the registry.
            addresses: what the name was looked up to; loopback ones are always allowed.
        """
        parsed = [ipaddress.ip_address(text.partition("%")[0]) for text in addresses]
        if parsed and all(address.is_loopback for address in parsed):
            return True
        return self.is_listed(host, port) or any(
            (network := parse_network(entry)) and any(one in network for one in parsed)
            for entry in self.insecure
        )

    def is_listed(self, host: str, port: int) -> bool:
        """Tell whether the operator lists a host, by name, as insecure."""
        bracketed = f"[{host}]" if ":" in host else host
        return not {host, bracketed, f"{bracketed}:{port}"}.isdisjoint(self.insecure)

    def is_trusted(self, host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        """Tell whether the operator lets redirects and realms lead there."""
        for entry in self.trusted_hosts:
            network = parse_network(entry)
            if entry == host or (network is not None and address in network):
                return True
        return False


def settings_of(
    *,
    hub_mirrors: Sequence[str],
    mirrors: Mapping[str, Sequence[str]],
    insecure: Sequence[str],
    trusted_hosts: Sequence[str],
    proxies: tuple[str, str, str],
    attempts: int,
    certs: Sequence[str],
) -> RegistrySettings:
    """Settings from the words of `daemon.json`.

    Args:
        hub_mirrors: of Docker Hub.
        mirrors: of other registries, "*" for all.
        insecure: see `RegistrySettings`.
        trusted_hosts: likewise.
        proxies: for http, for https, exceptions.
        attempts: 0 for the default.
        certs: directories.

    Raises:
        InvalidSetting: a URL or host that is none.
    """
    table: dict[str, list[Url]] = {}
    if hub_mirrors:
        table[DEFAULT_DOMAIN] = [parse_mirror(text) for text in hub_mirrors]
    for domain, urls in mirrors.items():
        key = DEFAULT_DOMAIN if domain in _HUB_NAMES else domain
        table.setdefault(key, []).extend(parse_mirror(text) for text in urls)
    for entry in insecure:
        _check_insecure(entry)
    http, https, exceptions = proxies
    try:
        found = Proxies.of(http=http, https=https, exceptions=exceptions)
    except InvalidUrl as error:
        raise InvalidSetting(f"invalid proxy: {error}") from None
    return RegistrySettings(
        mirrors=table,
        insecure=list(insecure),
        trusted_hosts=list(trusted_hosts),
        proxies=found,
        attempts=attempts or 5,
        certs=list(certs),
    )


def parse_mirror(text: str) -> Url:
    """A mirror's URL: http or https, perhaps a path, no query or fragment.

    Raises:
        InvalidSetting: anything else.
    """
    try:
        url = parse_url(text.strip())
    except InvalidUrl as error:
        raise InvalidSetting(f"invalid mirror: {error}") from None
    if "?" in text or "#" in text:
        raise InvalidSetting(f'invalid mirror: query or fragment at end of the URI "{text}"')
    return url.at(url.target.rstrip("/"))


def parse_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """A CIDR, None for anything else (a host, a bare address)."""
    if "/" not in text:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def split_host(domain: str) -> tuple[str, int | None]:
    """Host and port of a registry's name; the Hub's is spelled out."""
    if domain in _HUB_NAMES:
        return HUB_HOST, None
    if domain.startswith("["):
        host, _, rest = domain[1:].partition("]")
        return host, int(rest[1:]) if rest[1:].isdigit() else None
    host, _, port = domain.partition(":")
    return host, int(port) if port.isdigit() else None


def domain_of(address: str) -> str:
    """The registry a server address means: "https://index.docker.io/v1/", "reg.local:5000", "".

    "" for something that is no address.
    """
    text = address.strip()
    for scheme in ("https://", "http://"):
        text = text.removeprefix(scheme)
    host = text.partition("/")[0]
    if not host or host in _HUB_NAMES:
        return DEFAULT_DOMAIN
    try:
        parse_url(f"https://{host}/")
    except InvalidUrl:
        return ""
    return host


def _check_insecure(entry: str) -> None:
    if "://" in entry:
        raise InvalidSetting(f"insecure registry {entry} should not contain '://'")
    if parse_network(entry) is not None:
        return
    host, port = split_host(entry)
    is_name = parse_address(host) is not None or bool(
        host.strip("-._").replace("-", "").replace(".", "").replace("_", "").isalnum()
    )
    if not is_name or "/" in entry or (port is not None and not 0 < port < 65536):
        raise InvalidSetting(f"insecure registry {entry} is not valid: invalid host")
