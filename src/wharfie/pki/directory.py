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
    contents = (
        files.ca_files(ca, terms.passphrase)
        | files.server_files(issue(ca, for_server, now=terms.now))
        | files.client_files(issue(ca, for_client, now=terms.now))
    )
    files.write_files(directory, contents, force=terms.force)
    return [directory / name for name in contents]


def add_server(directory: Path, hosts: HostNames, *, terms: Terms, out: Path) -> list[Path]:
    """Make a server certificate for `hosts` by the CA in `directory`; returns the new paths.

    Raises:
        InvalidRequest, FileExists, UnreadableFile: as for `create`.
    """
    request = server_request(hosts, days=terms.days, key_type=terms.key_type)
    return _add(directory, request, files.server_files, terms=terms, out=out)


def add_client(directory: Path, name: str, *, terms: Terms, out: Path) -> list[Path]:
    """Make a client certificate for `name` by the CA in `directory`; returns the new paths.

    Raises:
        InvalidRequest, FileExists, UnreadableFile: as for `create`.
    """
    request = client_request(name, days=terms.days, key_type=terms.key_type)
    return _add(directory, request, files.client_files, terms=terms, out=out)


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
