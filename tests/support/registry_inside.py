"""Our small registry inside a daemon's network namespace, and a layer that runs."""

from __future__ import annotations

import io
import json
import os
import socket
import tarfile

from support.daemon import Daemon
from support.registry import Registry
from wharfie.engine.images.making.default_image import build_archive, find_busybox
from wharfie.kernel.netns import call_inside


def registry_inside(daemon: Daemon, address: str = "127.0.0.1", **options: object) -> Registry:
    """A registry on an address of the daemon's name space."""
    if not address.startswith("127."):
        daemon.namespaces.run("ip", "address", "replace", f"{address}/32", "dev", "lo")
    namespace = os.open(f"/proc/{daemon.namespaces.pid}/ns/net", os.O_RDONLY)
    try:
        listener = call_inside(namespace, lambda: socket.create_server((address, 0), backlog=64))
    finally:
        os.close(namespace)
    return Registry(listener=listener, **options)  # type: ignore[arg-type]


def busybox_layer() -> bytes:
    """The one layer of the embedded image."""
    with tarfile.open(fileobj=io.BytesIO(build_archive(find_busybox()))) as archive:
        entry = json.load(archive.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
        return archive.extractfile(entry["Layers"][0]).read()  # type: ignore[union-attr]
