"""Volumes as directories of this host: `LocalVolumeDriver`."""

from wharfie.drivers.volume.local import LocalVolumeDriver
from wharfie.drivers.volume.plugins import VolumePlugins

__all__ = ["LocalVolumeDriver", "VolumePlugins"]
