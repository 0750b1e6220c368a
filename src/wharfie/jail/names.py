"""Paths, as text: Go's rules for cleaning them, which decide what an archive or a user means.

Nothing here looks at a file system; symlinks are the kernel's business (`openat2`).

Source: Go `path/filepath` Clean, Base and Split; moby `pkg/archive`.
"""

from __future__ import annotations

from wharfie.jail.errors import invalid, show


def clean(path: bytes) -> bytes:
    """Go's filepath.Clean: no empty, "." or inner ".." components; "." for nothing."""
    rooted = path.startswith(b"/")
    parts: list[bytes] = []
    for part in path.split(b"/"):
        if part == b"..":
            if parts and parts[-1] != b"..":
                parts.pop()
            elif not rooted:
                parts.append(part)
        elif part not in {b"", b"."}:
            parts.append(part)
    cleaned = b"/".join(parts)
    return b"/" + cleaned if rooted else cleaned or b"."


def member_path(path: bytes) -> bytes:
    """Where a member goes, relative to the extraction point; b"" for the point itself.

    An absolute name counts from the extraction point.

    Raises:
        JobError: it leads out by "..".
    """
    path = path.removeprefix(b"./")
    if not path.startswith((b".", b"/")) and b"/." not in path and b"//" not in path:
        return path.rstrip(b"/")
    cleaned = clean(path).lstrip(b"/")
    if cleaned == b".." or cleaned.startswith(b"../"):
        raise invalid(f"{show(path)!r} is outside of the archive's root")
    return b"" if cleaned == b"." else cleaned


def in_container(path: str) -> bytes:
    """A user's path as an absolute one; a trailing "/" or "/." is kept, it means something.

    Raises:
        JobError: NUL inside.
    """
    raw = path.encode(errors="surrogateescape")
    if b"\0" in raw:
        raise invalid(f"{show(raw)!r}: a path cannot hold NUL")
    cleaned = clean(b"/" + raw)
    if raw.endswith(b"/.") or raw in {b".", b""}:
        return cleaned.rstrip(b"/") + b"/."
    if raw.endswith(b"/") and cleaned != b"/":
        return cleaned + b"/"
    return cleaned


def base(path: bytes) -> bytes:
    """Go's filepath.Base: the last component, "." or "/" where there is none."""
    stripped = path.rstrip(b"/")
    return stripped.rpartition(b"/")[2] if stripped else b"/"
