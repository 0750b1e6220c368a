"""What is wrong with a directory of certificates, and the command that mends it.

Looked at: every file of the six that is there (its mode, its content), each certificate's dates
and uses, that keys belong to certificates, and that the CA beside them signed them.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from wharfie.pki import files
from wharfie.pki.certificates import decode_certificates
from wharfie.pki.errors import PkiError, UnreadableFile
from wharfie.pki.files import read_pem
from wharfie.pki.inspection import NEARLY_EXPIRED, describe, described_hosts
from wharfie.pki.keys import decode_key, public_bytes, public_bytes_of
from wharfie.pki.names import HostNames, parse_hosts

_PAIRS = ((files.CA_CERT, files.CA_KEY), (files.SERVER_CERT, files.SERVER_KEY),
          (files.CLIENT_CERT, files.CLIENT_KEY))  # fmt: skip
_USES = {files.SERVER_CERT: "serverAuth", files.CLIENT_CERT: "clientAuth"}


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """One thing that is wrong.

    Attributes:
        file: its path.
        problem: a sentence.
        remedy: a command, or what else to do.
    """

    file: str
    problem: str
    remedy: str


def check_directory(
    directory: Path, *, now: datetime.datetime, hosts: Iterable[str] = ()
) -> list[Flaw]:
    """Check what is in a certificate directory.

    Args:
        directory: with some of the six files.
        now: aware date and time.
        hosts: names and addresses for which the server's certificate should be valid.

    Raises:
        UnreadableFile: there is no certificate at all.
        InvalidRequest: a host is neither name nor address.
    """
    present = [name for name in files.ALL if (directory / name).exists()]
    if not any(name.endswith(files.CLIENT_CERT) or name == files.CA_CERT for name in present):
        raise UnreadableFile(str(directory), "no certificates here: wharfie cert create makes them")
    checking = _Checking(directory, now)
    flaws = [*checking.modes(present)]
    for cert, key in _PAIRS:
        flaws += checking.pair(cert, key)
    flaws += checking.missing_hosts(parse_hosts(hosts))
    return flaws


class _Checking:
    def __init__(self, directory: Path, now: datetime.datetime) -> None:
        self._directory = directory
        self._now = now
        self._ca = self._certificate(files.CA_CERT)

    def modes(self, present: Iterable[str]) -> Iterator[Flaw]:
        for name in present:
            path = self._directory / name
            mode = os.stat(path).st_mode & 0o777
            if name.endswith("key.pem") and mode & 0o077:
                yield Flaw(
                    file=str(path),
                    problem=f"others can read or change this key (mode {mode:04o})",
                    remedy=f"chmod 0400 {path}",
                )

    def pair(self, cert: str, key: str) -> Iterator[Flaw]:
        path = self._directory / cert
        if not path.exists():
            return
        try:
            certificate = decode_certificates(read_pem(path), str(path))[0]
        except PkiError as error:
            yield Flaw(file=str(path), problem=str(error), remedy=self._anew(cert))
            return
        for problem in describe(certificate, now=self._now).problems:
            yield Flaw(file=str(path), problem=problem, remedy=self._remedy(cert, certificate))
        yield from self._use(cert, certificate)
        yield from self._key(cert, key, certificate)

    def _use(self, cert: str, certificate: x509.Certificate) -> Iterator[Flaw]:
        path = str(self._directory / cert)
        if cert == files.CA_CERT:
            if not describe(certificate, now=self._now).is_ca:
                problem = "is no CA: what it signed is refused"
                yield Flaw(file=path, problem=problem, remedy=self._anew(cert))
            return
        usages = describe(certificate, now=self._now).usages
        if usages and not {_USES[cert], "any"} & set(usages):
            problem = f"is not meant for this use: {', '.join(usages)}, not {_USES[cert]}"
            yield Flaw(file=path, problem=problem, remedy=self._anew(cert))
        if self._ca is None:
            return
        try:
            certificate.verify_directly_issued_by(self._ca)
        except (ValueError, TypeError, InvalidSignature):
            problem = f"was not signed by {self._directory / files.CA_CERT}"
            yield Flaw(file=path, problem=problem, remedy=self._anew(cert))
        else:
            if certificate.not_valid_after_utc > self._ca.not_valid_after_utc:
                problem = f"its CA ends before it does, on {self._ca.not_valid_after_utc:%Y-%m-%d}"
                remedy = f"wharfie cert renew --ca --dir {self._directory}"
                yield Flaw(file=path, problem=problem, remedy=remedy)

    def _key(self, cert: str, key: str, certificate: x509.Certificate) -> Iterator[Flaw]:
        path = self._directory / key
        if not path.exists():
            return
        try:
            found = decode_key(read_pem(path), str(path))
        except UnreadableFile as error:
            if cert == files.CA_CERT and "encrypted" in str(error):
                return  # as it should be
            yield Flaw(file=str(path), problem=str(error), remedy=self._anew(cert))
            return
        if public_bytes(found) != public_bytes_of(certificate):
            problem = f"does not belong to {self._directory / cert}"
            yield Flaw(file=str(path), problem=problem, remedy=self._anew(cert))

    def missing_hosts(self, wanted: HostNames) -> Iterator[Flaw]:
        certificate = self._certificate(files.SERVER_CERT)
        if certificate is None:
            return
        there = set(described_hosts(certificate))
        asked = [*(f"DNS:{name}" for name in wanted.dns), *(f"IP:{a}" for a in wanted.addresses)]
        missing = [name.partition(":")[2] for name in asked if name not in there]
        if missing:
            flags = " ".join(f"--host {name}" for name in missing)
            yield Flaw(
                file=str(self._directory / files.SERVER_CERT),
                problem=f"is not valid for {', '.join(missing)}",
                remedy=f"wharfie cert renew --server --dir {self._directory} {flags}",
            )

    def _certificate(self, name: str) -> x509.Certificate | None:
        path = self._directory / name
        try:
            return decode_certificates(read_pem(path), str(path))[0]
        except PkiError:
            return None

    def _remedy(self, cert: str, certificate: x509.Certificate) -> str:
        if certificate.not_valid_after_utc - self._now < NEARLY_EXPIRED:
            which = {files.CA_CERT: "--ca ", files.SERVER_CERT: "--server "}.get(cert, "--client ")
            return f"wharfie cert renew {which}--dir {self._directory}"
        return self._anew(cert)

    def _anew(self, cert: str) -> str:
        verb = {
            files.CA_CERT: "create --force",
            files.SERVER_CERT: "server --force --host HOST",
        }.get(cert, "client --force NAME")
        return f"wharfie cert {verb} --dir {self._directory}"
