"""Credentials in `config.json`, and through a helper program."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from wharfie.cli.config import ConfigFile
from wharfie.cli.credentials.store import (
    HUB_KEY,
    erase_credentials,
    load_credentials,
    registry_auth,
    server_key,
    store_credentials,
)
from wharfie.cli.errors import CommandError

HELPER = """#!/bin/sh
file=$(dirname "$0")/kept
echo "$1" >> "$(dirname "$0")/verbs"
case $1 in
store) cat > "$file" ;;
get) cat > /dev/null; [ -f "$file" ] || { echo 'credentials not found in native keychain'; exit 1; }
     cat "$file" ;;
erase) cat > /dev/null; rm -f "$file" ;;
esac
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "docker-credential-fake"
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def config(tmp_path: Path, document: object) -> ConfigFile:
    (tmp_path / "config.json").write_text(json.dumps(document))
    return ConfigFile(str(tmp_path))


def kept(tmp_path: Path) -> dict[str, object]:
    return json.loads((tmp_path / "config.json").read_text())


JOE = {"username": "joe", "password": "se:cret"}


def test_what_stands_in_the_file_is_told_and_not_told_twice(tmp_path: Path) -> None:
    file = config(tmp_path, {"psFormat": "x"})
    assert store_credentials(file, "reg:5000", JOE)
    assert not store_credentials(file, "reg:5000", JOE)
    encoded = base64.b64encode(b"joe:se:cret").decode()
    assert kept(tmp_path) == {"auths": {"reg:5000": {"auth": encoded}}, "psFormat": "x"}
    again = ConfigFile(str(tmp_path))
    assert load_credentials(again, "reg:5000") == {**JOE, "serveraddress": "reg:5000"}
    erase_credentials(again, "reg:5000")
    assert kept(tmp_path) == {"auths": {}, "psFormat": "x"}
    assert load_credentials(again, "reg:5000") == {}


def test_a_token_takes_the_passwords_place(tmp_path: Path) -> None:
    file = config(tmp_path, {})
    store_credentials(file, "reg", {"username": "joe", "password": "", "identitytoken": "t"})
    assert "secret" not in (tmp_path / "config.json").read_text()
    found = load_credentials(ConfigFile(str(tmp_path)), "reg")
    assert (found["username"], found["identitytoken"]) == ("joe", "t")


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_a_helper_keeps_the_secret_out_of_the_file(tmp_path: Path, helper: Path, key: str) -> None:
    value: object = "fake" if key == "credsStore" else {"reg": "fake"}
    file = config(tmp_path, {key: value})
    assert load_credentials(file, "reg") == {}
    assert not store_credentials(file, "reg", JOE)
    assert kept(tmp_path) == {"auths": {"reg": {}}, key: value}
    assert load_credentials(file, "reg") == {**JOE, "serveraddress": "reg"}
    erase_credentials(file, "reg")
    assert kept(tmp_path)["auths"] == {}
    assert (helper / "verbs").read_text().split()[:3] == ["get", "store", "get"]


def test_a_missing_helper_fails_and_nothing_is_written_in_clear(tmp_path: Path) -> None:
    file = config(tmp_path, {"credsStore": "none"})
    with pytest.raises(CommandError, match='exec: "docker-credential-none": executable file not'):
        store_credentials(file, "reg", JOE)
    assert kept(tmp_path) == {"credsStore": "none"}


@pytest.mark.parametrize("stored", ["https://reg:5000", "http://reg:5000/v1/", "reg:5000"])
def test_old_spellings_of_a_server_are_found(tmp_path: Path, stored: str) -> None:
    encoded = base64.b64encode(b"joe:secret").decode()
    file = config(tmp_path, {"auths": {stored: {"auth": encoded}}})
    header = json.loads(base64.urlsafe_b64decode(registry_auth(file, "reg:5000")))
    assert header["username"] == "joe"


def test_nobody_is_e30(tmp_path: Path) -> None:
    assert registry_auth(config(tmp_path, {}), "reg") == "e30="
    assert server_key("docker.io") == server_key("") == HUB_KEY
