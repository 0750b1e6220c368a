"""What a running command has at hand: its name, its output, the daemon, the configuration."""

from __future__ import annotations

import os
import sys

from wharfie.cli.config import ConfigFile, config_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wharfie.client.daemon import Client
    from wharfie.client.endpoint import Endpoint
    from wharfie.formats.pflag import Values


class Context:
    """The surroundings of one command."""

    def __init__(self, prog: str, globals_: Values) -> None:
        self.prog = prog
        self.path = prog
        self.globals = globals_
        self._config: ConfigFile | None = None
        self._client: Client | None = None

    @property
    def config(self) -> ConfigFile:
        """The user's configuration, read on first use."""
        if self._config is None:
            self._config = ConfigFile(config_dir(self.globals.text("config")))
            if self._config.problem:
                self.note(self._config.problem)
        return self._config

    @property
    def client(self) -> Client:
        """The daemon, resolved on first use."""
        if self._client is None:
            from wharfie.cli.connection import resolve_endpoint

            self._client = self._connect(resolve_endpoint(self.globals, self.config))
        return self._client

    def client_of(self, where: str) -> Client:
        """A further daemon, by host URL or context name."""
        from wharfie.cli.connection import named_endpoint

        return self._connect(named_endpoint(self.globals, self.config, where))

    def _connect(self, endpoint: Endpoint) -> Client:
        from wharfie import __version__
        from wharfie.client.daemon import Client

        headers = {k: str(v) for k, v in self.config.mapping("HttpHeaders").items()}
        return Client(
            endpoint,
            headers=headers,
            version=os.environ.get("DOCKER_API_VERSION", "").removeprefix("v"),
            user_agent=f"Wharfie-Client/{__version__}",
        )

    @property
    def asked(self) -> Client | None:
        """The daemon, if anybody asked for it so far."""
        return self._client

    def say(self, text: str) -> None:
        """Print a line of data."""
        sys.stdout.write(text + "\n")

    def write(self, text: str) -> None:
        """Print data as it is."""
        sys.stdout.write(text)

    def note(self, text: str) -> None:
        """Print a line to stderr."""
        sys.stdout.flush()
        sys.stderr.write(text + "\n")

    def flush(self) -> None:
        """Send buffered output on its way."""
        sys.stdout.flush()


def is_terminal(descriptor: int) -> bool:
    """Tell whether a standard descriptor is a terminal."""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
