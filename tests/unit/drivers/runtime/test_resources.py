import pytest

from wharfie.drivers.runtime.resources import container_resources, container_rlimits
from wharfie.formats.oci.runtime import Cpu, Memory, Pids, Rlimit
from wharfie.model.container import HostConfig, ThrottleDevice, Ulimit
from wharfie.model.errors import InvalidArgument


def test_nothing_asked_is_nothing_limited() -> None:
    found = container_resources(HostConfig(pids_limit=0, memory_swappiness=-1), ())
    assert (found.memory, found.cpu, found.pids, found.block_io) == (None, None, None, None)


def test_limits() -> None:
    host = HostConfig(
        memory=1 << 30, memory_swap=-1, memory_swappiness=0, pids_limit=9, oom_kill_disable=True
    )
    found = container_resources(host, ())
    assert found.memory == Memory(limit=1 << 30, swap=-1, swappiness=0, disable_oom_killer=True)
    assert found.pids == Pids(9)


def test_cpus_become_a_quota() -> None:
    found = container_resources(HostConfig(nano_cpus=1_500_000_000, cpuset_cpus="0-1"), ())
    assert found.cpu == Cpu(quota=150_000, period=100_000, cpus="0-1")


def test_a_missing_block_device_is_refused() -> None:
    host = HostConfig(blkio_device_read_bps=[ThrottleDevice("/dev/nope", 5)])
    with pytest.raises(InvalidArgument, match="/dev/nope: no such file or directory"):
        container_resources(host, ())


def test_own_ulimits_win_over_the_daemons() -> None:
    host = HostConfig(ulimits=[Ulimit("nofile", 5, 6)])
    found = container_rlimits(host, [Ulimit("nofile", 1, 1), Ulimit("core", -1, -1)])
    assert found == (
        Rlimit("RLIMIT_NOFILE", 5, 6),
        Rlimit("RLIMIT_CORE", 2**64 - 1, 2**64 - 1),
    )


@pytest.mark.parametrize(
    "limit", [Ulimit("nonsense", 1, 1), Ulimit("core", 2, 1), Ulimit("core", -1, 1)]
)
def test_impossible_ulimits(limit: Ulimit) -> None:
    with pytest.raises(InvalidArgument):
        container_rlimits(HostConfig(ulimits=[limit]))
