"""Names of repositories and tags, and digests, as the specification spells them.

    name   = component *("/" component)      at most 255 characters
    tag    = [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}

Nothing else becomes part of a path: what passes here cannot climb. Source: OCI distribution spec
1.1, "Pulling manifests".
"""

from __future__ import annotations

import re

from wharfie.formats.digest import Digest, DigestError, parse_digest
from wharfie.registry.errors import Code, Refused

MAX_NAME = 255
ALGORITHMS = ("sha256", "sha512")
"""What may name content here."""

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)
_SHOWN = 100


def is_repository(text: str) -> bool:
    """Tell whether `text` may name a repository."""
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Tell whether `text` may be a tag."""
    return _TAG.fullmatch(text) is not None


def check_repository(text: str) -> str:
    """Return a repository's name; Refused if it cannot be one."""
    if not is_repository(text):
        raise Refused(Code.NAME_INVALID, "invalid repository name", detail={"name": text[:_SHOWN]})
    return text


def check_tag(text: str) -> str:
    """Return a tag; Refused if it cannot be one."""
    if not is_tag(text):
        raise Refused(Code.TAG_INVALID, "invalid tag", detail={"tag": text[:_SHOWN]})
    return text


def check_digest(text: str) -> Digest:
    """Return a digest of an algorithm that may name content here; Refused if it is none."""
    try:
        digest = parse_digest(text)
    except DigestError as error:
        raise Refused(Code.DIGEST_INVALID, str(error), detail={"digest": text[:_SHOWN]}) from None
    if algorithm_of(digest) not in ALGORITHMS:
        raise Refused(
            Code.DIGEST_INVALID, "unsupported digest algorithm", detail={"digest": text[:_SHOWN]}
        )
    return digest


def algorithm_of(digest: str) -> str:
    """The algorithm of a digest."""
    return digest.partition(":")[0]
