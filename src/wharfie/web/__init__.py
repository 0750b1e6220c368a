"""HTTP/1.1 machinery that knows no Docker: server, routing, streams, connections taken over.

A handler is called with a `Request` and answers with a `Response`, a `Stream`, a `FilePart` or a
`Hijack`, or with an awaitable of one. A plain answer costs no task; everything else runs in the
server's nursery. `Server` serves any number of listeners with one handler.
"""

from wharfie.web.entrance import Barrier
from wharfie.web.errors import ClientGone, HttpError, ListenError
from wharfie.web.listening import (
    FdListener,
    Listener,
    Opened,
    TcpListener,
    UnixListener,
    close_all,
    open_all,
)
from wharfie.web.origins import OriginPolicy
from wharfie.web.reply import FilePart, Hijack, Reply, Response, Stream, encode_fields
from wharfie.web.request import Body, Request
from wharfie.web.routing import Match, Router, split_version
from wharfie.web.server import Handler, Limits, Server
from wharfie.web.websocket import bridge, handshake_fields

__all__ = [
    "Barrier",
    "Body",
    "ClientGone",
    "FdListener",
    "FilePart",
    "Handler",
    "Hijack",
    "HttpError",
    "Limits",
    "ListenError",
    "Listener",
    "Match",
    "Opened",
    "OriginPolicy",
    "Reply",
    "Request",
    "Response",
    "Router",
    "Server",
    "Stream",
    "TcpListener",
    "UnixListener",
    "bridge",
    "close_all",
    "encode_fields",
    "handshake_fields",
    "open_all",
    "split_version",
]
