"""Those who must not get in: each attack is a handshake that must fail for the named reason."""

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.tls import PairOnDisk, make_ca, save, shake_hands, sign_anything
from wharfie.pki.certificates import Identity, encode_certificate
from wharfie.pki.contexts import client_context, server_context
from wharfie.pki.files import write_files

SERVER = [ExtendedKeyUsageOID.SERVER_AUTH]
CLIENT = [ExtendedKeyUsageOID.CLIENT_AUTH]


class Field:
    """A verifying server and a client, either of which can be given a forged identity."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca = make_ca()
        write_files(directory, {"ca.pem": encode_certificate(self.ca.certificate)})
        self.good_server = sign_anything(self.ca, "s", usages=SERVER, dns=["localhost"])
        self.good_client = sign_anything(self.ca, "c", usages=CLIENT)

    def save(self, identity: Identity) -> PairOnDisk:
        return save(self.directory, f"id{identity.certificate.serial_number}", identity)

    def meet(
        self,
        *,
        server: Identity | None = None,
        client: Identity | None = None,
        host: str = "localhost",
    ) -> None:
        """Raises ssl.SSLError when either end refuses."""
        ca = str(self.directory / "ca.pem")
        own = self.save(server or self.good_server)
        theirs = self.save(client or self.good_client)
        shake_hands(
            server_context(ca, own.cert, own.key, verify=True),
            client_context(ca, theirs.cert, theirs.key),
            host,
        )


@pytest.fixture
def field(tmp_path: Path) -> Field:
    return Field(tmp_path)


def test_the_field_itself_is_fair(field: Field) -> None:
    field.meet()


def test_a_client_without_certificate_is_refused(field: Field) -> None:
    ca = str(field.directory / "ca.pem")
    own = field.save(field.good_server)
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake_hands(
            server_context(ca, own.cert, own.key, verify=True), client_context(ca), "localhost"
        )


def test_a_client_of_another_ca_is_refused(field: Field) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        field.meet(client=sign_anything(make_ca("Other"), "c", usages=CLIENT))


def test_a_ca_of_the_same_name_is_still_another(field: Field) -> None:
    impostor = make_ca()
    assert impostor.certificate.subject == field.ca.certificate.subject
    with pytest.raises(ssl.SSLCertVerificationError):
        field.meet(client=sign_anything(impostor, "c", usages=CLIENT))


def test_a_self_signed_client_is_refused(field: Field) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        field.meet(client=make_ca("self"))


@pytest.mark.parametrize(("days", "reason"), [((-3, -1), "expired"), ((1, 3), "not yet valid")])
def test_a_client_out_of_its_time_is_refused(
    field: Field, days: tuple[int, int], reason: str
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        field.meet(client=sign_anything(field.ca, "c", usages=CLIENT, days=days))


def test_a_server_certificate_does_not_make_a_client(field: Field) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        field.meet(client=sign_anything(field.ca, "c", usages=SERVER, dns=["localhost"]))


def test_a_certificate_for_signing_code_does_not_make_a_client(field: Field) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        field.meet(client=sign_anything(field.ca, "c", usages=[ExtendedKeyUsageOID.CODE_SIGNING]))


def test_a_leaf_of_a_leaf_is_refused(field: Field) -> None:
    """A client that signs for a friend; its own certificate is sent along as intermediate."""
    below = sign_anything(field.good_client, "friend", usages=CLIENT)
    pair = field.save(below)
    chain = field.directory / "chain.pem"
    chain.write_bytes(
        encode_certificate(below.certificate) + encode_certificate(field.good_client.certificate)
    )
    ca = str(field.directory / "ca.pem")
    own = field.save(field.good_server)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(
            server_context(ca, own.cert, own.key, verify=True),
            client_context(ca, str(chain), pair.key),
            "localhost",
        )


def test_the_systems_cas_do_not_admit_clients(field: Field) -> None:
    own = field.save(field.good_server)
    context = server_context(str(field.directory / "ca.pem"), own.cert, own.key, verify=True)
    assert [cert["subject"] for cert in context.get_ca_certs()] == [((("commonName", "Test CA"),),)]


def test_a_server_known_by_common_name_only_is_refused(field: Field) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"[Hh]ostname mismatch"):
        field.meet(server=sign_anything(field.ca, "localhost", usages=SERVER))


def test_a_server_of_another_name_is_refused(field: Field) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"[Hh]ostname mismatch"):
        field.meet(host="other.example")


def test_an_address_does_not_match_a_name_entry(field: Field) -> None:
    forged = sign_anything(field.ca, "s", usages=SERVER, dns=["127.0.0.1"])
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        field.meet(server=forged, host="127.0.0.1")


def test_a_client_certificate_does_not_make_a_server(field: Field) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        field.meet(server=sign_anything(field.ca, "s", usages=CLIENT, dns=["localhost"]))


def test_a_server_of_another_ca_is_refused(field: Field) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        field.meet(server=sign_anything(make_ca("Other"), "s", usages=SERVER, dns=["localhost"]))


def test_an_expired_server_is_refused(field: Field) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        field.meet(
            server=sign_anything(field.ca, "s", usages=SERVER, dns=["localhost"], days=(-3, -1))
        )


def test_old_protocol_versions_are_refused(field: Field) -> None:
    own = field.save(field.good_server)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        shake_hands(server_context(None, own.cert, own.key, verify=False), old, "localhost")


def test_both_usages_in_one_certificate_are_accepted(field: Field) -> None:
    """The well-known recipe appends clientAuth to the file that says serverAuth."""
    both = sign_anything(field.ca, "c", usages=[*SERVER, *CLIENT], dns=["localhost"])
    field.meet(client=both)


def test_no_stated_usage_means_any(field: Field) -> None:
    field.meet(client=sign_anything(field.ca, "c"))


def test_the_forgeries_are_what_they_claim(field: Field) -> None:
    forged = sign_anything(field.ca, "s", usages=SERVER, dns=["127.0.0.1"]).certificate
    names = forged.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["127.0.0.1"]
