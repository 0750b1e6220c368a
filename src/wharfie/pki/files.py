"""The six files of a certificate directory, by the names Docker's documentation gives them.

    ca-key.pem       0400   the CA's key: keep it off the servers
    ca.pem           0444   the CA's certificate: for servers and clients
    server-cert.pem  0444   for the daemon
    server-key.pem   0400
    cert.pem         0444   for a client, e.g. in ~/.docker
    key.pem          0400

A file appears whole, with its mode, or not at all; none is replaced unless `force` is given.
Several files are not one transaction: an interrupted write can leave some of them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from wharfie.pki.certificates import Identity, decode_certificates, encode_certificate
from wharfie.pki.errors import FileExists, UnreadableFile
from wharfie.pki.keys import decode_key, encode_key

CA_KEY = "ca-key.pem"
CA_CERT = "ca.pem"
SERVER_CERT = "server-cert.pem"
SERVER_KEY = "server-key.pem"
CLIENT_CERT = "cert.pem"
CLIENT_KEY = "key.pem"
ALL = (CA_KEY, CA_CERT, SERVER_KEY, SERVER_CERT, CLIENT_KEY, CLIENT_CERT)

KEY_MODE = 0o400
CERT_MODE = 0o444

_LARGEST_PEM = 1 << 20


def ca_files(ca: Identity, passphrase: bytes | None = None) -> dict[str, bytes]:
    """Contents of the CA's two files; its key encrypted if a passphrase is given."""
    return {
        CA_KEY: encode_key(ca.key, passphrase),
        CA_CERT: encode_certificate(ca.certificate),
    }


def server_files(server: Identity) -> dict[str, bytes]:
    """Contents of a server's two files."""
    return {
        SERVER_KEY: encode_key(server.key),
        SERVER_CERT: encode_certificate(server.certificate),
    }


def client_files(client: Identity) -> dict[str, bytes]:
    """Contents of a client's two files."""
    return {
        CLIENT_KEY: encode_key(client.key),
        CLIENT_CERT: encode_certificate(client.certificate),
    }


def check_absent(directory: Path, names: Iterable[str]) -> None:
    """Refuse when any of the files is there; asked before slow keys are made.

    Raises:
        FileExists: naming all of them.
    """
    present = [str(directory / name) for name in names if os.path.lexists(directory / name)]
    if present:
        raise FileExists(present)


def write_files(directory: Path, files: Mapping[str, bytes], *, force: bool = False) -> None:
    """Write PEM files with the modes of the table above, making the directory (0700) if absent.

    Raises:
        FileExists: one of them exists and `force` is not given; nothing was written.
        UnreadableFile: the directory or a file cannot be written.
    """
    if not force:
        check_absent(directory, files)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in files.items():
            _write(directory / name, content, force=force)
    except FileExistsError as error:
        raise FileExists([str(error.filename2 or error.filename)]) from None
    except OSError as error:
        where = str(error.filename or directory)
        raise UnreadableFile(where, (error.strerror or str(error)).lower()) from None


def _write(path: Path, content: bytes, *, force: bool) -> None:
    mode = KEY_MODE if path.name.endswith("key.pem") else CERT_MODE
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(fd, mode)
            os.fsync(fd)
        if force:
            os.rename(unfinished, path)
        else:
            # Unlike rename, link refuses an existing name; another writer cannot be overrun.
            os.link(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_pem(path: Path) -> bytes:
    """Read a file that should hold PEM.

    Raises:
        UnreadableFile: missing, unreadable, or larger than any PEM file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_PEM + 1)
    except OSError as error:
        raise UnreadableFile(str(path), (error.strerror or str(error)).lower()) from None
    if len(content) > _LARGEST_PEM:
        raise UnreadableFile(str(path), "too large for a PEM file")
    return content


def read_ca(directory: Path, passphrase: bytes | None = None) -> Identity:
    """Read the CA of a certificate directory; of several certificates in its file, the first.

    Raises:
        UnreadableFile: a file is missing or unusable, or the passphrase is wrong.
    """
    cert_path, key_path = directory / CA_CERT, directory / CA_KEY
    certificate = decode_certificates(read_pem(cert_path), str(cert_path))[0]
    return Identity(certificate, decode_key(read_pem(key_path), str(key_path), passphrase))
