"""Where bytes of a build come from, by how they are written: git, http, images, local trees.

Source: Dockerfile reference, "ADD"; Docker build contexts, "Git repositories".
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct

from wharfie.formats.dockerfile.problem import DockerfileProblem

_SCP = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:[^ ]+", re.ASCII)
_CHECKSUM = re.compile(r"sha(?:256|384|512):[0-9a-f]{64,128}", re.ASCII)
_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)


class GitSource(Struct, frozen=True, kw_only=True):
    """A repository and what is wanted of it.

    Attributes:
        ref: branch, tag or commit, "" for the default branch.
        checksum: commit it must resolve to, "" for any.
    """

    url: str
    ref: str = ""
    subdirectory: str = ""
    checksum: str = ""
    keep_git_dir: bool | None = None
    submodules: bool | None = None

    @property
    def identifier(self) -> str:
        """Of a source operation."""
        return f"git://{self.url}#{self.ref}:{self.subdirectory}"


def is_http(text: str) -> bool:
    """Whether it is fetched as one file."""
    return text.startswith(("http://", "https://"))


def parse_git(text: str) -> GitSource | None:
    """A reference to a git repository, None where the text is none.

    Raises:
        DockerfileProblem: it is one, with parameters nobody knows.
    """
    head, _, fragment = text.partition("#")
    if is_http(head):
        parts = urlsplit(head)
        if not parts.path.endswith(".git"):
            return None
        url, query = parts._replace(query="").geturl(), parts.query
    elif head.startswith(("git://", "ssh://")) or _SCP.fullmatch(head):
        url, _, query = head.partition("?")
    else:
        return None
    ref, _, subdirectory = unquote(fragment).partition(":")
    source = GitSource(url=url, ref=ref, subdirectory=subdirectory)
    return _queried(source, query) if query else source


_PARAMETERS = frozenset(
    {"ref", "tag", "branch", "subdir", "checksum", "commit", "keep-git-dir", "submodules"}
)


def _queried(source: GitSource, query: str) -> GitSource:
    values = {key: found[-1] for key, found in parse_qs(query, keep_blank_values=True).items()}
    unknown = sorted(set(values) - _PARAMETERS)
    if unknown:
        raise DockerfileProblem(f'unexpected query "{unknown[0][:80]}"')
    refs = [values[key] for key in ("ref", "tag", "branch") if values.get(key)]
    if len(refs) + bool(source.ref) > 1:
        raise DockerfileProblem("git reference given more than once")
    if source.subdirectory and values.get("subdir"):
        raise DockerfileProblem("git subdirectory given more than once")
    return GitSource(
        url=source.url,
        ref=source.ref or (refs[0] if refs else ""),
        subdirectory=source.subdirectory or values.get("subdir", ""),
        checksum=values.get("checksum", "") or values.get("commit", ""),
        keep_git_dir=_switch(values.get("keep-git-dir")),
        submodules=_switch(values.get("submodules")),
    )


def _switch(text: str | None) -> bool | None:
    if text is None:
        return None
    if text.lower() in ("", "1", "true"):
        return True
    if text.lower() in ("0", "false"):
        return False
    raise DockerfileProblem(f'invalid boolean value "{text[:80]}" in a git reference')


def url_filename(url: str) -> str:
    """The name a fetched file gets, "" where the address ends in none."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    return "" if name in (".", "..") or "/" in name or "\0" in name else name


def check_file_checksum(text: str) -> str:
    """A digest as `--checksum` takes it for files.

    Raises:
        DockerfileProblem: it is none.
    """
    algorithm, _, encoded = text.partition(":")
    if algorithm in _LENGTHS and len(encoded) != _LENGTHS[algorithm]:
        raise DockerfileProblem("invalid checksum digest length")
    if not _CHECKSUM.fullmatch(text):
        raise DockerfileProblem(f"invalid checksum digest format: {text[:120]}")
    return text


def check_commit(text: str) -> str:
    """A commit as `--checksum` takes it for repositories.

    Raises:
        DockerfileProblem: it is none.
    """
    if not _COMMIT.fullmatch(text):
        raise DockerfileProblem(f"invalid git commit checksum: {text[:120]}")
    return text
