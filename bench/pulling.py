"""Pulling and pushing by a whole daemon, with Debian's docker-registry, beside tar and gzip.

    .venv/bin/python bench/pulling.py [--quick] [--only layers,files,same,push] [--rounds 5]

Needs root and Debian's package mirror. Data root, registry and floor are on one ext4 made for the
run, as in `images.py`.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import images
from images import FILES, LAYER_BYTES, LAYERS, Case, Inside, tree_tar
from measuring.trees import layer_tar

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
FIGURES = ("layers", "files", "same", "push")
REGISTRY = "127.0.0.1:5000"


class InsidePulling(Inside):
    """The measuring program, run inside the daemon's namespaces, beside the registry."""

    def layers(self) -> None:
        case = Case(
            self.disk, "layers", [layer_tar(number, LAYER_BYTES) for number in range(LAYERS)]
        )
        self._compare_pull(case, f"pull {LAYERS} layers, 300 MB")

    def files_(self) -> None:
        case = Case(self.disk, "files", [tree_tar(self.disk)])
        self._compare_pull(case, f"pull {FILES} files")

    def same(self) -> None:
        case = Case(self.disk, "same", [layer_tar(0, LAYER_BYTES)])
        self._publish(case)
        self._pull(case)
        self.bench.measure(
            "pull of what is up to date",
            lambda: self._pull(case),
            floor=lambda: self._ask(case),
            floor_name="HEAD of the manifest, by curl",
            rounds=10 * self.rounds,
        )
        self._remove(case)

    def push(self) -> None:
        layers = [layer_tar(number, LAYER_BYTES) for number in range(LAYERS)]
        plain = Case(self.disk, "plain", layers, packed=False)
        archives = Case(self.disk, "packed", layers)
        self.bench.measure(
            f"push {LAYERS} plain layers, 300 MB",
            lambda: self._push(plain),
            floor=lambda: self._gzip(archives),
            floor_name="gzip -1, side by side",
            rounds=self.rounds,
            warm_up=1,
            unit="MB/s",
        )

    def _compare_pull(self, case: Case, name: str) -> None:
        self._publish(case)
        self._remove(case)
        self.bench.measure(
            name,
            lambda: self._pull_and_remove(case),
            floor=lambda: self._untar(case),
            floor_name="gzip -d | tar -x, side by side",
            rounds=self.rounds,
            warm_up=1,
        )

    def _publish(self, case: Case) -> None:
        self._load(case)
        self.api.call("POST", f"/images/{case.name}:1/tag?repo={REGISTRY}/{case.name}&tag=1")
        self._stream(f"/images/{REGISTRY}/{case.name}/push?tag=1")

    def _pull_and_remove(self, case: Case) -> float:
        os.sync()
        taken = self._pull(case)
        self._remove(case)
        return taken

    def _pull(self, case: Case) -> float:
        begun = time.perf_counter()
        self._stream(f"/images/create?fromImage={REGISTRY}/{case.name}&tag=1")
        return (time.perf_counter() - begun) * 1000

    def _push(self, case: Case) -> float:
        self._load(case)
        # A repository that has nothing: what is measured is compression and upload.
        self._round = getattr(self, "_round", 0) + 1
        name = f"{REGISTRY}/{case.name}{self._round}"
        self.api.call("POST", f"/images/{case.name}:1/tag?repo={name}&tag=1")
        begun = time.perf_counter()
        self._stream(f"/images/{name}/push?tag=1")
        taken = time.perf_counter() - begun
        self.api.call("DELETE", f"/images/{name}:1")
        super()._remove(case)
        return case.size / 1e6 / taken

    def _gzip(self, case: Case) -> float:
        begun = time.perf_counter()
        running = [
            subprocess.Popen(["sh", "-c", f"gzip -dc {path} | gzip -1 > /dev/null"])
            for path in case.packed
        ]
        for process in running:
            process.wait()
        return case.size / 1e6 / (time.perf_counter() - begun)

    def _ask(self, case: Case) -> float:
        begun = time.perf_counter()
        subprocess.run(
            [
                "curl",
                "-sfI",
                "-H",
                f"Accept: {DOCKER_MANIFEST}",
                f"http://{REGISTRY}/v2/{case.name}/manifests/1",
            ],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return (time.perf_counter() - begun) * 1000

    def _remove(self, case: Case) -> None:
        reply = self.api.call("GET", "/images/json").decode()
        for name in (f"{REGISTRY}/{case.name}:1", f"{case.name}:1"):
            if f'"{name}"' in reply:
                self.api.call("DELETE", f"/images/{name}")
        self._settle()

    def _stream(self, path: str) -> None:
        reply = self.api.call("POST", path)
        if b'"error"' in reply:
            raise RuntimeError(reply.decode(errors="replace")[-300:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(FIGURES), help=f"of {','.join(FIGURES)}")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.inside:
        return outside(sys.argv[1:])
    socket_path, disk = arguments.inside
    inside = InsidePulling(socket_path, Path(disk), 2 if arguments.quick else arguments.rounds)
    for name in arguments.only.split(","):
        getattr(inside, "files_" if name == "files" else name)()
    return inside.bench.report()


def outside(flags: list[str]) -> int:
    """A registry beside the daemon of `images.py`."""
    from support.docker_registry import DockerRegistry  # noqa: PLC0415  (not needed inside)

    return images.outside(
        flags, program=__file__, beside=lambda d: DockerRegistry(d, secured=False)
    )


if __name__ == "__main__":
    sys.exit(main())
