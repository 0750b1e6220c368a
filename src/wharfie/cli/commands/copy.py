"""`cp`: files between a container and here, or a tar stream.

The rules of names follow cp -a: a destination that is a folder receives the source under its own
name (its content only, for a source that ends in `/.`), any other destination is the new name.
"""

from __future__ import annotations

import os
import sys

from wharfie.cli.command import Command
from wharfie.cli.commands.container import path_of
from wharfie.cli.context import Context, is_terminal
from wharfie.cli.errors import CommandError
from wharfie.cli.files import read_pieces
from wharfie.cli.relay import write_all
from wharfie.client.dialing import error_words
from wharfie.client.errors import ClientError
from wharfie.formats.gojson import JsonError, loads
from wharfie.formats.pflag import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DIRECTORY, _SYMLINK = 1 << 31, 1 << 27
"""Bits of Go's file mode, which the daemon sends."""


def split_argument(text: str) -> tuple[str, str]:
    """Split `container:path`; the container is empty for a local path."""
    if os.path.isabs(text):
        return "", text
    container, colon, path = text.partition(":")
    if not colon or container.startswith("."):
        return "", text
    return container, path


def asserts_directory(path: str) -> bool:
    """Tell whether a path says by its end that it is a folder."""
    return path.endswith(("/", "/.")) or path == "."


def _base(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


class _Remote:
    """A path in a container."""

    def __init__(self, context: Context, container: str, path: str) -> None:
        self.client = context.client
        self.url = f"{path_of(container)}/archive"
        self.path = path if path.startswith("/") else f"/{path}"

    def stat(self, path: str) -> Mapping[str, object]:
        """Return what the daemon says about a path."""
        from binascii import a2b_base64

        response = self.client.call("HEAD", self.url, query={"path": path})
        response.read()
        header = response.headers.get("x-docker-container-path-stat", "")
        try:
            document = loads(a2b_base64(header))
        except (ValueError, JsonError) as error:
            raise CommandError(f"unable to decode container path stat header: {error}") from None
        return document if isinstance(document, dict) else {}

    def resolve(self) -> Mapping[str, object] | None:
        """Follow a symbolic link at the path; return its stat, None when it is not there."""
        try:
            found = self.stat(self.path)
            if _mode(found) & _SYMLINK:
                target = str(found.get("linkTarget") or "")
                if not target.startswith("/"):
                    target = os.path.join(os.path.dirname(self.path), target)
                self.path = os.path.normpath(target)
                found = self.stat(self.path)
        except ClientError:
            return None
        return found


def _mode(stat: Mapping[str, object]) -> int:
    value = stat.get("mode")
    return value if isinstance(value, int) else 0


def _from_container(context: Context, flags: Values, container: str, path: str) -> int:
    from wharfie.cli.archives import Extractor

    target = flags.args[1]
    remote = _Remote(context, container, path)
    if flags.on("follow-link"):
        suffix = path[len(path.rstrip("/.")) :] if asserts_directory(path) else ""
        remote.resolve()
        if suffix and not remote.path.endswith(suffix):
            remote.path += suffix
    response = context.client.call("GET", remote.url, query={"path": remote.path})
    if target == "-":
        for piece in response.pieces():
            write_all(1, piece)
        return 0
    from binascii import a2b_base64

    header = response.headers.get("x-docker-container-path-stat", "")
    try:
        stat = loads(a2b_base64(header))
    except (ValueError, JsonError):
        stat = {}
    is_directory = bool(isinstance(stat, dict) and _mode(stat) & _DIRECTORY)
    folder, name = local_destination(target, source_is_directory=is_directory)
    extractor = Extractor(folder, name, keep_owner=flags.on("archive"), warn=context.note)
    extractor.extract(response.pieces())
    _report(flags, extractor.size, os.path.abspath(target))
    return 0


def local_destination(target: str, *, source_is_directory: bool) -> tuple[str, str]:
    """Return the folder to unpack into, and the new name of the archive's root (or nothing).

    Raises:
        CommandError: the destination does not fit the source.
    """
    path = os.path.abspath(target)
    if os.path.isdir(path):
        return path, ""
    if os.path.exists(path):
        if source_is_directory:
            raise CommandError("cannot copy directory")
        if asserts_directory(target):
            raise CommandError("not a directory")
    elif asserts_directory(target) and not source_is_directory:
        raise CommandError("no such directory")
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise CommandError(f'invalid output path: directory "{folder}" does not exist')
    return folder, name


def _to_container(context: Context, flags: Values, container: str, path: str) -> int:
    from wharfie.cli.archives import pack

    source = flags.args[0]
    remote = _Remote(context, container, path)
    found = remote.resolve()
    is_directory = found is not None and bool(_mode(found) & _DIRECTORY)
    query = {"noOverwriteDirNonDir": "true"}
    if flags.on("archive"):
        query["copyUIDGID"] = "true"
    if source == "-":
        if not is_directory:
            raise CommandError(f'destination "{container}:{path}" must be a directory')
        query["path"] = remote.path
        pieces = read_pieces(0)
    else:
        actual = _local_source(source, follow=flags.on("follow-link"))
        folder, name = remote_destination(
            remote.path,
            path,
            exists=found is not None,
            is_directory=is_directory,
            source_is_directory=os.path.isdir(actual) and not os.path.islink(actual),
        )
        content_only = source.endswith("/.") or source == "."
        root = name or ("." if content_only else _base(os.path.abspath(source)))
        query["path"] = folder
        pieces = pack(actual, root)
    size = 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for piece in pieces:
            size += len(piece)
            yield piece

    headers = {"Content-Type": "text/plain"}
    context.client.call("PUT", remote.url, query=query, data=counted(), headers=headers).read()
    _report(flags, size, f"{container}:{path}")
    return 0


def _local_source(source: str, *, follow: bool) -> str:
    path = os.path.abspath(source)
    try:
        os.lstat(path)
    except OSError as error:
        raise CommandError(f"lstat {path}: {error_words(error)}") from None
    if follow or asserts_directory(source):
        path = os.path.realpath(path)
    if asserts_directory(source) and not os.path.isdir(path):
        raise CommandError("not a directory")
    return path


def remote_destination(
    path: str, typed: str, *, exists: bool, is_directory: bool, source_is_directory: bool
) -> tuple[str, str]:
    """Return the container's folder to unpack into, and the new name of the root (or nothing).

    Raises:
        CommandError: the destination does not fit the source.
    """
    if exists and is_directory:
        return path, ""
    if exists and source_is_directory:
        raise CommandError("cannot copy directory")
    if exists and asserts_directory(typed):
        raise CommandError("not a directory")
    if not exists and asserts_directory(typed) and not source_is_directory:
        raise CommandError("no such directory")
    folder, name = os.path.split(os.path.normpath(path))
    return folder or "/", name


def _report(flags: Values, size: int, where: str) -> None:
    if not flags.on("quiet") and is_terminal(1):
        from wharfie.formats.units import human_size

        sys.stderr.write(f"Successfully copied {human_size(size, 3)} to {where}\n")


def run_cp(context: Context, flags: Values) -> int:
    """Copy."""
    source, target = flags.args
    if not source:
        raise CommandError("source can not be empty")
    if not target:
        raise CommandError("destination can not be empty")
    from_container, from_path = split_argument(source)
    to_container, to_path = split_argument(target)
    if from_container and to_container:
        raise CommandError("copying between containers is not supported")
    if from_container:
        return _from_container(context, flags, from_container, from_path)
    if to_container:
        return _to_container(context, flags, to_container, to_path)
    raise CommandError("must specify at least one container source")


CP = Command(
    run_cp,
    "Copy files/folders between a container and the local filesystem",
    "CONTAINER:SRC_PATH DEST_PATH|-",
    flags="""
    -a, --archive  Archive mode (copy all uid/gid information)
    -L, --follow-link  Always follow symbol link in SRC_PATH
    -q, --quiet  Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached
    """,  # noqa: E501
    least=2,
    most=2,
    aliases=("container cp", "cp"),
    more_forms=("SRC_PATH|- CONTAINER:DEST_PATH",),
    long="""Copy files/folders between a container and the local filesystem

Use '-' as the source to read a tar archive from stdin
and extract it to a directory destination in a container.
Use '-' as the destination to stream a tar archive of a
container source to stdout.""",
)
