"""Loading and saving images by a whole daemon, beside `gzip -d | tar -x` of the same layers.

    .venv/bin/python bench/images.py [--quick] [--only load,files,save] [--rounds 5]

Needs root. Data root and floor are on one ext4 made for the run: on a used file system the same
untar takes anything between one and nine seconds, whoever does it.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from measuring.api import Api
from measuring.figures import Bench
from measuring.streams import Unix
from measuring.trees import layer_tar
from unpack import build_tree

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))  # for the daemon fixture

FIGURES = ("load", "files", "save")
LAYERS = 12
LAYER_BYTES = 25 << 20
FILES = 9000
DISK_BYTES = 12 << 30


def tree_tar(directory: Path) -> bytes:
    """A layer of some 9,000 files of this machine's /usr."""
    build_tree(directory / "usr", 150 << 20)
    paths = sorted(path for path in (directory / "usr").rglob("*") if path.is_file())[:FILES]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path in paths:
            archive.add(path, arcname=str(path.relative_to(directory)))
    shutil.rmtree(directory / "usr")
    return out.getvalue()


class Case:
    """An image as an archive, its layers gzipped unless not `packed`, and they by themselves."""

    def __init__(
        self, directory: Path, name: str, layers: list[bytes], *, packed: bool = True
    ) -> None:
        self.name = name
        self.size = sum(map(len, layers))
        self.packed: list[Path] = []
        diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
        for number, layer in enumerate(layers):
            path = directory / f"{name}-{number}.tar.gz"
            path.write_bytes(gzip.compress(layer, 1) if packed else layer)
            self.packed.append(path)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": diff_ids},
            }
        ).encode()
        names = [f"{number}/layer.tar" for number in range(len(layers))]
        entry = [{"Config": "config.json", "RepoTags": [f"{name}:1"], "Layers": names}]
        self.archive = directory / f"{name}.tar"
        with tarfile.open(self.archive, "w") as archive:
            for path, member in zip(self.packed, names, strict=True):
                archive.add(path, arcname=member)
            for member, data in (("config.json", config), ("manifest.json", json.dumps(entry))):
                raw = data.encode() if isinstance(data, str) else data
                info = tarfile.TarInfo(member)
                info.size = len(raw)
                archive.addfile(info, io.BytesIO(raw))


class Inside:
    """The measuring program, run inside the daemon's namespaces, on the disk of its data."""

    def __init__(self, socket_path: str, disk: Path, rounds: int) -> None:
        self.socket = socket_path
        self.api = Api(socket_path)
        self.disk = disk
        self.rounds = rounds
        self.bench = Bench("images", bound=90)

    def load(self) -> None:
        layers = [layer_tar(number, LAYER_BYTES) for number in range(LAYERS)]
        self._compare(Case(self.disk, "layers", layers), f"load {LAYERS} layers, 300 MB")

    def files(self) -> None:
        self._compare(Case(self.disk, "files", [tree_tar(self.disk)]), f"load {FILES} files")

    def save(self) -> None:
        case = Case(
            self.disk, "saved", [layer_tar(number, LAYER_BYTES) for number in range(LAYERS)]
        )
        self._load(case)
        self.bench.measure(
            "save 300 MB",
            lambda: self._save(case),
            floor=lambda: self._untar(case, parallel=False, extract=False),
            floor_name="gzip -d, one by one",
            rounds=self.rounds,
            warm_up=1,
            unit="MB/s",
        )
        self._remove(case)

    def _compare(self, case: Case, name: str) -> None:
        self.bench.measure(
            name,
            lambda: self._load_and_remove(case),
            floor=lambda: self._untar(case),
            floor_name="gzip -d | tar -x, side by side",
            rounds=self.rounds,
            warm_up=1,
        )

    def _load_and_remove(self, case: Case) -> float:
        taken = self._load(case)
        self._remove(case)
        return taken

    def _load(self, case: Case) -> float:
        os.sync()
        begun = time.perf_counter()
        connection = Unix(self.socket)
        with case.archive.open("rb", buffering=0) as file:
            connection.request(
                "POST",
                "/images/load?quiet=1",
                pieces(file),
                {"Content-Type": "application/x-tar"},
                encode_chunked=True,
            )
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != 200 or b"error" in text:
            raise RuntimeError(text.decode(errors="replace"))
        connection.close()
        return (time.perf_counter() - begun) * 1000

    def _remove(self, case: Case) -> None:
        self.api.call("DELETE", f"/images/{case.name}:1")
        self._settle()

    def _settle(self) -> None:
        snapshots = self.disk / "data/tmp"
        while os.listdir(snapshots):  # deletions go on in the background
            time.sleep(0.05)

    def _save(self, case: Case) -> float:
        begun = time.perf_counter()
        connection = Unix(self.socket)
        connection.request("GET", f"/images/{case.name}:1/get")
        reply = connection.getresponse()
        size = 0
        while data := reply.read(1 << 20):
            size += len(data)
        connection.close()
        if size < case.size:
            raise RuntimeError(f"{size} bytes only")
        return size / 1e6 / (time.perf_counter() - begun)

    def _untar(self, case: Case, *, parallel: bool = True, extract: bool = True) -> float:
        floor = self.disk / "floor"
        floor.mkdir()
        os.sync()
        begun = time.perf_counter()
        running = []
        for number, path in enumerate(case.packed):
            target = floor / str(number)
            target.mkdir()
            sink = f"tar -x -C {target}" if extract else "cat > /dev/null"
            running.append(subprocess.Popen(["sh", "-c", f"gzip -dc {path} | {sink}"]))
            if not parallel:
                running[-1].wait()
        for process in running:
            if process.wait():
                raise RuntimeError("the floor failed")
        taken = time.perf_counter() - begun
        shutil.rmtree(floor)
        return taken * 1000 if extract else case.size / 1e6 / taken


def pieces(file: io.RawIOBase) -> Iterator[bytes]:
    while data := file.read(1 << 20):
        yield data


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(FIGURES), help=f"of {','.join(FIGURES)}")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        socket_path, disk = arguments.inside
        inside = Inside(socket_path, Path(disk), 2 if arguments.quick else arguments.rounds)
        for name in arguments.only.split(","):
            getattr(inside, name)()
        return inside.bench.report()
    return outside(sys.argv[1:])


def outside(
    flags: list[str],
    *,
    program: str = __file__,
    beside: Callable[..., AbstractContextManager[object]] = nullcontext,
) -> int:
    """Start a daemon on its own disk, with what is `beside` it; measure in its namespaces."""
    from support.daemon import Daemon  # noqa: PLC0415  (not needed inside)

    with Daemon() as daemon:
        disk = daemon.directory / "disk"
        disk.mkdir()
        image = daemon.directory / "disk.img"
        with image.open("wb") as file:
            file.truncate(DISK_BYTES)
        daemon.namespaces.check("mkfs.ext4", "-q", str(image))
        daemon.namespaces.check("mount", "-o", "loop", str(image), str(disk))
        daemon.data_root = disk / "data"
        daemon.start()
        where = ("--inside", str(daemon.socket), str(disk))
        argv = daemon.namespaces.command(sys.executable, program, *flags, *where)
        with beside(daemon):
            done = subprocess.run(argv, check=False)
        if done.returncode:
            print(daemon.log()[-2000:], file=sys.stderr)
        memory = [
            line for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
            if line.startswith(("VmHWM", "VmRSS"))
        ]  # fmt: skip
        print(f"daemon: {', '.join(' '.join(line.split()) for line in memory)}")
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
