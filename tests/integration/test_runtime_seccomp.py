"""The system call filter as the kernel enforces it, for both forms runtimes take."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from support.runtime_world import World
from wharfie.drivers.runtime import find_runtimes
from wharfie.model.container import HostConfig
from wharfie.model.errors import InvalidArgument
from wharfie.model.runtime import BundleMount

pytestmark = pytest.mark.root

PROBE = r"""
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        unsigned long nr = 0, a[6] = {0};
        sscanf(argv[i], "%lu:%lu:%lu:%lu", &nr, &a[0], &a[1], &a[2]);
        errno = 0;
        syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
        printf("%d\n", errno);
    }
    return 0;
}
"""
NUMBERS = {
    "write": 1,
    "clone": 56,
    "ptrace": 101,
    "personality": 135,
    "mount": 165,
    "reboot": 169,
    "init_module": 175,
    "swapon": 167,
    "acct": 163,
    "futex": 202,
    "add_key": 248,
    "keyctl": 250,
    "unshare": 272,
    "perf_event_open": 298,
    "open_by_handle_at": 304,
    "setns": 308,
    "kexec_load": 246,
    "bpf": 321,
    "userfaultfd": 323,
    "io_uring_setup": 425,
    "clone3": 435,
    "openat2": 437,
    "socket": 41,
}
NEWUSER = 0x10000000


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or os.uname().machine != "x86_64":
        pytest.skip("needs a C compiler on x86-64")
    directory = tmp_path_factory.mktemp("probe")
    source = directory / "probe.c"
    source.write_text(PROBE)
    binary = directory / "probe"
    subprocess.run([compiler, "-O1", "-static", "-o", binary, source], check=True)
    return str(binary)


@pytest.fixture(scope="module", params=["crun", "runc"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param not in find_runtimes():
        pytest.skip(f"no {request.param} here")
    made = World(request.param)
    yield made
    made.close()


async def _errors(
    world: World, probe: str, *calls: tuple[str, int] | tuple[str, int, int] | str, **host: object
) -> list[int]:
    arguments = []
    for call in calls:
        name, *rest = (call,) if isinstance(call, str) else call
        number = int(name) if name.isdigit() else NUMBERS[name]
        arguments.append(":".join(str(part) for part in (number, *rest)))
    bind = BundleMount(type="bind", source=probe, destination="/probe", options=["bind", "ro"])
    code, output = await world.run(
        "/probe",
        *arguments,
        host=HostConfig(**host),  # type: ignore[arg-type]
        mounts=[bind],
    )
    assert code == 0, output
    return [int(line) for line in output.split()]


async def test_calls_that_reach_the_host_are_refused(world: World, probe: str) -> None:
    refused = [
        "mount",
        "reboot",
        "init_module",
        "swapon",
        "acct",
        "add_key",
        "keyctl",
        "perf_event_open",
        "open_by_handle_at",
        "setns",
        "kexec_load",
        "bpf",
        "userfaultfd",
        "io_uring_setup",
    ]
    found = await _errors(world, probe, *refused, ("unshare", NEWUSER), ("clone", NEWUSER))
    assert dict(zip([*refused, "unshare", "clone"], found, strict=True)) == dict.fromkeys(
        [*refused, "unshare", "clone"], errno.EPERM
    )


async def test_ordinary_calls_pass(world: World, probe: str) -> None:
    # Bad arguments on purpose: an error of the call itself shows that it was reached.
    found = await _errors(
        world, probe, ("write", 99), ("openat2", 99), ("futex", 0, 99), ("personality", 0xFFFFFFFF)
    )
    assert found == [errno.EBADF, errno.EINVAL, errno.ENOSYS, 0]


async def test_clone3_and_unknown_calls_do_not_exist(world: World, probe: str) -> None:
    assert await _errors(world, probe, "clone3", "700", "900") == [errno.ENOSYS] * 3


async def test_personalities_are_chosen(world: World, probe: str) -> None:
    found = await _errors(world, probe, ("personality", 0x40000), ("personality", 8))
    assert found == [errno.EPERM, 0]


async def test_vsock_is_refused_and_inet_is_not(world: World, probe: str) -> None:
    found = await _errors(world, probe, ("socket", 40, 1), ("socket", 2, 1), ("socket", 38, 5))
    assert found == [errno.EPERM, 0, errno.EPERM]


async def test_a_capability_brings_its_calls(world: World, probe: str) -> None:
    found = await _errors(world, probe, ("unshare", 0x04000000), "mount", cap_add=["SYS_ADMIN"])
    assert found[0] == 0
    assert found[1] != errno.EPERM
    assert await _errors(world, probe, "bpf", cap_add=["BPF"]) != [errno.EPERM]


async def test_unconfined(world: World, probe: str) -> None:
    found = await _errors(
        world, probe, ("unshare", NEWUSER), "keyctl", security_opt=["seccomp=unconfined"]
    )
    assert errno.EPERM not in found


async def test_a_profile_of_ones_own(world: World) -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
            {
                "names": ["chmod", "fchmodat"],
                "action": "SCMP_ACT_ERRNO",
                "includes": {"caps": ["CAP_SYS_ADMIN"]},
            },
        ],
    }
    host = HostConfig(security_opt=["seccomp=" + json.dumps(profile)])
    code, output = await world.run("sh", "-c", "chmod 755 /tmp && mkdir /tmp/refused", host=host)
    assert code == 1
    assert "No space left on device" in output


async def test_a_broken_profile_is_refused(world: World) -> None:
    host = HostConfig(security_opt=["seccomp={"])
    with pytest.raises(InvalidArgument, match="Decoding seccomp profile failed"):
        world.driver.check(host)
    unknown = json.dumps({"defaultAction": "SCMP_ACT_NONSENSE"})
    with pytest.raises(InvalidArgument, match="SCMP_ACT_NONSENSE"):
        await world.run("true", host=HostConfig(security_opt=[f"seccomp={unknown}"]))


async def test_no_new_privileges(world: World) -> None:
    _, output = await world.run(
        "grep",
        "NoNewPrivs",
        "/proc/self/status",
        host=HostConfig(security_opt=["no-new-privileges"]),
    )
    assert output == "NoNewPrivs:\t1\n"


async def test_compiled_filters_are_kept_on_disk(world: World) -> None:
    await world.run("true")
    kept = os.listdir(f"{world.exec_root}/seccomp")
    assert kept
    assert all(name.endswith(".bpf") for name in kept)
