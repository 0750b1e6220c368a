"""cfssl's JSON, in and out: requests, signing profiles, and what `cfssl gencert` prints.

    ca-config.json  {"signing": {"default": {"expiry": "8760h"},
                                 "profiles": {"server": {"expiry", "usages": ["server auth"]}}}}
    server.json     {"CN": "server", "hosts": ["example.org", "192.0.2.7"],
                     "key": {"algo": "ecdsa", "size": 256}, "names": [{"O": "Us"}]}
    output          {"cert": "PEM", "csr": "PEM", "key": "PEM"}

Keys are read in any case, as Go does. Source: cfssl, doc/cmd/cfssl.txt and its wiki.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wharfie.formats.duration import parse_duration
from wharfie.pki.certificates import (
    LONGEST_VALIDITY_DAYS,
    Identity,
    LeafRequest,
    encode_certificate,
    make_name,
    self_sign,
)
from wharfie.pki.errors import InvalidRequest, UnreadableFile
from wharfie.pki.files import read_pem
from wharfie.pki.keys import KeyType, encode_key, generate_key, parse_key_type
from wharfie.pki.names import HostNames, parse_hosts

Object = Mapping[str, object]

_YEAR = datetime.timedelta(days=365)
_ATTRIBUTES = {
    "c": NameOID.COUNTRY_NAME,
    "st": NameOID.STATE_OR_PROVINCE_NAME,
    "l": NameOID.LOCALITY_NAME,
    "o": NameOID.ORGANIZATION_NAME,
    "ou": NameOID.ORGANIZATIONAL_UNIT_NAME,
}
_USAGES = {
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a signing profile says: how long, and for what; no usages leave that to the caller."""

    lifetime: datetime.timedelta = _YEAR
    usages: tuple[x509.ObjectIdentifier, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a request file asks for.

    Attributes:
        lifetime: `ca.expiry` of a root's request; None when it does not say.
    """

    subject: x509.Name
    hosts: HostNames
    key_type: KeyType
    lifetime: datetime.timedelta | None = None

    def leaf(self, profile: Profile, *, usage: x509.ObjectIdentifier) -> LeafRequest:
        """The request for a leaf by a profile; `usage` where the profile names none."""
        return LeafRequest(
            subject=self.subject,
            hosts=self.hosts,
            usages=profile.usages or (usage,),
            lifetime=profile.lifetime,
            key_type=self.key_type,
        )


def read_wish(path: Path) -> Wish:
    """Read a request file, `server.json` or `ca-csr.json`.

    Raises:
        UnreadableFile: missing, or no JSON object.
        InvalidRequest: it asks for what cannot be certified.
    """
    document = _read(path)
    hosts = parse_hosts(_texts(document.get("hosts"), f"{path}: hosts"))
    common_name = document.get("cn")
    if not isinstance(common_name, str) or not common_name:
        common_name = (hosts.dns or tuple(map(str, hosts.addresses)) or ("",))[0][:64]
    expiry = _object(document.get("ca")).get("expiry")
    return Wish(
        subject=make_name(common_name, _attributes(document.get("names"), path)),
        hosts=hosts,
        key_type=_key_type(_object(document.get("key"))),
        lifetime=_lifetime(expiry, path) if expiry else None,
    )


def read_profile(path: Path, name: str) -> Profile:
    """Read a profile of a signing configuration; the default one where there is none of the name.

    Raises:
        UnreadableFile, InvalidRequest: as for `read_wish`.
    """
    signing = _object(_read(path).get("signing"))
    default = _object(signing.get("default"))
    chosen = {**default, **_object(_object(signing.get("profiles")).get(name.lower()))}
    expiry = chosen.get("expiry")
    words = _texts(chosen.get("usages"), f"{path}: usages")
    return Profile(
        lifetime=_lifetime(expiry, path) if expiry else _YEAR,
        usages=tuple(_USAGES[word.lower()] for word in words if word.lower() in _USAGES),
    )


def find_file(folder: Path, *names: str) -> Path | None:
    """The first of the files that exists."""
    return next((folder / name for name in names if (folder / name).exists()), None)


def gencert_output(identity: Identity) -> dict[str, str]:
    """What `cfssl gencert` prints of an identity; `cfssljson -bare` reads it."""
    builder = x509.CertificateSigningRequestBuilder(identity.certificate.subject)
    try:
        names = identity.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        builder = builder.add_extension(names.value, critical=False)
    except x509.ExtensionNotFound:
        pass
    request = builder.sign(identity.key, hashes.SHA256())
    return {
        "cert": encode_certificate(identity.certificate).decode(),
        "csr": request.public_bytes(serialization.Encoding.PEM).decode(),
        "key": encode_key(identity.key).decode(),
    }


def _read(path: Path) -> dict[str, object]:
    try:
        document = json.loads(read_pem(path))
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(str(path), f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise UnreadableFile(str(path), "not a JSON object")
    return {str(key).lower(): value for key, value in document.items()}


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        return {}
    return {str(key).lower(): item for key, item in value.items()}


def _texts(value: object, where: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidRequest(f"{where}: a list of strings is expected")
    return [item for item in value if item]


def _attributes(value: object, path: Path) -> list[tuple[x509.ObjectIdentifier, str]]:
    found = []
    for entry in value if isinstance(value, list) else []:
        for key, text in _object(entry).items():
            if key in _ATTRIBUTES and isinstance(text, str) and text:
                found.append((_ATTRIBUTES[key], text))
            elif key not in _ATTRIBUTES:
                raise InvalidRequest(f'{path}: names: unknown attribute "{key}"')
    return found


def _key_type(key: Object) -> KeyType:
    algorithm = key.get("algo") or "ecdsa"
    size = key.get("size") or (2048 if algorithm == "rsa" else 256)
    prefix = "ecdsa-p" if algorithm == "ecdsa" else f"{algorithm}-"
    return parse_key_type(f"{prefix}{size}")


def _lifetime(expiry: object, path: Path) -> datetime.timedelta:
    try:
        nanoseconds = parse_duration(expiry) if isinstance(expiry, str) else 0
    except ValueError as error:
        raise InvalidRequest(f"{path}: expiry: {error}") from None
    lifetime = datetime.timedelta(microseconds=nanoseconds // 1000)
    if not datetime.timedelta(0) < lifetime <= datetime.timedelta(days=LONGEST_VALIDITY_DAYS):
        raise InvalidRequest(f'{path}: expiry: "{expiry}" is out of range')
    return lifetime


def create_root(wish: Wish, *, now: datetime.datetime) -> Identity:
    """Make the root that a request asks for; five years where it does not say, as cfssl does."""
    key = generate_key(wish.key_type)
    return self_sign(key, wish.subject, lifetime=wish.lifetime or 5 * _YEAR, now=now)
