"""The default image: `busybox:latest`, made of a static busybox of this host.

For `wharfie run busybox` on an empty engine with no registry in reach, for demos and tests. The
bytes depend on nothing but the busybox program, so the image has the same ID wherever that
program is the same.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from wharfie.engine.images.making.importing import encode_document
from wharfie.engine.images.service import host_platform
from wharfie.formats.digest import hex_of, sha256_digest
from wharfie.formats.oci.archive import BLOBS, MANIFEST_FILE, ArchivedImage
from wharfie.formats.tar import END_OF_ARCHIVE, Kind, Member, encode_member, padding
from wharfie.model.errors import Internal, NotFound
from wharfie.model.image import History, ImageConfig, ImageDocument, RootFS

DEFAULT_REFERENCE = "busybox:latest"

_PLACES = (
    "/bin/busybox",
    "/usr/bin/busybox",
    "/usr/lib/busybox/busybox-static",
    "/bin/busybox.static",
)
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CREATED = "2026-01-01T00:00:00Z"
_DIRECTORIES = {
    "bin/": 0o755,
    "dev/": 0o755,
    "etc/": 0o755,
    "home/": 0o755,
    "lib/": 0o755,
    "proc/": 0o555,
    "root/": 0o700,
    "sbin/": 0o755,
    "sys/": 0o555,
    "tmp/": 0o1777,
    "usr/": 0o755,
    "usr/bin/": 0o755,
    "usr/sbin/": 0o755,
    "var/": 0o755,
    "var/spool/": 0o755,
    "var/www/": 0o755,
}
_FILES = {
    "etc/group": "root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nusers:x:100:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\n"
        "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
        "www-data:x:33:33:www-data:/var/www:/bin/false\n"
        "nobody:x:65534:65534:nobody:/home:/bin/false\n"
    ),
    "etc/shadow": "root:*:::::::\ndaemon:*:::::::\nwww-data:*:::::::\nnobody:*:::::::\n",
}
_SECRET = frozenset({"etc/shadow"})
_INTERPRETER = b"/ld-"


async def default_archive(busybox: str = "") -> bytes:
    """A docker-archive with the default image.

    Args:
        busybox: path of the program, "" for where distributions put it.

    Raises:
        NotFound: there is no static busybox.
        Internal: it does not run.
    """
    return await asyncio.to_thread(build_archive, busybox or find_busybox())


def find_busybox() -> str:
    """Path of this host's static busybox; NotFound when there is none."""
    for path in _PLACES:
        if os.access(path, os.X_OK) and _is_static(path):
            return path
    raise NotFound(
        "no static busybox found on this host: install one (apt-get install busybox-static)"
    )


def build_archive(busybox: str, reference: str = DEFAULT_REFERENCE) -> bytes:
    """The archive made of a given program; blocks."""
    with open(busybox, "rb") as file:
        program = file.read()
    layer = _layer(program, _applets(busybox))
    diff_id = sha256_digest(layer)
    config = encode_document(
        ImageDocument(
            architecture=host_platform().architecture,
            os="linux",
            variant=host_platform().variant,
            created=_CREATED,
            config=ImageConfig(cmd=["sh"], env=[_PATH]),
            rootfs=RootFS(diff_ids=[diff_id]),
            history=[History(created=_CREATED, created_by="static busybox of the host")],
        )
    )
    config_path = BLOBS + hex_of(sha256_digest(config))
    layer_path = BLOBS + hex_of(diff_id)
    manifest = [ArchivedImage(config=config_path, repo_tags=[reference], layers=[layer_path])]
    members = {
        config_path: config,
        layer_path: layer,
        MANIFEST_FILE: msgspec.json.encode(manifest),
    }
    return b"".join(_file(path, data, 0o644) for path, data in members.items()) + END_OF_ARCHIVE


def _layer(program: bytes, applets: Sequence[str]) -> bytes:
    parts = [
        encode_member(Member(path=path.encode(), kind=Kind.DIRECTORY, mode=mode))
        for path, mode in _DIRECTORIES.items()
    ]
    parts.append(_file("bin/busybox", program, 0o755))
    for applet in applets:
        # The mode is the file's: some unpackers give it to what the link is to.
        link = Member(
            path=f"bin/{applet}".encode(), kind=Kind.HARD_LINK, mode=0o755, link=b"bin/busybox"
        )
        parts.append(encode_member(link))
    for path, text in _FILES.items():
        parts.append(_file(path, text.encode(), 0o640 if path in _SECRET else 0o644))
    for path in ("usr/bin/env", "sbin/init"):
        target = b"../" * path.count("/") + b"bin/" + path.rpartition("/")[2].encode()
        parts.append(encode_member(Member(path=path.encode(), kind=Kind.SYMLINK, link=target)))
    return b"".join([*parts, END_OF_ARCHIVE])


def _file(path: str, data: bytes, mode: int) -> bytes:
    member = Member(path=path.encode(), kind=Kind.FILE, mode=mode, size=len(data))
    return encode_member(member) + data + padding(len(data))


def _applets(busybox: str) -> list[str]:
    try:
        listed = subprocess.run(
            [busybox, "--list"], capture_output=True, check=True, timeout=10, text=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Internal(f"{busybox} --list failed: {error}") from error
    names = {name for name in listed.stdout.split() if "/" not in name}
    return sorted(names - {"busybox"})


def _is_static(path: str) -> bool:
    """Tell whether an ELF program names no dynamic loader in its first page."""
    with open(path, "rb") as file:
        head = file.read(4096)
    return head.startswith(b"\x7fELF") and _INTERPRETER not in head


def main(arguments: Sequence[str]) -> None:
    """`python -m wharfie.engine.images.making.default_image OUT.tar [BUSYBOX]`."""
    out, *rest = arguments
    archive = build_archive(rest[0] if rest else find_busybox())
    with open(out, "wb") as file:
        file.write(archive)


if __name__ == "__main__":
    main(sys.argv[1:])
