"""From flags, file and environment to one value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wharfie.daemon.config import DOCKERD, WHARFIED, Config, Places, load_config
from wharfie.daemon.config.flags import parse_flags
from wharfie.daemon.config.options import OPTIONS, Support
from wharfie.daemon.config.record import Pool
from wharfie.model.container import Ulimit
from wharfie.model.runtime import RuntimeInfo


def load(tmp_path: Path, content: object, *flags: str, **environment: str) -> Config:
    path = tmp_path / "daemon.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    values = parse_flags([*flags, "--config-file", str(path)])
    return load_config(values, WHARFIED, {"HOME": "/home/me", **environment})


def test_without_flags_or_file_the_defaults_hold(tmp_path: Path) -> None:
    config = load(tmp_path, {})
    assert config.hosts == ["unix:///var/run/docker.sock"]
    assert config.data_root == "/var/lib/wharfie"
    assert config.tls is None
    assert config.live_restore
    assert config.warnings == []


def test_called_as_dockerd_locations_are_dockers(tmp_path: Path) -> None:
    (tmp_path / "daemon.json").write_text("{}")
    config = load_config({"config-file": str(tmp_path / "daemon.json")}, DOCKERD, {})
    assert config.data_root == "/var/lib/docker"
    assert config.exec_root == "/var/run/docker"
    assert config.pidfile == "/var/run/docker.pid"


def test_the_tables_defaults_are_the_configs() -> None:
    special = {
        "hosts", "data-root", "exec-root", "pidfile", "default-shm-size", "config-file",
        "unpack-size",
    }  # fmt: skip
    defaults = Config(places=WHARFIED, config_file="", hosts=[], data_root="", exec_root="",
                      pidfile="")  # fmt: skip
    for option in OPTIONS:
        if option.support is Support.ACTED and option.default is not None:
            name = option.name.replace("-", "_")
            if option.name in special or not hasattr(defaults, name):
                continue
            have = getattr(defaults, name)
            assert have == option.default or (not have and not option.default), option.name


def test_everything_acted_on_is_in_the_config() -> None:
    elsewhere = {
        "config-file", "validate", "version", "help", "merge-hosts", "tlsverify", "tlscacert",
        "tlscert", "tlskey", "tlscrl", "host-gateway-ip", "exec-opts", "storage-driver",
        "storage-opts", "firewall-backend",
    }  # fmt: skip
    acted = {option.name for option in OPTIONS if option.support is Support.ACTED}
    fields = {name.replace("_", "-") for name in Config.__struct_fields__}
    assert acted - elsewhere <= fields


@pytest.mark.parametrize(
    ("flags", "verify"),
    [
        (["--tls"], False),
        (["--tls", "--tlscacert=/ca"], True),
        (["--tlsverify"], True),
        (["--tlsverify=false"], False),
        (["--tls", "--tlscacert=/ca", "--tlsverify=false"], False),
    ],
)
def test_tls_modes(tmp_path: Path, flags: list[str], verify: bool) -> None:
    config = load(tmp_path, {}, *flags)
    assert config.tls is not None
    assert config.tls.verify is verify
    assert config.hosts == ["tcp://localhost:2376"]
    assert config.tls.cert == "/home/me/.docker/cert.pem"


def test_tls_modes_of_file_and_environment(tmp_path: Path) -> None:
    assert load(tmp_path, {"tlsverify": False}).tls is not None
    config = load(tmp_path, {}, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH="/certs")
    assert config.tls is not None
    assert config.tls.verify
    assert config.tls.ca == "/certs/ca.pem"
    stronger = load(tmp_path, {"tlsverify": False}, DOCKER_TLS_VERIFY="1")
    assert stronger.tls is not None
    assert not stronger.tls.verify


def test_values_are_converted_from_flag_and_file_alike(tmp_path: Path) -> None:
    from_file = load(
        tmp_path,
        {
            "runtimes": {"a": {"path": "/a", "runtimeArgs": ["--x"]}},
            "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1, "Hard": 2}},
            "default-shm-size": "1m",
            "default-address-pools": [{"base": "10.0.0.0/8", "size": 24}],
            "default-network-opts": {"bridge": {"a": "b"}},
            "gc": {"high": "85%", "low": "70%"},
        },
    )
    assert from_file.runtimes == {"a": RuntimeInfo("a", "/a", ["--x"])}
    assert from_file.default_ulimits == (Ulimit("nofile", 1, 2),)
    assert from_file.default_shm_size == 1 << 20
    assert from_file.default_address_pools == [Pool("10.0.0.0/8", 24)]
    from_flags = load(
        tmp_path, {}, "--add-runtime=a=/a", "--default-ulimit=nofile=1:2", "--default-shm-size=1m",
        "--default-address-pool=base=10.0.0.0/8,size=24", "--default-network-opt=bridge=a=b",
        "--gc-high=85%", "--gc-low=70%",
    )  # fmt: skip
    assert from_flags.runtimes == {"a": RuntimeInfo("a", "/a")}
    assert from_flags.default_ulimits == from_file.default_ulimits
    assert from_flags.default_shm_size == from_file.default_shm_size
    assert from_flags.default_address_pools == from_file.default_address_pools
    assert from_flags.default_network_opts == from_file.default_network_opts
    assert (from_file.gc_high, from_file.gc_low) == (from_flags.gc_high, from_flags.gc_low)
    assert (from_file.gc_high, from_file.gc_low) == (85, 70)


def test_null_means_not_given_and_false_overrides(tmp_path: Path) -> None:
    config = load(tmp_path, '{"data-root": null, "icc": false, "mtu": 1400}')
    assert config.data_root == "/var/lib/wharfie"
    assert not config.icc
    assert config.mtu == 1400


def test_a_boms_file_is_read(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "daemon.json").write_bytes('{"mtu": 1400}'.encode(encoding))
        flags = {"config-file": str(tmp_path / "daemon.json")}
        assert load_config(flags, WHARFIED, {}).mtu == 1400


@pytest.mark.parametrize("content", ["", "  \n", "null", "{}"])
def test_an_empty_file_is_no_configuration(tmp_path: Path, content: str) -> None:
    assert load(tmp_path, content).mtu == 1500


@pytest.mark.parametrize(
    ("flags", "places", "allowed"),
    [
        ([], WHARFIED, False),
        (["--tls=true"], WHARFIED, False),
        (["--tls=false"], WHARFIED, True),
        (["--allow-plain-tcp"], WHARFIED, True),
        ([], DOCKERD, True),
        (["--allow-plain-tcp=false"], DOCKERD, False),
    ],
)
def test_plain_tcp_is_allowed_by_a_second_word(
    tmp_path: Path, flags: list[str], places: Places, allowed: bool
) -> None:
    empty = tmp_path / "daemon.json"
    empty.write_text("{}")
    given = parse_flags([f"--config-file={empty}", *flags])
    assert load_config(given, places, {}).allow_plain_tcp is allowed
