"""A server that is known by common name only must not get our client's trust."""

import ssl
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.tls import make_ca, save, shake_hands, sign_anything
from wharfie.client.endpoint import TlsOptions
from wharfie.client.tls import make_context
from wharfie.pki.certificates import encode_certificate
from wharfie.pki.contexts import server_context
from wharfie.pki.files import write_files


@pytest.mark.parametrize(("dns", "trusted"), [([], False), (["localhost"], True)])
def test_only_subject_alternative_names_count(
    tmp_path: Path, dns: list[str], *, trusted: bool
) -> None:
    ca = make_ca()
    write_files(tmp_path, {"ca.pem": encode_certificate(ca.certificate)})
    usages = [ExtendedKeyUsageOID.SERVER_AUTH]
    pair = save(tmp_path, "server", sign_anything(ca, "localhost", usages=usages, dns=dns))
    server = server_context(None, pair.cert, pair.key, verify=False)
    client = make_context(TlsOptions(ca=str(tmp_path / "ca.pem"), verify=True))
    if trusted:
        shake_hands(server, client, "localhost")
        return
    with pytest.raises(ssl.SSLCertVerificationError, match=r"[Hh]ostname mismatch"):
        shake_hands(server, client, "localhost")
