import json

import pytest

from wharfie.drivers.runtime import default_syscalls
from wharfie.drivers.runtime.seccomp_profile import (
    Circumstances,
    default_profile,
    parse_profile,
    resolve_profile,
)
from wharfie.formats.oci.runtime import Seccomp
from wharfie.model.errors import InvalidArgument

PLAIN = Circumstances("x86_64", (6, 1), frozenset({"CAP_CHOWN"}))
BLOCKED = [
    "acct",
    "add_key",
    "bpf",
    "clock_settime",
    "create_module",
    "delete_module",
    "finit_module",
    "init_module",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mbind",
    "mount",
    "move_pages",
    "nfsservctl",
    "open_by_handle_at",
    "perf_event_open",
    "pivot_root",
    "quotactl",
    "reboot",
    "request_key",
    "set_mempolicy",
    "setns",
    "settimeofday",
    "swapon",
    "sysfs",
    "_sysctl",
    "umount2",
    "unshare",
    "userfaultfd",
    "vm86",
]


def _allowed(profile: Seccomp) -> set[str]:
    return {
        name
        for rule in profile.syscalls
        if rule.action == "SCMP_ACT_ALLOW" and not rule.args
        for name in rule.names
    }


def test_what_docker_documents_as_blocked_is_not_allowed() -> None:
    assert _allowed(default_profile(PLAIN)).isdisjoint(BLOCKED)


def test_ordinary_calls_are_allowed() -> None:
    ordinary = {"read", "write", "openat2", "futex", "execve", "ptrace", "arch_prctl", "rseq"}
    assert ordinary <= _allowed(default_profile(PLAIN))


def test_ptrace_needs_a_kernel_where_it_cannot_go_around_the_filter() -> None:
    old = Circumstances("x86_64", (4, 7), frozenset())
    assert "ptrace" not in _allowed(default_profile(old))


def test_capabilities_bring_calls() -> None:
    admin = Circumstances("x86_64", (6, 1), frozenset({"CAP_SYS_ADMIN"}))
    profile = default_profile(admin)
    assert {"mount", "unshare", "clone", "clone3"} <= _allowed(profile)
    assert not any(rule.errno_ret == 38 for rule in profile.syscalls)


def test_clone3_looks_missing_without_the_capability() -> None:
    rule = next(r for r in default_profile(PLAIN).syscalls if "clone3" in r.names)
    assert (rule.action, rule.errno_ret) == ("SCMP_ACT_ERRNO", 38)


def test_no_name_is_listed_twice() -> None:
    names = default_syscalls.ALWAYS.split()
    assert len(names) == len(set(names))


def _resolve(rule: dict[str, object], circumstances: Circumstances = PLAIN) -> bool:
    document = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}
    return bool(resolve_profile(parse_profile(json.dumps(document)), circumstances).syscalls)


@pytest.mark.parametrize(
    ("conditions", "applies"),
    [
        ({}, True),
        ({"includes": {"caps": ["CAP_CHOWN"]}}, True),
        ({"includes": {"caps": ["CAP_CHOWN", "CAP_BPF"]}}, False),
        ({"excludes": {"caps": ["CAP_BPF", "CAP_CHOWN"]}}, False),
        ({"includes": {"arches": ["amd64"]}}, True),
        ({"includes": {"arches": ["arm64"]}}, False),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"includes": {"minKernel": "6.1"}}, True),
        ({"includes": {"minKernel": "6.2"}}, False),
        ({"excludes": {"minKernel": "4.8"}}, False),
        ({"includes": None, "args": None, "comment": "x"}, True),
    ],
)
def test_conditions_of_rules(conditions: dict[str, object], applies: bool) -> None:
    assert _resolve({"names": ["x"], "action": "SCMP_ACT_ALLOW", **conditions}) is applies


def test_architectures_come_from_the_map() -> None:
    document = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
    }
    found = resolve_profile(parse_profile(json.dumps(document)), PLAIN)
    assert found.architectures == ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86")


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        '{"defaultAction": 5}',
        "{}",
        '{"defaultAction":"a","architectures":["x"],"archMap":[{"architecture":"y"}]}',
        '{"defaultAction":"a","syscalls":[{"name":"a","names":["b"],"action":"c"}]}',
    ],
)
def test_what_is_no_profile(document: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_profile(document)
