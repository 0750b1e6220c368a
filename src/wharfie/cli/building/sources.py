"""Where a build's context and Dockerfile come from: PATH, URL or `-`, with `--file`.

Source: docker/cli `cli/command/image/build`; words as there.
"""

from __future__ import annotations

import hashlib
import os
import sys

from wharfie.cli.building.tree import IGNORE, LocalTree
from wharfie.cli.errors import CommandError
from wharfie.cli.files import read_pieces
from wharfie.client.dialing import error_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_URLS = ("http://", "https://", "git://", "git@", "github.com/", "ssh://")
_ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
_USTAR = slice(257, 262)
_MAX_DOCKERFILE = 4 << 20
DEFAULT = "Dockerfile"


class Source:
    """A context: exactly one of `tree`, `remote` and `archive` is set.

    `dockerfile` is its path inside the context.
    """

    def __init__(
        self,
        dockerfile: str,
        *,
        tree: LocalTree | None = None,
        remote: str = "",
        archive: Iterator[bytes] | None = None,
        data: bytes = b"",
    ) -> None:
        self.dockerfile = dockerfile
        self.tree = tree
        self.remote = remote
        self.archive = archive
        self.data = data
        """Bytes of the Dockerfile, as far as they are known here."""


def find_source(path: str, file: str) -> Source:
    """Tell what the user means.

    Raises:
        CommandError: there is nothing there.
    """
    if path == "-":
        if file == "-":
            raise CommandError(
                "invalid argument: can't use stdin for both build context and dockerfile"
            )
        return _from_stdin(file)
    if path.startswith(_URLS) and not os.path.isdir(path):
        if file == "-":
            data = _read_stdin()
            raise CommandError(
                "a Dockerfile from stdin cannot go with a remote context"
                if data
                else "the Dockerfile (stdin) cannot be empty"
            )
        return Source(file.replace(os.sep, "/") if file else "", remote=path)
    return _from_folder(path, file)


def _from_folder(path: str, file: str) -> Source:
    root = os.path.realpath(path)
    if not os.path.lexists(path):
        raise CommandError(f"unable to prepare context: path {_quoted(path)} not found")
    if not os.path.isdir(root):
        raise CommandError(
            f"unable to prepare context: context must be a directory: {os.path.abspath(path)}"
        )
    if file == "-":
        return _with_foreign(root, _read_stdin(), None)
    full, inside = _locate(root, file)
    data = _read_dockerfile(full)
    ignore = _read_optional(f"{full}{IGNORE}")
    if inside is None:
        return _with_foreign(root, data, ignore)
    name = f"{inside}{IGNORE}" if ignore is not None else IGNORE
    if ignore is None:
        ignore = _read_optional(os.path.join(root, IGNORE))
    tree = LocalTree(root, ignore=ignore or b"", always=(inside, name))
    return Source(inside, tree=tree, data=data)


def _locate(root: str, file: str) -> tuple[str, str | None]:
    """The Dockerfile's path, and its path inside the context, None for one outside."""
    full = os.path.join(root, file) if not file else os.path.abspath(file)
    if not file:
        full = os.path.join(root, DEFAULT)
        if not os.path.lexists(full) and os.path.lexists(os.path.join(root, DEFAULT.lower())):
            full = os.path.join(root, DEFAULT.lower())
    # The folder of the Dockerfile is resolved, the file itself may be a symlink inside.
    full = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
    target = os.path.realpath(full)
    inside = os.path.relpath(full, root).replace(os.sep, "/")
    if inside == ".." or inside.startswith("../"):
        return target, None
    if os.path.islink(full) and os.path.commonpath([root, target]) != root:
        return target, None
    return full, inside


def _with_foreign(root: str, data: bytes, ignore: bytes | None) -> Source:
    """A folder with a Dockerfile from elsewhere, put in it under a name nobody uses."""
    if not data:
        raise CommandError("the Dockerfile cannot be empty")
    name = f".dockerfile.{hashlib.sha256(data).hexdigest()[:20]}"
    if ignore is None:
        ignore = _read_optional(os.path.join(root, IGNORE))
    # What Docker's client writes, so that neither file is copied.
    listed = (IGNORE.encode() if ignore is None else ignore) + f"\n{name}\n".encode()
    tree = LocalTree(root, ignore=listed, extra={name: data, IGNORE: listed})
    return Source(name, tree=tree, data=data)


def _from_stdin(file: str) -> Source:
    pieces = read_pieces(0)
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= 512:
            break
    if head.startswith(_ARCHIVES) or head[_USTAR] == b"ustar":
        return Source(file or "", archive=_chain(head, pieces))
    data = b"".join([head, *pieces])
    if len(data) > _MAX_DOCKERFILE:
        raise CommandError("the Dockerfile on stdin is too large")
    if file:
        raise CommandError(
            "ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles"
        )
    if not data:
        raise CommandError("the Dockerfile (Dockerfile) cannot be empty")
    empty = LocalTree("", extra={DEFAULT: data})
    return Source(DEFAULT, tree=empty, data=data)


def _chain(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest


def _read_stdin() -> bytes:
    data = sys.stdin.buffer.read(_MAX_DOCKERFILE + 1)
    if len(data) > _MAX_DOCKERFILE:
        raise CommandError("the Dockerfile on stdin is too large")
    return data


def _read_dockerfile(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_DOCKERFILE + 1)
    except OSError as error:
        raise CommandError(
            f"unable to prepare context: unable to evaluate symlinks in Dockerfile path: "
            f"lstat {path}: {error_words(error)}"
        ) from None


def _read_optional(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    except OSError as error:
        raise CommandError(f"open {path}: {error_words(error)}") from None


def _quoted(text: str) -> str:
    from wharfie.formats.gojson import quote

    return quote(text)
