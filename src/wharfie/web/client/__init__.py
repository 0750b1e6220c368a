"""An HTTP/1.1 client that knows no Docker: URLs, kept connections, proxies, streamed bodies.

`Client.exchange` sends one request and yields its reply. Redirects and authentication are the
caller's: what may be followed, and who may see a password, is nothing HTTP could know.
"""

from wharfie.web.client.connection import Reply
from wharfie.web.client.dialing import Dialer, Proxies
from wharfie.web.client.errors import ConnectFailed, ConnectionLost, RequestError, TlsFailed
from wharfie.web.client.pool import Client, ClientRequest
from wharfie.web.client.url import InvalidUrl, Url, parse_url

__all__ = [
    "Client",
    "ClientRequest",
    "ConnectFailed",
    "ConnectionLost",
    "Dialer",
    "InvalidUrl",
    "Proxies",
    "Reply",
    "RequestError",
    "TlsFailed",
    "Url",
    "parse_url",
]
