"""What is wrong with a configuration."""

from __future__ import annotations


class ConfigError(Exception):
    """The configuration cannot be used; the text says where and why, further lines what to do."""
