"""A context on its way to another machine: a tar archive of `meta.json` and `tls/ENDPOINT/FILE`.

Written as Docker writes it (dates of 1970, keys 0600); read also as zip, as Docker does. It comes
from elsewhere: its size is limited, nothing but those names is taken, only ordinary files are,
and all of it is checked before anything is stored.
"""

from __future__ import annotations

from wharfie.cli.contexts.store import StoredContext
from wharfie.cli.errors import CommandError
from wharfie.formats.gojson import JsonError, dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LARGEST = 10 << 20
_MOST_FILES = 64


def pack(context: StoredContext) -> bytes:
    """Return the archive of a context."""
    return pack_parts(context.document, context.tls_content())


def pack_parts(document: Mapping[str, object], tls: Mapping[str, Mapping[str, bytes]]) -> bytes:
    """Return the archive of a context that need not be stored."""
    from wharfie.formats.tar import END_OF_ARCHIVE, Kind, Member, encode_member, padding

    parts: list[bytes] = []

    def folder(path: str) -> None:
        member = Member(path=path.encode() + b"/", kind=Kind.DIRECTORY, mode=0o700)
        parts.append(encode_member(member))

    def file(path: str, content: bytes, mode: int) -> None:
        member = Member(path=path.encode(), kind=Kind.FILE, mode=mode, size=len(content))
        parts.extend((encode_member(member), content, padding(len(content))))

    file("meta.json", dumps(document, html=True).encode(), 0o644)
    if tls:
        folder("tls")
    for endpoint, files in tls.items():
        folder(f"tls/{endpoint}")
        for name, content in files.items():
            file(f"tls/{endpoint}/{name}", content, 0o600)
    return b"".join([*parts, END_OF_ARCHIVE])


class Unpacked:
    """What an archive held: the meta.json, and TLS files by endpoint and name."""

    def __init__(
        self, document: Mapping[str, object], tls: Mapping[str, Mapping[str, bytes]]
    ) -> None:
        self.document = document
        self.tls = tls


def unpack(data: bytes) -> Unpacked:
    """Read an archive, tar or zip.

    Raises:
        CommandError: it is none, too large, or holds something else than a context.
    """
    if len(data) > LARGEST:
        raise CommandError("read exceeds the defined limit")
    entries = _zip_files(data) if data.startswith(b"PK\x03\x04") else _tar_files(data)
    document: Mapping[str, object] | None = None
    tls: dict[str, dict[str, bytes]] = {}
    for count, (path, content) in enumerate(entries):
        if count >= _MOST_FILES:
            raise CommandError("invalid context: too many files")
        if path == "meta.json":
            document = _meta(content)
            continue
        endpoint, name = _tls_place(path)
        tls.setdefault(endpoint, {})[name] = content
    if document is None:
        raise CommandError("invalid context: no metadata found")
    return Unpacked(document, tls)


def _meta(content: bytes) -> Mapping[str, object]:
    try:
        document = loads(content)
    except JsonError as error:
        raise CommandError(f"invalid context: meta.json: {error}") from None
    if not isinstance(document, dict):
        raise CommandError("invalid context: meta.json is not a JSON object")
    return document


def _tls_place(path: str) -> tuple[str, str]:
    parts = path.split("/")
    if parts[0] != "tls":
        raise CommandError(f"{path}: unexpected context file")
    if len(parts) != 3 or any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise CommandError(f"invalid context: {path}: expected tls/ENDPOINT/FILE")
    return parts[1], parts[2]


def _tar_files(data: bytes) -> Iterator[tuple[str, bytes]]:
    from wharfie.formats.tar import Chunk, End, FormatError, Kind, Member, Reader

    path, content = "", bytearray()
    try:
        for event in Reader().feed(data):
            if isinstance(event, Member):
                path, content = "", bytearray()
                if event.size > LARGEST:
                    raise CommandError("read exceeds the defined limit")
                if event.kind is Kind.FILE and not event.sparse:
                    path = _clean(event.path)
            elif isinstance(event, Chunk):
                content += event.data
            elif isinstance(event, End) and path:
                yield path, bytes(content)
    except FormatError as error:
        raise CommandError(f"invalid context: {error}") from None


def _clean(path: bytes) -> str:
    try:
        return path.decode().removeprefix("./")
    except UnicodeDecodeError:
        raise CommandError("invalid context: a file name is not UTF-8") from None


def _zip_files(data: bytes) -> Iterator[tuple[str, bytes]]:
    import io
    import zipfile
    import zlib

    left = LARGEST
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                with archive.open(info) as file:
                    content = file.read(left + 1)  # what it claims to be is not relied on
                left -= len(content)
                if left < 0:
                    raise CommandError("read exceeds the defined limit")
                yield info.filename, content
    except RuntimeError as error:  # zipfile has no other class for what is encrypted
        raise CommandError(f"invalid context: {error}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise CommandError(f"invalid context: {error}") from None
