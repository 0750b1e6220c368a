"""From a file and flags to a `Config`; flags win."""

from __future__ import annotations

from msgspec import structs

from wharfie.registry.config.values import Config


class ConfigError(Exception):
    """The configuration is wrong; the text says where."""


def load(path: str, *, addr: str = "", root: str = "") -> Config:
    """Read the configuration.

    Args:
        path: of the file, "" for none.
        addr: from the command line, "" where it is not given.
        root: likewise.

    Raises:
        ConfigError: it is wrong.
    """
    config = Config()
    if path:
        raise ConfigError(f"{path}: configuration files are not read yet: use --addr and --root")
    http, storage = config.http, config.storage
    if addr:
        http = structs.replace(http, addr=addr)
    if root:
        storage = structs.replace(storage, root=root)
    return structs.replace(config, http=http, storage=storage)
