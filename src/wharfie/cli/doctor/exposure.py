"""Who can reach the daemon of this machine, by each of its listening sockets."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from wharfie.cli.doctor.findings import Finding, fail, ok, warn
from wharfie.cli.doctor.network import SECONDS
from wharfie.cli.doctor.speech import Speech, listen_to
from wharfie.client.endpoint import Endpoint, TlsOptions, parse_endpoint

_NAMES = {"wharfied", "dockerd"}
_LISTEN = "0A"
_ACCEPTS = 0x00010000
_ENABLE = "wharfie remote enable; systemctl restart wharfie"


@dataclass(frozen=True, kw_only=True)
class Listening:
    """A daemon's listening socket: a path, or an address and a port."""

    path: str = ""
    address: str = ""
    port: int = 0

    @property
    def shown(self) -> str:
        """How messages name it."""
        if self.path:
            return self.path
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )


def running_daemons() -> list[int]:
    """Process IDs of the daemons that run here, and not in a container or namespace."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/comm", encoding="utf-8", errors="replace") as file:
                    name = file.read().strip()
            except OSError:
                continue  # it has ended meanwhile
            if name in _NAMES and _is_here(entry):
                found.append(int(entry))
    return sorted(found)


def _is_here(pid: str) -> bool:
    for kind in ("mnt", "net"):
        try:
            if os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"):
                return False
        except OSError:
            continue  # somebody else's; what cannot be seen is said later
    return True


_OWN = "/proc/self/fd/"
"""Bound below a directory only the daemon has open: not for clients."""


def check_exposure() -> Iterator[Finding]:
    """Yield a finding for every listening socket of every daemon here."""
    daemons = running_daemons()
    if not daemons:
        yield warn("listeners", "no daemon runs here", "systemctl start wharfie  # or: wharfied")
        return
    for pid in daemons:
        try:
            sockets = listening_sockets(pid)
        except PermissionError:
            yield warn(
                "listeners",
                f"what the daemon (process {pid}) listens on is for root's eyes only",
                "sudo wharfie doctor",
            )
            continue
        for one in sockets:
            if not one.path:
                yield _check_tcp(one)
            elif one.path.startswith(_OWN):
                continue
            elif not os.path.exists(one.path) or _is_api(one.path):
                yield _check_path(one)


def listening_sockets(pid: int) -> list[Listening]:
    """The listening sockets of a process.

    Raises:
        PermissionError: it is somebody else's.
    """
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = [*_unix(pid, inodes)]
    for family, table in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        found += _tcp(pid, inodes, family, table)
    return found


def _rows(pid: int, table: str) -> list[list[str]]:
    try:
        with open(f"/proc/{pid}/net/{table}", encoding="utf-8", errors="surrogateescape") as file:
            return [line.split() for line in file.readlines()[1:]]
    except FileNotFoundError:
        return []  # a kernel without this family


def _unix(pid: int, inodes: set[str]) -> Iterator[Listening]:
    for row in _rows(pid, "unix"):
        if len(row) > 7 and row[6] in inodes and int(row[3], 16) & _ACCEPTS:
            yield Listening(path=row[7])


def _tcp(pid: int, inodes: set[str], family: int, table: str) -> Iterator[Listening]:
    for row in _rows(pid, table):
        if row[3] != _LISTEN or row[9] not in inodes:
            continue
        words, _, port = row[1].partition(":")
        raw = bytes.fromhex(words)
        packed = b"".join(
            struct.pack("=I", *struct.unpack(">I", raw[at : at + 4]))
            for at in range(0, len(raw), 4)
        )
        yield Listening(address=socket.inet_ntop(family, packed), port=int(port, 16))


def _is_api(path: str) -> bool:
    """Tell whether a socket is one for clients, and not the daemon's own."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(SECONDS)
        try:
            probe.connect(path)
            probe.sendall(b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return b"\r\napi-version:" in probe.recv(4096).lower()
        except OSError:
            return False


def _check_path(one: Listening) -> Finding:
    try:
        found = os.stat(one.path)
    except OSError:
        return warn(
            "listeners",
            f"{one.path} was removed under the daemon: nobody can reach it",
            "systemctl restart wharfie",
        )
    if found.st_mode & stat.S_IWOTH:
        return fail(
            "listeners",
            f"{one.path} is open to every user of this machine, who thereby is root",
            f"chmod 660 {one.path}",
        )
    return ok("listeners", f"{one.path} is open to root and group {_group(found.st_gid)}")


def _group(gid: int) -> str:
    import grp

    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return str(gid)
    members = f" ({', '.join(group.gr_mem)})" if group.gr_mem else ""
    return f"{group.gr_name}{members}"


def _check_tcp(one: Listening) -> Finding:
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(one.address, one.address)  # noqa: S104
    endpoint = parse_endpoint(f"tcp://[{here}]:{one.port}" if ":" in here else f"{here}:{one.port}")
    local = here == one.address and (here == "::1" or here.startswith("127."))
    who = "every user and program of this machine" if local else "everybody who reaches it"
    match listen_to(endpoint):
        case Speech.PLAIN:
            detail = f"{one.shown} without encryption: {who} is root here"
            return fail("listeners", detail, _ENABLE)
        case Speech.TLS if _admits_strangers(endpoint):
            detail = (
                f"{one.shown} with TLS, but without asking for certificates: {who} is root here"
            )
            return fail("listeners", detail, _ENABLE)
        case Speech.TLS:
            return ok("listeners", f"{one.shown} is open to clients with a certificate of its CA")
        case Speech.OTHER:
            return ok("listeners", f"{one.shown} speaks neither HTTP nor TLS")


def _admits_strangers(endpoint: Endpoint) -> bool:
    """Tell whether the API answers a client without a certificate."""
    from wharfie.client.tls import make_context

    context = make_context(TlsOptions(verify=False))
    try:
        with (
            socket.create_connection((endpoint.host, endpoint.port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=endpoint.host) as secure,
        ):
            secure.sendall(b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return secure.recv(64).startswith(b"HTTP/1.")
    except (OSError, ssl.SSLError):
        return False
