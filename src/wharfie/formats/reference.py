"""Image references: what a user types, and the two forms the engine keeps.

    reference = [domain "/"] path [":" tag] ["@" digest]

The *canonical* form spells everything out (`docker.io/library/busybox:latest`) and is what is
stored; the *familiar* form (`busybox:latest`) is what every client sees. Error texts are those
of distribution/reference. Source: behaviours 10-13.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from wharfie.formats.digest import Digest, DigestError, parse_digest

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
_LEGACY_DOMAIN = "index.docker.io"
_OFFICIAL = "library"
_MAX_PATH = 255
_MAX_INPUT = 2048

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = r"\w[\w.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"

_REFERENCE = re.compile(
    rf"(?P<domain>{_DOMAIN})/(?P<path>{_PATH})(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?",
    re.ASCII,
)
_TAG_ONLY = re.compile(_TAG, re.ASCII)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")


class InvalidReference(ValueError):
    """Not a reference; the text is the one Docker prints."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference; `tag` and `digest` are "" when absent."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Canonical repository name: `docker.io/library/busybox`."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """Repository name as users see it: `busybox`."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        head, slash, rest = self.path.partition("/")
        return rest if slash and head == _OFFICIAL and "/" not in rest else self.path

    def __str__(self) -> str:
        """The canonical form."""
        return self.name + self._suffix()

    def familiar(self) -> str:
        """The form users see."""
        return self.familiar_name + self._suffix()

    def tagged(self) -> Reference:
        """With the default tag when neither tag nor digest is given."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{tag}@{self.digest}" if self.digest else tag


def parse_reference(text: str) -> Reference:
    """Parse what a user typed, filling in the default domain and `library/`.

    Raises:
        InvalidReference: not a reference.

    Source: distribution/reference, ParseNormalizedNamed.
    """
    if len(text) > _MAX_INPUT:
        raise InvalidReference("invalid reference format")
    if _IDENTIFIER.fullmatch(text):
        raise InvalidReference(
            f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )
    domain, remainder = _split_domain(text)
    remote = remainder.partition(":")[0]
    if remote.lower() != remote:
        raise InvalidReference(
            f"invalid reference format: repository name ({remote}) must be lowercase"
        )
    match = _REFERENCE.fullmatch(f"{domain}/{remainder}")
    if match is None:
        raise InvalidReference("invalid reference format")
    path, digest = match["path"], match["digest"] or ""
    if len(path) > _MAX_PATH:
        raise InvalidReference(f"repository name must not be more than {_MAX_PATH} characters")
    if digest:
        digest = _checked_digest(digest)
    return Reference(domain=match["domain"], path=path, tag=match["tag"] or "", digest=digest)


def parse_familiar(text: str) -> Reference | None:
    """`parse_reference`, None instead of an error: for probing whether `text` may be a name."""
    try:
        return parse_reference(text)
    except InvalidReference:
        return None


def familiar(canonical: str) -> str:
    """Familiar spelling of a stored canonical reference."""
    return parse_reference(canonical).familiar()


def is_tag(text: str) -> bool:
    """Tell whether `text` may stand behind the colon of a reference."""
    return _TAG_ONLY.fullmatch(text) is not None


def _split_domain(text: str) -> tuple[str, str]:
    head, slash, rest = text.partition("/")
    if not slash:
        return DEFAULT_DOMAIN, f"{_OFFICIAL}/{text}"
    if head == _LEGACY_DOMAIN:
        domain, remainder = DEFAULT_DOMAIN, rest
    elif head == "localhost" or "." in head or ":" in head or head.lower() != head:
        domain, remainder = head, rest
    else:
        domain, remainder = DEFAULT_DOMAIN, text
    if domain == DEFAULT_DOMAIN and "/" not in remainder:
        remainder = f"{_OFFICIAL}/{remainder}"
    return domain, remainder


def _checked_digest(text: str) -> Digest:
    try:
        return parse_digest(text)
    except DigestError as error:
        raise InvalidReference(str(error)) from None
