"""Every verb calls what the genuine client calls: method, path, query, body, in this order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.genuine_cli import docker_cli_28
from support.recording_daemon import CONTAINER_ID, RecordingDaemon, Reply
from support.wharfie_command import command, run

CONTAINER = {
    "Id": CONTAINER_ID,
    "Name": "/c",
    "State": {"Running": True, "Status": "running"},
    "Config": {"Tty": False, "OpenStdin": True},
    "HostConfig": {"AutoRemove": False},
}
ROUTES = {
    ("GET", "/containers/c/json"): Reply.of(CONTAINER),
    ("POST", "/containers/c/exec"): Reply.of({"Id": "e1"}, 201),
    ("POST", "/exec/e1/start"): Reply(hijack=True),
    ("GET", "/exec/e1/json"): Reply.of({"ExitCode": 3, "Running": False}),
    ("POST", "/containers/c/attach"): Reply(hijack=True),
    ("POST", "/containers/c/wait"): Reply.of({"StatusCode": 4}),
    ("POST", "/containers/c/start"): Reply(204),
    ("POST", "/containers/create"): Reply.of({"message": "No such image: busybox:latest"}, 404),
    ("POST", "/images/create"): Reply.of({"status": "done"}),
    ("POST", "/commit"): Reply.of({"Id": "sha256:1"}, 201),
}
CALLS = """
exec c ls
exec -i --privileged -u x -w / -e A=b c ls
start c
start -a c
start -ai c
run busybox
run --pull always x.y/busybox:1
create -i -t busybox
logs -f --tail 3 -t --since 2026-01-01T00:00:00Z c
commit -m x -a y -c CMD=x --pause=false c foo:bar
pull -a busybox
pull busybox
pull -q r.io/a/b@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
push busybox
load -i /etc/hostname
import /etc/hostname foo
import http://x/y foo:1
save a
ps -a -f name=a -f name=b
ps -n 3 -s
ps -l
ps --format {{.Size}}
images -a foo
images --digests -f dangling=true
rm -f -v c
rmi -f c
stop -t 3 c
restart -s HUP c
kill c
kill -s 9 c
wait c
top c -ef
diff c
rename c d
update -m 3m --restart always --cpus 1.5 c
events --since 1 --until 2 -f type=container
network create --subnet 10.0.0.0/24 --gateway 10.0.0.1 --ip-range 10.0.0.0/25 -o x=y n
network create --ipv6 --internal --label a=b --aux-address a=10.0.0.5 --subnet 10.0.0.0/24 n
network create --ipv4=false --attachable n
network connect --ip 1.2.3.4 --alias x --link a:b --driver-opt a=b n c
network connect n c
network disconnect -f n c
network ls -f driver=x
network prune -f
volume create -d x -o a=b --label c=d v
volume create
volume ls -f dangling=1
volume rm -f v
volume prune -f -a
container prune -f --filter until=1h
image prune -af
stats --no-stream c
inspect c
inspect --type image c
inspect -s c
container inspect c
network inspect -v c
history c
tag a b:c
tag a b/c
export c
pause c
unpause c
""".strip().splitlines()


def calls(program: list[str], words: list[str], folder: Path) -> tuple:
    with RecordingDaemon(folder / "s", ROUTES) as daemon:
        done = run(words, program=[*program, "-H", daemon.host], home=folder, cwd=folder)
        recorded = daemon.take()
    (folder / "s").unlink()
    seen = []
    for item in recorded:
        kind = item.headers.get("content-type")
        body = json.loads(item.body) if kind == "application/json" else item.body
        query = [(k, json.loads(v)) if k == "filters" else (k, v) for k, v in item.query]
        seen.append((item.method, item.path, query, plain(body), kind))
    return done.returncode, done.stdout, done.stderr, seen


def plain(body: object) -> object:
    """Leave out what is null or empty: `update` and `connect` send many zeroes either way."""
    if isinstance(body, dict):
        kept = {key: plain(value) for key, value in body.items()}
        return {key: value for key, value in kept.items() if value not in (None, 0, "", [], {})}
    return body


@pytest.mark.parametrize("line", CALLS)
def test_both_clients_make_the_same_calls(line: str, tmp_path: Path) -> None:
    program = docker_cli_28(since_changed=line.startswith("push "))
    theirs = calls([program], line.split(), tmp_path)
    ours = calls(command("docker"), line.split(), tmp_path)
    assert ours == theirs
