"""SIGHUP: the configuration read again, all of it or nothing.

First half: read and check everything (file, certificates, runtimes); any failure is logged and
nothing has changed. Second half: adopt it, which cannot fail; then the event `daemon reload` and a
line in the log. Only options marked `reload` change; the rest waits for a restart, and the log
says so. As with Docker, a scalar taken out of the file keeps its value until a restart, but for
the limits of transfers, which return to their defaults. Source: daemon.md §2.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec
from msgspec import structs

from wharfie.daemon.config import Config, ConfigError
from wharfie.daemon.config.options import OPTIONS, Support, Values
from wharfie.daemon.config.record import build_config
from wharfie.daemon.config.settings import Settings, gather
from wharfie.daemon.config.values import mask
from wharfie.model.errors import EngineError

_log = logging.getLogger(__name__)
_RESET = {"max-concurrent-downloads", "max-concurrent-uploads", "max-download-attempts"}
Adopt = Callable[[], Awaitable[None]]


class Reloadable(Protocol):
    """A daemon that can take up a changed configuration."""

    async def prepare(self, config: Config) -> Adopt:
        """Make ready for `config`; what is returned takes it up and cannot fail.

        Raises:
            ConfigError, EngineError: it cannot be; nothing has changed.
        """

    def announce(self, config: Config, attributes: dict[str, str]) -> None:
        """Publish the event and show the new facts."""


class Reloader:
    """The configuration that holds now, and how it changes."""

    def __init__(
        self,
        config: Config,
        flags: Values,
        daemon: Reloadable,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.current = config
        self._flags = flags
        self._daemon = daemon
        self._environment = os.environ if environment is None else environment

    async def reload(self) -> bool:
        """Read everything again; False when it could not be taken up and nothing changed."""
        path = self.current.config_file
        _log.info("Got signal to reload configuration", extra={"fields": {"config-file": path}})
        try:
            settings = gather(self._flags, self.current.places, self._environment)
            fresh = build_config(settings, self._environment)
            wanted = changed(self.current, fresh, settings)
            adopt = await self._daemon.prepare(wanted)
        except (ConfigError, EngineError) as error:
            _log.error("%s", error)
            return False
        await adopt()
        waiting = waiting_for_restart(self.current, fresh)
        self.current = wanted
        self._daemon.announce(wanted, attributes(wanted))
        for warning in fresh.warnings:
            _log.warning("%s", warning)
        if waiting:
            _log.warning("changed, but needs a restart of the daemon: %s", ", ".join(waiting))
        _log.info("Reloaded configuration: %s", spell(wanted))
        return True


def changed(current: Config, fresh: Config, settings: Settings) -> Config:
    """The current configuration with what a reload may change of the fresh one."""
    changes: dict[str, object] = {"warnings": fresh.warnings}
    for option in OPTIONS:
        name = option.name.replace("-", "_")
        if not option.reload or name not in Config.__struct_fields__:
            continue
        if option.name in settings.given or option.name in _RESET:
            changes[name] = getattr(fresh, name)
    # The level is not among what a reload changes, but debug is, and it makes the level.
    if changes.get("debug") is False and current.debug:
        changes["log_level"] = fresh.log_level
    elif changes.get("debug"):
        changes["log_level"] = "debug"
    return structs.replace(current, **changes)


def waiting_for_restart(current: Config, fresh: Config) -> list[str]:
    """Options whose new values wait."""
    found = []
    for option in OPTIONS:
        name = option.name.replace("-", "_")
        if option.reload or option.support is not Support.ACTED or name == "log_level":
            continue
        if name in Config.__struct_fields__ and getattr(current, name) != getattr(fresh, name):
            found.append(option.name)
    if (current.tls is None) != (fresh.tls is None) and "tls" not in found:
        found.append("tls")
    return found


def attributes(config: Config) -> dict[str, str]:
    """Attributes of the event `daemon reload`. Source: daemon.md §2."""
    runtimes = " ".join(f"{name}:{one.path}" for name, one in sorted(config.runtimes.items()))
    return {
        "debug": _text(config.debug),
        "default-cgroupns-mode": config.default_cgroupns_mode,
        "default-ipc-mode": config.default_ipc_mode,
        "default-runtime": config.default_runtime,
        "default-shm-size": str(config.default_shm_size),
        "default-stop-timeout": str(config.default_stop_timeout),
        "features": " ".join(f"{k}={_text(v)}" for k, v in sorted(config.features.items())),
        "insecure-registries": json.dumps(config.insecure_registries),
        "labels": json.dumps(config.labels),
        "live-restore": _text(config.live_restore),
        "max-concurrent-downloads": str(config.max_concurrent_downloads),
        "max-concurrent-uploads": str(config.max_concurrent_uploads),
        "max-download-attempts": str(config.max_download_attempts),
        "registry-mirrors": json.dumps(config.registry_mirrors),
        "runtimes": runtimes,
        "shutdown-timeout": str(config.shutdown_timeout),
    }


def spell(config: Config) -> str:
    """The configuration as one JSON object for the log, without credentials."""
    names = {
        option.name.replace("-", "_"): option.name
        for option in OPTIONS
        if option.support is Support.ACTED
    }
    plain = msgspec.to_builtins(config)
    assert isinstance(plain, dict)
    shown = {
        names[key]: mask(value) if isinstance(value, str) else value
        for key, value in sorted(plain.items())
        if key in names and value not in (None, "", [], {})
    }
    return json.dumps(shown, separators=(",", ":"))


def _text(value: bool) -> str:
    return "true" if value else "false"
