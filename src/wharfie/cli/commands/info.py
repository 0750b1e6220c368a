"""`info`: the daemon's state in full."""

from __future__ import annotations

from wharfie import __version__
from wharfie.cli.command import Command
from wharfie.cli.commands.formatflags import DOCUMENT
from wharfie.cli.connection import context_name
from wharfie.cli.context import Context
from wharfie.cli.errors import CommandError
from wharfie.cli.output.values import mapping, number, sequence, text
from wharfie.client.errors import ClientError
from wharfie.formats.pflag import Values
from wharfie.formats.units import binary_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Info = Mapping[str, object]


def _word(value: object) -> str:
    return "true" if value is True else "false"


def _words(items: list[object]) -> str:
    return " ".join(str(item) for item in items)


def _counts(info: Info) -> list[str]:
    return [
        f" Containers: {number(info, 'Containers')}",
        f"  Running: {number(info, 'ContainersRunning')}",
        f"  Paused: {number(info, 'ContainersPaused')}",
        f"  Stopped: {number(info, 'ContainersStopped')}",
        f" Images: {number(info, 'Images')}",
    ]


def _drivers(info: Info) -> list[str]:
    lines = [
        f" {title}: {text(info, name)}"
        for title, name in (("Server Version", "ServerVersion"), ("Storage Driver", "Driver"))
        if text(info, name)
    ]
    pairs = [pair for pair in sequence(info, "DriverStatus") if isinstance(pair, list)]
    lines += [f"  {pair[0]}: {pair[1]}" for pair in pairs if len(pair) == 2]
    for title, name in (
        ("Logging Driver", "LoggingDriver"),
        ("Cgroup Driver", "CgroupDriver"),
        ("Cgroup Version", "CgroupVersion"),
    ):
        if text(info, name):
            lines.append(f" {title}: {text(info, name)}")
    plugins = mapping(info, "Plugins")
    lines.append(" Plugins:")
    lines += [f"  {name}: {_words(sequence(plugins, name))}" for name in ("Volume", "Network")]
    if sequence(plugins, "Authorization"):
        lines.append(f"  Authorization: {_words(sequence(plugins, 'Authorization'))}")
    lines.append(f"  Log: {_words(sequence(plugins, 'Log'))}")
    return lines


def _swarm(info: Info) -> list[str]:
    swarm = mapping(info, "Swarm")
    lines = []
    folders = sequence(info, "CDISpecDirs")
    if folders:
        lines += [" CDI spec directories:", *(f"  {folder}" for folder in folders)]
    lines.append(f" Swarm: {text(swarm, 'LocalNodeState')}")
    return lines


def _runtimes(info: Info) -> list[str]:
    lines = []
    runtimes = mapping(info, "Runtimes")
    if runtimes:
        lines.append(f" Runtimes: {' '.join(sorted(runtimes))}")
        lines.append(f" Default Runtime: {text(info, 'DefaultRuntime')}")
    if info.get("OSType") == "linux":
        lines.append(f" Init Binary: {text(info, 'InitBinary')}")
        for title, name in (
            ("containerd", "ContainerdCommit"),
            ("runc", "RuncCommit"),
            ("init", "InitCommit"),
        ):
            lines.append(f" {title} version: {text(mapping(info, name), 'ID')}")
    return lines + _security(info)


def _security(info: Info) -> list[str]:
    options = [str(option) for option in sequence(info, "SecurityOptions")]
    if not options:
        return []
    lines = [" Security Options:"]
    for option in options:
        pairs = [pair.partition("=") for pair in option.split(",")]
        for key, _, value in pairs:
            if key == "name":
                lines.append(f"  {value}")
            else:
                lines.append(f"   {key.capitalize()}: {value}")
    return lines


def _machine(info: Info) -> list[str]:
    rows = [
        ("Kernel Version", text(info, "KernelVersion")),
        ("Operating System", text(info, "OperatingSystem")),
        ("OSType", text(info, "OSType")),
        ("Architecture", text(info, "Architecture")),
    ]
    lines = [f" {title}: {value}" for title, value in rows if value]
    lines += [
        f" CPUs: {number(info, 'NCPU')}",
        f" Total Memory: {binary_size(number(info, 'MemTotal'))}",
    ]
    for title, name in (("Name", "Name"), ("ID", "ID"), ("Docker Root Dir", "DockerRootDir")):
        if text(info, name):
            lines.append(f" {title}: {text(info, name)}")
    lines.append(f" Debug Mode: {_word(info.get('Debug'))}")
    if info.get("Debug") is True:
        lines += [
            f"  File Descriptors: {number(info, 'NFd')}",
            f"  Goroutines: {number(info, 'NGoroutines')}",
            f"  System Time: {text(info, 'SystemTime')}",
            f"  EventsListeners: {number(info, 'NEventsListener')}",
        ]
    for title, name in (
        ("HTTP Proxy", "HttpProxy"),
        ("HTTPS Proxy", "HttpsProxy"),
        ("No Proxy", "NoProxy"),
    ):
        if text(info, name):
            lines.append(f" {title}: {text(info, name)}")
    return lines


def _registries(info: Info) -> list[str]:
    lines = []
    labels = sequence(info, "Labels")
    if labels:
        lines += [" Labels:", *(f"  {label}" for label in labels)]
    lines.append(f" Experimental: {_word(info.get('ExperimentalBuild'))}")
    registries = mapping(info, "RegistryConfig")
    indexes = mapping(registries, "IndexConfigs")
    insecure = [
        name for name in sorted(indexes) if mapping(indexes, name).get("Secure") is not True
    ]
    cidrs = [str(cidr) for cidr in sequence(registries, "InsecureRegistryCIDRs")]
    if insecure or cidrs:
        lines += [" Insecure Registries:", *(f"  {name}" for name in insecure + cidrs)]
    mirrors = sequence(registries, "Mirrors")
    if mirrors:
        lines += [" Registry Mirrors:", *(f"  {mirror}" for mirror in mirrors)]
    lines.append(f" Live Restore Enabled: {_word(info.get('LiveRestoreEnabled'))}")
    license_ = text(info, "ProductLicense")
    if license_:
        lines.append(f" Product License: {license_}")
    pools = [pool for pool in sequence(info, "DefaultAddressPools") if isinstance(pool, dict)]
    if pools:
        lines.append(" Default Address Pools:")
        lines += [f"   Base: {pool.get('Base')}, Size: {pool.get('Size')}" for pool in pools]
    if text(info, "FirewallBackend") or mapping(info, "FirewallBackend"):
        lines.append(f" Firewall Backend: {text(mapping(info, 'FirewallBackend'), 'Driver')}")
    return [*lines, ""]


def server_lines(info: Info) -> list[str]:
    """Return the daemon's part of the page."""
    parts = (_counts, _drivers, _swarm, _runtimes, _machine, _registries)
    return [line for part in parts for line in part(info)]


def run_info(context: Context, flags: Values) -> int:
    """Print the state of client and daemon; warnings go to stderr."""
    problem = ""
    info: Info = {}
    try:
        found = context.client.json("GET", "/info")
        info = found if isinstance(found, dict) else {}
    except ClientError as error:
        problem = str(error)
    client = {
        "Debug": context.globals.on("debug"),
        "Version": __version__,
        "Context": context_name(context.globals, context.config),
        "Plugins": [],
        "Warnings": None,
    }
    if flags.text("format"):
        from wharfie.cli.output.documents import typed
        from wharfie.cli.output.template import render_document

        document = {
            **info,
            **({"ServerErrors": [problem]} if problem else {}),
            "ClientInfo": client,
        }
        shown = typed(document)
        assert isinstance(shown, dict)
        context.write(
            render_document(flags.text("format"), shown, name="", kind="system.dockerInfo")
        )
        if problem:
            raise CommandError(problem)
        return 0
    context.say(
        f"Client:\n Version:    {client['Version']}\n Context:    {client['Context']}\n"
        f" Debug Mode: {_word(client['Debug'])}\n\nServer:"
    )
    if problem:
        raise CommandError(f"{problem}\nerrors pretty printing info")
    context.say("\n".join(server_lines(info)))
    for warning in sequence(info, "Warnings"):
        context.note(str(warning))
    return 0


INFO = Command(
    run_info, "Display system-wide information", flags=DOCUMENT, aliases=("system info", "info")
)
