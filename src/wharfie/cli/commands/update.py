"""`update`: change the limits and the restart policy of containers."""

from __future__ import annotations

from wharfie.cli.command import Command
from wharfie.cli.commands.container import path_of
from wharfie.cli.context import Context
from wharfie.cli.creation import checks
from wharfie.cli.creation.hostconfig import parse_restart
from wharfie.cli.errors import CommandError
from wharfie.cli.output.values import sequence
from wharfie.client.errors import ClientError
from wharfie.formats.pflag import Values

FLAGS = """
--blkio-weight uint16  Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)
--cpu-period int  Limit CPU CFS (Completely Fair Scheduler) period
--cpu-quota int  Limit CPU CFS (Completely Fair Scheduler) quota
--cpu-rt-period int  Limit the CPU real-time period in microseconds
--cpu-rt-runtime int  Limit the CPU real-time runtime in microseconds
-c, --cpu-shares int  CPU shares (relative weight)
--cpus decimal  Number of CPUs
--cpuset-cpus string  CPUs in which to allow execution (0-3, 0,1)
--cpuset-mems string  MEMs in which to allow execution (0-3, 0,1)
-m, --memory bytes  Memory limit
--memory-reservation bytes  Memory soft limit
--memory-swap bytes  Swap limit equal to memory plus swap: -1 to enable unlimited swap
--pids-limit int  Tune container pids limit (set -1 for unlimited)
--restart string  Restart policy to apply when a container exits
%--kernel-memory bytes  Kernel memory limit
"""
_NUMBERS = {
    "BlkioWeight": "blkio-weight",
    "CpuPeriod": "cpu-period",
    "CpuQuota": "cpu-quota",
    "CpuRealtimePeriod": "cpu-rt-period",
    "CpuRealtimeRuntime": "cpu-rt-runtime",
    "CpuShares": "cpu-shares",
    "NanoCpus": "cpus",
    "Memory": "memory",
    "MemoryReservation": "memory-reservation",
    "MemorySwap": "memory-swap",
}


def update_body(flags: Values) -> dict[str, object]:
    """Return the body; what was not given is zero and stays as it is."""
    body: dict[str, object] = {name: flags.number(flag) for name, flag in _NUMBERS.items()}
    body["CpusetCpus"] = flags.text("cpuset-cpus")
    body["CpusetMems"] = flags.text("cpuset-mems")
    body["PidsLimit"] = flags.number("pids-limit") if flags.has("pids-limit") else None
    body["RestartPolicy"] = parse_restart(flags.text("restart"))
    return body


def run_update(context: Context, flags: Values) -> int:
    """Update containers."""
    if not any(flags.has(name) for name in UPDATE.declared()):
        raise CommandError("you must provide one or more flags when using this command")
    body = update_body(flags)
    warnings: list[str] = []
    problems: list[str] = []
    for name in flags.args:
        try:
            found = context.client.json("POST", f"{path_of(name)}/update", body=body)
        except ClientError as error:
            problems.append(str(error))
            continue
        context.say(name)
        if isinstance(found, dict):
            warnings += [str(text) for text in sequence(found, "Warnings")]
    if warnings:
        context.write("\n".join(warnings) + "\n")
    if problems:
        raise CommandError("\n".join(problems))
    return 0


UPDATE = Command(
    run_update,
    "Update configuration of one or more containers",
    "CONTAINER [CONTAINER...]",
    flags=FLAGS,
    least=1,
    most=None,
    aliases=("container update", "update"),
    checks={"memory-swap": checks.memory_swap},
)
