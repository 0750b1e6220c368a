"""The distribution API over HTTP: `Application` answers every request."""

from wharfie.registry.server.application import Application

__all__ = ["Application"]
