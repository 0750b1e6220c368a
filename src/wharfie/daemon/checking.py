"""What `--validate` looks at beyond the configuration itself: what would stop the start later."""

from __future__ import annotations

import os

from wharfie.daemon.config import Config, ConfigError
from wharfie.daemon.encryption import Encryption
from wharfie.daemon.listening.hosts import parse_host


def check_start(config: Config) -> None:
    """Read certificates and addresses as the start does; nothing is opened.

    Raises:
        ConfigError: in the start's words.
    """
    source = Encryption(config).source
    for host in config.hosts:
        if host.startswith("fd://"):
            continue  # only a service manager passes sockets
        try:
            parse_host(host, source)
        except ConfigError as error:
            if os.path.exists(config.config_file):
                raise ConfigError(
                    f"unable to configure the Docker daemon with file {config.config_file}: merged "
                    f"configuration validation from file and command line flags failed: {error}"
                ) from None
            raise
