"""Tar archives: bytes ↔ members, no I/O.

Reads ustar, PAX, GNU and pre-POSIX archives in any chunking (`Reader`), sparse members of all
four kinds; writes ustar with PAX records where ustar does not suffice (`encode_member`).

Sources: POSIX pax(1) "ustar Interchange Format", "pax Interchange Format"; GNU tar manual,
"Tar Internals"; OCI image spec "layer" for whiteouts.
"""

from wharfie.formats.tar.errors import FormatError
from wharfie.formats.tar.member import Chunk, End, Event, Kind, Member
from wharfie.formats.tar.reader import Reader
from wharfie.formats.tar.writer import END_OF_ARCHIVE, encode_member, padding

__all__ = [
    "END_OF_ARCHIVE",
    "Chunk",
    "End",
    "Event",
    "FormatError",
    "Kind",
    "Member",
    "Reader",
    "encode_member",
    "padding",
]
