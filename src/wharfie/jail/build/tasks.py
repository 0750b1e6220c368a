"""The tasks of builds, carried out; everything is inside the root already."""

from __future__ import annotations

import os
from typing import assert_never

from wharfie.jail.build.checksum import TreeSum
from wharfie.jail.build.copy import Copier
from wharfie.jail.build.finish import finish_layer
from wharfie.jail.build.make import make_directory, write_file
from wharfie.jail.protocol import (
    BuildTask,
    Checksum,
    CopyFiles,
    Finished,
    FinishLayer,
    MakeDirectories,
    WriteFile,
)
from wharfie.jail.tree import O_PATH_DIRECTORY

_READ = 1 << 20


def perform_build(task: BuildTask, data: int) -> Finished:
    """Do a task of a build.

    Args:
        task: what.
        data: the data descriptor.
    """
    match task:
        case Checksum():
            sum_ = TreeSum(os.open("/", O_PATH_DIRECTORY), task, _known(data))
            return Finished(sum_.digest(), 0, sum_.entries)
        case CopyFiles():
            layer = data + 1 if task.has_layer else -1
            copier = Copier(data, task.plan, task.limits, layer=layer)
            copier.run()
            return Finished("", copier.size, copier.entries)
        case MakeDirectories():
            make_directory(task)
        case WriteFile():
            write_file(task, data)
        case FinishLayer():
            sink = finish_layer(task)
            return Finished(sink.digest(), sink.size, 0, sink.length)
        case _:
            assert_never(task)
    return Finished()


def _known(data: int) -> dict[bytes, bytes]:
    content = bytearray()
    while piece := os.read(data, _READ):
        content += piece
    pairs = (line.partition(b" ") for line in bytes(content).split(b"\0") if line)
    return {path: b"sha256:" + digest for digest, _, path in pairs}
