"""Making a build context of a manifest: what is stored is linked, what is not is asked for.

Source of the dialog: `formats.session.manifest`.
"""

from __future__ import annotations

import hashlib
import os
from struct import unpack
from typing import Protocol

from wharfie.formats.session import manifest
from wharfie.formats.session.manifest import Entry, ManifestError
from wharfie.formats.tar import Kind, Member
from wharfie.jail.context import ContextUnpacker, Place
from wharfie.jail.errors import invalid, of_os_error, show
from wharfie.jail.names import member_path
from wharfie.model.archive import Limits

_KINDS = {
    manifest.FILE: Kind.FILE,
    manifest.DIRECTORY: Kind.DIRECTORY,
    manifest.SYMLINK: Kind.SYMLINK,
    manifest.FIFO: Kind.FIFO,
}
_READ = 1 << 20
_COPY = 1 << 24


class Want(Protocol):
    """Asks the other side."""

    def __call__(self, numbers: list[int], *, files: bool, last: bool) -> None: ...


class ContextAssembler(ContextUnpacker):
    """Makes one context.

    Args:
        place: where it goes.
        limits: bounds of it.
        source: descriptor the other side's bytes are read from.
        want: asks for what is lacking.
    """

    def __init__(self, place: Place, limits: Limits, source: int, want: Want) -> None:
        super().__init__(place, limits)
        self._source = source
        self._want = want
        self._lacking: dict[str, list[tuple[bytes, Member]]] = {}
        self._numbers: list[int] = []

    def run_dialog(self) -> None:
        """Read the manifest, make what can be made, ask for the rest, make that.

        Raises:
            JobError: malformed, damaged, escaping, beyond the limits.
        """
        try:
            for block in self._read_blocks():
                for entry in manifest.parse_block(block):
                    self._add_entry(entry)
            self._ask(self._numbers, files=True)
            for digest, places in self._lacking.items():
                self._receive(digest, places)
            self._set_directory_times()
        except ManifestError as error:
            raise invalid(str(error)) from None
        except OSError as error:
            raise of_os_error(error, self._path) from error
        self._place.write_index(self._digests.items())

    def _read_blocks(self) -> list[bytes]:
        (count,) = unpack(">I", self._exactly(4))
        if count > manifest.MAX_BLOCKS:
            raise invalid(f"the manifest of the context exceeds {manifest.MAX_BLOCKS} blocks")
        size = manifest.DIGEST_SIZE
        raw = self._exactly(count * size)
        digests = [raw[at : at + size].hex() for at in range(0, len(raw), size)]
        objects = self._place.objects
        found = {digest: objects.block(digest) for digest in digests}
        missing = [n for n, digest in enumerate(digests) if found[digest] is None]
        self._ask(missing, files=False)
        for number in missing:
            (length,) = unpack(">I", self._exactly(4))
            if length > manifest.MAX_BLOCK:
                raise invalid("a block of the manifest is too large")
            block = manifest.decode_block(self._exactly(length))
            if manifest.digest_of(block).hex() != digests[number]:
                raise invalid("a block of the manifest is not what it was announced as")
            objects.keep_block(digests[number], block)
            found[digests[number]] = block
        return [whole for digest in digests if (whole := found[digest]) is not None]

    def _add_entry(self, entry: Entry) -> None:
        self.entries += 1
        self._path = entry.path
        if self.entries > self._limits.entries:
            raise invalid(f"context exceeds the limit of {self._limits.entries} entries")
        path = member_path(entry.path)
        if not path:
            raise invalid(f"{show(entry.path)!r} would replace the context's root")
        member = Member(
            path=entry.path,
            kind=_KINDS[entry.kind],
            mode=entry.mode,
            mtime=entry.mtime,
            size=entry.size,
            link=entry.link,
        )
        if entry.kind != manifest.FILE:
            self.place(path, member)
            return
        self.size += entry.size
        if self.size > self._limits.size:
            raise invalid(f"context exceeds the limit of {self._limits.size} bytes")
        self._note(path, entry.digest)
        if not entry.size:
            self.store(path, member, b"", hashlib.sha256().hexdigest())
        elif not self._present(path, member, entry.digest):
            places = self._lacking.setdefault(entry.digest, [])
            if not places:
                self._numbers.append(self.entries - 1)
            elif places[0][1].size != member.size:
                raise invalid(f"{show(path)}: one content of two sizes")
            places.append((path, member))

    def _present(self, path: bytes, member: Member, digest: str) -> bool:
        return self._linked(path, member, digest) or self._copied(path, member, digest)

    def _copied(self, path: bytes, member: Member, digest: str) -> bool:
        """Make a file of a stored content that has other attributes."""
        source = self._place.objects.open_any(digest)
        if source is None:
            return False
        try:
            if os.fstat(source).st_size != member.size:
                return False
            self._open_file(path, member)
            left = member.size
            while left:
                done = os.copy_file_range(source, self._file, min(left, _COPY))
                if not done:
                    raise invalid(f"{show(path)}: its stored content is damaged")
                left -= done
            self._close_file()
        finally:
            os.close(source)
        self._keep(path, member, digest)
        return True

    def _receive(self, digest: str, places: list[tuple[bytes, Member]]) -> None:
        path, member = places[0]
        self._path = path
        self._open_file(path, member)
        state = hashlib.sha256()
        left = member.size
        while left:
            data = self._some(left)
            state.update(data)
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            left -= len(data)
        self._close_file()
        if state.hexdigest() != digest:
            raise invalid(f"{show(path)} changed while it was sent")
        self._keep(path, member, digest)
        for other, its in places[1:]:
            self._path = other
            if not self._present(other, its, digest):
                raise invalid(f"{show(other)}: its content is gone")

    def _ask(self, numbers: list[int], *, files: bool) -> None:
        at_once = manifest.NUMBERS_AT_ONCE
        for start in range(0, max(len(numbers), 1), at_once):
            last = start + at_once >= len(numbers)
            self._want(numbers[start : start + at_once], files=files, last=last)

    def _exactly(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            parts.append(self._some(size))
            size -= len(parts[-1])
        return b"".join(parts)

    def _some(self, size: int) -> bytes:
        data = os.read(self._source, min(size, _READ))
        if not data:
            raise invalid("unexpected EOF: the context is truncated")
        return data
