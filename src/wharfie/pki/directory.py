"""The verbs on a certificate directory: make all six files, or one more server or client.

`create` is for a new daemon and its first client; `add_server` renews a server or names more
hosts; `add_client` makes one more client, in the same directory or in one to be handed over,
which then also gets the CA's certificate. All are slow with RSA keys: not for an event loop.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wharfie.pki import files
from wharfie.pki.certificates import (
    Identity,
    LeafRequest,
    client_request,
    create_ca,
    encode_certificate,
    issue,
    server_request,
)
from wharfie.pki.keys import KeyType
from wharfie.pki.names import HostNames


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What all new certificates have in common.

    Attributes:
        now: aware date and time at which they are made.
        days: how long they are valid.
        key_type: kind of their keys.
        passphrase: of the CA's key, None when it is not encrypted.
        force: replace files that exist.
    """

    now: datetime.datetime
    days: int = 365
    key_type: KeyType = KeyType.ECDSA_P256
    passphrase: bytes | None = None
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Trio:
    """A CA and the first two leaves under it."""

    ca: Identity
    server: Identity
    client: Identity

    def contents(self, passphrase: bytes | None) -> dict[str, bytes]:
        """The six files."""
        return (
            files.ca_files(self.ca, passphrase)
            | files.server_files(self.server)
            | files.client_files(self.client)
        )


def create(
    directory: Path, hosts: HostNames, *, terms: Terms, ca_name: str, client_name: str
) -> list[Path]:
    """Make a CA, a server for `hosts` and a client; returns the six paths.

    Raises:
        InvalidRequest: names or terms are out of range.
        FileExists: one of the six exists and force was not given; nothing was made.
        UnreadableFile: the directory cannot be written.
    """
    if not terms.force:
        files.check_absent(directory, files.ALL)
    for_server = server_request(hosts, days=terms.days, key_type=terms.key_type)
    for_client = client_request(client_name, days=terms.days, key_type=terms.key_type)
    ca = create_ca(ca_name, days=terms.days, now=terms.now, key_type=terms.key_type)
    return write_trio(directory, issue_trio(ca, for_server, for_client, terms=terms), terms=terms)


def issue_trio(ca: Identity, server: LeafRequest, client: LeafRequest, *, terms: Terms) -> Trio:
    """Sign a server's and a client's certificate by a CA.

    Raises:
        InvalidRequest: the signer is no CA, or is not valid now.
    """
    return Trio(
        ca=ca,
        server=issue(ca, server, now=terms.now),
        client=issue(ca, client, now=terms.now),
    )


def write_trio(directory: Path, trio: Trio, *, terms: Terms) -> list[Path]:
    """Write the six files; returns their paths.

    Raises:
        FileExists, UnreadableFile: as for `create`.
    """
    contents = trio.contents(terms.passphrase)
    files.write_files(directory, contents, force=terms.force)
    return [directory / name for name in contents]


def add_server(directory: Path, request: LeafRequest, *, terms: Terms, out: Path) -> list[Path]:
    """Make a server certificate by the CA in `directory`; returns the new paths.

    Raises:
        InvalidRequest, FileExists, UnreadableFile: as for `create`.
    """
    return _add(directory, request, files.server_files, terms=terms, out=out)


def add_client(directory: Path, request: LeafRequest, *, terms: Terms, out: Path) -> list[Path]:
    """Make a client certificate by the CA in `directory`; returns the new paths.

    Raises:
        InvalidRequest, FileExists, UnreadableFile: as for `create`.
    """
    return _add(directory, request, files.client_files, terms=terms, out=out)


def sign(directory: Path, request: LeafRequest, *, terms: Terms) -> Identity:
    """Make a leaf by the CA in `directory` and write nothing.

    Raises:
        InvalidRequest, UnreadableFile: as for `create`.
    """
    return issue(files.read_ca(directory, terms.passphrase), request, now=terms.now)


def _add(
    directory: Path,
    request: LeafRequest,
    to_files: Callable[[Identity], dict[str, bytes]],
    *,
    terms: Terms,
    out: Path,
) -> list[Path]:
    ca = files.read_ca(directory, terms.passphrase)
    contents = to_files(issue(ca, request, now=terms.now))
    if directory.resolve() != out.resolve():
        contents[files.CA_CERT] = encode_certificate(ca.certificate)
    files.write_files(out, contents, force=terms.force)
    return [out / name for name in contents]
