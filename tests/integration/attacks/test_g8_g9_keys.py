"""G8 (moby#24132), clocks that are wrong; G9, a CA key that lies about.

Certificates a year off stand for a clock a year off: what counts is the difference. Guard off:
certificates that are valid are not warned of; a CA key that all may read is read.
"""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.daemon import BIN, Daemon
from support.tls import save, sign_anything
from wharfie.pki.files import read_ca

pytestmark = pytest.mark.root

NOBODY = 65534


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ((-730, -365), "expired on"),
        ((365, 730), "is not valid before"),
        ((-1, 20), "expires in 19 days"),
        ((-1, 365), ""),
    ],
)
def test_a_wrong_clock_costs_remote_access_only(days: tuple[int, int], words: str) -> None:
    with Daemon(tls=True) as daemon:
        ca = read_ca(daemon.certs)
        serving = sign_anything(
            ca, "s", usages=[ExtendedKeyUsageOID.SERVER_AUTH], dns=["localhost"], days=days
        )
        pair = save(daemon.directory, "other", serving)
        Path(pair.cert).replace(daemon.certs / "server-cert.pem")
        Path(pair.key).replace(daemon.certs / "server-key.pem")
        daemon.start()
        assert daemon.request("GET", "/_ping")[0] == 200, "the unix socket is up"
        warnings = [
            text for text in daemon.json("GET", "/info")["Warnings"] or () if "server-cert" in text
        ]
        assert bool(warnings) is bool(words)
        assert all(words in text for text in warnings)
        if words:
            assert words in daemon.log()
            assert words in daemon.docker("info").stderr
        if "valid before" in words:
            assert "clock right" in warnings[0]


def readable_by_nobody(path: Path) -> bool:
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            path.read_bytes()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_the_cas_key_is_its_owners_alone_and_can_be_kept_elsewhere(tmp_path: Path) -> None:
    with Daemon(tls=True) as daemon:
        key = daemon.certs / "ca-key.pem"
        assert stat.S_IMODE(key.stat().st_mode) == 0o400
        for folder in (daemon.directory, daemon.certs):
            folder.chmod(0o755)
        assert not readable_by_nobody(key)
        key.chmod(0o444)
        assert readable_by_nobody(key), "with the guard off it must be readable"
        # The CA's key is not the daemon's business: it may be on another continent.
        key.unlink()
        daemon.start()
        certs = [f"--{flag}={daemon.certs}/{name}.pem" for flag, name in
                 (("tlscacert", "ca"), ("tlscert", "cert"), ("tlskey", "key"))]  # fmt: skip
        done = daemon.docker("-H", daemon.tls_host, "--tlsverify", *certs, "version")
        assert done.returncode == 0, done.stderr


def test_the_cas_key_can_have_a_passphrase(tmp_path: Path) -> None:
    (tmp_path / "phrase").write_text("correct horse\n")
    made = ["cert", "create", "--host", "localhost", "--dir", str(tmp_path / "c")]
    phrase = ["--passphrase-file", str(tmp_path / "phrase")]
    subprocess.run([BIN / "wharfie", *made, *phrase], check=True, capture_output=True)
    assert b"ENCRYPTED PRIVATE KEY" in (tmp_path / "c/ca-key.pem").read_bytes()
    check = ["openssl", "pkey", "-in", str(tmp_path / "c/ca-key.pem"), "-noout", "-passin"]
    assert subprocess.run([*check, "pass:wrong horse"], capture_output=True).returncode
    assert subprocess.run([*check, "pass:correct horse"], capture_output=True).returncode == 0
