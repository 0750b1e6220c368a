"""The Engine API over HTTP: decode, call the engine, encode; and versions below the newest."""

from wharfie.api.application import Application, application
from wharfie.api.services import Services

__all__ = ["Application", "Services", "application"]
