"""A7, gaps of mutual TLS: every client certificate that must not be let in, against a live daemon.

Guard off: the same attempt against a daemon that verifies nobody is answered. Revocation is tried
with the list in place, after a reload, and on connections that stand.
"""

import contextlib
import datetime
import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.daemon import Daemon
from support.netns import inside, poll
from support.tls import PairOnDisk, make_ca, now, save, sign_anything
from wharfie.pki.certificates import Identity
from wharfie.pki.files import read_ca

pytestmark = pytest.mark.root

CLIENT = [ExtendedKeyUsageOID.CLIENT_AUTH]
SERVER = [ExtendedKeyUsageOID.SERVER_AUTH]
URL = "https://127.0.0.1:2376/_ping"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Daemon]:
    with Daemon(tls=True) as daemon:
        daemon.start()
        yield daemon


@pytest.fixture(scope="module")
def unguarded() -> Iterator[Daemon]:
    """The same, but the guard is off: nobody is verified."""
    with Daemon(tls=True) as daemon:
        daemon.start("--tlsverify=false")
        yield daemon


def curl(daemon: Daemon, pair: PairOnDisk | None, *flags: str) -> subprocess.CompletedProcess[str]:
    shown = ["--cert", pair.cert, "--key", pair.key] if pair else []
    return daemon.namespaces.run(
        "curl", "-sS", "--max-time", "10", "--cacert", f"{daemon.certs}/ca.pem", *shown, *flags, URL
    )


def identity(kind: str, ca: Identity) -> Identity | None:
    """An identity that must not be let in."""
    name = ca.certificate.subject.rfc4514_string().removeprefix("CN=")
    alone = make_ca("client")
    return {
        "none": None,
        "of a CA of the same name": sign_anything(make_ca(name), "client", usages=CLIENT),
        "of another CA": sign_anything(make_ca("other"), "client", usages=CLIENT),
        "self-signed": alone,
        "for servers": sign_anything(ca, "client", usages=SERVER, dns=["client"]),
        "expired": sign_anything(ca, "client", usages=CLIENT, days=(-9, -1)),
        "of the future": sign_anything(ca, "client", usages=CLIENT, days=(1, 9)),
    }[kind]


REFUSED = [
    ("none", "certificate required"),
    ("of a CA of the same name", "decrypt error"),
    ("of another CA", "unknown ca"),
    ("self-signed", "unknown ca"),
    ("for servers", "unsupported certificate"),
    ("expired", "certificate expired"),
    ("of the future", "bad certificate"),
]


@pytest.mark.parametrize(("kind", "alert"), REFUSED, ids=[kind for kind, _ in REFUSED])
def test_a_client_that_must_not_get_in(
    guarded: Daemon, unguarded: Daemon, tmp_path: Path, kind: str, alert: str
) -> None:
    found = identity(kind, read_ca(guarded.certs))
    pair = save(tmp_path, "attacker", found) if found else None
    refused = curl(guarded, pair)
    assert refused.returncode
    assert alert in refused.stderr.lower()
    assert "OK" not in refused.stdout
    assert curl(unguarded, pair).stdout == "OK", "with the guard off the attack must succeed"


def test_a_client_that_may_gets_in(guarded: Daemon) -> None:
    pair = PairOnDisk(f"{guarded.certs}/cert.pem", f"{guarded.certs}/key.pem")
    for version in ("--tlsv1.2", "--tlsv1.3"):
        assert curl(guarded, pair, version).stdout == "OK"


@pytest.mark.parametrize("version", ["tls1", "tls1_1"])
def test_old_versions_are_refused(guarded: Daemon, version: str) -> None:
    def ask(wanted: str) -> str:
        return guarded.namespaces.run(
            *("openssl", "s_client", "-connect", "127.0.0.1:2376", f"-{wanted}"),
            *("-cipher", "ALL:@SECLEVEL=0", "-cert", f"{guarded.certs}/cert.pem"),
            *("-key", f"{guarded.certs}/key.pem"),
        ).stdout

    assert "Cipher is (NONE)" in ask(version)
    assert "Cipher is (NONE)" not in ask("tls1_2")


def test_renegotiation_is_refused(guarded: Daemon) -> None:
    """A client that renegotiates could change its identity in the middle of a connection."""
    done = guarded.namespaces.run(
        *("openssl", "s_client", "-connect", "127.0.0.1:2376", "-tls1_2"),
        *("-cert", f"{guarded.certs}/cert.pem", "-key", f"{guarded.certs}/key.pem"),
        stdin="R\n",
    )
    assert "no renegotiation" in done.stderr


def revoke(ca: Identity, *revoked: Identity) -> bytes:
    day = datetime.timedelta(days=1)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(now() - day)
        .next_update(now() + 30 * day)
    )
    for one in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(one.certificate.serial_number)
            .revocation_date(now() - day)
            .build()
        )
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@contextlib.contextmanager
def standing(daemon: Daemon, pair: PairOnDisk) -> Iterator[ssl.SSLSocket]:
    """A connection with an event stream under way, made inside the daemon's namespaces."""
    context = ssl.create_default_context(cafile=f"{daemon.certs}/ca.pem")
    context.load_cert_chain(pair.cert, pair.key)
    with inside(daemon.namespaces, ("127.0.0.1", 2376)) as raw:
        raw.settimeout(10)
        with context.wrap_socket(raw, server_hostname="localhost") as secured:
            secured.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200 OK" in secured.recv(4096)
            yield secured


def test_a_revoked_client_is_refused_and_its_streams_end_at_a_reload() -> None:
    with Daemon(tls=True) as daemon:
        ca = read_ca(daemon.certs)
        bad, good = (sign_anything(ca, name, usages=CLIENT) for name in ("bad", "good"))
        pairs = [
            save(daemon.directory, "id" + name, one) for name, one in (("b", bad), ("g", good))
        ]
        crl = daemon.directory / "crl.pem"
        crl.write_bytes(revoke(ca))
        daemon.start("--tlscrl", str(crl))
        # The list is empty: with the guard off the attack succeeds.
        assert [curl(daemon, pair).stdout for pair in pairs] == ["OK", "OK"]
        with standing(daemon, pairs[0]) as revoked, standing(daemon, pairs[1]) as kept:
            crl.write_bytes(revoke(ca, bad))
            os.kill(daemon.pid, signal.SIGHUP)
            with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
                assert revoked.recv(100) == b""
            refused = curl(daemon, pairs[0])
            assert "certificate revoked" in refused.stderr.lower()
            assert curl(daemon, pairs[1]).stdout == "OK"
            assert b'"reload"' in kept.recv(4096), "the stream goes on, and tells of the reload"
        for _ in poll("the log to tell of the cut"):
            if "cut 1 connections of revoked client certificates" in daemon.log():
                break


def test_a_new_server_certificate_is_shown_without_dropping_streams() -> None:
    """moby#23936: rotation must not need a restart."""
    with Daemon(tls=True) as daemon:
        daemon.start()
        pair = PairOnDisk(f"{daemon.certs}/cert.pem", f"{daemon.certs}/key.pem")
        fresh = sign_anything(read_ca(daemon.certs), "fresh", usages=SERVER, dns=["localhost"])
        with standing(daemon, pair) as kept:
            for name in ("server-cert.pem", "server-key.pem"):
                (daemon.certs / name).unlink()
            made = save(daemon.directory, "fresh", fresh)
            Path(made.cert).rename(daemon.certs / "server-cert.pem")
            Path(made.key).rename(daemon.certs / "server-key.pem")
            os.kill(daemon.pid, signal.SIGHUP)
            for _ in poll("the new certificate to be shown"):
                shown = daemon.namespaces.run(
                    "openssl", "s_client", "-connect", "127.0.0.1:2376", "-servername", "localhost"
                )
                if "CN = fresh" in shown.stdout or "CN=fresh" in shown.stdout:
                    break
            assert b'"reload"' in kept.recv(4096), "the stream goes on, and tells of the reload"
