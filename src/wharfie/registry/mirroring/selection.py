"""What is to be mirrored, as typed.

registry/repository            all its tags
registry/repository:PATTERN    tags that match
registry/repository@digest     one manifest
registry/PATTERN[:PATTERN]     repositories of the catalogue that match (`team/**`)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from wharfie.formats.digest import DigestError, parse_digest
from wharfie.formats.pathmatch import InvalidPattern, compile_pattern
from wharfie.formats.reference import DEFAULT_DOMAIN
from wharfie.registry.names import is_repository
from wharfie.registry.patterns import repository_matcher

_PATTERN = re.compile(r"[a-z0-9._/*?\[\]-]+")
_TAGS = re.compile(r"[\w.*?\[\]-]+", re.ASCII)
_DOMAIN = re.compile(r"[A-Za-z0-9.-]+(:\d+)?|\[[0-9a-fA-F:]+\](:\d+)?")


class InvalidSelection(ValueError):
    """Nothing that could be meant."""


class Selection(Struct, frozen=True):
    """What is to be copied.

    Attributes:
        domain: registry.
        repository: name or pattern.
        tags: patterns, empty for all.
        digest: of one manifest, "" for tags.
    """

    domain: str
    repository: str
    tags: Sequence[str] = ()
    digest: str = ""

    @property
    def is_pattern(self) -> bool:
        """The catalogue must be asked."""
        return not is_repository(self.repository)

    def repositories(self, catalogue: Sequence[str]) -> list[str]:
        """Those of a catalogue that are meant; what cannot be a repository's name never is."""
        matches = repository_matcher(self.repository)
        return [name for name in catalogue if is_repository(name) and matches(name)]

    def tag_matcher(self) -> Callable[[str], bool]:
        """A predicate for tags."""
        if not self.tags:
            return lambda _tag: True
        matchers = [compile_pattern(text) for text in self.tags]
        return lambda tag: any(matches(tag) for matches in matchers)


def parse_selection(text: str) -> Selection:
    """Read one source.

    Raises:
        InvalidSelection: malformed.
    """
    domain, slash, rest = text.partition("/")
    if not slash or not ("." in domain or ":" in domain or domain == "localhost"):
        raise InvalidSelection(f"{text[:200]!r} does not begin with a registry")
    if _DOMAIN.fullmatch(domain) is None:
        raise InvalidSelection(f"{domain[:200]!r} is no registry")
    rest, _, digest = rest.partition("@")
    name, _, tags = rest.partition(":")
    if domain in (DEFAULT_DOMAIN, "index.docker.io") and name and "/" not in name:
        name = f"library/{name}"
    try:
        if digest:
            parse_digest(digest)
        compile_pattern(tags)
        repository_matcher(name)
    except (DigestError, InvalidPattern) as error:
        raise InvalidSelection(f"{text[:200]!r}: {error}") from None
    if _PATTERN.fullmatch(name) is None or (tags and _TAGS.fullmatch(tags) is None):
        raise InvalidSelection(f"{text[:200]!r} is no repository, tag or pattern")
    if digest and (tags or not is_repository(name)):
        raise InvalidSelection(f"{text[:200]!r}: a digest is of one repository, without tags")
    return Selection(domain, name, (tags,) if tags else (), digest)


def parse_destination(text: str) -> tuple[str, str]:
    """Registry, and the prefix repositories get there ("" for none).

    Raises:
        InvalidSelection: malformed.
    """
    domain, _, prefix = text.rstrip("/").partition("/")
    if not ("." in domain or ":" in domain or domain == "localhost") or (
        _DOMAIN.fullmatch(domain) is None
    ):
        raise InvalidSelection(f"{text[:200]!r} is no registry")
    if prefix and not is_repository(prefix):
        raise InvalidSelection(f"{prefix[:200]!r} begins no repository's name")
    return domain, prefix
