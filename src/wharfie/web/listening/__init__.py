"""Where a server listens: addresses as values, opening them, and who connects there."""

from wharfie.web.listening.addresses import FdListener, Listener, TcpListener, UnixListener
from wharfie.web.listening.opening import Opened, close_all, open_all
from wharfie.web.listening.sockets import BACKLOG

__all__ = [
    "BACKLOG",
    "FdListener",
    "Listener",
    "Opened",
    "TcpListener",
    "UnixListener",
    "close_all",
    "open_all",
]
