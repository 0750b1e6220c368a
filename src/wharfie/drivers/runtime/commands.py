"""Commands of an OCI runtime on a container that exists; starting one is the supervisor's part."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from wharfie.drivers.runtime.layout import Layout
from wharfie.kernel.cgroups import CgroupHost
from wharfie.model.runtime import RuntimeInfo

_WITHOUT_UNIFIED = 'umount "$1" && mount -t tmpfs none "$1" && shift && exec "$@"'


class RuntimeCommands:
    """Runs a runtime's commands."""

    def __init__(self, layout: Layout, cgroups: CgroupHost) -> None:
        self._layout = layout
        self._cgroups = cgroups

    async def run(
        self,
        runtime: RuntimeInfo,
        kind: str,
        *arguments: str,
        timeout: float,
        keep: Sequence[int] = (),
    ) -> str:
        """Run `<runtime> <arguments>`; returns what it complained of, "" when it did it.

        Args:
            runtime: which program.
            kind: names its state directory.
            arguments: command and options.
            timeout: seconds after which it is killed.
            keep: descriptors it inherits under their numbers.
        """
        command = [runtime.path, *runtime.arguments, "--root", self._layout.state_root(kind)]
        command += arguments
        if self._cgroups.is_hybrid:
            # crun refuses to work where it sees a v2 tree beside v1 ones.
            trees = [h.mount_point for h in self._cgroups.hierarchies if h.version == 2]
            shell = ["unshare", "--mount", "sh", "-c", _WITHOUT_UNIFIED, "sh", trees[0]]
            command = [*shell, *command]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=keep,
            )
        except OSError as error:
            return f"{runtime.path}: {error.strerror}"
        try:
            async with asyncio.timeout(timeout):
                _, complaint = await process.communicate()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            return f"{kind} {arguments[0]} took longer than {timeout:.0f} s"
        if process.returncode == 0:
            return ""
        text = complaint.decode(errors="replace").strip()
        return text or f"{kind} {arguments[0]} failed with {process.returncode}"
