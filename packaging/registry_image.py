"""Makes the registry's container image from this machine's Python and the project's packages.

    script/package registry [OUT.tar]

The image holds an interpreter, its library, the shared libraries they need, the packages of
`uv.lock` the registry imports, and of Wharfie only what the registry is made of: no shell, no
package manager. The archive is one `docker load` takes; the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = "wharfie-registry"
PARTS = ("__init__.py", "formats", "kernel", "model", "pki", "registry", "web")
LEFT_OUT = re.compile(
    r"/(test|tests|idlelib|lib2to3|tkinter|ensurepip|turtledemo|distutils|pydoc_data|curses|dbm)(/|$)"
    r"|/config-[^/]*(/|$)|\.pyc\.\d+$"
)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CONFIG = """version: 0.1
storage:
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
"""
LAUNCHER = """#!{python} -IS
import sys

sys.path[:0] = ["/usr/lib/wharfie", "/usr/lib/wharfie/packages"]
from wharfie.registry.main import main

sys.exit(main())
"""


def files_below(folder: Path, to: str) -> Iterator[tuple[str, Path]]:
    """Files of a folder with their names in the image."""
    for path in sorted(folder.rglob("*")):
        name = f"{to}/{path.relative_to(folder)}"
        if path.is_file() and "__pycache__" not in path.parts and not LEFT_OUT.search(name):
            yield name, path


def distributions(name: str, found: dict[str, metadata.Distribution]) -> None:
    """A distribution and what it needs here; extras are left out."""
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in found:
        return
    try:
        found[key] = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return
    for requirement in found[key].requires or ():
        if "extra ==" not in requirement:
            needed = re.match(r"[A-Za-z0-9._-]+", requirement)
            assert needed
            distributions(needed[0], found)


def packages() -> Iterator[tuple[str, Path]]:
    """Files of the packages the registry imports."""
    found: dict[str, metadata.Distribution] = {}
    distributions("wharfie", found)
    del found["wharfie"]
    for distribution in found.values():
        for file in distribution.files or ():
            path = Path(str(distribution.locate_file(file)))
            inside = str(file)
            if path.is_file() and not inside.startswith("..") and "__pycache__" not in inside:
                yield f"usr/lib/wharfie/packages/{inside}", path


def libraries(binaries: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Shared libraries that programs and modules are linked with, by the names they ask for."""
    seen: set[str] = set()
    for binary in binaries:
        done = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False)
        for path in re.findall(r"(?:=> )?(/\S+) \(0x", done.stdout):
            if path not in seen:
                seen.add(path)
                # A machine with /lib apart from /usr/lib has the same layout in the image.
                name = path if path.startswith("/usr") else f"/usr{path}"
                yield name.lstrip("/"), Path(os.path.realpath(path))


def contents(python: Path) -> dict[str, Path | bytes]:
    """Everything in the image, by name."""
    library = Path(os.__file__).parent
    found: dict[str, Path | bytes] = {str(python).lstrip("/"): python}
    found.update(files_below(library, str(library).lstrip("/")))
    found.update(packages())
    for part in PARTS:
        path = ROOT / "src/wharfie" / part
        to = f"usr/lib/wharfie/wharfie/{part}"
        found.update([(to, path)] if path.is_file() else files_below(path, to))
    modules = [one for one in found.values() if isinstance(one, Path) and ".so" in one.suffixes]
    found.update(libraries([python, *modules]))
    authorities = Path("/etc/ssl/certs/ca-certificates.crt")
    if authorities.exists():
        found["etc/ssl/certs/ca-certificates.crt"] = authorities
    found["etc/passwd"] = b"root:x:0:0:root:/:/sbin/nologin\n"
    found["etc/group"] = b"root:x:0:\n"
    found["etc/docker/registry/config.yml"] = CONFIG.encode()
    found["usr/bin/wharfie-registry"] = LAUNCHER.format(python=python).encode()
    return found


def layer(found: dict[str, Path | bytes]) -> bytes:
    """The image's one layer, as a tar."""
    out = io.BytesIO()
    links = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "sbin": "usr/bin"}
    folders = {"tmp", "var/lib/registry", "usr/lib64"}
    for name in found:
        folders.update(str(one) for one in Path(name).parents if str(one) != ".")
    folders.update(str(one) for one in Path("var/lib/registry").parents if str(one) != ".")
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(folders):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(info)
        for name, target in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
        for name in sorted(found):
            content = found[name]
            data = content if isinstance(content, bytes) else content.read_bytes()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            is_program = name.startswith("usr/bin/") or ".so" in name
            info.mode = 0o755 if is_program else 0o644
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def archive(data: bytes, tag: str) -> bytes:
    """A docker-archive of one layer."""
    config = json.dumps(
        {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {
                "Env": ["PATH=/usr/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],
                "Entrypoint": ["/usr/bin/wharfie-registry"],
                "Cmd": ["serve", "/etc/docker/registry/config.yml"],
                "ExposedPorts": {"5000/tcp": {}},
                "Volumes": {"/var/lib/registry": {}},
                "WorkingDir": "/",
                "Labels": {"org.opencontainers.image.title": NAME},
            },
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(data).hexdigest()}"],
            },
        },
        sort_keys=True,
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": [tag], "Layers": ["layer.tar"]}]).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as made:
        for member, content in ((name, config), ("layer.tar", data), ("manifest.json", manifest)):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return out.getvalue()


def main() -> None:
    out = Path(sys.argv[1])
    python = Path(os.path.realpath(sys.executable))
    data = layer(contents(python))
    out.parent.mkdir(parents=True, exist_ok=True)
    new = out.with_name(out.name + ".new")
    new.write_bytes(archive(data, f"{NAME}:{metadata.version('wharfie')}"))
    new.rename(out)
    sys.stdout.write(f"{out}: {NAME}:{metadata.version('wharfie')}, {len(data) >> 20} MiB\n")


if __name__ == "__main__":
    main()
