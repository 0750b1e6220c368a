"""Networks: records, lookup, and who is connected to what."""

from wharfie.engine.networks.defaults import DefaultBridge
from wharfie.engine.networks.requests import NetworkCreate
from wharfie.engine.networks.service import ConnectingDriver, Networks

__all__ = ["ConnectingDriver", "DefaultBridge", "NetworkCreate", "Networks"]
