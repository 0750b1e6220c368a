"""`wharfie-registry`: the program. Commands are imported when they are called."""

from __future__ import annotations

import importlib
import sys

from wharfie import __version__

COMMANDS = {
    "serve": ("wharfie.registry.commands.serve:run", "Serve a registry"),
    "gc": ("wharfie.registry.commands.tend:collect", "Remove what nothing refers to"),
    "scrub": ("wharfie.registry.commands.tend:scrub", "Read and verify every blob"),
    "mirror": ("wharfie.registry.commands.mirror:run", "Copy repositories to another registry"),
    "status": ("wharfie.registry.commands.tend:status", "Tell what a registry is doing"),
    "read-only": ("wharfie.registry.commands.tend:read_only", "Take no pushes for now: on, off"),
}
"""Name → (module:function, called with the words behind it, returns the exit code; summary)."""

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
    module, _, function = command[0].partition(":")
    return int(getattr(importlib.import_module(module), function)(words[1:]))


def _usage() -> str:
    width = max(map(len, COMMANDS)) + 3
    lines = [f"  {name:{width}}{summary}" for name, (_, summary) in COMMANDS.items()]
    return _USAGE.format(commands="\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
