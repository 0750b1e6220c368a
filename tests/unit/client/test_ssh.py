from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from wharfie.client import ssh
from wharfie.client.dialing import Stream, dial
from wharfie.client.endpoint import parse_endpoint
from wharfie.client.errors import InvalidSshUrl, TransportError
from wharfie.client.ssh import control_directory, remote_words, ssh_words


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime directory with a name short enough for control sockets."""
    with tempfile.TemporaryDirectory(prefix="wh-", dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


@pytest.fixture
def fake_ssh(tmp_path: Path, short: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called ssh whose body each test writes; its arguments are kept beside it."""
    ssh._own_paths.clear()
    program = tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.touch(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def write(program: Path, body: str, *, configuration: str = "") -> None:
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = -G ]; then echo "{configuration}"; exit; fi\n'
        f'printf "%s\\n" "$@" > "$0.arguments"\n{body}\n'
    )


def everything(stream: Stream) -> bytes:
    data = b""
    while piece := stream.recv():
        data += piece
    return data


def test_an_address_says_who_logs_in_where() -> None:
    endpoint = parse_endpoint("ssh://me@box:2222/run/x.sock")
    assert (endpoint.scheme, endpoint.user, endpoint.host, endpoint.port, endpoint.path) == (
        "ssh", "me", "box", 2222, "/run/x.sock"
    )  # fmt: skip
    assert endpoint.base_url == "http://docker.example.com"
    assert ssh_words(endpoint)[3:] == ["-T", "-l", "me", "-p", "2222", "--", "box"]
    assert "--host '\\''unix:///run/x.sock'\\'' system dial-stdio" in remote_words(endpoint)[2]
    bare = parse_endpoint("ssh://box/")
    assert ssh_words(bare)[3:] == ["-T", "--", "box"]
    assert "--host" not in remote_words(bare)[2]
    assert parse_endpoint("ssh://[::1]:22").host == "::1"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ssh://", "hostname is empty"),
        ("ssh://u:secret@box", "plain-text password is not supported"),
        ("ssh://box?x=1", 'query parameters are not allowed: "x=1"'),
        ("ssh://box#x", 'fragments are not allowed: "x"'),
        ("ssh://box:0", "invalid port"),
        ("ssh://box:port", "invalid port"),
        ("ssh://-oProxyCommand=evil", "dash"),
        ("ssh://-oProxyCommand=evil@box", "dash"),
        ("ssh://b ox", "invalid character"),
        ("ssh://b$(id)", "invalid character"),
    ],
)
def test_a_wrong_address_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidSshUrl) as caught:
        parse_endpoint(text)
    assert why in str(caught.value)


def test_bytes_go_both_ways_and_half_close(fake_ssh: Path, short: Path) -> None:
    write(fake_ssh, "tr a-z A-Z; echo end")
    stream = dial(parse_endpoint("ssh://box"))
    stream.send(b"hello ")
    stream.close_write()
    assert everything(stream) == b"HELLO end\n"
    stream.close()
    arguments = Path(f"{fake_ssh}.arguments").read_text().splitlines()
    assert "ControlMaster=auto" in arguments
    assert f"ControlPath={short}/wharfie-ssh-{os.getuid()}/%C" in arguments


def test_the_reason_of_a_failure_is_told(fake_ssh: Path) -> None:
    write(fake_ssh, "echo 'no such box' >&2; exit 255")
    stream = dial(parse_endpoint("ssh://box"))
    with pytest.raises(TransportError) as caught:
        everything(stream)
    stream.close()
    said = str(caught.value)
    assert said.startswith("command [ssh ")
    assert "] has exited with exit status 255, make sure the URL is valid, and Docker" in said
    assert said.endswith("installed on the remote host: stderr=no such box\n")


def test_a_connection_that_breaks_is_not_taken_for_its_end(fake_ssh: Path) -> None:
    write(fake_ssh, "echo half; kill -9 $$")
    stream = dial(parse_endpoint("ssh://box"))
    with pytest.raises(TransportError, match="has exited with signal 9"):
        everything(stream)
    stream.close()


def test_without_ssh_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TransportError, match='exec: "ssh": executable file not found'):
        dial(parse_endpoint("ssh://box"))


def test_a_control_path_of_the_user_is_left_alone(fake_ssh: Path) -> None:
    write(fake_ssh, "cat", configuration="controlpath /home/me/%C")
    stream = dial(parse_endpoint("ssh://box"))
    stream.close_write()
    everything(stream)
    stream.close()
    assert "Control" not in Path(f"{fake_ssh}.arguments").read_text()


def test_the_control_directory_is_private(short: Path) -> None:
    folder = control_directory()
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert control_directory() == folder
    os.chmod(folder, 0o770)
    assert control_directory() == ""
    os.rmdir(folder)
    os.symlink(short, folder)
    assert control_directory() == ""
