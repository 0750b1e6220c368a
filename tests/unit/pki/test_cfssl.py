import datetime
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wharfie.cli.main import main
from wharfie.pki.certificates import issue
from wharfie.pki.cfssl import create_root, gencert_output, read_profile, read_wish
from wharfie.pki.errors import PkiError
from wharfie.pki.inspection import describe

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
CA = {"CN": "Dockerd CA", "key": {"algo": "rsa", "size": 2048}, "ca": {"expiry": "87600h"},
      "names": [{"C": "CN", "ST": "Shanxi", "L": "Datong", "O": "khs1994", "OU": "www"}],
      }  # fmt: skip
SERVER = {"CN": "server", "hosts": ["127.0.0.1", "www.khs1994.com", "192.168.57.110", "localhost"],
          "key": {"algo": "ecdsa", "size": 384}}  # fmt: skip
CLIENT = {"CN": "client", "hosts": [""], "key": {"algo": "ecdsa", "size": 256}}
CONFIG = {
    "signing": {
        "default": {"expiry": "43800h"},
        "profiles": {
            "server": {"expiry": "8760h", "usages": ["signing", "server auth"]},
            "client": {"expiry": "24h", "usages": ["signing", "client auth"]},
            "peer": {"usages": ["server auth", "client auth", "key encipherment"]},
        },
    }
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "cfssl"
    found.mkdir()
    for name, content in (
        ("ca-csr", CA), ("server", SERVER), ("client", CLIENT), ("ca-config", CONFIG)
    ):  # fmt: skip
        (found / f"{name}.json").write_text(json.dumps(content))
    return found


def test_a_directory_of_cfssls_files_becomes_the_six(folder: Path, tmp_path: Path) -> None:
    assert main(["wharfie", "cert", "create", "--cfssl", str(folder), "--dir", str(tmp_path)]) == 0
    pems = {path.name: path.read_bytes() for path in tmp_path.glob("*.pem")}
    assert len(pems) == 6
    ca, server, client = (
        describe(
            x509.load_pem_x509_certificate(pems[name]), now=datetime.datetime.now(datetime.UTC)
        )
        for name in ("ca.pem", "server-cert.pem", "cert.pem")
    )
    assert ca.key == "RSA 2048"
    assert ca.subject == "CN=Dockerd CA,OU=www,O=khs1994,L=Datong,ST=Shanxi,C=CN"
    assert (ca.not_after - ca.not_before).days == 3650
    assert server.key == "ECDSA secp384r1"
    assert server.usages == ("serverAuth",)
    assert set(server.hosts) == {
        "DNS:www.khs1994.com", "DNS:localhost", "IP:127.0.0.1", "IP:192.168.57.110",
    }  # fmt: skip
    assert client.usages == ("clientAuth",)
    assert (client.not_after - client.not_before) < datetime.timedelta(hours=25)
    assert ca.subject == client.issuer == server.issuer


def test_the_output_is_that_of_gencert(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = str(tmp_path)
    main(["wharfie", "cert", "create", "--cfssl", str(folder), "--dir", directory])
    capsys.readouterr()
    argv = ["--dir", directory, "--csr", str(folder / "server.json"), "--json", "--profile", "peer"]
    config = ["--config", str(folder / "ca-config.json")]
    assert main(["wharfie", "cert", "server", *argv, *config]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sorted(found) == ["cert", "csr", "key"]
    certificate = x509.load_pem_x509_certificate(found["cert"].encode())
    request = x509.load_pem_x509_csr(found["csr"].encode())
    assert request.is_signature_valid
    assert request.subject == certificate.subject
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_keys_are_read_in_any_case_and_have_defaults(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"cn": "a", "HOSTS": ["h"], "Key": {"Algo": "rsa"}}')
    wish = read_wish(path)
    root = create_root(wish, now=NOW)
    assert isinstance(root.key, rsa.RSAPrivateKey)
    assert root.certificate.not_valid_after_utc.year in {2030, 2031}
    path.write_text('{"hosts": ["h.example"]}')
    leaf = read_wish(path).leaf(read_profile(path, "none"), usage=ExtendedKeyUsageOID.SERVER_AUTH)
    identity = issue(root, leaf, now=NOW)
    assert isinstance(identity.key, ec.EllipticCurvePrivateKey)
    assert identity.certificate.subject.rfc4514_string() == "CN=h.example"
    assert "BEGIN CERTIFICATE REQUEST" in gencert_output(identity)["csr"]


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"CN":"x","key":{"algo":"dsa"}}', '{"CN":"x","key":{"algo":"rsa","size":1}}',
     '{"CN":"x","hosts":"h"}', '{"CN":"x","hosts":["-"]}', '{"CN":"x","ca":{"expiry":"soon"}}',
     '{"CN":"x","ca":{"expiry":"-1h"}}', '{"CN":"x","names":[{"C":"too long"}]}', "{}",
     '{"CN":"x","names":[{"Q":"?"}]}', '{"CN":"' + "x" * 65 + '"}', "[" * 100000],
)  # fmt: skip
def test_what_cannot_be_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(PkiError):
        read_wish(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(["CN", "hosts", "key", "algo", "size", "names", "ca", "expiry", "O",
                         "signing", "default", "profiles", "server", "usages"]), inner, max_size=4),
    max_leaves=6,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(JSON)
def test_any_document_is_read_or_refused(tmp_path: Path, document: object) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document))
    for read in (read_wish, lambda path: read_profile(path, "server")):
        try:
            read(path)
        except PkiError:
            continue
