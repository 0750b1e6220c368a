"""Health: runs the health checks of running containers and records what they find."""

from wharfie.engine.health.monitors import HealthMonitors

__all__ = ["HealthMonitors"]
