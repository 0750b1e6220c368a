"""A container's record and plan to the OCI spec of its bundle. Pure, but for looking at devices.

Source: behaviours 180–194; OCI runtime spec 1.0.2.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache

from msgspec import UNSET, Struct

from wharfie.drivers.runtime.apparmor import choose_profile
from wharfie.drivers.runtime.capabilities import available, effective_set, for_user
from wharfie.drivers.runtime.cdi import DEFAULT_DIRECTORIES
from wharfie.drivers.runtime.cgroup.placing import CgroupDriver, spec_path
from wharfie.drivers.runtime.devices import container_devices
from wharfie.drivers.runtime.identity import ProcessUser
from wharfie.drivers.runtime.mounts import INIT_PATH, init_mount, merge_mounts, standard_mounts
from wharfie.drivers.runtime.resources import container_resources, container_rlimits
from wharfie.drivers.runtime.seccomp import BPF_ANNOTATION, Filter
from wharfie.drivers.runtime.security_options import (
    UNCONFINED,
    SecurityOptions,
    parse_security_options,
)
from wharfie.formats.oci.runtime import (
    DEFAULT_MASKED_PATHS,
    DEFAULT_READONLY_PATHS,
    OCI_VERSION,
    ConsoleSize,
    Linux,
    Mount,
    Namespace,
    Process,
    Root,
    Spec,
)
from wharfie.model.container import Container, HostConfig, Ulimit
from wharfie.model.errors import InvalidArgument
from wharfie.model.exec import ExecConfig
from wharfie.model.runtime import LaunchPlan, Namespaces

ROOTFS = "rootfs"
TREES = "trees"
"""Where in a bundle mounts that come by descriptor are attached for the start, by number."""
PRIVATE_NETWORK_SYSCTLS = {
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": "0 2147483647",
}
_SUBGROUP_ANNOTATION = "run.oci.systemd.subgroup"
"""Empty, crun puts processes into the scope itself, as runc does."""
_NAMESPACES = ("network", "pid", "ipc", "uts", "cgroup", "user")


class Defaults(Struct, frozen=True, kw_only=True):
    """What the daemon adds to containers that do not say otherwise.

    Attributes:
        cgroup_driver: who makes containers' groups.
        cgroup_parent: parent of all containers' groups.
        ulimits: resource limits.
        init: run a small init as pid 1.
        init_path: that program on the host, "" when there is none.
        cdi_directories: where CDI specifications are.
        apparmor: this host enforces AppArmor profiles.
        no_new_privileges: processes gain none by setuid programs.
    """

    cgroup_driver: CgroupDriver = CgroupDriver.CGROUPFS
    cgroup_parent: str = ""
    ulimits: tuple[Ulimit, ...] = ()
    init: bool = False
    init_path: str = ""
    apparmor: bool = False
    cdi_directories: tuple[str, ...] = DEFAULT_DIRECTORIES
    no_new_privileges: bool = False


def cgroup_path(container: Container, defaults: Defaults) -> str:
    """The `cgroupsPath` of a container's spec."""
    parent = container.host_config.cgroup_parent or defaults.cgroup_parent
    return spec_path(defaults.cgroup_driver, parent, container.id)


def capabilities_of(host: HostConfig) -> tuple[str, ...]:
    """The capabilities of a container's root.

    Raises:
        InvalidArgument: an unknown name.
    """
    return effective_set(
        add=host.cap_add or (),
        drop=host.cap_drop or (),
        privileged=host.privileged,
        possible=available(),
    )


def seccomp_choice(host: HostConfig, security: SecurityOptions) -> str:
    """Which profile a container asks for; a privileged one has none unless it brings its own."""
    if host.privileged and not security.seccomp:
        return UNCONFINED
    return security.seccomp


def build_spec(
    plan: LaunchPlan,
    who: ProcessUser,
    seccomp: Filter | None,
    *,
    compiled_seccomp: bool,
    defaults: Defaults,
) -> Spec:
    """The `config.json` of a container.

    Args:
        plan: what to start.
        who: its user, looked up.
        seccomp: its filter, None for none.
        compiled_seccomp: the runtime takes the compiled form.
        defaults: the daemon's.

    Raises:
        InvalidArgument: an option or device that cannot be resolved.
    """
    container, host = plan.container, plan.container.host_config
    security = parse_security_options(
        host.security_opt or (), no_new_privileges=defaults.no_new_privileges
    )
    has_init = _has_init(host, plan.namespaces, defaults)
    nodes, rules = container_devices(host)
    annotations = dict(host.annotations) if host.annotations is not UNSET else {}
    section = None
    if seccomp is not None and compiled_seccomp and seccomp.bpf:
        annotations[BPF_ANNOTATION] = seccomp.bpf
    else:
        annotations.pop(BPF_ANNOTATION, None)
        section = None if seccomp is None else seccomp.section
    if defaults.cgroup_driver is CgroupDriver.SYSTEMD:
        annotations.setdefault(_SUBGROUP_ANNOTATION, "")
    private_uts = plan.namespaces.uts is None
    return Spec(
        oci_version=OCI_VERSION,
        process=_process(plan, who, security, defaults, has_init=has_init),
        root=Root(ROOTFS, host.readonly_rootfs),
        hostname=plan.hostname if private_uts else "",
        mounts=_mounts(plan, security, defaults, has_init=has_init),
        annotations=annotations,
        linux=Linux(
            namespaces=_namespaces(plan.namespaces),
            cgroups_path=cgroup_path(container, defaults),
            resources=container_resources(host, rules),
            sysctl=_sysctls(container, private_uts=private_uts, namespaces=plan.namespaces),
            devices=nodes,
            seccomp=section,
            rootfs_propagation=_propagation(plan),
            masked_paths=_masked(host, security),
            readonly_paths=_readonly(host, security),
            mount_label=container.mount_label,
        ),
    )


def build_exec(
    container: Container,
    config: ExecConfig,
    who: ProcessUser,
    environment: Sequence[str],
    defaults: Defaults,
) -> Process:
    """The `process.json` of an exec'd process.

    Raises:
        InvalidArgument: an option of the container that cannot be resolved.
    """
    host = container.host_config
    security = parse_security_options(
        host.security_opt or (), no_new_privileges=defaults.no_new_privileges
    )
    names = available() if config.privileged else capabilities_of(host)
    return Process(
        args=list(config.cmd),
        cwd=config.working_dir or container.config.working_dir or "/",
        user=who.user,
        env=_with_home(environment, who.home),
        capabilities=for_user(names, who.user.uid),
        terminal=config.tty,
        console_size=_console(config.console_size) if config.tty else None,
        rlimits=container_rlimits(host, defaults.ulimits),
        no_new_privileges=security.no_new_privileges,
        oom_score_adj=_oom_score_adj(host),
        apparmor_profile=_apparmor(
            security, defaults, privileged=config.privileged or host.privileged
        ),
        selinux_label=container.process_label,
    )


def _process(
    plan: LaunchPlan,
    who: ProcessUser,
    security: SecurityOptions,
    defaults: Defaults,
    *,
    has_init: bool,
) -> Process:
    container = plan.container
    config, host = container.config, container.host_config
    arguments = [container.path, *container.args]
    return Process(
        args=[INIT_PATH, "--", *arguments] if has_init else arguments,
        cwd=config.working_dir or "/",
        user=who.user,
        env=_with_home(plan.environment, who.home),
        capabilities=for_user(capabilities_of(host), who.user.uid),
        terminal=config.tty,
        console_size=_console(host.console_size) if config.tty else None,
        rlimits=container_rlimits(host, defaults.ulimits),
        no_new_privileges=security.no_new_privileges,
        oom_score_adj=_oom_score_adj(host),
        apparmor_profile=_apparmor(security, defaults, privileged=host.privileged),
        selinux_label=container.process_label,
    )


def _with_home(environment: Sequence[str], home: str) -> list[str]:
    if any(entry.startswith("HOME=") for entry in environment):
        return list(environment)
    return [*environment, f"HOME={home}"]


def _console(size: Sequence[int] | None) -> ConsoleSize | None:
    if not size or len(size) != 2 or not all(0 < number < 65536 for number in size):
        return None
    return ConsoleSize(height=size[0], width=size[1])


def _oom_score_adj(host: HostConfig) -> int | None:
    """Always said, as the daemon's own may be protective; where it cannot be set, inherited."""
    if host.oom_score_adj or "CAP_SYS_RESOURCE" in available():
        return host.oom_score_adj
    return None


def _apparmor(security: SecurityOptions, defaults: Defaults, *, privileged: bool) -> str:
    return choose_profile(security, privileged=privileged) if defaults.apparmor else ""


def _has_init(host: HostConfig, namespaces: Namespaces, defaults: Defaults) -> bool:
    wanted = defaults.init if host.init is UNSET else bool(host.init)
    if not wanted or namespaces.pid is not None:
        return False
    if not defaults.init_path:
        raise InvalidArgument(
            "--init needs docker-init or tini on this host, and neither was found in PATH or "
            "/usr/libexec/docker"
        )
    return True


def _mounts(
    plan: LaunchPlan, security: SecurityOptions, defaults: Defaults, *, has_init: bool
) -> tuple[Mount, ...]:
    host = plan.container.host_config
    standard = standard_mounts(
        shm_size=host.shm_size,
        writable_sys=host.privileged,
        writable_cgroup=host.privileged or security.writable_cgroups,
        host_ipc=plan.namespaces.ipc == "",
        has_mqueue=plan.namespaces.ipc != "" or os.path.isdir("/dev/mqueue"),
        no_shm=host.ipc_mode == "none",
    )
    own = [*plan.mounts, init_mount(defaults.init_path)] if has_init else plan.mounts
    return merge_mounts(standard, own)


def _namespaces(namespaces: Namespaces) -> tuple[Namespace, ...]:
    found = [Namespace("mount")]
    for kind in _NAMESPACES:
        path: str | None = getattr(namespaces, kind)
        if path is None:
            found.append(Namespace(kind))
        elif path:
            found.append(Namespace(kind, path))
    return tuple(found)


def has_private_network(host: HostConfig, namespaces: Namespaces) -> bool:
    """Tell whether a container has a network namespace that is its alone."""
    mode = host.network_mode
    return namespaces.network != "" and mode != "host" and not mode.startswith("container:")


def _sysctls(container: Container, *, private_uts: bool, namespaces: Namespaces) -> dict[str, str]:
    host = container.host_config
    sysctls: dict[str, str] = {}
    if has_private_network(host, namespaces) and namespaces.user == "":
        sysctls.update(PRIVATE_NETWORK_SYSCTLS)
    if private_uts and container.config.domainname:
        sysctls["kernel.domainname"] = container.config.domainname
    if host.sysctls is not UNSET:
        outside = namespaces.user != ""  # then those of the network are set there
        sysctls.update(
            {k: v for k, v in host.sysctls.items() if not (outside and k.startswith("net."))}
        )
    return sysctls


def _propagation(plan: LaunchPlan) -> str:
    """A shared or slave mount needs a root that lets mounts through."""
    options = {option for mount in plan.mounts for option in mount.options}
    if options & {"shared", "rshared"}:
        return "shared"
    return "rslave" if options & {"slave", "rslave"} else ""


def _masked(host: HostConfig, security: SecurityOptions) -> tuple[str, ...]:
    if host.privileged or security.unmask_paths:
        return ()
    chosen = DEFAULT_MASKED_PATHS if host.masked_paths is None else tuple(host.masked_paths)
    return (*chosen, *_thermal_paths()) if chosen == DEFAULT_MASKED_PATHS else chosen


def _readonly(host: HostConfig, security: SecurityOptions) -> tuple[str, ...]:
    if host.privileged or security.unmask_paths:
        return ()
    return DEFAULT_READONLY_PATHS if host.readonly_paths is None else tuple(host.readonly_paths)


@cache
def _thermal_paths() -> tuple[str, ...]:
    """Counters of each processor's throttling, a side channel; few virtual machines have them."""
    base = "/sys/devices/system/cpu"
    try:
        names = sorted(os.listdir(base))
    except OSError:
        return ()
    paths = (f"{base}/{name}/thermal_throttle" for name in names if name[3:].isdigit())
    return tuple(path for path in paths if os.path.isdir(path))
