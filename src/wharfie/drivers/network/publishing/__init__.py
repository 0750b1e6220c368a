"""Published ports: which host port a binding gets, and who serves it: the kernel or a relay."""

from wharfie.drivers.network.publishing.ports import PortAllocator, PortTaken
from wharfie.drivers.network.publishing.rules import port_rules

__all__ = ["PortAllocator", "PortTaken", "port_rules"]
