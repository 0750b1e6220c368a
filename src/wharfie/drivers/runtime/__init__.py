"""Containers by an OCI runtime: specs, seccomp filters, cgroups, and the supervisor's commands.

`OciRuntime` implements the `Runtime` port, `KernelTrees` `MountTrees`; `supervision/` implements
`TaskSupervisor`.
"""

from wharfie.drivers.runtime.bundle import Defaults
from wharfie.drivers.runtime.labels import Labels
from wharfie.drivers.runtime.oci import OciRuntime, check_default
from wharfie.drivers.runtime.programs import find_init, find_runtimes
from wharfie.drivers.runtime.trees import KernelTrees

__all__ = [
    "Defaults",
    "KernelTrees",
    "Labels",
    "OciRuntime",
    "check_default",
    "find_init",
    "find_runtimes",
]
