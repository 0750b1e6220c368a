from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from wharfie.cli.config import ConfigFile
from wharfie.cli.connection import resolve_endpoint
from wharfie.cli.errors import CommandError
from wharfie.cli.main import global_flags
from wharfie.client.endpoint import Endpoint
from wharfie.formats.pflag import Parser


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOST", "TLS", "TLS_VERIFY", "CERT_PATH", "CONTEXT", "CONFIG"):
        monkeypatch.delenv(f"DOCKER_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def resolve(folder: Path, *argv: str) -> Endpoint:
    return resolve_endpoint(Parser(global_flags()).parse(list(argv)), ConfigFile(str(folder)))


def write_context(folder: Path, name: str, host: str, *, ca: bool = False) -> None:
    digest = sha256(name.encode()).hexdigest()
    meta = folder / "contexts/meta" / digest
    meta.mkdir(parents=True)
    document = {"Name": name, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (meta / "meta.json").write_text(json.dumps(document))
    if ca:
        tls = folder / "contexts/tls" / digest / "docker"
        tls.mkdir(parents=True)
        (tls / "ca.pem").write_text("x")


def test_nothing_said_means_the_default_socket(tmp_path: Path) -> None:
    assert resolve(tmp_path).path == "/var/run/docker.sock"


def test_who_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_context(tmp_path, "one", "tcp://one:1")
    write_context(tmp_path, "two", "tcp://two:2", ca=True)
    (tmp_path / "config.json").write_text('{"currentContext": "one"}')
    assert resolve(tmp_path).shown == "tcp://one:1"
    monkeypatch.setenv("DOCKER_CONTEXT", "two")
    two = resolve(tmp_path)
    assert two.shown == "tcp://two:2"
    assert two.tls is not None
    assert two.tls.verify
    monkeypatch.setenv("DOCKER_HOST", "tcp://env:3")
    assert resolve(tmp_path).shown == "tcp://env:3"
    assert resolve(tmp_path, "-H", "flag:4").shown == "tcp://flag:4"
    assert resolve(tmp_path, "-c", "one").shown == "tcp://one:1"
    with pytest.raises(CommandError, match="cannot specify both"):
        resolve(tmp_path, "-c", "one", "-H", "x")


@pytest.mark.parametrize(
    ("argv", "files", "verify", "ca", "cert"),
    [
        (["--tls"], [], True, False, False),
        (["--tls"], ["ca"], True, True, False),
        (["--tls"], ["ca", "cert", "key"], False, True, True),
        (["--tlsverify"], ["ca"], True, True, False),
        (["--tlsverify"], ["ca", "cert", "key"], True, True, True),
        (["--tlsverify=false"], ["ca"], False, True, False),
    ],
)
def test_the_four_modes_of_tls(
    argv: list[str], files: list[str], verify: bool, ca: bool, cert: bool, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / f"{name}.pem").write_text("x")
    tls = resolve(tmp_path, *argv, "-H", "tcp://x").tls
    assert tls is not None
    assert (tls.verify, bool(tls.ca), bool(tls.cert)) == (verify, ca, cert)
    assert resolve(tmp_path, *argv, "-H", "tcp://x").port == 2376


def test_environment_asks_for_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.pem").write_text("x")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    tls = resolve(tmp_path / "elsewhere", "-H", "x:1").tls
    assert tls is not None
    assert tls.ca == f"{tmp_path}/ca.pem"
    assert resolve(tmp_path, "-H", "x:1", "--tls=false", "--tlsverify=false").tls is not None


def test_a_broken_configuration_is_told_and_ignored(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    config = ConfigFile(str(tmp_path))
    assert "Error parsing config file" in config.problem
    assert config.text("psFormat") == ""
