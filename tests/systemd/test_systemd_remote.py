"""Opening the daemon to the network as the seeds do it: D1, D2, D4–D10, D13, D18, E1–E4, B4–B6."""

from __future__ import annotations

import json

import pytest

from support.machine import Machine

pytestmark = [pytest.mark.root, pytest.mark.slow]

DROP_IN = "/etc/systemd/system/docker.service.d/docker.conf"
WITHOUT_HOSTS = "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd\n"
BOTH = '{\n  "hosts":[\n    "unix:///var/run/docker.sock",\n    "tcp://0.0.0.0:2375"\n  ]\n}\n'
RESTART = "systemctl daemon-reload && systemctl restart docker"
PING = "curl -s http://127.0.0.1:2375/_ping"
# S2, CoreOS's way; the comment stands there too.
TCP_SOCKET = """\
[Unit]
Description=Docker Socket for the API

[Socket]
# ListenStream=127.0.0.1:2375
ListenStream=2375
BindIPv6Only=both
Service=docker.service

[Install]
WantedBy=sockets.target
"""


def test_fedoras_options_file(fresh: Machine) -> None:
    """D1, D3: S0, /etc/sysconfig/docker."""
    fresh.write("/etc/sysconfig/docker", "OPTIONS=--selinux-enabled -H tcp://0.0.0.0:2375\n")
    fresh.check("systemctl restart docker")
    assert "Server Version" in fresh.check("docker -H 127.0.0.1:2375 info")
    log = fresh.check("journalctl -u docker -p warning -o cat -n 20")
    assert "Docker could not enable SELinux on the host system" in log


def test_debians_options_file(fresh: Machine) -> None:
    """D2: S0, /etc/default/docker."""
    fresh.write(
        "/etc/default/docker",
        'DOCKER_OPTS="-H tcp://0.0.0.0:2375 -H unix:///var/run/docker.sock"\n',
    )
    fresh.check("service docker restart")
    assert fresh.check("docker -H 127.0.0.1:2375 ps -q") == ""
    assert fresh.check("docker ps -q") == ""


def test_hosts_in_daemon_json_with_a_drop_in(fresh: Machine) -> None:
    """D5, D10: S1 and S2."""
    fresh.write(DROP_IN, WITHOUT_HOSTS)
    fresh.write("/etc/docker/daemon.json", BOTH)
    fresh.check(RESTART)
    assert fresh.check(PING) == "OK"
    assert fresh.check("curl -s --unix-socket /var/run/docker.sock http://x/_ping") == "OK"
    assert fresh.check("docker ps -q") == ""
    assert "dockerd" in fresh.check("ss -tnlp | grep 2375")
    assert fresh.check("stat -c '%a %U %G' /var/run/docker.sock") == "660 root docker\n"


def test_hosts_twice_are_refused_and_the_remedies_work(fresh: Machine) -> None:
    """D6, G8: the message is in the journal, word for word, and says how to mend it."""
    fresh.write("/etc/docker/daemon.json", '{"hosts": ["tcp://127.0.0.1:2375"], "debug": false}')
    assert fresh.run("systemctl restart docker").returncode
    log = fresh.check("journalctl -u docker -p err -o cat -n 12")
    assert (
        "unable to configure the Docker daemon with file /etc/docker/daemon.json: the following "
        "directives are specified both as a flag and in the configuration file: hosts: (from "
        "flag: [fd://], from file: [tcp://127.0.0.1:2375])" in log
    )
    remedy = "/etc/systemd/system/docker.service.d/hosts.conf"
    assert remedy in log
    # As told: first the key …
    fresh.write(
        "/etc/docker/daemon.json", '{"hosts": ["tcp://127.0.0.1:2375"], "merge-hosts": true}'
    )
    fresh.check("systemctl restart docker")
    assert fresh.check(PING) == "OK"
    assert fresh.check("docker ps -q") == ""
    # … or the drop-in, with the lines of the message.
    lines = [line.strip() for line in log.splitlines() if line.startswith("    ")]
    assert lines == ["[Service]", "ExecStart=", "ExecStart=/usr/bin/dockerd"]
    fresh.write(remedy, "\n".join(lines) + "\n")
    fresh.write("/etc/docker/daemon.json", '{"hosts": ["tcp://127.0.0.1:2375"]}')
    fresh.check(RESTART)
    assert fresh.check(PING) == "OK"


def test_a_mistake_in_daemon_json_is_told_and_validate_finds_it(fresh: Machine) -> None:
    """D7, D8, D9."""
    fresh.write("/etc/docker/daemon.json", '{\n  "debug": true,\n}\n')
    assert fresh.run("systemctl restart docker").returncode
    words = (
        "unable to configure the Docker daemon with file /etc/docker/daemon.json: invalid JSON: "
        "invalid character '}' looking for beginning of object key string (line 3, column 1)"
    )
    assert words in fresh.check("journalctl -u docker -p err -o cat -n 3")
    done = fresh.run("dockerd --validate")
    assert (done.returncode, done.stderr) == (1, words + "\n")
    fresh.write("/etc/docker/daemon.json", '{"foo": 1}')
    done = fresh.run("dockerd --validate")
    assert "the following directives don't match any configuration option: foo\n" in done.stderr
    fresh.write("/etc/docker/daemon.json", '{"debug": true}')
    assert fresh.check("dockerd --validate") == "configuration OK\n"
    # No `systemctl reset-failed` is needed.
    fresh.check("systemctl restart docker")


def test_a_named_file_must_be_there(fresh: Machine) -> None:
    """D4."""
    done = fresh.run("dockerd --config-file /nowhere.json")
    assert done.returncode == 1
    assert done.stderr == (
        "unable to configure the Docker daemon with file /nowhere.json: open /nowhere.json: no "
        "such file or directory\n"
    )
    assert "/etc/docker/daemon.json" in fresh.check("dockerd config explain | grep config-file")


def test_a_tcp_socket_of_systemd(fresh: Machine) -> None:
    """D13, B5: S2, CoreOS's docker-tcp.socket, in the order the seed gives."""
    fresh.write("/etc/systemd/system/docker-tcp.socket", TCP_SOCKET)
    fresh.check("systemctl daemon-reload")
    fresh.check("systemctl enable docker-tcp.socket")
    fresh.check("systemctl stop docker")
    fresh.check("systemctl start docker-tcp.socket")
    fresh.check("systemctl start docker")
    assert fresh.check(PING) == "OK"
    assert fresh.check("curl -s 'http://[::1]:2375/_ping'") == "OK"
    assert fresh.check("docker -H tcp://127.0.0.1:2375 ps -q") == ""
    assert fresh.check("docker ps -q") == ""
    # Stopping the daemon leaves systemd's sockets; whoever connects starts it again.
    fresh.check("systemctl stop docker.service")
    assert fresh.check(PING) == "OK"
    assert fresh.check("systemctl is-active docker.service") == "active\n"
    fresh.check("systemctl disable --now docker-tcp.socket")


CERTIFICATES = """
set -e
cd /etc/docker
export PASS=1234
openssl genrsa -aes256 -passout env:PASS -out ca-key.pem 2048
openssl req -new -x509 -days 365 -key ca-key.pem -sha256 -passin env:PASS -subj /CN=ca -out ca.pem
openssl genrsa -out server-key.pem 2048
openssl req -subj "/CN=localhost" -sha256 -new -key server-key.pem -out server.csr
echo subjectAltName = DNS:localhost,IP:127.0.0.1 >> extfile.cnf
echo extendedKeyUsage = serverAuth >> extfile.cnf
openssl x509 -req -days 365 -sha256 -in server.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial \
    -passin env:PASS -out server-cert.pem -extfile extfile.cnf
openssl genrsa -out key.pem 2048
openssl req -subj '/CN=client' -new -key key.pem -out client.csr
echo extendedKeyUsage = clientAuth >> extfile.cnf
openssl x509 -req -days 365 -sha256 -in client.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial \
    -passin env:PASS -out cert.pem -extfile extfile.cnf
rm -v client.csr server.csr
chmod -v 0400 ca-key.pem key.pem server-key.pem
chmod -v 0444 ca.pem server-cert.pem cert.pem
mkdir -p /root/certs
cp ca.pem cert.pem key.pem /root/certs
"""
TLS_KEYS = {
    "tlsverify": True,
    "tlscert": "/etc/docker/server-cert.pem",
    "tlskey": "/etc/docker/server-key.pem",
    "tlscacert": "/etc/docker/ca.pem",
}
CLIENT = (
    "docker --tlsverify --tlscacert=/root/certs/ca.pem --tlscert=/root/certs/cert.pem "
    "--tlskey=/root/certs/key.pem"
)


def test_tls_in_daemon_json_with_the_seeds_certificates(fresh: Machine) -> None:
    """E1, E2, E11, F1, F3, F4: S2's recipe and its daemon.json, flags and environment."""
    fresh.check(CERTIFICATES)
    fresh.write(DROP_IN, WITHOUT_HOSTS)
    hosts = {"hosts": ["unix:///var/run/docker.sock", "tcp://0.0.0.0:2376"]}
    fresh.write("/etc/docker/daemon.json", json.dumps(TLS_KEYS | hosts))
    fresh.check(RESTART)
    assert fresh.check(f"{CLIENT} -H=127.0.0.1:2376 ps -q") == ""
    environment = "DOCKER_HOST=tcp://localhost:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=~/certs"
    assert "Server Version" in fresh.check(f"{environment} docker info")
    refused = fresh.run("docker -H tcp://127.0.0.1:2376 ps")
    assert refused.returncode == 1
    assert "Client sent an HTTP request to an HTTPS server." in refused.stderr
    assert fresh.check("docker ps -q") == "", "TLS is never for the unix socket"


def test_tls_on_a_tcp_socket_of_systemd(fresh: Machine) -> None:
    """D13, E7: S2, CoreOS with TLS: no hosts in daemon.json, the socket's port is 2376."""
    fresh.check(CERTIFICATES)
    socket = TCP_SOCKET.replace("ListenStream=2375\n", "ListenStream=2376\n")
    fresh.write("/etc/systemd/system/docker-tcp.socket", socket)
    fresh.write("/etc/docker/daemon.json", json.dumps(TLS_KEYS))
    fresh.check("systemctl daemon-reload")
    fresh.check("systemctl stop docker")
    fresh.check("systemctl restart docker-tcp.socket")
    fresh.check("systemctl restart docker")
    assert fresh.check(f"{CLIENT} -H=localhost:2376 ps -q") == ""
    assert fresh.run("docker -H localhost:2376 ps").returncode == 1
    assert fresh.check("docker ps -q") == ""


def test_a_hang_up_reloads(fresh: Machine) -> None:
    """D18: S1's command, and systemd's."""
    fresh.write("/etc/docker/daemon.json", '{"labels": ["stage=one"], "debug": true}')
    fresh.check("kill -SIGHUP $(pidof dockerd)")
    fresh.check(
        "for i in $(seq 100); do journalctl -u docker -o cat | grep -q 'Reloaded configuration: {'"
        " && break; sleep 0.1; done"
    )
    info = fresh.check("docker info 2>&1")
    assert "stage=one" in info
    assert "Debug Mode: true" in info
    log = fresh.check("journalctl -u docker -o cat")
    assert 'msg="Got signal to reload configuration" config-file=/etc/docker/daemon.json' in log
    fresh.write("/etc/docker/daemon.json", '{"labels": ["stage=two"]}')
    # systemd waits for READY after RELOADING: when this returns, it is done.
    fresh.check("systemctl reload docker")
    assert "stage=two" in fresh.check("docker info 2>&1")
    fresh.write("/etc/docker/daemon.json", '{"labels": ["stage=three"]')
    fresh.check("systemctl reload docker")
    assert fresh.check("systemctl is-active docker") == "active\n"
    assert "stage=two" in fresh.check("docker info 2>&1")
    assert "unexpected end of JSON input" in fresh.check("journalctl -u docker -p err -o cat -n 5")
