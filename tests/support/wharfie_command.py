"""Run our command line in a process of its own, as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    "from wharfie.cli.main import main; sys.exit(main())"
)


def command(name: str = "wharfie") -> list[str]:
    """Return the argv that starts us under a name."""
    start = _START.replace("main()", f"main([{name!r}, *sys.argv[1:]])")
    return [sys.executable, "-I", "-c", start, str(SOURCE)]


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment without anything of the machine's own Docker settings."""
    kept = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(home), "LANG": "C.UTF-8"}
    return {**kept, **more}


def run(
    argv: list[str],
    *,
    program: list[str] | None = None,
    home: Path,
    stdin: bytes = b"",
    cwd: Path | None = None,
    **more: str,
) -> subprocess.CompletedProcess[bytes]:
    """Run a client; never the terminal's stdin."""
    return subprocess.run(
        [*(program or command()), *argv],
        input=stdin,
        capture_output=True,
        timeout=60,
        env=environment(home, **more),
        cwd=cwd,
        check=False,
    )
