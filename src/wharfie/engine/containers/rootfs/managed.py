"""The files the engine keeps for a container, on disk: written at a start, changed by a connect.

The running container has them mounted, so they are written in place. What the container changed
itself stays.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from wharfie.engine.containers.create.defaults import ContainerDefaults
from wharfie.engine.containers.links import Links
from wharfie.engine.containers.networking import PREDEFINED, parse_mode
from wharfie.engine.containers.rootfs.directories import ContainerDirectories
from wharfie.engine.containers.rootfs.managed_files import (
    HOST_NAMES,
    Resolver,
    embedded_resolver_file,
    external_resolver,
    host_mode_hosts_file,
    hostname_file,
    hosts_file,
    legacy_resolver_file,
    own_names,
    parse_resolver,
    replace_link_lines,
    replace_own_lines,
    wants_systemd_file,
)
from wharfie.model.container import Container, HostConfig
from wharfie.model.network import Connection, Endpoint, Resolving


class ManagedFiles:
    """Writes hosts, hostname and resolv.conf of containers."""

    def __init__(
        self, directories: ContainerDirectories, defaults: ContainerDefaults, links: Links
    ) -> None:
        self._directories = directories
        self._defaults = defaults
        self._links = links

    def resolving(self, record: Container) -> Resolving | None:
        """How the embedded name server is to answer a container; None where it is not asked."""
        if not is_embedded(record):
            return None
        host = record.host_config
        options = host.dns_options or self._defaults.dns_options
        links = [*(host.links or [])]
        links += [link for one in record.networks.values() for link in one.settings.links or []]
        return Resolving(
            servers=[*(host.dns or self._defaults.dns)],
            bare=all(not one.startswith("ndots:") or one == "ndots:0" for one in options),
            links=dict(_link(link) for link in links),
            gateway=self._defaults.host_gateway,
        )

    def write(self, record: Container, connection: Connection | None) -> Container:
        """Write all of them for a container that starts; its record with their paths."""
        directories = self._directories
        directories.make(record.id)
        contents = {
            "hosts": self._hosts(record, connection),
            "hostname": hostname_file(record.config.hostname),
            "resolv.conf": self._resolver_file(record, embedded=is_embedded(record)),
        }
        paths = {name: directories.write(record.id, name, text) for name, text in contents.items()}
        return structs.replace(
            record,
            hosts_path=paths["hosts"],
            hostname_path=paths["hostname"],
            resolv_conf_path=paths["resolv.conf"],
        )

    def change(self, before: Container, after: Container, old: Connection, new: Connection) -> None:
        """A running container was connected or disconnected: its own lines change."""
        path = self._directories.path(after.id, "hosts")
        names = own_names(after.config.hostname, after.config.domainname)
        content = _read(path)
        changed = replace_own_lines(
            content, names, _addresses(old.endpoints.values()), _addresses(new.endpoints.values())
        )
        if changed != content:
            self._directories.write(after.id, "hosts", changed)
        if is_embedded(after) and not is_embedded(before):
            written = self._resolver_file(before, embedded=False)
            if _read(self._directories.path(after.id, "resolv.conf")) == written:
                content = self._resolver_file(after, embedded=True)
                self._directories.write(after.id, "resolv.conf", content)

    def refresh_links(self, record: Container) -> None:
        """A container linked to has started again, perhaps with another address."""
        content = _read(self._directories.path(record.id, "hosts"))
        changed = replace_link_lines(content, self._links.hosts(record))
        if changed != content:
            self._directories.write(record.id, "hosts", changed)

    def _hosts(self, record: Container, connection: Connection | None) -> str:
        extra = [*(record.host_config.extra_hosts or [])]
        if connection is None:
            gateway = self._defaults.host_gateway or "127.0.0.1"
            content = _read("/etc/hosts")
            return host_mode_hosts_file(content, extra_hosts=extra, gateway=gateway)
        endpoints = connection.endpoints.values()
        gateways = [endpoint.gateway for endpoint in endpoints if endpoint.gateway]
        gateway = self._defaults.host_gateway or next(iter(gateways), "")
        known = {entry.replace("=", ":").partition(":")[0] for entry in extra}
        if connection.resolving is None:
            # Without the embedded server nothing else would know these.
            extra += [f"{name}:host-gateway" for name in HOST_NAMES if name not in known]
        return hosts_file(
            addresses=_addresses(endpoints),
            names=own_names(record.config.hostname, record.config.domainname),
            extra_hosts=extra,
            gateway=gateway,
            links=self._links.hosts(record),
        )

    def _resolver_file(self, record: Container, *, embedded: bool) -> str:
        in_host = parse_mode(record.host_config.network_mode).kind == "host"
        resolver = self._resolver(record.host_config, in_host=in_host)
        if embedded:
            return embedded_resolver_file(resolver).content
        return legacy_resolver_file(resolver).content

    def _resolver(self, host: HostConfig, *, in_host: bool) -> Resolver:
        defaults = self._defaults
        text = _read("/etc/resolv.conf")
        if not in_host and wants_systemd_file(text):
            text = _read("/run/systemd/resolve/resolv.conf") or text
        return external_resolver(
            parse_resolver(text),
            servers=host.dns or defaults.dns,
            search=host.dns_search or defaults.dns_search,
            options=host.dns_options or defaults.dns_options,
            loopback=in_host,
        )


def is_embedded(record: Container) -> bool:
    """Whether the embedded name server answers a container: it is in a user-defined network."""
    if parse_mode(record.host_config.network_mode).kind != "network":
        return False
    return any(name not in PREDEFINED for name in record.networks)


def _addresses(endpoints: Iterable[Endpoint]) -> list[str]:
    return [address for one in endpoints for address in (one.address, one.ipv6_address) if address]


def _link(link: str) -> tuple[str, str]:
    """Alias and name of "name:alias" or "name"."""
    name, _, alias = link.partition(":")
    name = name.removeprefix("/")
    return (alias or name).rpartition("/")[2], name


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
