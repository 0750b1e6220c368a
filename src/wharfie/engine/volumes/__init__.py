"""Volumes: named places for data that outlive containers."""

from wharfie.engine.volumes.archives import VolumeArchives
from wharfie.engine.volumes.service import Volumes

__all__ = ["VolumeArchives", "Volumes"]
