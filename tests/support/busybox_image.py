"""A busybox image made from this machine's busybox-static, as `docker save` would write it.

    python tests/support/busybox_image.py OUT.tar [REFERENCE]

The bytes depend on nothing but the busybox program and the reference.
"""

import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

BUSYBOX = Path("/bin/busybox")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

FILES = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\n"
        "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
        "www-data:x:33:33:www-data:/var/www:/bin/false\n"
        "nobody:x:65534:65534:nobody:/home:/bin/false\n"
    ),
    "etc/group": "root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nusers:x:100:\nnobody:x:65534:\n",
    "etc/shadow": "root:*:::::::\nnobody:*:::::::\n",
}
DIRECTORIES = {
    **dict.fromkeys(
        ("bin", "dev", "etc", "home", "proc", "sys", "usr", "usr/bin", "usr/sbin"), 0o755
    ),
    **dict.fromkeys(("var", "var/www", "var/spool"), 0o755),
    "root": 0o700,
    "tmp": 0o1777,
}


def write_archive(out: Path, reference: str = "busybox:latest") -> Path:
    """Write the archive and return its path."""
    out.write_bytes(archive(reference))
    return out


def archive(reference: str = "busybox:latest") -> bytes:
    """An archive of one image with one layer."""
    layer = _tar(_layer_entries())
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "created": "2020-01-01T00:00:00Z",
            "config": {
                "Cmd": ["sh"],
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "busybox-static"}],
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": [f"{digest}/layer.tar"]}]
    return _tar(
        [
            (_entry(config_name), config),
            (_entry(f"{digest}/layer.tar"), layer),
            (_entry("manifest.json"), json.dumps(manifest).encode()),
        ]
    )


def _layer_entries() -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    for name, mode in sorted(DIRECTORIES.items()):
        yield _entry(name, mode=mode, kind=tarfile.DIRTYPE), b""
    yield _entry("bin/busybox", mode=0o755), BUSYBOX.read_bytes()
    listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    for applet in sorted(set(listed.stdout.split()) - {"busybox"}):
        link = _entry(f"bin/{applet}", mode=0o777, kind=tarfile.SYMTYPE)
        link.linkname = "busybox"
        yield link, b""
    for name, text in sorted(FILES.items()):
        yield _entry(name, mode=0o600 if name == "etc/shadow" else 0o644), text.encode()


def _entry(name: str, *, mode: int = 0o644, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    entry.type = kind
    return entry


def _tar(
    entries: Iterator[tuple[tarfile.TarInfo, bytes]] | list[tuple[tarfile.TarInfo, bytes]],
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry, content in entries:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit((__doc__ or "").split("\n\n")[1].strip())
    write_archive(Path(sys.argv[1]), *sys.argv[2:])
    print(os.path.getsize(sys.argv[1]), "bytes", file=sys.stderr)
