"""Directories and archives to measure with."""

import hashlib
import io
import os
import subprocess
import tarfile
import time
from pathlib import Path


def large_files(directory: Path, size: int, count: int = 4) -> Path:
    """A directory of a few files of noise, `size` bytes together."""
    directory.mkdir()
    for number in range(count):
        (directory / f"f{number}").write_bytes(os.urandom(size // count))
    return directory


def small_files(directory: Path, count: int, size: int = 1000) -> Path:
    """A tree of many files, a hundred to a directory."""
    for number in range(count):
        path = directory / f"d{number // 100}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    return directory


def pack(source: Path, target: Path) -> float:
    """Have tar pack a directory; milliseconds."""
    begun = time.perf_counter()
    subprocess.run(["tar", "-cf", target, "-C", source.parent, source.name], check=True)
    return (time.perf_counter() - begun) * 1000


def layer_tar(number: int, size: int, count: int = 5) -> bytes:
    """A layer of large files, as compressible as programs are: half noise, half text."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for part in range(count):
            noise = hashlib.shake_256(f"{number}/{part}".encode()).digest(size // count // 2)
            info = tarfile.TarInfo(f"layer{number}/file{part}")
            info.size = 2 * len(noise)
            archive.addfile(info, io.BytesIO(noise + b"what a text says " * (len(noise) // 17 + 1)))
    return out.getvalue()
