"""Have this machine's daemon listen with mutual TLS, and make bundles for its clients.

    /etc/wharfie/tls/                        (0700)
    ├── ca.pem, ca-key.pem                   signs the daemon's and its clients' certificates
    ├── server-cert.pem, server-key.pem
    ├── crl.pem                              locked out clients
    └── clients/
        ├── NAME.dockercontext               a bundle, 0600: address, CA, certificate and key
        └── serials                          of all certificates ever made for clients, by name

What is there already is kept: enabling twice changes names and dates of the server's certificate
and nothing else, and clients made before go on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from wharfie.cli.contexts.archive import pack_parts
from wharfie.cli.contexts.store import DOCKER
from wharfie.cli.errors import CommandError
from wharfie.cli.remote.daemonfile import read_settings, write_settings
from wharfie.pki import files
from wharfie.pki.certificates import (
    Identity,
    client_request,
    create_ca,
    days_long,
    decode_certificates,
    encode_certificate,
    issue,
    make_name,
    self_sign,
    server_request,
)
from wharfie.pki.directory import Terms, add_server
from wharfie.pki.errors import PkiError
from wharfie.pki.inspection import described_hosts
from wharfie.pki.keys import decode_key
from wharfie.pki.names import HostNames, parse_hosts
from wharfie.pki.own import own_names
from wharfie.pki.revoking import CRL, revoked_serials, write_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PORT = 2376
_SOCKET = "unix:///var/run/docker.sock"
_BUNDLES = "clients"
_SERIALS = "serials"
_TLS_KEYS = ("tls", "tlsverify", "tlscacert", "tlscert", "tlskey", "tlscrl")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a daemon's files are.

    Attributes:
        config_file: its `daemon.json`.
        directory: its certificates.
        validator: the daemon's program, empty when there is none.
    """

    config_file: str
    directory: Path
    validator: str = ""


def place_of(prog: str, *, config_file: str, directory: str, validator: str) -> Place:
    """Return where the daemon's files are that goes with the name we were called by."""
    home = "/etc/docker" if prog == "docker" else "/etc/wharfie"
    # The daemon reads them from wherever it was started: nothing may be relative.
    config = os.path.abspath(config_file or f"{home}/daemon.json")
    return Place(
        config_file=config,
        directory=Path(os.path.abspath(directory or os.path.join(os.path.dirname(config), "tls"))),
        validator=validator,
    )


def enable(
    place: Place, hosts: Sequence[str], *, port: int, terms: Terms, client: str
) -> tuple[HostNames, Path]:
    """Make the certificates and the settings for mutual TLS, and the first client's bundle.

    Args:
        place: where the daemon's files are.
        hosts: names and addresses by which clients reach this machine; its own are added.
        port: where to listen.
        terms: of the certificates.
        client: name of the first client.

    Returns:
        The names certified, and the bundle.

    Raises:
        CommandError: the settings contradict each other, or a file cannot be written.
    """
    settings = read_settings(place.config_file)
    changed = _with_tls(settings, place, port)
    try:
        names = parse_hosts([*hosts, *_present_names(place.directory), *own_names()])
        _ensure_ca(place.directory, terms)
        request = server_request(names, days=terms.days, key_type=terms.key_type)
        add_server(place.directory, request, terms=_forced(terms), out=place.directory)
        # From the start, so that the daemon need not be restarted to lock somebody out.
        write_list(place.directory, _ca(place, terms), [], now=terms.now)
        write_settings(place.config_file, changed, validator=place.validator)
    except PkiError as error:
        raise CommandError(str(error)) from None
    bundle = _bundle_of(place, client)
    if terms.force or not bundle.exists():
        invite(place, client, host=(*hosts, *own_names())[0], port=port, terms=terms)
    return names, bundle


def _present_names(directory: Path) -> list[str]:
    """Return what the present server certificate is valid for: clients may use any of it."""
    path = directory / files.SERVER_CERT
    if not path.exists():
        return []
    return list(described_hosts(decode_certificates(files.read_pem(path), str(path))[0]))


def _forced(terms: Terms) -> Terms:
    from dataclasses import replace

    return replace(terms, force=True)


def _ensure_ca(directory: Path, terms: Terms) -> None:
    if (directory / files.CA_CERT).exists() and (directory / files.CA_KEY).exists():
        return
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"wharfie CA of {own_names()[0]}"[:64]
    days = max(terms.days, 10 * 365)  # clients need not be made anew when a leaf is
    key_path = directory / files.CA_KEY
    if key_path.exists() and not (directory / files.CA_CERT).exists():
        # Cut short the last time, between the two files.
        key = decode_key(files.read_pem(key_path), str(key_path), terms.passphrase)
        ca = self_sign(key, make_name(name), lifetime=days_long(days), now=terms.now)
        contents = {files.CA_CERT: encode_certificate(ca.certificate)}
    else:
        ca = create_ca(name, days=days, now=terms.now, key_type=terms.key_type)
        contents = files.ca_files(ca, terms.passphrase)
    files.write_files(directory, contents, force=terms.force)


def _with_tls(settings: dict[str, object], place: Place, port: int) -> dict[str, object]:
    ours = {
        "tlsverify": True,
        "tlscacert": str(place.directory / files.CA_CERT),
        "tlscert": str(place.directory / files.SERVER_CERT),
        "tlskey": str(place.directory / files.SERVER_KEY),
        "tlscrl": str(place.directory / CRL),
    }
    for key, value in ours.items():
        if settings.get(key, value) != value:
            raise CommandError(
                f'{place.config_file} has "{key}": {settings[key]!r} already: this daemon has'
                " certificates. Name their directory with --dir, or take the key away"
            )
    address = f"tcp://0.0.0.0:{port}"
    listed = settings.get("hosts")
    hosts = [str(host) for host in listed] if isinstance(listed, list) else [_SOCKET]
    if address not in hosts:
        hosts.append(address)
    # A unit's own -H would otherwise contradict the file.
    return {**settings, **ours, "hosts": hosts, "merge-hosts": True}


def disable(place: Place) -> bool:
    """Take the TCP addresses and the TLS settings out of `daemon.json`; certificates stay.

    Returns:
        Whether there was something to take out.
    """
    settings = read_settings(place.config_file)
    kept = {key: value for key, value in settings.items() if key not in _TLS_KEYS}
    listed = kept.get("hosts")
    if isinstance(listed, list):
        kept["hosts"] = [host for host in listed if not str(host).startswith("tcp://")]
        if kept["hosts"] in ([], [_SOCKET]):
            del kept["hosts"]
            kept.pop("merge-hosts", None)
    if kept == settings:
        return False
    write_settings(place.config_file, kept, validator=place.validator)
    return True


def invite(place: Place, client: str, *, host: str, port: int, terms: Terms) -> Path:
    """Make a client's certificate and its bundle; returns the bundle.

    Raises:
        CommandError: there is no CA here, the name is unusable, or taken and not forced.
    """
    target = _bundle_of(place, client)
    if target.exists() and not terms.force:
        raise CommandError(f"{target} exists: {client} was invited already (--force replaces it)")
    try:
        ca = _ca(place, terms)
        request = client_request(client, days=terms.days, key_type=terms.key_type)
        identity = issue(ca, request, now=terms.now)
        material = {
            files.CA_CERT: encode_certificate(ca.certificate),
            **files.client_files(identity),
        }
    except PkiError as error:
        raise CommandError(str(error)) from None
    address = f"[{host}]" if ":" in host else host
    endpoint = {"Host": f"tcp://{address}:{port}", "SkipTLSVerify": False}
    description = f"{host}, as {client}"
    document = {"Metadata": {"Description": description}, "Endpoints": {DOCKER: endpoint}}
    _note_serial(place, client, identity.certificate.serial_number)
    _write_bundle(target, pack_parts({"Name": client, **document}, {DOCKER: material}))
    return target


def revoke(place: Place, client: str, *, terms: Terms) -> int:
    """Lock a client out: put every certificate made for it on the revocation list.

    Returns:
        How many there are.

    Raises:
        CommandError: nobody of that name was invited here, or the list cannot be written.
    """
    serials = [serial for serial, name in _serials(place) if name == client]
    if not serials:
        raise CommandError(f"nobody called {client} was invited here")
    try:
        write_list(place.directory, _ca(place, terms), serials, now=terms.now)
    except PkiError as error:
        raise CommandError(str(error)) from None
    _bundle_of(place, client).unlink(missing_ok=True)
    return len(serials)


def clients(place: Place) -> list[dict[str, str]]:
    """Return everybody who was ever invited, by name: Name, Certificates, State, Bundle."""
    locked = revoked_serials(place.directory)
    found = []
    for name in sorted({name for _, name in _serials(place)}):
        serials = {serial for serial, owner in _serials(place) if owner == name}
        bundle = _bundle_of(place, name)
        found.append(
            {
                "Name": name,
                "Certificates": str(len(serials)),
                "State": "locked out" if serials <= locked else "admitted",
                "Bundle": str(bundle) if bundle.exists() else "",
            }
        )
    return found


def _ca(place: Place, terms: Terms) -> Identity:
    return files.read_ca(place.directory, terms.passphrase)


def _serials(place: Place) -> list[tuple[int, str]]:
    """Return serial number and name of all certificates made for clients."""
    path = place.directory / _BUNDLES / _SERIALS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        pairs = [line.partition(" ") for line in lines if line]
        return [(int(serial, 16), name) for serial, _, name in pairs]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {error}") from None


def _note_serial(place: Place, client: str, serial: int) -> None:
    """Remember a certificate before anybody can have it."""
    from wharfie.client.dialing import error_words

    path = place.directory / _BUNDLES / _SERIALS
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{serial:x} {client}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CommandError(f"open {path}: {error_words(error)}") from None


def _bundle_of(place: Place, client: str) -> Path:
    if not client.isprintable() or client.startswith(".") or not client or "/" in client:
        raise CommandError(f"{client!r} cannot be the name of a client")
    return place.directory / _BUNDLES / f"{client}.dockercontext"


def _write_bundle(target: Path, data: bytes) -> None:
    from wharfie.cli.config import write_whole
    from wharfie.client.dialing import error_words

    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(str(target), data, 0o600)
    except OSError as error:
        raise CommandError(f"open {target}: {error_words(error)}") from None
