"""The client of the name server, where a server is found that will not serve."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from wharfie.drivers.network.naming.client import NameService
from wharfie.resolver import protocol


def refuse(*_: object) -> tuple[int, int]:
    raise AssertionError("no sandbox is asked for sockets")


def no_port(*_: object) -> int:
    raise AssertionError("no port is relayed")


@pytest.fixture
def ending_server(tmp_path: Path) -> Iterator[threading.Event]:
    """A server at the usual place that ends on whoever connects."""
    met = threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / protocol.SOCKET_NAME))
        listener.listen()

        def end() -> None:
            connection, _ = listener.accept()
            met.set()
            connection.close()

        thread = threading.Thread(target=end)
        thread.start()
        yield met
        thread.join(10)


def test_a_server_found_ending_is_no_obstacle_to_a_start(
    tmp_path: Path, ending_server: threading.Event
) -> None:
    service = NameService(
        str(tmp_path),
        everybody=dict,
        is_internal=lambda network: False,
        sockets=refuse,
        relay_socket=no_port,
    )
    service.restore()
    assert ending_server.is_set()
    assert service.fileno() == -1  # nobody needs names: none is started in its place
