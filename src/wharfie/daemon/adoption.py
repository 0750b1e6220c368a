"""The running daemon taking up a changed configuration: see `reload.Reloadable`."""

from __future__ import annotations

from collections.abc import Mapping

from wharfie.daemon import logrus
from wharfie.daemon.config import Config
from wharfie.daemon.defaults import container_defaults, registry_settings
from wharfie.daemon.encryption import Encryption
from wharfie.daemon.reload import Adopt
from wharfie.drivers.runtime import OciRuntime, check_default, find_runtimes
from wharfie.engine.containers.create.defaults import DefaultsHandle
from wharfie.engine.images.distribution.slots import Slots
from wharfie.engine.system import System
from wharfie.model.errors import Unavailable
from wharfie.model.runtime import RuntimeInfo
from wharfie.registry.client import RemoteRegistries
from wharfie.web import Server


def choose_runtimes(config: Config) -> tuple[Mapping[str, RuntimeInfo], str]:
    """The runtimes of this host and of the configuration, and the name of the default one.

    Raises:
        Unavailable: there is none.
        InvalidArgument: the default one is not among them.
    """
    runtimes = {**find_runtimes(), **config.runtimes}
    if not runtimes:
        raise Unavailable("no OCI runtime found: install crun (apt-get install crun)")
    default = config.default_runtime
    if default not in runtimes and default == "crun":
        default = next(iter(runtimes))
    check_default(runtimes, default)
    return runtimes, default


class Adoption:
    """What of a running daemon a reload changes."""

    def __init__(
        self,
        config: Config,
        *,
        runtime: OciRuntime,
        defaults: DefaultsHandle,
        system: System,
        cgroup_version: int,
        encryption: Encryption,
        server: Server,
        registries: RemoteRegistries,
        transfers: tuple[Slots, Slots],
    ) -> None:
        self.config = config
        self._runtime = runtime
        self._defaults = defaults
        self._system = system
        self._cgroup_version = cgroup_version
        self._encryption = encryption
        self._server = server
        self._registries = registries
        self._downloads, self._uploads = transfers

    async def prepare(self, config: Config) -> Adopt:
        """Make ready for `config`; what is returned takes it up and cannot fail.

        Raises:
            ConfigError: a certificate cannot be used.
            EngineError: a runtime cannot be.
        """
        runtimes, default = choose_runtimes(config)
        values = container_defaults(
            config,
            runtime=default,
            cgroup_version=self._cgroup_version,
            cpus=self._defaults.now.cpus,
            abilities=self._defaults.now.abilities,
        )
        registries = registry_settings(config)
        material = await self._encryption.load()

        async def adopt() -> None:
            self.config = config
            self._runtime.adopt(runtimes, default)
            self._defaults.adopt(values)
            self._registries.adopt(registries)
            self._downloads.resize(config.max_concurrent_downloads)
            self._uploads.resize(config.max_concurrent_uploads)
            logrus.set_level(config.log_level)
            await self._encryption.adopt(material, self._server)

        return adopt

    def announce(self, config: Config, attributes: dict[str, str]) -> None:
        """Publish the event and show the new facts."""
        self._system.reloaded(
            attributes,
            debug=config.debug,
            live_restore=config.live_restore,
            labels=config.labels,
            insecure_registries=config.insecure_registries,
            registry_mirrors=config.registry_mirrors,
            default_runtime=self._runtime.default_runtime,
            runtimes={name: one.path for name, one in self._runtime.runtimes.items()},
        )
