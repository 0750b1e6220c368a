import ssl
from pathlib import Path

import pytest

from support.tls import PairOnDisk, make_ca, now, save, shake_hands
from wharfie.pki.certificates import (
    client_request,
    encode_certificate,
    issue,
    server_request,
)
from wharfie.pki.contexts import client_context, server_context
from wharfie.pki.errors import InvalidTls
from wharfie.pki.files import write_files
from wharfie.pki.keys import KeyType, encode_key
from wharfie.pki.names import parse_hosts

EC = KeyType.ECDSA_P256


class Site:
    """A CA with a server for localhost and 127.0.0.1 and one client, on disk."""

    def __init__(self, directory: Path) -> None:
        self.ca_identity = make_ca()
        request = server_request(parse_hosts(["localhost", "127.0.0.1"]), days=1, key_type=EC)
        write_files(directory, {"ca.pem": encode_certificate(self.ca_identity.certificate)})
        self.ca = str(directory / "ca.pem")
        self.server = save(directory, "server", issue(self.ca_identity, request, now=now()))
        client = issue(self.ca_identity, client_request("me", days=1, key_type=EC), now=now())
        self.client = save(directory, "client", client)

    def server_context(
        self, pair: PairOnDisk | None = None, *, verify: bool = True
    ) -> ssl.SSLContext:
        pair = pair or self.server
        return server_context(self.ca if verify else None, pair.cert, pair.key, verify)

    def client_context(self, pair: PairOnDisk | None = None) -> ssl.SSLContext:
        pair = pair or self.client
        return client_context(self.ca, pair.cert, pair.key)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_both_ends_know_each_other(site: Site, host: str) -> None:
    serving, calling = shake_hands(site.server_context(), site.client_context(), host)
    peer = serving.getpeercert()
    assert peer is not None
    assert peer["subject"] == ((("commonName", "me"),),)
    assert calling.selected_alpn_protocol() == "http/1.1"


def test_without_verification_any_client_is_served(site: Site) -> None:
    shake_hands(site.server_context(verify=False), client_context(site.ca), "localhost")


def test_an_unverifying_client_accepts_any_server(site: Site) -> None:
    shake_hands(site.server_context(verify=False), client_context(verify=False), "anything")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_modern_versions_are_spoken(site: Site, version: ssl.TLSVersion) -> None:
    client = site.client_context()
    client.minimum_version = client.maximum_version = version
    shake_hands(site.server_context(), client, "localhost")


def test_strict_checks_are_off_and_old_versions_refused(site: Site) -> None:
    for context in (site.server_context(), site.client_context()):
        assert not context.verify_flags & ssl.VERIFY_X509_STRICT
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_RENEGOTIATION


def refusal(cert: str, key: str) -> str:
    with pytest.raises(InvalidTls) as error:
        server_context(None, cert, key, verify=False)
    prefix = (
        f'invalid TLS configuration: could not load X509 key pair (cert: "{cert}", key: "{key}"): '
    )
    assert str(error.value).startswith(prefix)
    return str(error.value).removeprefix(prefix)


def test_a_missing_certificate_is_named(site: Site) -> None:
    assert refusal("/nowhere/cert.pem", site.server.key) == (
        "open /nowhere/cert.pem: no such file or directory"
    )


def test_a_missing_key_is_named(site: Site) -> None:
    assert refusal(site.server.cert, "/nowhere/key.pem") == (
        "open /nowhere/key.pem: no such file or directory"
    )


def test_a_key_of_another_certificate_is_refused(site: Site) -> None:
    assert refusal(site.server.cert, site.client.key) == (
        "tls: private key does not match public key"
    )


def test_swapped_files_are_told(site: Site) -> None:
    assert "PEM data in certificate input" in refusal(site.server.key, site.server.cert)


def test_garbage_is_told(site: Site, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(b"\0\xff not pem")
    assert "PEM data in certificate input" in refusal(str(garbage), site.server.key)
    assert "PEM data in key input" in refusal(site.server.cert, str(garbage))
    truncated = tmp_path / "truncated.pem"
    truncated.write_bytes(Path(site.server.cert).read_bytes()[:-100])
    assert refusal(str(truncated), site.server.key).startswith("tls: ")


def test_a_directory_is_told(site: Site, tmp_path: Path) -> None:
    assert refusal(str(tmp_path), site.server.key) == f"open {tmp_path}: is a directory"


def test_an_encrypted_key_is_refused_without_asking(site: Site, tmp_path: Path) -> None:
    identity = make_ca()
    files = {"locked-key.pem": encode_key(identity.key, b"secret")}
    write_files(tmp_path, files)
    assert "encrypted" in refusal(site.server.cert, str(tmp_path / "locked-key.pem"))


def test_a_missing_ca_is_named(site: Site) -> None:
    with pytest.raises(InvalidTls, match='could not read CA certificate "/no": open /no: no such'):
        server_context("/no", site.server.cert, site.server.key, verify=True)
    with pytest.raises(InvalidTls, match="could not read CA certificate"):
        client_context("/no")


def test_a_ca_file_without_certificates_is_refused(site: Site) -> None:
    with pytest.raises(InvalidTls, match="failed to append certificates from PEM file"):
        server_context(site.server.key, site.server.cert, site.server.key, verify=True)


def test_verifying_clients_needs_a_ca(site: Site) -> None:
    with pytest.raises(InvalidTls, match="needs a CA"):
        server_context(None, site.server.cert, site.server.key, verify=True)


def test_certificate_and_key_of_a_client_go_together(site: Site) -> None:
    with pytest.raises(InvalidTls, match="together"):
        client_context(site.ca, site.client.cert, None)
