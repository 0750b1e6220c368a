"""CDI: files in which vendors say what a container needs to use their devices.

A file describes one kind (`vendor.com/class`) with named devices; a container asks for
`vendor.com/class=name`. JSON, or the YAML that programs write.

Source: Container Device Interface specification 0.8.0.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct, field

from wharfie.formats.block_yaml import YamlError, parse_yaml

_NAME = re.compile(r"([A-Za-z][\w.-]*/[A-Za-z][\w-]*)=([A-Za-z0-9][\w.:-]*)")


class CdiError(ValueError):
    """A file that is no CDI specification."""


class DeviceNode(Struct, rename="camel", frozen=True, kw_only=True):
    """A device node in the container; what is not said is the host's."""

    path: str
    host_path: str = ""
    type: str = ""
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    permissions: str = ""
    uid: int | None = None
    gid: int | None = None


class CdiMount(Struct, rename="camel", frozen=True):
    """A mount from the host."""

    host_path: str
    container_path: str
    options: list[str] = []
    type: str = ""


class CdiHook(Struct, rename="camel", frozen=True):
    """A program the OCI runtime runs; `hook_name` as in the runtime specification."""

    hook_name: str
    path: str
    args: list[str] = []
    env: list[str] = []
    timeout: int | None = None


class ContainerEdits(Struct, rename="camel", frozen=True):
    """What changes in a container's spec."""

    env: list[str] = []
    device_nodes: list[DeviceNode] = []
    mounts: list[CdiMount] = []
    hooks: list[CdiHook] = []
    additional_gids: list[int] = field(default_factory=list, name="additionalGids")


class CdiDevice(Struct, rename="camel", frozen=True):
    """One device of a kind."""

    name: str
    container_edits: ContainerEdits = ContainerEdits()


class CdiSpec(Struct, rename="camel", frozen=True):
    """A whole file; its own edits go with every device in it."""

    cdi_version: str
    kind: str
    devices: list[CdiDevice] = []
    container_edits: ContainerEdits = ContainerEdits()


def parse_cdi(data: bytes, *, is_json: bool) -> CdiSpec:
    """Read a file.

    Raises:
        CdiError: why it is none.
    """
    try:
        document = msgspec.json.decode(data) if is_json else parse_yaml(data.decode())
        spec = msgspec.convert(_without_nulls(document), CdiSpec)
    except (msgspec.MsgspecError, YamlError, UnicodeDecodeError, RecursionError) as error:
        raise CdiError(str(error)) from None
    if _NAME.fullmatch(f"{spec.kind}=x") is None:
        raise CdiError(f"invalid kind {spec.kind!r}")
    return spec


def split_name(name: str) -> tuple[str, str] | None:
    """Kind and device of "vendor.com/class=device", None for another text."""
    found = _NAME.fullmatch(name)
    return (found[1], found[2]) if found else None


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
