"""The genuine docker CLI, that is Go's TLS, talks to a server that uses our contexts."""

import http.server
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.genuine_cli import docker_cli
from support.tls import now
from wharfie.pki.contexts import server_context
from wharfie.pki.directory import Terms, create
from wharfie.pki.keys import KeyType
from wharfie.pki.names import parse_hosts

VERSION = {"Version": "0.0.1", "ApiVersion": "1.41", "MinAPIVersion": "1.24", "Os": "linux"}


class Versions(http.server.BaseHTTPRequestHandler):
    """Just enough of a daemon for `docker version`."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        body = b"OK" if self.path == "/_ping" else json.dumps(VERSION).encode()
        self.send_response(200)
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    """Shakes hands in the connection's own thread; a refused handshake is no error of ours."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Versions)
        self._context = context

    def finish_request(self, request: object, client_address: object) -> None:
        assert not isinstance(request, tuple)
        try:
            with self._context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except (ssl.SSLError, OSError):
            pass


@pytest.fixture(params=[KeyType.ECDSA_P256, KeyType.RSA_2048])
def certificates(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    terms = Terms(now=now(), days=1, key_type=request.param)
    hosts = parse_hosts(["127.0.0.1"])
    create(tmp_path / "certs", hosts, terms=terms, ca_name="CA", client_name="me")
    return tmp_path / "certs"


@pytest.fixture
def port(certificates: Path) -> Iterator[int]:
    context = server_context(
        str(certificates / "ca.pem"),
        str(certificates / "server-cert.pem"),
        str(certificates / "server-key.pem"),
        verify=True,
    )
    with Server(context) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def docker(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [docker_cli(), *arguments, "version", "--format", "{{.Server.Version}}"],
        capture_output=True,
        text=True,
        timeout=30,
        env={"HOME": str(home)},
    )


def test_mutual_tls_with_the_docker_cli(certificates: Path, port: int, tmp_path: Path) -> None:
    done = docker(
        tmp_path,
        *("--tlsverify", "-H", f"127.0.0.1:{port}"),
        *("--tlscacert", certificates / "ca.pem"),
        *("--tlscert", certificates / "cert.pem", "--tlskey", certificates / "key.pem"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0.0.1\n"


def test_the_docker_cli_is_refused_without_certificate(
    certificates: Path, port: int, tmp_path: Path
) -> None:
    done = docker(
        tmp_path,
        *("--tlsverify", "-H", f"127.0.0.1:{port}", "--tlscacert", certificates / "ca.pem"),
    )
    assert done.returncode != 0
    # The alert may overtake the client's request, or the reset of the connection the alert.
    assert "certificate" in done.stderr or "connection reset by peer" in done.stderr


def test_the_docker_cli_refuses_a_host_that_is_not_certified(
    certificates: Path, port: int, tmp_path: Path
) -> None:
    done = docker(
        tmp_path,
        *("--tlsverify", "-H", f"localhost:{port}"),
        *("--tlscacert", certificates / "ca.pem"),
        *("--tlscert", certificates / "cert.pem", "--tlskey", certificates / "key.pem"),
    )
    assert done.returncode != 0
    assert "x509: certificate is " in done.stderr or "any names" in done.stderr
