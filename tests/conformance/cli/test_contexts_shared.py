"""Contexts: the same words as the genuine client's, and files that either client reads."""

from __future__ import annotations

import io
import json
import re
import tarfile
from difflib import unified_diff
from functools import cache
from pathlib import Path

import pytest

from support.genuine_cli import docker_cli, docker_cli_28
from support.tls import make_ca, now
from support.wharfie_command import command, run
from wharfie.pki.certificates import client_request, encode_certificate, issue
from wharfie.pki.keys import KeyType, encode_key

CREATE = ("context", "create")
STEPS: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["context", "ls"]),
    ({}, ["context", "show"]),
    ({}, ["context", "inspect"]),
    ({}, [*CREATE, "plain", "--docker", "host=tcp://h:1", "--description", "a <b> \"c\" é"]),
    ({}, [*CREATE, "tls", "--docker", "host=tcp://h:2,ca=ca.pem,cert=cert.pem,key=key.pem"]),
    ({}, [*CREATE, "insecure", "--docker", "host=tcp://h:3,skip-tls-verify=1"]),
    ({}, [*CREATE, "ssh10", "--docker", "host=ssh://me@box"]),
    ({}, [*CREATE, "ssh9", "--from", "ssh10"]),
    ({}, [*CREATE, "copy", "--docker", "from=plain"]),
    ({}, [*CREATE, "now"]),
    ({"DOCKER_HOST": "tcp://now:5"}, [*CREATE, "later", "--description", "x"]),
    ({}, [*CREATE, "plain"]),
    ({}, [*CREATE, "default"]),
    ({}, [*CREATE, "no name"]),
    ({}, [*CREATE, "bad", "--docker", "host=foo"]),
    ({}, [*CREATE, "bad", "--docker", "host=ssh://a:b@c"]),
    ({}, [*CREATE, "bad", "--docker", "thing=x"]),
    ({}, [*CREATE, "bad", "--docker", "host=tcp://h:1,ca=/none"]),
    ({}, [*CREATE, "bad", "--docker", "skip-tls-verify=maybe"]),
    ({}, [*CREATE, "bad", "--docker", "foo"]),
    *(
        ({}, [*CREATE, "bad", "--docker", f"host=tcp://h:1,{files}"])
        for files in (
            "ca=junk.pem",
            "cert=cert.pem,key=junk.pem",
            "cert=junk.pem,key=key.pem",
            "cert=cert.pem,key=other.pem",
            "cert=cert.pem,key=rsa.pem",
            "cert=cert.pem,key=locked.pem",
        )
    ),
    ({}, [*CREATE, "keyless", "--docker", "host=tcp://h:1,cert=cert.pem"]),
    ({}, [*CREATE, "unused", "--docker", "host=ssh://h,ca=junk.pem"]),
    ({}, [*CREATE, "bad", "--from", "none"]),
    ({}, [*CREATE, "bad", "--docker", "from=none"]),
    ({}, [*CREATE, "bad", "--from", "plain", "--docker", "host=tcp://h:1"]),
    ({}, ["context", "ls"]),
    ({}, ["context", "ls", "-q"]),
    ({}, ["context", "ls", "--format", "json"]),
    ({}, ["context", "ls", "--format", "table {{.Name}}\t{{.DockerEndpoint}}"]),
    ({}, ["context", "inspect", "plain", "tls", "copy", "none", "default"]),
    ({}, ["context", "inspect", "--format", "{{.Name}} {{.Endpoints.docker.Host}}", "tls"]),
    ({}, ["context", "inspect", "--format", "json", "tls"]),
    ({}, ["context", "use", "tls"]),
    ({}, ["context", "use", "none"]),
    ({}, ["context", "show"]),
    ({}, ["context", "ls"]),
    ({"DOCKER_CONTEXT": "plain"}, ["context", "show"]),
    ({"DOCKER_CONTEXT": "none"}, ["context", "ls"]),
    ({"DOCKER_HOST": "tcp://x:1"}, ["context", "ls"]),
    ({"DOCKER_HOST": "tcp://x:1"}, ["context", "use", "plain"]),
    ({"DOCKER_HOST": "tcp://x:1"}, ["context", "inspect"]),
    ({"DOCKER_HOST": "tcp://x:1"}, ["--context", "tls", "context", "ls"]),
    ({}, ["context", "update", "plain", "--description", "other"]),
    ({}, ["context", "update", "copy", "--docker", "host=tcp://h:9,ca=ca.pem"]),
    ({}, ["context", "update", "none", "--description", "x"]),
    ({}, ["context", "update", "default", "--description", "x"]),
    ({}, ["context", "inspect", "copy", "plain"]),
    ({}, ["context", "export", "tls"]),
    ({}, ["context", "export", "tls"]),
    ({}, ["context", "export", "tls", "other.tar"]),
    ({}, ["context", "export", "none"]),
    ({}, ["context", "import", "back", "tls.dockercontext"]),
    ({}, ["context", "import", "back", "tls.dockercontext"]),
    ({}, ["context", "import", "bad", "none"]),
    ({}, ["context", "import", "bad", "no-meta.tar"]),
    ({}, ["context", "import", "bad", "stray.tar"]),
    ({}, ["context", "inspect", "back"]),
    ({}, ["context", "rm", "plain", "none", "default", "copy"]),
    ({}, ["context", "rm", "-f", "plain", "none", "insecure"]),
    ({}, ["context", "ls"]),
    ({}, ["context", "use", "default"]),
    ({}, ["context", "foo"]),
    ({}, ["--context", "none", "ps"]),
]  # fmt: skip


def archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


@cache
def material() -> dict[str, bytes]:
    ca = make_ca()
    request = client_request("me", days=2, key_type=KeyType.ECDSA_P256)
    mine, other = (issue(ca, request, now=now()) for _ in range(2))
    rsa = client_request("me", days=2, key_type=KeyType.RSA_2048)
    return {
        "ca.pem": encode_certificate(ca.certificate),
        "cert.pem": encode_certificate(mine.certificate),
        "key.pem": encode_key(mine.key),
        "other.pem": encode_key(other.key),
        "rsa.pem": encode_key(issue(ca, rsa, now=now()).key),
        "locked.pem": encode_key(mine.key, b"abcd"),
    }


def prepare(folder: Path) -> Path:
    folder.mkdir()
    for name, content in material().items():
        (folder / name).write_bytes(content)
    (folder / "junk.pem").write_text("junk\n")
    (folder / "no-meta.tar").write_bytes(archive("tls/docker/ca.pem"))
    (folder / "stray.tar").write_bytes(archive("stray"))
    return folder


def said(done: object, home: Path) -> str:
    return str(done).replace(str(home), "HOME")


def test_every_step_says_what_the_genuine_client_says(tmp_path: Path) -> None:
    genuine = [docker_cli_28(since_changed=True)]
    ours, theirs = prepare(tmp_path / "ours"), prepare(tmp_path / "them")
    for number, (environment, argv) in enumerate(STEPS):
        outcomes = [
            run(argv, program=program, home=home, cwd=home, **environment)
            for program, home in ((command("docker"), ours), (genuine, theirs))
        ]
        words = [
            (done.returncode, said(done.stdout.decode(), home), said(done.stderr.decode(), home))
            for done, home in zip(outcomes, (ours, theirs), strict=True)
        ]
        if argv[1:3] == ["import", "bad"] and argv[-1] == "stray.tar":
            run(["context", "rm", "-f", "bad"], program=genuine, home=theirs)
        texts = ["\n".join(map(str, outcome)).splitlines() for outcome in words]
        difference = "\n".join(unified_diff(*texts, "ours", "theirs", n=1))
        assert not difference, f"step {number}: {environment} {argv}\n{difference}"
    assert tree(ours) == tree(theirs)


def tree(home: Path) -> dict[str, tuple[int, str]]:
    found = {}
    for path in sorted((home / ".docker").rglob("*")):
        if path.is_file():
            text = path.read_text()
            found[str(path.relative_to(home))] = (path.stat().st_mode & 0o777, text)
    return found


CLIENTS = [pytest.param(("wharfie", "docker"), id="ours to theirs"),
           pytest.param(("docker", "wharfie"), id="theirs to ours")]  # fmt: skip


@pytest.mark.parametrize("clients", CLIENTS)
def test_what_one_client_writes_the_other_uses(clients: tuple[str, str], tmp_path: Path) -> None:
    writer, reader = ([docker_cli()] if c == "docker" else command() for c in clients)
    home = prepare(tmp_path / "home")
    (home / ".docker").mkdir()
    settings = {"HttpHeaders": {"X-Mine": "1"}, "auths": {}}
    (home / ".docker/config.json").write_text(json.dumps(settings))

    def ask(program: list[str], *argv: str) -> str:
        done = run(list(argv), program=program, home=home, cwd=home)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    tls = "host=tcp://h:2,ca=ca.pem,cert=cert.pem,key=key.pem"
    ask(writer, *CREATE, "one", "--docker", tls, "--description", "mine")
    ask(writer, "context", "use", "one")
    assert ask(reader, "context", "show") == "one\n"
    found = json.loads(ask(reader, "context", "inspect", "one"))[0]
    assert found["Endpoints"]["docker"]["Host"] == "tcp://h:2"
    assert found["TLSMaterial"] == {"docker": ["ca.pem", "cert.pem", "key.pem"]}
    ask(reader, "context", "export", "one", "one.tar")
    ask(writer, "context", "import", "two", "one.tar")
    assert "two" in ask(reader, "context", "ls", "-q").split()
    kept = Path(found["Storage"]["TLSPath"]) / "docker/key.pem"
    assert kept.read_bytes() == material()["key.pem"]
    assert kept.stat().st_mode & 0o777 == 0o600
    ask(reader, "context", "use", "default")
    assert ask(writer, "context", "show") == "default\n"
    ask(writer, "context", "rm", "one", "two")
    assert ask(reader, "context", "ls", "-q") == "default\n"
    assert not [p for p in (home / ".docker/contexts").rglob("*") if p.is_file()]
    stored = json.loads((home / ".docker/config.json").read_text())
    assert stored["HttpHeaders"] == {"X-Mine": "1"}
    assert not re.search("currentContext", json.dumps(stored))
