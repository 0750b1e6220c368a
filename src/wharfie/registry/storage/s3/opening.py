"""From the configuration to a store; says what is missing where the library is not installed."""

from __future__ import annotations

from wharfie.registry.config import ConfigError
from wharfie.registry.config.elsewhere import S3Config
from wharfie.registry.ports import ByteStore


def open_s3(config: S3Config) -> ByteStore:
    """Open a bucket; nothing is asked of it yet.

    Raises:
        ConfigError: the library is not installed, or does not take the settings.
    """
    try:
        from wharfie.registry.storage.s3.store import make_store  # noqa: PLC0415 - optional
    except ImportError:
        raise ConfigError("storage.s3 needs the library obstore: install wharfie[s3]") from None
    return make_store(config)
