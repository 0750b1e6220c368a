"""Programs of Debian's that tests need for company: fetched on first use, never installed."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Program:
    """An unpacked program and the surroundings it runs in."""

    def __init__(self, path: Path, unpacked: Path) -> None:
        self.path = str(path)
        self.unpacked = unpacked
        folders = sorted(unpacked.glob("usr/lib/*-linux-gnu*"))
        # Found by a path inside libpulse, which names the installed place.
        libraries = [*folders, *(folder / "pulseaudio" for folder in folders)]
        self.environment = {"LD_LIBRARY_PATH": ":".join(map(str, libraries))}


def debian_program(path: str, package: str, *libraries: str) -> Program:
    """A program of a package fetched for the tests, whatever the machine itself has.

    Skips the test when it cannot be fetched; fails it in continuous integration.

    Args:
        path: below "/", e.g. "usr/sbin/nginx".
        package: what it is in.
        libraries: packages it needs and a small system may lack.
    """
    done = subprocess.run(
        [ROOT / "script/fetch-debian", package, *libraries], capture_output=True, text=True
    )
    unpacked = ROOT / "build/debian" / package
    if done.returncode or not os.access(unpacked / path, os.X_OK):
        message = f"no {package}: {done.stderr[-300:]}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return Program(unpacked / path, unpacked)
