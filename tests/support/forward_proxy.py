"""A forward proxy for one daemon: requests with a whole URL, CONNECT, and SOCKS 5."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable

_LINE = re.compile(rb"([A-Z]+) (?:http://([^/ ]+))?(\S*) HTTP/1\.1\r\n")


class ForwardProxy:
    """Listens on loopback; whatever is asked for, `connect` makes the connection.

    Attributes:
        asked: "GET http://host:port/path" or "CONNECT host:port" of each request.
        credentials: what Proxy-Authorization said.
        tunnels: makes them; else they are refused.
    """

    def __init__(self, connect: Callable[[], socket.socket], *, tunnels: bool = True) -> None:
        self._connect = connect
        self.tunnels = tunnels
        self.asked: list[str] = []
        self.credentials: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self._threads[0].start()

    def __enter__(self) -> ForwardProxy:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            first = client.recv(1, socket.MSG_PEEK)
            if first == b"\x05":
                self._serve_socks(client)
                return
            head = self._head(client)
            method, place, path = (part or b"" for part in _LINE.match(head).groups())
            shown = place and b"http://" + place
            self.asked.append(b"".join((method, b" ", shown, path)).decode())
            found = re.search(rb"Proxy-Authorization: (.*)\r\n", head)
            if found:
                self.credentials.append(found[1].decode())
            if method == b"CONNECT":
                if not self.tunnels:
                    client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                    return
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self._tunnel(client, b"")
            else:
                # One request a connection keeps this simple: the daemon ends it.
                head = _LINE.sub(method + b" " + path + b" HTTP/1.1\r\n", head, count=1)
                self._tunnel(client, head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

    def _serve_socks(self, client: socket.socket) -> None:
        _, count = client.recv(2)
        client.recv(count)
        client.sendall(b"\x05\x00")
        _, _, _, kind, size = client.recv(5)
        assert kind == 3
        host = client.recv(size).decode()
        port = int.from_bytes(client.recv(2), "big")
        self.asked.append(f"SOCKS {host}:{port}")
        if not self.tunnels:
            client.sendall(b"\x05\x02\x00\x01" + bytes(6))
            return
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        self._tunnel(client, b"")

    def _head(self, client: socket.socket) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = client.recv(1)
            if not piece:
                raise ConnectionResetError
            head += piece
        return head

    def _tunnel(self, client: socket.socket, first: bytes) -> None:
        with self._connect() as server:
            self._open.append(server)
            server.sendall(first)
            back = threading.Thread(target=_copy, args=(server, client))
            back.start()
            _copy(client, server)
            back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
