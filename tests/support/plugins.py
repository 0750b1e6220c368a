"""A plugin of Docker's protocol beside a daemon, its answers given by a few lines of Python."""

from __future__ import annotations

import json
import subprocess
import sys

from support.daemon import Daemon
from support.netns import children, poll

_SERVER = """
import http.server, json, os, socketserver, subprocess, sys
path, implements, *words = sys.argv[1:]
{answers}
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    def do_POST(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size) or b"{{}}")
        verb = self.path.rpartition(".")[2]
        print(verb, json.dumps(body), flush=True)
        told = {{"Implements": [implements]}} if verb == "Activate" else answer(verb, body)
        data = json.dumps(told).encode()
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


class Plugin:
    """The plugin's process, in the namespaces of a daemon that is not yet started.

    Args:
        daemon: beside which.
        name: of the plugin.
        implements: "VolumeDriver" or "NetworkDriver".
        answers: source of `answer(verb, body)`, which returns what is answered; `words` are there.
        words: what else it has to know.
    """

    def __init__(
        self, daemon: Daemon, name: str, implements: str, answers: str, *words: str
    ) -> None:
        self._log = daemon.directory / "plugin.log"
        run = daemon.namespaces.check
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        run("mkdir", "-p", "/run/docker/plugins")
        path = f"/run/docker/plugins/{name}.sock"
        program = _SERVER.format(answers=answers)
        command = daemon.namespaces.command(sys.executable, "-c", program, path, implements, *words)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in poll("the plugin to listen"):
            if daemon.namespaces.run("test", "-S", path).returncode == 0:
                break

    @property
    def asked(self) -> list[tuple[str, dict]]:
        """What it was asked so far: verb and body."""
        lines = self._log.read_text().splitlines()
        return [
            (verb, json.loads(body))
            for verb, _, body in (line.partition(" ") for line in lines)
            if body.startswith("{")
        ]

    @property
    def verbs(self) -> list[str]:
        """The verbs of it."""
        return [verb for verb, _ in self.asked]

    def close(self) -> None:
        """End it; closing twice is no error."""
        for pid in children(self._process.pid):
            subprocess.run(["kill", "-9", str(pid)], check=True)
        self._process.wait()
