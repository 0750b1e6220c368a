"""Legacy links: one container on the default bridge knows another by an alias.

    web links to db as "store"  →  in web: "172.17.0.2  store <db's hostname> db" in /etc/hosts,
                                   and STORE_PORT_5432_TCP_ADDR=172.17.0.2 and the like

On other networks a link is an alias for the name server, and the endpoint's settings carry it.

Source: behaviours 38, 176; docs.docker.com, "Legacy container links".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wharfie.engine.containers.catalogue import Catalogue
from wharfie.engine.containers.networking import parse_mode
from wharfie.model.container import Config, Container, HostConfig
from wharfie.model.errors import Internal, InvalidArgument, NotFound
from wharfie.model.ids import ContainerId
from wharfie.model.lifecycle import has_process

_BRIDGE = "bridge"
_NOT_PASSED_ON = ("HOME", "PATH")


class _Port(NamedTuple):
    number: int
    protocol: str


def parse_link(text: str) -> tuple[str, str]:
    """Split "name[:alias]"; "/name:/parent/alias", as inspect shows it, too.

    Raises:
        InvalidArgument: another form.
    """
    parts = text.split(":")
    if not text or len(parts) > 2 or not all(parts):
        raise InvalidArgument(f"bad format for links: {text}")
    name, alias = parts[0], parts[-1]
    if name.startswith("/"):
        return name[1:], alias.rpartition("/")[2]
    return name, alias


class Links:
    """Resolves links of containers to what they mean now."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def resolve(self, host: HostConfig) -> dict[str, ContainerId]:
        """At create: whom the links name, by alias.

        Raises:
            InvalidArgument: nobody, or somebody without a network of its own.
        """
        if not host.links or not _is_on_bridge(host):
            return {}
        return {alias: self._find(name).id for name, alias in map(parse_link, host.links)}

    def environment(self, record: Container) -> list[str]:
        """Variables of all links.

        Raises:
            Internal: a linked container does not run, as Docker answers.
        """
        found: list[str] = []
        for alias, child in self._children(record):
            if not has_process(child.state.status):
                raise Internal(
                    f"Cannot link to a non running container: /{child.name} AS "
                    f"/{record.name}/{alias}"
                )
            address = _address(child)
            if address:
                found += link_variables(f"/{record.name}/{alias}", address, child.config)
        return found

    def hosts(self, record: Container) -> list[tuple[str, str]]:
        """Addresses and names for /etc/hosts."""
        lines = []
        for alias, child in self._children(record):
            names = [alias, child.config.hostname]
            if child.name != alias:
                names.append(child.name)
            if _address(child):
                lines.append((_address(child), " ".join(filter(None, names))))
        return lines

    def _children(self, record: Container) -> list[tuple[str, Container]]:
        """Linked containers that still exist."""
        pairs = [(alias, self._catalogue.get(key)) for alias, key in record.links.items()]
        return [(alias, handle.record) for alias, handle in pairs if handle is not None]

    def _find(self, name: str) -> Container:
        try:
            child = self._catalogue.find(name).record
            while child.host_config.network_mode.startswith("container:"):
                name = parse_mode(child.host_config.network_mode).target
                child = self._catalogue.find(name).record
        except NotFound as error:
            raise InvalidArgument(f"could not get container for {name}: {error.message}") from None
        if child.host_config.network_mode == "host":
            raise InvalidArgument(
                "conflicting options: host type networking can't be used with links. This would "
                "result in undefined behavior"
            )
        return child


def link_variables(path: str, address: str, config: Config) -> list[str]:
    """The variables of one link, in Docker's order.

    Args:
        path: "/parent/alias".
        address: of the linked container.
        config: its configuration; its exposed ports and its variables are passed on.
    """
    prefix = path.rpartition("/")[2].upper().replace("-", "_")
    ports = sorted(_exposed(config), key=lambda p: (p.number, p.protocol != "tcp"))
    found: list[str] = []
    if ports:
        found.append(f"{prefix}_PORT={ports[0].protocol}://{address}:{ports[0].number}")
    for run in _runs(ports):
        if len(run) > 1:
            found += _range_variables(prefix, address, run[0], run[-1])
    for port in ports:
        name = f"{prefix}_PORT_{port.number}_{port.protocol.upper()}"
        found += [
            f"{name}={port.protocol}://{address}:{port.number}",
            f"{name}_ADDR={address}",
            f"{name}_PORT={port.number}",
            f"{name}_PROTO={port.protocol}",
        ]
    found.append(f"{prefix}_NAME={path}")
    for variable in config.env or []:
        key, sign, value = variable.partition("=")
        if sign and key not in _NOT_PASSED_ON:
            found.append(f"{prefix}_ENV_{key}={value}")
    return found


def _range_variables(prefix: str, address: str, first: _Port, last: _Port) -> list[str]:
    start = f"{prefix}_PORT_{first.number}_{first.protocol.upper()}"
    end = f"{prefix}_PORT_{first.number}_{last.protocol.upper()}"
    return [
        f"{start}_START={first.protocol}://{address}:{first.number}",
        f"{start}_ADDR={address}",
        f"{start}_PROTO={first.protocol}",
        f"{start}_PORT_START={first.number}",
        f"{end}_END={last.protocol}://{address}:{last.number}",
        f"{end}_PORT_END={last.number}",
    ]


def _runs(ports: Sequence[_Port]) -> list[list[_Port]]:
    """Ports with consecutive numbers, together."""
    runs: list[list[_Port]] = []
    for port in ports:
        if runs and port.number == runs[-1][-1].number + 1:
            runs[-1].append(port)
        else:
            runs.append([port])
    return runs


def _exposed(config: Config) -> list[_Port]:
    found = []
    for text in config.exposed_ports or {}:
        number, _, protocol = text.partition("/")
        if number.isdigit():
            found.append(_Port(int(number), protocol or "tcp"))
    return found


def _is_on_bridge(host: HostConfig) -> bool:
    mode = parse_mode(host.network_mode)
    return mode.kind == "network" and mode.target == _BRIDGE


def _address(child: Container) -> str:
    attachment = child.networks.get(_BRIDGE)
    return "" if attachment is None else attachment.settings.ip_address
