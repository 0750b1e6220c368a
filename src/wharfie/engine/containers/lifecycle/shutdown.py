"""Stopping everything when the daemon goes and containers are not meant to outlive it.

That is `"live-restore": false`; by default containers run on. They do not count as stopped by
hand: restart policies start them again with the next daemon. Source: daemon.md §3.
"""

from __future__ import annotations

import asyncio
import logging

from msgspec import UNSET

from wharfie.engine.containers.catalogue import Catalogue, ContainerHandle
from wharfie.engine.containers.lifecycle.ending import Endings
from wharfie.model.container import WaitCondition
from wharfie.model.lifecycle import has_process
from wharfie.model.signals import parse_signal
from wharfie.model.task import TaskSupervisor

_log = logging.getLogger(__name__)
_SIGKILL = 9
_LAST_BOUND = 5.0


async def stop_all(
    catalogue: Catalogue, endings: Endings, supervisor: TaskSupervisor, *, timeout: float
) -> None:
    """Stop every running container, side by side; SIGKILL after its own grace or `timeout`.

    Args:
        catalogue: all containers.
        endings: told not to restart anything.
        supervisor: delivers signals.
        timeout: seconds for containers without a stop timeout of their own.
    """
    endings.suspend_restarts()
    running = [h for h in catalogue if has_process(h.record.state.status)]
    async with asyncio.TaskGroup() as group:
        for handle in running:
            group.create_task(_stop(handle, supervisor, timeout))


async def _stop(handle: ContainerHandle, supervisor: TaskSupervisor, timeout: float) -> None:
    config = handle.record.config
    own = config.stop_timeout
    grace = timeout if own is UNSET else float(own)
    signal = config.stop_signal
    end = handle.waiters.add(WaitCondition.NEXT_EXIT)
    await supervisor.signal(handle.id, parse_signal(signal if signal is not UNSET else "TERM"))
    for seconds in (grace, _LAST_BOUND):
        try:
            async with asyncio.timeout(None if seconds < 0 else seconds):
                await asyncio.shield(end)
                return
        except TimeoutError:
            await supervisor.signal(handle.id, _SIGKILL)
    _log.warning("container %s did not end within the shutdown timeout", handle.record.name)
