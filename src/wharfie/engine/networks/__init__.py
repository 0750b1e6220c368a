"""Networks: records, lookup, and who is connected to what."""

from wharfie.engine.networks.service import NetworkCreate, Networks

__all__ = ["NetworkCreate", "Networks"]
