"""The metrics listener: one page for Prometheus on an address of its own (`metrics-addr`).

It gives no access to anything else; containers are kept out as from the API.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from wharfie.daemon.instance import StartError
from wharfie.formats.exposition import CONTENT_TYPE
from wharfie.web import Limits, Reply, Request, Response, Server, TcpListener
from wharfie.web.entrance import Barrier
from wharfie.web.errors import ListenError

_log = logging.getLogger(__name__)
_PLAIN = "text/plain; charset=utf-8"


async def open_metrics(
    address: str, page: Callable[[], bytes], *, limits: Limits, barrier: Barrier | None
) -> Server:
    """Serve the page at `address`, "host:port".

    Raises:
        StartError: in dockerd's words.
    """
    host, port = _parse(address)

    def answer(request: Request) -> Reply:
        if request.path != "/metrics":
            return Response(404, b"404 page not found\n", _PLAIN)
        if request.method not in ("GET", "HEAD"):
            return Response(405, b"Method Not Allowed\n", _PLAIN)
        return Response(200, page() if request.method == "GET" else b"", CONTENT_TYPE)

    server = Server(answer, limits=limits, barrier=barrier)
    try:
        await server.listen(TcpListener(host=host, port=port))
    except ListenError as error:
        raise StartError(f"failed to start metrics server: {error}") from error
    _log.info("metrics API listening on %s", address)
    return server


def _parse(address: str) -> tuple[str, int]:
    host, sign, port = address.rpartition(":")
    if not sign:
        raise StartError(
            "failed to start metrics server: error parsing tcp address: "
            f"address {address}: missing port in address"
        )
    if not host:
        raise StartError(
            "failed to start metrics server: failed to lookup  address in host specification"
        )
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise StartError(f"failed to start metrics server: invalid port in address {address}")
    return host.strip("[]"), int(port)
