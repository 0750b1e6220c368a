"""Image references, as far as a client must understand them.

`busybox` is short for `docker.io/library/busybox:latest`; the familiar form leaves out what is
implied. Source: the reference grammar of the OCI distribution project.
"""

from __future__ import annotations

_HUB = "docker.io"
_LOWER = set("abcdefghijklmnopqrstuvwxyz0123456789")
_TAG = _LOWER | set("ABCDEFGHIJKLMNOPQRSTUVWXYZ_.-")
_HEX = set("0123456789abcdef")


class Reference:
    """A parsed reference; `tag` and `digest` may be empty."""

    __slots__ = ("digest", "domain", "path", "tag")

    def __init__(self, domain: str, path: str, tag: str, digest: str) -> None:
        self.domain = domain
        self.path = path
        self.tag = tag
        self.digest = digest

    @property
    def name(self) -> str:
        """The full repository name."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """The repository name without what is implied."""
        if self.domain != _HUB:
            return self.name
        return self.path.removeprefix("library/") if self.path.count("/") == 1 else self.path

    @property
    def suffix(self) -> str:
        """What follows the name: `:tag`, `@digest`, both or nothing."""
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def familiar(self) -> str:
        """The whole reference without what is implied."""
        return self.familiar_name + self.suffix

    @property
    def full(self) -> str:
        """The whole reference."""
        return self.name + self.suffix

    def with_default_tag(self) -> Reference:
        """Add `latest` when neither tag nor digest is there."""
        if self.tag or self.digest:
            return self
        return Reference(self.domain, self.path, "latest", "")


def parse_reference(text: str) -> Reference:
    """Parse what a user typed.

    Raises:
        ValueError: in Docker's words.
    """
    if len(text) == 64 and set(text) <= _HEX:
        raise ValueError(
            f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )
    rest, at, digest = text.partition("@")
    if at and not _is_digest(digest):
        raise ValueError("invalid reference format")
    slash = rest.rfind("/")
    colon = rest.rfind(":")
    tag = ""
    if colon > slash:
        rest, tag = rest[:colon], rest[colon + 1 :]
        if not _is_tag(tag):
            raise ValueError("invalid reference format")
    domain, path = _split_domain(rest)
    if path != path.lower():
        words = "invalid reference format"
        if _is_path(path.lower()):
            words += f": repository name ({path}) must be lowercase"
        raise ValueError(words)
    if not _is_path(path):
        raise ValueError("invalid reference format")
    return Reference(domain, path, tag, digest)


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_domain = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if not slash or not is_domain:
        domain, path = _HUB, name
    else:
        domain, path = first, rest
    if domain == "index.docker.io":
        domain = _HUB
    if domain == _HUB and "/" not in path:
        path = f"library/{path}"
    return domain, path


def _is_tag(tag: str) -> bool:
    return 0 < len(tag) <= 128 and set(tag) <= _TAG and tag[0] not in ".-"


def _is_digest(digest: str) -> bool:
    algorithm, colon, code = digest.partition(":")
    return bool(colon and algorithm) and len(code) >= 32 and set(code) <= _HEX


def _is_path(path: str) -> bool:
    return len(path) <= 255 and all(_is_component(part) for part in path.split("/"))


def _is_component(part: str) -> bool:
    """Lower-case letters and digits, joined by `.`, `_`, `__` or any number of `-`."""
    if not part or part[0] not in _LOWER or part[-1] not in _LOWER:
        return False
    run = ""
    for char in part:
        if char in _LOWER:
            if run not in {"", ".", "_", "__"} and set(run) != {"-"}:
                return False
            run = ""
        else:
            run += char
            if char not in "._-":
                return False
    return True
