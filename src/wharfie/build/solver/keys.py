"""Keys: what decides a result, and nothing else. Pure.

The key of a step is a digest over its operation and over what stands for its inputs: the key of
the result an input is, or the checksum of the files taken from it. Equal keys, equal results.
Names shown to people, proxies, and values of secrets are no part of it.

Source: BuildKit's `solver/cachemanager.go` and `docs/dev/solver.md`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
from msgspec import structs

from wharfie.model.build.files import Selection
from wharfie.model.build.graph import CopyAction, ExecOp, FileOp, Operation, SourceOp, StepMount

WHOLE = [Selection(sources=["."], follow=False)]
"""All files of an input."""
_NUMERIC = set("0123456789:")
_VERSION = b"wharfie build key 1\n"


def step_key(operation: Operation, inputs: Sequence[str], *, epoch: int | None) -> str:
    """The key of a step.

    Args:
        operation: what is done.
        inputs: what stands for input n, "" where it does not matter.
        epoch: file times are cut to it.
    """
    if isinstance(operation, ExecOp):
        operation = structs.replace(operation, proxies=[])
    parts = [
        msgspec.json.encode(operation, order="sorted"),
        *(one.encode() for one in inputs),
        b"" if epoch is None else b"%d" % epoch,
    ]
    state = hashlib.sha256(_VERSION)
    for part in parts:
        state.update(b"%d:" % len(part) + part)
    return f"sha256:{state.hexdigest()}"


def renewed_key(key: str, nonce: str) -> str:
    """The key of a result that was made although one was there (`--no-cache`).

    What stood on the old result does not stand on the new one.
    """
    return f"sha256:{hashlib.sha256(f'{key} {nonce}'.encode()).hexdigest()}"


def attached_key(below: str, layer: str) -> str:
    """The key of a linked layer on top of a result."""
    return f"sha256:{hashlib.sha256(f'attach {below} {layer}'.encode()).hexdigest()}"


def is_linked(operation: Operation) -> bool:
    """Tell whether an operation makes a layer that does not depend on what it is put on.

    Owners that are names are looked up below, so they do.
    """
    return (
        isinstance(operation, FileOp)
        and operation.linked
        and all(set(action.owner) <= _NUMERIC for action in operation.actions)
    )


def image_key(identifier: str) -> str:
    """The key of an image: its digest, whatever name it goes by.

    Args:
        identifier: `docker-image://<reference>@<digest or image ID>`.
    """
    return "image " + identifier.rpartition("@")[2]


def is_local(operation: Operation) -> bool:
    """Tell whether an operation is a context: only files taken from it have a key."""
    return isinstance(operation, SourceOp) and operation.identifier.startswith("local://")


def file_inputs(operation: FileOp) -> dict[int, list[Selection]]:
    """Files that a step takes from each input but the one it changes."""
    chosen: dict[int, list[Selection]] = {}
    for action in operation.actions:
        if isinstance(action, CopyAction):
            chosen.setdefault(action.input, []).append(selection_of(action))
    return chosen


def selection_of(action: CopyAction) -> Selection:
    """The files that a copy takes."""
    return Selection(
        sources=action.sources,
        exclude=action.exclude,
        follow=action.follow,
        parents=action.parents,
        allow_missing=action.allow_missing,
    )


def mount_inputs(operation: ExecOp) -> dict[int, list[Selection]]:
    """Files that a step has mounted from each input but its root."""
    chosen: dict[int, list[Selection]] = {}
    for mount in operation.mounts:
        if mount.source > 0:
            chosen.setdefault(mount.source, []).append(mount_selection(mount))
    return chosen


def mount_selection(mount: StepMount) -> Selection:
    """The files that a mount shows."""
    return Selection(sources=[mount.selector or "."])


def taken_files(operation: Operation) -> dict[int, list[Selection]]:
    """Files that an operation takes from its inputs, where it does not take all of one."""
    if isinstance(operation, FileOp):
        return file_inputs(operation)
    if isinstance(operation, ExecOp):
        return mount_inputs(operation)
    return {}
