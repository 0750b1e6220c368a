"""Devices that containers ask for by CDI names, from the specification files on this host.

Files are read when a container that asks for such devices is started, never otherwise. Where two
files describe the same device, that of the later directory counts.

Source: Container Device Interface specification, "Overview of the CDI"; moby's daemon/cdi.go.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence

from msgspec import structs

from wharfie.formats.cdi import (
    CdiError,
    CdiHook,
    CdiSpec,
    ContainerEdits,
    DeviceNode,
    parse_cdi,
    split_name,
)
from wharfie.formats.oci.runtime import Device, DeviceRule, Hook, Hooks, Mount, Spec
from wharfie.kernel.devices import NotADevice, device_at
from wharfie.model.container import DeviceRequest
from wharfie.model.errors import InvalidArgument

DRIVER = "cdi"
DEFAULT_DIRECTORIES = ("/etc/cdi", "/var/run/cdi")
_SIZE_LIMIT = 4 << 20
_HOOKS = {
    "prestart": "prestart",
    "createRuntime": "create_runtime",
    "createContainer": "create_container",
    "startContainer": "start_container",
    "poststart": "poststart",
    "poststop": "poststop",
}
_log = logging.getLogger(__name__)


def check_requests(requests: Sequence[DeviceRequest]) -> list[str]:
    """The CDI names that are asked for.

    Raises:
        InvalidArgument: a request for another driver, which this engine has not.
    """
    names: list[str] = []
    for request in requests:
        if request.driver != DRIVER:
            capabilities = " ".join(f"[{' '.join(group)}]" for group in request.capabilities or ())
            raise InvalidArgument(
                f'could not select device driver "{request.driver}" with capabilities: '
                f"[{capabilities}]"
            )
        if request.count or request.options:
            raise InvalidArgument("invalid device request: CDI takes neither a count nor options")
        names += request.device_ids or []
    return list(dict.fromkeys(names))


def inject_devices(spec: Spec, names: Sequence[str], directories: Sequence[str]) -> Spec:
    """A spec with what the named devices need.

    Raises:
        InvalidArgument: devices that no file describes, or whose nodes are not there.
    """
    if not names:
        return spec
    found = list(_read(directories))
    edits: list[ContainerEdits] = []
    missing = []
    used: list[CdiSpec] = []
    for name in names:
        match = _find(found, name)
        if match is None:
            missing.append(name)
            continue
        file, device_edits = match
        if file not in used:
            used.append(file)
            edits.append(file.container_edits)
        edits.append(device_edits)
    if missing:
        raise InvalidArgument(
            f"CDI device injection failed: unresolvable CDI devices {', '.join(missing)}"
        )
    for one in edits:
        spec = _apply(spec, one)
    return spec


def _find(files: Sequence[CdiSpec], name: str) -> tuple[CdiSpec, ContainerEdits] | None:
    parts = split_name(name)
    for file in reversed(files):
        for device in file.devices:
            if parts == (file.kind, device.name):
                return file, device.container_edits
    return None


def _read(directories: Sequence[str]) -> Iterator[CdiSpec]:
    for directory in directories:
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        for name in names:
            if not name.endswith((".json", ".yaml", ".yml")):
                continue
            path = os.path.join(directory, name)
            try:
                with open(path, "rb") as file:
                    data = file.read(_SIZE_LIMIT)
                yield parse_cdi(data, is_json=name.endswith(".json"))
            except (OSError, CdiError) as error:
                _log.warning("CDI specification %s is not read: %s", path, error)


def _apply(spec: Spec, edits: ContainerEdits) -> Spec:
    nodes = [_node(node) for node in edits.device_nodes]
    user = spec.process.user
    gids = tuple(dict.fromkeys((*user.additional_gids, *edits.additional_gids)))
    process = structs.replace(
        spec.process,
        env=[*spec.process.env, *edits.env],
        user=structs.replace(user, additional_gids=gids),
    )
    linux = spec.linux
    linux = structs.replace(
        linux,
        devices=(*linux.devices, *(device for device, _ in nodes)),
        resources=structs.replace(
            linux.resources, devices=(*linux.resources.devices, *(rule for _, rule in nodes))
        ),
    )
    mounts = tuple(
        Mount(m.container_path, m.type or "bind", m.host_path, tuple(m.options or ("rbind", "ro")))
        for m in edits.mounts
    )
    return structs.replace(
        spec,
        process=process,
        linux=linux,
        mounts=(*spec.mounts, *mounts),
        hooks=_with_hooks(spec.hooks, edits.hooks),
    )


def _node(node: DeviceNode) -> tuple[Device, DeviceRule]:
    try:
        host = device_at(node.host_path or node.path)
    except (OSError, NotADevice) as error:
        if not (node.type and node.major):
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            raise InvalidArgument(
                f"CDI device injection failed: {node.host_path or node.path}: {reason}"
            ) from None
        kind, major, minor = node.type, node.major, node.minor
        mode, uid, gid = node.file_mode, node.uid, node.gid
    else:
        kind = node.type or host.type
        major, minor = (node.major, node.minor) if node.major else (host.major, host.minor)
        mode = host.mode if node.file_mode is None else node.file_mode
        uid = host.uid if node.uid is None else node.uid
        gid = host.gid if node.gid is None else node.gid
    device = Device(
        path=node.path, type=kind, major=major, minor=minor, file_mode=mode, uid=uid, gid=gid
    )
    access = node.permissions or "rwm"
    if set(access) - set("rwm"):
        raise InvalidArgument(f"CDI device injection failed: invalid permissions {access!r}")
    return device, DeviceRule(allow=True, type=kind, major=major, minor=minor, access=access)


def _with_hooks(hooks: Hooks | None, added: Sequence[CdiHook]) -> Hooks | None:
    for hook in added:
        name = _HOOKS.get(hook.hook_name)
        if name is None:
            raise InvalidArgument(f"CDI device injection failed: no hook {hook.hook_name!r}")
        hooks = hooks or Hooks()
        present: tuple[Hook, ...] = getattr(hooks, name)
        made = Hook(hook.path, tuple(hook.args), tuple(hook.env), hook.timeout)
        hooks = structs.replace(hooks, **{name: (*present, made)})
    return hooks
