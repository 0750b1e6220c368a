"""Running a command as a step."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence

from msgspec import structs

from wharfie.build.solver.flights import Flight
from wharfie.build.solver.mountpoints import missing_points
from wharfie.build.solver.mounts import MountSet, StepMounts
from wharfie.build.solver.ports import SolverPorts
from wharfie.build.solver.results import Result
from wharfie.formats.digest import Digest
from wharfie.model.build.errors import StepFailed
from wharfie.model.build.files import MountPoint
from wharfie.model.build.graph import ExecOp
from wharfie.model.build.progress import VertexLog
from wharfie.model.build.solver import SolveOptions
from wharfie.model.build.step import Step
from wharfie.model.container import DeviceRequest, HostConfig
from wharfie.model.errors import Forbidden
from wharfie.model.ids import ContainerId, generate_id
from wharfie.model.snapshot import StepWriter

HOST_NETWORK = "network.host"
INSECURE = "security.insecure"


class Executor:
    """Runs commands in a mounted root, as containers of their own."""

    def __init__(
        self,
        ports: SolverPorts,
        options: SolveOptions,
        mounts: StepMounts,
    ) -> None:
        self._ports = ports
        self._options = options
        self._mounts = mounts

    async def run(
        self,
        vertex: Digest,
        operation: ExecOp,
        inputs: Sequence[Result],
        writer: StepWriter,
        flight: Flight,
    ) -> list[MountPoint]:
        """Run a command; returns the places that were made to mount something over.

        Args:
            vertex: whose output it is.
            operation: the command.
            inputs: results of the vertex's inputs.
            writer: of the layer.
            flight: hears the output.

        Raises:
            StepFailed: it ended with another code than 0.
            EngineError: it cannot be run.
        """
        host = self._host_config(operation)
        remapped = self._ports.steps.is_remapped(host)
        async with self._mounts.opened(operation, inputs, host) as mounts:
            root = await writer.mount(remapped=remapped)
            try:
                targets = [mount.destination for mount in mounts.mounts]
                points = await asyncio.to_thread(missing_points, root, targets)
                step = _step_of(operation, host, root, mounts)

                def output(stream: int, data: bytes) -> None:
                    flight.tell(
                        VertexLog(vertex=vertex, stream=stream, data=data, time=time.time())
                    )

                code = await self._ports.steps.run(step, output)
            finally:
                os.close(root)
        if code:
            raise step_failed(operation, code)
        return points

    def _host_config(self, operation: ExecOp) -> HostConfig:
        """What the step's container is limited to.

        Raises:
            Forbidden: it asks for more than the build may.
        """
        network = operation.network or self._options.network
        if operation.network == "host" and HOST_NETWORK not in self._options.entitlements:
            raise Forbidden("granting entitlement network.host is not allowed by build daemon")
        insecure = operation.security == "insecure"
        if insecure and INSECURE not in self._options.entitlements:
            raise Forbidden("granting entitlement security.insecure is not allowed by build daemon")
        host = self._options.host
        devices = host.device_requests
        if operation.devices:
            wanted = DeviceRequest(driver="cdi", device_ids=operation.devices)
            devices = [*(devices or []), wanted]
        return structs.replace(
            host,
            device_requests=devices,
            network_mode=network,
            privileged=insecure or host.privileged,
        )


def _step_of(operation: ExecOp, host: HostConfig, root: int, mounts: MountSet) -> Step:
    return Step(
        id=ContainerId(generate_id()),
        rootfs=root,
        arguments=operation.arguments,
        # What the Dockerfile sets wins over the caller's proxies.
        environment=[*operation.proxies, *operation.environment, *mounts.environment],
        user=operation.user,
        directory=operation.directory,
        host=host,
        mounts=mounts.mounts,
    )


def step_failed(operation: ExecOp, code: int) -> StepFailed:
    """The failure of a command, in the words of Docker's classic builder (`dispatchRun`)."""
    command = " ".join(operation.arguments)
    return StepFailed(
        f"The command '{command}' returned a non-zero code: {code}",
        arguments=operation.arguments,
        exit_code=code,
    )
