"""Processes of a container, by the host's `ps`: works when the image has none.

Source: behaviours 79.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection

from msgspec import Struct

from wharfie.model.errors import Internal, InvalidArgument
from wharfie.model.waits import within

PS_SECONDS = 15.0
"""It reads of every process; one that is stuck in the kernel can hold it up."""

_RENAMED_PID = re.compile(r"\bpid\s*=", re.IGNORECASE)


class Processes(Struct, frozen=True):
    """Processes of a container, as `ps` prints them."""

    titles: list[str]
    processes: list[list[str]]


def check_arguments(ps_args: str) -> list[str]:
    """Split the arguments; a renamed PID column would make the output unreadable."""
    if _RENAMED_PID.search(ps_args):
        raise InvalidArgument('specifying "pid" field name is not allowed in ps arguments')
    return ps_args.split() or ["-ef"]


async def list_processes(pids: Collection[int], arguments: list[str]) -> Processes:
    """Run `ps` and keep the rows of `pids`."""
    try:
        process = await asyncio.create_subprocess_exec(
            "ps", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except FileNotFoundError:
        raise Internal("the host has no `ps`: install procps to list processes") from None
    try:
        output, errors = await within(PS_SECONDS, process.communicate(), "ps")
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        raise Internal(f"error running ps: {errors.decode(errors='replace').strip()}")
    return parse(output.decode(errors="replace"), pids)


def parse(output: str, pids: Collection[int]) -> Processes:
    """Read `ps` output: the last column takes the rest of the line.

    Raises:
        InvalidArgument: no PID column.
    """
    lines = output.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise InvalidArgument("Couldn't find PID field in ps output")
    column = titles.index("PID")
    rows = []
    for line in lines[1:]:
        fields = line.split(None, len(titles) - 1)
        if len(fields) > column and fields[column].isdecimal() and int(fields[column]) in pids:
            rows.append(fields)
    return Processes(titles, rows)
