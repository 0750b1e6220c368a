"""Layers as directories and root file systems as overlays of them: `OverlaySnapshotter`."""

from wharfie.drivers.snapshot.snapshotter import OverlaySnapshotter

__all__ = ["OverlaySnapshotter"]
