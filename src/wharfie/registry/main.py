"""`wharfie-registry`: the program. Commands are imported when they are called."""

from __future__ import annotations

import importlib
import sys

from wharfie import __version__

COMMANDS = {
    "serve": ("wharfie.registry.commands.serve", "Serve a registry"),
}
"""Name → (module with `run(words) -> int`, summary)."""

_USAGE = """Usage:  wharfie-registry COMMAND

A registry for container images and other artifacts (OCI distribution specification 1.1)

Commands:
{commands}

Run 'wharfie-registry COMMAND --help' for more information on a command."""


def main() -> int:
    """Run a command; returns the exit code."""
    words = sys.argv[1:]
    if words[:1] in (["--version"], ["-v"], ["version"]):
        sys.stdout.write(f"wharfie-registry version {__version__}\n")
        return 0
    if not words or words[0] in ("--help", "-h", "help"):
        sys.stdout.write(_usage() + "\n")
        return 0
    command = COMMANDS.get(words[0])
    if command is None:
        sys.stderr.write(f"unknown command: {words[0]}\n\n{_usage()}\n")
        return 1
    return int(importlib.import_module(command[0]).run(words[1:]))


def _usage() -> str:
    width = max(map(len, COMMANDS)) + 3
    lines = [f"  {name:{width}}{summary}" for name, (_, summary) in COMMANDS.items()]
    return _USAGE.format(commands="\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
