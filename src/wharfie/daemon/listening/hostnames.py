"""By which names clients may call the daemon: this machine's, those listened on, those allowed."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from wharfie.daemon.config import DOCKERD, Config
from wharfie.web import OriginPolicy

_HOSTS = "/etc/hosts"


def origin_policy(config: Config) -> OriginPolicy:
    """The daemon's names; called as `dockerd`, it also answers to others unless browsers ask."""
    names = {*_of_machine(), *_of_file(), *_listened_on(config.hosts), *config.allowed_hosts}
    return OriginPolicy(
        names=frozenset(name.strip().lower().removesuffix(".") for name in names if name.strip()),
        is_lenient=config.places is DOCKERD,
    )


def _of_machine() -> Iterable[str]:
    # Not getfqdn: it asks the network, which may not answer while a machine starts.
    name = socket.gethostname()
    return name, name.partition(".")[0]


def _of_file() -> Iterable[str]:
    try:
        with open(_HOSTS, encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
    except OSError:
        return []
    return [name for line in lines for name in line.partition("#")[0].split()[1:]]


def _listened_on(hosts: Iterable[str]) -> Iterable[str]:
    for text in hosts:
        scheme, separator, rest = text.partition("://")
        if not separator or scheme == "tcp":
            address = rest if separator else text
            yield address.rpartition(":")[0] or address
