"""Volumes as directories of this host: `LocalVolumeDriver`."""

from wharfie.drivers.volume.local import LocalVolumeDriver

__all__ = ["LocalVolumeDriver"]
