"""System: info, version, and what concerns the engine as a whole."""

from wharfie.engine.system.metrics import Metrics
from wharfie.engine.system.service import System, SystemInfo, VersionInfo

__all__ = ["Metrics", "System", "SystemInfo", "VersionInfo"]
