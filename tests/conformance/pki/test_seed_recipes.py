"""Certificates made by hand, as the tutorials do: openssl's and cfssl's recipes, word for word.

Only what would ask at the terminal is given by flags. Each recipe's six files serve a daemon whose
`daemon.json` is the tutorial's, and clients with the tutorial's flags (seeds D13, E1, E2, H1-H7).
"""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import BIN, Daemon
from support.debian import debian_program
from support.genuine_cli import docker_cli

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl program"),
]

OPENSSL = """
openssl genrsa -aes256 -passout pass:secret -out ca-key.pem 4096
openssl req -new -x509 -days 365 -key ca-key.pem -passin pass:secret -sha256 -out ca.pem \
  -subj "/C=CN/ST=Shanxi/O=khs1994/CN=docker"
openssl genrsa -out server-key.pem 4096
openssl req -subj "/CN=localhost" -sha256 -new -key server-key.pem -out server.csr
echo subjectAltName = DNS:localhost,DNS:www.khs1994.com,DNS:tencent,\
IP:192.168.199.100,IP:192.168.57.110,IP:127.0.0.1 >> extfile.cnf
echo extendedKeyUsage = serverAuth >> extfile.cnf
openssl x509 -req -days 365 -sha256 -in server.csr -CA ca.pem -CAkey ca-key.pem \
  -passin pass:secret -CAcreateserial -out server-cert.pem -extfile extfile.cnf
openssl genrsa -out key.pem 4096
openssl req -subj '/CN=client' -new -key key.pem -out client.csr
echo extendedKeyUsage = clientAuth >> extfile.cnf
openssl x509 -req -days 365 -sha256 -in client.csr -CA ca.pem -CAkey ca-key.pem \
  -passin pass:secret -CAcreateserial -out cert.pem -extfile extfile.cnf
rm -v client.csr server.csr
chmod -v 0400 ca-key.pem key.pem server-key.pem
chmod -v 0444 ca.pem server-cert.pem cert.pem
"""
CFSSL = """
cfssl gencert -initca ca-csr.json | cfssljson -bare ca -
cfssl gencert -ca=ca.pem -ca-key=ca-key.pem -config=ca-config.json -profile=server \
  server.json | cfssljson -bare server
cfssl gencert -ca=ca.pem -ca-key=ca-key.pem -config=ca-config.json -profile=client \
  client.json | cfssljson -bare client
mv server.pem server-cert.pem
mv client.pem cert.pem
mv client-key.pem key.pem
chmod -v 0400 ca-key.pem key.pem server-key.pem
chmod -v 0444 ca.pem server-cert.pem cert.pem
"""


def usage(*names: str) -> dict[str, object]:
    return {"usages": ["signing", "key encipherment", *names], "expiry": "8760h"}


def cfssl_files(algorithm: str, size: int) -> dict[str, object]:
    key = {"algo": algorithm, "size": size}
    names = [{"C": "CN", "L": "Shanxi", "O": "khs1994", "OU": "System", "ST": "CA"}]
    return {
        "ca-csr.json": {"CN": "docker", "key": key, "names": names},
        "ca-config.json": {
            "signing": {
                "default": {"expiry": "8760h"},
                "profiles": {
                    "server": usage("server auth"),
                    "client": usage("client auth"),
                    "peer": usage("server auth", "client auth"),
                },
            }
        },
        "server.json": {
            "CN": "localhost",
            "hosts": ["localhost", "192.168.57.110", "127.0.0.1"],
            "key": key,
            "names": names,
        },
        "client.json": {"CN": "client", "hosts": [""], "key": key, "names": names},
    }


def run(directory: Path, recipe: str, **environment: str) -> None:
    done = subprocess.run(
        ["sh", "-ec", recipe],
        cwd=directory,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr


def cfssl(directory: Path, recipe: str) -> None:
    program = debian_program("usr/bin/cfssl", "golang-cfssl", "libsqlite3-0")
    path = f"{Path(program.path).parent}:{os.environ['PATH']}"
    run(directory, recipe, PATH=path, **program.environment)


@pytest.fixture(scope="module", params=["openssl", "cfssl rsa", "cfssl ecdsa"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory in which a recipe was cooked."""
    directory: Path = tmp_path_factory.mktemp("recipe")
    if request.param == "openssl":
        run(directory, OPENSSL)
        return directory
    algorithm = request.param.split()[1]
    for name, content in cfssl_files(algorithm, 2048 if algorithm == "rsa" else 256).items():
        (directory / name).write_text(json.dumps(content))
    cfssl(directory, CFSSL)
    return directory


@contextlib.contextmanager
def serving(made: Path, hosts: list[str], **more: object) -> Iterator[Daemon]:
    """A daemon whose configuration is the tutorial's but for the places of files."""
    with Daemon() as daemon:
        content = {
            "tlsverify": True,
            "tlscert": f"{made}/server-cert.pem",
            "tlskey": f"{made}/server-key.pem",
            "tlscacert": f"{made}/ca.pem",
            "hosts": hosts,
            "merge-hosts": True,
        }
        (daemon.directory / "tutorial.json").write_text(json.dumps(content | more))
        daemon.start("--config-file", str(daemon.directory / "tutorial.json"))
        yield daemon


def ask(
    daemon: Daemon, program: str, made: Path, host: str, *verb: str
) -> subprocess.CompletedProcess[str]:
    flags = (
        "--tlsverify",
        f"--tlscacert={made}/ca.pem",
        f"--tlscert={made}/cert.pem",
        f"--tlskey={made}/key.pem",
        f"-H={host}",
    )
    home = str(daemon.directory / "nowhere")
    return daemon.namespaces.run(
        *(program, *flags, *(verb or ("info", "--format", "{{.OSType}}"))),
        environment={"HOME": home, "DOCKER_CONFIG": home},
    )


def test_a_recipes_files_serve_daemon_and_clients(made: Path) -> None:
    with serving(made, ["tcp://0.0.0.0:2376"]) as daemon:
        for program in (docker_cli(), str(BIN / "wharfie")):
            for host in ("127.0.0.1:2376", "localhost:2376"):
                done = ask(daemon, program, made, host)
                assert (done.returncode, done.stdout) == (0, "linux\n"), done.stderr
            refused = ask(daemon, program, made, "127.0.0.2:2376", "ps")
            assert refused.returncode == 1
            assert "x509: certificate is valid for" in refused.stderr
            assert "not 127.0.0.2" in refused.stderr
        assert not daemon.json("GET", "/info")["Warnings"]


def crl_by_openssl(directory: Path, made: Path, passphrase: str) -> Path:
    """Revoke the client's certificate by `openssl ca`."""
    (directory / "index.txt").touch()
    (directory / "ca.cnf").write_text(
        "[ca]\ndefault_ca = c\n[c]\n"
        f"database = {directory}/index.txt\ndefault_md = sha256\ndefault_crl_days = 30\n"
    )
    ca = f"-config ca.cnf -keyfile {made}/ca-key.pem -cert {made}/ca.pem {passphrase}"
    run(directory, f"openssl ca {ca} -revoke {made}/cert.pem")
    run(directory, f"openssl ca {ca} -gencrl -out crl.pem")
    return directory / "crl.pem"


def crl_by_cfssl(directory: Path, made: Path) -> Path:
    """Revoke it by `cfssl gencrl`, which writes base64 without a frame."""
    serial = subprocess.run(
        ["openssl", "x509", "-in", f"{made}/cert.pem", "-noout", "-serial"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (directory / "serials").write_text(str(int(serial.partition("=")[2], 16)))
    cfssl(directory, f"cfssl gencrl serials {made}/ca.pem {made}/ca-key.pem > crl.b64")
    return directory / "crl.b64"


def test_a_recipes_revocation_list_is_obeyed(made: Path, tmp_path: Path) -> None:
    if (made / "extfile.cnf").exists():
        crl = crl_by_openssl(tmp_path, made, "-passin pass:secret")
    else:
        crl = crl_by_cfssl(tmp_path, made)
    with serving(made, ["tcp://127.0.0.1:2376"], tlscrl=str(crl)) as daemon:
        refused = ask(daemon, docker_cli(), made, "127.0.0.1:2376")
        assert refused.returncode == 1
        assert "revoked certificate" in refused.stderr
