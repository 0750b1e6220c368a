"""Default locations; those of `wharfied`, or dockerd's when invoked as `dockerd`."""

from __future__ import annotations

from msgspec import Struct


class Places(Struct, frozen=True):
    """Where things are when nobody says otherwise.

    Attributes:
        program: the name we were called by.
        unit: of systemd, whose drop-ins error messages name.
    """

    program: str
    config_file: str
    data_root: str
    exec_root: str
    pidfile: str
    unit: str = "wharfie"


WHARFIED = Places(
    "wharfied", "/etc/wharfie/daemon.json", "/var/lib/wharfie", "/run/wharfie", "/run/wharfie.pid"
)
DOCKERD = Places(
    "dockerd", "/etc/docker/daemon.json", "/var/lib/docker", "/var/run/docker",
    "/var/run/docker.pid", "docker",
)  # fmt: skip


def places_of(argv0: str) -> Places:
    """The locations that go with the name a program was called by."""
    return DOCKERD if argv0.rpartition("/")[2] == "dockerd" else WHARFIED
