"""Create requests that can never run are refused in Docker's words."""

from __future__ import annotations

import pytest

from wharfie.engine.containers.create.validation import check_create, storage_size
from wharfie.model.container import (
    Config,
    CreateSpec,
    HealthConfig,
    HostConfig,
    LogConfig,
    RestartPolicy,
)
from wharfie.model.errors import InvalidArgument
from wharfie.model.network import PortBinding

MIB = 1 << 20


def check(config: Config | None = None, **host: object) -> None:
    spec = CreateSpec(config=config or Config(cmd=["true"]), host_config=HostConfig(**host))
    check_create(spec, cpus=4)


def test_a_plain_request_passes() -> None:
    check(memory=64 * MIB, memory_swap=-1, nano_cpus=1_500_000_000)


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ({"memory": MIB}, "Minimum memory limit allowed is 6MB"),
        ({"memory_swap": 9 * MIB}, "You should always set the Memory limit"),
        ({"memory": 9 * MIB, "memory_swap": 8 * MIB}, "Minimum memoryswap limit"),
        ({"memory": 9 * MIB, "memory_reservation": 10 * MIB}, "memory reservation limit"),
        ({"memory_swappiness": 101}, "valid memory swappiness range is 0-100"),
        ({"nano_cpus": 5_000_000_000}, "as there are only 4 CPUs available"),
        ({"nano_cpus": 1, "cpu_quota": 5000}, "Nano CPUs and CPU Quota cannot both be set"),
        ({"cpu_period": 10}, "CPU cfs period"),
        ({"cpu_quota": 10}, "CPU cfs quota"),
        ({"oom_score_adj": 2000}, "range for oom score adj is"),
        ({"shm_size": -1}, "SHM size can not be less than 0"),
        ({"blkio_weight": 5}, "Range of blkio weight is from 10 to 1000"),
        ({"restart_policy": RestartPolicy("sometimes")}, "unknown policy 'sometimes'"),
        ({"restart_policy": RestartPolicy("always", 3)}, "can only be used with 'on-failure'"),
        (
            {"restart_policy": RestartPolicy("always"), "auto_remove": True},
            "can't create 'AutoRemove' container with restart policy",
        ),
        ({"log_config": LogConfig("papyrus")}, "error looking up logging plugin papyrus"),
        ({"log_config": LogConfig("json-file", {"x": "1"})}, "unknown log opt 'x' for json-file"),
        ({"dns": ["nope"]}, "invalid IP address: nope"),
        ({"extra_hosts": ["a:b"]}, 'invalid IP address in add-host: "b"'),
        ({"extra_hosts": ["alone"]}, 'bad format for add-host: "alone"'),
        ({"port_bindings": {"99999/tcp": []}}, "invalid containerPort: 99999/tcp"),
        ({"port_bindings": {"x": [PortBinding()]}}, "invalid containerPort: x"),
        ({"storage_opt": {"speed": "1"}}, "Unknown option speed"),
        ({"isolation": "hyperv"}, "Invalid isolation: \"hyperv\" - linux only supports 'default'"),
        (
            {"network_mode": "container:x", "port_bindings": {"80/tcp": []}},
            "conflicting options: port publishing and the container type network mode",
        ),
    ],
)
def test_a_wrong_host_config_is_refused(host: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check(**host)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (Config(), "no command specified"),
        (Config(cmd=["a"], hostname="x" * 65), "is too long (maximum 64 bytes)"),
        (Config(cmd=["a"], working_dir="rel"), "it needs to be an absolute path"),
        (Config(cmd=["a"], env=["=x"]), "invalid environment variable: =x"),
        (Config(cmd=["a"], stop_signal="SIGNOPE"), "invalid signal: SIGNOPE"),
        (
            Config(cmd=["a"], healthcheck=HealthConfig(interval=5)),
            "Interval in Healthcheck cannot be less than one millisecond",
        ),
    ],
)
def test_a_wrong_config_is_refused(config: Config, text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check(config)
    assert text in str(caught.value)


def test_a_storage_size_is_read_as_docker_reads_it() -> None:
    assert storage_size(HostConfig()) == 0
    assert storage_size(HostConfig(storage_opt={"size": "2G"})) == 2 << 30
    with pytest.raises(InvalidArgument):
        check(storage_opt={"size": "much"})
