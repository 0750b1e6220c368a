"""Contents of /etc/hosts and /etc/resolv.conf in a container. Pure.

Source: behaviours 171–173; resolv.conf(5).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from wharfie.model.network import Connection

_LOCAL = "127.0.0.1\tlocalhost\n"
_LOCAL_V6 = (
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::\tip6-localnet\n"
    "ff00::\tip6-mcastprefix\n"
    "ff02::1\tip6-allnodes\n"
    "ff02::2\tip6-allrouters\n"
)
_FALLBACK = ("8.8.8.8", "8.8.4.4")
HOST_GATEWAY = "host-gateway"


def hosts_file(
    *,
    hostname: str,
    domainname: str,
    extra_hosts: Iterable[str],
    connection: Connection | None,
    host_gateway: str,
    of_host: str | None = None,
) -> str:
    """The text of /etc/hosts.

    Args:
        hostname: of the container.
        domainname: of the container, "" for none.
        extra_hosts: "name:address"; the address may be `host-gateway`.
        connection: live networking, None in another's or the host's network.
        host_gateway: what `host-gateway` means, "" for the container's own gateway.
        of_host: the host's file, which a container in the host's network extends.
    """
    lines = [of_host if of_host is not None else _LOCAL + _LOCAL_V6]
    endpoints = list(connection.endpoints.values()) if connection else []
    gateway = host_gateway or next((e.gateway for e in endpoints if e.gateway), "127.0.0.1")
    for entry in extra_hosts:
        name, _, address = entry.partition(":")
        lines.append(f"{gateway if address == HOST_GATEWAY else address.strip('[]')}\t{name}\n")
    names = f"{hostname}.{domainname} {hostname}" if domainname else hostname
    lines.extend(f"{endpoint.address}\t{names}\n" for endpoint in endpoints if endpoint.address)
    return "".join(lines)


def resolv_conf(
    of_host: str,
    *,
    servers: Sequence[str],
    search: Sequence[str],
    options: Sequence[str],
    host_network: bool,
) -> str:
    """The text of /etc/resolv.conf.

    Args:
        of_host: the host's file.
        servers: name servers that replace the host's, [] to keep them.
        search: search domains that replace the host's; ["."] for none at all.
        options: options that replace the host's.
        host_network: the container is in the host's network, where loopback servers answer.
    """
    found = _parse(of_host)
    chosen = list(servers) or [
        server for server in found["nameserver"] if host_network or _is_reachable(server)
    ]
    if not chosen:
        chosen = list(_FALLBACK)
    domains = list(search) or found["search"]
    lines = [f"nameserver {server}" for server in chosen]
    if domains and domains != ["."]:
        lines.append(f"search {' '.join(domains)}")
    words = list(options) or found["options"]
    if words:
        lines.append(f"options {' '.join(words)}")
    return "\n".join(lines) + "\n"


def _parse(text: str) -> dict[str, list[str]]:
    """Values by keyword; the last `search` line counts, `domain` is one too."""
    found: dict[str, list[str]] = {"nameserver": [], "search": [], "options": []}
    for line in text.splitlines():
        words = line.split("#", 1)[0].split(";", 1)[0].split()
        if len(words) < 2:
            continue
        keyword = "search" if words[0] == "domain" else words[0]
        if keyword == "nameserver":
            found["nameserver"].append(words[1])
        elif keyword == "search":
            found["search"] = words[1:]
        elif keyword == "options":
            found["options"] += words[1:]
    return found


def _is_reachable(server: str) -> bool:
    """Tell whether a container can reach a name server of the host: not loopback, not IPv6."""
    try:
        address = ipaddress.ip_address(server.partition("%")[0])
    except ValueError:
        return False
    return address.version == 4 and not address.is_loopback
