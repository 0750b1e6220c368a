"""The four client modes of seeds F6 to F9, by flags, by environment and by context; E9."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.genuine_cli import docker_cli
from support.netns import poll
from support.tls import make_ca, now, save
from support.tls_servers import server_context, serving
from support.wharfie_command import run
from wharfie.pki.certificates import client_request, encode_certificate, issue, server_request
from wharfie.pki.keys import KeyType
from wharfie.pki.names import parse_hosts

LIST = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
EC = KeyType.ECDSA_P256


@dataclass(frozen=True)
class Files:
    """A folder with ca.pem, cert.pem and key.pem, and the contexts of three servers."""

    folder: Path
    servers: dict[str, ssl.SSLContext]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("modes")
    ca, other = make_ca(), make_ca("Other CA")
    (folder / "ca.pem").write_bytes(encode_certificate(ca.certificate))
    client = save(folder, "me", issue(ca, client_request("me", days=2, key_type=EC), now=now()))
    shutil.copy(client.cert, folder / "cert.pem")
    shutil.copy(client.key, folder / "key.pem")
    wish = server_request(parse_hosts(["127.0.0.1"]), days=2, key_type=EC)
    good = save(folder, "good", issue(ca, wish, now=now()))
    strange = save(folder, "strange", issue(other, wish, now=now()))
    servers = {
        "good": server_context(good),
        "strange": server_context(strange),
        "mutual": server_context(good, str(folder / "ca.pem")),
    }
    return Files(folder, servers)


# seed row: the files the client has, whether it was told to verify, whom it talks to
MODES = {
    "F6": ((), False, set()),
    "F7": (("ca",), True, {"good"}),
    "F8": (("cert", "key"), False, {"good", "strange", "mutual"}),
    "F9": (("ca", "cert", "key"), True, {"good", "mutual"}),
}


def told(way: str, names: tuple[str, ...], verify: bool, home: Path, url: str) -> list[str]:
    """Arrange the files and return the arguments; the home is fresh."""
    config = home / ".docker"
    config.mkdir(exist_ok=True)
    if way == "context":
        given = ",".join(f"{name}={home}/{name}.pem" for name in names)
        skip = "" if verify else ",skip-tls-verify=true"
        described = f"host={url}{',' if given else ''}{given}{skip}"
        run(["context", "create", "it", "--docker", described], home=home)
        return ["--context", "it"]
    if way == "environment":
        for name in names:
            shutil.copy(home / f"{name}.pem", config)
        return []
    flags = [f"--tls{'cacert' if n == 'ca' else n}={home}/{n}.pem" for n in names]
    return ["--tlsverify" if verify else "--tls", *flags, "-H", url]


@pytest.fixture
def home(files: Files, tmp_path: Path) -> Path:
    for path in files.folder.glob("*.pem"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize("way", ["flags", "environment", "context"])
@pytest.mark.parametrize("row", list(MODES))
def test_a_mode_talks_to_whom_it_should(files: Files, home: Path, row: str, way: str) -> None:
    names, verify, friends = MODES[row]
    if row == "F6" and way == "context":
        return  # a context without files is one for plain TCP
    for server, context in files.servers.items():
        with serving(context, LIST) as port:
            url = f"tcp://127.0.0.1:{port}"
            shutil.rmtree(home / ".docker", ignore_errors=True)
            argv = told(way, names, verify, home, url)
            settings = {"DOCKER_API_VERSION": "1.50"}
            if way == "environment":
                settings |= {"DOCKER_HOST": url, "DOCKER_TLS" + "_VERIFY" * verify: "1"}
            ours = run([*argv, "ps", "-q"], home=home, **settings)
            assert (ours.returncode == 0) is (server in friends), (server, ours.stderr)
            if row in {"F7", "F9"} or (row == "F8" and way == "context"):
                theirs = run([*argv, "ps", "-q"], program=[docker_cli()], home=home, **settings)
                assert theirs.returncode == ours.returncode, (server, theirs.stderr)


def test_tls_alone_trusts_what_the_system_trusts(files: Files, tmp_path: Path) -> None:
    """F6: the public pool, which SSL_CERT_FILE names for OpenSSL."""
    pool = {"SSL_CERT_FILE": str(files.folder / "ca.pem"), "DOCKER_API_VERSION": "1.50"}
    for server, code in (("good", 0), ("strange", 1)):
        with serving(files.servers[server], LIST) as port:
            argv = ["--tls", "-H", f"tcp://127.0.0.1:{port}", "ps"]
            assert run(argv, home=tmp_path, **pool).returncode == code


@pytest.mark.parametrize(("version", "code"), [("-tls1_1", 1), ("-tls1_2", 0), ("-tls1_3", 0)])
def test_old_versions_are_not_spoken(
    files: Files, home: Path, version: str, code: int, tmp_path: Path
) -> None:
    """E9, from the client's side: openssl serves a page, which is answer enough."""
    pair = ["-cert", str(home / "good.pem"), "-key", str(home / "good-key.pem")]
    options = ["-quiet", "-www", "-cipher", "ALL:@SECLEVEL=0", version]
    with subprocess.Popen(
        ["openssl", "s_server", "-accept", "127.0.0.1:0", *pair, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            port = listening_port(server.pid)
            argv = ["--tlsverify", f"--tlscacert={home}/ca.pem", "-H", f"tcp://127.0.0.1:{port}"]
            done = run([*argv, "ps"], home=tmp_path, DOCKER_API_VERSION="1.50")
        finally:
            server.kill()
    spoken = b"protocol version" not in done.stderr
    assert spoken is (code == 0), done.stderr


def listening_port(pid: int) -> int:
    """The port of a server that chose one."""
    for _ in poll("openssl to listen"):
        said = subprocess.run(["ss", "-tlnp"], capture_output=True, text=True).stdout
        for line in said.splitlines():
            if f"pid={pid}," in line:
                return int(line.split()[3].rpartition(":")[2])
    raise AssertionError("poll ends by itself")
