"""One run of a health check: an exec'd process, its output caught up to a bound.

Source: behaviours 111, 113; moby's daemon/health.go, `cmdProbe.run`.
"""

from __future__ import annotations

import asyncio
import socket
import time

from wharfie.engine.containers.lifecycle.health import HealthCheck
from wharfie.engine.exec import Execs
from wharfie.formats.duration import format_duration
from wharfie.model.clock import rfc3339
from wharfie.model.container import Container
from wharfie.model.errors import EngineError
from wharfie.model.exec import ExecConfig
from wharfie.model.health import HealthResult
from wharfie.model.measures import Actions

OUTPUT_LIMIT = 4096
NO_EXIT_CODE = -1


async def run_probe(
    execs: Execs, container: Container, check: HealthCheck, starts: Actions | None = None
) -> HealthResult:
    """Run a health check once; every failure of it is a result, never an exception.

    Args:
        execs: run it.
        container: whose.
        check: what to run.
        starts: told how long it took to begin.
    """
    began = time.time_ns()
    output = bytearray()
    code = NO_EXIT_CODE
    try:
        async with asyncio.timeout(check.timeout):
            code = await _run(execs, container, check, output, starts or Actions(()))
        text = _text(output)
    except TimeoutError:
        text = f"Health check exceeded timeout ({format_duration(int(check.timeout * 1e9))})"
        if output:
            text = f"{text}: {_text(output)}"
    except EngineError as error:
        text = error.message
    except OSError as error:  # the supervisor went, and another comes
        text = str(error)
    return HealthResult(rfc3339(began), rfc3339(time.time_ns()), code, text)


async def _run(
    execs: Execs, container: Container, check: HealthCheck, output: bytearray, starts: Actions
) -> int:
    config = ExecConfig(
        cmd=check.command,
        attach_stdout=True,
        attach_stderr=True,
        user=container.config.user,
        working_dir=container.config.working_dir,
    )
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        with theirs, starts.timed(""):
            probe = await execs.begin_probe(container.id, config, theirs.fileno())
        try:
            while data := await loop.sock_recv(ours, OUTPUT_LIMIT):
                output += data[: max(0, OUTPUT_LIMIT + 1 - len(output))]
            return await execs.end_of_probe(probe)
        finally:
            execs.drop_probe(probe)


def _text(output: bytearray) -> str:
    text = output[:OUTPUT_LIMIT].decode("utf-8", "replace")
    return f"{text}..." if len(output) > OUTPUT_LIMIT else text
