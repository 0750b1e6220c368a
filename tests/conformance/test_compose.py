"""Genuine docker compose: a project of five services, up, scaled, restarted and down, twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.compose import Project
from support.daemon import Daemon

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

PROJECT = """\
services:
  db:
    image: busybox
    command: sh -c "sleep 1; touch /data/ready; exec httpd -f -p 5432 -h /data"
    volumes: ["data:/data"]
    healthcheck:
      test: ["CMD", "test", "-e", "/data/ready"]
      interval: 300ms
      timeout: 2s
      retries: 20
    networks:
      back: {aliases: [database]}
    secrets: [password]
  cache:
    image: busybox
    command: sleep 600
    tmpfs: [/scratch]
    volumes: [/anonymous]
    networks: [back]
  web:
    image: busybox
    command: httpd -f -p 80
    depends_on:
      db: {condition: service_healthy}
      cache: {condition: service_started}
    networks:
      front: {ipv4_address: 10.213.7.20}
      back: {}
    ports: ["127.0.0.1:8085:80"]
    environment: {MODE: test}
    configs: [{source: settings, target: /etc/settings}]
  worker:
    image: busybox
    command: sleep 600
    networks: [back]
    volumes: ["data:/data:ro"]
    depends_on: [db]
  admin:
    image: busybox
    command: sleep 600
    profiles: [tools]
    networks: [front]
networks:
  front:
    ipam: {config: [{subnet: 10.213.7.0/24, gateway: 10.213.7.1}]}
    labels: {tier: front}
  back:
    internal: true
volumes:
  data: {labels: {kept: "no"}}
secrets:
  password: {file: ./password.txt}
configs:
  settings: {file: ./settings.txt}
"""

OLD = """\
version: "2.4"
services:
  db:
    image: busybox
    command: sh -c "sleep 1; touch /data/ready; exec httpd -f -p 5432 -h /data"
    volumes: ["data:/data"]
    healthcheck:
      test: ["CMD", "test", "-e", "/data/ready"]
      interval: 1s
      timeout: 2s
      retries: 20
    networks:
      back: {aliases: [database]}
  cache:
    image: busybox
    command: sleep 600
    networks: [back]
  web:
    image: busybox
    command: httpd -f -p 80
    depends_on:
      db: {condition: service_healthy}
    links: ["cache:store"]
    networks:
      front: {ipv4_address: 10.213.7.20}
      back: {}
    ports: ["127.0.0.1:8085:80"]
  worker:
    image: busybox
    command: sleep 600
    networks: [back]
    volumes: ["data:/data:ro"]
  admin:
    image: busybox
    command: sleep 600
    profiles: [tools]
    networks: [front]
networks:
  front:
    ipam: {config: [{subnet: 10.213.7.0/24, gateway: 10.213.7.1}]}
  back:
    internal: true
volumes:
  data: {}
"""


@pytest.fixture(scope="module")
def composed() -> Iterator[Daemon]:
    with Daemon() as daemon:
        daemon.start()
        daemon.load_busybox()
        yield daemon


def containers(daemon: Daemon) -> dict[str, str]:
    """IDs of the project's containers by name."""
    found = daemon.json("GET", "/containers/json?all=1")
    return {one["Names"][0].lstrip("/"): one["Id"] for one in found}  # type: ignore[union-attr]


def inside(daemon: Daemon, container: str, *command: str) -> str:
    done = daemon.docker("exec", container, *command)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def check_running(daemon: Daemon, join: str, *, old: bool) -> None:
    web, worker = f"proj{join}web{join}1", f"proj{join}worker{join}1"
    shown = daemon.json("GET", f"/containers/{web}/json")
    networks = shown["NetworkSettings"]["Networks"]  # type: ignore[index]
    assert networks["proj_front"]["IPAddress"] == "10.213.7.20"
    assert set(networks) == {"proj_front", "proj_back"}
    for name in ("db", "database", "cache", "worker", f"proj{join}db{join}1"):
        assert "Address" in inside(daemon, web, "nslookup", name), name
    assert inside(daemon, web, "wget", "-qO-", "http://database:5432/ready") == ""
    assert "ready" in inside(daemon, worker, "ls", "/data")
    assert daemon.docker("exec", worker, "touch", "/data/x").returncode == 1
    assert daemon.docker("exec", worker, "nslookup", "admin").returncode != 0
    if old:
        assert "Address" in inside(daemon, web, "nslookup", "store")
    else:
        assert inside(daemon, web, "cat", "/etc/settings") == "verbose\n"
        db = f"proj{join}db{join}1"
        assert inside(daemon, db, "cat", "/run/secrets/password") == "hunter2\n"
    done = daemon.namespaces.run("/bin/busybox", "wget", "-qO-", "http://127.0.0.1:8085/")
    assert "404" in done.stderr


def check_gone(daemon: Daemon) -> None:
    assert containers(daemon) == {}
    networks = daemon.json("GET", "/networks")
    assert {one["Name"] for one in networks} == {"bridge", "host", "none"}  # type: ignore[union-attr]
    assert daemon.json("GET", "/volumes")["Volumes"] == []  # type: ignore[index]


@pytest.mark.parametrize("age", ["trixie", "sid", "v1"])
def test_a_project_of_five_services(composed: Daemon, age: str, tmp_path: Path) -> None:
    daemon, old = composed, age == "v1"
    project = Project(daemon, age, tmp_path / "p", OLD if old else PROJECT)
    (tmp_path / "p/password.txt").write_text("hunter2\n")
    (tmp_path / "p/settings.txt").write_text("verbose\n")
    join = "_" if old else "-"
    for _ in range(1 if old else 2):
        project.check("up", "-d")
        first = containers(daemon)
        assert len(first) == 4
        check_running(daemon, join, old=old)
        project.check("up", "-d")
        assert containers(daemon) == first, "needlessly recreated"
        project.check("up", "-d", "--scale", "worker=3")
        scaled = containers(daemon)
        assert scaled.items() > first.items()
        assert len(scaled) == 6
        assert inside(daemon, f"proj{join}web{join}1", "nslookup", "worker").count("Address") == 4
        project.check("up", "-d", "-t", "0", "--scale", "worker=1")
        assert containers(daemon) == first
        project.check("restart", "-t", "0", "web", "cache")
        assert containers(daemon) == first
        check_running(daemon, join, old=old)
        project.check("--profile", "tools", "up", "-d", "admin")
        assert len(containers(daemon)) == 5
        told = project.check("ps", "-a")
        assert "web" in told
        project.check("stop", "-t", "0")
        project.check("start")
        project.check("--profile", "tools", "down", "-v", "-t", "0")
        check_gone(daemon)


def test_health_as_compose_ps_tells_it(composed: Daemon, tmp_path: Path) -> None:
    project = Project(composed, "sid", tmp_path / "p", PROJECT)
    (tmp_path / "p/password.txt").write_text("x\n")
    (tmp_path / "p/settings.txt").write_text("x\n")
    try:
        project.check("up", "-d", "--wait", "db")
        told = project.check("ps", "--format", "json")
        assert json.loads(told.splitlines()[0])["Health"] == "healthy"
    finally:
        project.check("--profile", "tools", "down", "-v", "-t", "0")
    check_gone(composed)
