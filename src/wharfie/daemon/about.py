"""What the daemon says about itself and its host: `GET /info`, `GET /version`."""

from __future__ import annotations

import os
import platform
import uuid

from wharfie import __version__
from wharfie.daemon.config import Config
from wharfie.daemon.config.values import mask
from wharfie.drivers.runtime import OciRuntime
from wharfie.engine.system import SystemInfo, VersionInfo
from wharfie.kernel.cgroups import CgroupHost
from wharfie.kernel.hostinfo import HostInfo


def base_info(
    config: Config,
    host: HostInfo,
    cgroups: CgroupHost,
    runtime: OciRuntime,
    *,
    labelled: bool,
) -> SystemInfo:
    """What `GET /info` tells that never changes."""
    return SystemInfo(
        id=_engine_id(config.data_root),
        name=host.name,
        kernel_version=host.kernel_version,
        operating_system=host.operating_system,
        os_version=host.os_version,
        architecture=host.architecture,
        cpus=host.cpus,
        memory=host.memory,
        data_root=config.data_root,
        server_version=__version__,
        cgroup_driver=runtime.cgroup_driver,
        cgroup_version=str(cgroups.version),
        default_runtime=runtime.default_runtime,
        runtimes={name: info.path for name, info in runtime.runtimes.items()},
        security_options=[
            *host.security_options,
            *(["name=selinux"] if labelled else []),
            *(["name=userns"] if config.userns_remap else []),
        ],
        storage_driver="overlay2",
        storage_status=[("Backing Filesystem", "extfs"), ("Supports d_type", "true")],
        log_driver=config.log_driver,
        debug=config.log_level == "debug",
        live_restore=config.live_restore,
        labels=config.labels,
        insecure_registries=config.insecure_registries,
        registry_mirrors=config.registry_mirrors,
        experimental=config.experimental,
        http_proxy=mask(config.http_proxy),
        https_proxy=mask(config.https_proxy),
        no_proxy=config.no_proxy,
        limits=host.limits,
    )


def version_info(host: HostInfo, runtime: OciRuntime) -> VersionInfo:
    """What `GET /version` tells."""
    return VersionInfo(
        version=__version__,
        git_commit="",
        kernel_version=host.kernel_version,
        architecture=host.architecture,
        build_time="",
        components=[
            ("Python", platform.python_version(), {}),
            *((name, "", {"Path": info.path}) for name, info in runtime.runtimes.items()),
        ],
    )


def _engine_id(data_root: str) -> str:
    """The engine's UUID, made once and kept. Source: daemon.md §5."""
    path = os.path.join(data_root, "engine-id")
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        value = str(uuid.uuid4())
        with open(path, "w", encoding="ascii") as file:
            file.write(value)
        return value
