"""Docker's network plugin protocol, served by a small plugin of our own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from support.daemon import Daemon
from support.netns import children, poll

pytestmark = pytest.mark.root

PLUGIN = """
import http.server, json, socketserver, subprocess, sys
path = sys.argv[1]
links, gateways = {}, {}
def ip(*words):
    subprocess.run(["ip", *words], check=True)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        verb = self.path.rpartition(".")[2]
        print(verb, json.dumps(body), flush=True)
        answer = {}
        if verb == "Activate":
            answer = {"Implements": ["NetworkDriver"]}
        elif verb == "CreateNetwork":
            if body["Options"]["com.docker.network.generic"].get("refuse"):
                answer = {"Err": "no wires left"}
            else:
                gateways[body["NetworkID"]] = body["IPv4Data"][0]["Gateway"]
        elif verb == "Join":
            number = len(links)
            links[body["EndpointID"]] = f"rp{number}"
            ip("link", "add", f"rp{number}", "type", "veth", "peer", "name", f"rs{number}")
            gateway = gateways[body["NetworkID"]]
            ip("address", "add", gateway, "dev", f"rp{number}")
            ip("link", "set", f"rp{number}", "up")
            answer = {"InterfaceName": {"SrcName": f"rs{number}", "DstPrefix": "wire"},
                      "Gateway": gateway.partition("/")[0]}
        elif verb == "DeleteEndpoint":
            subprocess.run(["ip", "link", "del", links.get(body["EndpointID"], "none")])
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def address_string(self):
        return "plugin"
    def log_message(self, *_):
        pass
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    pass
Server(path, Handler).serve_forever()
"""


class Wires:
    """The plugin process; `asked` are the verbs it heard."""

    def __init__(self, daemon: Daemon) -> None:
        self._log = daemon.directory / "plugin.log"
        run = daemon.namespaces.check
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        run("mkdir", "-p", "/run/docker/plugins")
        path = "/run/docker/plugins/wires.sock"
        command = daemon.namespaces.command(sys.executable, "-c", PLUGIN, path)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in poll("the plugin to listen"):
            if daemon.namespaces.run("test", "-S", path).returncode == 0:
                break

    @property
    def asked(self) -> list[str]:
        lines = self._log.read_text().splitlines()
        return [line.partition(" ")[0] for line in lines if "{" in line]

    def close(self) -> None:
        for pid in children(self._process.pid):
            subprocess.run(["kill", "-9", str(pid)], check=True)
        self._process.wait()


@pytest.fixture
def wired() -> Iterator[tuple[Daemon, Wires]]:
    with Daemon() as daemon:
        plugin = Wires(daemon)
        daemon.start()
        daemon.load_busybox()
        yield daemon, plugin
        plugin.close()


def test_b164_networks_of_a_plugin(wired: tuple[Daemon, Wires]) -> None:
    daemon, plugin = wired

    def ok(*arguments: str) -> str:
        done = daemon.docker(*arguments)
        assert done.returncode == 0, (arguments, done.stderr, plugin.asked, daemon.log())
        return done.stdout

    told = daemon.docker("network", "create", "-d", "nobody", "lost")
    assert 'plugin "nobody" not found' in told.stderr
    told = daemon.docker("network", "create", "-d", "wires", "-o", "refuse=1", "full")
    assert "no wires left" in told.stderr
    ok("network", "create", "-d", "wires", "--subnet", "10.66.0.0/24", "lab")
    ok("run", "-d", "--name", "one", "--network", "lab", "busybox", "sleep", "600")
    shown = json.loads(ok("inspect", "one"))[0]["NetworkSettings"]["Networks"]["lab"]
    assert (shown["IPAddress"], shown["Gateway"]) == ("10.66.0.2", "10.66.0.1")
    assert "wire0" in ok("exec", "one", "ip", "-o", "link")
    assert "eth0" not in ok("exec", "one", "ip", "-o", "link")
    assert "default via 10.66.0.1 dev wire0" in ok("exec", "one", "ip", "route")
    reached = daemon.namespaces.run("/bin/busybox", "ping", "-c1", "-W2", "10.66.0.2")
    assert reached.returncode == 0, reached.stdout
    assert "10.66.0.2" in ok("exec", "one", "nslookup", "one")
    # A daemon that starts finds network and container as they are.
    before = plugin.asked
    daemon.kill9()
    daemon.start()
    assert plugin.asked == [*before, "Activate"]
    ok("rm", "-f", "one")
    assert plugin.asked[-2:] == ["Leave", "DeleteEndpoint"]
    # Connected to a running container, and disconnected.
    ok("run", "-d", "--name", "two", "busybox", "sleep", "600")
    ok("network", "connect", "lab", "two")
    assert "wire0" in ok("exec", "two", "ip", "-o", "link")
    ok("network", "disconnect", "lab", "two")
    assert "wire0" not in ok("exec", "two", "ip", "-o", "link")
    ok("rm", "-f", "two")
    ok("network", "rm", "lab")
    assert plugin.asked[-1] == "DeleteNetwork"
