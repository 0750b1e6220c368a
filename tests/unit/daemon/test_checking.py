"""`--validate`: what only the start would find."""

from pathlib import Path

import pytest

from wharfie.daemon.checking import check_start
from wharfie.daemon.config import ConfigError, load_config
from wharfie.daemon.config.places import DOCKERD


def check(tmp_path: Path, text: str) -> None:
    path = tmp_path / "daemon.json"
    path.write_text(text)
    environment = {"HOME": str(tmp_path)}
    check_start(load_config({"config-file": str(path)}, DOCKERD, environment))


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"hosts": ["fd://", "unix:///run/x.sock", "tcp://127.0.0.1:2375"]}',
        '{"iptables": false}',
    ],
)
def test_what_would_start_passes(tmp_path: Path, text: str) -> None:
    check(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"hosts": ["bogus://x"]}', "invalid bind address (bogus://x): unsupported proto 'bogus'"),
        ('{"tlsverify": true}', "invalid TLS configuration: could not read CA certificate"),
        ('{"tls": true, "tlscert": "/nope"}', "could not load X509 key pair"),
    ],
)
def test_what_would_not_is_told(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as told:
        check(tmp_path, text)
    assert words in str(told.value)
