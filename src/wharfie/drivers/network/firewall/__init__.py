"""The firewall: what must be in the kernel as a value, and the tables that are kept so.

`Firewall` changes the kernel by small transactions; `Guard` puts back what others removed.
"""

from wharfie.drivers.network.firewall.guard import Guard
from wharfie.drivers.network.firewall.tables import Firewall

__all__ = ["Firewall", "Guard"]
