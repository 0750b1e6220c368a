"""What the kernel is told when a volume is mounted, by a kernel that only listens."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from wharfie.drivers.volume import attaching
from wharfie.drivers.volume.options import parse_mount
from wharfie.kernel import mounts
from wharfie.model.errors import Internal


class Kernel:
    """Stands in for the mount system calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failure: int = 0) -> None:
        self.told: list[tuple[object, ...]] = []
        self._failure = failure
        for name in ("fsopen", "fsconfig_string", "fsconfig_flag", "fsconfig_create", "fsmount"):
            monkeypatch.setattr(mounts, name, getattr(self, name))
        monkeypatch.setattr(mounts, "read_context_log", lambda _: [])
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("192.0.2.7", 0))]
        )

    def fsopen(self, kind: str) -> int:
        self.told.append(("fsopen", kind))
        return os.open("/dev/null", os.O_RDONLY)

    def fsconfig_string(self, _context: int, key: str, value: str) -> None:
        self.told.append((key, value))

    def fsconfig_flag(self, _context: int, key: str) -> None:
        self.told.append((key,))

    def fsconfig_create(self, _context: int) -> None:
        self.told.append(("create",))
        if self._failure:
            raise OSError(self._failure, os.strerror(self._failure))

    def fsmount(self, _context: int, attributes: int) -> int:
        self.told.append(("fsmount", attributes))
        return 99


def attach(**options: str) -> int:
    parsed = parse_mount(options)
    assert parsed is not None
    return attaching.mount_volume("data", parsed, [])


def test_a_share_is_mounted_as_dockers_documentation_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch)
    words = "addr=files.example,rw,nfsvers=4,soft,noatime,timeo=50"
    assert attach(type="nfs", o=words, device=":/srv/export") == 99
    assert kernel.told == [
        ("fsopen", "nfs"),
        ("source", ":/srv/export"),
        ("addr", "192.0.2.7"),  # the kernel knows no names
        ("nfsvers", "4"),
        ("soft",),
        ("timeo", "50"),
        ("create",),
        ("fsmount", mounts.MOUNT_ATTR_NOATIME),
    ]


def test_a_share_is_mounted_read_only_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch)
    attach(type="nfs4", o="addr=192.0.2.7,ro", device=":/")
    assert kernel.told[-3:] == [("ro",), ("create",), ("fsmount", mounts.MOUNT_ATTR_RDONLY)]


def test_a_server_that_does_not_answer_is_told_in_dockers_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Kernel(monkeypatch, errno.ECONNREFUSED)
    with pytest.raises(Internal) as refused:
        attach(type="nfs", o="addr=192.0.2.7", device=":/srv")
    assert refused.value.message == (
        "failed to populate volume: error while mounting volume 'data': failed to mount local "
        "volume: mount :/srv: connection refused"
    )
