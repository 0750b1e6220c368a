"""Genuine docker compose of three ages, from Debian's packages unpacked by `script/fetch-compose`.

`v1` is bookworm's (Python, docker-py), `trixie` and `sid` are v2 (Go).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.daemon import Daemon

FETCHED = Path(__file__).parents[2] / "build/compose"
_PLACES = ("usr/libexec/docker/cli-plugins/docker-compose", "usr/bin/docker-compose")


def compose_command(age: str) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of one of them; skips the test without it."""
    root = FETCHED / age
    for place in _PLACES:
        program = root / place
        if not program.is_file():
            continue
        if age != "v1":
            return [str(program)], {}
        if sys.version_info >= (3, 13):
            pytest.skip("compose v1 needs modules that Python 3.13 no longer has")
        packages = str(root / "usr/lib/python3/dist-packages")
        return ["/usr/bin/python3", "-s", "-W", "ignore", str(program)], {"PYTHONPATH": packages}
    if os.environ.get("CI"):
        pytest.fail(f"no docker compose of {age}, and CI is set")
    pytest.skip(f"no docker compose of {age}: script/fetch-compose fetches it")


class Project:
    """A compose project in a directory of its own, run against a daemon."""

    def __init__(self, daemon: Daemon, age: str, directory: Path, document: str) -> None:
        self._daemon = daemon
        self._command, self._environment = compose_command(age)
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "docker-compose.yml").write_text(document)

    def run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run compose; the caller judges its exit status."""
        home = self._daemon.directory / "home"
        home.mkdir(exist_ok=True)
        environment = {
            "HOME": str(home),
            "DOCKER_HOST": self._daemon.host,
            "DOCKER_CONFIG": str(home),
            **self._environment,
        }
        command = [*self._command, "--project-directory", str(self._directory)]
        command += ["-f", str(self._directory / "docker-compose.yml"), "-p", "proj"]
        return self._daemon.namespaces.run(
            *command, *arguments, environment=environment, timeout=timeout
        )

    def check(self, *arguments: str, timeout: float = 120) -> str:
        """Run compose, which must succeed; all it said."""
        done = self.run(*arguments, timeout=timeout)
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"compose {arguments}: {said}\n{self._daemon.log()[-2000:]}"
        return said
