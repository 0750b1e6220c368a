"""Entry point of `wharfied`: flags, claim, serve, stop. Runs in the foreground.

First lines and messages are dockerd's where people look for them. Called as `dockerd`, the
default locations are Docker's. Source: daemon.md §3, §4.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import signal
import sys

import uvloop

from wharfie import __version__
from wharfie.daemon import logrus
from wharfie.daemon.config import Config, ConfigError, Places, load_config
from wharfie.daemon.config.explain import explain_command
from wharfie.daemon.config.flags import UsageError, parse_flags, usage
from wharfie.daemon.config.places import places_of
from wharfie.daemon.instance import Instance, StartError
from wharfie.daemon.wiring import open_daemon

_log = logging.getLogger(__name__)
_PR_SET_NAME = 15
_USAGE_EXIT = 1


def main() -> int:
    """Run the daemon; returns the exit code."""
    places = places_of(sys.argv[0])
    words = sys.argv[1:]
    explaining = words[:2] == ["config", "explain"]
    as_json = explaining and "--format=json" in words
    try:
        flags = parse_flags(
            [word for word in words[2:] if word != "--format=json"] if explaining else words,
            places.program,
        )
    except UsageError as error:
        _complain(f"{error}\nSee '{places.program} --help'.")
        return _USAGE_EXIT
    if flags.get("help"):
        sys.stdout.write(usage(places.program) + "\n")
        return 0
    if flags.get("version"):
        sys.stdout.write(f"Wharfie version {__version__}, API 1.51\n")
        return 0
    try:
        if explaining:
            sys.stdout.write(explain_command(flags, places, os.environ, as_json=as_json))
            return 0
        config = load_config(flags, places)
    except ConfigError as error:
        _complain(str(error))
        return 1
    if flags.get("validate"):
        sys.stdout.write("configuration OK\n")
        return 0
    return _run(config, places)


def _run(config: Config, places: Places) -> int:
    if os.geteuid() != 0:
        _complain(f"{places.program} needs to be started with root privileges")
        return 1
    os.umask(0o022)
    _set_process_name(places.program)
    logrus.set_up(config.log_level)
    _log.info("Starting up")
    for warning in config.warnings:
        _log.warning("%s", warning)
    instance = Instance(config)
    try:
        instance.claim()
        return uvloop.run(_serve(config))
    except (StartError, ConfigError) as error:
        _complain(f"failed to start daemon: {error}")
        return 1
    finally:
        instance.release()


async def _serve(config: Config) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    received: list[int] = []

    def on_signal(number: int) -> None:
        received.append(number)
        _log.info("Processing signal '%s'", signal.strsignal(number))
        if len(received) >= 3:
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    daemon = await open_daemon(config)
    # What was built so far lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    _log.info("Daemon has completed initialization")
    await daemon.serve()
    await stop.wait()
    await daemon.close()
    _log.info("Daemon shutdown complete")
    return 0


def _set_process_name(name: str) -> None:
    """Make `pidof` and `ps` show the daemon's own name, not the interpreter's."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def _complain(message: str) -> None:
    sys.stderr.write(message + "\n")


if __name__ == "__main__":
    sys.exit(main())
