"""`wharfie-registry gc | scrub | status | read-only`: tell a registry, or tend its root directly.

A running registry is asked over its control socket; where none runs, `gc` and `scrub` take the
root's lock and do the work themselves.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from wharfie.formats import pflag
from wharfie.formats.duration import SECOND
from wharfie.registry.config import Config, ConfigError, load
from wharfie.registry.control import SOCKET, Status
from wharfie.registry.storage import open_content
from wharfie.registry.storage.local import RootInUse, open_local
from wharfie.registry.upkeep import Report, Upkeep

_COMMON = """
    --root string  Directory the images are kept in (default "/var/lib/wharfie-registry")
    --json         Print the whole report as JSON
"""
_GC = """
    --grace duration  Keep what somebody was interested in for so long (default as configured)
    --dry-run         Only tell what would go
"""
_SCRUB = """
    --rate bytes  Bytes to read a second, 0 for as many as can be (default as configured)
"""
_USAGE = "Usage:  wharfie-registry {}\n\n{}\n\nOptions:\n"
_TIMEOUT = 7 * 24 * 3600


def collect(words: Sequence[str]) -> int:
    """`wharfie-registry gc [CONFIG]`."""
    return _run(words, "gc [OPTIONS] [CONFIG]", "Remove what nothing refers to", _GC, _collect)


def scrub(words: Sequence[str]) -> int:
    """`wharfie-registry scrub [CONFIG]`."""
    return _run(words, "scrub [OPTIONS] [CONFIG]", "Read and verify every blob", _SCRUB, _scrub)


def status(words: Sequence[str]) -> int:
    """`wharfie-registry status [CONFIG]`."""
    return _run(words, "status [OPTIONS] [CONFIG]", "Tell what a registry is doing", "", _status)


def read_only(words: Sequence[str]) -> int:
    """`wharfie-registry read-only on|off`."""
    usage = "read-only [OPTIONS] on|off"
    return _run(words, usage, "Take no pushes and deletions for now", "", _read_only)


Work = Callable[[Config, pflag.Values], int]


def _run(words: Sequence[str], usage: str, summary: str, flags: str, work: Work) -> int:
    try:
        read = pflag.Parser(pflag.declare(_COMMON + flags.lstrip("\n"))).parse(list(words))
        path = read.args[0] if read.args and work is not _read_only else ""
        config = load(path, root=read.text("root") if read.has("root") else "")
        return work(config, read)
    except pflag.HelpWanted:
        lines = _COMMON.lstrip("\n") + flags.lstrip("\n")
        sys.stdout.write(_USAGE.format(usage, summary) + lines)
        return 0
    except (
        pflag.UsageProblem,
        ConfigError,
        RootInUse,
        OSError,
        http.client.HTTPException,
    ) as error:
        sys.stderr.write(f"wharfie-registry: {error}\n")
        return 1


def _collect(config: Config, read: pflag.Values) -> int:
    grace = read.number("grace") / SECOND if read.has("grace") else None
    dry_run = read.on("dry-run")
    query = f"dry_run={int(dry_run)}" + ("" if grace is None else f"&grace={grace}")
    answer = _ask(config, "POST", f"/gc?{query}")
    if answer is None:
        report = _alone(config, lambda upkeep: upkeep.collect(grace=grace, dry_run=dry_run))
    else:
        report = msgspec.json.decode(answer, type=Report)
    return _print(report, read)


def _scrub(config: Config, read: pflag.Values) -> int:
    rate = read.number("rate") if read.has("rate") else None
    answer = _ask(config, "POST", "/scrub" + ("" if rate is None else f"?rate={rate}"))
    if answer is None:
        report = _alone(config, lambda upkeep: upkeep.scrub(rate=rate))
    else:
        report = msgspec.json.decode(answer, type=Report)
    return _print(report, read)


def _status(config: Config, read: pflag.Values) -> int:
    answer = _ask(config, "GET", "/status")
    if answer is None:
        raise OSError(f"no registry serves {config.storage.root}")
    if read.on("json"):
        sys.stdout.write(answer.decode() + "\n")
        return 0
    found = msgspec.json.decode(answer, type=Status)
    sys.stdout.write(f"Repositories: {found.repositories}\nRead-only: {found.is_read_only}\n")
    for name, report in (("gc", found.last_collection), ("scrub", found.last_scrub)):
        sys.stdout.write(f"Last {name}: {report if report is not None else 'never'}\n")
    return 0


def _read_only(config: Config, read: pflag.Values) -> int:
    if read.args not in (["on"], ["off"]):
        raise pflag.UsageProblem("say on or off")
    if _ask(config, "POST", f"/read-only?on={int(read.args == ['on'])}") is None:
        raise OSError(f"no registry serves {config.storage.root}")
    return 0


def _print(report: Report, read: pflag.Values) -> int:
    """Print a report; what is broken is the exit code, too."""
    if read.on("json"):
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        sys.stdout.write(f"{report}\n")
        for line in (*report.broken, *report.problems, *report.tags):
            sys.stdout.write(f"  {line}\n")
    return 2 if report.broken or report.problems else 0


class _Unix(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("registry", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        """Connect to the path, however long it is."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        folder = os.open(os.path.dirname(self._path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{folder}/{os.path.basename(self._path)}")
        finally:
            os.close(folder)


def _ask(config: Config, method: str, target: str) -> bytes | None:
    """Ask the registry that serves a root; None where none does."""
    connection = _Unix(f"{config.storage.root}/{SOCKET}")
    try:
        connection.request(method, target)
        reply = connection.getresponse()
        body = reply.read()
    except (ConnectionRefusedError, FileNotFoundError):
        return None
    finally:
        connection.close()
    if reply.status >= 400:
        raise OSError(body.decode(errors="replace"))
    return body


def _alone(config: Config, work: Callable[[Upkeep], Awaitable[Report]]) -> Report:
    """Do the work in this process, with the root to itself."""

    async def run() -> Report:
        content = await open_content(open_local(config.storage.root), config)
        try:
            return await work(Upkeep(content, config))
        finally:
            await content.close()

    return asyncio.run(run())
