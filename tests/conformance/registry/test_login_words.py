"""`login` and `logout` say and keep what the genuine client says and keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.genuine_cli import docker_cli_28
from support.recording_daemon import RecordingDaemon, Reply
from support.wharfie_command import command, run

GRANTED = {("POST", "/auth"): Reply.of({"Status": "Login Succeeded", "IdentityToken": ""})}
REFUSED = {("POST", "/auth"): Reply.of({"message": "unauthorized: no"}, 401)}
TOKEN = {("POST", "/auth"): Reply.of({"Status": "Login Succeeded", "IdentityToken": "tok"})}
CASES = [
    (GRANTED, "login -u joe -p secret reg.io:5000", ""),
    (GRANTED, "login -u joe --password-stdin reg.io", "secret\n"),
    (GRANTED, "login -u joe -p secret", ""),
    (GRANTED, "login reg.io", ""),
    (GRANTED, "login -u joe reg.io", ""),
    (GRANTED, "login --password-stdin reg.io", "x"),
    (GRANTED, "login -u joe -p x --password-stdin reg.io", "x"),
    (GRANTED, "login known.io", ""),
    (REFUSED, "login -u joe -p secret reg.io", ""),
    (TOKEN, "login -u joe -p secret https://reg.io/v2/", ""),
    (GRANTED, "logout reg.io", ""),
    (GRANTED, "logout known.io", ""),
    (GRANTED, "logout", ""),
]


def conversation(
    program: list[str], routes: dict[tuple[str, str], Reply], words: str, stdin: str, folder: Path
) -> tuple[object, ...]:
    auths = {"known.io": {"auth": "am9lOnNlY3JldA=="}}
    file = folder / "config.json"
    file.write_text(json.dumps({"auths": auths}))
    with RecordingDaemon(folder / "s", routes) as daemon:
        done = run(
            words.split(),
            program=[*program, "-H", daemon.host],
            home=folder,
            stdin=stdin.encode(),
            DOCKER_CONFIG=str(folder),
        )
        calls = [(call.method, call.path, call.json()) for call in daemon.take()]
    (folder / "s").unlink()
    return done.returncode, done.stdout, done.stderr, calls, json.loads(file.read_text())["auths"]


@pytest.mark.parametrize(("routes", "words", "stdin"), CASES, ids=[case[1] for case in CASES])
def test_the_same_words_calls_and_file(
    routes: dict[tuple[str, str], Reply], words: str, stdin: str, tmp_path: Path
) -> None:
    theirs = conversation([docker_cli_28()], routes, words, stdin, tmp_path)
    ours = conversation(command("docker"), routes, words, stdin, tmp_path)
    assert ours == theirs
