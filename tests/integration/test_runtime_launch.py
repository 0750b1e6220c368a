"""Containers on the real kernel: what they see, and how they fail."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from support.runtime_world import PATH, World, make_container
from wharfie.drivers.runtime import find_runtimes
from wharfie.model.container import Config, DeviceMapping, HostConfig, Ulimit
from wharfie.model.errors import InvalidArgument, StartFailed
from wharfie.model.runtime import BundleMount, Namespaces

pytestmark = pytest.mark.root


@pytest.fixture(scope="module", params=["crun", "runc"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param not in find_runtimes():
        pytest.skip(f"no {request.param} here")
    made = World(request.param)
    yield made
    made.close()


async def test_runs_a_command_and_leaves_nothing_behind(world: World) -> None:
    code, output = await world.run("sh", "-c", "echo hello; exit 7")
    assert (code, output) == (7, "hello\n")
    assert world.leftovers() == []
    assert os.listdir(f"{world.exec_root}/bundles") == []
    assert os.listdir(f"{world.exec_root}/{world.driver.default_runtime}") == []


async def test_standard_mounts_are_dockers(world: World) -> None:
    _, output = await world.run("cat", "/proc/mounts")
    mounts = {line.split()[1]: line.split() for line in output.splitlines()}
    assert mounts["/dev"][2] == "tmpfs"
    assert "size=65536k" in mounts["/dev"][3]
    assert mounts["/dev/pts"][2] == "devpts"
    assert "gid=5" in mounts["/dev/pts"][3]
    assert "ro" in mounts["/sys"][3].split(",")
    controllers = [m for m in mounts.values() if m[2].startswith("cgroup")]
    assert controllers
    assert all("ro" in m[3].split(",") for m in controllers)
    assert mounts["/dev/mqueue"][2] == "mqueue"
    assert "size=65536k" in mounts["/dev/shm"][3]
    assert "ro" in mounts["/proc/sys"][3].split(",")
    assert mounts["/sys/firmware"][2] == "tmpfs"


async def test_shm_size_is_as_asked(world: World) -> None:
    _, output = await world.run("df", "-k", "/dev/shm", host=HostConfig(shm_size=8 << 20))
    assert output.split()[-5] == "8192"


async def test_default_capabilities_and_seccomp(world: World) -> None:
    _, output = await world.run("cat", "/proc/self/status")
    status = dict(line.split(":\t", 1) for line in output.splitlines() if ":\t" in line)
    assert status["CapEff"] == status["CapBnd"] == status["CapPrm"] == "00000000a80425fb"
    assert status["CapInh"] == status["CapAmb"] == "0000000000000000"
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "0"


async def test_a_user_keeps_only_the_bounding_set(world: World) -> None:
    _, output = await world.run("cat", "/proc/self/status", config=Config(user="app"))
    status = dict(line.split(":\t", 1) for line in output.splitlines() if ":\t" in line)
    assert status["CapEff"] == "0000000000000000"
    assert status["CapBnd"] == "00000000a80425fb"


async def test_user_groups_and_home_come_from_the_image(world: World) -> None:
    host = HostConfig(group_add=["extra", "777"])
    code, output = await world.run(
        "sh", "-c", "id; echo $HOME", config=Config(user="app"), host=host
    )
    assert code == 0
    assert "uid=1000(app) gid=1001(app) groups=10(wheel),777,1001(app),2000(extra)" in output
    assert output.endswith("/home/app\n")


async def test_unknown_user_is_refused(world: World) -> None:
    with pytest.raises(InvalidArgument, match="unable to find user x: no matching entries"):
        await world.run("true", config=Config(user="x"))


async def test_passwd_that_is_a_fifo_does_not_block(world: World) -> None:
    if world.driver.default_runtime == "runc":
        pytest.skip("runc opens the container's passwd itself, and hangs")
    path = f"{world.rootfs}/etc/passwd"
    os.rename(path, path + ".kept")
    os.mkfifo(path)
    try:
        code, output = await world.run("grep", "Uid", "/proc/self/status", config=Config(user="5"))
    finally:
        os.rename(path + ".kept", path)
    assert (code, output) == (0, "Uid:\t5\t5\t5\t5\n")


async def test_passwd_link_to_the_host_is_not_followed(world: World) -> None:
    path = f"{world.rootfs}/etc/passwd"
    secret = f"{world.directory}/secret"
    with open(secret, "w") as file:
        file.write("leak:x:4711:4711::/:/bin/sh\n")
    os.rename(path, path + ".kept")
    os.symlink(f"../../../../../../..{secret}", path)
    try:
        with pytest.raises(InvalidArgument, match="no matching entries in passwd file"):
            await world.run("id", config=Config(user="leak"))
    finally:
        os.rename(path + ".kept", path)


async def test_hostname_and_domainname(world: World) -> None:
    container = make_container(
        ["sh", "-c", "hostname; cat /proc/sys/kernel/domainname"],
        config=Config(domainname="example.org"),
    )
    await world.launch(container)
    await world.supervisor.wait(container.id)
    await world.driver.delete(container)
    assert world.supervisor.output(container.id) == f"{container.id[:12]}\nexample.org\n"


async def test_working_directory_is_made(world: World) -> None:
    code, output = await world.run("pwd", config=Config(working_dir="/made/here"))
    assert (code, output) == (0, "/made/here\n")


async def test_low_ports_are_open_to_everybody(world: World) -> None:
    _, output = await world.run(
        "cat",
        "/proc/sys/net/ipv4/ip_unprivileged_port_start",
        "/proc/sys/net/ipv4/ping_group_range",
    )
    assert output.split() == ["0", "0", "2147483647"]


async def test_sysctls_of_the_container(world: World) -> None:
    host = HostConfig(sysctls={"net.ipv4.ip_forward": "1"})
    assert (await world.run("cat", "/proc/sys/net/ipv4/ip_forward", host=host))[1] == "1\n"


async def test_ulimits(world: World) -> None:
    host = HostConfig(ulimits=[Ulimit("nofile", 99, 100), Ulimit("core", 0, 0)])
    _, output = await world.run("sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c", host=host)
    assert output.split() == ["99", "100", "0"]


async def test_readonly_root_with_a_writable_tmpfs(world: World) -> None:
    tmpfs = BundleMount(
        type="tmpfs", source="", destination="/tmp", options=["nosuid", "nodev", "noexec"]
    )
    code, output = await world.run(
        "sh",
        "-c",
        "touch /tmp/x && touch /x",
        host=HostConfig(readonly_rootfs=True),
        mounts=[tmpfs],
    )
    assert code == 1
    assert "/x: Read-only file system" in output


async def test_binds(world: World) -> None:
    source = f"{world.directory}/data"
    os.makedirs(source, exist_ok=True)
    with open(f"{source}/f", "w") as file:
        file.write("content")
    bind = BundleMount(
        type="bind", source=source, destination="/data", options=["rbind", "ro", "rprivate"]
    )
    code, output = await world.run("sh", "-c", "cat /data/f; touch /data/g", mounts=[bind])
    assert code == 1
    assert output.startswith("content")
    assert "Read-only" in output


async def test_devices_are_made_and_allowed(world: World) -> None:
    mapping = DeviceMapping(path_on_host="/dev/fuse", path_in_container="/dev/myfuse")
    if not os.path.exists("/dev/fuse"):
        mapping = DeviceMapping(path_on_host="/dev/kmsg", path_in_container="/dev/myfuse")
    code, _ = await world.run(
        "sh", "-c", "test -c /dev/myfuse && exec 3</dev/myfuse", host=HostConfig(devices=[mapping])
    )
    assert code == 0


async def test_other_devices_are_denied(world: World) -> None:
    code, output = await world.run("sh", "-c", "mknod /dev/k c 1 11 && exec 3</dev/k")
    assert code != 0
    assert "ermitted" in output


async def test_privileged_has_all_devices_and_a_writable_sys(world: World) -> None:
    found = [path for path in ("/dev/kmsg", "/dev/fuse", "/dev/net/tun") if os.path.exists(path)]
    _, output = await world.run(
        "sh",
        "-c",
        f"test -c {found[0]} && mount -t tmpfs x /tmp; grep -E 'Seccomp:|CapEff' /proc/self/status"
        "; grep ' /sys ' /proc/mounts; grep -c firmware /proc/mounts",
        host=HostConfig(privileged=True),
    )
    lines = output.splitlines()
    with open("/proc/self/status") as file:
        bounding = next(line.split()[1] for line in file if line.startswith("CapBnd"))
    assert lines[0] == f"CapEff:\t{bounding}"
    assert lines[1] == "Seccomp:\t0"
    assert "rw" in lines[2].split()[3].split(",")
    assert lines[3] == "0"


async def test_memory_pids_and_cpu_limits_reach_the_kernel(world: World) -> None:
    host = HostConfig(
        memory=64 << 20, memory_swap=64 << 20, pids_limit=50, nano_cpus=500_000_000, cpu_shares=512
    )
    container = await world.launch(make_container(["sleep", "60"], host=host))
    base = f"{world.parent}/{container.id}"

    def value(controller: str, file: str) -> str:
        with open(f"/sys/fs/cgroup/{controller}{base}/{file}") as handle:
            return handle.read().strip()

    if os.path.isdir("/sys/fs/cgroup/memory"):
        assert value("memory", "memory.limit_in_bytes") == str(64 << 20)
        assert value("pids", "pids.max") == "50"
        assert value("cpu", "cpu.cfs_quota_us") == "50000"
        assert value("cpu", "cpu.shares") == "512"
    await world.driver.kill_all(container)
    assert await world.supervisor.wait(container.id) == -9
    await world.driver.delete(container)


async def test_shared_namespaces(world: World) -> None:
    first = await world.launch(make_container(["sleep", "60"]))
    path = f"/proc/{first.state.pid}/ns"
    namespaces = Namespaces(network=f"{path}/net", pid=f"{path}/pid", uts="", cgroup="")
    code, output = await world.run(
        "sh",
        "-c",
        "readlink /proc/self/ns/net; readlink /proc/1/ns/pid; hostname",
        namespaces=namespaces,
    )
    assert code == 0
    lines = output.splitlines()
    assert lines[0] == os.readlink(f"{path}/net")
    assert lines[1] == os.readlink(f"{path}/pid")
    assert lines[2] == os.uname().nodename
    await world.driver.kill_all(first)
    await world.supervisor.wait(first.id)
    await world.driver.delete(first)


@pytest.mark.parametrize(
    ("command", "words", "code"),
    [
        ("foo", 'exec: "foo": executable file not found in $PATH', 127),
        ("/nope/foo", 'exec: "/nope/foo": stat /nope/foo: no such file or directory', 127),
        ("/etc", 'exec: "/etc": ', 126),
        ("/etc/plain", 'exec: "/etc/plain": permission denied', 126),
        ("/etc/plain/x", "not a directory", 127),
    ],
)
async def test_failures_are_told_in_dockers_words(
    world: World, command: str, words: str, code: int
) -> None:
    with pytest.raises(StartFailed) as caught:
        await world.run(command)
    message = str(caught.value)
    assert message.startswith(
        "failed to create task for container: failed to create shim task: OCI runtime create failed"
    )
    assert words in message
    assert caught.value.exit_code == code
    assert world.leftovers() == []
    assert os.listdir(f"{world.exec_root}/bundles") == []


async def test_a_directory_on_a_file_is_explained(world: World) -> None:
    bind = BundleMount(type="bind", source="/tmp", destination="/etc/plain", options=["rbind"])
    with pytest.raises(StartFailed, match="Are you trying to mount a directory onto a file") as c:
        await world.run("true", mounts=[bind])
    assert c.value.exit_code == 127
    assert 'error mounting "/tmp" to rootfs at "/etc/plain"' in str(c.value)


async def test_a_file_as_working_directory_fails(world: World) -> None:
    with pytest.raises(StartFailed, match="not a directory"):
        await world.run("true", config=Config(working_dir="/etc/plain"))


async def test_impossible_sysctl_fails_with_the_reason(world: World) -> None:
    host = HostConfig(sysctls={"net.ipv4.nonsense": "1"})
    with pytest.raises(StartFailed, match=r"net/ipv4/nonsense.*no such file") as caught:
        await world.run("true", host=host)
    assert caught.value.exit_code == 128


async def test_terminal_is_handed_over(world: World) -> None:
    host = HostConfig(console_size=[33, 77])
    container = make_container(["sh", "-c", "tty; stty size"], host=host, config=Config(tty=True))
    await world.launch(container, environment=[PATH, "TERM=xterm"])
    assert await world.supervisor.wait(container.id) == 0
    await world.driver.delete(container)
    output = world.supervisor.output(container.id)
    assert "/dev/pts/0" in output
    assert "33 77" in output


async def test_a_start_that_was_cut_short_does_not_stand_in_the_way(world: World) -> None:
    container = make_container(["true"])
    os.makedirs(f"{world.exec_root}/bundles/{container.id}/rootfs")
    kind = world.driver.default_runtime
    os.makedirs(f"{world.exec_root}/{kind}/{container.id}")
    await world.launch(container)
    assert await world.supervisor.wait(container.id) == 0
    await world.driver.delete(container)
