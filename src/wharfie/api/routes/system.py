"""The engine as a whole: ping, version, info, events, disk usage."""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct

from wharfie.api.filters import event_filters
from wharfie.api.operations import (
    JSON,
    Incoming,
    Json,
    Nothing,
    Outcome,
    Routes,
)
from wharfie.api.services import Context
from wharfie.api.versions import CEILING, spell
from wharfie.engine.containers.logs.drivers import DRIVERS
from wharfie.engine.events import SubscriberTooSlow
from wharfie.engine.system import SystemInfo
from wharfie.model.clock import now
from wharfie.model.errors import InvalidArgument
from wharfie.model.event import Event
from wharfie.model.filters import ContainerFilters, EventFilters, ImageFilters, VolumeFilters
from wharfie.web import Stream
from wharfie.wire import system as wire
from wharfie.wire.builds import BuildCache
from wharfie.wire.events import EventMessage
from wharfie.wire.images import ImageSummary
from wharfie.wire.volumes import UsageData, VolumeInspect

routes = Routes()
_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


@routes.add("GET", "/_ping", Nothing.of)
@routes.add("HEAD", "/_ping", Nothing.of)
def ping(context: Context, command: Nothing) -> Outcome:  # noqa: ARG001 - the form of handlers
    """SystemPing; the application answers it before it is routed here."""
    return Json("OK")


@routes.add("GET", "/version", Nothing.of)
def version(context: Context, command: Nothing) -> Outcome:  # noqa: ARG001 - the form of handlers
    """SystemVersion."""
    facts = context.services.system.version()
    architecture = _GO_ARCHITECTURES.get(facts.architecture, facts.architecture)
    details = {
        "ApiVersion": spell(CEILING),
        "Arch": architecture,
        "BuildTime": facts.build_time,
        "Experimental": "true" if context.rules.experimental else "false",
        "GitCommit": facts.git_commit,
        "GoVersion": f"python{platform.python_version()}",
        "KernelVersion": facts.kernel_version,
        "MinAPIVersion": spell(context.rules.floor),
        "Os": "linux",
    }
    engine = wire.Component("Engine", facts.version, details)
    return Json(
        wire.Version(
            platform=wire.PlatformName("Wharfie"),
            components=[engine, *(wire.Component(*one) for one in facts.components)],
            version=facts.version,
            api_version=spell(CEILING),
            min_api_version=spell(context.rules.floor),
            git_commit=facts.git_commit,
            go_version=details["GoVersion"],
            os="linux",
            arch=architecture,
            kernel_version=facts.kernel_version,
            build_time=facts.build_time,
        )
    )


@routes.add("GET", "/info", Nothing.of)
def info(context: Context, command: Nothing) -> Outcome:  # noqa: ARG001 - the form of handlers
    """SystemInfo."""
    return Json(_info(context.services.system.info()))


def _info(facts: SystemInfo) -> wire.Info:
    limits = facts.limits
    stopped, paused = facts.containers_stopped, facts.containers_paused
    return wire.Info(
        id=facts.id,
        containers=facts.containers_running + paused + stopped,
        containers_running=facts.containers_running,
        containers_paused=paused,
        containers_stopped=stopped,
        images=facts.images,
        driver=facts.storage_driver,
        driver_status=facts.storage_status,
        plugins=wire.Plugins(
            volume=["local"], network=["bridge", "host", "null"], log=list(DRIVERS)
        ),
        memory_limit=limits.get("MemoryLimit", False),
        swap_limit=limits.get("SwapLimit", False),
        cpu_cfs_period=limits.get("CpuCfsPeriod", False),
        cpu_cfs_quota=limits.get("CpuCfsQuota", False),
        cpu_shares=limits.get("CPUShares", False),
        cpu_set=limits.get("CPUSet", False),
        pids_limit=limits.get("PidsLimit", False),
        oom_kill_disable=limits.get("OomKillDisable", False),
        ipv4_forwarding=True,
        debug=facts.debug,
        n_fd=facts.file_descriptors,
        n_goroutines=0,
        system_time=now(),
        logging_driver=facts.log_driver,
        cgroup_driver=facts.cgroup_driver,
        cgroup_version=facts.cgroup_version,
        n_events_listener=facts.event_listeners,
        kernel_version=facts.kernel_version,
        operating_system=facts.operating_system,
        os_version=facts.os_version,
        architecture=facts.architecture,
        registry_config=_registries(facts),
        n_cpu=facts.cpus,
        mem_total=facts.memory,
        docker_root_dir=facts.data_root,
        http_proxy=facts.http_proxy,
        https_proxy=facts.https_proxy,
        no_proxy=facts.no_proxy,
        experimental_build=facts.experimental,
        name=facts.name,
        labels=facts.labels,
        server_version=facts.server_version,
        runtimes={name: wire.RuntimeInfo(path) for name, path in facts.runtimes.items()},
        default_runtime=facts.default_runtime,
        live_restore_enabled=facts.live_restore,
        init_binary="docker-init",
        security_options=facts.security_options,
        warnings=facts.warnings or None,
    )


def _registries(facts: SystemInfo) -> wire.RegistryConfig:
    hub = wire.IndexConfig(
        name="docker.io", mirrors=facts.registry_mirrors, secure=True, official=True
    )
    named = {
        name: wire.IndexConfig(name=name, mirrors=[], secure=False, official=False)
        for name in facts.insecure_registries
        if "/" not in name
    }
    networks = [name for name in facts.insecure_registries if "/" in name]
    return wire.RegistryConfig(
        insecure_cidrs=["::1/128", "127.0.0.0/8", *networks],
        index_configs={"docker.io": hub, **named},
        mirrors=facts.registry_mirrors,
    )


class Events(Struct, frozen=True, kw_only=True):
    """Which events, from when to when (nanoseconds since the epoch)."""

    filters: EventFilters
    since: int | None
    until: int | None


def _events(incoming: Incoming) -> Events:
    query, moment = incoming.query, incoming.now
    since, until = query.time("since", now=moment), query.time("until", now=moment)
    if since is not None and until is not None and since > until:
        raise InvalidArgument(f"`since` time ({since}) cannot be after `until` time ({until})")
    if since is None and until is not None and until < moment:
        since = until
    return Events(filters=event_filters(query), since=since, until=until)


@routes.add("GET", "/events", _events)
def events(context: Context, command: Events) -> Outcome:
    """SystemEvents: history, then live; the head goes out at once."""
    found = context.services.events.subscribe(
        command.filters, since=command.since, until=command.until
    )
    return Stream(_spell(found), 200, JSON)


async def _spell(found: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    try:
        async for event in found:
            yield msgspec.json.encode(EventMessage.of(event)) + b"\n"
    except SubscriberTooSlow:
        return


class Usage(Struct, frozen=True):
    """Which kinds of objects to measure; empty for all."""

    kinds: list[str]


def _usage(incoming: Incoming) -> Usage:
    kinds = incoming.query.texts("type")
    for kind in kinds:
        if kind not in ("container", "image", "volume", "build-cache"):
            raise InvalidArgument(f"unknown object type: {kind}")
    return Usage(kinds)


@routes.add("GET", "/system/df", _usage)
async def usage(context: Context, command: Usage) -> Outcome:
    """SystemDataUsage."""
    services = context.services
    wanted = set(command.kinds) or {"container", "image", "volume", "build-cache"}
    containers = volumes = images = None
    if "container" in wanted:
        found = services.containers.select(filters=ContainerFilters(), all_=True)
        containers = [
            context.listing.summarise(one, await services.containers.size(one.id)) for one in found
        ]
    if "image" in wanted:
        images = [
            ImageSummary.of(
                one,
                containers=len(services.images.users(one)),
                shared_size=services.images.shared_size(one),
            )
            for one in services.images.select(ImageFilters(), all_=True)
        ]
    if "volume" in wanted:
        volumes = [
            VolumeInspect.of(
                one,
                usage=UsageData(
                    len(services.volumes.users(one.name)),
                    await services.volumes.usage(one.name),
                ),
            )
            for one in services.volumes.select(VolumeFilters())
        ]
    cache = None
    if "build-cache" in wanted:
        cache = [BuildCache.of(record) for record in await services.builds.records()]
    return Json(
        wire.DiskUsage(
            layers_size=services.images.layers_size() if "image" in wanted else None,
            images=images,
            containers=containers,
            volumes=volumes,
            build_cache=cache,
        )
    )
