"""The daemon's side of the supervisor: starts it, talks to it, replaces it when it dies."""

from wharfie.drivers.runtime.supervision.client import SupervisorClient, open_supervisor
from wharfie.drivers.runtime.supervision.connection import SupervisorRefused

__all__ = ["SupervisorClient", "SupervisorRefused", "open_supervisor"]
