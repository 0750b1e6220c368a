"""A server's TLS set-up, read again; revocations; warnings of what expires."""

import base64
import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.tls import make_ca, now, save, shake_hands, sign_anything
from wharfie.pki.certificates import Identity, encode_certificate
from wharfie.pki.contexts import client_context
from wharfie.pki.errors import InvalidTls
from wharfie.pki.serving import ServerFiles, ServerTls, Validity, describe

CLIENT = [ExtendedKeyUsageOID.CLIENT_AUTH]
DAY = datetime.timedelta(days=1)


def revoke(ca: Identity, *revoked: Identity, days: int = 20) -> x509.CertificateRevocationList:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(now() - DAY)
        .next_update(now() + days * DAY)
    )
    for one in revoked:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(one.certificate.serial_number)
            .revocation_date(now() - DAY)
            .build()
        )
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(ca.key, hashes.SHA256())


def pem(crl: x509.CertificateRevocationList) -> bytes:
    return crl.public_bytes(serialization.Encoding.PEM)


class Place:
    """A server's files, and clients of its CA."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca = make_ca()
        (directory / "ca.pem").write_bytes(encode_certificate(self.ca.certificate))
        self.crl = directory / "crl.pem"
        self.serve(sign_anything(self.ca, "first", dns=["localhost"]))

    def serve(self, identity: Identity) -> None:
        for name in ("s.pem", "s-key.pem"):
            (self.directory / name).unlink(missing_ok=True)
        save(self.directory, "s", identity)

    def files(self, *, crl: bool = False) -> ServerFiles:
        return ServerFiles(
            ca=str(self.directory / "ca.pem"),
            cert=str(self.directory / "s.pem"),
            key=str(self.directory / "s-key.pem"),
            verify=True,
            crl=str(self.crl) if crl else "",
        )

    def client(self, identity: Identity) -> ssl.SSLContext:
        pair = save(self.directory, f"c{identity.certificate.serial_number}", identity)
        return client_context(str(self.directory / "ca.pem"), pair.cert, pair.key)

    def common_name(self, tls: ServerTls) -> str:
        """Of the certificate the server shows now."""
        client = self.client(sign_anything(self.ca, "c", usages=CLIENT))
        _, calling = shake_hands(tls.context, client, "localhost")
        return calling.getpeercert()["subject"][0][0][1]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_new_certificate_is_shown_once_adopted(place: Place) -> None:
    tls = ServerTls(place.files())
    place.serve(sign_anything(place.ca, "second", dns=["localhost"]))
    material = tls.load()
    assert place.common_name(tls) == "first"
    tls.adopt(material)
    assert place.common_name(tls) == "second"


def test_unusable_files_change_nothing(place: Place) -> None:
    tls = ServerTls(place.files())
    (place.directory / "s.pem").unlink()
    with pytest.raises(InvalidTls, match="no such file"):
        tls.load()
    assert place.common_name(tls) == "first"


def test_a_new_ca_replaces_the_old_one(place: Place) -> None:
    tls = ServerTls(place.files())
    old = place.client(sign_anything(place.ca, "c", usages=CLIENT))
    (place.directory / "ca.pem").write_bytes(encode_certificate(make_ca("other").certificate))
    tls.adopt(tls.load())
    with pytest.raises(ssl.SSLError):
        shake_hands(tls.context, old, "localhost")


@pytest.mark.parametrize("form", ["pem", "der", "base64"])
def test_a_revoked_client_is_refused_and_others_are_not(place: Place, form: str) -> None:
    bad, good = (sign_anything(place.ca, name, usages=CLIENT) for name in ("bad", "good"))
    crl = revoke(place.ca, bad)
    der = crl.public_bytes(serialization.Encoding.DER)
    place.crl.write_bytes({"pem": pem(crl), "der": der, "base64": base64.b64encode(der)}[form])
    tls = ServerTls(place.files(crl=True))
    revoked = place.client(bad)
    with pytest.raises(ssl.SSLError, match="revoked"):
        shake_hands(tls.context, revoked, "localhost")
    shake_hands(tls.context, place.client(good), "localhost")
    # Without the guard the attack succeeds.
    shake_hands(ServerTls(place.files()).context, revoked, "localhost")
    assert tls.is_revoked(bad.certificate.public_bytes(serialization.Encoding.DER))
    assert not tls.is_revoked(good.certificate.public_bytes(serialization.Encoding.DER))


def test_a_list_out_of_date_admits_nobody(place: Place) -> None:
    good = sign_anything(place.ca, "good", usages=CLIENT)
    place.crl.write_bytes(pem(revoke(place.ca, days=0)))
    tls = ServerTls(place.files(crl=True))
    with pytest.raises(ssl.SSLError, match="CRL has expired"):
        shake_hands(tls.context, place.client(good), "localhost")
    assert any("revocation list" in text and "expired" in text for text in tls.warnings(now()))


def test_a_list_of_an_impostor_is_refused(place: Place) -> None:
    place.crl.write_bytes(pem(revoke(make_ca())))
    with pytest.raises(InvalidTls, match="of none of the given CAs"):
        ServerTls(place.files(crl=True))


@pytest.mark.parametrize("content", [b"", b"nothing", b"-----BEGIN X509 CRL-----\nAA==\n"])
def test_a_file_without_a_list_is_refused(place: Place, content: bytes) -> None:
    place.crl.write_bytes(content)
    with pytest.raises(InvalidTls, match="holds no revocation list"):
        ServerTls(place.files(crl=True))


def test_a_missing_list_is_refused(place: Place) -> None:
    with pytest.raises(InvalidTls, match="could not read revocation list"):
        ServerTls(place.files(crl=True))


def test_sessions_of_verified_clients_are_not_resumed(place: Place) -> None:
    tls = ServerTls(place.files())
    client = place.client(sign_anything(place.ca, "c", usages=CLIENT))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client.maximum_version = version
        _, calling = shake_hands(tls.context, client, "localhost")
        assert calling.session is None or not calling.session.has_ticket


START = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (-400, "not valid before 2030-01-01 00:00 UTC: is this machine's clock right"),
        (10, ""),
        (69, ""),
        (71, "expires in 29 days"),
        (98.5, "expires in 1 day, on 2030-04-11"),
        (100, "expired on 2030-04-11 00:00 UTC"),
        (465, "this machine's clock says 2031-04-11"),
    ],
)
def test_what_expires_is_warned_of_thirty_days_ahead(day: float, words: str) -> None:
    text = describe(Validity("server certificate x", START, START + 100 * DAY), START + day * DAY)
    assert words in text
    assert bool(text) == bool(words)


@pytest.mark.parametrize(
    ("days", "words"), [((-400, -35), "expired on"), ((365, 700), "is not valid before")]
)
def test_a_clock_a_year_off_does_not_stop_a_server(
    place: Place, days: tuple[int, int], words: str
) -> None:
    """It costs remote access, not the daemon (moby#24132), and the clock is named."""
    place.serve(sign_anything(place.ca, "s", dns=["localhost"], days=days))
    warnings = ServerTls(place.files()).warnings(now())
    assert "server certificate" in warnings[0]
    assert words in warnings[0]
    assert "clock" in warnings[0]
