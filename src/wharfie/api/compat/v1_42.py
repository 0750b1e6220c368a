"""1.42: multiplexed streams say so; stop takes a signal; prune spares named volumes.

Attach over a websocket took all streams before. Options of another mount type were dropped in
silence, and are refused since.
"""

from __future__ import annotations

import msgspec

from wharfie.api.bodies import Document
from wharfie.api.compat.change import (
    ATTACH_WEBSOCKET,
    CREATE,
    DISK_USAGE,
    EXEC_CREATE,
    EXEC_START,
    VOLUME_PRUNE,
    Change,
    drop,
    member,
    members,
    take,
)
from wharfie.api.operations import MULTIPLEXED, RAW
from wharfie.api.query import Query
from wharfie.model.container import WaitCondition

_OPTIONS = {"bind": "BindOptions", "volume": "VolumeOptions", "tmpfs": "TmpfsOptions"}


def _create(document: Document) -> None:
    host = member(document, "HostConfig")
    drop(host, "ConsoleSize", "KernelMemory")
    for mount in members(host, "Mounts"):
        key = take(mount, "Type")
        kind = mount[key] if key is not None else ""
        drop(member(mount, "BindOptions"), "CreateMountpoint")
        drop(mount, *(name for other, name in _OPTIONS.items() if other != kind))


def _drop_console_size(document: Document) -> None:
    drop(document, "ConsoleSize")


def _drop_signal(query: Query) -> None:
    query.values.pop("signal", None)


def _any_condition(query: Query) -> None:
    if query.text("condition") not in set(WaitCondition):
        query.values.pop("condition", None)


def _all_streams(query: Query) -> None:
    for name in ("stdin", "stdout", "stderr"):
        query.values[name] = ["1"]


def _prune_all(query: Query) -> None:
    try:
        given = msgspec.json.decode(query.text("filters") or "{}", type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        return  # refused where filters are parsed
    given["all"] = ["true"]
    query.values["filters"] = [msgspec.json.encode(given).decode()]


def _all_types(query: Query) -> None:
    query.values.pop("type", None)


def _add_builder_size(reply: object) -> object:
    if isinstance(reply, dict):
        records = reply.get("BuildCache") or []
        reply["BuilderSize"] = sum(record["Size"] for record in records if not record["Shared"])
    return reply


CHANGE = Change(
    version=(1, 42),
    documents={
        CREATE: _create,
        EXEC_CREATE: _drop_console_size,
        EXEC_START: _drop_console_size,
    },
    queries={
        "POST /containers/{ref}/stop": _drop_signal,
        "POST /containers/{ref}/restart": _drop_signal,
        "POST /containers/{ref}/wait": _any_condition,
        ATTACH_WEBSOCKET: _all_streams,
        VOLUME_PRUNE: _prune_all,
        DISK_USAGE: _all_types,
    },
    replies={DISK_USAGE: _add_builder_size},
    content_types={MULTIPLEXED: RAW},
)
