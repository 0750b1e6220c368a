"""Containers run by an OCI runtime (crun, runc) that the supervisor starts.

A launch is: look up the user in the root file system, write `config.json`, let the supervisor run
`<runtime> run -d`. Everything later, pausing, killing, removing, is done on the cgroup directly;
the runtime is started again only to exec, or when its help is needed to remove a container.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec
from msgspec import structs

from wharfie.drivers.runtime.apparmor import choose_profile, ensure_loaded
from wharfie.drivers.runtime.bundle import (
    PRIVATE_NETWORK_SYSCTLS,
    ROOTFS,
    TREES,
    Defaults,
    build_exec,
    build_spec,
    capabilities_of,
    cgroup_path,
    has_private_network,
    seccomp_choice,
)
from wharfie.drivers.runtime.cdi import check_requests, inject_devices
from wharfie.drivers.runtime.cgroup import read_usage
from wharfie.drivers.runtime.cgroup.placing import (
    CGROUPFS_PARENT,
    CgroupDriver,
    check_parent,
    group_path,
)
from wharfie.drivers.runtime.commands import RuntimeCommands
from wharfie.drivers.runtime.devices import check_devices
from wharfie.drivers.runtime.failures import start_failed
from wharfie.drivers.runtime.identity import look_up_user
from wharfie.drivers.runtime.labels import Labels
from wharfie.drivers.runtime.layout import Layout
from wharfie.drivers.runtime.removal import Remover
from wharfie.drivers.runtime.resources import container_resources, container_rlimits
from wharfie.drivers.runtime.seccomp import SeccompFilters
from wharfie.drivers.runtime.security_options import parse_security_options
from wharfie.kernel import netns
from wharfie.kernel.cgroups import Cgroup, CgroupHost, FreezeFailed
from wharfie.kernel.hostinfo import parse_kernel_version
from wharfie.kernel.oom import OomNotifier
from wharfie.model.container import Container, HostConfig
from wharfie.model.errors import Internal, InvalidArgument, NotRunning, StartFailed
from wharfie.model.exec import Exec
from wharfie.model.runtime import BundleMount, LaunchPlan, RuntimeInfo
from wharfie.model.task import LaunchFailed, TaskSpec, TaskSupervisor
from wharfie.model.usage import Usage

_log = logging.getLogger(__name__)
FREEZE_TIMEOUT = 10.0
"""Seconds; a process stuck in the kernel holds a freeze up."""
UPDATE_TIMEOUT = 10.0
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_MAX_TREES = 200
"""A message to the supervisor carries 253 descriptors at most."""
_COMPILED_SECCOMP = ("crun",)


class OciRuntime:
    """The `Runtime` port by OCI runtimes."""

    def __init__(
        self,
        exec_root: str,
        supervisor: TaskSupervisor,
        runtimes: Mapping[str, RuntimeInfo],
        default_runtime: str,
        *,
        defaults: Defaults | None = None,
        seccomp_profile: str = "",
        cgroups: CgroupHost | None = None,
        labels: Labels | None = None,
    ) -> None:
        """Make the directories below `exec_root`.

        Args:
            exec_root: absolute, below 70 bytes: sockets lie in it.
            supervisor: starts and holds the processes.
            runtimes: by the name users choose.
            default_runtime: one of them.
            defaults: what containers get that do not say otherwise.
            seccomp_profile: "" for the built-in one, "unconfined", or a profile's content.
            cgroups: the host's trees, None to look.
            labels: makes SELinux labels, None where containers have none.

        Raises:
            InvalidArgument: no such default runtime, or a bad profile.
        """
        check_default(runtimes, default_runtime)
        self._runtimes: Mapping[str, RuntimeInfo] = MappingProxyType(dict(runtimes))
        self._default_runtime = default_runtime
        self._supervisor = supervisor
        self._defaults = defaults or Defaults()
        self._labels = labels or Labels()
        self._layout = Layout(exec_root)
        self._cgroups = cgroups or CgroupHost.detect()
        self._filters = SeccompFilters(
            self._layout.filters,
            machine=platform.machine(),
            kernel=parse_kernel_version(os.uname().release),
            profile=seccomp_profile,
        )
        self._commands = RuntimeCommands(self._layout, self._cgroups)
        self._remover = Remover(self._layout, self._cgroups, self._runtimes, default_runtime)
        self._encode = msgspec.json.Encoder().encode
        self._layout.prepare()

    @property
    def runtimes(self) -> Mapping[str, RuntimeInfo]:
        """Configured runtimes by name."""
        return self._runtimes

    @property
    def default_runtime(self) -> str:
        """Name of the runtime used when a container asks for none."""
        return self._default_runtime

    def adopt(self, runtimes: Mapping[str, RuntimeInfo], default_runtime: str) -> None:
        """Start containers with these runtimes from here on; running ones keep theirs.

        Raises:
            InvalidArgument: no such default runtime; nothing changed.
        """
        check_default(runtimes, default_runtime)
        self._runtimes = MappingProxyType(dict(runtimes))
        self._default_runtime = default_runtime
        self._remover.adopt(self._runtimes, default_runtime)

    @property
    def cgroup_driver(self) -> str:
        """Who makes containers' groups: "cgroupfs" or "systemd"."""
        return self._defaults.cgroup_driver.value

    def profile_of(self, host: HostConfig) -> str:
        """The AppArmor profile of a container, "" on a host without; see the port."""
        if not self._defaults.apparmor:
            return ""
        security = parse_security_options(host.security_opt or ())
        return choose_profile(security, privileged=host.privileged)

    def labels_of(self, host: HostConfig, taken: Iterable[str]) -> tuple[str, str]:
        """SELinux labels of process and files; see the port."""
        return self._labels.make(parse_security_options(host.security_opt or ()).labels, taken)

    def check(self, host: HostConfig) -> None:
        """Refuse at create what could never start; files and devices are looked at later.

        Raises:
            InvalidArgument: a runtime, capability, option, device rule or limit.
        """
        self._runtime_of(host)
        capabilities_of(host)
        security = parse_security_options(host.security_opt or ())
        self._filters.check(security.seccomp)
        check_devices(host)
        container_rlimits(host, self._defaults.ulimits)
        check_parent(self._defaults.cgroup_driver, host.cgroup_parent)

    async def launch(self, plan: LaunchPlan) -> int:
        """Write the bundle and start the container; see the port."""
        container = plan.container
        runtime = self._runtime_of(container.host_config)
        if self._labels.is_on:
            await asyncio.to_thread(self._labels.relabel, container.mounts, container.mount_label)
        trees = [mount.tree for mount in plan.mounts if mount.tree >= 0]
        if len(trees) > _MAX_TREES:
            raise InvalidArgument(f"{len(trees)} mounts of this kind are more than {_MAX_TREES}")
        if plan.namespaces.user != "" and has_private_network(
            container.host_config, plan.namespaces
        ):
            await asyncio.to_thread(_set_network_sysctls, plan)
        targets = await asyncio.to_thread(self._write_bundle, plan, runtime)
        spec = self._task(plan, runtime, targets)
        try:
            return await self._supervisor.launch(spec, rootfs=plan.rootfs, trees=trees)
        except LaunchFailed as error:
            failure = start_failed(str(error), program=container.path, runtime=runtime.name)
        await self._remover.remove(container.id, self._cgroup_path(container), _kind(runtime))
        raise failure

    async def launch_exec(
        self, exec_: Exec, container: Container, *, environment: Sequence[str]
    ) -> int:
        """Start an exec'd process; see the port."""
        runtime = self._runtime_of(container.host_config)
        program = exec_.config.cmd[0] if exec_.config.cmd else ""
        try:
            await asyncio.to_thread(self._write_exec, exec_, container, environment)
            return await self._supervisor.launch(self._exec_task(exec_, container, runtime))
        except LaunchFailed as error:
            failure: StartFailed = start_failed(
                str(error), program=program, runtime=runtime.name, of_exec=True
            )
        finally:
            # Only the start needs these files; the supervisor has read its own by now.
            self._layout.remove_exec(exec_.id)
        raise failure

    async def pause(self, container: Container) -> None:
        """Freeze all processes of a container."""
        group = self._group(container)
        await self._change_group(container, lambda: group.freeze(timeout=FREEZE_TIMEOUT))

    async def unpause(self, container: Container) -> None:
        """Thaw them."""
        group = self._group(container)
        await self._change_group(container, lambda: group.thaw(timeout=FREEZE_TIMEOUT))

    async def pids(self, container: Container) -> Sequence[int]:
        """Host pids of all processes in the container's cgroup."""
        return await asyncio.to_thread(self._group(container).pids)

    async def update(self, container: Container, limits: HostConfig) -> None:
        """Change limits of a running container; see the port."""
        runtime = self._runtime_of(container.host_config)
        # Not by stdin: what the event loop makes of it cannot be opened by /dev/stdin.
        file = os.memfd_create("resources")
        try:
            os.write(file, self._encode(container_resources(limits, ())))
            os.lseek(file, 0, os.SEEK_SET)
            complaint = await self._commands.run(
                runtime,
                _kind(runtime),
                *("update", "--resources", f"/proc/self/fd/{file}", container.id),
                timeout=UPDATE_TIMEOUT,
                keep=[file],
            )
        finally:
            os.close(file)
        if complaint:
            raise Internal(complaint)
        if limits.pids_limit == 0:
            # No runtime's update knows "none".
            await self._change_group(container, self._group(container).unlimit_pids)

    async def usage(self, container: Container) -> Usage:
        """What a running container uses now; see the port."""
        return await asyncio.to_thread(self._read_usage, container)

    async def kill_all(self, container: Container) -> None:
        """SIGKILL every process in the container's cgroup."""
        await asyncio.to_thread(self._group(container).kill)

    def watch_memory(self, container: Container, on_kill: Callable[[], None]) -> Callable[[], None]:
        """Be told when the kernel kills for want of memory; see the port."""
        try:
            path = self._cgroup_path(container)
            notifier = OomNotifier(self._cgroups, path, known=container.state.oom_killed)
        except (OSError, ValueError) as error:
            _log.debug("memory of %s is not watched: %s", container.id, error)
            return lambda: None
        loop = asyncio.get_running_loop()

        def on_readable() -> None:
            if notifier.take():
                on_kill()

        def end() -> None:
            loop.remove_reader(notifier.fd)
            notifier.close()

        loop.add_reader(notifier.fd, on_readable)
        if notifier.check():
            on_kill()  # it was quicker than we
        return end

    async def was_oom_killed(self, container: Container) -> bool:
        """Tell whether the kernel's OOM killer struck in the container's cgroup."""
        if self._cgroups.root("memory") is None:
            return False
        return self._group(container).oom_kills() > 0

    async def delete(self, container: Container) -> None:
        """Remove cgroups, bundle and the runtime's own state; see the port."""
        runtime = self._runtimes.get(container.host_config.runtime or self._default_runtime)
        kind = _kind(runtime) if runtime else ""
        await self._remover.remove(container.id, self._cgroup_path(container), kind)

    async def sweep(self, keep: Sequence[str]) -> None:
        """At start: delete what belongs to containers that are not in `keep`.

        Only containers that left something below exec-root are touched: groups of others in the
        same parent may be another engine's.
        """
        await self._remover.sweep(keep)

    def close(self) -> None:
        """Remove the parent of our groups if nobody uses it; at the end of the daemon."""
        if self._defaults.cgroup_driver is CgroupDriver.SYSTEMD:
            return  # slices are systemd's
        parent = self._defaults.cgroup_parent or CGROUPFS_PARENT
        with contextlib.suppress(ValueError):
            self._cgroups.group(parent).remove(timeout=0)

    def _runtime_of(self, host: HostConfig) -> RuntimeInfo:
        name = host.runtime or self._default_runtime
        try:
            return self._runtimes[name]
        except KeyError:
            raise InvalidArgument(f"unknown or invalid runtime name: {name}") from None

    def _cgroup_path(self, container: Container) -> str:
        """As the bundle says: the daemon's default parent may have changed since the start."""
        written = self._layout.cgroup_path(container.id)
        return written or group_path(cgroup_path(container, self._defaults))

    def _group(self, container: Container) -> Cgroup:
        return self._cgroups.group(self._cgroup_path(container))

    def _read_usage(self, container: Container) -> Usage:
        group = self._group(container)
        usage = read_usage(
            self._cgroups,
            group.path,
            pid=container.state.pid,
            own_network=container.host_config.network_mode != "host",
        )
        if not usage.pids.current and not group.exists():
            raise NotRunning(container.id)
        return usage

    async def _change_group(self, container: Container, change: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(change)
        except FreezeFailed as error:
            raise Internal(f"{container.id}: {error.strerror}") from None
        except FileNotFoundError:
            raise NotRunning(container.id) from None

    def _write_bundle(self, plan: LaunchPlan, runtime: RuntimeInfo) -> list[str]:
        """Write a bundle; returns where the plan's trees are to be attached, in order."""
        container, host = plan.container, plan.container.host_config
        who = look_up_user(plan.rootfs, container.config.user, host.group_add or ())
        security = parse_security_options(host.security_opt or ())
        capabilities = capabilities_of(host)
        seccomp = self._filters.filter(seccomp_choice(host, security), capabilities)
        ensure_loaded(self.profile_of(host))
        bundle = self._layout.bundle(container.id)
        plan, targets = _place_trees(plan, os.path.join(bundle, TREES))
        spec = build_spec(
            plan,
            who,
            seccomp,
            compiled_seccomp=_kind(runtime) in _COMPILED_SECCOMP,
            defaults=self._defaults,
        )
        mode = 0o700 if plan.namespaces.user == "" else 0o711
        wanted = check_requests(host.device_requests or ())
        spec = inject_devices(spec, wanted, self._defaults.cdi_directories)
        try:
            os.mkdir(bundle, mode)
        except FileExistsError:
            # An earlier start was cut short; a runtime refuses an ID it still knows.
            self._remover.remove_now(container.id, self._cgroup_path(container), _kind(runtime))
            os.mkdir(bundle, mode)
        os.mkdir(os.path.join(bundle, ROOTFS), 0o755)
        for mount, target in zip((m for m in plan.mounts if m.tree >= 0), targets, strict=True):
            _make_target(target, mount.tree, mode)
        _write(os.path.join(bundle, "config.json"), self._encode(spec))
        return targets

    def _task(self, plan: LaunchPlan, runtime: RuntimeInfo, targets: list[str]) -> TaskSpec:
        container, config = plan.container, plan.container.config
        bundle = self._layout.bundle(container.id)
        pid_file, log = f"{bundle}/pid", f"{bundle}/log"
        console = self._layout.console(container.id) if config.tty else ""
        command = self._command(runtime, log)
        if self._defaults.cgroup_driver is CgroupDriver.SYSTEMD:
            command.append("--systemd-cgroup")
        argv = [*command, "run", "--detach", "--bundle", bundle]
        argv += ["--pid-file", pid_file]
        if console:
            argv += ["--console-socket", console]
        return TaskSpec(
            id=container.id,
            argv=[*argv, container.id],
            environment=_ENVIRONMENT,
            pid_file=pid_file,
            error_log=log,
            console_socket=console,
            stdin=config.open_stdin,
            stdin_once=config.stdin_once,
            mount_target=f"{bundle}/{ROOTFS}",
            mount_targets=targets,
            log=plan.log,
            terminal_size=_terminal_size(container.host_config.console_size),
        )

    def _command(self, runtime: RuntimeInfo, log: str) -> list[str]:
        state = self._layout.state_root(_kind(runtime))
        return [
            runtime.path,
            *runtime.arguments,
            "--root",
            state,
            "--log",
            log,
            "--log-format",
            "json",
        ]

    def _write_exec(self, exec_: Exec, container: Container, environment: Sequence[str]) -> None:
        host, config = container.host_config, exec_.config
        root = _open_process_root(container)
        try:
            user = config.user or container.config.user
            who = look_up_user(root, user, host.group_add or ())
        finally:
            os.close(root)
        process = build_exec(container, config, who, environment, self._defaults)
        directory = self._layout.exec_directory(exec_.id)
        os.mkdir(directory, 0o700)
        _write(f"{directory}/process.json", self._encode(process))

    def _exec_task(self, exec_: Exec, container: Container, runtime: RuntimeInfo) -> TaskSpec:
        directory = self._layout.exec_directory(exec_.id)
        config = exec_.config
        pid_file, log = f"{directory}/pid", f"{directory}/log"
        console = self._layout.console(exec_.id) if config.tty else ""
        argv = [*self._command(runtime, log), "exec", "--detach", "--pid-file", pid_file]
        argv += ["--process", f"{directory}/process.json"]
        if console:
            argv += ["--console-socket", console]
        return TaskSpec(
            id=exec_.id,
            argv=[*argv, container.id],
            environment=_ENVIRONMENT,
            pid_file=pid_file,
            error_log=log,
            console_socket=console,
            stdin=config.attach_stdin,
            stdin_once=True,
            terminal_size=_terminal_size(config.console_size),
        )


def check_default(runtimes: Mapping[str, RuntimeInfo], default_runtime: str) -> None:
    """Refuse a default that is none of the runtimes.

    Raises:
        InvalidArgument: in dockerd's words.
    """
    if default_runtime not in runtimes:
        raise InvalidArgument(f'specified default runtime "{default_runtime}" does not exist')


def _kind(runtime: RuntimeInfo) -> str:
    """Which program a runtime is; names its state directory."""
    return os.path.basename(runtime.path)


def _terminal_size(size: Sequence[int] | None) -> tuple[int, int]:
    return (size[0], size[1]) if size and len(size) == 2 else (0, 0)


def _set_network_sysctls(plan: LaunchPlan) -> None:
    """Set what the container may not: its network namespace is not its user namespace's."""
    if not plan.namespaces.network:
        return
    wanted = dict(PRIVATE_NETWORK_SYSCTLS)
    asked = plan.container.host_config.sysctls
    wanted.update({k: v for k, v in (asked or {}).items() if k.startswith("net.")})

    def write() -> None:
        for name, value in wanted.items():
            with open("/proc/sys/" + name.replace(".", "/"), "w", encoding="ascii") as file:
                file.write(value)

    namespace = os.open(plan.namespaces.network, os.O_RDONLY | os.O_CLOEXEC)
    try:
        netns.call_inside(namespace, write)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidArgument(f"write sysctl of {plan.container.id}: {reason}") from None
    finally:
        os.close(namespace)


def _place_trees(plan: LaunchPlan, directory: str) -> tuple[LaunchPlan, list[str]]:
    """The plan with a path for every tree, and these paths."""
    targets: list[str] = []
    mounts: list[BundleMount] = []
    for mount in plan.mounts:
        if mount.tree >= 0:
            targets.append(f"{directory}/{len(targets)}")
            mounts.append(structs.replace(mount, source=targets[-1]))
        else:
            mounts.append(mount)
    return (structs.replace(plan, mounts=mounts) if targets else plan), targets


def _make_target(path: str, tree: int, mode: int) -> None:
    """Make a place of the kind a tree can be attached to."""
    os.makedirs(os.path.dirname(path), mode, exist_ok=True)
    if stat.S_ISDIR(os.fstat(tree).st_mode):
        os.mkdir(path, 0o700)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _write(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    finally:
        os.close(fd)


def _open_process_root(container: Container) -> int:
    """The root directory of a container's first process, as that process sees it.

    Raises:
        NotRunning: the process has ended.
    """
    pid = container.state.pid
    if pid <= 0:
        raise NotRunning(container.id)
    try:
        pidfd = os.pidfd_open(pid)
        try:
            root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        finally:
            os.close(pidfd)
    except OSError:
        raise NotRunning(container.id) from None
    return root
