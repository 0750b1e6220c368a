"""The create bodies of `run` and `create` are those of the genuine client, flag by flag."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support.genuine_cli import docker_cli_28
from support.recording_daemon import RecordingDaemon, Request
from support.wharfie_command import command, run

SECCOMP = '{"defaultAction": "SCMP_ACT_ALLOW",  "syscalls": []}'

FLAGS = [
    "",
    "-it",
    "-i",
    "-a stdout",
    "-a stdin -a STDERR",
    "--rm --name foo",
    "-e A=b -e C -e HOME",
    "--env-file {dir}/env -e X=y",
    "--label a=b --label c --label-file {dir}/labels",
    "-v /a:/b -v v:/c:ro -v /anonymous -v ./rel:/d -v ab:/c,d:rw",
    "-v C:\\x:/y",
    "-v a::b",
    "--mount type=bind,src=/a,dst=/b,ro,bind-propagation=rslave",
    "--mount type=bind,source=/a,target=/b,readonly=false",
    "--mount type=bind,src=/a,dst=/b,ro,bind-recursive=readonly,bind-propagation=rprivate",
    "--mount type=bind,src=/a,dst=/b,bind-recursive=disabled",
    "--mount dst=/v,src=x,volume-label=a=b,volume-opt=o=1,volume-subpath=q,volume-nocopy",
    "--mount type=volume,dst=/v,volume-driver=local,volume-opt=type=nfs",
    "--mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770",
    "--mount type=tmpfs,dst=/t",
    "--mount type=image,src=busybox,dst=/t,image-subpath=x",
    "--mount type=bind,src=./x,dst=/t,consistency=cached",
    "--tmpfs /z:size=3 --tmpfs /y",
    "-p 80",
    "-p 8080:80 -p 8080-8082:90-92 -p 127.0.0.1::99/udp -p [::1]:5:6 -p 1000-1010:7",
    "-p target=80,published=8080,protocol=udp,mode=host",
    "-P --expose 100-102/udp --expose 7",
    "-w /w -u root:x --hostname h --domainname d",
    "--network host",
    "--network bridge",
    "--network default",
    "--network n1",
    "--network host --hostname x --ip 1.2.3.4",
    "--network bridge --mac-address 02:42:ac:11:00:02",
    "--cap-add chown --cap-drop chown --cap-drop ALL",
    "--network none",
    "--network container:abc",
    "--network n1 --network-alias a --network-alias b --ip 10.0.0.2 --ip6 ::2",
    "--network name=n1,alias=x,ip=10.1.1.1,driver-opt=a=b,gw-priority=3 --network n2",
    "--network name=n1,mac-address=02:42:ac:11:00:02,link-local-ip=169.254.1.1",
    "--net n1 --net-alias x --link foo:bar",
    "--link foo:bar --link baz",
    "--mac-address 02:42:ac:11:00:02",
    "--link-local-ip 169.254.3.4 --network n",
    "--entrypoint /bin/sh",
    "--entrypoint=",
    "--add-host a:1.2.3.4 --add-host b:host-gateway --add-host c=[::1] --add-host d:::1",
    "--dns 1.1.1.1 --dns-search x.y --dns-search . --dns-option ndots:1 --dns-opt a",
    "--cpus 1.5 -c 512 --cpuset-cpus 0-3 --cpuset-mems 0 --cpu-period 1000 --cpu-quota 2000",
    "--cpus .25",
    "--cpu-rt-period 5 --cpu-rt-runtime 4",
    "-m 10m --memory-swap -1 --memory-reservation 5M --memory-swappiness 3 --shm-size 1.5g",
    "-m 1024b --memory-swap 20mb --kernel-memory 4m",
    "--cap-add NET_ADMIN --cap-add all --cap-drop chown",
    "--device /dev/null --device /dev/null:/dev/x --device /dev/null:/dev/y:r",
    "--device /dev/null:rw",
    "--device vendor.com/class=name",
    "--device-cgroup-rule 'c 1:3 r'",
    "--device-read-bps /dev/a:1mb --device-write-bps /dev/a:2 --device-read-iops /dev/b:3"
    " --device-write-iops /dev/c:4",
    "--blkio-weight 300 --blkio-weight-device /dev/null:100",
    "--gpus all",
    "--gpus 2",
    "--gpus device=1,driver=nvidia",
    '--gpus \'"device=0,1","capabilities=utility,compute"\'',
    "--group-add x --group-add 5 --privileged --read-only --init",
    "--init=false --oom-kill-disable --oom-score-adj -5 --pids-limit 4",
    "--ipc host --pid host --uts host --userns host --cgroupns private",
    "--ipc container:x --pid container:y",
    "--health-cmd 'foo bar' --health-interval 3s --health-timeout 1m30s --health-retries 2"
    " --health-start-period 1h --health-start-interval 500ms",
    "--no-healthcheck",
    "--restart on-failure:3",
    "--restart unless-stopped",
    "--log-driver json-file --log-opt max-size=1m --log-opt a",
    "--stop-signal SIGQUIT --stop-timeout 0",
    "--security-opt no-new-privileges --security-opt seccomp=unconfined",
    "--security-opt label:disable",
    "--security-opt seccomp={dir}/seccomp.json",
    "--security-opt systempaths=unconfined --security-opt apparmor=x",
    "--storage-opt size=1G --sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=2",
    "--ulimit nofile=3:4 --ulimit core=0 --ulimit nproc=-1",
    "--annotation a=b --annotation c --runtime runc --isolation default --cgroup-parent /x",
    "--volumes-from z --volumes-from y:ro --volume-driver vd",
    "--platform linux/amd64",
    "--cidfile {dir}/cid-{client}",
    "--cpu-count 1 --cpu-percent 2 --io-maxbandwidth 3m --io-maxiops 4",
    "--detach=false --tty=false --rm=0",
]
COMMANDS = ["", "echo hi", "sh -c 'a b' -x --rm"]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "env").write_text("# comment\nQ=1\n\nHOME\nNOPE_NOT_SET\nS= spaced \n")
    (tmp_path / "labels").write_text("l=1\nm\n")
    (tmp_path / "seccomp.json").write_text(SECCOMP)
    return tmp_path


def requests_of(
    program: list[str], argv: list[str], workspace: Path, routes: dict | None = None
) -> tuple[int, str, list[Request]]:
    with RecordingDaemon(workspace / "s", routes) as daemon:
        done = run(argv, program=[*program, "-H", daemon.host], home=workspace, cwd=workspace)
        recorded = daemon.take()
    os.unlink(workspace / "s")
    return done.returncode, done.stderr.decode(), recorded


def split(text: str, workspace: Path, client: str) -> list[str]:
    words: list[str] = []
    for number, part in enumerate(text.split("'")):
        words += [part] if number % 2 else part.split()
    return [word.replace("{dir}", str(workspace)).replace("{client}", client) for word in words]


def normal(body: bytes, client: str) -> object:
    document = json.loads(body.decode().replace(f"cid-{client}", "cid-"))
    host = document["HostConfig"]
    if host["Binds"]:
        host["Binds"].sort()
    if document["Env"]:
        document["Env"].sort()  # Docker's own order differs from run to run
    return document


def by_path(seen: list[tuple]) -> list[tuple]:
    """Docker sends attach, wait and start from three threads: their order is chance."""
    return sorted(seen, key=lambda item: item[1])


def both(verb: str, text: str, tail: str, workspace: Path) -> list[tuple]:
    outcomes = []
    for client, program in (("docker", [docker_cli_28()]), ("wharfie", command("docker"))):
        argv = [verb, *split(text, workspace, client), "busybox", *split(tail, workspace, client)]
        code, errors, recorded = requests_of(program, argv, workspace)
        seen = [
            (
                item.method,
                item.path,
                item.query,
                normal(item.body, client) if item.body else None,
                item.headers.get("content-type"),
            )
            for item in recorded
        ]
        outcomes.append((code, errors, seen))
    return outcomes


@pytest.mark.parametrize("text", FLAGS)
def test_create_sends_what_docker_sends(text: str, workspace: Path) -> None:
    if text.startswith(("--detach=", "--rm")):
        text = text.replace("--detach=false ", "").replace("--rm=0", "")
    theirs, ours = both("create", text, "echo hi", workspace)
    assert ours == theirs


@pytest.mark.parametrize("tail", COMMANDS)
def test_words_behind_the_image_are_the_command(tail: str, workspace: Path) -> None:
    theirs, ours = both("create", "--rm", tail, workspace)
    assert ours == theirs


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-i",
        "--rm",
        "-a stdout",
        "--detach-keys ctrl-x,y",
        "--detach-keys a,foo",
        "--sig-proxy=false -e A=b",
    ],
)
def test_run_makes_the_same_calls(text: str, workspace: Path) -> None:
    theirs, ours = both("run", text, "true", workspace)
    assert ours[:2] == theirs[:2]
    assert by_path(ours[2]) == by_path(theirs[2])


def test_run_attaches_and_waits_before_it_starts(workspace: Path) -> None:
    _, _, recorded = requests_of(command(), ["run", "busybox", "true"], workspace)
    assert [item.path.rpartition("/")[2] for item in recorded] == [
        "create",
        "attach",
        "wait",
        "start",
    ]


def test_detached_run_makes_the_calls_that_matter(workspace: Path) -> None:
    theirs, ours = both("run", "-d", "true", workspace)
    assert ours[0] == theirs[0] == 0
    waits = [item for item in theirs[2] if item[1].endswith("/wait")]
    assert ours[2] == [item for item in theirs[2] if item not in waits]


WRONG = [
    "--memory abc",
    "--memory",
    "--cpus x",
    "--cpus 0.0000000001",
    "--cpu-shares 99999999999999999999",
    "--blkio-weight -1",
    "--rm=x",
    "--nope",
    "-Z",
    "--mount foo",
    "--mount type=bind,dst=/x,foo=bar",
    "--mount src=/x",
    "--mount type=tmpfs,dst=/x,volume-nocopy",
    "--mount type=bind,src=/a,dst=/b,bind-recursive=x",
    "--mount type=tmpfs,dst=/x,tmpfs-size=x",
    "--mount type=tmpfs,dst=/x,tmpfs-mode=9",
    "--mount 'a,\"b'",
    "-v a:b:",
    "-v xx:yy:zz:ww",
    "-p x:y",
    "-p 1:2:3:4",
    "-p 80-81:90",
    "-p 99999:1",
    "-p 1.2.3:80:80",
    "-p 80/foo",
    "-p target",
    "--expose 1:2",
    "--expose x",
    "--add-host x",
    "--add-host a:foo",
    "--dns foo",
    "--dns-search -x-",
    "--link a:b:c",
    "--ulimit foo=1",
    "--ulimit nofile=4:3",
    "--ulimit nofile",
    "--sysctl foo=1",
    "--attach foo",
    "--device foo",
    "--device /dev/a:/dev/b:x",
    "--device-cgroup-rule x",
    "--device-read-bps foo",
    "--blkio-weight-device /dev/x:3",
    "--gpus count=x",
    "--gpus foo=bar",
    "--label =x",
    "--env =x",
    "--env-file /nonexistent",
    "--network name=a,foo=b",
    "--network alias=b",
    "--network a --network a",
    "--network host --network a",
    "--network host --network-alias b",
    "--network name=a,ip=1.1.1.1 --ip 2.2.2.2",
    "--mac-address foo",
    "--restart x:y",
    "--restart :3",
    "--rm --restart always",
    "--no-healthcheck --health-cmd x",
    "--health-interval x",
    "--health-interval -1s",
    "--health-interval 5",
    "--memory-swappiness 101",
    "--pid foo",
    "--uts foo",
    "--userns foo",
    "--cgroupns foo",
    "--security-opt foo",
    "--security-opt seccomp=/nonexistent",
    "--log-driver none --log-opt a=b",
    "--storage-opt foo",
    "--pull foo",
    "-d -a stdin",
    "-it",
]


@pytest.mark.parametrize("text", WRONG)
def test_wrong_flags_fail_with_docker_s_words(text: str, workspace: Path) -> None:
    if text.startswith("-p "):
        docker_cli_28(since_changed=True)
    theirs, ours = both("run", text, "", workspace)
    assert ours == theirs
