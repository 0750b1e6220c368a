"""Debian's docker-registry inside a daemon's namespaces: htpasswd, TLS, both or neither."""

from __future__ import annotations

import contextlib
import datetime
import subprocess
from pathlib import Path

from support.daemon import Daemon
from support.debian import debian_program
from support.netns import poll
from wharfie.pki.directory import Terms, create
from wharfie.pki.names import parse_hosts

# bcrypt of "secret", at its lowest cost.
HTPASSWD = "joe:$2a$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"
CONFIG = """version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}
http:
  addr: 0.0.0.0:{port}
{tls}
{auth}
log: {{level: warn}}
"""


class DockerRegistry:
    """A genuine registry; a context manager. Its name is `host`; `ca` vouches for it.

    Args:
        daemon: in whose namespaces it runs.
        secured: with TLS and a user joe whose password is "secret".
    """

    def __init__(self, daemon: Daemon, *, secured: bool) -> None:
        program = debian_program("usr/bin/docker-registry", "docker-registry")
        self.folder = daemon.directory / ("registry-tls" if secured else "registry")
        self.folder.mkdir()
        port = 5443 if secured else 5000
        # 127.0.0.1 would be insecure by its address: this one has to be vouched for.
        address = "10.77.0.1" if secured else "127.0.0.1"
        self.host = f"{address}:{port}"
        if secured:
            daemon.namespaces.run("ip", "address", "add", f"{address}/32", "dev", "lo")
        tls = auth = ""
        if secured:
            create(
                self.folder / "pki",
                parse_hosts([address]),
                terms=Terms(now=datetime.datetime.now(datetime.UTC), days=2),
                ca_name="registry",
                client_name="client",
            )
            (self.folder / "htpasswd").write_text(HTPASSWD)
            pki = self.folder / "pki"
            tls = f"  tls: {{certificate: {pki}/server-cert.pem, key: {pki}/server-key.pem}}"
            auth = f"auth: {{htpasswd: {{realm: test, path: {self.folder}/htpasswd}}}}"
        self.ca = self.folder / "pki/ca.pem"
        config = self.folder / "config.yml"
        config.write_text(CONFIG.format(folder=self.folder, port=port, tls=tls, auth=auth))
        self._log = (self.folder / "log").open("wb")
        self._process = subprocess.Popen(
            daemon.namespaces.command(program.path, "serve", str(config)),
            stdout=self._log,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
        )
        self._daemon = daemon
        self._address = (address, port)

    def __enter__(self) -> DockerRegistry:
        probe = f"import socket; socket.create_connection({self._address!r}, 1)"
        for _ in poll("docker-registry to listen", 20):
            assert self._process.poll() is None, (self.folder / "log").read_text()
            done = self._daemon.namespaces.run("python3", "-c", probe)
            if done.returncode == 0:
                break
        return self

    def __exit__(self, *_: object) -> None:
        # Its process lives in the daemon's PID namespace and ends with it; earlier by this.
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        self._process.wait(20)
        self._log.close()


def trust(daemon: Daemon, registry: DockerRegistry) -> None:
    """Let the daemon know the registry's CA, as a user does: beside its configuration file."""
    folder: Path = daemon.directory / "certs.d" / registry.host
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.crt").write_bytes(registry.ca.read_bytes())
