"""Jobs: builds at the solver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from wharfie.build.solver.flights import Flights
from wharfie.build.solver.job import SolveJob
from wharfie.build.solver.making import Maker
from wharfie.build.solver.ports import SolverPorts
from wharfie.build.solver.results import LayeredResult
from wharfie.model.build.progress import ProgressSink
from wharfie.model.build.session import BuildSession
from wharfie.model.build.solver import BuildJob, SolveOptions

_AT_ONCE = 16


class GraphSolver:
    """See `model.build.solver.Solver`."""

    def __init__(self, ports: SolverPorts) -> None:
        self._ports = ports
        self._flights: Flights[LayeredResult] = Flights(ports.nursery)
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def job(
        self, session: BuildSession, progress: ProgressSink, options: SolveOptions
    ) -> AbstractAsyncContextManager[BuildJob]:
        """Begin a build; leaving the context lets go of everything it holds."""
        return self._job(session, progress, options)

    @asynccontextmanager
    async def _job(
        self, session: BuildSession, progress: ProgressSink, options: SolveOptions
    ) -> AsyncIterator[BuildJob]:
        async with self._ports.images.lease() as lease, AsyncExitStack() as stack:
            maker = Maker(
                self._ports, session, options, lease=lease, slots=self._slots, stack=stack
            )
            job = SolveJob(
                self._ports,
                maker=maker,
                flights=self._flights,
                progress=progress,
                options=options,
                lease=lease,
            )
            try:
                yield job
            finally:
                job.close()
        self._ports.nursery.start(self._ports.bound.keep_bound(), "bounding the build cache")
