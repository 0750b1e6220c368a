"""What goes wrong between client and server is told in the genuine client's words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.genuine_cli import docker_cli_28
from support.tls import PairOnDisk, make_ca, now, save, sign_anything
from support.tls_servers import server_context, serving
from support.wharfie_command import command, run
from wharfie.pki.certificates import encode_certificate, issue, server_request
from wharfie.pki.keys import KeyType
from wharfie.pki.names import parse_hosts

SERVER_AUTH = [ExtendedKeyUsageOID.SERVER_AUTH]


@dataclass(frozen=True)
class World:
    """A CA's file, a client's certificate, and server certificates by what is wrong with them."""

    home: Path
    ca: str
    other_ca: str
    client: PairOnDisk
    servers: dict[str, PairOnDisk]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("tls")
    ca, other = make_ca(), make_ca("Other CA")
    for name, identity in (("ca", ca), ("other", other)):
        (folder / f"{name}.pem").write_bytes(encode_certificate(identity.certificate))
    usage = [ExtendedKeyUsageOID.SERVER_AUTH]

    def good(*hosts: str) -> PairOnDisk:
        request = server_request(parse_hosts(hosts), days=2, key_type=KeyType.ECDSA_P256)
        return save(folder, "-".join(hosts).replace(".", "_"), issue(ca, request, now=now()))

    servers = {
        "right": good("127.0.0.1", "localhost"),
        "other address": good("127.0.0.2", "127.0.0.3"),
        "other name": good("coreos1", "*.example.org"),
        "no names": save(folder, "bare", sign_anything(ca, "localhost", usages=usage)),
        "expired": save(
            folder,
            "old",
            sign_anything(ca, "x", usages=usage, dns=["localhost"], days=(-9, -3)),
        ),
        "early": save(
            folder,
            "early",
            sign_anything(ca, "x", usages=usage, dns=["localhost"], days=(3, 9)),
        ),
    }
    client = save(
        folder, "client", sign_anything(ca, "c", usages=[ExtendedKeyUsageOID.CLIENT_AUTH])
    )
    return World(folder, f"{folder}/ca.pem", f"{folder}/other.pem", client, servers)


def words(program: list[str], argv: list[str], home: Path) -> tuple[int, str]:
    done = run([*argv, "ps"], program=program, home=home, DOCKER_API_VERSION="1.50")
    lines = done.stderr.decode().splitlines(keepends=True)
    text = "".join(line for line in lines if "Unsolicited response" not in line)
    before, mark, after = text.partition("current time ")
    if mark:
        text = before + after.partition("Z")[2]  # each client's own clock
    return done.returncode, text


def both(argv: list[str], home: Path) -> tuple[tuple[int, str], tuple[int, str]]:
    return words([docker_cli_28()], argv, home), words(command("docker"), argv, home)


@pytest.mark.parametrize(
    ("server", "host", "ca"),
    [
        ("other address", "127.0.0.1", "ca"),
        ("other name", "localhost", "ca"),
        ("other name", "127.0.0.1", "ca"),
        ("no names", "127.0.0.1", "ca"),
        ("no names", "localhost", "ca"),
        ("expired", "localhost", "ca"),
        ("early", "localhost", "ca"),
        ("right", "localhost", "other"),
        ("other name", "localhost", "other"),
    ],
)
def test_a_wrong_certificate_is_described(server: str, host: str, ca: str, world: World) -> None:
    with serving(server_context(world.servers[server])) as port:
        trusted = world.ca if ca == "ca" else world.other_ca
        argv = ["--tlsverify", "--tlscacert", trusted, "-H", f"tcp://{host}:{port}"]
        theirs, ours = both(argv, world.home)
    assert ours == theirs
    assert ours[0] == 1


def test_a_server_that_wants_a_certificate_is_told_apart(world: World) -> None:
    with serving(server_context(world.servers["right"], world.ca)) as port:
        argv = ["--tlsverify", "--tlscacert", world.ca, "-H", f"tcp://localhost:{port}"]
        outcomes = both(argv, world.home)
    # The server's alert and its reset of the connection race each other, for either client.
    for code, text in outcomes:
        assert code == 1
        assert "certificate required" in text or "connection reset by peer" in text


LIST = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"


@pytest.mark.parametrize("how", ["--tlsverify", "--tls"])
def test_mutual_tls_and_unverified_tls_work(how: str, world: World) -> None:
    server = "right" if how == "--tlsverify" else "other name"
    client = ["--tlscert", world.client.cert, "--tlskey", world.client.key]
    with serving(server_context(world.servers[server], world.ca), LIST) as port:
        argv = [how, "--tlscacert", world.ca, *client, "-H", f"tcp://127.0.0.1:{port}"]
        theirs, ours = both(argv, world.home)
    assert ours == theirs == (0, "")


def test_tls_alone_verifies_the_server(world: World) -> None:
    """Seed F6: without a certificate to present, `--tls` checks the server's, unlike Docker's."""
    with serving(server_context(world.servers["right"])) as port:
        code, text = words(command(), ["--tls", "-H", f"tcp://localhost:{port}"], world.home)
    assert code == 1
    assert "x509: certificate signed by unknown authority" in text


@pytest.mark.parametrize(
    "raw",
    [
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[{",
        b"HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n"
        b'{"message":"broken"}',
        b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_odd_answers_to_plain_http_are_described(raw: bytes, world: World) -> None:
    with serving(None, raw) as port:
        theirs, ours = both(["-H", f"tcp://127.0.0.1:{port}"], world.home)
    assert ours == theirs


@pytest.mark.parametrize("raw", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x01nonsense"])
def test_a_plain_server_is_told_from_a_tls_one(raw: bytes, world: World) -> None:
    with serving(None, raw) as port:
        argv = ["--tlsverify", "--tlscacert", world.ca, "-H", f"tcp://127.0.0.1:{port}"]
        theirs, ours = both(argv, world.home)
    assert ours == theirs


@pytest.mark.parametrize(
    "argv",
    [
        ["-H", "tcp://127.0.0.1:1"],
        ["-H", "unix:///nonexistent/socket"],
        ["-H", "127.0.0.1:1"],
        ["-H", "tcp://[::1]:1"],
        ["-H", "a", "-H", "b"],
        ["-H", "foo://bar"],
        ["-c", "nothing"],
        ["-c", "x", "-H", "unix:///x"],
        ["--tlsverify", "--tlscacert", "/nonexistent/ca.pem", "-H", "tcp://127.0.0.1:1"],
        ["-l", "foo"],
        ["-H", "ssh://"],
        ["-H", "ssh://me:secret@box"],
        ["-H", "ssh://box?x=1"],
        ["-H", "unix:///nonexistent/socket", "system", "dial-stdio"],
        ["-H", "tcp://127.0.0.1:1", "system", "dial-stdio"],
    ],
    ids=" ".join,
)
def test_unusable_endpoints_are_described(argv: list[str], world: World) -> None:
    docker_cli_28(since_changed=argv == ["-H", "a", "-H", "b"])
    theirs, ours = both(argv, world.home)
    assert ours == theirs


HINTS = {
    "other address": "use a name that the certificate has",
    "expired": "wharfie cert renew --server",
    "early": "one of the two clocks is wrong",
    "right": "was not signed by",
}


@pytest.mark.parametrize("server", list(HINTS))
def test_called_by_our_own_name_we_add_what_mends_it(server: str, world: World) -> None:
    with serving(server_context(world.servers[server])) as port:
        ca = world.other_ca if server == "right" else world.ca
        host = "127.0.0.1" if server == "other address" else "localhost"
        argv = ["--tlsverify", "--tlscacert", ca, "-H", f"tcp://{host}:{port}"]
        _, as_docker = words(command("docker"), argv, world.home)
        code, as_wharfie = words(command(), argv, world.home)
    assert code == 1
    assert as_wharfie.startswith(as_docker + "hint: ")
    assert HINTS[server] in as_wharfie
