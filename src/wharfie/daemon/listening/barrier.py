"""Keeps containers away from the API's TCP listeners, which their gateway would lead them to.

A container reaches every address of this host, so a listener on 0.0.0.0 is its way to root here
(CVE-2025-9074 was one). A connection is judged by the interface its first packet came in by; its
addresses could be forged. A listener bound to the very address of a container bridge was asked
for, as is any with `--allow-api-from-containers`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection

from wharfie.daemon.config import Config
from wharfie.kernel.sockets import address_of_interface, incoming_interface


def container_barrier(
    config: Config, bridges: Callable[[], Collection[str]]
) -> ContainerBarrier | None:
    """The barrier that the configuration wants; None for none."""
    return None if config.allow_api_from_containers else ContainerBarrier(bridges)


class ContainerBarrier:
    """A `web.Barrier`.

    Args:
        bridges: names of the bridges that containers are on, as of now.
    """

    def __init__(self, bridges: Callable[[], Collection[str]]) -> None:
        self._bridges = bridges

    def __call__(self, connection: socket.socket, bound: str) -> str:
        """Why a connection is not let in, "" when it is."""
        index = incoming_interface(connection)
        if not index:
            return "the kernel does not tell by which interface they come"
        try:
            name = socket.if_indextoname(index)
        except OSError:
            return "they came by an interface that is gone"
        if name not in self._bridges() or address_of_interface(name) == bound:
            return ""
        return (
            f"they come from containers on {name}; to let containers use the API over TCP, "
            "listen on the bridge's own address or start with --allow-api-from-containers"
        )
