"""The daemon's side of the name server: sockets in sandboxes, and who has which name."""

from wharfie.drivers.network.naming.client import NameService, port_target
from wharfie.drivers.network.naming.sockets import SERVER_ADDRESS, open_sockets

__all__ = ["SERVER_ADDRESS", "NameService", "open_sockets", "port_target"]
