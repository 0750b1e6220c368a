import datetime
import os
from pathlib import Path

import pytest
from cryptography import x509

from wharfie.pki.certificates import decode_certificates
from wharfie.pki.checking import check_directory
from wharfie.pki.directory import Terms, create
from wharfie.pki.errors import PkiError, UnreadableFile
from wharfie.pki.files import read_ca
from wharfie.pki.keys import KeyType
from wharfie.pki.names import parse_hosts
from wharfie.pki.renewal import due, renew
from wharfie.pki.revocation import read_lists
from wharfie.pki.revoking import write_list

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    make(tmp_path)
    return tmp_path


def make(folder: Path, *, days: int = 100, ca_name: str = "CA") -> None:
    terms = Terms(now=NOW, days=days, force=True)
    create(folder, parse_hosts(["a.example", "::1"]), terms=terms, ca_name=ca_name, client_name="c")


def problems(directory: Path, now: datetime.datetime = NOW, *hosts: str) -> str:
    return "\n".join(f"{Path(flaw.file).name} {flaw.problem} | {flaw.remedy}"
                     for flaw in check_directory(directory, now=now, hosts=hosts))  # fmt: skip


def test_new_certificates_are_flawless(directory: Path) -> None:
    assert problems(directory, NOW, "a.example", "::1") == ""


def test_what_ends_soon_is_told_and_mended(directory: Path) -> None:
    later = NOW + 80 * DAY
    found = problems(directory, later)
    assert found.count("expires in 19 days") == 3
    assert f"wharfie cert renew --server --dir {directory}" in found
    names = due(directory, now=later, within=30 * DAY)
    assert names == ["ca.pem", "server-cert.pem", "cert.pem"]
    keys = {
        name: (directory / name).read_bytes() for name in os.listdir(directory) if "key" in name
    }
    renew(directory, names, terms=Terms(now=later, days=100))
    assert problems(directory, later, "a.example", "::1") == ""
    assert {name: (directory / name).read_bytes() for name in keys} == keys
    assert due(directory, now=later, within=30 * DAY) == []


def test_a_renewed_ca_has_signed_what_the_old_one_had(directory: Path) -> None:
    renew(directory, ["ca.pem"], terms=Terms(now=NOW + DAY, days=3000))
    assert problems(directory, NOW + DAY) == ""


def test_a_renewed_ca_renews_its_revocation_list(directory: Path) -> None:
    path = write_list(directory, read_ca(directory), [7, 8], now=NOW)
    renew(directory, ["ca.pem"], terms=Terms(now=NOW + DAY, days=3000))
    found = x509.load_pem_x509_crl(path.read_bytes())
    ca = read_ca(directory).certificate
    assert found.next_update_utc == ca.not_valid_after_utc
    assert {one.serial_number for one in found} == {7, 8}
    assert read_lists(str(path), str(directory / "ca.pem")).revoked


def test_an_expired_directory_is_renewed(directory: Path) -> None:
    later = NOW + 200 * DAY
    assert "expired on" in problems(directory, later)
    renew(directory, due(directory, now=later, within=DAY), terms=Terms(now=later, days=50))
    assert "expired" not in problems(directory, later)


def test_hosts_are_added_and_none_is_lost(directory: Path) -> None:
    found = problems(directory, NOW, "a.example", "b.example")
    assert "is not valid for b.example" in found
    assert f"wharfie cert renew --server --dir {directory} --host b.example" in found
    renew(directory, ["server-cert.pem"], terms=Terms(now=NOW), hosts=["b.example"])
    assert problems(directory, NOW, "a.example", "b.example", "::1") == ""


def test_new_keys_are_made_only_when_asked_for(directory: Path) -> None:
    before = (directory / "key.pem").read_bytes()
    terms = Terms(now=NOW, key_type=KeyType.ECDSA_P384)
    renew(directory, ["cert.pem"], terms=terms, new_key=True)
    assert (directory / "key.pem").read_bytes() != before
    assert problems(directory) == ""
    certificate = decode_certificates((directory / "cert.pem").read_bytes(), "")[0]
    assert certificate.subject.rfc4514_string() == "CN=c"


def test_without_the_cas_key_nothing_is_renewed(directory: Path) -> None:
    (directory / "ca-key.pem").unlink()
    before = (directory / "cert.pem").read_bytes()
    with pytest.raises(PkiError):
        renew(directory, ["cert.pem"], terms=Terms(now=NOW))
    assert (directory / "cert.pem").read_bytes() == before


def test_every_flaw_is_found(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    make(other, ca_name="Other")

    def swap(name: str, source: bytes) -> str:
        path = directory / name
        kept, mode = path.read_bytes(), path.stat().st_mode
        path.unlink()
        path.write_bytes(source)
        path.chmod(mode)
        found = problems(directory)
        path.unlink()
        path.write_bytes(kept)
        path.chmod(mode)
        return found

    assert "key.pem does not belong to" in swap("key.pem", (other / "key.pem").read_bytes())
    assert "was not signed by" in swap("server-cert.pem", (other / "server-cert.pem").read_bytes())
    assert "is not meant for this use: clientAuth, not serverAuth" in swap(
        "server-cert.pem", (directory / "cert.pem").read_bytes()
    )
    assert "is no CA" in swap("ca.pem", (directory / "cert.pem").read_bytes())
    assert "not a PEM certificate" in swap("cert.pem", b"junk")
    assert "not a PEM private key" in swap("server-key.pem", b"junk")
    (directory / "ca-key.pem").chmod(0o644)
    assert f"chmod 0400 {directory}/ca-key.pem" in problems(directory)
    (directory / "ca-key.pem").chmod(0o400)
    assert problems(directory) == ""


def test_an_empty_directory_is_no_good_one(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="wharfie cert create"):
        check_directory(tmp_path, now=NOW)
