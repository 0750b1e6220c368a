"""Configuration: one frozen `Config`, from a file, flags and environment."""

from wharfie.registry.config.loading import ConfigError, load
from wharfie.registry.config.values import (
    Config,
    GcConfig,
    HttpConfig,
    Limits,
    Quota,
    Retention,
    ScrubConfig,
    StorageConfig,
)

__all__ = [
    "Config",
    "ConfigError",
    "GcConfig",
    "HttpConfig",
    "Limits",
    "Quota",
    "Retention",
    "ScrubConfig",
    "StorageConfig",
    "load",
]
