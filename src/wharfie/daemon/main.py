"""Entry point of `wharfied`: flags, claim, serve, stop. Runs in the foreground.

First lines and messages are dockerd's where people look for them. Called as `dockerd`, the
default locations are Docker's. Source: daemon.md §3, §4.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine

import uvloop

from wharfie import __version__
from wharfie.api.versions import CEILING, spell
from wharfie.daemon import logrus, stuck
from wharfie.daemon.checking import check_start
from wharfie.daemon.config import Config, ConfigError, Places, load_config
from wharfie.daemon.config.explain import explain_command
from wharfie.daemon.config.flags import UsageError, parse_flags, usage
from wharfie.daemon.config.options import Values
from wharfie.daemon.config.places import places_of
from wharfie.daemon.instance import AlreadyRunning, Instance, StartError
from wharfie.daemon.process import set_title
from wharfie.daemon.reload import Reloader
from wharfie.daemon.service_manager import ServiceManager
from wharfie.daemon.stuck import StuckReport
from wharfie.daemon.wiring import open_daemon
from wharfie.daemon.workers import Workers
from wharfie.model.nursery import Nursery

_log = logging.getLogger(__name__)
_RELOAD_BOUND = 60.0
_PATIENCE = 3
"""Signals after which an end that does not come is forced."""


def main() -> int:
    """Run the daemon; returns the exit code."""
    # A reload asked for too early is one too many, not a reason to die.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    places = places_of(sys.argv[0])
    words = sys.argv[1:]
    if words[:2] == ["config", "explain"]:
        return _explain(words[2:], places)
    if words[:2] == ["debug", "stuck"]:
        return _tell_stuck(words[2:], places)
    try:
        flags = parse_flags(words, places.program)
    except UsageError as error:
        return _wrong_usage(error, places)
    if flags.get("help"):
        sys.stdout.write(usage(places.program) + "\n")
        return 0
    if flags.get("version"):
        sys.stdout.write(_version(places))
        return 0
    try:
        config = load_config(flags, places)
        if flags.get("validate"):
            check_start(config)
    except ConfigError as error:
        logrus.complain(str(error))
        return 1
    if flags.get("validate"):
        sys.stdout.write("configuration OK\n")
        return 0
    return _run(config, flags, places)


def _explain(words: list[str], places: Places) -> int:
    as_json = "--format=json" in words
    try:
        flags = parse_flags([word for word in words if word != "--format=json"], places.program)
        sys.stdout.write(explain_command(flags, places, os.environ, as_json=as_json))
    except UsageError as error:
        return _wrong_usage(error, places)
    except ConfigError as error:
        logrus.complain(str(error))
        return 1
    return 0


def _tell_stuck(words: list[str], places: Places) -> int:
    """`wharfied debug stuck`: have the running daemon say who waits for what."""
    try:
        config = load_config(parse_flags(words, places.program), places)
        sys.stdout.write(stuck.ask(config.exec_root))
    except UsageError as error:
        return _wrong_usage(error, places)
    except (ConfigError, OSError) as error:
        logrus.complain(f"cannot ask the daemon: {error}")
        return 1
    return 0


def _version(places: Places) -> str:
    """As dockerd spells it where it is called so: scripts look for the first two words."""
    if places.program == "dockerd":
        return f"Docker version {__version__}, build wharfie\n"
    return f"Wharfie version {__version__}, API {spell(CEILING)}\n"


def _wrong_usage(error: UsageError, places: Places) -> int:
    logrus.complain(f"{error}\nSee '{places.program} --help'.")
    return 1


def _run(config: Config, flags: Values, places: Places) -> int:
    if os.geteuid() != 0:
        logrus.complain(f"{places.program} needs to be started with root privileges")
        return 1
    os.umask(0o022)
    set_title(places.program, sys.argv)
    logrus.set_up(config.log_level, style=config.log_format, raw=config.raw_logs)
    _log.info("Starting up")
    for warning in config.warnings:
        _log.warning("%s", warning)
    instance = Instance(config)
    try:
        instance.claim()
        return uvloop.run(_serve(config, flags))
    except AlreadyRunning as error:
        logrus.complain(f"failed to start daemon, {error}")
        return 1
    except (StartError, ConfigError) as error:
        logrus.complain(f"failed to start daemon: {error}")
        return 1
    finally:
        instance.release()


async def _serve(config: Config, flags: Values) -> int:
    loop = asyncio.get_running_loop()
    workers = Workers(loop)
    loop.set_default_executor(workers)
    report = StuckReport()
    report.watch(loop)
    report.add(workers)
    debugging = stuck.serve(report, config.exec_root)
    stop, hang_up = asyncio.Event(), asyncio.Event()
    received: list[int] = []
    manager = ServiceManager()

    def on_signal(number: int) -> None:
        received.append(number)
        _log.info("Processing signal '%s'", (signal.strsignal(number) or "").lower())
        if len(received) >= _PATIENCE:
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    loop.add_signal_handler(signal.SIGHUP, hang_up.set)
    stuck.serve_signal(report, config.exec_root)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    background = Nursery()
    background.start(manager.keep_alive(), "signs of life")
    manager.status("Loading containers")
    daemon = await open_daemon(config, report)
    # What was built so far lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    _log.info("Daemon has completed initialization")
    await daemon.serve()
    manager.ready(_status(config))
    reloader = Reloader(config, flags, daemon.adoption)
    background.start(_reload_on(hang_up, lambda: _reload(reloader, manager)), "reloading")
    await stop.wait()
    manager.stopping()
    await daemon.close()
    await background.close(grace=0)
    debugging.close()
    # The loop's end would give the signals back their defaults, and a second one the exit code.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)
    _log.info("Daemon shutdown complete")
    return 0


async def _reload_on(
    hang_up: asyncio.Event, reload: Callable[[], Coroutine[object, object, None]]
) -> None:
    """Reload at every signal, one after the other; those that come meanwhile are one."""
    while True:
        await hang_up.wait()
        hang_up.clear()
        one = Nursery()
        # A reload that fails by a mistake of ours is logged, and the next one is none the worse.
        one.start(reload(), "reload")
        await one.close(grace=_RELOAD_BOUND)


async def _reload(reloader: Reloader, manager: ServiceManager) -> None:
    manager.reloading()
    taken = False
    try:
        taken = await reloader.reload()
    finally:
        status = _status(reloader.current)
        manager.ready(status if taken else f"Reload failed, see the log; {status}")


def _status(config: Config) -> str:
    return "Serving on " + ", ".join(config.hosts)


if __name__ == "__main__":
    sys.exit(main())
