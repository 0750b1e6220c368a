import io
import os
import sys
from pathlib import Path

import pytest

from wharfie.cli.main import main

ALL = ["ca-key.pem", "ca.pem", "cert.pem", "key.pem", "server-cert.pem", "server-key.pem"]


def cert(*arguments: str | Path) -> int:
    return main(["wharfie", "cert", *map(str, arguments)])


def test_create_makes_all_six_files_and_names_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cert("create", "--dir", tmp_path, "--host", "localhost", "--host=10.0.0.1") == 0
    assert sorted(os.listdir(tmp_path)) == ALL
    assert sorted(capsys.readouterr().out.split()) == [str(tmp_path / name) for name in ALL]


def test_create_refuses_to_overwrite_unless_forced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cert("create", "--dir", tmp_path, "--host", "a") == 0
    assert cert("create", "--dir", tmp_path, "--host", "a") == 1
    assert "refusing to overwrite" in capsys.readouterr().err
    assert cert("create", "--dir", tmp_path, "--host", "a", "--force") == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["create"],
        ["create", "--host", "a b"],
        ["create", "--host", "a", "--days", "0"],
        ["create", "--host", "a", "--key-type", "dsa"],
        ["create", "--host", "a", "--client", ""],
        ["create", "--host", "a", "--passphrase-file", "/nowhere"],
        ["server", "--host", "a"],
        ["client", "alice"],
        ["client"],
        ["inspect"],
        ["inspect", "/nowhere"],
    ],
)
def test_a_wrong_wish_ends_with_one_line_and_code_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cert(*arguments) == 1
    assert capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_a_passphrase_comes_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def type_in(text: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))

    type_in(b"secret\n")
    assert cert("create", "--dir", tmp_path, "--host", "a", "--passphrase-file", "-") == 0
    alice = tmp_path / "alice"
    assert cert("client", "--dir", tmp_path, "--out", alice, "alice") == 1
    assert "passphrase" in capsys.readouterr().err
    type_in(b"secret\n")
    arguments = ["--dir", tmp_path, "--out", alice, "--passphrase-file", "-"]
    assert cert("client", *arguments, "alice") == 0
    assert sorted(os.listdir(alice)) == ["ca.pem", "cert.pem", "key.pem"]


def test_server_renews_in_place_when_forced(tmp_path: Path) -> None:
    assert cert("create", "--dir", tmp_path, "--host", "a") == 0
    before = (tmp_path / "server-cert.pem").read_bytes()
    assert cert("server", "--dir", tmp_path, "--host", "b") == 1
    assert cert("server", "--dir", tmp_path, "--host", "b", "--force") == 0
    assert (tmp_path / "server-cert.pem").read_bytes() != before


def test_inspect_says_what_a_certificate_is_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cert("create", "--dir", tmp_path, "--host", "a.example,::1") == 0
    capsys.readouterr()
    assert cert("inspect", tmp_path / "server-cert.pem", tmp_path / "cert.pem") == 0
    out = capsys.readouterr().out
    assert "Hosts:    DNS:a.example, IP:::1" in out
    assert "Usages:   serverAuth" in out
    assert "Usages:   clientAuth" in out


def test_inspect_fails_for_a_certificate_about_to_expire(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cert("create", "--dir", tmp_path, "--host", "a", "--days", "3") == 0
    assert cert("inspect", tmp_path / "ca.pem") == 1
    assert "Problem:  expires in 2 days" in capsys.readouterr().out


def test_check_tells_and_renew_mends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cert("create", "--dir", tmp_path, "--host", "a", "--days", 10) == 0
    assert cert("check", tmp_path) == 1
    said = capsys.readouterr().out
    assert "expires in 9 days" in said
    assert f"wharfie cert renew --ca --dir {tmp_path}" in said
    assert cert("renew", "--dir", tmp_path) == 0
    assert cert("check", tmp_path, "--host", "a") == 0
    assert cert("check", tmp_path, "--host", "b", "--format", "json") == 1
    assert "is not valid for b" in capsys.readouterr().out
    assert cert("renew", "--dir", tmp_path) == 0
    assert "nothing ends within 30 days" in capsys.readouterr().err


def test_own_names_are_certified_on_request(tmp_path: Path) -> None:
    assert cert("create", "--dir", tmp_path, "--own-names") == 0
    assert cert("check", tmp_path, "--host", "localhost", "--host", "127.0.0.1") == 0


def test_a_client_needs_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cert("create", "--dir", tmp_path, "--host", "a") == 0
    assert cert("client", "--dir", tmp_path) == 1
    assert "name the client" in capsys.readouterr().err
