"""`port audit`: which ports of this host's containers can be reached, and by whom."""

from __future__ import annotations

from wharfie.cli.commands.container import path_of
from wharfie.cli.context import Context
from wharfie.cli.output.table import tabulate
from wharfie.cli.output.values import mapping, objects, sequence, text

_HEADER = "REACHABLE FROM\tHOST ADDRESS\tCONTAINER\tPORT\t\n"


def reach(host_ip: str, allowed: list[str]) -> str:
    """Who reaches a port that is bound like this."""
    if host_ip.startswith("127.") or host_ip == "::1":
        return "this host"
    if allowed:
        return ", ".join(allowed)
    if host_ip in ("", "0.0.0.0", "::"):  # noqa: S104 - told, not bound
        return "EVERYBODY"
    return f"networks of {host_ip}"


def rows_of(name: str, document: dict[str, object]) -> list[tuple[str, str, str, str]]:
    """One row a published port: who, where, container, port."""
    settings = mapping(document, "NetworkSettings")
    mode = text(mapping(document, "HostConfig"), "NetworkMode")
    if mode == "host":
        return [("EVERYBODY", "all of the host's", name, "whatever it listens on")]
    rows = []
    ports = mapping(settings, "Ports")
    for port in sorted(ports):
        for binding in objects(ports[port]):
            ip, number = text(binding, "HostIp"), text(binding, "HostPort")
            allowed = [str(one) for one in sequence(binding, "AllowFrom")]
            shown = f"[{ip}]:{number}" if ":" in ip else f"{ip}:{number}"
            rows.append((reach(ip, allowed), shown, name, port))
    return rows


def run_audit(context: Context) -> int:
    """Print every published port of every running container, those open to everybody first."""
    listed = context.client.json("GET", "/containers/json")
    rows = []
    for one in objects(listed):
        found = context.client.json("GET", f"{path_of(text(one, 'Id'))}/json")
        if isinstance(found, dict):
            rows += rows_of(text(found, "Name").lstrip("/"), found)
    rows.sort(key=lambda row: (row[0] != "EVERYBODY", row))
    lines = "".join("\t".join(row) + "\t\n" for row in rows)
    context.write(tabulate(_HEADER + lines))
    return 0
