"""How long the command line takes to start, beside a bare interpreter and the genuine client.

    .venv/bin/python bench/cli_start.py [--rounds N]

No daemon and no root are needed: a recording stand-in answers. `wharfie` is the launcher that
script/bootstrap writes, so run that first.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring.figures import Bench

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))

from support.recording_daemon import RecordingDaemon, Reply  # noqa: E402 - needs the path

WHARFIE = [str(ROOT / ".venv/bin/wharfie")]
FLOOR = [sys.executable, "-I", "-S", "-c", "pass"]
VERSION = {"Version": "1", "ApiVersion": "1.50", "Components": []}
COMMANDS = [
    ["--help"],
    ["run", "--help"],
    ["version"],
    ["ps"],
    ["run", "busybox", "true"],
    ["run", "-d", "busybox", "true"],
]


def main() -> int:
    """Measure every command against the floor and, where it is installed, the genuine client."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    bench = Bench("command line: start to end")
    routes = {
        ("GET", "/version"): Reply.of(VERSION),
        ("GET", "/containers/json"): Reply.of([]),
    }
    docker = shutil.which("docker")

    def once(argv: list[str]) -> None:
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    with (
        tempfile.TemporaryDirectory(prefix="wb-") as folder,
        RecordingDaemon(Path(folder) / "s", routes) as daemon,
    ):
        bench.measure("bare interpreter", lambda: once(FLOOR), rounds=rounds)
        for words in COMMANDS:
            argv = ["-H", daemon.host, *words]
            bench.measure(
                f"wharfie {' '.join(words)}",
                lambda argv=argv: once([*WHARFIE, *argv]),
                floor=(lambda argv=argv: once([docker, *argv])) if docker else None,
                floor_name="docker " + words[0],
                rounds=rounds,
            )
    return bench.report()


if __name__ == "__main__":
    sys.exit(main())
