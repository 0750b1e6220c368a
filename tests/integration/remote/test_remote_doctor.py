"""`wharfie doctor`: every fault is made for real and found, and its benign twin is not."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.bare_machine import BareMachine
from support.daemon import BIN
from support.netns import poll
from support.openssh import SshServer
from support.tls import make_ca, save, sign_anything
from wharfie.pki.certificates import encode_certificate

pytestmark = pytest.mark.root

SERVER, CLIENT = "192.0.2.7", "192.0.2.8"
HERE = f"tcp://{SERVER}:2376"
Findings = dict[str, tuple[str, str]]
SERVING = [ExtendedKeyUsageOID.SERVER_AUTH]


class World:
    def __init__(self, server: BareMachine, client: BareMachine, folder: Path) -> None:
        self.server = server
        self.client = client
        self.folder = folder
        self.tls = "--tlsverify " + " ".join(
            f"--tls{flag} .docker/{name}.pem"
            for flag, name in (("cacert", "ca"), ("cert", "cert"), ("key", "key"))
        )

    def doctor(
        self,
        argv: str = "",
        *,
        flags: str = "",
        on: BareMachine | None = None,
        **environment: str,
    ) -> Findings:
        """Ask the doctor; the exit code must agree with the findings."""
        line = f"wharfie {flags} doctor --format json {argv}"
        done = (on or self.client).type(line, **environment)
        found = json.loads(done.stdout)
        is_bad = any(one["status"] == "fail" for one in found)
        assert done.returncode == int(is_bad), done.stderr
        for one in found:
            assert bool(one["remedy"]) == (one["status"] != "ok"), one
        worst: Findings = {}
        for one in found:  # of several findings of one check, the last that is not well
            if one["check"] not in worst or one["status"] != "ok":
                worst[one["check"]] = (one["status"], f"{one['detail']} | {one['remedy']}")
        return worst

    def serve(self, name: str, port: int, **how: object) -> None:
        """Have openssl serve a certificate that is wrong in some way, on the server machine."""
        ca = self.folder / "signer.pem"
        if not ca.exists():
            self.signer = make_ca()
            ca.write_bytes(encode_certificate(self.signer.certificate))
        pair = save(self.folder, name, sign_anything(self.signer, name, **how))  # type: ignore[arg-type]
        self.server.check(
            f"openssl s_server -quiet -accept {port} -cert {pair.cert} -key {pair.key} -www &"
        )
        self.await_port(port)

    def await_port(self, port: int) -> None:
        for _ in poll(f"port {port} to open"):
            if self.server.type(f"ss -tln | grep -q :{port}").returncode == 0:
                return


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("doctor")
    with BareMachine() as server, BareMachine() as client:
        server.join(client, f"{SERVER}/24", f"{CLIENT}/24")
        server.write("/etc/wharfie/daemon.json", f'{{"cgroup-parent": "/{server.cgroup}"}}')
        server.check(f"wharfie remote enable --host {SERVER}")
        server.check("wharfied &")
        for _ in poll("the daemon to answer"):
            if server.type("wharfie version").returncode == 0:
                break
        bundle = server.check("base64 -w0 /etc/wharfie/tls/clients/admin.dockercontext")
        client.check(f"echo {bundle} | base64 -d | wharfie context import server -")
        client.check("mkdir -p .docker; cp .docker/contexts/tls/*/docker/*.pem .docker/")
        yield World(server, client, folder)


def test_a_healthy_way_has_no_findings(world: World) -> None:
    found = world.doctor("server")
    assert {status for status, _ in found.values()} == {"ok"}
    assert set(found) == {
        "address", "name", "route", "port", "encryption", "client certificate", "expiry",
        "certified name", "CA", "daemon", "API version", "clock",
    }  # fmt: skip


def test_people_get_lines(world: World) -> None:
    done = world.client.type("wharfie --context server doctor")
    assert done.returncode == 0
    assert "ok    certified name" in done.stdout
    done = world.client.type("wharfie doctor tcp://192.0.2.7:1")
    assert done.returncode == 1
    assert "FAIL  port" in done.stdout
    assert "mend: wharfie --tlsverify -H tcp://192.0.2.7:2376 version" in done.stdout


def test_an_unknown_name(world: World) -> None:
    assert world.doctor("tcp://builder.example:2376")["name"][0] == "fail"
    world.client.check(f"echo '{SERVER} builder.example' >> /etc/hosts")
    assert world.doctor("tcp://builder.example:2376")["name"][0] == "ok"


def test_a_name_that_means_this_machine(world: World) -> None:
    world.client.check("echo '127.0.1.1 self.example' >> /etc/hosts")
    assert world.doctor("tcp://self.example:2376")["name"][0] == "warn"


def test_no_route(world: World) -> None:
    status, text = world.doctor("tcp://198.51.100.1:2376")["route"]
    assert status == "fail"
    assert "ip route get 198.51.100.1" in text


def test_nobody_listens(world: World) -> None:
    status, text = world.doctor(f"tcp://{SERVER}:2399")["port"]
    assert status == "fail"
    assert "somebody does on port 2376" in text


def test_a_machine_that_is_not_there(world: World) -> None:
    status, text = world.doctor("tcp://192.0.2.99:2376")["port"]
    assert status == "fail"
    assert "192.0.2.99 is not there" in text


@pytest.mark.parametrize(
    ("verdict", "said"),
    [("drop", "a firewall drops the packets"),
     ("reject with icmp type admin-prohibited", "a firewall refuses port 2376")],
)  # fmt: skip
def test_a_firewall(world: World, verdict: str, said: str) -> None:
    world.server.check(
        "nft add table inet t; nft 'add chain inet t in { type filter hook input priority 0; }';"
        f" nft add rule inet t in tcp dport 2376 {verdict}"
    )
    try:
        status, text = world.doctor("server")["port"]
    finally:
        world.server.check("nft delete table inet t")
    assert status == "fail"
    assert said in text
    assert "nft insert rule" in text
    assert world.doctor("server")["port"][0] == "ok"


def test_plain_http_to_a_tls_port(world: World) -> None:
    status, text = world.doctor(HERE)["encryption"]
    assert status == "fail"
    assert "DOCKER_TLS_VERIFY=1" in text


def test_tls_to_a_plain_port(world: World) -> None:
    world.server.check("python3 -m http.server 8080 &")
    world.await_port(8080)
    status, text = world.doctor(f"tcp://{SERVER}:8080", flags=world.tls)["encryption"]
    assert status == "fail"
    assert "unset DOCKER_TLS" in text


def test_a_port_of_something_else(world: World) -> None:
    script = (
        "import socket; s = socket.create_server(('', 8022))\n"
        "while True: c, _ = s.accept(); c.sendall(b'SSH-2.0-x\\r\\n'); c.close()"
    )
    world.server.check(f"python3 -c {shlex.quote(script)} &")
    world.await_port(8022)
    status, text = world.doctor(f"tcp://{SERVER}:8022")["encryption"]
    assert status == "fail"
    assert "this is no daemon" in text


def test_a_daemon_that_hangs(world: World) -> None:
    script = (
        "import socket; s = socket.create_server(('', 8023)); kept = []\n"
        "while True:\n c, _ = s.accept(); d = c.recv(999)\n"
        " if b'close' in d: c.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\n'); c.close()\n"
        " else: kept.append(c)"
    )
    world.server.check(f"python3 -c {shlex.quote(script)} &")
    world.await_port(8023)
    status, text = world.doctor(f"tcp://{SERVER}:8023")["daemon"]
    assert status == "fail"
    assert "timed out" in text


def test_another_ca(world: World) -> None:
    world.client.check("wharfie cert create --dir other --host x")
    flags = world.tls.replace(".docker/ca.pem", "other/ca.pem")
    status, text = world.doctor(HERE, flags=flags)["CA"]
    assert status == "fail"
    assert f"scp {SERVER}:/etc/wharfie/tls/ca.pem other/ca.pem" in text
    assert world.doctor(HERE, flags=world.tls)["CA"][0] == "ok"


def test_a_server_that_is_not_verified(world: World) -> None:
    flags = world.tls.replace("--tlsverify", "--tls")
    assert world.doctor(HERE, flags=flags)["CA"][0] == "warn"


def test_a_name_that_is_not_certified(world: World) -> None:
    world.client.check(f"echo '{SERVER} alias.example' >> /etc/hosts")
    status, text = world.doctor("tcp://alias.example:2376", flags=world.tls)["certified name"]
    assert status == "fail"
    assert "wharfie remote enable --host alias.example" in text


@pytest.mark.parametrize(
    ("name", "how", "check", "status", "said"),
    [
        ("old", {"days": (-9, -3)}, "expiry", "fail", "cert renew --server"),
        ("ageing", {"days": (-9, 3)}, "expiry", "warn", "ends in 2 days"),
        ("early", {"days": (3, 9)}, "clock", "fail", "one of the two clocks is wrong"),
        ("used", {"usages": [ExtendedKeyUsageOID.CLIENT_AUTH]}, "key usage", "fail",
         "not for servers"),
    ],
)  # fmt: skip
def test_a_certificate_that_is_wrong(
    world: World, name: str, how: dict[str, object], check: str, status: str, said: str
) -> None:
    port = 9001 + sum(map(ord, name)) % 900
    world.client.check(f"echo '{SERVER} {name}.example' >> /etc/hosts")
    options: dict[str, object] = {"usages": SERVING, "dns": [f"{name}.example"], "days": (-1, 99)}
    world.serve(name, port, **(options | how))
    flags = f"--tlsverify --tlscacert {world.folder}/signer.pem"
    found = world.doctor(f"tcp://{name}.example:{port}", flags=flags)
    assert found[check][0] == status
    assert said in found[check][1]
    assert found["CA"][0] == "ok" if check != "key usage" else "CA" not in found
    assert found["certified name"][0] == "ok"


def test_our_own_certificate(world: World) -> None:
    ca = make_ca()
    for name, how in (("gone", {"days": (-9, -3)}), ("ends", {"days": (-9, 3)})):
        save(world.folder, name, sign_anything(ca, name, **how))  # type: ignore[arg-type]
    save(world.folder, "wrong", sign_anything(ca, "wrong", usages=SERVING, days=(-1, 99)))
    for name, status in (("gone", "fail"), ("ends", "warn"), ("wrong", "fail")):
        flags = (
            f"--tlsverify --tlscacert .docker/ca.pem --tlscert {world.folder}/{name}.pem"
            f" --tlskey {world.folder}/{name}-key.pem"
        )
        found = world.doctor(HERE, flags=flags)["client certificate"]
        # The server refuses all three, for another CA signed them.
        assert found[0] == "fail", (name, status)
        assert "wharfie remote invite" in found[1]


def test_no_certificate_where_one_is_wanted(world: World) -> None:
    world.client.check("mkdir -p bare; cp .docker/ca.pem bare/")
    flags = "--tlsverify"
    found = world.doctor(HERE, flags=flags, DOCKER_CERT_PATH="/root/bare")
    assert found["client certificate"][0] == "fail"
    assert "remote invite" in found["client certificate"][1]


def test_files_that_are_not_there(world: World) -> None:
    found = world.doctor(HERE, flags="--tlsverify --tlscacert /none")
    assert found["address"][0] == "fail"
    world.client.check("echo junk > junk.pem")
    flags = world.tls.replace(".docker/key.pem", "junk.pem")
    assert world.doctor(HERE, flags=flags)["client files"][0] == "fail"


def test_a_pinned_api_version(world: World) -> None:
    status, text = world.doctor("server", DOCKER_API_VERSION="1.99")["API version"]
    assert status == "fail"
    assert "unset DOCKER_API_VERSION" in text
    assert world.doctor("server", DOCKER_API_VERSION="1.45")["API version"][0] == "ok"


FAKE = """
import http.server, email.utils, time
class Daemon(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"Version":"9","ApiVersion":"VERSION","MinAPIVersion":"MINIMUM"}'
        self.send_response_only(200)
        self.send_header("Api-Version", "VERSION")
        self.send_header("Date", email.utils.formatdate(time.time() + SHIFT, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_HEAD(self): self.do_GET()
http.server.HTTPServer(("", PORT), Daemon).serve_forever()
"""


@pytest.mark.parametrize(
    ("port", "shift", "minimum", "newest", "check", "status"),
    [
        (8101, 0, "1.24", "1.51", "clock", "ok"),
        (8102, 3600, "1.24", "1.51", "clock", "warn"),
        (8103, -3600, "1.24", "1.51", "clock", "warn"),
        (8104, 0, "1.90", "1.99", "API version", "fail"),
        (8105, 0, "1.24", "1.40", "API version", "ok"),
    ],
)
def test_daemons_of_another_time(
    world: World, port: int, shift: int, minimum: str, newest: str, check: str, status: str
) -> None:
    script = FAKE.replace("VERSION", newest).replace("MINIMUM", minimum)
    script = script.replace("SHIFT", str(shift)).replace("PORT", str(port))
    path = world.folder / f"{port}.py"
    path.write_text(script)
    world.server.check(f"python3 {path} &")
    world.await_port(port)
    assert world.doctor(f"tcp://{SERVER}:{port}")[check][0] == status


def test_ssh(world: World) -> None:
    url = f"ssh://root@{SERVER}"
    assert world.doctor(url)["port"][0] == "fail"
    programs = {"docker": str(BIN / "wharfie")}
    with SshServer(world.server.namespaces, programs, address=SERVER) as ssh:
        world.client.check("mkdir -pm 700 .ssh")
        assert world.doctor(url)["host key"][0] == "fail"
        world.client.check(f"cp {ssh.home}/known_hosts .ssh/")
        status, text = world.doctor(url)["login"]
        assert status == "fail"
        assert f"ssh-copy-id root@{SERVER}" in text
        world.client.check(f"cp {ssh.home}/id_ed25519 .ssh/")
        found = world.doctor(url)
        assert {status for status, _ in found.values()} == {"ok"}
        assert world.doctor(f"{url}/none.sock")["daemon"][0] == "fail"
        (ssh.directory / "bin/docker").unlink()
        assert world.doctor(url)["remote program"][0] == "fail"
        world.client.check(f"sed -i 's/ AAAA.*/ {other_key(ssh)}/' .ssh/known_hosts")
        status, text = world.doctor(url)["host key"]
        assert status == "fail"
        assert "ssh-keygen -R" in text
    assert world.doctor("ssh://nosuch.example")["name"][0] == "fail"


def other_key(ssh: SshServer) -> str:
    """A host's public key that is not this server's."""
    return (ssh.home / "id_ed25519.pub").read_text().split()[1].replace("/", "\\/")
