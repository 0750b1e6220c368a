"""`wharfie-registry serve [CONFIG] [--addr HOST:5000] [--root DIR]`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence

import uvloop

from wharfie.formats import pflag
from wharfie.model.nursery import Nursery
from wharfie.registry.config import Config, ConfigError, load
from wharfie.registry.storage.local import RootInUse
from wharfie.registry.watching.logs import set_up
from wharfie.registry.wiring import open_registry
from wharfie.web.errors import ListenError

_USAGE = """Usage:  wharfie-registry serve [OPTIONS] [CONFIG]

Serve a registry until SIGTERM

Options:
"""
_FLAGS = """
    --addr string  Address to listen on (default ":5000")
    --root string  Directory the images are kept in (default "/var/lib/wharfie-registry")
"""
_PATIENCE = 3
_log = logging.getLogger(__name__)


def run(words: Sequence[str]) -> int:
    """Serve; returns the exit code."""
    try:
        config = _configure(pflag.Parser(pflag.declare(_FLAGS)).parse(list(words)))
    except pflag.HelpWanted:
        sys.stdout.write(_USAGE + _FLAGS.lstrip("\n"))
        return 0
    except (pflag.UsageProblem, ConfigError) as error:
        sys.stderr.write(f"wharfie-registry: {error}\n")
        return 1
    set_up(config.watching.log)
    # A reload asked for too early is one too many, not a reason to die.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for warning in config.warnings:
        _log.warning("%s", warning)
    try:
        return uvloop.run(_serve(config))
    except (ConfigError, ListenError, RootInUse, OSError) as error:
        sys.stderr.write(f"wharfie-registry: {error}\n")
        return 1


def _configure(read: pflag.Values) -> Config:
    if len(read.args) > 1:
        raise pflag.UsageProblem(f"accepts one configuration file, not also {read.args[1]}")
    return load(
        read.args[0] if read.args else os.environ.get("REGISTRY_CONFIGURATION_PATH", ""),
        addr=read.text("addr") if read.has("addr") else "",
        root=read.text("root") if read.has("root") else "",
    )


async def _serve(config: Config) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    received: list[int] = []

    def on_signal(number: int) -> None:
        received.append(number)
        if len(received) >= _PATIENCE:
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    registry = await open_registry(config)
    await registry.listen()
    background = Nursery()
    loop.add_signal_handler(signal.SIGHUP, lambda: background.start(registry.reload(), "reloading"))
    _log.info("listening on %s, root %s", ", ".join(registry.addresses), config.storage.root)
    await stop.wait()
    await background.close(grace=0)
    await registry.close()
    return 0
