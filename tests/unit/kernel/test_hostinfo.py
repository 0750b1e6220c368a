from pathlib import Path

import pytest

from wharfie.kernel.cgroups import CgroupHost, Hierarchy
from wharfie.kernel.hostinfo import (
    operating_system,
    parse_kernel_version,
    parse_memory_total,
    parse_os_release,
    read_host_info,
    security_options,
    supported_limits,
)


def test_os_release() -> None:
    text = '# c\nPRETTY_NAME="Debian \\"12\\""\nID=debian\nVERSION_ID=\'12\'\nrubbish\n'
    found = parse_os_release(text)
    assert found == {"PRETTY_NAME": 'Debian "12"', "ID": "debian", "VERSION_ID": "12"}
    assert operating_system(found, in_container=False) == 'Debian "12"'
    assert operating_system({}, in_container=True) == "Linux (containerized)"


def test_memory() -> None:
    assert parse_memory_total("MemFree: 1 kB\nMemTotal:       16 kB\n") == 16384
    assert parse_memory_total("") == 0


@pytest.mark.parametrize(
    ("release", "version"),
    [("6.1.0-18-amd64", (6, 1)), ("5.10", (5, 10)), ("6.18-rc1", (6, 18)), ("odd", (0, 0))],
)
def test_kernel_version(release: str, version: tuple[int, int]) -> None:
    assert parse_kernel_version(release) == version


def test_limits_of_version_2(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    found = supported_limits(CgroupHost([Hierarchy(2, str(tmp_path), frozenset())]))
    assert found["MemoryLimit"]
    assert found["PidsLimit"]
    assert not found["CPUSet"]
    assert not found["OomKillDisable"]


def test_limits_of_version_1(tmp_path: Path) -> None:
    (tmp_path / "memory.limit_in_bytes").write_text("")
    found = supported_limits(CgroupHost([Hierarchy(1, str(tmp_path), frozenset({"memory"}))]))
    assert found["MemoryLimit"]
    assert not found["SwapLimit"]
    assert not found["PidsLimit"]


def test_security_options_as_the_api_spells_them() -> None:
    found = security_options(
        seccomp=True, seccomp_profile="builtin", apparmor=True, cgroup_namespaces=True
    )
    assert found == ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"]


def test_this_host_can_be_read() -> None:
    info = read_host_info(CgroupHost.detect())
    assert info.cpus > 0
    assert info.memory > 1 << 20
    assert info.kernel_version
