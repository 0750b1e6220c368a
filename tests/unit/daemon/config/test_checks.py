"""Values that cannot be, and options this engine does not have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wharfie.daemon.config import WHARFIED, ConfigError
from wharfie.daemon.config.checks import check_settings, warnings_of
from wharfie.daemon.config.settings import Settings, gather


def settings(tmp_path: Path, content: object) -> Settings:
    path = tmp_path / "daemon.json"
    path.write_text(json.dumps(content))
    return gather({"config-file": str(path)}, WHARFIED, {})


# Measured on dockerd 28.5.2 with --validate, but for min-api-version (29) and storage-driver.
WRONG = [
    ({"mtu": -1}, "invalid default MTU: -1"),
    ({"labels": ["a"]}, "bad attribute format: a"),
    ({"labels": [""]}, "bad attribute format: "),
    ({"log-level": "x"}, "invalid logging level: x"),
    ({"log-format": "x"}, "invalid log format: x"),
    ({"dns-search": ["-x-"]}, "-x- is not a valid domain"),
    (
        {"registry-mirrors": ["x"]},
        "invalid mirror: no scheme specified for \"x\": must use either 'https://' or 'http://'",
    ),
    (
        {"registry-mirrors": ["ftp://a"]},
        'invalid mirror: unsupported scheme "ftp" in "ftp://a": '
        "must use either 'https://' or 'http://'",
    ),
    (
        {"registry-mirrors": ["https://a/b?c"]},
        'invalid mirror: query or fragment at end of the URI "https://a/b?c"',
    ),
    ({"registry-mirrors": ["http://[x"]}, 'invalid mirror: "http://[x" is not a valid URI'),
    ({"exec-opts": ["a=b"]}, "invalid exec-opt (a=b): unknown option: 'a'"),
    ({"exec-opts": ["x"]}, "invalid exec-opt (x): must be formatted 'opt=value'"),
    (
        {"default-ipc-mode": "x"},
        'default IPC mode setting (x) is invalid; use "shareable" or "private"',
    ),
    (
        {"default-cgroupns-mode": "x"},
        'invalid default cgroup namespace (x): use "host" or "private"',
    ),
    ({"max-concurrent-downloads": -1}, "invalid max concurrent downloads: -1"),
    ({"max-download-attempts": -1}, "invalid max download attempts: -1"),
    ({"storage-driver": "btrfs"}, "driver not supported: btrfs"),
    ({"storage-opts": ["dm.basesize=10G"]}, "overlay2: unknown option dm.basesize"),
    ({"min-api-version": "v1.40"}, 'invalid minimum API version "v1.40"'),
    ({"runtimes": {"gvisor": {"runtimeType": "io.containerd.runsc.v1"}}}, "invalid runtime gvisor"),
    ({"default-address-pools": [{"base": "10.0.0.0/8", "size": 4}]}, "size 4 does not fit"),
    ({"gc": {"high": "85%"}}, 'invalid gc low watermark "": give both as per cent of the disk'),
    ({"gc": {"high": "850%", "low": "7%"}}, 'invalid gc high watermark "850%"'),
    ({"gc": {"high": "0%", "low": "7%"}}, 'invalid gc high watermark "0%"'),
    ({"gc": {"high": "70%", "low": "70%"}}, "low (70%) must be below high (70%)"),
    (
        {"host-gateway-ip": "1.2.3.4", "host-gateway-ips": ["1.2.3.4"]},
        "host-gateway-ip and host-gateway-ips must not both be specified",
    ),
]


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_a_wrong_value_is_refused_in_dockerds_words(
    tmp_path: Path, content: object, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_settings(settings(tmp_path, content))
    assert str(caught.value).startswith(
        f"unable to configure the Docker daemon with file {tmp_path}/daemon.json: merged "
        "configuration validation from file and command line flags failed: "
    )
    assert message in str(caught.value)


def test_labels_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_settings(settings(tmp_path, {"labels": ["a=b", "a=c"]}))
    assert str(caught.value) == "conflict labels for a=c and a=b"
    check_settings(settings(tmp_path, {"labels": ["a=b", "a=b", "c="]}))


def test_ordinary_values_pass(tmp_path: Path) -> None:
    check_settings(
        settings(
            tmp_path,
            {
                "mtu": 0,
                "labels": ["a=b=c"],
                "dns-search": ["example.com", "."],
                "registry-mirrors": ["https://mirror.example:5000/path/"],
                "insecure-registries": ["10.0.0.0/8", "reg:5000"],
                "exec-opts": ["native.cgroupdriver=cgroupfs"],
                "default-address-pools": [{"base": "10.0.0.0/8", "size": 24}],
                "min-api-version": "1.30",
                "gc": {"high": "85%", "low": "70%"},
            },
        )
    )


@pytest.mark.parametrize(
    "content",
    [
        {"authorization-plugins": ["opa"]},
        {"rootless": True},
    ],
)
def test_what_would_be_unsafe_to_ignore_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(ConfigError, match="is not supported by this engine"):
        check_settings(settings(tmp_path, content))


def test_what_has_no_effect_is_warned_of(tmp_path: Path) -> None:
    given = settings(
        tmp_path,
        {
            "bridge-accept-fwmark": "1",
            "iptables": False,
            "containerd": "/x",
            "userland-proxy": False,
        },
    )
    check_settings(given)
    assert warnings_of(given) == [
        f"bridge-accept-fwmark ({tmp_path}/daemon.json:1) has no effect: marks are not looked at"
    ]


def test_features_we_do_not_have_are_warned_of(tmp_path: Path) -> None:
    given = settings(tmp_path, {"features": {"buildkit": False, "containerd-snapshotter": True}})
    assert warnings_of(given) == [
        f"feature containerd-snapshotter ({tmp_path}/daemon.json:1) has no effect: this engine has "
        "none of that name"
    ]
