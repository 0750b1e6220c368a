from __future__ import annotations

import datetime
import json
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from wharfie.cli.contexts.archive import unpack
from wharfie.cli.errors import CommandError
from wharfie.cli.remote.enabling import Place, disable, enable, invite, place_of, revoke
from wharfie.pki.certificates import decode_certificates
from wharfie.pki.checking import check_directory
from wharfie.pki.directory import Terms
from wharfie.pki.inspection import described_hosts

TERMS = Terms(now=datetime.datetime.now(datetime.UTC), days=30)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(config_file=str(tmp_path / "daemon.json"), directory=tmp_path / "tls")


def settings(place: Place) -> dict[str, object]:
    found = json.loads(Path(place.config_file).read_text())
    assert isinstance(found, dict)
    return found


def names(place: Place) -> tuple[str, ...]:
    path = place.directory / "server-cert.pem"
    return described_hosts(decode_certificates(path.read_bytes(), "")[0])


def open_daemon(place: Place, *hosts: str) -> Path:
    return enable(place, hosts, port=2376, terms=TERMS, client="admin")[1]


def test_a_bundle_holds_what_the_client_needs(place: Place) -> None:
    bundle = open_daemon(place, "192.0.2.7")
    assert stat.S_IMODE(os.stat(bundle).st_mode) == 0o600
    found = unpack(bundle.read_bytes())
    assert found.document["Endpoints"] == {
        "docker": {"Host": "tcp://192.0.2.7:2376", "SkipTLSVerify": False}
    }
    assert sorted(found.tls["docker"]) == ["ca.pem", "cert.pem", "key.pem"]
    assert found.tls["docker"]["ca.pem"] == (place.directory / "ca.pem").read_bytes()
    assert {"IP:192.0.2.7", "DNS:localhost", "IP:127.0.0.1"} <= set(names(place))


def test_other_settings_stay(place: Place) -> None:
    Path(place.config_file).write_text('{"debug": true, "hosts": ["fd://"], "mtu": 1400}')
    open_daemon(place, "a.example")
    found = settings(place)
    assert found["hosts"] == ["fd://", "tcp://0.0.0.0:2376"]
    assert (found["debug"], found["mtu"], found["merge-hosts"]) == (True, 1400, True)
    original = Path(f"{place.config_file}.orig").read_text()
    assert original == '{"debug": true, "hosts": ["fd://"], "mtu": 1400}'


def test_enabling_again_keeps_clients_and_names(place: Place) -> None:
    bundle = open_daemon(place, "a.example")
    before, ca = bundle.read_bytes(), (place.directory / "ca.pem").read_bytes()
    open_daemon(place, "b.example")
    assert bundle.read_bytes() == before
    assert (place.directory / "ca.pem").read_bytes() == ca
    assert {"DNS:a.example", "DNS:b.example"} <= set(names(place))
    assert settings(place)["hosts"] == ["unix:///var/run/docker.sock", "tcp://0.0.0.0:2376"]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"tlscacert": "/elsewhere/ca.pem"}', '{"tlsverify": false}']
)
def test_what_is_there_is_not_overruled(place: Place, text: str) -> None:
    Path(place.config_file).write_text(text)
    with pytest.raises(CommandError):
        open_daemon(place, "a.example")
    assert Path(place.config_file).read_text() == text
    assert not place.directory.exists()


def test_a_refused_change_leaves_the_file(place: Place, tmp_path: Path) -> None:
    refusing = tmp_path / "refuses"
    refusing.write_text('#!/bin/sh\necho "no: $3" >&2; exit 1\n')
    refusing.chmod(0o755)
    Path(place.config_file).write_text("{}")
    refused = Place(
        config_file=place.config_file, directory=place.directory, validator=str(refusing)
    )
    with pytest.raises(CommandError, match=f"nothing was changed:\nno: {place.config_file}"):
        open_daemon(refused, "a")
    assert Path(place.config_file).read_text() == "{}"
    assert sorted(os.listdir(tmp_path)) == ["daemon.json", "refuses", "tls"]


def test_what_was_enabled_is_disabled(place: Place) -> None:
    Path(place.config_file).write_text('{"debug": true}')
    open_daemon(place, "a.example")
    assert disable(place)
    assert settings(place) == {"debug": True}
    assert not disable(place)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x\0y", "a\nb"])
def test_a_client_cannot_be_called_anything(place: Place, name: str) -> None:
    open_daemon(place, "a")
    with pytest.raises(CommandError):
        invite(place, name, host="a", port=1, terms=TERMS)
    assert sorted(os.listdir(place.directory / "clients")) == ["admin.dockercontext", "serials"]


def test_a_client_is_not_invited_twice_by_accident(place: Place) -> None:
    open_daemon(place, "a")
    invite(place, "bob", host="::1", port=1, terms=TERMS)
    with pytest.raises(CommandError, match="invited already"):
        invite(place, "bob", host="a", port=1, terms=TERMS)
    found = unpack((place.directory / "clients/bob.dockercontext").read_bytes())
    assert "tcp://[::1]:1" in str(found.document)


def test_without_a_ca_nobody_is_invited(place: Place) -> None:
    with pytest.raises(CommandError, match=r"ca\.pem"):
        invite(place, "bob", host="a", port=1, terms=TERMS)


def revoked(place: Place) -> int:
    return len(x509.load_pem_x509_crl((place.directory / "crl.pem").read_bytes()))


def test_every_certificate_of_a_client_is_revoked(place: Place) -> None:
    open_daemon(place, "a")
    assert revoked(place) == 0
    invite(place, "bob", host="a", port=1, terms=TERMS)
    invite(place, "bob", host="a", port=1, terms=replace(TERMS, force=True))
    invite(place, "eve", host="a", port=1, terms=TERMS)
    assert revoke(place, "bob", terms=TERMS) == 2
    assert revoked(place) == 2
    assert sorted(path.name for path in place.directory.glob("clients/*.dockercontext")) == [
        "admin.dockercontext", "eve.dockercontext",
    ]  # fmt: skip
    assert revoke(place, "eve", terms=TERMS) == 1
    assert revoked(place) == 3
    open_daemon(place, "b")
    assert revoked(place) == 3
    with pytest.raises(CommandError, match="nobody called mallory"):
        revoke(place, "mallory", terms=TERMS)
    invite(place, "bob", host="a", port=1, terms=TERMS)


@pytest.mark.parametrize("lost", ["ca.pem", "server-cert.pem", "server-key.pem", "crl.pem"])
def test_what_was_cut_short_is_finished(place: Place, lost: str) -> None:
    open_daemon(place, "a")
    Path(place.config_file).unlink()
    shutil.rmtree(place.directory / "clients")
    (place.directory / lost).unlink()
    open_daemon(place, "a")
    found = check_directory(place.directory, now=TERMS.now, hosts=["a"])
    assert [
        flaw for flaw in found if "CA" not in flaw.problem and "expires" not in flaw.problem
    ] == []
    assert settings(place)["tlsverify"] is True


def test_nothing_in_the_settings_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = place_of("wharfie", config_file="d.json", directory="certs", validator="")
    assert (found.config_file, found.directory) == (f"{tmp_path}/d.json", tmp_path / "certs")
    assert place_of("docker", config_file="", directory="", validator="").directory == Path(
        "/etc/docker/tls"
    )
