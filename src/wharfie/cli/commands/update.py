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
--publish-add list  Publish a further port, also of a running container
--publish-rm list  Publish a port no more
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


def port_change(flags: Values) -> dict[str, object]:
    """Return what to publish and what to publish no more; empty when nothing is asked."""
    from wharfie.cli.creation.config import port_mappings
    from wharfie.cli.creation.hostconfig import port_bindings

    change: dict[str, object] = {}
    if flags.items("publish-add"):
        change["Add"] = port_bindings(port_mappings(flags.items("publish-add")))
    if flags.items("publish-rm"):
        change["Remove"] = port_bindings(port_mappings(flags.items("publish-rm")))
    return change


def run_update(context: Context, flags: Values) -> int:
    """Update containers."""
    if not any(flags.has(name) for name in UPDATE.declared()):
        raise CommandError("you must provide one or more flags when using this command")
    body = update_body(flags)
    ports = port_change(flags)
    limits = any(flags.has(name) for name in UPDATE.declared() if not name.startswith("publish-"))
    warnings: list[str] = []
    problems: list[str] = []
    for name in flags.args:
        try:
            if ports:
                context.client.done("POST", f"{path_of(name)}/ports", body=ports)
            found = (
                context.client.json("POST", f"{path_of(name)}/update", body=body)
                if limits
                else None
            )
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
