"""Chromium without a window, fetched on first use: what a page becomes once its scripts ran.

98 MB to fetch and 11 s to unpack, once; the lightest real browser Debian has.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from support.debian import debian_program

_SHELL = "chromium-headless-shell"


class Browser:
    """Loads pages, each in a fresh profile."""

    def __init__(self, path: str, environment: dict[str, str]) -> None:
        self._path = path
        self._environment = {**os.environ, **environment}

    def load(self, url: str, *options: str) -> str:
        """The document as it is after loading, spelled as HTML again."""
        with tempfile.TemporaryDirectory(prefix="wharfie-browser-") as home:
            done = subprocess.run(
                [
                    self._path, "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                    "--no-first-run", "--disable-extensions", "--disable-background-networking",
                    "--proxy-server=direct://", "--host-resolver-rules=MAP * 127.0.0.1",
                    f"--user-data-dir={home}", "--timeout=15000", *options, "--dump-dom", url,
                ],
                capture_output=True, text=True, timeout=60,
                env={**self._environment, "HOME": home},
            )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout


def browser() -> Browser:
    """The browser; skips the test where it cannot be had (fails in continuous integration)."""
    if not Path("/usr/bin/apt-get").exists():
        pytest.skip("no Debian: no browser to fetch")
    planned = subprocess.run(
        ["apt-get", "-s", "install", "--no-install-recommends", _SHELL],
        capture_output=True, text=True,
    )  # fmt: skip
    needed = [line.split()[1] for line in planned.stdout.splitlines() if line.startswith("Inst ")]
    found = debian_program(
        f"usr/lib/chromium/{_SHELL}", _SHELL, *(one for one in needed if one != _SHELL)
    )
    libraries = found.environment["LD_LIBRARY_PATH"]
    folder = os.path.dirname(found.path)
    return Browser(found.path, {"LD_LIBRARY_PATH": f"{folder}:{libraries}"})
