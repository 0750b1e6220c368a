"""Our registry as the program it is, inside a daemon's namespaces; with TLS, accounts, tokens."""

from __future__ import annotations

import contextlib
import datetime
import subprocess
import sys
from pathlib import Path

from support.daemon import Daemon
from support.docker_registry import HTPASSWD
from support.netns import poll
from wharfie.pki.directory import Terms, create
from wharfie.pki.names import parse_hosts


class OwnRegistry:
    """A context manager; its name is `host`, `ca` vouches for it.

    Args:
        daemon: in whose namespaces it runs.
        text: of the configuration; FOLDER stands for its folder, where `htpasswd` has joe, whose
            password is "secret".
        address: of its own, so that it is no loopback one; "" for plain HTTP on 127.0.0.1.
        port: where it listens.
    """

    def __init__(self, daemon: Daemon, text: str, *, address: str = "", port: int = 5000) -> None:
        self._daemon = daemon
        self.host = f"{address or '127.0.0.1'}:{port}"
        self.folder: Path = daemon.directory / f"own-registry-{port}"
        self.folder.mkdir()
        (self.folder / "htpasswd").write_text(HTPASSWD)
        http = f"http:\n  addr: {self.host}\n"
        if address:
            daemon.namespaces.run("ip", "address", "add", f"{address}/32", "dev", "lo")
            terms = Terms(now=datetime.datetime.now(datetime.UTC), days=2)
            pki = self.folder / "pki"
            create(pki, parse_hosts([address]), terms=terms, ca_name="own", client_name="client")
            http += f"  tls: {{certificate: {pki}/server-cert.pem, key: {pki}/server-key.pem}}\n"
        self.ca = self.folder / "pki/ca.pem"
        config = self.folder / "config.yml"
        config.write_text(http + text.replace("FOLDER", str(self.folder)))
        self._log = (self.folder / "log").open("wb")
        program = [sys.executable, "-m", "wharfie.registry.main", "serve", str(config)]
        self._process = subprocess.Popen(
            daemon.namespaces.command(*program, "--root", str(self.folder / "data")),
            stdout=self._log,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
        )

    def __enter__(self) -> OwnRegistry:
        for _ in poll("the registry to listen", 20):
            assert self._process.poll() is None, self.log()
            if "listening on" in self.log():
                break
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        self._process.wait(20)
        self._log.close()

    def log(self) -> str:
        """What it said so far."""
        return (self.folder / "log").read_text()
