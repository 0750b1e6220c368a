"""The OCI runtime configuration: what `config.json` and an exec's `process.json` hold.

Only what this engine writes; every field keeps the specification's name in camel case, and what
equals its default is left out.

Source: OCI runtime specification 1.1, config.md, config-linux.md.
"""

from __future__ import annotations

from msgspec import Raw, Struct, field

OCI_VERSION = "1.0.2"

DEFAULT_MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
"""What a container may not read. Source: behaviours 181."""
DEFAULT_READONLY_PATHS = (
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
)
"""What it may not write. Source: behaviours 181."""


class ConsoleSize(Struct, frozen=True):
    """Size of a terminal in characters."""

    height: int
    width: int


class User(Struct, rename="camel", frozen=True):
    """Numbers a process runs under."""

    uid: int
    gid: int
    additional_gids: tuple[int, ...] = ()


class Capabilities(Struct, frozen=True):
    """Sets of capability names ("CAP_CHOWN"); always written, an absent set would mean "all"."""

    bounding: tuple[str, ...]
    effective: tuple[str, ...]
    permitted: tuple[str, ...]
    inheritable: tuple[str, ...] = ()
    ambient: tuple[str, ...] = ()


class Rlimit(Struct, frozen=True):
    """One resource limit; type as "RLIMIT_NOFILE", values up to 2**64-1 for infinity."""

    type: str
    soft: int
    hard: int


class Process(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A process: a container's first one, or an exec's."""

    args: list[str]
    cwd: str
    user: User
    env: list[str]
    capabilities: Capabilities
    terminal: bool = False
    console_size: ConsoleSize | None = None
    rlimits: tuple[Rlimit, ...] = ()
    no_new_privileges: bool = False
    oom_score_adj: int | None = None
    apparmor_profile: str = ""
    selinux_label: str = ""


class Root(Struct, frozen=True, omit_defaults=True):
    """The root file system, relative to the bundle."""

    path: str
    readonly: bool = False


class Mount(Struct, frozen=True):
    """One mount, in mount order."""

    destination: str
    type: str
    source: str
    options: tuple[str, ...]


class Namespace(Struct, frozen=True, omit_defaults=True):
    """A namespace to make, or with a path, to join."""

    type: str
    path: str = ""


class Device(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A device node to make; type "c", "b", "u" or "p"."""

    path: str
    type: str
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    uid: int | None = None
    gid: int | None = None


class DeviceRule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device cgroup rule; None matches every number."""

    allow: bool
    access: str
    type: str = ""
    major: int | None = None
    minor: int | None = None

    def __post_init__(self) -> None:
        """Refuse access letters the kernel does not know."""
        if not self.access or set(self.access) - set("rwm"):
            raise ValueError(f"invalid device access {self.access!r}")


class Memory(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Memory limits in bytes; `swap` is memory plus swap, -1 for none."""

    limit: int | None = None
    reservation: int | None = None
    swap: int | None = None
    swappiness: int | None = None
    disable_oom_killer: bool | None = field(default=None, name="disableOOMKiller")


class Cpu(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Processor limits; times in microseconds."""

    shares: int | None = None
    quota: int | None = None
    period: int | None = None
    realtime_runtime: int | None = None
    realtime_period: int | None = None
    cpus: str = ""
    mems: str = ""


class Pids(Struct, frozen=True):
    """How many processes; -1 for no limit."""

    limit: int


class BlockWeightDevice(Struct, frozen=True):
    """Weight of one block device."""

    major: int
    minor: int
    weight: int


class BlockThrottleDevice(Struct, frozen=True):
    """Rate of one block device, bytes or operations a second."""

    major: int
    minor: int
    rate: int


class BlockIO(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Block I/O limits."""

    weight: int | None = None
    weight_device: tuple[BlockWeightDevice, ...] = ()
    throttle_read_bps_device: tuple[BlockThrottleDevice, ...] = ()
    throttle_write_bps_device: tuple[BlockThrottleDevice, ...] = ()
    throttle_read_iops_device: tuple[BlockThrottleDevice, ...] = field(
        default=(), name="throttleReadIOPSDevice"
    )
    throttle_write_iops_device: tuple[BlockThrottleDevice, ...] = field(
        default=(), name="throttleWriteIOPSDevice"
    )


class Resources(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """What the cgroup limits."""

    devices: tuple[DeviceRule, ...] = ()
    memory: Memory | None = None
    cpu: Cpu | None = None
    pids: Pids | None = None
    block_io: BlockIO | None = field(default=None, name="blockIO")


class SyscallArgument(Struct, rename="camel", frozen=True, omit_defaults=True):
    """A condition on one argument; `value_two` is the datum of SCMP_CMP_MASKED_EQ."""

    index: int
    value: int
    op: str
    value_two: int = 0


class SyscallRule(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """What happens to some system calls when all conditions hold."""

    names: tuple[str, ...]
    action: str
    errno_ret: int | None = None
    args: tuple[SyscallArgument, ...] = ()


class Seccomp(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A system call filter."""

    default_action: str
    default_errno_ret: int | None = None
    architectures: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    syscalls: tuple[SyscallRule, ...] = ()


class Linux(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """What is particular to Linux."""

    namespaces: tuple[Namespace, ...]
    cgroups_path: str
    resources: Resources
    sysctl: dict[str, str] = field(default_factory=dict)
    devices: tuple[Device, ...] = ()
    seccomp: Seccomp | Raw | None = None
    rootfs_propagation: str = ""
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    mount_label: str = ""


class Hook(Struct, frozen=True, omit_defaults=True):
    """A program run at a point of a container's life; seconds until it is given up."""

    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int | None = None


class Hooks(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Hooks by the point at which they run."""

    prestart: tuple[Hook, ...] = ()
    create_runtime: tuple[Hook, ...] = ()
    create_container: tuple[Hook, ...] = ()
    start_container: tuple[Hook, ...] = ()
    poststart: tuple[Hook, ...] = ()
    poststop: tuple[Hook, ...] = ()


class Spec(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A whole `config.json`."""

    oci_version: str = field(name="ociVersion")
    process: Process
    root: Root
    mounts: tuple[Mount, ...]
    linux: Linux
    hostname: str = ""
    annotations: dict[str, str] = field(default_factory=dict)
    hooks: Hooks | None = None
