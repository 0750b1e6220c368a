"""Inspected documents as templates see them: structs, maps and typed nils told apart.

The genuine client decodes into Go structs: a field that is left out or null there has a typed
zero value, and a Go map differs from a struct in what a missing key does. JSON knows neither, so
the names tell.
"""

from __future__ import annotations

from wharfie.formats.gotemplate.values import GoMap, NilList, NilMap, Struct

_MAPS = {
    "Annotations", "Attributes", "AuxiliaryAddresses", "Containers", "Data", "DriverOpts",
    "ExposedPorts",
    "IndexConfigs", "Labels", "Networks", "Options", "PortBindings", "Ports", "Status",
    "StorageOpt", "Sysctls", "Tmpfs", "Volumes", "Runtimes", "Services",
}  # fmt: skip
_POINTERS = {
    "ConfigFrom", "GraphDriver", "Health", "Healthcheck", "Init", "IPAMConfig", "LinkLocalIPs",
    "MemorySwappiness", "OomKillDisable", "PidsLimit", "SizeRootFs", "SizeRw", "StopTimeout",
    "UsageData", "Platform",
}  # fmt: skip
# fields of a struct that may be left out, recognised by a field that never is
_OPTIONAL: tuple[tuple[str, dict[str, object]], ...] = (
    ("OOMKilled", {"Health": None}),
    ("ResolvConfPath", {"SizeRw": None, "SizeRootFs": None}),
    (
        "AttachStdin",
        {
            "Healthcheck": None,
            "ExposedPorts": NilMap(),
            "StopTimeout": None,
            "StopSignal": "",
            "Shell": NilList(),
            "ArgsEscaped": False,
            "MacAddress": "",
            "NetworkDisabled": False,
        },
    ),
    (
        "NetworkMode",
        {
            "Annotations": NilMap(),
            "Init": None,
            "Mounts": NilList(),
            "StorageOpt": NilMap(),
            "Sysctls": NilMap(),
            "Tmpfs": NilMap(),
        },
    ),
    ("RepoTags", {"Variant": "", "OsVersion": "", "Parent": "", "Container": ""}),
    ("Mountpoint", {"Status": NilMap(), "UsageData": None}),
)


def typed(value: object, name: str = "") -> object:
    """Return a document with its maps, nils and left-out fields made visible to templates."""
    if value is None:
        if name in _MAPS:
            return NilMap()
        return None if name in _POINTERS or not name else NilList()
    if isinstance(value, list):
        return [typed(item) for item in value]
    if not isinstance(value, dict):
        return value
    members = {key: typed(item, key) for key, item in value.items()}
    if name in _MAPS or (name == "Config" and "Type" not in value and "Image" not in value):
        return GoMap({key: typed(item) for key, item in value.items()})
    for mark, optional in _OPTIONAL:
        if mark in members:
            return Struct(members, optional)
    return members
