"""What daemon and name server say to each other: JSON packets over a SOCK_SEQPACKET socket.

    begin                                forget everything but sockets; the truth follows
    sandbox  {id, networks, …} +2 fds    a container asks us: UDP socket and TCP listener
    member   {network, container, names, addresses}
    leave    {network, container}
    close    {id}                        the sandbox ended
    relay    {id, host, port, allow} +fd a published port to be served here
    unrelay  {ids}                       no more; answered, for others may want the ports
    settle                               the truth is told: close what was not mentioned
    leave-if-idle                        end when no sandbox and no relayed port is left

The server answers `settle` with `missing` and `relays`: sandboxes and ports it has no sockets for.
"""

from __future__ import annotations

import json

SOCKET_NAME = "resolver.sock"
LOCK_NAME = "resolver.lock"
LOG_NAME = "resolver.log"
VERSION = 1
MAX_MESSAGE = 1 << 18

Message = dict[str, object]


def encode(message: Message) -> bytes:
    """A packet."""
    return json.dumps(message, separators=(",", ":")).encode()


def decode(data: bytes) -> Message:
    """A packet's message; an empty one for what is none."""
    try:
        message = json.loads(data)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def text(message: Message, key: str) -> str:
    """A string, "" when missing."""
    value = message.get(key)
    return value if isinstance(value, str) else ""


def flag(message: Message, key: str) -> bool:
    """A truth value, False when missing."""
    return message.get(key) is True


def texts(message: Message, key: str) -> list[str]:
    """A list of strings, empty when missing."""
    value = message.get(key)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def mapping(message: Message, key: str) -> dict[str, str]:
    """A map of strings, empty when missing."""
    value = message.get(key)
    if not isinstance(value, dict):
        return {}
    return {k: v for k, v in value.items() if isinstance(k, str) and isinstance(v, str)}
