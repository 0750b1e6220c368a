"""Faults that no namespace can make: another kernel."""

from __future__ import annotations

import os
import socket

import pytest

from wharfie.cli.doctor import host
from wharfie.cli.doctor.findings import Finding


def finding(check: str) -> Finding:
    return next(one for one in host.check_host() if one.check == check)


def test_a_kernel_without_seccomp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_read", lambda path: "")
    assert finding("seccomp").status == "fail"
    monkeypatch.setattr(host, "_read", lambda path: "Seccomp:\t0\n")
    assert finding("seccomp").status == "ok"


def test_a_kernel_without_nftables(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr(socket, "socket", refuse)
    found = finding("nftables")
    assert found.status == "fail"
    assert found.remedy == "modprobe nf_tables"


@pytest.mark.parametrize(
    ("release", "status"),
    [("4.19.0-27-amd64", "warn"), ("5.10.0", "ok"), ("6.18.44-fc", "ok"), ("odd", "warn")],
)
def test_the_kernels_age(release: str, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.uname()
    monkeypatch.setattr(
        os, "uname", lambda: os.uname_result((real[0], real[1], release, real[3], real[4]))
    )
    assert finding("kernel").status == status


@pytest.mark.parametrize(
    ("controllers", "status"),
    [("cpuset cpu io memory pids", "ok"), ("cpu pids", "fail")],
)
def test_controllers_of_cgroup_v2(
    controllers: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "_read", lambda path: controllers if "cgroup" in path else "")
    assert finding("cgroups").status == status
