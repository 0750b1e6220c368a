"""`version`: ours and the daemon's."""

from __future__ import annotations

import sys

from wharfie import __version__
from wharfie.cli.command import Command
from wharfie.cli.commands.formatflags import DOCUMENT
from wharfie.cli.connection import context_name
from wharfie.cli.context import Context
from wharfie.cli.errors import CommandError
from wharfie.client.errors import ClientError
from wharfie.formats.pflag import Values

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_WIDTH = 19


def build_text() -> str:
    """Name the build; a source tree has no other name than its version."""
    return "source"


def _machine() -> str:
    if sys.platform == "win32":
        return "amd64"
    from posix import uname

    machine = uname().machine
    return _ARCHITECTURES.get(machine, machine)


def _client_part(context: Context) -> dict[str, object]:
    client = context.client
    python = ".".join(str(part) for part in sys.version_info[:3])
    return {
        "Platform": {"Name": "Wharfie"},
        "Version": __version__,
        "ApiVersion": client.version,
        "DefaultAPIVersion": "1.51",
        "GitCommit": build_text(),
        "GoVersion": f"python{python}",
        "Os": sys.platform,
        "Arch": _machine(),
        "BuildTime": "",
        "Context": context_name(context.globals, context.config),
    }


def _lines(rows: list[tuple[str, object]], indent: str) -> list[str]:
    return [f"{indent}{name + ':':<{_WIDTH - len(indent) + 1}}{value}" for name, value in rows]


def _client_lines(part: dict[str, object]) -> list[str]:
    api = str(part["ApiVersion"])
    if api != part["DefaultAPIVersion"]:
        api += f" (downgraded from {part['DefaultAPIVersion']})"
    rows: list[tuple[str, object]] = [
        ("Version", part["Version"]),
        ("API version", api),
        ("Python version", part["GoVersion"]),
        ("Git commit", part["GitCommit"]),
        ("Built", part["BuildTime"]),
        ("OS/Arch", f"{part['Os']}/{part['Arch']}"),
        ("Context", part["Context"]),
    ]
    return ["Client:", *_lines(rows, " ")]


def _built(text: str) -> str:
    """Spell the daemon's build time as Go's ANSIC layout does."""
    from wharfie.formats.timestamps import format_ansi

    return format_ansi(text)


def _server_lines(server: dict[str, object]) -> list[str]:
    platform = server.get("Platform")
    name = platform.get("Name") if isinstance(platform, dict) else ""
    lines = ["", f"Server: {name}" if name else "Server:"]
    components = server.get("Components")
    for component in components if isinstance(components, list) else []:
        if isinstance(component, dict):
            lines += _component_lines(component)
    return lines


def _component_lines(component: dict[str, object]) -> list[str]:
    details = component.get("Details")
    found = details if isinstance(details, dict) else {}
    lines = [f" {component.get('Name')}:"]
    rows: list[tuple[str, object]] = [("Version", component.get("Version") or "")]
    if component.get("Name") != "Engine":
        rows += [(name, found[name]) for name in sorted(found)]
        return lines + _lines(rows, "  ")
    least = found.get("MinAPIVersion")
    api = found.get("ApiVersion", "")
    rows += [
        ("API version", f"{api} (minimum version {least})" if least else api),
        ("Go version", found.get("GoVersion", "")),
        ("Git commit", found.get("GitCommit", "")),
        ("Built", _built(str(found.get("BuildTime") or ""))),
        ("OS/Arch", f"{found.get('Os')}/{found.get('Arch')}"),
        ("Experimental", found.get("Experimental", "false")),
    ]
    return lines + _lines(rows, "  ")


def run_version(context: Context, flags: Values) -> int:
    """Print both versions; the daemon's absence is an error after ours was shown."""
    part = _client_part(context)
    server: dict[str, object] | None = None
    problem: ClientError | None = None
    try:
        found = context.client.json("GET", "/version")
        server = found if isinstance(found, dict) else {}
    except ClientError as error:
        problem = error
    if flags.text("format"):
        from wharfie.cli.output.template import render_document

        document: dict[str, object] = {"Client": part, "Server": server}
        context.write(
            render_document(
                flags.text("format"), document, name="version", kind="system.versionInfo"
            )
        )
    else:
        lines = _client_lines(part)
        if server is not None:
            lines += _server_lines(server)
        context.say("\n".join(lines))
    if problem is not None:
        raise CommandError(str(problem))
    return 0


VERSION = Command(run_version, "Show the Docker version information", flags=DOCUMENT)
