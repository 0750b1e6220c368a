"""Registry credentials in request headers: base64 of JSON, in all the spellings clients use.

Source: Engine API, "Authentication"; api.md: URL-safe or plain alphabet, padding or not; what
does not parse counts as none, as in Docker.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping

import msgspec

from wharfie.model.registry import ANONYMOUS, Credentials

_MAX = 64 << 10


def registry_credentials(headers: Mapping[str, str]) -> Credentials:
    """What X-Registry-Auth says."""
    document = _decode(headers.get("x-registry-auth", ""))
    return credentials_of(document)


def registry_config(headers: Mapping[str, str]) -> dict[str, Credentials]:
    """What X-Registry-Config says: credentials by registry."""
    document = _decode(headers.get("x-registry-config", ""))
    return {str(name): credentials_of(entry) for name, entry in document.items()}


def credentials_of(document: object) -> Credentials:
    """Credentials from a decoded object; members in any case, as Go reads them."""
    if not isinstance(document, dict):
        return ANONYMOUS
    known = {
        key.lower(): value
        for key, value in document.items()
        if isinstance(key, str) and isinstance(value, str)
    }
    names = Credentials.__struct_fields__
    return Credentials(**{name: known[name] for name in names if name in known})


def _decode(text: str) -> dict[str, object]:
    if not text or len(text) > _MAX:
        return {}
    plain = text.strip().replace("-", "+").replace("_", "/").rstrip("=")
    try:
        document = msgspec.json.decode(b64decode(plain + "=" * (-len(plain) % 4), validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return {}
    return document if isinstance(document, dict) else {}
