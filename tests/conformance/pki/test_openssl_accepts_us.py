"""The openssl program judges our certificates; its well-known recipe meets our contexts."""

import ipaddress
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from support.tls import now, shake_hands
from wharfie.pki.certificates import client_request, create_ca, issue, server_request
from wharfie.pki.contexts import client_context, server_context
from wharfie.pki.files import ca_files, client_files, read_ca, server_files, write_files
from wharfie.pki.inspection import describe
from wharfie.pki.keys import KeyType
from wharfie.pki.names import parse_hosts

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl program")

HOSTS = ["localhost", "www.example.org", "192.168.57.110", "127.0.0.1", "::1"]


def openssl(directory: Path, command: str) -> str:
    done = subprocess.run(
        ["openssl", *shlex.split(command)],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"openssl {command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(params=list(KeyType))
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    kind: KeyType = request.param
    ca = create_ca("Test", days=10, now=now(), key_type=kind)
    server = issue(ca, server_request(parse_hosts(HOSTS), days=5, key_type=kind), now=now())
    client = issue(ca, client_request("me", days=5, key_type=kind), now=now())
    files = ca_files(ca, b"secret") | server_files(server) | client_files(client)
    write_files(tmp_path, files)
    return tmp_path


def test_openssl_verifies_our_certificates_strictly(directory: Path) -> None:
    strictly = "verify -x509_strict -CAfile ca.pem"
    openssl(directory, f"{strictly} -purpose sslserver server-cert.pem")
    openssl(directory, f"{strictly} -purpose sslclient cert.pem")
    for host in HOSTS:
        option = "-verify_hostname"
        try:
            ipaddress.ip_address(host)
            option = "-verify_ip"
        except ValueError:
            pass
        openssl(directory, f"{strictly} {option} {host} server-cert.pem")


def test_openssl_reads_our_encrypted_key(directory: Path) -> None:
    public = openssl(directory, "pkey -in ca-key.pem -passin pass:secret -pubout")
    assert public == openssl(directory, "x509 -in ca.pem -noout -pubkey")


def test_openssl_signs_on_with_our_ca(directory: Path) -> None:
    """A user may make the next client by hand: `-CAcreateserial` and all."""
    openssl(directory, "genrsa -out bob-key.pem 2048")
    openssl(directory, "req -subj /CN=bob -new -key bob-key.pem -out b.csr")
    (directory / "ext.cnf").write_text("extendedKeyUsage = clientAuth\n")
    openssl(
        directory,
        "x509 -req -days 1 -sha256 -in b.csr -CA ca.pem -CAkey ca-key.pem -passin pass:secret"
        " -CAcreateserial -out bob.pem -extfile ext.cnf",
    )
    openssl(directory, "verify -CAfile ca.pem -purpose sslclient bob.pem")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The recipe of Docker's documentation, but for prompts and the keys' size.

    The client's extensions are appended to the server's file, as many copies of the recipe do.
    """
    for command in (
        "genrsa -aes256 -passout pass:secret -out ca-key.pem 2048",
        "req -new -x509 -days 365 -key ca-key.pem -passin pass:secret -sha256 -out ca.pem"
        " -subj /C=CN/CN=docker",
        "genrsa -out server-key.pem 2048",
        "req -subj /CN=localhost -sha256 -new -key server-key.pem -out server.csr",
        "genrsa -out key.pem 2048",
        "req -subj /CN=client -new -key key.pem -out client.csr",
    ):
        openssl(tmp_path, command)
    extensions = tmp_path / "extfile.cnf"
    extensions.write_text(
        "subjectAltName = DNS:localhost,DNS:www.khs1994.com,DNS:tencent,"
        "IP:192.168.199.100,IP:192.168.57.110,IP:127.0.0.1\n"
        "extendedKeyUsage = serverAuth\n"
    )
    sign = (
        "x509 -req -days 365 -sha256 -CA ca.pem -CAkey ca-key.pem -passin pass:secret"
        " -CAcreateserial -extfile extfile.cnf"
    )
    openssl(tmp_path, f"{sign} -in server.csr -out server-cert.pem")
    with extensions.open("a") as file:
        file.write("extendedKeyUsage = clientAuth\n")
    openssl(tmp_path, f"{sign} -in client.csr -out cert.pem")
    for key in ("ca-key.pem", "key.pem", "server-key.pem"):
        (tmp_path / key).chmod(0o400)
    return tmp_path


@pytest.mark.parametrize("host", ["localhost", "tencent", "127.0.0.1", "192.168.57.110"])
def test_certificates_of_the_recipe_serve_mutual_tls(recipe: Path, host: str) -> None:
    ca = str(recipe / "ca.pem")
    server = server_context(
        ca, str(recipe / "server-cert.pem"), str(recipe / "server-key.pem"), verify=True
    )
    client = client_context(ca, str(recipe / "cert.pem"), str(recipe / "key.pem"))
    shake_hands(server, client, host)


def test_our_tool_signs_on_with_the_ca_of_the_recipe(recipe: Path) -> None:
    ca = read_ca(recipe, b"secret")
    assert not describe(ca.certificate, now=now()).problems
    bob = issue(ca, client_request("bob", days=5, key_type=KeyType.ECDSA_P256), now=now())
    (recipe / "bob").mkdir()
    write_files(recipe / "bob", client_files(bob))
    openssl(recipe, "verify -CAfile ca.pem -purpose sslclient bob/cert.pem")
