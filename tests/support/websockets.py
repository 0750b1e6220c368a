"""A WebSocket client for tests: frames as clients send them, and whole frames of a server's."""

from __future__ import annotations

import base64
import socket

KEY = base64.b64encode(b"sixteen bytes ok").decode()
ACCEPTED = "sS6+hkHLNmx272H8MGJ53hjxnOA="
BINARY, TEXT, CLOSE, PING, PONG = 0x82, 0x81, 0x88, 0x89, 0x8A


def client_frame(first: int, payload: bytes, mask: bytes = b"\x12\x34\x56\x78") -> bytes:
    """One masked frame; `first` is its first byte, with the final bit."""
    key = mask
    size = len(payload)
    if size < 126:
        head = bytes([first, 0x80 | size])
    elif size < 1 << 16:
        head = bytes([first, 0xFE]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, 0xFF]) + size.to_bytes(8, "big")
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def server_frame(client: socket.socket) -> tuple[int, bytes]:
    """First byte and payload of the next frame."""
    first, length = _exactly(client, 2)
    extra = {126: 2, 127: 8}.get(length, 0)
    size = int.from_bytes(_exactly(client, extra), "big") if extra else length
    return first, _exactly(client, size)


def handshake(path: str, **fields: str) -> bytes:
    """A request for a WebSocket; a field set to "" is left out."""
    wanted = {
        "Host": "d", "Upgrade": "websocket", "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY,
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }  # fmt: skip
    lines = "".join(f"{name}: {value}\r\n" for name, value in wanted.items() if value)
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


def _exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = client.recv(size - len(data))
        assert more, f"connection ended after {data!r}"
        data += more
    return data
