"""The genuine docker command line, Go and all: the client whose opinion counts most."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

FETCHED = Path(__file__).parents[2] / "build/docker-cli/usr/bin/docker"


def docker_cli() -> str:
    """Path of a genuine docker CLI: on PATH, or where `script/test` unpacks Debian's package.

    Skips the test without one; fails it in continuous integration.
    """
    for candidate in (shutil.which("docker"), str(FETCHED)):
        if candidate is None or not os.access(candidate, os.X_OK):
            continue
        says = subprocess.run([candidate, "--version"], capture_output=True, text=True).stdout
        if says.startswith("Docker version "):  # Podman's look-alike says otherwise
            return candidate
    if os.environ.get("CI"):
        pytest.fail("no genuine docker CLI, and CI is set")
    pytest.skip("no genuine docker CLI: script/test fetches one")


def docker_cli_28(*, since_changed: bool = False) -> str:
    """Path of a genuine docker CLI of release 28, whose very words and bodies are compared.

    Debian 12 and 13 bring older ones, which say and send other things: skipped there.

    Args:
        since_changed: 28.3 and later, or Debian's builds with older libraries, have other words
            for this; ours are those of 28.2.
    """
    path = docker_cli()
    says = _version(path)
    if not says.startswith("Docker version 28.2." if since_changed else "Docker version 28."):
        pytest.skip(f"compares with docker CLI 28, this is {says}")
    return path


@cache
def _version(path: str) -> str:
    return subprocess.run([path, "--version"], capture_output=True, text=True).stdout.strip()
