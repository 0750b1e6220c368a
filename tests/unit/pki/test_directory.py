import os
from pathlib import Path

import pytest

from support.tls import now, shake_hands
from wharfie.pki.certificates import LeafRequest, client_request, server_request
from wharfie.pki.contexts import client_context, server_context
from wharfie.pki.directory import Terms, add_client, add_server, create
from wharfie.pki.errors import FileExists, InvalidRequest, UnreadableFile
from wharfie.pki.keys import KeyType
from wharfie.pki.names import HostNames, parse_hosts

LOCAL = parse_hosts(["localhost"])


def server(hosts: HostNames) -> LeafRequest:
    return server_request(hosts, days=1, key_type=KeyType.ECDSA_P256)


def client(name: str) -> LeafRequest:
    return client_request(name, days=1, key_type=KeyType.ECDSA_P256)


def make(directory: Path, *, force: bool = False, passphrase: bytes | None = None) -> list[Path]:
    terms = Terms(now=now(), days=5, force=force, passphrase=passphrase)
    return create(directory, LOCAL, terms=terms, ca_name="CA", client_name="me")


def meet(servers: Path, clients: Path, host: str = "localhost") -> str:
    """Handshake between two directories; returns the client's common name as the server saw it."""
    serving, _ = shake_hands(
        server_context(
            str(servers / "ca.pem"),
            str(servers / "server-cert.pem"),
            str(servers / "server-key.pem"),
            verify=True,
        ),
        client_context(
            str(clients / "ca.pem"), str(clients / "cert.pem"), str(clients / "key.pem")
        ),
        host,
    )
    peer = serving.getpeercert()
    assert peer is not None
    return peer["subject"][0][0][1]


def test_one_call_makes_all_that_mutual_tls_needs(tmp_path: Path) -> None:
    made = make(tmp_path / "new" / "deep")
    assert sorted(path.name for path in made) == sorted(os.listdir(tmp_path / "new" / "deep"))
    assert len(made) == 6
    assert meet(made[0].parent, made[0].parent) == "me"


def test_an_existing_directory_is_left_alone(tmp_path: Path) -> None:
    make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExists):
        make(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_force_makes_everything_anew(tmp_path: Path) -> None:
    make(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    make(tmp_path, force=True)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert before.keys() == after.keys()
    assert all(before[name] != after[name] for name in before)
    assert meet(tmp_path, tmp_path) == "me"


def test_a_client_to_be_handed_over_comes_with_the_ca(tmp_path: Path) -> None:
    make(tmp_path)
    add_client(tmp_path, client("alice"), terms=Terms(now=now(), days=1), out=tmp_path / "alice")
    assert sorted(os.listdir(tmp_path / "alice")) == ["ca.pem", "cert.pem", "key.pem"]
    assert meet(tmp_path, tmp_path / "alice") == "alice"


def test_a_second_server_names_other_hosts(tmp_path: Path) -> None:
    make(tmp_path)
    add_server(
        tmp_path,
        server(parse_hosts(["10.0.0.7"])),
        terms=Terms(now=now(), days=1),
        out=tmp_path / "b",
    )
    assert sorted(os.listdir(tmp_path / "b")) == ["ca.pem", "server-cert.pem", "server-key.pem"]
    assert meet(tmp_path / "b", tmp_path, host="10.0.0.7") == "me"


def test_renewing_in_place_needs_force_and_keeps_the_ca(tmp_path: Path) -> None:
    make(tmp_path)
    ca = (tmp_path / "ca.pem").read_bytes()
    with pytest.raises(FileExists):
        add_server(tmp_path, server(LOCAL), terms=Terms(now=now()), out=tmp_path)
    add_server(tmp_path, server(LOCAL), terms=Terms(now=now(), force=True), out=tmp_path)
    assert (tmp_path / "ca.pem").read_bytes() == ca
    assert meet(tmp_path, tmp_path) == "me"


def test_a_locked_ca_signs_only_with_its_passphrase(tmp_path: Path) -> None:
    make(tmp_path, passphrase=b"secret")
    with pytest.raises(UnreadableFile, match="passphrase"):
        add_client(tmp_path, client("x"), terms=Terms(now=now()), out=tmp_path / "x")
    terms = Terms(now=now(), passphrase=b"secret")
    add_client(tmp_path, client("x"), terms=terms, out=tmp_path / "x")
    assert meet(tmp_path, tmp_path / "x") == "x"


def test_a_bad_wish_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        create(
            tmp_path / "d",
            parse_hosts([]),
            terms=Terms(now=now()),
            ca_name="CA",
            client_name="me",
        )
    assert not (tmp_path / "d").exists()
