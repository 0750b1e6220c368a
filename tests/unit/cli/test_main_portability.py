"""The command line runs where there is no Linux: seeds A6, H8."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.wharfie_command import SOURCE

# What a Python on macOS (and, with the second row, on Windows) does not have.
LINUX_ONLY = "_posixshmem _uuid spwd nis ossaudiodev uvloop"
UNIX_ONLY = "fcntl grp pwd resource termios tty pty syslog posix"
PROGRAM = """
import sys
missing = set(sys.argv[1].split())
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name in missing or name.startswith(("wharfie.kernel", "wharfie.daemon")):
            raise ModuleNotFoundError(f"no {name} here", name=name)
        return None
for name in missing - {"posix"}:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Refusing())
sys.platform = sys.argv[2]
sys.path.insert(0, sys.argv[3])
from wharfie.cli.main import main
sys.exit(main(["docker", *sys.argv[4:]]))
"""


@pytest.mark.parametrize(
    ("platform", "missing"),
    [("darwin", LINUX_ONLY), ("win32", f"{LINUX_ONLY} {UNIX_ONLY}")],
)
@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["--version"], ["-H", "tcp://127.0.0.1:1", "ps"]]
)
def test_the_command_line_needs_no_linux(platform: str, missing: str, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, missing, platform, str(SOURCE), *words],
        capture_output=True,
        text=True,
    )
    if words[0] == "-H":
        assert done.returncode == 1
        assert "Cannot connect to the Docker daemon at tcp://127.0.0.1:1." in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert done.stdout
