"""The API behind nginx, as the seeds advise (B11): calls, streams and hijacked streams.

As a TCP proxy (`stream`, with `proxy_half_close on`) nginx passes everything, TLS and client
certificates included. As an HTTP proxy it takes the end of one direction for the end of both, with
any engine: there the genuine client loses the output of what it runs without a kept-open input,
for it always ends its direction; ours ends it only when an input has ended.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import BIN, Daemon
from support.debian import debian_program
from support.genuine_cli import docker_cli
from support.netns import poll

pytestmark = pytest.mark.root

HEAD = """
load_module {modules}/ngx_stream_module.so;
daemon off;
user root;
worker_processes 1;
pid {here}/pid;
error_log {here}/error.log;
events {{}}
"""
STREAM = """
stream {{
    proxy_half_close on;
    proxy_timeout 1h;
    server {{ listen 127.0.0.1:8001; proxy_pass unix:{socket}; }}
    server {{ listen 127.0.0.1:8002; proxy_pass 127.0.0.1:2376; }}
    server {{
        listen 127.0.0.1:8003 ssl;
        ssl_certificate {certs}/server-cert.pem;
        ssl_certificate_key {certs}/server-key.pem;
        ssl_client_certificate {certs}/ca.pem;
        ssl_verify_client on;
        proxy_pass unix:{socket};
    }}
}}
"""
HTTP = """
http {{
    access_log off;
    client_body_temp_path {here}/body;
    proxy_temp_path {here}/proxy;
    fastcgi_temp_path {here}/fastcgi;
    uwsgi_temp_path {here}/uwsgi;
    scgi_temp_path {here}/scgi;
    client_max_body_size 0;
    proxy_http_version 1.1;
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_read_timeout 1h;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    server {{ listen 127.0.0.1:8011; location / {{ proxy_pass http://unix:{socket}:; }} }}
    server {{
        listen 127.0.0.1:8012;
        location / {{
            proxy_pass https://127.0.0.1:2376;
            proxy_ssl_certificate {certs}/cert.pem;
            proxy_ssl_certificate_key {certs}/key.pem;
            proxy_ssl_trusted_certificate {certs}/ca.pem;
            proxy_ssl_verify on;
            proxy_ssl_name localhost;
        }}
    }}
    server {{
        listen 127.0.0.1:8013 ssl;
        ssl_certificate {certs}/server-cert.pem;
        ssl_certificate_key {certs}/server-key.pem;
        ssl_client_certificate {certs}/ca.pem;
        ssl_verify_client on;
        location / {{ proxy_pass http://unix:{socket}:; }}
    }}
}}
"""
TLS = {8002, 8003, 8013}
GENUINE, OURS = "docker", "wharfie"


class Proxied:
    """One of nginx's servers, seen with one of the clients."""

    def __init__(self, daemon: Daemon, client: str, port: int) -> None:
        self._daemon = daemon
        self._client = docker_cli() if client == GENUINE else str(BIN / "wharfie")
        self._port = port

    def command(self, *arguments: str) -> list[str]:
        certs = self._daemon.certs
        tls = ["--tlsverify", f"--tlscacert={certs}/ca.pem", f"--tlscert={certs}/cert.pem"]
        tls = [*tls, f"--tlskey={certs}/key.pem"] if self._port in TLS else []
        home = self._daemon.directory / "nowhere"
        environment = ["env", f"HOME={home}", f"DOCKER_CONFIG={home}"]
        host = f"tcp://127.0.0.1:{self._port}"
        return self._daemon.namespaces.command(
            *environment, self._client, "-H", host, *tls, *arguments
        )

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = self.command(*arguments)
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)

    def check(self, *arguments: str, stdin: str = "") -> str:
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def converse(self, *arguments: str, said: str) -> tuple[int, str]:
        """Say something, and keep the input open until the program has ended."""
        with subprocess.Popen(
            self.command(*arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(said)
            process.stdin.flush()
            answer = process.stdout.read()
            return process.wait(60), answer


@pytest.fixture(scope="module")
def behind() -> Iterator[Daemon]:
    """A daemon with a unix and a mutual TLS listener, and nginx in front of both."""
    program = debian_program("usr/sbin/nginx", "nginx", "libnginx-mod-stream", "libpcre2-8-0")
    with Daemon(tls=True) as daemon:
        daemon.start()
        daemon.load_busybox()
        here = daemon.directory / "nginx"
        here.mkdir()
        config = here / "nginx.conf"
        modules = program.unpacked / "usr/lib/nginx/modules"
        config.write_text(
            (HEAD + STREAM + HTTP).format(
                here=here, modules=modules, socket=daemon.socket, certs=daemon.certs
            )
        )
        environment = [f"{key}={value}" for key, value in program.environment.items()]
        command = ["env", *environment, program.path, "-p", str(here), "-c", str(config)]
        with subprocess.Popen(daemon.namespaces.command(*command)) as process:
            try:
                for _ in poll("nginx to listen"):
                    if ":8013" in daemon.namespaces.check("ss", "-Hltn"):
                        break
                yield daemon
            finally:
                with contextlib.suppress(AssertionError):
                    daemon.namespaces.check("sh", "-c", f"kill $(cat {here}/pid)")
                process.wait(10)


def exercise_calls(proxied: Proxied, tmp_path: Path) -> None:
    """Calls, streams, uploads and downloads: all that takes no connection over."""
    assert json.loads(proxied.check("version", "--format", "{{json .Server}}"))
    proxied.check("run", "-d", "--name", "box", "busybox", "sh", "-c", "echo up; sleep 60")
    try:
        assert proxied.check("logs", "box") == "up\n"
        (tmp_path / "file").write_text("x" * 3_000_000)
        proxied.check("cp", str(tmp_path / "file"), "box:/tmp/file")
        proxied.check("cp", "box:/tmp/file", str(tmp_path / "back"))
        assert (tmp_path / "back").read_text() == "x" * 3_000_000
        with subprocess.Popen(
            proxied.command("logs", "-f", "box"), stdout=subprocess.PIPE, text=True
        ) as following:
            assert following.stdout is not None
            assert following.stdout.readline() == "up\n"
            proxied.check("kill", "box")
            assert following.wait(30) == 0
    finally:
        proxied.check("rm", "-f", "box")


def exercise_dialogue(proxied: Proxied) -> None:
    """Connections taken over whose input stays open: what people do at a terminal."""
    script = "read line; echo got $line; exit 3"
    for flags in (("run", "--rm", "-i", "busybox"), ("exec", "-i", "dialogue")):
        if flags[0] == "exec":
            proxied.check("run", "-d", "--name", "dialogue", "busybox", "sleep", "60")
        try:
            answer = proxied.converse(*flags, "sh", "-c", script, said="word\n")
            assert answer == (3, "got word\n")
        finally:
            proxied.run("rm", "-f", "dialogue")


def exercise_half_close(proxied: Proxied) -> None:
    """Output that comes after the input has ended."""
    assert proxied.check("run", "--rm", "-i", "busybox", "sort", stdin="b\na\n") == "a\nb\n"


def exercise_output(proxied: Proxied) -> None:
    """Output of what has no input."""
    assert proxied.check("run", "--rm", "busybox", "echo", "hi") == "hi\n"
    script = "head -c 5000000 /dev/zero | tr '\\0' x; echo err >&2; exit 4"
    done = proxied.run("run", "--rm", "busybox", "sh", "-c", script)
    assert (done.returncode, len(done.stdout), done.stderr) == (4, 5_000_000, "err\n")
    done = proxied.run("run", "--rm", "-t", "busybox", "sh", "-c", "tty; exit 5")
    assert (done.returncode, done.stdout) == (5, "/dev/pts/0\n")


@pytest.mark.parametrize("client", [GENUINE, OURS])
@pytest.mark.parametrize("port", [8001, 8002, 8003], ids=["unix", "passed TLS", "TLS to unix"])
def test_everything_works_behind_nginx(
    behind: Daemon, client: str, port: int, tmp_path: Path
) -> None:
    proxied = Proxied(behind, client, port)
    exercise_calls(proxied, tmp_path)
    exercise_dialogue(proxied)
    exercise_half_close(proxied)
    exercise_output(proxied)


@pytest.mark.parametrize("client", [GENUINE, OURS])
@pytest.mark.parametrize("port", [8011, 8012, 8013], ids=["unix", "to TLS", "TLS to unix"])
def test_all_but_half_close_works_behind_nginx_as_http_proxy(
    behind: Daemon, client: str, port: int, tmp_path: Path
) -> None:
    proxied = Proxied(behind, client, port)
    exercise_calls(proxied, tmp_path)
    exercise_dialogue(proxied)
    if client == OURS:
        exercise_output(proxied)
