"""Which label options a container gets by what it shares. Source: moby, generateSecurityOpt."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import structs

from wharfie.model.container import HostConfig
from wharfie.model.errors import InvalidArgument

_PARTS = ("user", "role", "type", "level")


def with_label_options(host: HostConfig, label_of: Callable[[str], str]) -> HostConfig:
    """A container that shares the host's IPC or PIDs is not confined by labels; one that shares
    another container's has that one's, unless it says itself.

    Args:
        host: as asked for.
        label_of: the label of a container's process, by the reference in the mode.

    Raises:
        InvalidArgument: it shares with two whose labels differ.
    """
    options = list(host.security_opt or ())
    if any(option.partition("=")[0] == "label" for option in options):
        return host
    modes = (host.ipc_mode, host.pid_mode)
    if host.privileged or "host" in modes:
        return structs.replace(host, security_opt=[*options, "label=disable"])
    labels = {label_of(mode.partition(":")[2]) for mode in modes if mode.startswith("container:")}
    if len(labels) > 1:
        raise InvalidArgument("--ipc and --pid containers SELinux labels aren't the same")
    added = [
        f"label={name}:{value}"
        for label in labels
        if label
        for name, value in zip(_PARTS, label.split(":", 3), strict=False)
    ]
    return structs.replace(host, security_opt=[*options, *added]) if added else host
