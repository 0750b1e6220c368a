"""Archives that try to get out, or to take everything down.

`ESCAPES` may be refused or unpacked, but nothing outside of the root may change; `REFUSED` must
be refused as well.
"""

from collections.abc import Iterable

from support.tar_members import write
from wharfie.formats.tar import Kind, Member

SECRET = b"/../canary"


def file(path: bytes, content: bytes = b"evil", mode: int = 0o666) -> tuple[Member, bytes]:
    return Member(path=path, kind=Kind.FILE, size=len(content), mode=mode), content


def directory(path: bytes) -> tuple[Member, bytes]:
    return Member(path=path, kind=Kind.DIRECTORY, mode=0o755), b""


def symlink(path: bytes, target: bytes) -> tuple[Member, bytes]:
    return Member(path=path, kind=Kind.SYMLINK, link=target), b""


def hard_link(path: bytes, target: bytes) -> tuple[Member, bytes]:
    return Member(path=path, kind=Kind.HARD_LINK, link=target), b""


def device(path: bytes, major: int, minor: int) -> tuple[Member, bytes]:
    member = Member(path=path, kind=Kind.BLOCK_DEVICE, device=(major, minor), mode=0o666)
    return member, b""


def escapes(outside: bytes) -> dict[str, bytes]:
    """Archives that reach for an absolute directory with a file called `canary` in it."""
    up = b"../" * 30
    raw: dict[str, Iterable[tuple[Member, bytes]]] = {
        "absolute name": [file(outside + b"/canary")],
        "many slashes": [file(b"////" + outside + b"/canary")],
        "absolute with dots": [file(b"/.." + outside + b"/canary")],
        "symlink to a directory, then through it": [
            symlink(b"link", outside),
            file(b"link/canary"),
            file(b"link/new"),
        ],
        "relative symlink up": [symlink(b"link", up + outside), file(b"link/canary")],
        "symlink to the canary, then write": [
            symlink(b"canary", outside + b"/canary"),
            file(b"canary"),
        ],
        "chain of symlinks": [
            symlink(b"a", b".."),
            symlink(b"b", b"a/.."),
            symlink(b"c", b"b/.." + b"/.." * 20 + outside),
            file(b"c/canary"),
        ],
        "directory replaced by a symlink": [
            directory(b"d"),
            file(b"d/first"),
            symlink(b"d", outside),
            file(b"d/canary"),
        ],
        "directory over a symlink": [symlink(b"d", outside), directory(b"d"), file(b"d/canary")],
        "deep directory replaced by a symlink": [
            directory(b"a/b/c"),
            file(b"a/b/c/x"),
            symlink(b"a/b", outside),
            file(b"a/b/c/canary"),
            file(b"a/b/canary"),
        ],
        "hard link to the outside": [hard_link(b"h", outside + b"/canary"), file(b"h")],
        "hard link through a symlink": [
            symlink(b"link", outside),
            hard_link(b"h", b"link/canary"),
            file(b"h"),
        ],
        "hard link to a symlink, written through": [
            symlink(b"link", outside + b"/canary"),
            hard_link(b"h", b"link"),
            file(b"h"),
        ],
        "metadata through a symlink": [
            symlink(b"link", outside + b"/canary"),
            (Member(path=b"link", kind=Kind.DIRECTORY, mode=0o777, uid=4), b""),
        ],
        "device in the way of a file": [device(b"sda", 8, 0), file(b"sda")],
        "fifo, then written": [(Member(path=b"p", kind=Kind.FIFO), b""), file(b"p")],
        "root is a symlink": [symlink(b"x", b"/"), file(b"x" + outside + b"/canary")],
        "proc": [symlink(b"p", b"/proc/1/root" + outside), file(b"p/canary")],
        "own descriptors": [symlink(b"p", b"/proc/self/fd/4/.." + outside), file(b"p/canary")],
        "overlay attributes": [
            (
                Member(
                    path=b"d",
                    kind=Kind.DIRECTORY,
                    xattrs={"trusted.overlay.redirect": outside, "user.overlay.opaque": b"y"},
                ),
                b"",
            )
        ],
        "whiteout through a symlink": [symlink(b"l", outside), file(b"l/.wh.canary", b"")],
        "opaque through a symlink": [symlink(b"l", outside), file(b"l/.wh..wh..opq", b"")],
        "setuid": [file(b"su", mode=0o6755)],
        "duplicates": [file(b"f", b"1"), directory(b"f"), file(b"f", b"2"), symlink(b"f", b"f")],
        "not utf-8": [file(b"\xff\xfe/\x80"), symlink(b"\xff\xfe/l", b"\xff")],
        "times out of range": [
            (Member(path=b"f", kind=Kind.FILE, mtime=(1 << 62) * 1000), b""),
            (Member(path=b"g", kind=Kind.DIRECTORY, mtime=-(1 << 62)), b""),
        ],
    }
    return {name: write(entries) for name, entries in raw.items()}


def refused() -> dict[str, bytes]:
    """Archives that make no sense."""
    raw: dict[str, Iterable[tuple[Member, bytes]]] = {
        "parent": [file(b"../canary")],
        "parent after a directory": [directory(b"a"), file(b"a/../../canary")],
        "parent itself": [directory(b"..")],
        "hard link to the parent": [hard_link(b"h", b"../canary")],
        "hard link to nothing": [hard_link(b"h", b"nothing")],
        "hard link to itself": [hard_link(b"h", b"h")],
        "file instead of the root": [file(b".")],
        "symlink instead of the root": [symlink(b"./", b"/etc")],
        "file used as a directory": [file(b"f"), file(b"f/g")],
        "symlink loop": [symlink(b"a", b"b"), symlink(b"b", b"a"), file(b"a/x")],
        "symlink to nothing used as a directory": [symlink(b"a", b"/nothing"), file(b"a/x")],
        "name too long": [file(b"n" * 300)],
        "path too long": [file(b"dir/" * 1200 + b"f")],
        "long way around by symlinks": [
            *(symlink(b"s%d" % n, b"s%d/." % (n - 1)) for n in range(1, 60)),
            file(b"s59/x"),
        ],
        "empty symlink": [symlink(b"s", b"")],
        "device number out of range": [device(b"d", 1 << 20, 0)],
    }
    archives = {name: write(entries) for name, entries in raw.items()}
    whole = write([file(b"f", b"x" * 100_000)])
    archives["cut in a file"] = whole[:50_000]
    archives["cut in a header"] = whole[:100]
    archives["noise"] = b"\x07" * 4096
    return archives


def refused_layers() -> dict[str, bytes]:
    """Layers whose whiteouts make no sense."""
    raw = {
        "whiteout of nothing": [file(b".wh.", b"")],
        "whiteout of itself": [file(b"d/.wh..", b"")],
        "whiteout of the parent": [file(b"d/.wh...", b"")],
        "inside of a whiteout": [file(b".wh.d/f")],
        "whiteout outside": [file(b"../.wh.canary", b"")],
    }
    return {name: write(entries) for name, entries in raw.items()}
