"""Hypothesis strategies for archive members, and helpers to read whole archives."""

import random
from collections.abc import Iterable

from hypothesis import strategies as st

from wharfie.formats.tar import (
    END_OF_ARCHIVE,
    Chunk,
    End,
    Kind,
    Member,
    Reader,
    encode_member,
    padding,
)

names = st.one_of(
    st.binary(min_size=1, max_size=300).filter(lambda b: b"\0" not in b and bool(b.strip(b"/"))),
    st.text(
        st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"),
        min_size=1,
        max_size=260,
    )
    .map(str.encode)
    .filter(lambda b: bool(b.strip(b"/"))),
)
times = st.integers(min_value=-(1 << 40), max_value=1 << 62)
identities = st.integers(min_value=0, max_value=(1 << 32) - 2)
xattr_names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1).filter(
    lambda name: "=" not in name
)


@st.composite
def members(draw: st.DrawFn) -> tuple[Member, bytes]:
    """A member and its content."""
    kind = draw(st.sampled_from(list(Kind)))
    content = draw(st.binary(max_size=2000)) if kind is Kind.FILE else b""
    is_device = kind in {Kind.CHARACTER_DEVICE, Kind.BLOCK_DEVICE}
    small = st.integers(min_value=0, max_value=0o7777777)
    member = Member(
        path=draw(names),
        kind=kind,
        mode=draw(st.integers(min_value=0, max_value=0o7777)),
        uid=draw(identities),
        gid=draw(identities),
        size=len(content),
        mtime=draw(times),
        atime=draw(st.none() | times),
        link=draw(names) if kind in {Kind.SYMLINK, Kind.HARD_LINK} else b"",
        device=(draw(small), draw(small)) if is_device else (0, 0),
        xattrs=draw(st.dictionaries(xattr_names, st.binary(min_size=1, max_size=100), max_size=3)),
    )
    return member, content


def write(entries: Iterable[tuple[Member, bytes]]) -> bytes:
    """A whole archive."""
    parts = [encode_member(m) + content + padding(len(content)) for m, content in entries]
    return b"".join(parts) + END_OF_ARCHIVE


def read(archive: bytes, *, seed: int | None = None) -> list[tuple[Member, bytes]]:
    """All members of an archive with their content, fed in pieces of random size.

    Files larger than any test's are not filled up, so that damaged sizes do no harm.
    """
    reader = Reader()
    found: list[tuple[Member, bytearray]] = []
    complete = True
    for piece in pieces(archive, seed):
        for event in reader.feed(piece):
            if isinstance(event, Member):
                assert complete
                found.append((event, bytearray(min(event.size, 1 << 20))))
                complete = event.kind is not Kind.FILE
            elif isinstance(event, Chunk):
                end = event.offset + len(event.data)
                assert end <= found[-1][0].size
                if end <= 1 << 20:
                    found[-1][1][event.offset : end] = event.data
            elif isinstance(event, End):
                complete = True
    reader.close()
    assert complete
    return [(member, bytes(content)) for member, content in found]


def pieces(data: bytes, seed: int | None) -> Iterable[bytes]:
    """Data cut anywhere; in one piece for None."""
    if seed is None:
        return [data]
    source = random.Random(seed)
    cuts = sorted(source.randrange(len(data) + 1) for _ in range(source.randrange(1, 40)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
