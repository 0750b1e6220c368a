"""The Engine API over HTTP: decode, call the engine, encode; and versions below the newest."""

from wharfie.api.application import Application, application
from wharfie.api.services import ApiRules, Services

__all__ = ["ApiRules", "Application", "Services", "application"]
